"""figure_bits: each model at its own bits a pixel with its own values, and what cannot be drawn said."""

import contextlib

import pytest
from matplotlib.colors import same_color
from whole_plan import whole_plan

from pqgan.plan import Plan
from pqgan.records import FeatureNetwork, Measurement, Record
from pqgan.report import contents, figures
from pqgan.report.figures import bits
from pqgan.report.figures.bits import FACTORS

METRICS = ("psnr", "lpips", "rfid")


def markers(axes) -> set[tuple[float, float]]:
    return {(float(x), float(y)) for line in axes.lines for x, y in zip(*line.get_data(), strict=True)}


@pytest.fixture
def drawn(draw):
    """Panels by metric, the results behind them, and the figure, of the smoke scale."""
    picture, read = draw("figure_bits")
    return dict(zip(METRICS, picture.figure.axes, strict=False)), read, picture


def test_each_model_stands_at_its_own_bits_with_its_own_values(drawn, smoke):
    panels, read, _ = drawn
    designs = smoke.scale.tokenizer.designs
    for metric, axes in panels.items():
        expected = set()
        for job in read.jobs:
            record = read.record("evaluate", job.name)
            value = record.get(metric, on="val").value
            if job.name in smoke.scale.evaluation.codecs:
                expected.add((record.get("bits_per_pixel", on="val").value, value))
            elif (config := designs[job.name]).kind != "kl":
                expected.add((getattr(config, "S", 1) * (config.K - 1).bit_length() / config.F**2, value))
        assert len(expected) == len(designs) - 1 + 4
        assert markers(axes) == expected, metric


def test_bits_are_on_a_logarithmic_axis_and_distances_too(drawn):
    panels, _, _ = drawn
    for metric, axes in panels.items():
        assert axes.get_xscale() == "log"
        assert axes.get_yscale() == ("linear" if metric == "psnr" else "log")
        assert axes.get_xlabel() == "bits a pixel"


def test_a_line_is_a_codec_from_few_bits_to_many_and_shapes_are_kinds(drawn):
    panels, _, _ = drawn
    for axes in panels.values():
        joined = [line for line in axes.lines if line.get_marker() == "."]
        assert [line.get_linestyle() for line in joined] == ["-", "--"]
        for line in joined:
            assert list(line.get_xdata()) == sorted(line.get_xdata())
            assert len(line.get_xdata()) == 2
        kinds = {(line.get_marker(), line.get_color()) for line in axes.lines if line.get_linestyle() == "None"}
        vector, product = {("s", FACTORS[F]) for F in (8, 16)}, {("o", FACTORS[F]) for F in (8, 16, 32)}
        assert kinds == vector | product


def test_the_words_say_what_is_drawn_and_what_is_not(drawn):
    _, read, picture = drawn
    assert picture.caption.startswith("Not in the paper: PSNR, LPIPS and rFID, each over the bits a pixel")
    assert "Not drawn, as continuous latents have no bits: kl-f8-d4." in picture.caption
    assert "set val, n = 48 images per model" in picture.caption
    assert "not comparable with the paper's" in picture.caption
    assert "A line joins what a codec reaches." in picture.caption
    behind = {(item.metric, item.value) for item in picture.measurements}
    assert len(behind) == 3 * (len(read.jobs) - 1)
    texts = [text.get_text() for text in picture.figure.axes[-1].get_legend().get_texts()]
    assert [text for text in texts if not text.startswith("linear")] == [
        *("JPEG", "WebP", "trained PQ, F = 8", "trained PQ, F = 16", "trained PQ, F = 32"),
        *("VQ (S = 1), F = 8", "VQ (S = 1), F = 16"),
    ]


NETWORKS = {"lpips": "LPIPS AlexNet, pretrained", "rfid": "InceptionV3 2048 (299 px), pretrained"}


def record(name: str, subject: dict, psnr: float, lpips: float = 0.1, rfid: float = 9.0) -> Record:
    values = {"psnr": psnr, "lpips": lpips, "rfid": rfid}
    return Record(
        kind="reconstruction",
        name=name,
        scale="smoke",
        subject=subject,
        measurements=[
            Measurement(metric=key, value=value, n=5, protocol="so", on="val", network=NETWORKS.get(key))
            for key, value in values.items()
        ],
        networks={name: FeatureNetwork(origin="x", files={"y": "z"}) for name in NETWORKS.values()},
        device="CPU",
        dtype="fp32",
        seconds=1.0,
        provenance={},
    )


class Stub:
    """Results of some records alone."""

    def __init__(self, plan: Plan, records: list[Record]):
        self._records = dict(enumerate(records))
        self.jobs = [plan.job("evaluate", name) for name in list(plan.chapter("evaluate"))[: len(records)]]
        self._names = {job.name: place for place, job in enumerate(self.jobs)}

    def record(self, chapter: str, name: str) -> Record:
        return self._records[self._names[name]]


