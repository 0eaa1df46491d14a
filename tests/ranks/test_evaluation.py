"""Several processes over gloo measure what one measures: each image once, ragged shares and batches included."""

import subprocess
import sys

import pytest
import yaml
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.evaluate import original_features
from pqgan.records import read_record
from pqgan.settings import load
from pqgan.tokenizer.build import build

NAME = "f8-d16-S4-K64"
IMAGES, BATCH = 11, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def settings(params_path, folder):
    """By number of processes."""
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    scale["data"]["sets"]["val"]["crops"] = IMAGES
    scale["evaluation"] |= {"batch": BATCH, "showcase": 7, "transfer": {}}
    found = {}
    for processes in (1, 2, 3):
        scale["hardware"]["evaluation_devices"] = processes
        path = folder / f"params-{processes}.yaml"
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        found[processes] = load(path, "smoke")
    return found


@pytest.fixture(scope="module")
def inputs(settings, folder):
    plan, section = whole_plan(settings[1]), settings[1].scale.tokenizer
    prepare(settings[1], plan.job("data", "val"), out=folder / "val")
    original_features.run(settings[1], plan.job("reference", "val"), data=folder / "val", out=folder / "reference")
    config = section.configs[NAME]
    build(config, section.trunks[config.F], settings[1].reading, 0).save_pretrained(folder / "model")


@pytest.fixture(scope="module")
def evaluated(settings, inputs, folder):
    """Evaluate through the command line in so many processes: its result folder."""

    def evaluate(processes, name=NAME, **changed):
        out = folder / f"out-{processes}-{name}-{len(changed)}"
        given = {"model": folder / "model", "sets": f"val={folder / 'val'}", "out": out}
        given |= {"references": f"val={folder / 'reference'}", "params": folder / f"params-{processes}.yaml"} | changed
        options = [text for key, value in given.items() for text in (f"--{key}", str(value))]
        command = [sys.executable, "-m", "pqgan.cli", "evaluate-tokenizer", name, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        return done, out

    return evaluate


@pytest.fixture(scope="module")
def alone(evaluated):
    done, out = evaluated(1)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.thorough)])
def test_several_processes_measure_what_one_measures(evaluated, alone, processes):
    done, out = evaluated(processes)
    assert done.returncode == 0, done.stderr
    one, several = read_record(alone), read_record(out)
    assert several.device.startswith(f"{processes} x ")
    pairs = list(zip(one.measurements, several.measurements, strict=True))
    assert len(pairs) > 12
    for expected, found in pairs:
        if expected.metric == "images_per_second":
            continue
        # to the bit, where nothing is summed over processes
        tolerance = 1e-9 if expected.metric in ("rfid", "cmmd") else 0
        assert found.value == pytest.approx(expected.value, rel=tolerance, abs=tolerance), found.metric
        assert (found.metric, found.n, found.protocol) == (expected.metric, IMAGES, expected.protocol)
    pictures = sorted(path.name for path in (alone / "showcase/val").iterdir())
    assert len(pictures) == 2 * 7
    for name in pictures:
        assert (out / "showcase/val" / name).read_bytes() == (alone / "showcase/val" / name).read_bytes()


def codec(folder, name):
    (folder / name).mkdir()
    (folder / name / "codec.json").write_text(f'{{"codec": "{name}"}}')
    return folder / name


def test_a_codec_has_one_quality_in_all_processes(evaluated, folder):
    model = codec(folder, "jpeg@3")
    records = []
    for processes in (1, 2):
        done, out = evaluated(processes, "jpeg@3", model=model)
        assert done.returncode == 0, done.stderr
        records.append(read_record(out))
    one, several = records
    assert one.subject["encoded"] == several.subject["encoded"]
    for metric in ("psnr", "bits_per_pixel"):
        assert one.get(metric, "val") == several.get(metric, "val")
        assert several.get(metric, "val").n == IMAGES


def test_a_codec_that_cannot_ends_all_processes_in_one_line(evaluated, folder):
    done, out = evaluated(2, "webp@3", model=codec(folder, "jpeg@0.01"))
    assert done.returncode == 2, done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("pqgan ")]
    assert "got jpeg@0.01; JPEG of the set val takes" in said
    assert not out.exists()


def test_what_goes_wrong_in_one_process_ends_all_in_one_line(evaluated, folder):
    import shutil

    shutil.copytree(folder / "val", folder / "damaged")
    shard = folder / "damaged" / "images-00000.zip"
    content = bytearray(shard.read_bytes())
    content[-3000] ^= 1  # in the last image, which the last process reads
    shard.write_bytes(content)
    done, out = evaluated(2, sets=f"val={folder / 'damaged'}")
    assert done.returncode == 3, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("pqgan ")]
    assert len(said) == 1
    assert "is damaged" in said[0]
    assert not out.exists()
