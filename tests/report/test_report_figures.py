"""Figures from synthetic results: files, captions, and that they are the same bytes every time."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pqgan.errors import DataError, SettingsError
from pqgan.records import read_record
from pqgan.report import contents, render
from pqgan.report.figures import matching
from pqgan.report.figures.grid import image_grid, mosaic, show
from pqgan.report.figures.scatter import Point, Scale
from pqgan.report.figures.showcase import detailed_window
from pqgan.report.figures.style import files, style

FIGURES = [item for item in contents.ITEMS if item.startswith("figure")]


@pytest.fixture(scope="module")
def figures(reports) -> dict[str, dict]:
    return {item: json.loads((reports / f"{item}.json").read_text()) for item in FIGURES}


@pytest.mark.parametrize("item", FIGURES)
def test_figure_is_a_pdf_and_a_picture_with_words(reports, figures, item):
    assert (reports / f"{item}.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(reports / f"{item}.png") as image:
        levels = np.asarray(image.convert("RGB"))
        assert image.width > 900
    assert levels.std() > 5
    assert len(figures[item]["alt"]) > 30
    assert figures[item]["scale"] == "smoke"


@pytest.mark.parametrize("item", FIGURES)
def test_caption_says_scale_n_and_networks(figures, item):
    caption = figures[item]["caption"]
    assert "scale ‘smoke’, reading ‘paper’" in caption
    assert "n = " in caption
    assert "feature networks" in caption


def test_random_networks_are_named_where_they_count(figures):
    for item in ("figure3", "figure_ldm"):
        assert "not comparable with the paper's" in figures[item]["caption"]
        assert figures[item]["random_networks"] == ["InceptionV3 2048 (75 px), random weights (seed 0)"]
    # H_n and P_n look through no network
    assert "not comparable" not in figures["figure6"]["caption"]


def test_figure1_compares_the_kl_baseline_and_the_selected(figures, synthetic):
    shown = figures["figure1"]["alt"]
    assert all(name in shown for name in ("kl-f8-d4", synthetic.chosen(8), synthetic.chosen(16)))


def test_sample_grids_give_their_prompts(figures, smoke):
    for item in ("figure4", "figure8", "figure9", "figure10"):
        assert all(prompt in figures[item]["alt"] for prompt in smoke.scale.adapt.prompts)
        assert "seeded random weights" in figures[item]["caption"]


def test_provenance_names_every_result(figures, synthetic):
    for item in FIGURES:
        paths = [job["path"] for job in figures[item]["provenance"]]
        assert paths == [job.path for job in contents.inputs(synthetic.plan, item)]


def test_figure5_names_what_was_left_out_and_how_exact_the_searches_were(figures, smoke):
    caption = figures["figure5"]["caption"]
    first = smoke.scale.matching.search.cases[0]
    assert f"faiss IndexFlatL2 in ({first.d}, {first.S}, {first.K}) (S = 1)" in caption
    assert "triton (needs a GPU)" in caption
    assert "at most: 0 with it and 2×10⁻⁴ with others" in caption
    assert "compiled is the backend" in caption
    assert figures["figure5"]["alt"].startswith(
        "Scatter plots against S; the overhead is 1.23 to 1.23 percent with our"
    )


@pytest.mark.parametrize("kept", [{"matching_seconds", "wrong_codes"}, {"overhead", "seconds_with", "seconds_without"}])
def test_figure5_of_searches_or_of_reconstructions_alone(kept, smoke, synthetic):
    record = read_record(synthetic.folder(synthetic.plan.job("matching", "matching")))
    rows = [item for item in record.measurements if item.metric in kept]
    with style():
        picture = matching.draw(smoke, record.model_copy(update={"measurements": rows}))
    titles = {axes.get_title(loc="left") for axes in picture.figure.axes} - {""}
    batch = smoke.scale.matching.batches[-1]
    alone = (
        {"Search alone"}
        if "matching_seconds" in kept
        else {f"Overhead, batch {batch}", f"Reconstruction, batch {batch}"}
    )
    assert titles == alone
    assert set(files(picture)) == {"pdf", "png"}


def test_figure5_has_a_panel_of_overhead_for_each_batch_size(smoke, synthetic):
    record = read_record(synthetic.folder(synthetic.plan.job("matching", "matching")))
    more = [item.model_copy(update={"conditions": item.conditions | {"batch": 2}}) for item in record.measurements[:14]]
    with style():
        picture = matching.draw(smoke, record.model_copy(update={"measurements": [*record.measurements, *more]}))
    titles = [axes.get_title(loc="left") for axes in picture.figure.axes]
    assert titles[:3] == ["Overhead, batch 2", "Overhead, batch 8", "Reconstruction, batch 8"]


RENDER = """
import sys
from pathlib import Path
from pqgan.plan import Plan
from pqgan.report import render
from pqgan.settings import load
settings = load(sys.argv[1], "smoke")
for item in sys.argv[3:]:
    render.run(settings, Plan(settings), item, Path(sys.argv[2]) / f"{item}.pdf")
