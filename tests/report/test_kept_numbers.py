"""Numbers of the kept report, from its records by an arithmetic of their own; its wording is no matter here.

The report fits value = configuration + seed by least squares. With one replicate at most, on the same second seed, that
has a closed form: b, the second seed's effect, is the mean difference of the pairs, a pair's value is its mean less
b / 2, and what is left of the differences is the noise.
"""

import json
import math
import re
from pathlib import Path
from statistics import mean

import pytest

from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN

DASH = "–"
POWER = re.compile("×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)$")
KEPT = Path(__file__).parents[2] / "findings" / "mini"
QUALITY, RATIOS = ("psnr", "rfid", "lpips", "cmmd"), ("rfid", "lpips", "cmmd")
T = {10: 2.2281388520, 11: 2.2009851601}
"""Student's t at 97.5 %, by degrees of freedom, from a table."""


def measured(metric: str, on: str = "val") -> dict[str, float]:
    """Headline value on a set of everything that was evaluated on it, by name."""
    found = {}
    for path in (KEPT / "results" / "evaluate").glob("*/metrics.json"):
        for item in json.loads(path.read_text())["measurements"]:
            if (item["metric"], item["on"]) == (metric, on) and item["headline"]:
                found[path.parent.name] = float(item["value"])
    return found


class Pairs:
    """The two-way layout with two seeds, in closed form; ratios as minus their logarithm."""

    def __init__(self, metric: str):
        sign = -1 if metric in RATIOS else 1
        values = {
            name: sign * math.log(value) if sign < 0 else value
            for name, value in measured(metric).items()
            if name.startswith(("f8-", "f16-", "kl-", "vqgan-"))
        }
        differences = {
            name.removesuffix("-seed1"): value - values[name.removesuffix("-seed1")]
            for name, value in values.items()
            if name.endswith("-seed1")
        }
        b = mean(differences.values())
        self.paired, self.freedom = set(differences), len(differences) - 1
        squares = sum((difference - b) ** 2 for difference in differences.values()) / 2
        self.deviation = math.sqrt(squares / self.freedom)
        self.means = {
            name: value + (differences[name] - b) / 2 if name in differences else value
            for name, value in values.items()
            if not name.endswith("-seed1")
        }

    def contrast(self, coefficients: dict[str, float]) -> tuple[float, float]:
        """Value and half of its 95 % interval."""
        value = sum(factor * self.means[name] for name, factor in coefficients.items())
        alone = sum(f**2 for name, f in coefficients.items() if name not in self.paired)
        pairs = [f for name, f in coefficients.items() if name in self.paired]
        variance = alone + sum(f**2 for f in pairs) / 2 + sum(pairs) ** 2 / (2 * len(self.paired))
        return value, T[self.freedom] * self.deviation * math.sqrt(variance)


def steps(F: int, K: int, **by_d: tuple[tuple[int, float], ...]) -> dict[str, float]:
    """f8-d16-S8-K512 and the like, with their factors, a quarter of each as four d are averaged."""
    return {f"f{F}-{d}-S{S}-K{K}": factor / 4 for d, factors in by_d.items() for S, factor in factors}


