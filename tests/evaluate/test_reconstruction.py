"""Evaluation of a tokenizer, end to end on an untrained one, against the pictures it leaves."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from pqgan.data.prepare import run as prepare
from pqgan.errors import NumericalError
from pqgan.evaluate.comparison import Comparison, Networks
from pqgan.evaluate.reconstruction import run
from pqgan.plan import Plan
from pqgan.quantise.usage import Usage
from pqgan.records import read_record
from pqgan.settings import load
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import load_tokenizer

NAME = "f8-d16-S4-K64"


@pytest.fixture(scope="module")
def settings(params_path, tmp_path_factory):
    """Smoke, with 10 validation images, batches of 4 and all of them kept as pictures."""
    import yaml

    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    scale["data"]["sets"]["val"]["crops"] = 10
    scale["evaluation"] |= {"batch": 4, "showcase": 10}
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return load(path, "smoke")


@pytest.fixture(scope="module")
def prepared(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "val"
    prepare(settings, Plan(settings).job("data", "val"), out=folder)
    return folder


def save(settings, name, folder, change=None):
    section = settings.scale.tokenizer
    config = section.configs()[name]
    model = build(config, section.trunks[config.F], settings.reading, 0)
    if change:
        change(model)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def result(settings, prepared, tmp_path_factory):
    """(result folder, model folder) of an evaluation on one set that plays two roles."""
    folder = tmp_path_factory.mktemp("evaluation")
    model = save(settings, NAME, folder / "model")
    sets = {"val": prepared, "FFHQ": prepared}
    run(settings, Plan(settings).job("evaluate", NAME), model=model, sets=sets, out=folder / "out")
    return folder / "out", model


@pytest.fixture(scope="module")
def record(result):
    return read_record(result[0])


def picture(path):
    return np.asarray(Image.open(path))


def test_record_says_what_was_measured_on_what(record):
    assert (record.kind, record.name, record.scale) == ("reconstruction", NAME, "smoke")
    assert record.subject | {"parameters": 0} == {
        "kind": "pq",
        "F": 8,
        "d": 16,
        "S": 4,
        "K": 64,
        "parameters": 0,
        "stage": "sweep",
    }
    assert record.sets == {"val": "val", "FFHQ": "val"}
    assert {m.on for m in record.measurements} == {"val", "FFHQ"}
    assert {m.n for m in record.measurements} == {10}
    assert record.provenance["job"]["name"] == NAME
    headlines = [m.metric for m in record.measurements if m.headline and m.on == "val"]
    assert sorted(headlines) == sorted(
        ["psnr", "lpips", "rfid", "cmmd", "H_n", "P_n", "H_n_min", "dead_codes", "bits_per_pixel", "images_per_second"]
    )


def test_psnr_is_that_of_the_pictures(result, record):
    pairs = [
        tuple(picture(result[0] / f"showcase/val/{i}_{which}.png") for which in ("original", "reconstruction"))
        for i in range(10)
    ]
    each = [peak_signal_noise_ratio(*pair, data_range=255) for pair in pairs]
    assert record.get("psnr", "val").value == pytest.approx(np.mean(each), rel=1e-9)
    (pooled,) = [m for m in record.measurements if m.metric == "psnr" and not m.headline and m.on == "val"]
    assert pooled.value == pytest.approx(
        peak_signal_noise_ratio(*(np.stack(side) for side in zip(*pairs, strict=True)), data_range=255)
    )


def test_pictures_are_the_set_s_first_images(result, prepared):
    from pqgan.data.prepared import PreparedSet

    images = PreparedSet(prepared)
    for i in range(10):
        assert np.array_equal(picture(result[0] / f"showcase/FFHQ/{i}_original.png"), images.image(i))


def test_usage_and_bits_are_those_of_the_codes(result, record):
    tokenizer = load_tokenizer(result[1])
    originals = [picture(result[0] / f"showcase/val/{i}_original.png") for i in range(10)]
    images = torch.from_numpy(np.stack(originals)).permute(0, 3, 1, 2).float() / 127.5 - 1
    usage = Usage(4, 64)
    with torch.inference_mode():
        usage.update(tokenizer.codes(images))
    assert record.get("H_n", "val").value == pytest.approx(usage.H_n(), rel=1e-6)
    assert record.get("P_n", "val").value == pytest.approx(usage.P_n(), rel=1e-6)
    assert record.get("dead_codes", "val").value == usage.dead_codes()
    assert record.get("bits_per_pixel", "val").value == 4 * 6 / 64


def test_equal_sets_give_equal_numbers(record):
    timed = "images_per_second"
    val, other = ([m.model_copy(update={"on": None}) for m in record.measurements if m.on == on] for on in record.sets)
    assert [m for m in val if m.metric != timed] == [m for m in other if m.metric != timed]


def test_networks_and_readings_are_named(record):
    assert record.get("lpips").network == "LPIPS AlexNet, random weights (seed 0)"
    assert "random weights" in record.get("rfid").network
    assert "rank-deficient" in record.get("rfid").protocol
    assert "legacy_pytorch" in record.get("rfid").protocol
    assert "CLIP" in record.get("cmmd").network
    for metric in ("psnr", "rfid", "H_n", "P_n"):
        ways = [m for m in record.measurements if m.metric == metric and m.on == "val"]
        assert len(ways) == 2
        assert sum(m.headline for m in ways) == 1
        assert len({m.protocol for m in ways}) == 2


def test_the_other_reading_s_ways_are_the_headline_where_it_is_chosen(params_path, settings, prepared, result):
    released = settings.reading.metrics.model_copy(
        update={"psnr": "pooled", "fid": "torchmetrics", "usage": "concatenated"}
    )
    reading = settings.reading.model_copy(update={"metrics": released})
    changed = settings.model_copy(update={"reading": reading})
    comparison = Comparison(changed, Networks(changed, torch.device("cpu")), {"F": 8, "S": 2, "K": 4})
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    comparison.update(images, images * 0.9, torch.randint(0, 4, (3, 2, 8, 8)))
    shown = {m.metric: m.protocol for m in comparison.measurements("val") if m.headline}
    assert "pooled" in shown["psnr"]
    assert "torchmetrics" in shown["rfid"]
    assert "one histogram" in shown["H_n"]


def test_perfect_reconstruction_survives_the_file(settings, tmp_path):
    from pqgan.records import Record, write_record

    comparison = Comparison(settings, Networks(settings, torch.device("cpu")), {"F": 8})
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    comparison.update(images, images, None)
    measurements = comparison.measurements("val")
    write_record(
        tmp_path,
        Record(kind="reconstruction", name="x", scale="smoke", subject={}, measurements=measurements, provenance={}),
    )
    found = read_record(tmp_path)
    assert found.get("psnr").value == math.inf
    assert "all images exact" in found.get("psnr").protocol
    assert found.get("lpips").value == 0
    assert found.get("rfid").value == pytest.approx(0, abs=1e-9)
    assert found.get("cmmd").value == pytest.approx(0, abs=1e-9)
    assert found.get("H_n") is None


def test_continuous_tokenizer_has_no_codes(settings, prepared, tmp_path):
    model = save(settings, "kl-f8-d4", tmp_path / "model")
    run(settings, Plan(settings).job("evaluate", "kl-f8-d4"), model=model, sets={"val": prepared}, out=tmp_path / "out")
    record = read_record(tmp_path / "out")
    assert record.subject["kind"] == "kl"
    assert not {m.metric for m in record.measurements} & {"H_n", "P_n", "dead_codes", "bits_per_pixel"}


def test_diverged_model_is_refused_and_leaves_nothing(settings, prepared, tmp_path):
    def diverge(model):
        model.decoder.conv_out.bias.data[0] = math.nan

    model = save(settings, NAME, tmp_path / "model", diverge)
    with pytest.raises(NumericalError, match="not finite"):
        run(settings, Plan(settings).job("evaluate", NAME), model=model, sets={"val": prepared}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "stage"), [("selected-f8", "selected"), ("finetuned-f8", "finetuned")])
def test_stage_is_in_the_job_s_name(name, stage):
    from pqgan.evaluate.reconstruction import _stage

    assert _stage(name) == stage
