"""Evaluation of a tokenizer, end to end on an untrained one, against the pictures it leaves."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.errors import NumericalError, SettingsError
from pqgan.evaluate import original_features
from pqgan.evaluate.comparison import Comparison
from pqgan.evaluate.networks.set_features import Networks
from pqgan.evaluate.reconstruction import _stage, reconstruct, run
from pqgan.quantise.usage import Usage
from pqgan.records import Record, read_record, write_record
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
    prepare(settings, whole_plan(settings).job("data", "val"), out=folder)
    return folder


def save(settings, name, folder, change=None):
    section = settings.scale.tokenizer
    config = section.configs[name]
    model = build(config, section.trunks[config.F], settings.reading, 0)
    if change:
        change(model)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def originals(settings, prepared, tmp_path_factory):
    """Folder with the features of the set's originals."""
    folder = tmp_path_factory.mktemp("reference") / "val"
    original_features.run(settings, whole_plan(settings).job("reference", "val"), data=prepared, out=folder)
    return folder


@pytest.fixture(scope="module")
def networks(settings):
    return Networks(settings.scale.evaluation.features, settings.reading.metrics, torch.device("cpu"))


@pytest.fixture(scope="module")
def evaluate(settings, prepared, originals):
    """Evaluate a model folder under a name, on one set that plays the given roles."""

    def evaluate(name, model, out, roles=("val",)):
        job = whole_plan(settings).job("evaluate", name)
        sets, references = (dict.fromkeys(roles, folder) for folder in (prepared, originals))
        run(settings, job, model=model, sets=sets, references=references, out=out)
        return out

    return evaluate


