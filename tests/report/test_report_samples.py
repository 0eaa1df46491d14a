"""Figures of samples: how images are laid out, and results that are not what they say."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pqgan.errors import DataError
from pqgan.report import contents
from pqgan.report.figures import make, overview, strips
from pqgan.report.figures.style import style
from pqgan.report.results import Results

PAGE = 9.0
"""Height of a figure that a page of a journal has room for, inches."""


def image(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def group(count: int, *sizes: tuple[int, int], words: str = "a prompt") -> strips.Group:
    return strips.Group("a heading", [strips.Strip([image(*size) for size in sizes], words)] * count)


def boxes(figure) -> np.ndarray:
    """Left, upper edge from above, width and height of each image, inches."""
    width, height = figure.get_size_inches()
    places = [axes.get_position() for axes in figure.axes]
    return np.array([[box.x0 * width, (1 - box.y1) * height, box.width * width, box.height * height] for box in places])


def drawn(*groups: strips.Group):
    with style():
        return strips.draw(groups, "a title", "small print")


PAPER = {
    "figure8": [group(6, (768, 768), (768, 1536))],
    "figure9": [group(6, (1536, 1536)), group(6, (768, 768))],
    "figure10": [group(6, (3072, 1536), (1536, 3072), (1536, 1536)), group(6, (1536, 768), (768, 768))],
}
"""Six prompts at the paper's sizes."""


@pytest.mark.parametrize("groups", [*PAPER.values(), [group(1, (64, 64))], [group(20, (96, 48), (48, 96))]])
def test_strips_keep_shapes_stay_apart_and_fit_a_page(groups):
    figure = drawn(*groups)
    width, height = figure.get_size_inches()
    assert 4.5 < width <= 7.0 + 1e-6
    assert height <= PAGE
    found = boxes(figure)
    shapes = [one.shape[:2] for group in groups for strip in group.strips for one in strip.images]
    assert found[:, 2] / found[:, 3] == pytest.approx(np.array([wide / high for high, wide in shapes]))
    assert found[:, :2].min() >= 0
    assert (found[:, 0] + found[:, 2]).max() <= width + 1e-6
    assert (found[:, 1] + found[:, 3]).max() <= height
    assert 0.4 <= found[:, 3].min() <= found[:, 3].max() <= strips.TALLEST + 1e-6
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            beside = one[0] + one[2] < other[0] or other[0] + other[2] < one[0]
            assert beside or one[1] + one[3] < other[1] or other[1] + other[3] < one[1]


def test_square_samples_of_the_papers_two_variants_stand_in_two_rows_each():
    tops = boxes(drawn(*PAPER["figure9"]))[:, 1].round(3)
    rows = [set(tops[start : start + 3]) for start in (0, 3, 6, 9)]
    assert all(len(row) == 1 for row in rows)
    assert len(set(tops)) == 4


def test_many_prompts_make_a_longer_figure_and_not_smaller_images():
    figure = drawn(group(200, (64, 64)))
    assert boxes(figure)[:, 3].min() >= strips.LEAST - 1e-6
    assert figure.get_size_inches()[1] > PAGE


def test_a_long_prompt_takes_four_lines():
    (axes,) = drawn(group(1, (64, 64), words="word " * 1000)).axes
    prompt, heading = (text.get_text() for text in axes.texts)
    assert prompt.count("\n") == 3
    assert prompt.endswith("…")
    assert heading == "a heading"


def rows_of(*sizes: tuple[int, tuple[int, int]]) -> list[overview.Row]:
    return [overview.Row("a heading", [image(*size)] * count, ["a prompt"] * count) for count, size in sizes]


def overview_of(*sizes):
    with style():
        figure, in_proportion = overview.draw(rows_of(*sizes), "a title", "small print")
    return boxes(figure), in_proportion, figure


def test_an_overview_is_in_proportion_unless_the_large_image_takes_more_than_half():
    found, in_proportion, _ = overview_of((1, (128, 128)), (3, (64, 64)), (3, (64, 64)))
    assert in_proportion
    assert found[0, 2] == pytest.approx(2 * found[1, 2])
    found, in_proportion, figure = overview_of((1, (640, 640)), (3, (64, 64)))
    assert not in_proportion
    assert found[0, 2] == pytest.approx((figure.get_size_inches()[0] - 0.12) / 2)
    assert found[1, 2] > 0.9
    assert (found[:, 0] + found[:, 2]).max() == pytest.approx(figure.get_size_inches()[0] - 0.06)


def test_an_overview_keeps_shapes():
    found, in_proportion, _ = overview_of((1, (128, 64)), (3, (64, 96)), (2, (96, 64)))
    assert in_proportion
    assert found[:, 2] / found[0, 2] == pytest.approx(np.array([1] + [1.5] * 3 + [1] * 2))
    assert found[:, 3] / found[0, 2] == pytest.approx(np.array([2] + [1] * 3 + [1.5] * 2))
    assert found[1, 1] + found[1, 3] < found[4, 1]


def test_an_overview_of_one_variant_is_a_row():
    found, in_proportion, _ = overview_of((3, (64, 64)))
    assert in_proportion
    assert len(set(found[:, 1].round(6))) == 1
    assert found[0, 0] + found[0, 2] < found[1, 0] < found[2, 0]


# results that are not what they say


@pytest.fixture
def folder(synthetic, tmp_path, monkeypatch) -> Path:
    """Of the samples of PQSD-Precise, to be spoilt."""
    shutil.copytree(synthetic.root / "results/smoke/samples", tmp_path / "results/smoke/samples")
    monkeypatch.chdir(tmp_path)
    return Path(synthetic.plan.job("samples", "PQSD-Precise").path)


def draw(synthetic) -> None:
    make(synthetic.settings, synthetic.plan, "figure8", Results(contents.inputs(synthetic.plan, "figure8")))


def test_a_missing_picture_is_told(synthetic, folder):
    (folder / "7.png").unlink()
    with pytest.raises(DataError, match=f"{folder}: 7 pictures of 8 samples; delete the folder"):
        draw(synthetic)


def test_a_picture_of_another_size_is_told(synthetic, folder):
    Image.new("RGB", (96, 192)).save(folder / "5.png")  # 192 high, not wide
    with pytest.raises(DataError, match=rf"{folder}: a picture has another size than samples.json says, 96×192 px"):
        draw(synthetic)


def test_sizes_of_different_prompts_are_told(synthetic, folder):
    about = json.loads((folder / "samples.json").read_text())
    about["samples"][-1]["prompt"] = "another prompt"
    (folder / "samples.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match=rf"{folder}: samples at 96×96 and 96×192 px are of different prompts"):
        draw(synthetic)


@pytest.mark.parametrize("samples", [[], [{"prompt": "a", "height": 0, "width": 64}], [{"prompt": "a", "height": 64}]])
def test_samples_that_say_nothing_are_told(synthetic, folder, samples):
    about = json.loads((folder / "samples.json").read_text()) | {"samples": samples}
    (folder / "samples.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"samples\.json"):
        draw(synthetic)