"""


def test_files_are_the_same_bytes_in_another_process(synthetic, reports, params_path, tmp_path):
    items = ["figure2", "figure5", "figure8"]
    environment = os.environ | {"PYTHONHASHSEED": "12345", "SOURCE_DATE_EPOCH": "1"}
    command = [sys.executable, "-c", RENDER, params_path, tmp_path, *items]
    subprocess.run(command, cwd=synthetic.root, env=environment, check=True)
    for item in items:
        for suffix in ("pdf", "png", "json"):
            made = [hashlib.sha256((folder / f"{item}.{suffix}").read_bytes()) for folder in (reports, tmp_path)]
            assert made[0].digest() == made[1].digest(), f"{item}.{suffix}"


def test_missing_result_is_named(smoke, synthetic, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = synthetic.plan.job("matching", "matching").path
    with pytest.raises(DataError, match=f"{path}: no such folder"):
        render.run(smoke, synthetic.plan, "figure5", Path("figure5.pdf"))


def test_missing_metric_is_named(smoke, synthetic, tmp_path, monkeypatch):
    shutil.copytree(synthetic.root / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    job = synthetic.plan.job("evaluate", "f8-d16-S4-K64")
    path = tmp_path / job.path / "metrics.json"
    record = json.loads(path.read_text())
    record["measurements"] = [item for item in record["measurements"] if item["metric"] != "H_n"]
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=f"{job.path}/metrics.json: no headline 'H_n' on val"):
        render.run(smoke, synthetic.plan, "figure6", tmp_path / "figure6.pdf")


def test_wrong_suffix_is_refused(smoke, synthetic):
    with pytest.raises(SettingsError, match=r"allowed: a file that ends in \.pdf"):
        render.run(smoke, synthetic.plan, "figure2", Path("figure2.svg"))


def test_detailed_window_finds_the_checkerboard():
    image = np.full((64, 64, 3), 128, np.uint8)
    image[30:46, 10:26] = 255 * (np.indices((16, 16)).sum(axis=0) // 2 % 2)[..., None]
    left, top, side = detailed_window(image, 16)
    assert side == 16
    assert abs(left - 10) <= 1
    assert abs(top - 30) <= 1


def test_grid_places_square_cells_that_do_not_overlap():
    with style():
        figure, axes = image_grid(2, 3, width=6.0, title="a title", footer="small print", below=0.2)
        size = figure.get_size_inches()
        boxes = [place.get_position() for place in axes.ravel()]
    for box in boxes:
        assert box.width * size[0] == pytest.approx(box.height * size[1])
        assert box.x0 > 0
        assert box.y0 > 0
        assert box.x1 < 1
        assert box.y1 < 1
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[3].y1 < boxes[0].y0


def test_small_images_keep_their_pixels():
    with style():
        _, axes = image_grid(1, 2, width=4.0, title="", footer="")
        show(axes[0, 0], np.zeros((8, 8, 3), np.uint8))
        show(axes[0, 1], np.zeros((4000, 4000, 3), np.uint8))
    kinds = [place.images[0].get_interpolation() for place in axes.ravel()]
    assert kinds[0] == "nearest"
    assert kinds[1] != "nearest"


def test_mosaic_puts_images_in_rows():
    images = [np.full((16, 16, 3), level, np.uint8) for level in (10, 20, 30)]
    whole = mosaic(images, 2)
    assert whole.shape == (33, 33, 3)
    assert (whole[0, 0, 0], whole[0, 17, 0], whole[17, 0, 0], whole[17, 17, 0]) == (10, 20, 30, 255)


def test_points_of_one_column_stand_beside_each_other_in_order_of_s():
    points = [Point(16, S, 64, 1.0) for S in (16, 1, 4)] + [Point(32, 1, 64, 1.0)]
    scale = Scale(points, "K", columns=2)
    places = [scale._place(point, points, "d") for point in points]
    assert places[1] < places[2] < places[0]
    assert places[2] == 16
    assert places[3] == 32
    assert [point.shape for point in points[:3]] == ["scalar (S = d)", "VQ (S = 1)", "product (1 < S < d)"]
