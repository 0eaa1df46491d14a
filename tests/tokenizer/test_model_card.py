"""The card of an exported tokenizer: what the hub reads of it, its lines of Python, and no number without its words."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, AutoModel
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.torch import load_file

from pqgan.cli import main
from pqgan.records import FeatureNetwork, Measurement, Record, write_record
from pqgan.storage.manifest import damages, sha256
from pqgan.tokenizer.hub_files import AUTO_MAP, CONTENT, MODULE_FILE
from pqgan.tokenizer.load import load_model

WEIGHTS = "diffusion_pytorch_model.safetensors"
NETWORKS = {
    "LPIPS AlexNet": FeatureNetwork(origin="https://somewhere/alex", files={"alex.pth": "ab" * 32}),
    "InceptionV3, random weights (seed 0)": FeatureNetwork(origin="random weights, seed 0", files={}),
}
MEASURED = [
    Measurement(
        metric="psnr", value=31.25, unit="dB", n=40, protocol="mean | 8-bit", interval=(30.5, 32.0), on="images"
    ),
    Measurement(metric="psnr", value=30.0, unit="dB", n=40, protocol="pooled", on="images", headline=False),
    Measurement(metric="lpips", value=0.0299, n=40, protocol="LPIPS 0.1", network="LPIPS AlexNet", on="images"),
    Measurement(metric="rfid", value=7.0, n=40, protocol="8-bit", network=[*NETWORKS][1], on="images"),
    Measurement(metric="images_per_second", value=3.0, n=40, protocol="CPU", on="images"),
    Measurement(metric="ssim", value=math.inf, n=40, protocol="SSIM", on="images"),
]


@pytest.fixture
def measured(tiny_pq, tmp_path):
    """A function: write a metrics.json of the tiny model, in which something may be another."""

    def write(**changed):
        own = {WEIGHTS: sha256(tiny_pq / WEIGHTS)}
        images = {"folder": "photos", "name": "photos", "size": 64, "geometry": "crop", "n": 40, "digest": "d" * 8}
        record = Record(
            **{
                "kind": "reconstruction",
                "name": "tiny",
                "scale": None,
                "subject": {"kind": "pq"},
                "sets": {"images": "photos"},
                "measurements": MEASURED,
                "networks": NETWORKS,
                "device": "CPU, 1 thread",
                "dtype": "fp32",
                "seconds": 1.0,
                "provenance": {"model": {"origin": "here", "files": own}, "images": images},
                **changed,
            }
        )
        write_record(tmp_path, record)
        return tmp_path / "metrics.json"

    return write


def export(model, out, *options) -> int:
    return main(["export", "--model", str(model), "--out", str(out), *map(str, options)])


def test_the_hub_reads_licence_tags_and_every_number_with_its_words(tiny_pq, measured, tmp_path, capsys):
    out = tmp_path / "tiny"
    assert export(tiny_pq, out, "--licence", "apache-2.0", "--metrics", measured(), "--dtype", "fp32") == 0
    assert "left out, of networks with random weights: rfid" in capsys.readouterr().err
    card = ModelCard.load(out / "README.md")
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "diffusers"
    assert card.data.pipeline_tag == "image-to-image"
    assert {"pqgan", "image-tokenizer"} <= set(card.data.tags)
    assert card.data.model_name == "tiny"
    found = {result.metric_type: result for result in card.data.eval_results}
    assert found.keys() == {"psnr", "lpips"}
    for result, item in ((found["psnr"], MEASURED[0]), (found["lpips"], MEASURED[2])):
        assert result.metric_value == item.value
        assert result.metric_args["protocol"] == item.protocol
        assert result.metric_args["n"] == 40
        assert result.metric_args.get("network") == item.network
        assert result.dataset_name == "photos"
        assert result.dataset_args == {"n": 40, "size": 64, "geometry": "crop", "digest": "d" * 8}
        assert "n = 40" in result.metric_name
    rows = [line for line in card.text.splitlines() if line.startswith("| ")]
    assert rows[1:] == [
        "| PSNR | 31.25 dB | 30.5 to 32 | 40 | photos | mean \\| 8-bit |  |",
        "| LPIPS | 0.0299 |  | 40 | photos | LPIPS 0.1 | LPIPS AlexNet |",
        "| SSIM | inf |  | 40 | photos | SSIM |  |",
    ]
    assert "LPIPS AlexNet: https://somewhere/alex (sha256 abababababab)" in card.text
    assert "before the weights were rounded" not in card.text
    assert sha256(out / WEIGHTS) in card.text
    assert damages(out) == []


def test_numbers_of_weights_that_were_rounded_since_say_so(tiny_pq, measured, tmp_path):
    assert export(tiny_pq, tmp_path / "out", "--metrics", measured()) == 0
    text = (tmp_path / "out/README.md").read_text()
    assert "Measured before the weights were rounded to bf16." in text
    assert "weights in bf16 (codebooks and a linear path always in fp32)" in text


def test_numbers_of_the_exported_weights_themselves_and_of_published_files_are_taken(tiny_pq, measured, tmp_path):
    assert export(tiny_pq, tmp_path / "first") == 0
    rounded = {
        "provenance": {"model": {"origin": "x", "files": {"vae/any name": sha256(tmp_path / "first" / WEIGHTS)}}}
    }
    assert export(tiny_pq, tmp_path / "out", "--metrics", measured(**rounded)) == 0
    text = (tmp_path / "out/README.md").read_text()
    assert "## Measured" in text
    assert "before the weights were rounded" not in text
    model = tmp_path / "published"
    load_model(tiny_pq).save_pretrained(model)
    source = {"files": {"model.ckpt": "1" * 64}, "weights": {WEIGHTS: sha256(model / WEIGHTS)}}
    (model / "source.json").write_text(json.dumps(source))
    published = measured(provenance={"model": {"origin": "x", "files": source["files"]}})
    assert export(model, tmp_path / "out", "--metrics", published) == 0
    source["weights"] = {WEIGHTS: "2" * 64}
    (model / "source.json").write_text(json.dumps(source))
    assert export(model, tmp_path / "out", "--metrics", published) == 3


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"provenance": {"model": {"origin": "x", "files": {WEIGHTS: "0" * 64}}}},
            "measured other weights than those in",
        ),
        ({"provenance": {}}, "does not say which weights it measured"),
        ({"provenance": {"model": {"files": [1]}}}, "does not say which weights it measured"),
        ({"kind": "generation"}, "a record of kind generation; expected one of reconstructions"),
        ({"measurements": MEASURED[3:5]}, "no number of it compares with others"),
    ],
)
def test_numbers_of_something_else_are_refused(tiny_pq, measured, tmp_path, capsys, changed, expected):
    assert export(tiny_pq, tmp_path / "out", "--metrics", measured(**changed)) == 3
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_numbers_pictures_or_provenance_the_card_claims_nothing(tiny_pq, tmp_path):
    assert export(tiny_pq, tmp_path / "out") == 0
    card = ModelCard.load(tmp_path / "out/README.md")
    assert card.data.license is None
    assert card.data.eval_results is None
    assert "model-index" not in card.content
    assert "## Measured" not in card.text
    assert "![" not in card.text
    assert "onnxruntime" not in card.text
    assert "says nothing of where its weights come from" in card.text


def test_a_model_that_pqgan_trained_is_mit_and_says_how_it_was_made(tiny_pq, tmp_path):
    model = tmp_path / "model"
    load_model(tiny_pq).save_pretrained(model)
    made = {
        "job": {"chapter": "tokenizer"},
        "command": "pqgan train-tokenizer x",
        "git": {"revision": "abc", "modified": True},
    }
    (model / "provenance.json").write_text(json.dumps(made | {"packages": {"torch": "2"}, "device": 5}))
    assert export(model, tmp_path / "out") == 0
    card = ModelCard.load(tmp_path / "out/README.md")
    assert card.data.license == "mit"
    for line in ("made by: `pqgan train-tokenizer x`", "revision: abc, with changes", "packages: torch 2", "on: 5"):
        assert f"\n- {line}\n" in card.text
    for other in ({"job": {"chapter": "published"}}, {"job": []}, {"git": "x", "packages": [1], "command": None}):
        (model / "provenance.json").write_text(json.dumps(other))
        assert export(model, tmp_path / "out") == 0
        assert ModelCard.load(tmp_path / "out/README.md").data.license is None


def test_photographs_stand_above_what_the_exported_weights_make_of_them(tiny_pq, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for number in range(6):
        levels = np.full((40, 60 + number, 3), 40 * number, np.uint8)
        Image.fromarray(levels).save(tmp_path / "photos" / f"{number}.png")
    assert export(tiny_pq, tmp_path / "out", "--pictures", tmp_path / "photos") == 0
    picture = np.asarray(Image.open(tmp_path / "out/reconstructions.jpg")).astype(int)
    assert picture.shape == (2 * 256 + 4, 4 * 256, 3)
    assert [round(picture[:256, start : start + 256].mean() / 40) for start in range(0, 1024, 256)] == [0, 1, 3, 4]
    with torch.inference_mode():
        made = load_model(tmp_path / "out").eval()(torch.zeros(1, 3, 256, 256) + 160 / 127.5 - 1).sample
    expected = made[0].clamp(-1, 1).add(1).mul(127.5).mean(dim=(1, 2))
    assert np.abs(picture[260:, 768:].mean(axis=(0, 1)) - expected.numpy()).max() < 1.5
    assert "![4 photographs at 256 px above" in (tmp_path / "out/README.md").read_text()
    assert export(tiny_pq, tmp_path / "none", "--pictures", tmp_path / "nowhere") == 3
    assert "--pictures: " in capsys.readouterr().err


def test_the_lines_of_the_card_run(tiny_pq, tmp_path, monkeypatch):
    assert export(tiny_pq, tmp_path / "tiny", "--dtype", "fp32") == 0
    (lines,) = re.findall(r"```python\n(.*?)```", (tmp_path / "tiny/README.md").read_text(), re.DOTALL)
    assert len(lines.splitlines()) <= 12
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("diffusers.utils.dynamic_modules_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    Image.fromarray(np.full((50, 70, 3), 90, np.uint8)).save("photo.jpg")
    exec(lines, {})
    assert Image.open("again.png").size == (256, 256)
    assert list((tmp_path / "modules").rglob("modeling_pq.py"))


@pytest.mark.parametrize("name", ["f8-d128-S64-K512", "f16-d128-S64-K128"])
def test_the_trained_tokenizers_have_cards_of_their_own_weights(name):
    folder = Path(__file__).parents[2] / "models" / name
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "mit"
    assert {"psnr", "lpips"} <= {result.metric_type for result in card.data.eval_results}
    assert all(result.metric_args["n"] == 200 for result in card.data.eval_results)
    assert sha256(folder / WEIGHTS) in card.text
    assert (folder / MODULE_FILE).read_text() == CONTENT
    assert json.loads((folder / "config.json").read_text())["auto_map"] == AUTO_MAP
    assert type(AutoModel.from_pretrained(str(folder))).__name__ == "PQModel"


def test_another_kind_of_model_is_its_librarys(tmp_path):
    sizes = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    AutoencoderTiny(**sizes, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1)).save_pretrained(tmp_path / "model")
    assert export(tmp_path / "model", tmp_path / "out") == 0
    assert not (tmp_path / "out/modeling_pq.py").exists()
    assert (tmp_path / "out/config.json").read_bytes() == (tmp_path / "model/config.json").read_bytes()
    text = (tmp_path / "out/README.md").read_text()
    assert 'AutoencoderTiny.from_pretrained("out")' in text
    assert "PQModel" not in text
    assert load_file(tmp_path / "out" / WEIGHTS).keys() == load_file(tmp_path / "model" / WEIGHTS).keys()
