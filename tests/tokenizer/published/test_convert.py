"""Original checkpoints become diffusers models: every tensor used, none left, the same arithmetic."""

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

from pqgan.baselines import PUBLISHED
from pqgan.errors import DataError
from pqgan.tokenizer.load import wrap
from pqgan.tokenizer.published.convert import convert, recognise

NAMES = [name for name, published in PUBLISHED.items() if published.config is None and published.kind != "pq"]
"""The paper's own are in test_authors.py."""
TRAINING_ONLY = {
    "vqgan": ("loss.perceptual_loss.net.slice1.0.weight", "loss.discriminator.main.0.weight"),
    "kl": ("loss.logvar", "loss.discriminator.main.0.weight"),
    "vqgan-lc": ("perceptual_loss.net.slice1.0.weight", "discriminator.main.0.weight"),
}


def training_only(name: str) -> tuple[str, ...]:
    return TRAINING_ONLY["vqgan-lc" if name.startswith("vqgan-lc") else PUBLISHED[name].kind]


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_the_published_shapes_finds_its_place(name, originals):
    published, original = PUBLISHED[name], originals.configurations[name]
    shapes = originals.shapes(original)
    # numbered, so that a tensor taken for another of the same shape shows; expanded, so that they cost nothing
    state = {
        key: torch.tensor(float(number)).expand(shape) if original.features is None else torch.zeros(1).expand(shape)
        for number, (key, shape) in enumerate(shapes.items())
    }
    extra = {key: torch.zeros(3) for key in training_only(name)}
    model = convert({**state, **extra}, name)
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
    if original.features is None:
        numbers = [parameter.flatten()[0].item() for parameter in model.parameters()]
        assert sorted(numbers) == list(range(len(state)))
    subject = wrap(model).subject()
    expected = {"kind": published.kind, "F": published.F, "d": published.d, "S": published.S, "K": published.K}
    assert {key: subject.get(key) for key in expected} == expected
    count = sum(torch.Size(shape).numel() for shape in shapes.values())
    if original.features:  # 100 000 projected codewords in place of their features and the map
        count += original.n_embed * original.embed_dim
        count -= original.n_embed * original.features + original.embed_dim * (original.features + 1)
    assert subject["parameters"] == count


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
def test_the_converted_model_computes_what_the_original_does(name, originals, photos):
    original = originals.configurations[name].reduced()
    state = originals.seeded(original)
    # in float64, so that what is left is a difference and no rounding
    arithmetic = originals.Arithmetic(original, {key: value.double() for key, value in state.items()})
    images = photos[:2, :, 64:128, 96:160].double()  # (2, 3, 64, 64)
    tokenizer = wrap(convert(state, name).double())
    z = arithmetic.encode(images)
    torch.testing.assert_close(tokenizer.encode(images, "z_e"), z, rtol=0, atol=1e-6)
    z, codes = arithmetic.quantise(z) if original.n_embed else (z, None)
    reconstruction, found = tokenizer.round_trip(images)
    expected = arithmetic.decode(z)
    assert expected.std() > 0.1
    torch.testing.assert_close(reconstruction, expected.clamp(-1, 1), rtol=0, atol=1e-6)
    if codes is not None:
        assert len(codes.unique()) > 5
        assert torch.equal(found, codes)


def test_the_map_agrees_with_diffusers_where_that_has_one(originals):
    original = originals.configurations["ldm-kl-f8"].reduced()
    state = originals.seeded(original)
    model = convert(state, "kl-f8")
    theirs = convert_ldm_vae_checkpoint(dict(state), model.config)
    assert theirs.keys() == model.state_dict().keys()
    for key, value in model.state_dict().items():
        assert torch.equal(value, theirs[key].view_as(value)), key


def test_diffusers_own_converter_loses_the_attention_of_the_levels(originals):
    """Why there is one of ours; once this fails, theirs can take over for KL."""
    original = originals.configurations["ldm-kl-f16"].reduced()
    state = originals.seeded(original)
    theirs = convert_ldm_vae_checkpoint(dict(state), convert(state, "kl-f16").config)
    assert not any("down_blocks.4.attentions" in key for key in theirs)


def test_half_precision_is_computed_in_float32(originals):
    state = originals.seeded(originals.configurations["ldm-vq-f4"].reduced())
    model = convert({key: value.half() for key, value in state.items()}, "half")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["ldm-vq-f8", "ldm-kl-f16", "vqgan-lc-f16"])
def test_what_is_missing_or_left_over_is_one_line(name, originals):
    state = originals.seeded(originals.configurations[name].reduced())
    key = "decoder.up.1.block.1.norm2.bias"
    cases = {
        f"lacks {key}": {name: value for name, value in state.items() if name != key},
        "has besides encoder.extra.weight": {**state, "encoder.extra.weight": torch.zeros(1)},
        "has besides decoder.up.0.attn.0.q.weight": {**state, "decoder.up.0.attn.0.q.weight": torch.zeros(1)},
        r"of another shape post_quant_conv.weight \(7x7x1x1; expected ": {
            **state,
            "post_quant_conv.weight": torch.zeros(7, 7, 1, 1),
        },
        "no floats in quant_conv.bias": {**state, "quant_conv.bias": state["quant_conv.bias"].int()},
    }
    for message, spoilt in cases.items():
        with pytest.raises(DataError, match=message) as caught:
            convert(spoilt, "some.ckpt")
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith("some.ckpt: ")


@pytest.mark.parametrize(
    "gone", ["encoder.down.1.block.0.conv1.weight", "decoder.conv_in.weight", "codebook_projection.bias"]
)
def test_a_size_that_cannot_be_read_is_one_line(gone, originals):
    state = originals.seeded(originals.configurations["vqgan-lc-f8"].reduced())
    del state[gone]
    with pytest.raises(DataError, match=r"some.ckpt: .*(lacks |no linear codebook_projection)") as caught:
        convert(state, "some.ckpt")
    assert "\n" not in str(caught.value)


def test_widths_that_the_norms_do_not_divide_are_one_line(originals):
    state = originals.seeded(originals.configurations["ldm-vq-f4"].reduced())
    for part in ("conv1.weight", "norm2.weight", "conv2.weight", "conv1.bias", "norm2.bias", "conv2.bias"):
        key = f"encoder.down.0.block.0.{part}"
        state[key] = state[key][:20]
    with pytest.raises(DataError, match=r"some.ckpt: not the shapes"):
        convert(state, "some.ckpt")


def test_other_checkpoints_are_refused_with_what_is_allowed():
    config = {"block_out_channels": (32,), "down_block_types": ("DownEncoderBlock2D",)}
    other = AutoencoderKL(**config, up_block_types=("UpDecoderBlock2D",)).state_dict()
    for state in (other, {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1)}, {}):
        with pytest.raises(DataError, match=r"not a checkpoint of a known family.*allowed: PQGAN; VQ.*config.json"):
            recognise(state, "x")
