"""Random crops reach every place of an image, the last ones too."""

import numpy as np

from pqgan.data.batches import evaluation_batches, training_batches


class Ramp:
    """Images of 19x17 px whose red counts columns and whose green counts rows."""

    size, folder = 16, None

    def __len__(self) -> int:
        return 5

    def image(self, index: int) -> np.ndarray:
        rows, columns = np.indices((17, 19))
        return np.stack([columns, rows, np.full_like(rows, index)], axis=2).astype(np.uint8)

    def label(self, index: int) -> int:
        return index

    def caption(self, index: int) -> str:
        return str(index)


def corners(batches) -> list[tuple[int, int]]:
    """Left and top of every image."""
    levels = [(batch.images + 1) * 127.5 for batch in batches]
    return [tuple(int(level.round()) for level in image[:2, 0, 0]) for images in levels for image in images]


def test_training_crops_start_at_every_place_and_as_often():
    how = {"batch": 8, "resolution": 16, "steps": range(100), "seed": 3, "geometry": "crop"}
    found = corners(batch for _, batch in training_batches(Ramp(), **how))
    # 16 of 17 rows: the shortest side is brought to 16, so that the longer one has 18 - 16 = 2 to spare
    lefts = [left for left, _ in found]
    assert len(set(lefts)) == 3
    assert min(map(lefts.count, set(lefts))) > 200


def test_evaluation_crops_are_central():
    found = corners(evaluation_batches(Ramp(), batch=5, geometry="crop"))
    lefts = {left for left, _ in found}
    assert len(lefts) == 1
    trained = corners(
        batch for _, batch in training_batches(Ramp(), batch=8, resolution=16, steps=range(20), seed=3, geometry="crop")
    )
    assert sorted({left for left, _ in trained})[1] == lefts.pop()
