"""The one interface around the three kinds of tokenizer."""

import pytest
import torch
from safetensors.torch import load_file, save_file

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


@torch.inference_mode()
def test_codes_are_decoded_as_in_a_round_trip(tokenizer):
    images = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    reconstruction, codes = tokenizer.round_trip(images)
    if tokenizer.kind == "kl":
        with pytest.raises(NotImplementedError, match="kind kl are continuous: they have no codes"):
            tokenizer.decode_codes(torch.zeros(1, 1, 8, 4, dtype=torch.int64))
    else:
        # VQModel's z_q carries the rounding of z_e + (z_q - z_e)
        exact = {"rtol": 0, "atol": 0} if tokenizer.kind == "pq" else {}
        torch.testing.assert_close(tokenizer.decode_codes(codes).clamp(-1, 1), reconstruction, **exact)


def _without(name):
    def spoil(path):
        weights = load_file(path)
        del weights[name]
        save_file(weights, path)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without("encoder.conv_in.bias"), "not the weights of this [A-Za-z]+: missing keys encoder.conv_in.bias"),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "cannot be loaded as"),
        (lambda path: path.unlink(), "cannot be loaded as"),
    ],
    ids=["missing", "cut", "gone"],
)
def test_weights_that_are_not_all_there_are_one_line(tokenizer, tmp_path, spoil, message):
    spoil(tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(DataError, match=message) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


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