# least-squares slopes over log2: deviations from the mean logarithm over the sum of their squares
VQ = {4: -3, 16: -1, 64: 1, 256: 3}  # squares add up to 20
PQ = {16: -2.25, 64: -0.25, 128: 0.75, 256: 1.75}  # 8.75
OVER_S = {1: -3.6, 8: -0.6, 16: 0.4, 32: 1.4, 64: 2.4}  # 21.2
OVER_K = {128: -2.75, 512: -0.75, 1024: 0.25, 8192: 3.25}  # 18.75
TURN = steps(
    8,
    512,
    # twice the middle less both ends
    d16=((4, -1), (8, 2), (16, -1)),
    d64=((16, -1), (32, 2), (64, -1)),
    d128=((32, -1), (64, 2), (128, -1)),
    d256=((64, -1), (128, 2), (256, -1)),
)
GAIN = steps(
    8,
    512,
    d16=((2, -1), (8, 1)),
    d64=((8, -1), (32, 1)),
    d128=((16, -1), (64, 1)),
    d256=((32, -1), (128, 1)),
)
# the change along K is taken off by its size
NEXT_TO_S = {"f8-d64-S32-K512": 1, "f8-d64-S16-K512": -1}
ALONG_K = {"f8-d64-S32-K8192": 1, "f8-d64-S32-K128": -1}
ALONG_S = {"f8-d64-S64-K512": 1, "f8-d64-S1-K512": -1}
PQ8, PQ16 = "f8-d128-S64-K512", "f16-d128-S64-K128"
OF_VQ = {f"f8-d{d}-S1-K512": -x / 20 for d, x in VQ.items()}
OF_PQ = {f"f8-d{d}-S{d // 2}-K512": x / 8.75 for d, x in PQ.items()}
CLAIMS = {
    1: [(QUALITY, OF_VQ, {}, 0)],
    2: [(QUALITY, OF_PQ, {}, 0)],
    3: [(QUALITY, OF_PQ | OF_VQ, {}, 0)],
    4: [(QUALITY, TURN, {}, 0), (QUALITY, GAIN, {}, 0)],
    5: [(QUALITY, NEXT_TO_S, ALONG_K, 0)],
    6: [
        (["rfid"], {"f8-d256-S128-K512": 1, "f8-d64-S1-K512": -1}, {}, 0),
        (["rfid"], {PQ16: 1, "vqgan-f16-d256-K1024": -1}, {}, 0),
    ],
    8: [(["H_n"], {"f8-d64-S8-K512": 1, "f8-d64-S1-K512": -1}, {}, 0)],
    9: [(["H_n"], OF_VQ, {}, 0)],
    10: [(["H_n"], {f"f8-d64-S{S}-K512": x / 21.2 for S, x in OVER_S.items()}, {}, 0)],
    11: [(["H_n"], ALONG_S, ALONG_K, 0)],
    12: [(["P_n"], {f"f8-d64-S32-K{K}": -x / 18.75 for K, x in OVER_K.items()}, {}, 0.01)],
    13: [(["H_n"], {"f8-d64-S32-K8192": 1}, {}, 0.8)],
    17: [(["psnr"], {PQ16: 1, "kl-f8-d4": -1}, {}, 0), (["rfid"], {PQ16: 1, "kl-f8-d4": -1}, {}, 0)],
    20: [(QUALITY, {PQ8: 1, "kl-f8-d4": -1}, {}, 0), (QUALITY, {PQ16: 1, "kl-f16-d16": -1}, {}, 0)],
}
"""Claim -> its first rows in their order: metrics, contrast, change of which the size is taken off, bound."""
ROWS = [
    (claim, place, metric, contrast, drift, bound)
    for claim, contrasts in CLAIMS.items()
    for place, (metric, contrast, drift, bound) in enumerate(
        (metric, contrast, drift, bound) for metrics, contrast, drift, bound in contrasts for metric in metrics
    )
]


@pytest.fixture(scope="module")
def rows() -> dict[int, list[dict]]:
    """Number of the claim -> its rows, without what is quoted; 0 for findings of our own."""
    found: dict[int, list[dict]] = {}
    for row in json.loads((KEPT / "table_claims.json").read_text())["rows"]:
        number = row["group"].partition(".")[0]
        if row["source"] == "computed":
            found.setdefault(int(number) if number.isdecimal() else 0, []).append(row)
    return found


@pytest.fixture(scope="module")
def pairs() -> dict[str, Pairs]:
    return {metric: Pairs(metric) for metric in (*QUALITY, "H_n", "P_n")}


def numbers(text: str) -> list[tuple[float, float]]:
    """Each number of a text, and half a unit of its last digit."""
    found = re.findall(r"[+−-]?\d+(?:\.\d+)?", text)
    return [(float(number.replace("−", "-")), 0.5 * 10.0 ** -len(number.partition(".")[2])) for number in found]


def number(text: str) -> tuple[float, float]:
    """The one of a cell, with a power of ten where it has one."""
    power = POWER.search(text)
    ((found, rounding),) = numbers(POWER.sub("", text))
    scale = 10.0 ** int(power[1].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))) if power else 1.0
    return found * scale, rounding * scale


def verdict(low: float, high: float) -> str:
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


