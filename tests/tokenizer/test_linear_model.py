"""PQModel without a trunk, and with a linear path around it: everything that is done with any PQModel."""

import hashlib
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from pqgan.cli import main
from pqgan.errors import DataError
from pqgan.storage.manifest import damages
from pqgan.tokenizer.identity import identity
from pqgan.tokenizer.load import load_model, load_tokenizer
from pqgan.tokenizer.model import PQModel

SHAPE = {"d": 12, "S": 6, "K": 16}
TRUNK = {"block_out_channels": (4, 8, 8), "layers_per_block": 1, "norm_num_groups": 2, "z_channels": 8}
F = 4


def linear(**changes) -> PQModel:
    torch.manual_seed(0)
    model = PQModel(**{"block_out_channels": None, "patch": F, **SHAPE, **changes}).eval().requires_grad_(False)
    model.quantiser.codebooks.normal_()
    return model


def images(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 16, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("linear") / "model"
    linear().save_pretrained(place)
    return place


@torch.no_grad()
def test_it_is_two_matrices_and_a_search_between_them():
    model, x = linear(), images()
    path, books = model.linear, model.quantiser.codebooks
    patches = torch.nn.functional.unfold(x, F, stride=F)  # (B, 3 F^2, h w)
    z = path.to_latents.weight.flatten(1) @ patches + path.to_latents.bias[:, None]  # (B, d, h w)
    torch.testing.assert_close(model.encode_continuous(x).flatten(2), z, rtol=1e-5, atol=1e-5)
    codes = model.encode_to_codes(x)
    assert codes.shape == (2, 6, 4, 6)
    words = torch.stack([books[s][codes[:, s]] for s in range(6)], 1)  # (B, S, h, w, c)
    z_q = words.movedim(-1, 2).flatten(1, 2)  # (B, d, h, w)
    assert torch.equal(model.encode(x).latents, z_q)
    back = path.to_patches.weight.flatten(1).T @ z_q.flatten(2)
    expected = torch.nn.functional.fold(back, x.shape[2:], F, stride=F) + path.to_patches.bias.view(1, 3, 1, 1)
    torch.testing.assert_close(model.decode_from_codes(codes), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(model.decode(z_q).sample, model.decode_from_codes(codes))
    assert {name.partition(".")[0] for name in model.state_dict()} == {"linear", "quantiser"}


@torch.inference_mode()
def test_saved_and_loaded_it_is_the_same_and_says_what_it_is(folder):
    model, again = linear(), PQModel.from_pretrained(folder)
    codes = model.encode_to_codes(images())
    assert torch.equal(again.encode_to_codes(images()), codes)
    assert torch.equal(again.decode_from_codes(codes), model.decode_from_codes(codes))
    tokenizer = load_tokenizer(folder)
    parameters = 2 * 12 * 48 + 12 + 3 + 16 * 12
    assert tokenizer.subject() == {"kind": "linear", "F": F, "parameters": parameters, **SHAPE}
    assert torch.equal(tokenizer.reconstruct(images()), model.decode_from_codes(codes).clamp(-1, 1))
    assert identity(tokenizer.model) == identity(model)


@torch.no_grad()
def test_a_path_around_a_trunk_adds_to_latents_and_images():
    torch.manual_seed(0)
    bare = PQModel(**TRUNK, **SHAPE)
    torch.manual_seed(0)
    model, x = PQModel(**TRUNK, **SHAPE, patch=F), images()
    # the same trunk, to the bit
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in bare.state_dict().items())
    z = bare.encode_continuous(x)
    torch.testing.assert_close(model.encode_continuous(x), z + model.linear.encode(x))
    decoded = [one.decode(z, force_not_quantize=True).sample for one in (bare, model)]
    torch.testing.assert_close(decoded[1], decoded[0] + model.linear.decode(z), rtol=1e-5, atol=1e-5)


def test_a_model_with_a_path_around_its_trunk_says_so_and_one_without_does_not(tmp_path):
    for patch, expected in ((F, {"shortcut": "linear"}), (0, {})):
        PQModel(**TRUNK, **SHAPE, patch=patch).save_pretrained(tmp_path / str(patch))
        subject = load_tokenizer(tmp_path / str(patch)).subject()
        assert subject["kind"] == "pq"
        assert {key: value for key, value in subject.items() if key == "shortcut"} == expected


@torch.inference_mode()
def test_the_path_computes_in_float32_whatever_autocast_says():
    model, x = linear(), images()
    expected = model.encode_continuous(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.encode_continuous(x), expected)


@torch.inference_mode()
def test_diffusers_takes_it_as_a_vae(folder):
    from diffusers.image_processor import VaeImageProcessor

    vae = PQModel.from_pretrained(folder)
    latents = vae.encode(images()).latents
    # what StableDiffusionPipeline does with its vae
    image = vae.decode(latents / vae.config.scaling_factor, return_dict=False, generator=None)[0]
    assert VaeImageProcessor().postprocess(image, output_type="np").shape == (2, 16, 24, 3)
    assert vae.config.force_upcast is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_out_channels": None, "patch": 0}, "patch=0 beside block_out_channels=None"),
        ({"block_out_channels": (4, 8, 8), "patch": 8}, r"patch=8 beside block_out_channels=\(4, 8, 8\)"),
    ],
)
def test_neither_trunk_nor_path_and_two_factors_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PQModel(**{**TRUNK, **SHAPE, **options})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"block_out_channels": [4, 8]},
            r"patch=4 beside block_out_channels=\[4, 8\], refine_channels=0; expected one F",
        ),
        ({"patch": 0}, "patch=0 beside block_out_channels=None, refine_channels=0; expected one F"),
        ({"patch": -4}, "patch: got -4; expected a whole number from 0"),
        ({"patch": "4"}, "patch: got '4'; expected a whole number from 0"),
        ({"patch": 8}, "another shape of linear.to_latents.weight"),
        ({"block_out_channels": [4, 8, 8]}, "config.json: "),
    ],
)
def test_a_config_of_another_network_is_one_line(folder, tmp_path, capsys, changed, message):
    load_model(folder).save_pretrained(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changed))
    with pytest.raises(DataError, match=message):
        load_tokenizer(tmp_path / "model")
    assert main(["export", "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def first_identity(model: PQModel) -> str:
    """As code files have it that were written before there were paths."""
    keys = ("K", "S", "block_out_channels", "d", "layers_per_block", "norm_num_groups", "normalisation", "z_channels")
    config = {key: model.config[key] for key in keys}
    digest = hashlib.sha256(json.dumps(["PQModel", config], sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def test_a_model_saved_before_there_were_paths_is_the_same_network(tiny_pq, tmp_path):
    """What decodes a code file is told by its identity: of old configs, which lack the option, too."""
    old = tmp_path / "old"
    load_model(tiny_pq).save_pretrained(old)
    config = json.loads((old / "config.json").read_text())
    assert config.pop("patch") == 0
    (old / "config.json").write_text(json.dumps(config))
    model = load_model(old)
    assert identity(model) == identity(load_model(tiny_pq)) == first_identity(model)
    with_path = PQModel(**TRUNK, **SHAPE, patch=F)
    without = {name: value for name, value in with_path.state_dict().items() if not name.startswith("linear.")}
    bare = PQModel(**TRUNK, **SHAPE)
    bare.load_state_dict(without)
    assert identity(with_path) != identity(bare)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_export_and_codes_on_disk(folder, tmp_path, capsys, dtype):
    (tmp_path / "photos").mkdir()
    for number, size in enumerate([(16, 16), (17, 9), (3, 40)]):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")

    def run(verb: str, **options) -> None:
        assert main([verb, *(word for key, value in options.items() for word in (f"--{key}", str(value)))]) == 0

    run("export", model=folder, out=tmp_path / "out", dtype=dtype)
    assert re.search(rf"PQModel in {dtype}, ", capsys.readouterr().out)
    assert damages(tmp_path / "out") == []
    run("encode", model=tmp_path / "out", images=tmp_path / "photos", out=tmp_path / "a.pqc")
    run("decode", model=tmp_path / "out", codes=tmp_path / "a.pqc", out=tmp_path / "back")
    tokenizer = load_tokenizer(tmp_path / "out")
    for path in (tmp_path / "photos").iterdir():
        with Image.open(path) as before, Image.open(tmp_path / "back" / path.name) as after:
            assert after.size == before.size
            if before.size == (16, 16):
                x = torch.from_numpy(np.asarray(before).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
                expected = tokenizer.reconstruct(x)[0].permute(1, 2, 0).add(1).mul(127.5).round().byte().numpy()
                assert np.array_equal(np.asarray(after), expected)
