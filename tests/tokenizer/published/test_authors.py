"""The paper's authors' own files become a PQModel: every used tensor in its place, none left, the same arithmetic."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pqgan.baselines import PUBLISHED
from pqgan.errors import DataError
from pqgan.tokenizer.load import load_tokenizer, wrap
from pqgan.tokenizer.model import PQModel
from pqgan.tokenizer.published.convert import convert

NAMES = ("pqgan-f8", "pqgan-f16")
DEAD = ("vq_standard.embedding.weight", "vq_split.embedding.weight")
LOSS = {"loss.perceptual_loss.net.slice1.0.weight": (4, 3, 3, 3), "loss.discriminator.main.0.weight": (4, 3, 4, 4)}
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
"""ImageNet's."""
SMALL = 8
"""Subspaces of a small variant."""


def authors(originals, original, *, aliases="vq_split", loss=False, dead=True):
    """A state dict as the authors' files may hold one.

    Args:
        aliases: vq_split, quantize or both: names of the quantiser.
        loss: whether the networks of the loss are there, as in a training's checkpoint.
        dead: whether tensors are there that are never used.
    """
    state = originals.seeded(original)
    generator = torch.Generator().manual_seed(1)
    if dead:
        shape = (original.n_embed, original.embed_dim)
        state |= {key: torch.randn(shape, generator=generator) for key in DEAD}
    named = {key.replace("vq_split.", "quantize."): value for key, value in state.items()}
    if aliases == "both":
        state = {**state, **{key: value.clone() for key, value in named.items()}}
    elif aliases == "quantize":
        state = named
    return state | {key: torch.zeros(shape) for key, shape in LOSS.items() if loss}


def normalised(images):
    """Images (B, 3, H, W) in [-1, 1] as the authors' networks see them."""
    return (images / 2 + 0.5 - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)


