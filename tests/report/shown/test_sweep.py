"""Figures 3 and 6 and figure_factors: each marker is a configuration's own value, at its own number."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from matplotlib.colors import LogNorm
from matplotlib.markers import MarkerStyle
from matplotlib.text import Text

from pqgan.errors import SettingsError
from pqgan.metrics import METRICS
from pqgan.plan import Plan
from pqgan.records import Measurement
from pqgan.report import contents, figures
from pqgan.report.figures.style import files, subspaces_map
from pqgan.settings import PQConfig, load
from pqgan.settings.configurations import KLConfig

ALL = ("rfid", "psnr", "cmmd", "lpips", "H_n", "P_n")
ITEMS = {
    "figure3": (8, ("rfid", "H_n", "P_n")),
    "figure6": (8, ("psnr", "rfid", "cmmd", "lpips")),
    "figure_factors": (16, ALL),
}
"""Factor F of the smoke scale and metrics, a row each."""
PANELS = {"d": "K", "S": "d", "K": "d"}
"""Section 4.2: marker size reflects K in the left plot, and d in the middle and right ones."""


def panels(picture, metrics) -> dict[tuple[str, str], object]:
    """Axes by metric and number below them."""
    places = [(metric, x) for metric in metrics for x in PANELS]
    return dict(zip(places, picture.figure.axes, strict=False))


@pytest.mark.parametrize("item", ITEMS)
def test_each_marker_is_a_configuration_s_own_value_at_its_own_number(draw, smoke, item):
    picture, read = draw(item)
    factor, metrics = ITEMS[item]
    designs = smoke.scale.tokenizer.designs.items()
    configs = {name: config for name, config in designs if config.kind == "pq" and factor == config.F}
    linear = [config for _, config in designs if config.kind == "linear" and factor == config.F]
    norm, colours = LogNorm(1, max(config.S for config in (*configs.values(), *linear))), subspaces_map()
    for (metric, x), axes in panels(picture, metrics).items():
        expected = {
            read.record("evaluate", name).get(metric, on="val").value: config for name, config in configs.items()
        }
        markers = {float(marker.get_offsets()[0][1]): marker for marker in axes.collections}
        assert markers.keys() == expected.keys()
        sized = PANELS[x]
        logs = sorted(math.log2(getattr(config, sized)) for config in configs.values())
        for value, config in expected.items():
            marker = markers[value]
            assert marker.get_offsets()[0][0] == getattr(config, x)
            part = (math.log2(getattr(config, sized)) - logs[0]) / (logs[-1] - logs[0]) if logs[-1] > logs[0] else 0.5
            assert marker.get_sizes()[0] == pytest.approx(14 + 56 * part)
            assert marker.get_facecolor()[0] == pytest.approx([*colours(norm(config.S))[:3], 0.85])
            shape = MarkerStyle({1: "s", config.d: "D"}.get(config.S, "o"))  # VQ, scalar, product
            drawn, expected_path = marker.get_paths()[0], shape.get_path().transformed(shape.get_transform())
            assert np.array_equal(drawn.vertices, expected_path.vertices)
        small_on_large = [marker.get_sizes()[0] for marker in axes.collections]
        assert small_on_large == sorted(small_on_large, reverse=True)


@pytest.mark.parametrize("item", ITEMS)
def test_each_linear_tokenizer_is_a_thin_line_across_all_panels_of_its_factor(draw, smoke, item):
    picture, read = draw(item)
    factor, metrics = ITEMS[item]
    name = f"linear-f{factor}-d64-S32-K256"
    assert [n for n, c in smoke.scale.tokenizer.designs.items() if (c.kind, c.F) == ("linear", factor)] == [name]
    for (metric, _), axes in panels(picture, metrics).items():
        (line,) = axes.lines
        value = read.record("evaluate", name).get(metric, on="val").value
        assert line.get_ydata() == [value, value]
        assert line.get_xdata() == [0, 1]  # of the panel's width
        assert line.get_color() == pytest.approx(subspaces_map()(LogNorm(1, 32)(32)))
        assert line.get_linewidth() < 1
        low, high = axes.get_ylim()
        assert low < value < high
    legends = [text.get_text() for text in picture.figure.findobj(Text)]
    assert "linear (not in the paper)" in legends
    assert f"in the colour of their S: {name}. These are not in the paper" in picture.caption


def test_a_scale_without_linear_tokenizers_has_no_word_of_them(params_path):
    picture, _ = made(params_path, "mini-best", "figure6")
    assert "linear" not in picture.caption.replace("PSNR, which is in dB: linear", "")
    assert "linear (not in the paper)" not in [text.get_text() for text in picture.figure.findobj(Text)]


@pytest.mark.parametrize("item", ITEMS)
def test_scales_are_the_papers(draw, item):
    """Figure 3a and appendix C: log-log, PSNR semi-log; Figure 3b: linear-log."""
    picture, _ = draw(item)
    factor, metrics = ITEMS[item]
    found = panels(picture, metrics)
    assert len(found) == 3 * len(metrics)
    for (metric, x), axes in found.items():
        assert axes.get_xscale() == "log"
        assert axes.get_yscale() == ("log" if metric in ("rfid", "cmmd", "lpips") else "linear"), metric
        name = METRICS[metric].label
        assert x != "d" or name in axes.get_ylabel()
        if metric in ("H_n", "P_n"):
            assert axes.get_ylim() == (-0.03, 1.05)
    titles = [axes.get_title() for axes in picture.figure.axes[:3]]
    assert titles == ["over d, area K", "over S, area d", "over K, area d"]
    below = [axes.get_xlabel() for axes in picture.figure.axes[3 * len(metrics) - 3 : 3 * len(metrics)]]
    assert [label.partition(",")[0] for label in below] == ["d", "S", "K"]
    marks = [axes.get_title(loc="left") for axes in picture.figure.axes[: 3 * len(metrics) : 3]]
    assert marks == {"figure3": ["(a)", "(b)", ""], "figure6": [""] * 4, "figure_factors": [f"F = {factor}"] * 6}[item]


def test_the_factor_is_named_and_that_the_paper_names_none(draw):
    for item in ("figure3", "figure6"):
        picture, _ = draw(item)
        assert picture.title.endswith(", F = 8")
        assert "The paper names no F for its sweep: F = 8 is the factor with most configurations" in picture.caption
    picture, _ = draw("figure_factors")
    assert picture.caption.startswith("Not in the paper: what Figures 3 and 6 show, at F = 16.")


class Made:
    """Results of any scale, without files: a value of its own for every configuration and metric."""

    def __init__(self, plan: Plan, broken: dict[tuple[str, str], float] | None = None):
        self.designs, self.broken = plan.settings.scale.tokenizer.designs, broken or {}

    def among(self, chapter, names):
        return list(names)

    def record(self, chapter, name):
        config = self.designs[name]
        return SimpleNamespace(subject={"d": config.d, "S": config.S, "K": config.K})

    def measurement(self, chapter, name, metric, on):
        config = self.designs[name]
        value = 0.5 + 0.4 * math.sin(config.d + 3 * config.S + 7 * config.K + len(metric))
        return Measurement(metric=metric, value=self.broken.get((name, metric), value), n=7, protocol="made up", on=on)


def made(params_path, scale, item, broken=None):
    settings = load(params_path, scale)
    plan = Plan(settings)
    return figures.make(settings, plan, item, Made(plan, broken)), plan


@pytest.mark.parametrize("item", ["figure3", "figure6"])
def test_at_paper_scale_each_panel_holds_160_markers_at_the_numbers_of_the_grid(params_path, item):
    picture, plan = made(params_path, "paper", item)
    grid = plan.settings.scale.tokenizer.grid
    _, metrics = ITEMS[item]
    for (_, x), axes in panels(picture, metrics).items():
        places = [marker.get_offsets()[0][0] for marker in axes.collections]
        assert len(places) == 160
        wanted = {"d": set(grid.d), "K": set(grid.K), "S": {2**power for power in range(9)}}[x]
        assert set(places) == wanted
        if x == "K":  # each of which has its number below it
            assert list(axes.xaxis.get_majorticklocs()) == sorted(grid.K)
        assert {*axes.xaxis.get_majorticklocs(), *axes.xaxis.get_minorticklocs()} == wanted


SHOWN = {
    "smoke": (8, [16]),
    "mini": (8, [16]),
    "mini-cpu": (8, [16]),
    "mini-cpu-long": (8, []),
    "mini-cpu-upkeep": (8, []),
    "mini-best": (8, []),
    "paper": (8, [16]),
}


def test_every_scale_is_listed_here(params_path):
    scales = yaml.safe_load(params_path.read_text())["scales"]
    assert SHOWN.keys() == {name for name, scale in scales.items() if scale["tokenizer"]["training"]}


@pytest.mark.parametrize("scale", [scale for scale in SHOWN if scale != "paper"])
def test_every_scale_draws_the_factor_with_most_configurations_and_the_others(params_path, scale):
    factor, further = SHOWN[scale]
    for item in ITEMS:
        picture, plan = made(params_path, scale, item)
        assert "n = 7 images" in picture.caption or "n = 0 images" in picture.caption
    assert contents.shown_factor(plan, "figure3") == factor
    assert contents.further_factors(plan) == further
    if not further:  # the last one drawn is figure_factors
        assert "has no factor F besides F = 8 with more than one configuration" in picture.caption
        assert files(picture).keys() == {"pdf", "png"}


def planned(*configs) -> SimpleNamespace:
    designs = {config.name: config for config in configs}
    scale = SimpleNamespace(tokenizer=SimpleNamespace(designs=designs, configs=designs))
    return SimpleNamespace(settings=SimpleNamespace(name="mine", scale=scale))


def test_the_factor_is_that_with_most_configurations_and_the_smallest_of_equals():
    f8, *f16 = (PQConfig(F=F, d=16, S=S, K=64) for F, S in ((8, 1), (16, 1), (16, 2)))
    assert contents.shown_factor(planned(f8, *f16), "figure3") == 16
    assert contents.further_factors(planned(f8, *f16)) == []
    more = PQConfig(F=8, d=16, S=4, K=64)
    assert contents.shown_factor(planned(*f16, f8, more), "figure3") == 8
    assert contents.further_factors(planned(*f16, f8, more)) == [16]


def test_a_scale_without_product_quantised_configurations_is_refused():
    with pytest.raises(SettingsError, match=r"figure6: shows product-quantised configurations .* 'mine'; add one, or"):
        contents.shown_factor(planned(KLConfig(kind="kl", F=8, d=4)), "figure6")


def test_values_that_an_axis_cannot_show_are_left_out_and_counted(params_path):
    names = list(Plan(load(params_path, "smoke")).settings.scale.tokenizer.designs)
    broken = {(names[0], "rfid"): math.inf, (names[1], "cmmd"): 0.0, (names[2], "psnr"): math.nan}
    picture, _ = made(params_path, "smoke", "figure6", broken)
    counts = {place: len(axes.collections) for place, axes in panels(picture, ITEMS["figure6"][1]).items()}
    assert set(counts.values()) == {6, 7}
    assert [counts[metric, "K"] for metric in ("psnr", "rfid", "cmmd", "lpips")] == [6, 6, 6, 7]
    assert "Left out: 3 values that are not finite, or not positive on a logarithmic axis." in picture.caption
