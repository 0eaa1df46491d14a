"""Codes as a string of bits."""

import math

import numpy as np
import pytest

from pqgan.quantise.packing import BLOCK, bits_of, code_type, pack, packed_size, unpack

SIZES = (2, 3, 128, 512, 1000, 1024, 16384, 2**24)


@pytest.mark.parametrize("K", [*range(2, 70), *SIZES, 2**24 - 1])
def test_bits_are_those_of_the_formula(K):
    assert bits_of(K) == math.ceil(math.log2(K))
    assert [packed_size(count, K) for count in range(20)] == [math.ceil(n * bits_of(K) / 8) for n in range(20)]


@pytest.mark.parametrize("K", SIZES)
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1001, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_what_is_packed_comes_back_in_the_size_of_the_formula(K, count):
    codes = np.random.default_rng(count).integers(0, K, count)
    codes[:2] = (0, K - 1)[:count]
    packed = pack(codes, K)
    assert len(packed) == math.ceil(count * math.ceil(math.log2(K)) / 8)
    again = unpack(packed, count, K)
    assert np.array_equal(again, codes)
    assert again.dtype == code_type(K)


@pytest.mark.parametrize("K", SIZES)
def test_the_bits_lie_as_documented(K):
    codes = np.random.default_rng(0).integers(0, K, 77)
    bits = bits_of(K)
    # one long integer, code i from bit i*b on, written from its least significant byte
    number = sum(int(code) << (i * bits) for i, code in enumerate(codes))
    assert pack(codes, K) == number.to_bytes(packed_size(77, K), "little")


def test_the_smallest_type_holds_a_code():
    assert [code_type(K).itemsize for K in (2, 256, 257, 65536, 65537, 2**24)] == [1, 1, 2, 2, 4, 4]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64, ">u4"])
def test_any_integers_of_any_shape_and_layout(dtype):
    codes = np.arange(2 * 3 * 4, dtype=dtype).reshape(2, 3, 4)
    expected = pack(np.arange(24), 100)
    assert pack(codes, 100) == expected
    transposed = np.asfortranarray(codes)
    assert pack(transposed, 100) == expected
    assert pack(codes.transpose(2, 0, 1), 100) == pack(codes.transpose(2, 0, 1).copy(), 100)


@pytest.mark.parametrize("code", [-1, 5, 8, 2**40])
def test_a_code_outside_its_codebook_is_refused(code):
    with pytest.raises(ValueError, match=rf"^code {code} at \(1,\); allowed: 0 to 4$"):
        pack(np.array([0, code]), 5)
    codes = np.zeros((3, 2, 4), np.int64)
    codes[2, 1, 3] = code
    with pytest.raises(ValueError, match=rf"code {code} at \(subspace, row, column\) \(2, 1, 3\); allowed: 0 to 4"):
        pack(codes, 5)


def test_what_are_no_integers_is_refused():
    with pytest.raises(ValueError, match="codes of type float64; expected integers"):
        pack(np.array([0.5]), 5)


def test_damaged_bytes_are_refused():
    packed = pack(np.array([1, 2, 3]), 5)
    for wrong in (packed[:-1], packed + b"\0"):
        with pytest.raises(ValueError, match="bytes for 3 codes; expected 2"):
            unpack(wrong, 3, 5)
    with pytest.raises(ValueError, match=r"code 7 at \(0,\); allowed: 0 to 4"):
        unpack(b"\xff\xff", 3, 5)
    with pytest.raises(ValueError, match=r"code 6 at \(subspace, row, column\) \(1, 0, 1\); allowed: 0 to 4"):
        unpack(b"\x00\x0c", (2, 1, 2), 5)


@pytest.mark.parametrize("K", [0, 1, 2**24 + 1])
def test_codebooks_that_the_format_does_not_hold(K):
    with pytest.raises(ValueError, match=f"codebooks of {K} words; allowed: 2 to 16777216"):
        bits_of(K)