@pytest.fixture(scope="module")
def result(settings, evaluate, tmp_path_factory):
    """(result folder, model folder) of an evaluation on one set that plays two roles."""
    folder = tmp_path_factory.mktemp("evaluation")
    model = save(settings, NAME, folder / "model")
    return evaluate(NAME, model, folder / "out", ("val", "FFHQ")), model


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
        "trained_geometry": "crop",
        "shortcut": "linear",  # of the smoke scale's trunks
    }
    assert record.sets == {"val": "val", "FFHQ": "val"}
    assert {m.on for m in record.measurements} == {"val", "FFHQ"}
    assert {m.n for m in record.measurements if m.metric != "images_per_second"} == {10}
    assert (record.device, record.dtype) == ("CPU, 1 thread", "fp32")
    assert 0 < sum(record.provenance["seconds_of"]["val"].values()) < 10 * record.seconds
    assert record.provenance["job"]["name"] == NAME
    headlines = [m.metric for m in record.measurements if m.headline and m.on == "val"]
    assert sorted(headlines) == sorted(
        [
            "psnr",
            "ssim",
            "lpips",
            "rfid",
            "cmmd",
            "H_n",
            "P_n",
            "H_n_min",
            "dead_codes",
            "bits_per_pixel",
            "entropy_bits_per_pixel",
            "images_per_second",
        ]
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
    entropy = record.get("entropy_bits_per_pixel", "val")
    assert entropy.value == pytest.approx(float(usage.entropies().sum()) / math.log(2) / 64, rel=1e-9)
    assert (entropy.unit, entropy.n) == ("bit", 10)
    assert 0 < entropy.value <= 4 * 6 / 64


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


def test_the_other_reading_s_ways_are_the_headline_where_it_is_chosen(settings, networks):
    released = settings.reading.metrics.model_copy(
        update={"psnr": "pooled", "fid": "torchmetrics", "usage": "concatenated", "cmmd_antialias": False}
    )
    comparison = Comparison(networks, released, {"F": 8, "S": 2, "K": 4})
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    comparison.update(images, images * 0.9, torch.randint(0, 4, (3, 2, 8, 8)))
    shown = {m.metric: m.protocol for m in comparison.measurements("val") if m.headline}
    assert "pooled" in shown["psnr"]
    assert "torchmetrics" in shown["rfid"]
    assert "one histogram" in shown["H_n"]
    assert "without antialias" in shown["cmmd"]


def test_intervals_hold_the_values_that_are_means_over_images(record):
    for measurement in record.measurements:
        if measurement.metric in ("psnr", "ssim", "lpips"):
            low, high = measurement.interval
            assert low < measurement.value < high
        else:
            assert measurement.interval is None


def test_ssim_is_that_of_the_pictures(result, record):
    each = [
        structural_similarity(
            *(picture(result[0] / f"showcase/val/{i}_{which}.png") for which in ("original", "reconstruction")),
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
        for i in range(10)
    ]
    assert record.get("ssim", "val").value == pytest.approx(np.mean(each), rel=1e-6)


def test_features_of_the_originals_change_nothing_wherever_they_come_from(
    settings, networks, prepared, originals, result
):
    tokenizer = load_tokenizer(result[1])
    how = {"role": "val", "batch": 4, "geometry": "crop"}
    from pqgan.data.prepared import PreparedSet

    alone, reused = (
        reconstruct(tokenizer, PreparedSet(prepared), networks, settings.reading.metrics, originals=known, **how)
        for known in (None, original_features.read(originals))
    )
    pairs = zip(alone.comparison.measurements("val"), reused.comparison.measurements("val"), strict=True)
    for one, other in pairs:
        assert other.value == pytest.approx(one.value, rel=1e-6, abs=1e-9)
        assert one.model_copy(update={"value": 0}) == other.model_copy(update={"value": 0})
    written = original_features.read(originals)
    assert torch.equal(written.rows, alone.comparison.originals.rows)
    assert (written.n, written.about.digest) == (10, PreparedSet(prepared).digest)


def test_perfect_reconstruction_survives_the_file(networks, settings, tmp_path):
    comparison = Comparison(networks, settings.reading.metrics, {"F": 8})
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    comparison.update(images, images, None)
    measurements = comparison.measurements("val")
    about = {"kind": "reconstruction", "name": "x", "scale": "smoke", "subject": {}, "provenance": {}}
    how = {"networks": networks.sources(), "device": "CPU", "dtype": "fp32", "seconds": 1.0}
    write_record(tmp_path, Record(**about, **how, measurements=measurements))
    found = read_record(tmp_path)
    assert found.get("psnr").value == math.inf
    assert "all images exact" in found.get("psnr").protocol
    assert found.get("psnr").interval is None
    assert found.get("ssim").value == pytest.approx(1, abs=1e-12)
    assert found.get("lpips").value == 0
    assert found.get("rfid").value == pytest.approx(0, abs=1e-9)
    assert found.get("cmmd").value == pytest.approx(0, abs=1e-9)
    assert found.get("H_n") is None


def test_exact_images_are_left_out_of_the_mean_and_counted(networks, settings):
    comparison = Comparison(networks, settings.reading.metrics, {"F": 8})
    images = torch.rand(4, 3, 64, 64) * 2 - 1
    others = torch.cat([images[:1], images[1:] * 0.9])
    comparison.update(images, others, None)
    psnr = {m.protocol: m for m in comparison.measurements("val") if m.metric == "psnr"}
    mean, pooled = psnr.values()
    assert "1 exact images left out" in mean.protocol
    assert math.isfinite(mean.value)
    assert mean.interval[0] < mean.value < mean.interval[1]
    assert pooled.value > mean.value


def test_continuous_tokenizer_has_no_codes(settings, evaluate, tmp_path):
    model = save(settings, "kl-f8-d4", tmp_path / "model")
    record = read_record(evaluate("kl-f8-d4", model, tmp_path / "out"))
    assert record.subject["kind"] == "kl"
    assert not {m.metric for m in record.measurements} & {
        *("H_n", "P_n", "dead_codes", "bits_per_pixel", "entropy_bits_per_pixel")
    }


def test_diverged_model_is_refused_and_leaves_nothing(settings, evaluate, tmp_path):
    def diverge(model):
        model.decoder.conv_out.bias.data[0] = math.nan

    model = save(settings, NAME, tmp_path / "model", diverge)
    with pytest.raises(NumericalError, match="not finite"):
        evaluate(NAME, model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_that_F_does_not_divide_is_one_line(settings, networks, prepared, result):
    from pqgan.data.prepared import PreparedSet

    images = PreparedSet(prepared)
    images.size = 60
    how = {"role": "val", "batch": 4, "geometry": "crop"}
    with pytest.raises(SettingsError, match="got images of 60 px for a tokenizer with F=8; allowed: 56 or 64"):
        reconstruct(load_tokenizer(result[1]), images, networks, settings.reading.metrics, **how)


@pytest.mark.parametrize(
    ("name", "stage"),
    [("evaluate", "sweep"), ("selected-f8", "selected"), ("finetuned-f8", "finetuned")],
)
def test_stage_is_in_the_job_s_name(smoke, name, stage):
    plan = whole_plan(smoke)
    job = plan.job("evaluate", NAME) if name == "evaluate" else plan.job("evaluate_finetuned", name)
    assert _stage(job) == stage