@pytest.mark.parametrize(("claim", "place", "metric", "contrast", "drift", "bound"), ROWS)
def test_a_contrast_is_that_of_its_pairs_and_its_interval_too(
    rows, pairs, claim, place, metric, contrast, drift, bound
):
    row = rows[claim][place]
    assert row["cells"]["metric"]["text"].lower().startswith(metric.lower())
    assert sum(contrast.values()) == pytest.approx(1 if claim == 13 else 0, abs=1e-12)
    moved = sum(factor * pairs[metric].means[name] for name, factor in drift.items())
    coefficients = dict(contrast)
    for name, factor in drift.items():
        coefficients[name] = coefficients.get(name, 0) - math.copysign(factor, factor * moved)
    value, half = pairs[metric].contrast(coefficients)
    value -= bound
    shown = [value, value - half, value + half]
    if metric in RATIOS:
        shown = list(map(math.exp, shown))
    assert row["cells"]["difference"]["value"] == pytest.approx(shown[0], rel=1e-6, abs=1e-8)
    printed = numbers(row["cells"]["difference"]["text"])
    assert len(printed) == 3
    for number, (found, rounding) in zip(shown, printed, strict=True):
        assert abs(found - number) <= rounding * (1 + 1e-6)
    if claim != 3:  # which goes by both slopes, not by their difference
        assert row["cells"]["verdict"]["text"].startswith(verdict(value - half, value + half))


def matching(metric: str, way: str) -> list[dict]:
    record = json.loads((KEPT / "results" / "matching" / "matching" / "metrics.json").read_text())
    return [i for i in record["measurements"] if i["metric"] == metric and i["conditions"].get("way") == way]


def test_our_own_finding_is_the_largest_overhead_at_64_subspaces(rows):
    most = max(
        (item for item in matching("overhead", "pqgan") if item["conditions"]["S"] == 64), key=lambda i: i["value"]
    )
    low, high = most["interval"]
    (row,) = rows[0]
    cells = row["cells"]
    assert cells["difference"]["value"] == pytest.approx(10 - 100 * most["value"], rel=1e-6)
    expected = (10 - 100 * most["value"], 10 - 100 * high, 10 - 100 * low)
    for number, (found, rounding) in zip(expected, numbers(cells["difference"]["text"]), strict=True):
        assert abs(found - number) <= rounding * (1 + 1e-6)
    assert cells["verdict"]["text"].startswith(verdict(0.1 - high, 0.1 - low))


def test_half_again_is_the_plain_way_on_one_image(rows):
    (item,) = [
        item
        for item in matching("matching_overhead", "full distances")
        if [item["conditions"][key] for key in ("d", "S", "K", "batch")] == [128, 64, 512, 1]  # K of the best at F=8
    ]
    far = abs(item["value"] - 0.5)
    low, high = (bound - 0.5 for bound in item["interval"])
    farthest, nearest = max(abs(low), abs(high)), 0 if low <= 0 <= high else min(abs(low), abs(high))
    (row,) = rows[30]
    assert row["cells"]["difference"]["value"] == pytest.approx(100 * (0.1 - far))
    assert row["cells"]["verdict"]["text"].startswith(verdict(0.1 - farthest, 0.1 - nearest))


def test_a_claim_is_what_its_rows_come_to(rows):
    assert set(rows) == set(range(34))
    both = 0
    for claim in rows.values():
        expected = of_rows(row["cells"]["verdict"]["text"] for row in claim)
        if any(row["cells"]["path"]["text"] != DASH for row in claim):
            path = of_rows(row["cells"]["path"]["text"] for row in claim)
            expected = f"trunk as in the paper: {expected}; with the shortcut: {path}"
            both += 1
        assert {row["outcome"] for row in claim} == {expected}
    assert both == 20


def of_rows(texts) -> str:
    """What rows come to; those of another network alone have none here."""
    found = {next(word for word in (HOLDS, FAILS, OPEN) if text.startswith(word)) for text in texts if text != DASH}
    return FAILS if FAILS in found else HOLDS if found == {HOLDS} else OPEN


@pytest.mark.parametrize(("claim", "line", "sign"), [(2, PQ, 1), (1, VQ, -1)])
def test_the_linear_floor_is_the_slope_of_its_records(rows, claim, line, sign):
    """And with the shortcut the slope is near to it: what is fitted is the same."""
    values = measured("psnr")
    names = {d: f"linear-f8-d{d}-S{d // 2 if claim == 2 else 1}-K512" for d in line}
    points = {math.log2(d): values[name] for d, name in names.items() if name in values}
    centre = mean(points)
    expected = sum((x - centre) * y for x, y in points.items()) / sum((x - centre) ** 2 for x in points)
    cells = rows[claim][0]["cells"]
    assert cells["linear"]["value"] == pytest.approx(sign * expected, rel=1e-9)
    assert cells["path"]["value"] == pytest.approx(sign * expected, abs=0.05)


