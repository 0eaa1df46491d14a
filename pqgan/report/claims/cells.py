"""What Tables 1, 2, 3 and 5 of the paper say themselves of its claims: by code, from the cells as they are printed."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pqgan.metrics import METRICS

from .evidence import Model, Rows

AGREES, CONTRADICTS = "agrees", "contradicts"
SHOWN = ("psnr", "rfid", "cmmd", "lpips")
"""Metrics of the paper's Tables 1 and 2."""
SIDES = {"32x32": 8, "16x16": 16}
"""Latent resolution in Table 2, of 256 px -> F."""


@dataclass(frozen=True)
class Cells:
    """What the cells of a metric say of a claim."""

    metric: str | None
    """None where there are several, which the cells name."""
    said: str
    """The cells."""
    agree: bool

    @property
    def verdict(self) -> str:
        return AGREES if self.agree else CONTRADICTS


@dataclass(frozen=True)
class Line:
    """A model of Table 1 or 2."""

    model: Model
    latent: str
    cells: Mapping[str, str]
    """Metric -> as it is printed; empty where the paper has none."""

    @property
    def ours(self) -> bool:
        return self.model.method.startswith("PQGAN")

    def has(self, metric: str) -> bool:
        return bool(self.cells[metric])

    def value(self, metric: str) -> float:
        return float(self.cells[metric])

    def goodness(self, metric: str) -> float:
        """Larger where better."""
        return -self.value(metric) if METRICS[metric].better == "down" else self.value(metric)

    def said(self, metric: str) -> str:
        return f"{self.model}: {self.cells[metric]}"


def table1(paper: Rows) -> list[Line]:
    """Every model of Table 1."""
    return [
        Line(Model(row["method"], int(row["F"]), int(row["K"]) if row["K"] else None), row["latent"], row)
        for row in paper("table1")
    ]


def table2(paper: Rows, dataset: str) -> list[Line]:
    """Every model of Table 2 on one of its sets."""
    return [
        Line(Model(row["method"], SIDES[row["latent_resolution"]], None), "", row)
        for row in paper("table2")
        if row["dataset"] == dataset
    ]


def known(paper: Rows, lines: Iterable[Line]) -> list[Line]:
    """The same models as Table 1 has them, with their K."""
    wanted = {(line.model.method, line.model.F) for line in lines}
    return [line for line in table1(paper) if (line.model.method, line.model.F) in wanted]


def ours(lines: Iterable[Line], factor: int) -> Line:
    return next(line for line in lines if line.ours and factor == line.model.F)


def baselines(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if not line.ours]


def outperforms(own: Line, others: Iterable[Line], metrics: Iterable[str] = SHOWN) -> list[Cells]:
    """Whether a model is better than all of some others: a row of the metrics by which it is, and one of each other."""
    others, found, ahead_of = list(others), [], []
    for metric in metrics:
        rivals = sorted((o for o in others if o.has(metric)), key=lambda line: line.goodness(metric), reverse=True)
        ahead = [line for line in rivals if line.goodness(metric) >= own.goodness(metric)]
        if ahead:
            found.append(Cells(metric, "; ".join(line.said(metric) for line in [own, *ahead]), False))
        else:
            ahead_of.append(f"{METRICS[metric].label} {own.cells[metric]} ({rivals[0].said(metric)})")
    agreed = [Cells(None, f"{own.model}, beside the next: {'; '.join(ahead_of)}", True)] if ahead_of else []
    return [*agreed, *found]


def beats_all(factor: int) -> Callable[[Rows], list[Cells]]:
    """PQGAN of a factor F and all baselines of Table 1, those of F=4 included."""

    def said(paper: Rows) -> list[Cells]:
        lines = table1(paper)
        return outperforms(ours(lines, factor), baselines(lines))

    return said


def gain(least: float, grey: int) -> Callable[[Rows], list[Cells]]:
    """PSNR of PQGAN at F=8 over the best baseline, with and without those of the F that Table 1 prints in grey."""

    def said(paper: Rows) -> list[Cells]:
        lines = table1(paper)
        own, found = ours(lines, 8), []
        for some in ([b for b in baselines(lines) if grey < b.model.F], baselines(lines)):
            best = max((line for line in some if line.has("psnr")), key=lambda line: line.value("psnr"))
            more = own.value("psnr") - best.value("psnr")
            found.append(Cells("psnr", f"{own.said('psnr')}; {best.said('psnr')}; +{more:.1f} dB", more >= least))
        return found

    return said


def reduced(share: float) -> Callable[[Rows], list[Cells]]:
    """The largest reduction from a baseline of F=8 to PQGAN of F=8."""

    def said(paper: Rows) -> list[Cells]:
        lines = table1(paper)
        own, found = ours(lines, 8), []
        for metric in ("rfid", "cmmd", "lpips"):
            rivals = [line for line in baselines(lines) if line.model.F == 8 and line.has(metric)]
            less = sorted((1 - own.value(metric) / line.value(metric), str(line.model)) for line in rivals)
            words = " to ".join(f"{100 * share_of:.1f} % ({name})" for share_of, name in (less[0], less[-1]))
            found.append(Cells(metric, f"from {words}", less[-1][0] >= share))
        return found

    return said


