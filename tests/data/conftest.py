"""Sets of the smoke scale, and folders of small images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pqgan.data.prepare import write_set
from pqgan.data.prepared import PreparedSet
from pqgan.data.sources import DATA_DIR, open_images
from pqgan.settings.data import ImageFolder


@pytest.fixture(scope="session")
def smoke_sets(smoke, tmp_path_factory) -> dict[str, PreparedSet]:
    """Every prepared set of the smoke scale, by name."""
    sets = {}
    for name, source in smoke.scale.data.sets.items():
        folder = tmp_path_factory.mktemp(name)
        images = open_images(source, geometry=smoke.reading.data.geometry, seed=smoke.scale.seed)
        write_set(images, folder, name=name, size=source.size)
        sets[name] = PreparedSet(folder)
    return sets


@pytest.fixture
def data_root(tmp_path, monkeypatch) -> Path:
    """An empty data root."""
    root = tmp_path / "raw"
    root.mkdir()
    monkeypatch.setenv(DATA_DIR, str(root))
    return root


@pytest.fixture
def noise():
    """Write an image of seeded noise; its pixels (H, W, 3)."""

    def write(path: Path, width: int, height: int, seed: int = 0) -> np.ndarray:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return pixels

    return write


@pytest.fixture
def folder_set(data_root, noise, tmp_path) -> PreparedSet:
    """Ten images of mixed sides in two classes, shortest side 16."""
    for i, (width, height) in enumerate([(16, 16), (40, 20), (20, 33), (24, 24), (16, 30)] * 2):
        noise(data_root / "mixed" / f"class{i // 5}" / f"{i}.png", width, height, seed=i)
    source = ImageFolder(source="folder", path="mixed", classes=True, size=16)
    (tmp_path / "set").mkdir()
    write_set(open_images(source, geometry="crop", seed=0), tmp_path / "set", name="mixed", size=16)
    return PreparedSet(tmp_path / "set")
