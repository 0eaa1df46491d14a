"""One table of metrics: everything that is kept is of it, and another one is one entry beside what measures it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from pqgan.metrics import LEAVABLE, METRICS, QUALITY

ROOT = Path(__file__).parents[1]
ADDED = """
from pqgan import metrics

metrics.METRICS["dists"] = metrics.Metric("DISTS", better="down", places=2, ratio=True, quality=True, network="lpips")
metrics.QUALITY = (*metrics.QUALITY, "dists")
metrics.LEAVABLE = (*metrics.LEAVABLE, "dists")

from pqgan.commands.images import LEAVABLE
from pqgan.evaluate.command.table import table
from pqgan.records import Measurement, Record
from pqgan.report import formats, wording
from pqgan.report.claims.comparisons import better
from pqgan.report.claims.findings import difference, title
from pqgan.report.tables import generation, reconstruction, sweep, transfer
from pqgan.report.tables.methods import METRIC_COLUMNS
from pqgan.settings.tokenizer import Selection
from pqgan.tokenizer.select import ranked

assert METRIC_COLUMNS["dists"].header == "DISTS ↓"
assert METRIC_COLUMNS["dists"] in reconstruction.COLUMNS and METRIC_COLUMNS["dists"] in sweep.COLUMNS
assert "dists" in LEAVABLE
assert Selection(mode="measured", metrics=["dists"], factors=[8]).metrics == ("dists",)
assert list(ranked({"a": {"dists": 0.2}, "b": {"dists": 0.1}}, ["dists"])) == ["b", "a"]
assert formats.metric("dists", 0.12345) == "0.12"
one, other = (Measurement(metric="dists", value=value, n=4, protocol="by hand") for value in (0.1, 0.2))
assert wording.protocols([one]) == ["DISTS: by hand."]
assert (title("dists"), difference("dists", better("dists", one, other))[:5]) == ("DISTS", "×2.00")
record = Record(
    kind="generation", name="x", scale=None, subject={}, measurements=[one], device="cpu", dtype="fp32", seconds=1,
    provenance={},
)
assert "DISTS" in table(record)
"""


def test_every_kept_measurement_is_of_the_table_and_in_its_unit():
    found = 0
    for path in ROOT.glob("findings/mini/results/*/*/metrics.json"):
        for item in json.loads(path.read_text())["measurements"]:
            assert item["unit"] == METRICS[item["metric"]].unit, path
            found += 1
    assert found > 1000


def test_tables_and_selections_go_by_the_papers_four_in_its_order():
    assert QUALITY == ("psnr", "rfid", "cmmd", "lpips")
    assert set(LEAVABLE) == {"rfid", "cmmd", "lpips"}
    assert {name for name, metric in METRICS.items() if metric.quality and metric.better == "up"} == {"psnr"}


def test_what_is_compared_by_logarithms_has_a_better_direction():
    assert all(metric.better for metric in METRICS.values() if metric.ratio)


def test_another_metric_is_one_entry_beside_what_measures_it():
    """Tables, captions, claims, the selection and the options of `pqgan evaluate` take it from the entry."""
    done = subprocess.run([sys.executable, "-c", ADDED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_table_of_metrics_imports_nothing_of_the_package():
    assert not re.findall(r"^(?:from|import) (?:pqgan|\.|torch)", (ROOT / "pqgan/metrics.py").read_text(), re.MULTILINE)
