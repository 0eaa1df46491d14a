"""Figure 5 and figure_peers: each marker is a time of its own configuration and way, over its own K."""

import math

import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm, to_rgba

from pqgan.errors import DataError
from pqgan.records import read_record
from pqgan.report import formats
from pqgan.report.figures import matching, peers
from pqgan.report.figures.style import files, style, subspaces_map


def case(item) -> tuple[int, int, int]:
    return tuple(item.conditions[key] for key in ("d", "S", "K"))


def test_each_marker_is_a_time_of_its_own_configuration_and_way_over_k(draw, smoke):
    picture, read = draw("figure5")
    record = read.record("matching", "matching")
    configs = smoke.scale.matching.configs
    norm, colours = LogNorm(1, max(config.S for config in configs)), subspaces_map()
    d = sorted({math.log2(config.d) for config in configs})
    wall, share, *_ = picture.figure.axes
    for axes, metric, factor in ((wall, "seconds_with", 1e3), (share, "matching_overhead", 100)):
        expected = {factor * item.value: item for item in record.measurements if item.metric == metric}
        single = [found for found in axes.collections if len(found.get_offsets()) == 1]
        markers = {float(marker.get_offsets()[0][1]): marker for marker in single}
        assert sorted(markers) == pytest.approx(sorted(expected))
        for value, item in expected.items():
            marker = markers[min(markers, key=lambda shown: abs(shown - value))]
            assert marker.get_offsets()[0][0] == item.conditions["K"]
            part = (math.log2(item.conditions["d"]) - d[0]) / (d[-1] - d[0])
            assert marker.get_sizes()[0] == pytest.approx(14 + 56 * part)
            ours = item.conditions["way"] == "pqgan"
            assert (len(marker.get_facecolor()) > 0) == ours, item
            shown = (marker.get_facecolor() if ours else marker.get_edgecolor())[0]
            assert shown[:3] == pytest.approx(colours(norm(item.conditions["S"]))[:3])
    without = next(found for found in wall.collections if len(found.get_offsets()) > 1)
    assert isinstance(without, PathCollection)
    bare = [item for item in record.measurements if item.metric == "seconds_without"]
    assert [tuple(place) for place in without.get_offsets()] == [
        (item.conditions["K"], pytest.approx(1e3 * item.value)) for item in bare
    ]
    assert tuple(without.get_edgecolor()[0]) == pytest.approx(to_rgba("#5c6670"))
    titles = [axes.get_title(loc="left") for axes in (wall, share)]
    assert titles == ["Reconstruction, batch 1", "Quantisation overhead, batch 1"]


def test_k_is_on_the_axis_and_lines_join_what_differs_in_k_alone(draw, smoke):
    picture, read = draw("figure5")
    configs = smoke.scale.matching.configs
    K = sorted({config.K for config in configs})
    assert len(K) > 1
    for axes in picture.figure.axes[:2]:
        assert axes.get_xscale() == "log"
        assert list(axes.xaxis.get_majorticklocs()) == K
        assert axes.get_xlabel() == "K, codewords per subspace"
    assert picture.figure.axes[1].get_yscale() == "log"
    record = read.record("matching", "matching")
    expected = {}
    for item in record.measurements:
        if item.metric == "matching_overhead":
            d, S, K = case(item)
            expected.setdefault((item.conditions["way"], d, S), []).append((K, 100 * item.value))
    drawn = [tuple(map(tuple, line.get_xydata())) for line in picture.figure.axes[1].lines]
    assert sorted(drawn) == sorted(tuple(sorted(line)) for line in expected.values())
    dashed = [line.is_dashed() for line in picture.figure.axes[1].lines]
    assert dashed.count(True) == dashed.count(False) == len(expected) / 2


def test_the_caption_names_both_ratios_and_their_protocols(draw):
    picture, read = draw("figure5")
    added = [item for item in read.record("matching", "matching").measurements if item.metric == "overhead"]
    assert "the overhead of appendix B" in picture.caption
    assert "Reading 24's (with - without) / without, in the records as ‘overhead’, is " in picture.caption
    assert {id(item) for item in added} <= {id(item) for item in picture.measurements}
    ours = [100 * item.value for item in added if item.conditions["way"] == "pqgan"]
    least, most = (formats.significant(of(ours), 3) for of in (min, max))
    assert f"is {least} to {most} % with this package's quantiser" in picture.caption
    assert picture.caption.endswith("Matching overhead and Overhead: median.")  # as the made-up record says


def test_a_row_of_panels_for_each_batch_size(smoke, synthetic):
    record = read_record(synthetic.folder(synthetic.plan.job("matching", "matching")))
    more = [
        item.model_copy(update={"conditions": item.conditions | {"batch": 20}})
        for item in record.measurements
        if "batch" in item.conditions
    ]
    with style():
        picture = matching.draw(smoke, record.model_copy(update={"measurements": [*record.measurements, *more]}))
    titles = [axes.get_title(loc="left") for axes in picture.figure.axes]
    assert titles[:4] == [
        "Reconstruction, batch 1",
        "Quantisation overhead, batch 1",
        "Reconstruction, batch 20",
        "Quantisation overhead, batch 20",
    ]


def test_a_record_of_before_the_ratio_of_appendix_b_is_one_line(smoke, synthetic):
    record = read_record(synthetic.folder(synthetic.plan.job("matching", "matching")))
    rows = [item for item in record.measurements if item.metric != "matching_overhead"]
    with style(), pytest.raises(DataError, match=r"without 'matching_overhead'; .* run the bench again"):
        matching.draw(smoke, record.model_copy(update={"measurements": rows}))


@pytest.mark.parametrize(
    ("draw_", "without", "says"),
    [
        (matching.draw, "batch", "The record holds no reconstructions: matching.configs names none."),
        (peers.draw, "positions", "The record holds no searches: matching.search.cases names none."),
    ],
)
def test_a_record_without_what_a_figure_shows_makes_one_line(smoke, synthetic, draw_, without, says):
    record = read_record(synthetic.folder(synthetic.plan.job("matching", "matching")))
    rows = [item for item in record.measurements if without not in item.conditions]
    assert rows
    with style():
        picture = draw_(smoke, record.model_copy(update={"measurements": rows}))
    assert picture.caption.startswith(says)
    assert set(files(picture)) == {"pdf", "png"}


def test_each_search_is_in_the_line_of_its_case_and_the_look_of_its_way(draw, smoke):
    picture, read = draw("figure_peers")
    record = read.record("matching", "matching")
    search, below = picture.figure.axes
    cases = [(each.d, each.S, each.K) for each in smoke.scale.matching.search.cases]
    assert [label.get_text() for label in search.get_yticklabels()] == [f"{d}, {S}, {K}" for d, S, K in cases]
    assert search.get_xscale() == "log"
    ways = [text.get_text().removesuffix(" (used)") for text in below.get_legend().get_texts()]
    assert {*ways} == {"compiled", "torch", "full distances", "faiss ProductQuantizer"}
    for way, line in zip(ways, search.lines, strict=True):
        expected = {
            cases.index(case(item)): 1e3 * item.value
            for item in record.measurements
            if item.metric == "matching_seconds" and item.conditions["way"] == way
        }
        assert dict(zip(line.get_ydata(), line.get_xdata(), strict=True)) == pytest.approx(expected)
        assert (line.get_marker() == "D") == (way == "compiled")  # the one that is used
    assert picture.caption.startswith("Not in the paper: ")
