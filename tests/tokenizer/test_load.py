"""The one interface around the kinds of tokenizer, ours and published ones."""

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, VQModel
from safetensors.torch import load_file, save_file

from pqgan.errors import DataError
from pqgan.tokenizer.build import build
from pqgan.tokenizer.kinds import vqgan
from pqgan.tokenizer.load import load_tokenizer, wrap

TRUNK = {
    "block_out_channels": (32, 64),
    "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
    "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
}
TINY = {"encoder_block_out_channels": (16, 16, 16), "decoder_block_out_channels": (16, 16, 16)}
TINY |= {"num_encoder_blocks": (1, 1, 1), "num_decoder_blocks": (1, 1, 1)}
FOREIGN = {
    "kl": (AutoencoderKL, {**TRUNK, "scaling_factor": 0.13, "shift_factor": 0.1, "force_upcast": True}),
    "kl-without-quant-conv": (AutoencoderKL, {**TRUNK, "use_quant_conv": False, "use_post_quant_conv": False}),
    "vq": (VQModel, {**TRUNK, "num_vq_embeddings": 40, "vq_embed_dim": 5}),
    "vq-of-its-own-width": (VQModel, {**TRUNK, "num_vq_embeddings": 40, "scaling_factor": 0.2}),
    "vq-lookup": (VQModel, {**TRUNK, "num_vq_embeddings": 40, "lookup_from_codebook": True, "force_upcast": True}),
    "vq-spatial": (VQModel, {**TRUNK, "num_vq_embeddings": 40, "norm_type": "spatial", "vq_embed_dim": 3}),
    "tiny": (AutoencoderTiny, {**TINY, "latent_channels": 4}),
    "tiny-16": (AutoencoderTiny, {**TINY, "latent_channels": 16, "latent_magnitude": 2, "scaling_factor": 1.5}),
}
"""Configurations of diffusers' classes that none of ours have."""


@pytest.fixture(params=FOREIGN)
def foreign(request):
    """A published kind of model with weights under which the reconstruction depends on the image."""
    return varied(*FOREIGN[request.param])


def varied(cls, config):
    torch.manual_seed(0)
    model = cls(**config)
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data.normal_(std=1.5 * parameter[0].numel() ** -0.5)
    if hasattr(model, "quantize"):
        model.quantize.embedding.weight.data.normal_()
    return model


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(params=["f8-d16-S8-K64", "kl-f8-d4", "vqgan-f16-d32-K128"])
def tokenizer(request, plain, tmp_path):
    config = plain.scale.tokenizer.configs[request.param]
    build(config, plain.scale.tokenizer.trunks[config.F], plain.reading, 0).save_pretrained(tmp_path)
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
def test_a_tiny_autoencoder_stores_a_byte_a_channel():
    tokenizer = wrap(varied(*FOREIGN["tiny"]))
    images = torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    reconstruction, stored = tokenizer.round_trip(images)
    assert (stored.shape, stored.dtype) == ((2, 4, 8, 16), torch.int64)
    assert 0 <= stored.min() < stored.max() <= 255
    z_e = tokenizer.encode(images, "z_e")
    assert torch.equal(stored, tokenizer.model.scale_latents(z_e).mul(255).round().long())
    assert torch.equal(reconstruction, tokenizer.decode(tokenizer.encode(images)).clamp(-1, 1))
    assert tokenizer.codes(images) is None


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
        torch.testing.assert_close(tokenizer.decode_codes(codes.int()).clamp(-1, 1), reconstruction, **exact)
        K = tokenizer.subject()["K"]
        for code in (-1, K):
            codes[1, -1, 2, 0] = code
            expected = rf"got code {code} in subspace {codes.shape[1] - 1} at .* \(1, 2, 0\); allowed: 0 to {K - 1}"
            with pytest.raises(ValueError, match=expected):
                tokenizer.decode_codes(codes)
        for wrong in (codes[0], codes.repeat(1, 3, 1, 1), codes.float()):
            with pytest.raises(ValueError, match="got codes"):
                tokenizer.decode_codes(wrong)


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
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "safetensors: damaged or cut short"),
        (lambda path: path.unlink(), "safetensors: no such file; expected weights as safetensors"),
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


@torch.inference_mode()
def test_a_reconstruction_is_diffusers_own_forward(foreign, images):
    expected = foreign.eval()(images).sample.clamp(-1, 1)
    tokenizer = wrap(foreign)
    reconstruction = tokenizer.reconstruct(images)
    assert torch.equal(reconstruction, expected)
    assert reconstruction[0].sub(reconstruction[1]).abs().mean() > 0.05
    side = images.shape[-1] // tokenizer.factor
    assert tokenizer.encode(images, "z_e").shape[1::2] == (tokenizer.subject()["d"], side)
    torch.testing.assert_close(tokenizer.decode(tokenizer.encode(images)).clamp(-1, 1), expected)
    if tokenizer.codes(images) is not None:
        assert len(tokenizer.codes(images).unique()) > 10
        torch.testing.assert_close(tokenizer.decode_codes(tokenizer.codes(images)).clamp(-1, 1), expected)


@torch.inference_mode()
def test_a_large_codebook_is_searched_in_blocks_with_the_same_codes(images, monkeypatch):
    tokenizer = wrap(varied(*FOREIGN["vq"]))
    whole, codes = tokenizer.round_trip(images)
    calls = []
    tokenizer.model.quantize.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    monkeypatch.setattr(vqgan, "DISTANCES", 2 * codes[0].numel() * 40)
    parts, found = tokenizer.round_trip(images)
    assert calls == [2, 1]
    assert torch.equal(found, codes)
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
@torch.inference_mode()
def test_weights_of_any_precision_compute_in_float32(foreign, images, dtype, tmp_path):
    foreign.save_pretrained(tmp_path)
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    stored = {key: value.to(dtype) for key, value in load_file(path).items()}
    save_file(stored, path)
    tokenizer = load_tokenizer(tmp_path)
    assert type(tokenizer.model) is type(foreign)
    for key, value in tokenizer.model.state_dict().items():
        assert torch.equal(value, stored[key].float())
    assert tokenizer.reconstruct(images).dtype == torch.float32
