"""What is stored of an image, by what a record says of its tokenizer."""

import pytest

from pqgan.subjects import bits_per_pixel, stored_as, stored_bits


@pytest.mark.parametrize(
    ("subject", "stored", "bits"),
    [
        ({"kind": "pq", "F": 8, "d": 128, "S": 64, "K": 512}, (64, 512), 9.0),
        ({"kind": "pq", "F": 16, "d": 128, "S": 64, "K": 128}, (64, 128), 1.75),
        ({"kind": "vqgan", "F": 8, "d": 4, "S": 1, "K": 100_000}, (1, 100_000), 17 / 64),  # log2 is 16.6
        ({"kind": "tiny", "F": 8, "d": 16}, (16, 256), 2.0),
        ({"kind": "kl", "F": 8, "d": 4}, None, None),
    ],
)
def test_bits_are_those_of_what_is_stored(subject, stored, bits):
    assert stored_as(subject) == stored
    assert stored_bits(subject) == bits


def test_codes_of_no_power_of_two_take_whole_bits():
    assert [bits_per_pixel(1, 1, K) for K in (2, 3, 4, 5, 512, 513)] == [1, 2, 2, 3, 9, 10]