def test_means_are_the_values_at_the_first_seed(rows, pairs):
    """Of rows whose means are of one configuration each."""
    for claim in (1, 2, 9, 10, 12):
        for place, (metric, coefficients, _, _) in enumerate(
            (metric, *rest) for metrics, *rest in CLAIMS[claim] for metric in metrics
        ):
            parts = rows[claim][place]["cells"]["means"]["text"].split("; ")
            shown = [numbers(part.partition(": ")[2])[0] for part in parts]
            expected = [pairs[metric].means[name] for name in coefficients]
            for value, (found, rounding) in zip(expected, shown, strict=True):
                value = math.exp(-value) if metric in RATIOS else value
                assert abs(found - value) <= rounding * (1 + 1e-6)


def test_table_1_is_its_records():
    table = json.loads((KEPT / "table1.json").read_text())
    shown = [row["cells"] for row in table["rows"] if row["source"] == "measured"]
    values = {metric: measured(metric) for metric in ("psnr", "rfid", "cmmd", "lpips")}
    best: dict[tuple[str, str], float] = {}
    for cells in shown:
        name = cells["configuration"]["text"]
        for metric, found in values.items():
            assert cells[metric]["value"] == pytest.approx(found[name], rel=1e-9), (name, metric)
            printed, rounding = number(cells[metric]["text"])
            assert abs(printed - found[name]) <= rounding * (1 + 1e-6), (name, metric)
            better = max if metric == "psnr" else min
            key = cells["F"]["text"], metric
            best[key] = better(best.get(key, found[name]), found[name])
        subject = json.loads((KEPT / "results" / "evaluate" / name / "metrics.json").read_text())["subject"]
        assert (cells["F"]["text"], cells["d"]["text"]) == (str(subject["F"]), str(subject["d"]))
    for cells in shown:
        for metric in values:
            is_best = cells[metric]["value"] == pytest.approx(best[cells["F"]["text"], metric], rel=1e-9)
            assert cells[metric]["bold"] == is_best
    assert len(shown) == 10


@pytest.mark.parametrize("role", ["FFHQ", "LSUN"])
def test_table_2_is_its_records(role):
    table = json.loads((KEPT / "table2.json").read_text())
    shown = {
        row["cells"]["configuration"]["text"]: row["cells"] for row in table["rows"] if row["source"] == "measured"
    }
    assert len(shown) == 8
    for metric in ("psnr", "rfid", "cmmd", "lpips"):
        found = measured(metric, role)
        assert found.keys() == shown.keys()
        for name, cells in shown.items():
            cell = cells[f"{metric}_{role}"]
            assert cell["value"] == pytest.approx(found[name], rel=1e-9), (name, metric)
            printed, rounding = number(cell["text"])
            assert abs(printed - found[name]) <= rounding * (1 + 1e-6), (name, metric)


def test_the_table_of_the_sweep_is_its_records():
    table = json.loads((KEPT / "table_sweep.json").read_text())
    shown = {row["cells"]["configuration"]["text"]: row["cells"] for row in table["rows"]}
    values = {metric: measured(metric) for metric in ("psnr", "rfid", "cmmd", "lpips", "H_n", "P_n")}
    trained = [name for name in values["psnr"] if re.match(r"(linear-)?f\d+-d\d+-S\d+-K\d+", name)]
    assert set(shown) == {name for name in trained if "-seed" not in name}
    for name, cells in shown.items():
        F, d, S, K = (int(number) for number in re.findall(r"\d+", name))
        assert [cells[key]["text"] for key in "FdSK"] == [str(F), str(d), str(S), str(K)]
        assert cells["seeds"]["text"] == str(trained.count(name) + trained.count(f"{name}-seed1"))
        printed, rounding = number(cells["bits"]["text"])
        assert abs(printed - S * math.log2(K) / F**2) <= rounding * (1 + 1e-6)
        for metric, found in values.items():
            assert cells[metric]["value"] == pytest.approx(found[name], rel=1e-9), (name, metric)


def test_the_selected_of_each_factor_are_the_rows_of_pqgan():
    table = json.loads((KEPT / "table1.json").read_text())
    chosen = {json.loads(path.read_text())["run"] for path in (KEPT / "results" / "select").glob("*/selected.json")}
    rows = [row for row in table["rows"] if row["source"] == "measured" and row["cells"]["method"]["text"] == "PQGAN"]
    assert {row["cells"]["configuration"]["text"] for row in rows} == chosen
