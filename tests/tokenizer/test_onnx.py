"""`pqgan export --onnx`: onnxruntime alone makes the same codes and pixels, of any batch and sides, or refuses."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image

from pqgan.cli import main
from pqgan.errors import DataError, NumericalError
from pqgan.quantise.matching import nearest_codes
from pqgan.storage.manifest import damages
from pqgan.tokenizer import onnx_files
from pqgan.tokenizer.load import load_model
from pqgan.tokenizer.model import PQModel
from pqgan.tokenizer.onnx_graphs import FEW, Decoder, Encoder, nearest

ROOT = Path(__file__).parents[2]
ALONE = {"block_out_channels": None, "patch": 4, "d": 6}
TRUNK = {"block_out_channels": (4, 8), "layers_per_block": 1, "norm_num_groups": 2, "z_channels": 8}
QUANTISERS = {
    "rq": {"d": FEW + 4, "quantiser_config": {"kind": "rq", "D": 3, "K": 16}, "codebook_init": "normal"},
    "fsq": {"d": 3, "quantiser_config": {"kind": "fsq", "levels": [8, 5, 4]}},
}


def made(**options) -> PQModel:
    torch.manual_seed(0)
    return PQModel(**options).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A linear path and what corrects it, and the folder that the command made of it."""
    place = tmp_path_factory.mktemp("onnx")
    model = made(**ALONE, S=3, K=16, codebook_init="normal", refine_channels=4, refine_blocks=1)
    model.save_pretrained(place / "model")
    assert main(["export", "--model", str(place / "model"), "--out", str(place / "out"), "--onnx"]) == 0
    return load_model(place / "out").eval(), place / "out"


def run(folder: Path, name: str, values: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(folder / f"{name}.onnx").run(None, {onnx_input(name): values})[0]


def onnx_input(name: str) -> str:
    return "images" if name == "encoder" else "codes"


def check(model: PQModel, folder: Path, images: torch.Tensor) -> None:
    """Codes are the model's and so are pixels, within one of 255 levels."""
    with torch.inference_mode():
        codes = model.encode_to_codes(images)
        pixels = model.decode_from_codes(codes).numpy()
    found = run(folder, "encoder", images.numpy())
    assert found.dtype == np.int64
    assert np.array_equal(found, codes.numpy())
    again = run(folder, "decoder", codes.numpy())
    assert again.dtype == np.float32
    assert np.abs(again - pixels).max() / 2 <= 1 / 255


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 8, 20), (2, 36, 16)])
def test_any_batch_and_sides_come_out_as_from_the_model(exported, shape):
    model, folder = exported
    count, height, width = shape
    check(model, folder, torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1)


def test_the_files_have_no_operator_of_ours_and_say_nothing_of_this_machine(exported):
    _, folder = exported
    about = json.loads((folder / "onnx.json").read_text())
    for name in ("encoder", "decoder"):
        proto = onnx.load(folder / f"{name}.onnx")
        assert {each.domain for each in proto.opset_import} <= {"", "ai.onnx"} | {f.domain for f in proto.functions}
        assert [each.version for each in proto.opset_import if each.domain == ""] == [18]
        content = (folder / f"{name}.onnx").read_bytes()
        assert str(ROOT).encode() not in content
        assert b"site-packages" not in content
        assert about[name]["sha256"] == onnx_files.sha256(folder / f"{name}.onnx")
    assert about["compared"]["codes_that_differ"] == 0
    assert about["compared"]["codes"] == 3 * (2 * 15 + 24)
    assert about["compared"]["largest_difference_in_levels"] < 0.01
    assert damages(folder) == []


def test_the_lines_of_the_card_need_numpy_and_onnxruntime_alone(exported, tmp_path, monkeypatch):
    model, folder = exported
    _, lines = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert "torch" not in lines
    assert "pqgan" not in lines
    monkeypatch.chdir(tmp_path)
    for path in folder.glob("*.onnx"):
        (tmp_path / path.name).symlink_to(path)
    levels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    Image.fromarray(levels).save("photo.jpg")
    exec(lines, {})
    image = torch.from_numpy(np.array(Image.open("photo.jpg"))).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        expected = model.decode_from_codes(model.encode_to_codes(image))[0].clamp(-1, 1).add(1).mul(127.5)
    again = np.asarray(Image.open("again.png")).transpose(2, 0, 1)
    assert np.abs(again - expected.numpy()).max() < 0.51


