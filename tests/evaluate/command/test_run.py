"""`pqgan evaluate`: the numbers, the table and the file of a small model with small random feature networks."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pqgan.cli import main
from pqgan.evaluate import original_features
from pqgan.evaluate.command import run as command
from pqgan.evaluate.command.defaults import FEATURES, READINGS
from pqgan.evaluate.command.options import Options
from pqgan.records import read_record
from pqgan.settings import load
from pqgan.weights import locate

RANDOM = ("--features", "random")
QUICK = (*RANDOM, "--lpips", "squeeze")
"""AlexNet and VGG take longest to draw at random."""


@pytest.fixture(scope="module")
def model(tiny_pq) -> Path:
    """F=2."""
    return tiny_pq


def only_result(folder: Path | str = ".") -> Path:
    """The result in the default place, where there is one."""
    (place,) = Path(folder, "evaluations").iterdir()
    return place


def photograph(width: int, height: int, seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def fill(folder: Path, n: int, side: int | None = None, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for i in range(n):
        photograph(side or 40 + i, side or 32, first + i).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Ten of ragged sizes, and a file that is none."""
    folder = fill(tmp_path_factory.mktemp("images") / "photos", 10)
    (folder / "notes.txt").touch()
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch, model, photos):
    """(options...) -> exit code of a quick evaluation in an empty folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    torch.set_num_threads(1)

    def evaluate(*more, images=photos, size="32", generated=None) -> int:
        subject = ("--generated", generated, *RANDOM) if generated else ("--model", model, *QUICK)
        sized = ("--size", size) if size else ()
        return main(["evaluate", *map(str, (*subject, "--images", images, *sized, *more))])

    return evaluate


@pytest.fixture(scope="module")
def result(tmp_path_factory, model, photos):
    """(folder, stdout, stderr, folder of the reference) of one evaluation with everything in it, as its own process."""
    folder = tmp_path_factory.mktemp("result")
    given = ["--model", model, "--images", photos, "--size", "32", "--batch", "4", "--pictures", "10", *QUICK]
    shell = [sys.executable, "-m", "pqgan.cli", "evaluate", *map(str, given), "--reference", "kept/features"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return only_result(folder), done.stdout, done.stderr, folder / "kept" / "features"


@pytest.fixture(scope="module")
def record(result):
    return read_record(result[0])


def values(record, *, timed=False):
    return [m for m in record.measurements if timed or m.metric != "images_per_second"]


def test_record_says_what_was_measured_how(record, photos, model):
    assert (record.kind, record.name, record.scale, record.sets) == (
        "reconstruction",
        "tiny",
        None,
        {"images": "photos"},
    )
    assert {key: record.subject[key] for key in ("kind", "F", "d", "S", "K")} == {
        "kind": "pq",
        "F": 2,
        "d": 4,
        "S": 2,
        "K": 11,
    }
    assert {m.on for m in record.measurements} == {"images"}
    assert {m.n for m in values(record)} == {10}
    assert {m.metric for m in record.measurements} >= {"psnr", "ssim", "lpips", "rfid", "cmmd", "H_n", "P_n"}
    seen = record.provenance["images"]
    assert {key: seen[key] for key in ("n", "found", "others", "copies", "size", "geometry")} == {
        "n": 10,
        "found": 10,
        "others": 1,
        "copies": 0,
        "size": 32,
        "geometry": "crop",
    }
    assert record.provenance["model"]["origin"] == str(model)
    assert record.provenance["options"]["reading"]["psnr"] == "mean"
    assert record.provenance["options"]["images"] == str(photos)
    assert record.provenance["command"].startswith("pqgan evaluate --model")
    assert record.provenance["packages"]["torch"]


def test_numbers_are_those_of_the_pictures(result, record):
    pairs = [
        [np.asarray(Image.open(result[0] / f"pictures/{i}_{which}.png")) for which in ("original", "reconstruction")]
        for i in range(10)
    ]
    each = [peak_signal_noise_ratio(*pair, data_range=255) for pair in pairs]
    assert record.get("psnr").value == pytest.approx(np.mean(each), rel=1e-9)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    ssim = [structural_similarity(*pair, channel_axis=2, **window) for pair in pairs]
    assert record.get("ssim").value == pytest.approx(np.mean(ssim), abs=1e-5)


def test_pictures_are_the_images_cut_from_their_centre(result, photos):
    for i in range(10):
        width = 40 + i
        left = (width - 32) // 2
        expected = np.asarray(Image.open(photos / f"{i:02}.png"))[:, left : left + 32]
        assert np.array_equal(np.asarray(Image.open(result[0] / f"pictures/{i}_original.png")), expected)


def test_table_alone_is_on_stdout(result, record):
    _, out, err, _ = result
    assert out.startswith("model:     tiny (pq, F=2")
    assert re.search(rf"^PSNR, dB +{record.get('psnr').value:.2f} ", out, re.MULTILINE)
    assert "not comparable with any other numbers: LPIPS, rFID, CMMD" in out
    assert "1 other file skipped" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 120
    wrote, kept = err.splitlines()[-2:]
    assert re.fullmatch(r"evaluations/tiny-on-photos-[0-9a-f]{8}: metrics\.json and pictures", wrote)
    assert kept == "kept/features: features of the originals, for the next model"


def test_kept_features_give_the_same_numbers_and_stay_as_they_are(run, result, record):
    about = (result[3] / original_features.ABOUT).read_bytes()
    assert run("--batch", "4", "--reference", result[3], "--out", "out") == 0
    again = {(m.metric, m.protocol): m.value for m in values(read_record("out"))}
    assert again == pytest.approx({(m.metric, m.protocol): m.value for m in values(record)}, rel=1e-5)
    assert "features of the originals" not in read_record("out").provenance["seconds_of"]
    assert "features of the originals" in record.provenance["seconds_of"]
    assert (result[3] / original_features.ABOUT).read_bytes() == about


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ({}, ("--limit", "9"), r"features: features of a set with images 10; expected 9"),
        ({}, ("--geometry", "squash"), r"features of a set with content digest \w+; expected \w+"),
        ({"size": "34"}, (), r"features of a set with content digest \w+; expected \w+"),
    ],
)
def test_features_of_another_set_are_refused(run, result, capsys, given, more, message):
    assert run(*more, "--reference", result[3], **given) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(message, said.err)
    assert os.listdir() == []


def test_kept_features_are_of_what_was_measured(run, capsys):
    assert run("--without", "lpips,cmmd", "--reference", "kept") == 0
    first = values(read_record(only_result()))
    assert original_features.read("kept").embeddings == {}
    assert run("--without", "lpips,cmmd", "--reference", "kept") == 0
    assert values(read_record(only_result())) == first
    capsys.readouterr()
    assert run("--without", "lpips", "--reference", "kept") == 3
    assert re.search(r"kept: made through InceptionV3 .*; expected CLIP .*; make it again", capsys.readouterr().err)


def test_equal_runs_give_equal_numbers_and_the_second_replaces_the_first(run):
    first = []
    for _ in range(2):
        assert run("--without", "lpips,cmmd") == 0
        first.append(values(read_record(only_result())))
    assert first[0] == first[1]
    assert re.fullmatch(r"tiny-on-photos-[0-9a-f]{8}", only_result().name)
    assert sorted(os.listdir(only_result())) == ["SHA256SUMS", "metrics.json", "pictures"]
    assert len(os.listdir(only_result() / "pictures")) == 16


def test_two_folders_of_one_name_have_a_result_each(run, tmp_path, monkeypatch):
    folders = [fill(tmp_path / name / "val", 2, side=32, first=i) for i, name in enumerate("ab")]
    pixels = ("--without", "lpips,rfid,cmmd", "--pictures", "0")
    found = {}
    for folder in folders:
        assert run(*pixels, images=folder) == 0
        found = {place: values(read_record(place)) for place in Path("evaluations").iterdir()}
    assert len(found) == 2
    assert len({str(numbers) for numbers in found.values()}) == 2
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "link").symlink_to(folders[0])
    for same in (folders[0], Path("../a/val"), tmp_path / "link" / "." / ""):
        assert run(*pixels, images=same.resolve()) == 0
    assert {place: values(read_record(place)) for place in Path("evaluations").iterdir()} == found


def test_metrics_left_out_need_no_networks(run, monkeypatch, capsys):
    for name in ("Inception", "Clip", "Perceptual"):
        monkeypatch.setattr(f"pqgan.evaluate.networks.set_features.{name}", None)
    assert run("--without", "lpips,rfid,cmmd", "--pictures", "0", "--out", "out") == 0
    found = read_record("out")
    assert {m.metric for m in found.measurements} & {"lpips", "rfid", "cmmd"} == set()
    assert found.networks == {}
    assert sorted(os.listdir("out")) == ["SHA256SUMS", "metrics.json"]
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note:")]
    assert notes == [f"note:      no {name}: left out as asked" for name in ("CMMD", "LPIPS", "rFID")]


def test_the_other_reading_s_ways_are_the_headline_where_it_is_asked_for(run):
    assert run("--reading", "released", "--without", "lpips", "--out", "out") == 0
    found = {m.metric: m.protocol for m in read_record("out").measurements if m.headline}
    assert "pooled" in found["psnr"]
    assert "torchmetrics" in found["rfid"]
    assert "without antialias" in found["cmmd"]
    assert "one histogram" in found["H_n"]


def test_a_single_image_has_no_covariance(run, capsys):
    assert run("--limit", "1", "--out", "out") == 0
    found = read_record("out")
    assert found.get("rfid") is None
    assert math.isfinite(found.get("psnr").value)
    assert found.get("psnr").interval is None
    assert "no rFID: needs at least 2 images" in capsys.readouterr().out


def test_images_smaller_than_the_window_have_no_ssim(run, capsys):
    assert run("--without", "lpips,rfid,cmmd", "--out", "out", size="8") == 0
    assert read_record("out").get("ssim") is None
    assert "no SSIM: needs images of at least 11 px" in capsys.readouterr().out


@pytest.mark.parametrize(("size", "expected"), [("16", "squeeze"), ("18", "none")])
def test_images_smaller_than_a_backbone_takes_have_no_lpips(run, capsys, size, expected):
    assert run("--without", "rfid,cmmd", "--out", "out", size=size) == 0
    found, notes = read_record("out"), capsys.readouterr().out
    small = expected == "squeeze"
    assert (found.get("lpips") is None) == small
    assert ("no LPIPS SqueezeNet: needs images of at least 17 px" in notes) == small
    assert math.isfinite(found.get("ssim").value)


def test_a_limit_beyond_the_folder_takes_all_of_it(run):
    assert run("--limit", "500", "--without", "lpips,rfid,cmmd", "--out", "out") == 0
    assert read_record("out").get("psnr").n == 10


def test_generated_images_of_the_same_set_are_no_distance_away(run, tmp_path, capsys):
    images = fill(tmp_path / "made", 8, side=24)
    assert run(generated=images, images=images, size=None) == 0
    found = read_record(only_result())
    assert (found.kind, found.subject) == ("generation", {"generated": "made", "size": 24})
    assert found.get("gfid").value == pytest.approx(0, abs=1e-6)
    assert found.get("precision").value == found.get("recall").value == 1
    assert found.get("gfid").n == 8
    assert list(found.networks) == [found.get("gfid").network]
    out = capsys.readouterr().out
    assert out.startswith("generated: ")
    assert "gFID" in out
    assert "not comparable with any other numbers: gFID, KID, Precision, Recall" in out


def test_generated_images_are_compared_with_kept_features(run, tmp_path):
    real, made = fill(tmp_path / "real", 8, side=24), fill(tmp_path / "made", 6, side=24, first=100)
    for _ in range(2):
        assert run("--reference", "kept", generated=made, images=real, size=None) == 0
    found = read_record(only_result())
    kept = original_features.read("kept")
    assert (kept.n, kept.embeddings) == (8, {})
    assert found.get("gfid").value > 0
    assert found.get("gfid").conditions["reference_n"] == 8


def test_generated_images_of_several_sizes_need_one_to_be_said(run, tmp_path, photos, capsys):
    assert run(generated=photos, size=None) == 2
    assert "--size: " in capsys.readouterr().err
    assert run(generated=photos, size="32") == 0


def test_defaults_are_the_paper_s(params_path):
    paper, smoke = load(params_path, "paper"), load(params_path, "smoke")
    ours, theirs = FEATURES["pretrained"], paper.scale.evaluation.features
    assert ours == theirs
    assert FEATURES["random"] == smoke.scale.evaluation.features
    assert READINGS["paper"] == paper.reading.metrics
    import yaml

    readings = yaml.safe_load(params_path.read_text())["readings"]
    assert {name: reading.model_dump() for name, reading in READINGS.items()} == {
        name: readings[name]["metrics"] for name in READINGS
    }
    options = Options(images=Path("photos"), model="taesd")
    assert options.networks == ours
    assert options.headlines == paper.reading.metrics
    assert (options.geometry, command.SIDE) == (paper.reading.data.geometry, 256)


@pytest.mark.parametrize(
    ("asked", "headline"),
    [(None, "alex"), (("vgg",), "vgg"), (("vgg", "alex"), "alex"), (("squeeze", "vgg"), "squeeze")],
)
def test_an_lpips_backbone_that_is_not_asked_for_is_no_headline(asked, headline):
    options = Options(images=Path("photos"), model="taesd", lpips=asked)
    assert options.headlines.lpips == headline
    assert options.networks.lpips == (asked or ("alex", "vgg"))


def test_the_help_imports_nothing_heavy():
    heavy = "{'torch', 'numpy', 'PIL', 'diffusers', 'matplotlib'}"
    code = (
        "import sys\nfrom pqgan.cli import main\ntry:\n main(sys.argv[1:])\nexcept SystemExit:\n pass\n"
        f"print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    for arguments in (["--help"], ["evaluate", "--help"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert done.stderr.splitlines() == ["[]"]
        assert "evaluate" in done.stdout


@pytest.mark.thorough
def test_two_processes_measure_what_one_does(result, record, model, photos, tmp_path):
    given = ["--model", model, "--images", photos, "--size", "32", "--batch", "4", "--pictures", "10", *QUICK]
    shell = [sys.executable, "-m", "pqgan.cli", "evaluate", *map(str, given), "--device", "cpu", "--devices", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = read_record(only_result(tmp_path))
    assert found.device.startswith("2 x ")
    one, two = ({(m.metric, m.protocol): m for m in values(each)} for each in (record, found))
    assert one.keys() == two.keys()
    for key, item in one.items():
        assert (two[key].value, two[key].n) == (pytest.approx(item.value, rel=1e-6, abs=1e-9), item.n), key
    assert json.dumps(found.provenance["images"]) == json.dumps(record.provenance["images"])
    assert done.stdout.count("metric ") == 1


@pytest.mark.thorough
def test_published_networks_are_the_default(model, photos, tmp_path, monkeypatch, capsys):
    entries = [locate.CATALOGUE[name] for name in ("inception", "alex", "vgg")]
    folder = Path(os.environ.get("PQGAN_WEIGHTS_DIR", "missing"))
    for entry in entries:
        if not any((folder / name).is_file() for name in (entry.name, *entry.copies)):
            pytest.skip(f"{entry.name} is not in PQGAN_WEIGHTS_DIR")
    monkeypatch.chdir(tmp_path)
    given = ["--model", model, "--images", photos, "--size", "64", "--limit", "2", "--without", "cmmd"]
    assert main(["evaluate", *map(str, given)]) == 0
    found = read_record(only_result())
    known = {digest for entry in entries for digest in (entry.sha256, *entry.copies.values())}
    assert len(found.networks) == 3
    assert all(known & set(network.files.values()) for network in found.networks.values())
    assert found.get("lpips").network == "LPIPS AlexNet, pretrained"
    assert [m.network for m in found.measurements if m.metric == "lpips"][1:] == ["LPIPS VGG, pretrained"]
    out = capsys.readouterr().out
    assert "not comparable" not in out
    assert "InceptionV3 2048 (299 px), pretrained: https://github.com/toshas/torch-fidelity" in " ".join(out.split())