def beats_method(factor: int, method: str) -> Callable[[Rows], list[Cells]]:
    """PQGAN and one method of the same F, where Table 1 has both cells."""

    def said(paper: Rows) -> list[Cells]:
        lines = table1(paper)
        others = [line for line in lines if line.model.method == method and factor == line.model.F]
        return outperforms(ours(lines, factor), others, [m for m in SHOWN if any(o.has(m) for o in others)])

    return said


def beats_latents(factors: Iterable[int], is_rival: Callable[[Line], bool]) -> Callable[[Rows], list[Cells]]:
    """PQGAN and some baselines of the same F."""

    def said(paper: Rows) -> list[Cells]:
        lines = table1(paper)
        return [
            cells
            for factor in factors
            for cells in outperforms(
                ours(lines, factor),
                [line for line in baselines(lines) if factor == line.model.F and is_rival(line)],
            )
        ]

    return said


def is_quantised(line: Line) -> bool:
    return line.latent not in ("KL", "PQ")


def moves(dataset: str, metric: str, fits: Callable[[float], bool]) -> Callable[[Rows], list[Cells]]:
    """A metric of every model of Table 2, beside its value in Table 1.

    Args:
        fits: whether the logarithm of the ratio of both is as the claim says.
    """

    def said(paper: Rows) -> list[Cells]:
        before = {(line.model.method, line.model.F): line for line in table1(paper)}
        both = [(before[line.model.method, line.model.F], line) for line in table2(paper, dataset)]
        other = [pair for pair in both if not fits(math.log(pair[1].value(metric) / pair[0].value(metric)))]
        words = "; ".join(f"{was.said(metric)} to {now.cells[metric]}" for was, now in other or both)
        return [Cells(metric, f"{dataset}: {words}", not other)]

    return said


def first_on(datasets: Iterable[str], factors: Iterable[int]) -> Callable[[Rows], list[Cells]]:
    """PQGAN and the other models of Table 2."""

    def said(paper: Rows) -> list[Cells]:
        found = []
        for dataset in datasets:
            lines = table2(paper, dataset)
            for factor in factors:
                for cells in outperforms(ours(lines, factor), baselines(lines)):
                    found.append(Cells(cells.metric, f"{dataset}, {cells.said}", cells.agree))
        return found

    return said


def together(*several: Callable[[Rows], list[Cells]]) -> Callable[[Rows], list[Cells]]:
    return lambda paper: [cells for one in several for cells in one(paper)]


def _table5(paper: Rows) -> dict[str, dict[str, str]]:
    return {f"{row['latent_model']} F={row['F']}": row for row in paper("table5")}


def generated_better(paper: Rows) -> list[Cells]:
    """gFID on PQGAN beside that on the VAE, and F=16 beside F=8."""
    gfid = {name: float(row["gfid_5k"]) for name, row in _table5(paper).items()}
    vae = next(name for name in gfid if not name.startswith("PQGAN"))
    fine, coarse = (next(n for n in gfid if n.startswith("PQGAN") and n.endswith(f"F={F}")) for F in (8, 16))
    return [
        Cells("gfid", f"{one}: {gfid[one]:g}; {other}: {gfid[other]:g}", gfid[one] < gfid[other])
        for one, other in ((fine, vae), (coarse, vae), (coarse, fine))
    ]


def orders_differ(paper: Rows) -> list[Cells]:
    """Whether the order by rFID is another than that by gFID."""
    rows = _table5(paper)
    by_rfid, by_gfid = (sorted(rows, key=lambda name: float(rows[name][key])) for key in ("rfid", "gfid_5k"))
    said = "; ".join(f"{name}: rFID {row['rfid']}, gFID {row['gfid_5k']}" for name, row in rows.items())
    return [Cells("gfid", said, by_rfid != by_gfid)]


SPEED = {"images_per_second": "samples_per_second", "memory_gb": "memory_gb"}
"""Metric of a record -> column of Table 3."""


def cost(generator: str, baseline: str, fits: Mapping[str, Callable[[float], bool]]) -> Callable[[Rows], list[Cells]]:
    """Speed and memory of a generator over those of the unadapted one.

    Args:
        fits: metric -> whether the ratio is as the claim says.
    """

    def said(paper: Rows) -> list[Cells]:
        rows = {row["generator"]: row for row in paper("table3")}
        found = []
        for metric, as_claimed in fits.items():
            one, other = (rows[name][SPEED[metric]] for name in (generator, baseline))
            share = float(one) / float(other)
            found.append(Cells(metric, f"{generator}: {one}; {baseline}: {other}; ×{share:.2f}", as_claimed(share)))
        return found

    return said
