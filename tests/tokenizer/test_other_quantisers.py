"""Residual and finite scalar quantisation: lines of the sweep, through the commands to code files and records."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from pqgan.cli import main
from pqgan.plan import Plan
from pqgan.quantise.codes import CodeFile
from pqgan.records import read_record
from pqgan.settings import load
from pqgan.tokenizer.identity import identity
from pqgan.tokenizer.load import load_tokenizer
from pqgan.tokenizer.model import PQModel

LINES = {
    "rq-f16-d9-D4-K20": {"kind": "rq", "F": 16, "d": 9, "D": 4, "K": 20},
    "fsq-f8-L8x5x5x5": {"kind": "fsq", "F": 8, "levels": [8, 5, 5, 5]},
}
SUBJECTS = {
    "rq-f16-d9-D4-K20": {"kind": "rq", "F": 16, "d": 9, "D": 4, "S": 4, "K": 20},
    "fsq-f8-L8x5x5x5": {"kind": "fsq", "F": 8, "d": 4, "levels": [8, 5, 5, 5], "S": 1, "K": 1000},
}
BITS = {"rq-f16-d9-D4-K20": 4 * 5 / 16**2, "fsq-f8-L8x5x5x5": 10 / 8**2}
STEPS = 4


@pytest.fixture(scope="module")
def work(params_path, tmp_path_factory):
    """A folder with smoke's settings, both lines in its sweep, and its prepared sets."""
    folder = tmp_path_factory.mktemp("quantisers")
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    for name in ("train", "val"):
        scale["data"]["sets"][name]["crops"] = 8
    scale["tokenizer"]["training"] |= {"steps": STEPS, "resolution": 32, "scaling_images": 4, "cooldown": None}
    scale["tokenizer"]["sweep"] += LINES.values()
    scale["evaluation"] |= {"transfer": {}, "showcase": 1}
    raw["readings"]["released"]["training"]["total_batch"] = 4
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    for name in ("train", "val"):
        run(folder, "prepare-data", name, out=name)
    run(folder, "reference", "val", data="val", out="features")
    return folder


def run(folder, command, *names, **places):
    """A command that makes a result of the plan, which has to end well."""
    options = [f"--{key}={'val=' if key in ('sets', 'references') else ''}{folder / to}" for key, to in places.items()]
    assert main([command, *names, f"--params={folder / 'params.yaml'}", "--scale=smoke", *options]) == 0


@pytest.fixture(scope="module", params=LINES)
def trained(request, work):
    """Name and folder of a trained one, its evaluation beside it."""
    name = request.param
    run(work, "train-tokenizer", name, data="train", run=f"{name}-run", out=name)
    run(work, "evaluate-tokenizer", name, model=name, sets="val", references="features", out=f"{name}-metrics")
    return name, work / name


def test_training_moved_what_it_trains(trained, work):
    name, folder = trained
    lines = [json.loads(line) for line in (work / f"{name}-run/train.jsonl").read_text().splitlines()]
    losses = [line["regulariser"] for line in lines if "regulariser" in line]
    assert losses
    settings = load(work / "params.yaml", "smoke")
    section = settings.scale.tokenizer
    config = section.configs[name]
    from pqgan.tokenizer.build import build

    before = build(config, section.trunk(config), settings.reading, settings.scale.seed).state_dict()
    after = PQModel.from_pretrained(folder).state_dict()
    still = {key for key in before if torch.equal(before[key], after[key])}
    assert not still
    if config.kind == "rq":
        assert all(loss > 0 for loss in losses)
        assert before["quantiser.codebook"].shape == (20, 9)
    else:
        assert not any(losses)
        assert not any(key.startswith("quantiser") for key in after)


def test_its_evaluation_has_its_shape_its_bits_and_its_use(trained, work):
    name, _ = trained
    record = read_record(work / f"{name}-metrics", Plan(load(work / "params.yaml", "smoke")).job("evaluate", name))
    assert record.subject | SUBJECTS[name] == record.subject
    assert record.get("bits_per_pixel", on="val").value == BITS[name]
    assert 0 <= record.get("entropy_bits_per_pixel", on="val").value <= BITS[name]
    for metric in ("H_n", "P_n", "dead_codes"):
        assert 0 <= record.get(metric, on="val").value <= 1
    assert np.isfinite(record.get("psnr", on="val").value)


@torch.no_grad()
def test_the_model_reads_back_what_it_wrote(trained, tmp_path):
    name, folder = trained
    model = PQModel.from_pretrained(folder).eval()
    images = torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    codes = model.encode_to_codes(images)
    about = SUBJECTS[name]
    assert codes.shape == (2, about["S"], 32 // about["F"], 64 // about["F"])
    latents = model.encode(images).latents
    assert torch.equal(latents, model.quantiser.decode(codes))
    # decode brings latents onto the codebooks, where these are
    assert torch.equal(model.decode(latents).sample, model.decode_from_codes(codes))
    torch.testing.assert_close(model(images).sample, model.decode_from_codes(codes))
    model.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.subject() | about == again.subject()
    assert torch.equal(again.codes(images), codes)
    assert identity(again.model) == identity(model)


def test_a_code_file_keeps_its_images(trained, tmp_path):
    name, folder = trained
    (tmp_path / "images").mkdir()
    levels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    Image.fromarray(levels).save(tmp_path / "images/a.png")
    model, codes, out = f"--model={folder}", f"--codes={tmp_path / 'codes'}", f"--out={tmp_path / 'decoded'}"
    assert main(["encode", model, f"--images={tmp_path / 'images'}", f"--out={tmp_path / 'codes'}"]) == 0
    assert main(["decode", model, codes, out]) == 0
    about = SUBJECTS[name]
    h, w = -(-40 // about["F"]), -(-56 // about["F"])
    with CodeFile(tmp_path / "codes") as file:
        header, kept = file.header, file.codes(0)
    assert (header.quantiser, header.S, header.K) == (about["kind"], about["S"], about["K"])
    tokenizer = load_tokenizer(folder)
    padded = np.pad(levels, ((0, h * about["F"] - 40), (0, w * about["F"] - 56), (0, 0)), mode="reflect")
    images = torch.from_numpy(padded).permute(2, 0, 1)[None] / 127.5 - 1
    assert np.array_equal(kept, tokenizer.codes(images)[0].numpy())
    expected = tokenizer.decode_codes(torch.from_numpy(kept.astype(np.int64))[None])[0].permute(1, 2, 0)
    expected = expected.add(1).mul(127.5).round().clamp(0, 255).byte().numpy()[:40, :56]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "decoded/a.png")), expected)