def shown(output):
    """What the authors' decoder gives, as images in [-1, 1]."""
    return (output * STD.view(3, 1, 1) + MEAN.view(3, 1, 1)) * 2 - 1


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
def test_a_full_width_file_computes_what_the_original_layers_do(name, originals, photos):
    original, published = originals.configurations[name], PUBLISHED[name]
    state = authors(originals, original)
    model = convert(state, name).eval()
    assert (model.config.block_out_channels, model.config.z_channels) == (
        [128 * multiplier for multiplier in original.ch_mult],
        256,
    )
    images = photos[:1, :, 64 : 64 + 2 * published.F, 96 : 96 + 4 * published.F]
    # the original's in float64, so that what is left is the model's rounding
    arithmetic = originals.Arithmetic(original, {key: value.double() for key, value in state.items()})
    z = arithmetic.encode(normalised(images.double()))
    found = model.encode_continuous(images)
    assert found.shape == (1, published.d, 2, 4)
    torch.testing.assert_close(found.double(), z, rtol=0, atol=1e-5)
    z_q, codes = arithmetic.quantise(z)
    assert torch.equal(model.encode_to_codes(images), codes)
    assert codes.shape[1] == published.S == 64
    assert len(codes.unique()) > 20
    assert codes.max() < published.K
    torch.testing.assert_close(model.encode(images).latents.double(), z_q, rtol=0, atol=1e-5)
    expected = shown(arithmetic.decode(z_q))
    assert expected.std() > 0.1
    torch.testing.assert_close(model.decode_from_codes(codes).double(), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(wrap(model).reconstruct(images).double(), expected.clamp(-1, 1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_the_published_shapes_finds_its_place(name, originals):
    shapes = originals.shapes(originals.configurations[name])
    # numbered, so that a tensor taken for another of the same shape shows; expanded, so that they cost nothing
    state = {key: torch.tensor(float(number)).expand(shape) for number, (key, shape) in enumerate(shapes.items())}
    model = convert({**state, **{key: torch.zeros(3) for key in DEAD}}, name)
    books = model.quantiser.codebooks
    assert [book.unique().tolist() for book in books] == [
        [state[f"vq_split.embeddings.{number}.weight"].view(-1)[0].item()] for number in range(64)
    ]
    others = [value.flatten()[0].item() for key, value in model.named_parameters() if key != "quantiser.codebooks"]
    assert sorted(others + [book[0, 0].item() for book in books]) == list(range(len(state)))
    subject = wrap(model).subject()
    published = PUBLISHED[name]
    expected = {"kind": "pq", "F": published.F, "d": 128, "S": 64, "K": published.K, "trained_geometry": "squash"}
    assert {key: subject.get(key) for key in expected} == expected
    assert subject["parameters"] == sum(torch.Size(shape).numel() for shape in shapes.values())


@pytest.fixture
def small(originals):
    """A configuration of the authors' kind, narrow."""
    return replace(originals.configurations["pqgan-f8"].reduced(K=5), z_channels=8, embed_dim=16, subspaces=SMALL)


@pytest.fixture
def short(small):
    """Of two levels."""
    return replace(small, ch_mult=(1, 2), attn_resolutions=(128,))


@torch.inference_mode()
@pytest.mark.parametrize("dead", [True, False])
@pytest.mark.parametrize("loss", [True, False])
@pytest.mark.parametrize("aliases", ["vq_split", "quantize", "both"])
def test_either_name_or_both_with_and_without_the_loss_are_one_model(aliases, loss, dead, originals, small, photos):
    model = convert(authors(originals, small, aliases=aliases, loss=loss, dead=dead), "some.ckpt").eval()
    expected = convert(authors(originals, small), "some.ckpt").state_dict()
    assert model.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
    assert not any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])
    # safetensors sorts names as texts
    backwards = convert(dict(reversed(authors(originals, small, aliases=aliases).items())), "some.ckpt")
    assert torch.equal(backwards.quantiser.codebooks, model.quantiser.codebooks)
    images = photos[:1, :, :32, :32]
    scale, shift = (0.5 / STD).view(1, 3, 1, 1), ((0.5 - MEAN) / STD).view(1, 3, 1, 1)
    torch.testing.assert_close(model.value_range(images, way="enter"), images * scale + shift)


@pytest.mark.parametrize("form", ["safetensors", "lightning", "plain"])
def test_a_file_of_any_form_opens(form, originals, small, tmp_path, photos):
    from safetensors.torch import save_file

    state = authors(originals, small, aliases="both", loss=True)
    path = tmp_path / ("model.safetensors" if form == "safetensors" else "model.ckpt")
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save({"epoch": 3, "global_step": 7, "state_dict": state} if form == "lightning" else state, path)
    tokenizer = load_tokenizer(path)
    assert torch.equal(tokenizer.model.quantiser.codebooks[3], state["vq_split.embeddings.3.weight"])
    assert tokenizer.round_trip(photos[:1, :, :32, :32])[1].shape == (1, SMALL, 4, 4)


def test_what_the_authors_trained_with_is_in_the_config_and_comes_back(originals, small, tmp_path):
    model = convert(authors(originals, small), "some.ckpt")
    model.save_pretrained(tmp_path)
    again = PQModel.from_pretrained(tmp_path)
    for one in (model, again):
        config = {key: one.config[key] for key in ("normalisation", "geometry", "codebook_init", "norm_num_groups")}
        expected = {"normalisation": "imagenet", "geometry": "squash", "codebook_init": "normal", "norm_num_groups": 32}
        assert config == expected
    assert load_tokenizer(tmp_path).subject()["trained_geometry"] == "squash"


def test_opening_draws_no_numbers(originals, small):
    state = authors(originals, small)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    convert(state, "some.ckpt")
    assert torch.equal(torch.get_rng_state(), before)


def refused(state) -> str:
    with pytest.raises(DataError) as caught:
        convert(state, "some.ckpt")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("some.ckpt: ")
    assert message.isprintable()
    return message


def test_each_missing_tensor_is_named_in_one_line(originals, short):
    state = authors(originals, short)
    used = [key for key in state if key not in DEAD]
    assert len(used) > 100
    for key in used:
        message = refused({name: value for name, value in state.items() if name != key})
        assert f"lacks {key};" in message, message


def test_each_tensor_of_another_shape_is_named_in_one_line(originals, short):
    state = authors(originals, short)
    for number, (key, value) in enumerate(state.items()):
        if key in DEAD:
            continue
        longer = F.pad(value, (0, 0) * (value.ndim - 1) + (0, 1))
        message = refused({**state, key: (longer, value[None], value.flatten()[0])[number % 3]})
        assert key in message, message
        assert "lacks" not in message
        assert message.count("expected") == 1, message  # no other is blamed


@pytest.mark.parametrize(
    "key",
    [
        "encoder.extra.weight",
        "encoder.down.9.block.0.conv1.weight",
        "encoder.down.0.block.7.conv1.weight",
        "encoder.down.0.attn.0.q.weight",
        "encoder.down.3.downsample.conv.weight",
        "decoder.up.1.attn.2.proj_out.bias",
        "vq_split.embeddings.8.weight",
        "vq_split.embeddings.00.weight",
        "quantiser.codebooks",
        "vq_split.project.weight",
        "model_ema.decay",
        "encoder.mid_block.resnets.0.conv1.weight",
    ],
)
def test_each_surplus_tensor_is_named_in_one_line(key, originals, small):
    state = authors(originals, small)
    message = refused({**state, key: torch.zeros(5, 2)})
    assert f"has besides {key}" in message


@pytest.mark.parametrize("level", [0, 2])
def test_attention_elsewhere_is_refused(level, originals, small):
    message = refused(authors(originals, replace(small, attn_resolutions=(32, 256 >> level))))
    assert f"encoder.down.{level}.attn.0.norm.weight: attention on level {level}; expected on level 3 alone" in message


def test_two_names_that_differ_are_refused(originals, small):
    state = authors(originals, small, aliases="both")
    state["quantize.embeddings.5.weight"][2, 1] += 1e-3
    message = refused(state)
    assert "vq_split.embeddings.5.weight and quantize.embeddings.5.weight differ" in message
    del state["quantize.embeddings.5.weight"]
    assert "lacks quantize.embeddings.5.weight" in refused(state)


def test_codebooks_that_do_not_share_the_channels_are_refused(originals, small):
    state = authors(originals, small)
    books = {key: torch.zeros(5, 3) for key in state if ".embeddings." in key}
    message = refused({**state, **books})
    assert "vq_split.embeddings.0.weight is 5x3; expected codewords (K, d/S) whose S widths make d=16" in message
    assert "expected floats 5x2" in refused({**state, "vq_split.embeddings.2.weight": torch.zeros(5, 2).int()})


def test_a_vqgan_is_none_of_the_authors(originals):
    state = originals.seeded(originals.configurations["vqgan-f16-1024"].reduced())
    assert type(convert(state, "vqgan.ckpt")).__name__ == "VQModel"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("key", "told"),
    [("quant_conv.weight", "quant_conv.weight"), ("vq_split.embeddings.0.weight", "quantiser.codebooks")],
)
def test_a_tensor_that_is_not_finite_is_named(key, told, value, originals, small):
    state = authors(originals, small)
    state[key] = state[key].clone()
    state[key].flatten()[0] = value
    assert f"no finite numbers in {told};" in refused(state)