@pytest.mark.parametrize("value", [2.1, -2.1, 255.0, float("nan"), float("inf")])
def test_images_of_another_range_make_the_runtime_fail(exported, value):
    images = np.zeros((1, 3, 8, 8), np.float32)
    images[0, 1, 5, 2] = value
    with pytest.raises(Exception, match="images_have_a_value_outside_minus_2_to_2"):
        run(exported[1], "encoder", images)
    images[0, 1, 5, 2] = 2
    run(exported[1], "encoder", images)


@pytest.mark.parametrize("code", [-1, 16, 1 << 40])
def test_codes_that_are_none_make_the_runtime_fail(exported, code):
    codes = np.full((1, 3, 2, 2), 15)
    run(exported[1], "decoder", codes)
    codes[0, 1, 0, 1] = code
    with pytest.raises(Exception, match="codes_have_one_outside_0_to_K_minus_1"):
        run(exported[1], "decoder", codes)


@pytest.mark.parametrize("shape", [(1, 3, 10, 8), (1, 3, 8, 9), (2, 3, 3, 3)])
def test_sides_that_F_does_not_divide_make_the_runtime_fail(exported, shape):
    with pytest.raises(Exception, match="images_have_a_side_that_4_does_not_divide"):
        run(exported[1], "encoder", np.zeros(shape, np.float32))


def test_nothing_at_all_makes_the_runtime_fail(exported):
    for shape in ((0, 3, 8, 8), (1, 3, 0, 8)):
        with pytest.raises(Exception, match="images_are_empty"):
            run(exported[1], "encoder", np.zeros(shape, np.float32))
    for shape in ((0, 3, 2, 2), (1, 3, 2, 0)):
        with pytest.raises(Exception, match="codes_are_empty"):
            run(exported[1], "decoder", np.zeros(shape, np.int64))


def test_a_trunk_s_sides_are_refused_too(tmp_path):
    # nothing in a trunk fails by itself: its convolutions round odd sides
    model = made(**TRUNK, d=2, S=1, K=3)
    example, sides = (
        torch.rand(2, 3, 6, 10) * 2 - 1,
        {axis: 2 * torch.export.Dim(f"side{axis}", min=1) for axis in (2, 3)},
    )
    onnx_files._save(Encoder(model), example, ("images", "codes"), sides, tmp_path / "encoder.onnx", 2)
    assert run(tmp_path, "encoder", np.zeros((2, 3, 4, 8), np.float32)).shape == (2, 1, 2, 4)
    for shape in ((2, 3, 5, 4), (2, 3, 4, 9)):
        with pytest.raises(Exception, match="images_have_a_side_that_2_does_not_divide"):
            run(tmp_path, "encoder", np.zeros(shape, np.float32))


