"""The one interface around the three kinds of tokenizer."""

import pytest
import torch

from pqgan.errors import DataError
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import load_tokenizer


@pytest.fixture(params=["f8-d16-S8-K64", "kl-f8-d4", "vqgan-f16-d32-K128"])
def tokenizer(request, smoke, tmp_path):
    config = smoke.scale.tokenizer.configs()[request.param]
    build(config, smoke.scale.tokenizer.trunks[config.F], smoke.reading, 0).save_pretrained(tmp_path)
    return load_tokenizer(tmp_path)


@torch.inference_mode()
def test_a_round_trip_is_encoding_then_decoding_with_the_codes_in_between(tokenizer):
    images = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    reconstruction, codes = tokenizer.round_trip(images)
    side = (64 // tokenizer.factor, 32 // tokenizer.factor)
    assert tokenizer.encode(images).shape == (2, tokenizer.channels, *side)
    assert reconstruction.shape == images.shape
    assert torch.equal(reconstruction, tokenizer.reconstruct(images))
    torch.testing.assert_close(reconstruction, tokenizer.decode(tokenizer.encode(images)).clamp(-1, 1))
    if tokenizer.kind == "kl":
        assert codes is None
        assert "K" not in tokenizer.subject()
    else:
        assert torch.equal(codes, tokenizer.codes(images))
        assert codes.shape == (2, tokenizer.subject()["S"], *side)
        assert 0 <= codes.min() <= codes.max() < tokenizer.subject()["K"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("{", "not JSON"),
        ('{"_class_name": "UNet2DModel"}', "'UNet2DModel'; expected"),
    ],
)
def test_what_is_no_tokenizer_is_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)
