"""Results of which each measurement has a value of its own, and each picture a colour of its own."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pqgan.records import read_record, write_record
from pqgan.report import contents, figures
from pqgan.report.results import Results


def share_of(*words: object) -> float:
    """A number in [0, 1) of its own for some words."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, words)).encode()).digest()[:6], "big") / 2**48


def colour_of(*words: object) -> tuple[int, int, int]:
    return tuple(hashlib.sha256("/".join(map(str, words)).encode()).digest()[:3])


@pytest.fixture(scope="session")
def distinct(synthetic, tmp_path_factory) -> Path:
    """The synthetic results, each measurement with a value of its own and each picture with a colour of its own."""
    root = tmp_path_factory.mktemp("distinct")
    shutil.copytree(synthetic.root / "results", root / "results")
    for job in synthetic.plan.all():
        folder = root / job.path
        if not folder.is_dir():
            continue
        if (folder / "metrics.json").is_file():
            record = read_record(folder)
            changed = [
                item.model_copy(update={"value": _value(item, job.chapter, job.name, place)})
                for place, item in enumerate(record.measurements)
            ]
            write_record(folder, record.model_copy(update={"measurements": changed}))
        for path in folder.rglob("*.png"):
            with Image.open(path) as image:
                size = image.size
            words = (job.chapter, job.name, *path.relative_to(folder).parts)
            if path.stem.endswith("_original"):
                # one set's are the same in every evaluation
                words = (job.inputs[f"set-{path.parent.name}"].name, path.name)
            Image.new("RGB", size, colour_of(*words)).save(path)
    return root


@pytest.fixture
def draw(distinct, synthetic, monkeypatch):
    """(item) -> what was drawn, and the results that it was drawn from."""
    monkeypatch.chdir(distinct)

    def draw(item):
        read = Results(contents.inputs(synthetic.plan, item))
        return figures.make(synthetic.settings, synthetic.plan, item, read), read

    return draw


@pytest.fixture(scope="session", name="colour_of")
def colour_of_fixture() -> Callable[..., tuple[int, int, int]]:
    """(chapter, name, path below the result) -> colour of a picture of `distinct`; of an original, (set, file)."""
    return colour_of


def _value(item, *words) -> float:
    share = share_of(*words, item.metric, item.on)
    scales = {"psnr": (20, 20), "rfid": (1, 40), "gfid": (50, 100), "cmmd": (0.1, 5), "lpips": (0.01, 0.5)}
    low, wide = scales.get(item.metric, (0.01, 0.9))
    return low + wide * share