@pytest.mark.parametrize("kind", QUANTISERS)
def test_other_quantisers_are_exported_too(kind, tmp_path):
    model = made(**ALONE | QUANTISERS[kind])
    assert onnx_files.write(model, tmp_path).startswith("onnxruntime ")
    images = torch.rand(1, 3, 12, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1
    check(model, tmp_path, images)
    assert model.encode_to_codes(images).unique().numel() > 3
    with pytest.raises(Exception, match="codes_have_one_outside_0_to_K_minus_1"):
        run(tmp_path, "decoder", np.full((1, model.quantiser.S, 1, 1), model.quantiser.K))


@pytest.mark.parametrize("c", [1, 2, FEW, FEW + 1, 40])
def test_the_search_is_that_of_the_package_and_takes_the_first_of_equal_words(c):
    generator = torch.Generator().manual_seed(c)
    z, words = torch.randn(500, c, generator=generator), torch.randn(60, c, generator=generator)
    words[30:] = words[:30]
    z[:60] = words
    assert torch.equal(nearest(z, words), nearest_codes(z[:, None], words[None])[:, 0])
    assert nearest(z, words).max() < 30
    # far from zero, where float32 products would lose what decides
    assert torch.equal(nearest(z + 1000, words + 1000), nearest_codes(z[:, None] + 1000, words[None] + 1000)[:, 0])


def test_z_q_of_codes_are_the_quantisers_own_to_the_bit():
    for options in (ALONE | {"S": 3, "K": 16}, ALONE | QUANTISERS["rq"], ALONE | QUANTISERS["fsq"]):
        model = made(**options)
        S, K = model.quantiser.S, model.quantiser.K
        codes = torch.randint(K, (2, S, 3, 4), generator=torch.Generator().manual_seed(3))
        assert torch.equal(Decoder(model).words(codes), model.quantiser.decode(codes))


def test_files_of_another_model_are_noticed(exported):
    model, folder = exported
    other = made(**model.config)
    other.load_state_dict({name: weights * 1.02 for name, weights in model.state_dict().items()})
    with pytest.raises(NumericalError, match=r"differs from the model in [\d,]+ of 45 codes and by .* of 255 levels"):
        onnx_files.compare(other, folder, [torch.rand(1, 3, 12, 20) * 2 - 1])


def test_one_tie_among_few_codes_refuses_no_export(exported, monkeypatch):
    model, folder = exported
    images, codes_of = (
        torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(4)) * 2 - 1,
        model.encode_to_codes,
    )

    def moved(count: int):
        def encode(batch: torch.Tensor) -> torch.Tensor:
            codes = codes_of(batch)
            codes.view(-1)[:count] = (codes.view(-1)[:count] + 1) % 16
            return codes

        monkeypatch.setattr(model, "encode_to_codes", encode)

    moved(1)
    assert onnx_files.compare(model, folder, [images])["codes_that_differ"] == 1
    moved(2)
    with pytest.raises(NumericalError, match="in 2 of 45 codes"):
        onnx_files.compare(model, folder, [images])


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_one_line(exported, package, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["export", "--model", str(exported[1]), "--out", str(tmp_path / "out"), "--onnx"]) == 5
    assert capsys.readouterr().err == f"pqgan export: --onnx: {package} is not installed; pip install '.[onnx]'\n"
    assert not (tmp_path / "out").exists()


def test_what_has_no_form_in_onnx_is_refused(monkeypatch):
    with pytest.raises(DataError, match=r"--onnx: got AutoencoderTiny; expected a PQModel of kind pq, rq, fsq"):
        onnx_files.check(AutoencoderTiny())
    model = made(**ALONE, S=3, K=16)
    monkeypatch.setattr(model.quantiser, "kind", "other")
    with pytest.raises(DataError, match="quantiser of kind other"):
        onnx_files.check(model)
    monkeypatch.setattr(model.quantiser, "kind", "pq")
    monkeypatch.setattr(onnx_files, "LARGEST", 1000)
    with pytest.raises(DataError, match="bytes; one ONNX file holds 1,000"):
        onnx_files.check(model)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["pq", "path", *QUANTISERS])
def test_a_trunk_s_codes_come_out_as_well(name, tmp_path):
    given = {"pq": {"d": 4, "S": 2, "K": 11}, "path": {"d": 4, "S": 2, "K": 11, "patch": 2}, **QUANTISERS}[name]
    model = made(**TRUNK | given)
    onnx_files.write(model, tmp_path)
    check(model, tmp_path, torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(1)) * 2 - 1)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["f8-d128-S64-K512", "f16-d128-S64-K128"])
def test_the_trained_tokenizers_keep_their_codes(name, tmp_path):
    from skimage.data import astronaut, chelsea

    model = load_model(ROOT / "models" / name).eval().requires_grad_(False)
    onnx_files.write(model, tmp_path)
    squares = [Image.fromarray(each()).resize((256, 256)) for each in (astronaut, chelsea)]
    check(model, tmp_path, torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2) / 127.5 - 1)