@pytest.fixture
def figure_of(smoke):
    def made(*records: Record):
        plan = whole_plan(smoke)
        with figures.style():
            return bits.figure_bits(smoke, plan, Stub(plan, list(records)))

    return made


def linear(F: int, d: int, S: int, K: int, psnr: float, **values: float) -> Record:
    return record(f"linear-f{F}-d{d}-S{S}-K{K}", {"kind": "linear", "F": F, "d": d, "S": S, "K": K}, psnr, **values)


def test_linear_ones_are_a_line_of_the_best_at_each_number_of_bits(figure_of):
    picture = figure_of(
        linear(8, 128, 64, 512, 44.0, lpips=0.001),
        linear(8, 16, 8, 512, 26.3, lpips=0.2),
        linear(8, 64, 8, 512, 25.9, lpips=0.1),  # as many bits, fewer dB, better LPIPS
        linear(16, 128, 64, 128, 29.6),
        record("taesd", {"kind": "tiny", "F": 8, "d": 4}, 24.3),
    )
    psnr, lpips, _ = picture.figure.axes[:3]
    of_8, of_16, tiny = psnr.lines
    assert same_color(of_8.get_color(), FACTORS[8])
    assert [tuple(map(float, pair)) for pair in of_8.get_xydata()] == [(1.125, 26.3), (9.0, 44.0)]
    assert [tuple(map(float, pair)) for pair in of_16.get_xydata()] == [(1.75, 29.6)]
    assert [tuple(map(float, pair)) for pair in lpips.lines[0].get_xydata()] == [(1.125, 0.1), (9.0, 0.001)]
    assert (tiny.get_marker(), [float(x) for x in tiny.get_xdata()]) == ("*", [0.5])
    assert "thin line joins the best linear PQ" in picture.caption
    texts = [text.get_text() for text in picture.figure.axes[-1].get_legend().get_texts()]
    assert texts == ["linear PQ, F = 8", "linear PQ, F = 16", "taesd, stored as bytes, F = 8"]


def test_a_linear_path_around_a_trunk_is_told_apart_and_said(figure_of):
    about = {"kind": "pq", "F": 8, "d": 16, "S": 8, "K": 512}
    picture = figure_of(
        record("one", about, 18.0),
        record("other", about | {"shortcut": "linear"}, 30.0),
        record("vq", about | {"S": 1, "shortcut": "linear"}, 21.0),
    )
    plain, path, vector = picture.figure.axes[0].lines
    assert [line.get_markerfacecolor() for line in (path, vector)] == ["none", "none"]
    assert same_color(plain.get_markerfacecolor(), FACTORS[8])
    assert [line.get_marker() for line in (plain, path, vector)] == ["o", "o", "s"]
    texts = [text.get_text() for text in picture.figure.axes[-1].get_legend().get_texts()]
    assert texts == [
        *("trained PQ, F = 8", "trained PQ + path, F = 8"),
        "VQ (S = 1) + path, F = 8",
    ]
    assert "Hollow, + path: networks with a linear path, which is no part of the paper." in picture.caption
    assert "Hollow" not in figure_of(record("one", about, 18.0)).caption


def test_the_authors_weights_are_told_apart_from_ours(figure_of):
    about = {"kind": "pq", "F": 8, "d": 128, "S": 64, "K": 512}
    picture = figure_of(
        record("f8-d128-S64-K512", about, 36.0), record("pqgan-f8", about | {"published": "pqgan-f8"}, 37.0)
    )
    ours, theirs = picture.figure.axes[0].lines
    assert [line.get_marker() for line in (ours, theirs)] == ["o", "H"]
    assert same_color(theirs.get_markerfacecolor(), FACTORS[8])
    texts = [text.get_text() for text in picture.figure.axes[-1].get_legend().get_texts()]
    assert texts == ["trained PQ, F = 8", "PQ, authors' weights, F = 8"]


def test_values_that_cannot_stand_are_left_out_and_counted(figure_of):
    picture = figure_of(linear(8, 16, 8, 512, float("inf"), rfid=-1e-9), linear(8, 64, 32, 512, 36.3))
    psnr, lpips, rfid = picture.figure.axes[:3]
    assert [len(axes.lines[0].get_xdata()) for axes in (psnr, lpips, rfid)] == [1, 2, 1]
    assert "Left out: 2 values" in picture.caption


def test_a_scale_without_bits_has_a_note(figure_of):
    picture = figure_of(record("kl-f8-d4", {"kind": "kl", "F": 8, "d": 4}, 20.0))
    assert "No model of this scale is evaluated that has a number of bits a pixel." in picture.caption


def test_an_older_collection_has_it_without_codecs(synthetic, tmp_path):
    (tmp_path / "evaluate").mkdir()
    jobs = contents.inputs(synthetic.plan, "figure_bits", tmp_path)
    assert not {"jpeg@1", "webp@3"} & {job.name for job in jobs}
    with contextlib.chdir(synthetic.root):
        assert "jpeg@1" in {job.name for job in contents.inputs(synthetic.plan, "figure_bits")}
