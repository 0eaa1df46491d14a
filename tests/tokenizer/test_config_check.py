"""A configuration that is not that of its weights ends in one line, before anything is built or allocated."""

import inspect
import json
import os
import resource
import struct
import time

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, VQModel
from safetensors.torch import load_file, save_file

from pqgan.errors import DataError
from pqgan.tokenizer.load import load_model
from pqgan.tokenizer.model import PQModel

WEIGHTS = "diffusion_pytorch_model.safetensors"
SMALL = {"block_out_channels": (4, 8), "layers_per_block": 1, "norm_num_groups": 2}
TRUNK = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
TINY = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
TINY |= {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
MODELS = {
    "pq": (PQModel, {**SMALL, "z_channels": 8, "d": 4, "S": 2, "K": 11}),
    "kl": (AutoencoderKL, SMALL | TRUNK),
    "vq": (VQModel, {**SMALL, **TRUNK, "num_vq_embeddings": 12, "vq_embed_dim": 3}),
    "tiny": (AutoencoderTiny, TINY),
}
DEEP: dict = {}
for _ in range(60):
    DEEP = {"in": DEEP}


@pytest.fixture(scope="module", params=MODELS)
def made(request, tmp_path_factory):
    cls, options = MODELS[request.param]
    folder = tmp_path_factory.mktemp(request.param) / "model"
    cls(**options).save_pretrained(folder)
    return folder


@pytest.fixture
def model(made, tmp_path):
    """A folder of links, so that one file of it can be spoilt."""
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def put(path, content: bytes | str) -> None:
    path.unlink()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def refused(folder) -> str:
    """The one line, which may take no long time and no memory."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError) as caught:
        load_model(folder)
    assert time.monotonic() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB
    said = str(caught.value)
    assert said.startswith(str(folder))
    assert said.isprintable()
    assert len(said) < 1000
    return said


def options(config) -> dict:
    """Without what a class notes for itself."""
    cls = next(cls for cls, _ in MODELS.values() if cls.__name__ == config["_class_name"])
    return {key: config[key] for key in inspect.signature(cls.__init__).parameters if key in config}


def blocks(config) -> str:
    return next(key for key in options(config) if key.endswith("block_out_channels"))


def widths(config) -> str:
    return "d" if "d" in config else "latent_channels"


VALUES = [0, -1, 2.5, "8", True, None, [], {}, [[]], "a" * 100_000, 1 << 31, 1 << 70, float("nan"), float("inf"), DEEP]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:12])
def test_numbers_that_are_none_are_named(model, value):
    """In turn in every option of the configuration that is a number or a list of numbers."""
    config = json.loads((model / "config.json").read_text())
    for key, right in options(config).items():
        if isinstance(right, (bool, str)) or right is None or (isinstance(right, list) and isinstance(right[0], str)):
            continue
        numbers = (2.5, 1 << 31, 1 << 70, *((0, -1) if key != "scaling_factor" else ()))
        if isinstance(right, float) and value in numbers and value is not True:
            continue  # a number like any other
        if value is None and (key == "vq_embed_dim" or (key == "latent_channels" and "d" in config)):
            continue  # as wide as the latents, which these weights are
        if value == right == 0 and type(value) is type(right):
            continue  # the model's own: none of what the option counts
        put(model / "config.json", json.dumps(config | {key: value}))
        assert "config.json: " in refused(model) or "not the weights" in refused(model), key
        if isinstance(right, list):
            put(model / "config.json", json.dumps(config | {key: [value, *right[1:]]}))
            refused(model)


@pytest.mark.parametrize("value", [0, 1.5, True, ["a"], {}, None], ids=repr)
def test_texts_switches_and_choices_that_are_none_are_named(model, value):
    config = json.loads((model / "config.json").read_text())
    for key, right in options(config).items():
        of_texts = isinstance(right, list) and isinstance(right[0], str)
        if isinstance(right, (bool, str)) or of_texts:
            if isinstance(right, bool) and value is True:
                continue
            put(model / "config.json", json.dumps(config | {key: value}))
            assert f"config.json: {key}: got" in refused(model) or of_texts
            refused(model)


@pytest.mark.parametrize("value", [0, None, [], {}, ["PQModel"], "pqmodel", "UNet2DModel", "__class__", DEEP], ids=repr)
def test_a_class_that_is_no_tokenizer_is_named(model, value):
    config = json.loads((model / "config.json").read_text())
    put(model / "config.json", json.dumps(config | {"_class_name": value}))
    assert "config.json: _class_name is" in refused(model)


def test_of_a_product_quantised_model_S_divides_d_and_K_is_two_or_more(tmp_path):
    PQModel(**MODELS["pq"][1]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for changes, said in (
        ({"S": 3}, "describes no PQModel (ProductQuantiser: S=3 does not divide d=4)"),
        ({"S": 0}, "S: got 0; expected a whole number from 1"),
        ({"K": 1}, "K: got 1; expected a whole number from 2 to 16777216"),
        ({"K": 12}, "another shape of quantiser.codebooks (2x11x2; expected 2x12x2)"),
        ({"codebook_init": "zeros"}, "codebook_init: got 'zeros'; expected one of uniform, normal"),
        ({"quantiser_config": 5}, "describes no PQModel"),
        ({"quantiser_config": {"kind": "lfq"}}, "quantiser: kind is 'lfq'; expected pq"),
        (
            {"quantiser_config": {"kind": "rq", "D": 10**9, "K": 11}},
            "D is 1000000000; expected a whole number from 1 to 65536",
        ),
        ({"quantiser_config": {"kind": "rq", "D": "2", "K": 11}}, "D is '2'; expected a whole number from 1 to 65536"),
        ({"quantiser_config": {"kind": "rq", "D": 2, "K": 11}}, "missing keys quantiser.codebook"),
        ({"quantiser_config": {"kind": "fsq", "levels": [99] * 4}}, "make 96,059,601 codes; allowed: 16,777,216"),
        ({"codebook_inlt": "normal"}, "codebook_inlt: no option of a PQModel"),
        ({"scaling_factor": 0}, "scaling_factor: got 0; expected a number above 0"),
    ):
        put(tmp_path / "config.json", json.dumps(config | changes))
        assert said in refused(tmp_path)


@pytest.mark.parametrize("many", [200, 1_000_000, 10**12])
def test_more_layers_than_the_weights_hold_are_not_built(model, many):
    config = json.loads((model / "config.json").read_text())
    key = "layers_per_block" if "layers_per_block" in config else "num_encoder_blocks"
    put(model / "config.json", json.dumps(config | {key: many if key == "layers_per_block" else [many, 1]}))
    assert "layers" in refused(model)
    long = {blocks(config): [8] * min(many, 300_000)}
    put(model / "config.json", json.dumps(config | long))
    assert "layers" in refused(model)


@pytest.mark.parametrize("wide", [5_000_000, (1 << 31) - 2])
def test_channels_that_the_weights_do_not_have_are_not_allocated(model, wide):
    config = json.loads((model / "config.json").read_text())
    put(model / "config.json", json.dumps(config | {widths(config): wide}))
    refused(model)
    put(model / "config.json", json.dumps(config | {blocks(config): [wide, wide]}))
    refused(model)


def folder(path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path) -> None:
    path.unlink()
    os.mkfifo(path)


def zeros(path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


OTHERS = {
    "folder": folder,
    "pipe": pipe,
    "device": zeros,
    "gone": lambda path: path.unlink(),
    "empty": lambda path: put(path, b""),
    "bytes": lambda path: put(path, bytes(range(256)) * 10),
    "deep": lambda path: put(path, b"[" * 200_000),
    "deep objects": lambda path: put(path, b'{"a":' * 200_000),
    "list": lambda path: put(path, "[]"),
    "object": lambda path: put(path, "{}"),
}


@pytest.mark.parametrize("name", ["config.json", WEIGHTS])
@pytest.mark.parametrize("how", OTHERS)
def test_what_is_no_file_of_a_model_is_named(model, name, how):
    OTHERS[how](model / name)
    assert refused(model).startswith(f"{model / name}: ")


def header(path) -> tuple[dict, bytes]:
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def with_header(path, change) -> None:
    about, content = header(path)
    changed = change(about)
    content = content if changed is None else changed
    packed = json.dumps(about).encode()
    put(path, struct.pack("<Q", len(packed)) + packed + content)


def overlapping(about) -> None:
    first, second = [name for name in about if name != "__metadata__"][:2]
    about[second]["data_offsets"] = about[first]["data_offsets"]


def of_whole_numbers(about) -> None:
    for name in about:
        if name != "__metadata__":
            about[name]["dtype"] = "I32"


def of_no_type(about) -> None:
    next(about[name] for name in about if name != "__metadata__")["dtype"] = "F33"


def flat(about) -> None:
    for name in about:
        if name != "__metadata__":
            size = 1
            for side in about[name]["shape"]:
                size *= side
            about[name]["shape"] = [size]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (overlapping, "damaged or cut short"),
        (of_whole_numbers, "no weights in "),
        (of_no_type, "damaged or cut short"),
        (flat, "another shape of "),
        (lambda about: about.pop(next(name for name in about if name != "__metadata__")) and None, "damaged or cut"),
        (lambda about: about.clear() or b"", "missing keys"),
    ],
    ids=["overlapping", "whole numbers", "no type", "flat", "a gap", "nothing"],
)
def test_weights_that_are_not_what_their_header_says_are_named(model, change, said):
    path = model / WEIGHTS
    with_header(path, change)
    told = refused(model)
    assert said in told or (change is of_whole_numbers and "layers" in told) or "asks for" in told


def test_weights_that_are_cut_short_anywhere_are_named(model):
    whole = (model / WEIGHTS).read_bytes()
    for kept in (1, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        put(model / WEIGHTS, whole[:kept])
        assert "damaged or cut short" in refused(model)
    put(model / WEIGHTS, struct.pack("<Q", 1 << 40) + whole[8:])
    assert "damaged or cut short" in refused(model)


def test_weights_in_several_files_are_read_and_checked_too(made, tmp_path):
    expected = load_model(made)
    type(expected).from_pretrained(made).save_pretrained(tmp_path, max_shard_size=4000)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    loaded = load_model(tmp_path)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name])
    index = tmp_path / f"{WEIGHTS}.index.json"
    whole = json.loads(index.read_text())
    for changed in (
        {},
        {"weight_map": []},
        {"weight_map": dict.fromkeys(whole["weight_map"], "../secret.safetensors")},
        {"weight_map": dict.fromkeys(whole["weight_map"], 3)},
        {"weight_map": whole["weight_map"] | {"another": next(iter(whole["weight_map"].values()))}},
        {"weight_map": dict.fromkeys(whole["weight_map"], next(iter(whole["weight_map"].values())))},
    ):
        put(index, json.dumps(changed))
        refused(tmp_path)
    next(tmp_path.glob("*.safetensors")).unlink()
    put(index, json.dumps(whole))
    assert "no such file" in refused(tmp_path)


def test_names_of_attention_layers_of_2022_are_known(tmp_path):
    AutoencoderKL(**SMALL, **TRUNK).save_pretrained(tmp_path)
    expected = load_model(tmp_path)
    path, old = tmp_path / WEIGHTS, {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = load_file(path)
    for name in list(weights):
        for new, before in old.items():
            if f".{new}." in name:
                weights[name.replace(f".{new}.", f".{before}.")] = weights.pop(name)
    assert any(".query." in name for name in weights)
    save_file(weights, path, metadata={"format": "pt"})
    loaded = load_model(tmp_path).state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in expected.state_dict().items())


def test_tensors_that_the_model_does_not_have_are_named(model):
    weights = load_file(model / WEIGHTS)
    (model / WEIGHTS).unlink()
    save_file({**weights, "stray.weight": torch.zeros(3)}, model / WEIGHTS)
    assert "unexpected keys stray.weight" in refused(model)
