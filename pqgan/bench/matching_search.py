"""The search for nearest codewords by itself: our backends and other libraries in turns, on random numbers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import torch
from torch import Tensor

from pqgan.engine.timing import device_name
from pqgan.metrics import METRICS
from pqgan.randomness import generator_at
from pqgan.records import Measurement
from pqgan.settings.evaluation import SearchBench, SearchCase

from .other_libraries import OURS, WAYS, LeftOut, Prepare, Search
from .timed_turns import Work, added_memory, in_turns, seconds_of

PATIENCE = 5.0
"""Seconds for the runs of one way in one case; one that takes longer is run once."""
LONGEST = 60.0
"""Seconds; a search of others that would take longer is left out."""
REST = 0.02
"""Seconds before each search on a CPU: each library has threads of its own, and OpenMP's keep a core busy for some
milliseconds after their work."""
SHARES = {64: 3, 8: 1}
"""It is foretold from a share of the positions, then from a larger one, which fills the caches as all do: the
best of so many tries each, because a busy machine can hold up one of them."""
CHECKED = 1 << 30
"""Terms of the distances in float64 that codes are checked against, at most."""


@dataclass
class Searched:
    """What was found of a case."""

    measurements: list[Measurement] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Why, by way."""
    quick: dict[str, Work] = field(default_factory=dict)
    """What can be run once more, by way."""


class Searches:
    """Searches on one device.

    Args:
        bench: positions and repeats.
        device: that they run on.
        seed: of latents and codewords, both normal.
        ways: by name how to prepare each.
    """

    def __init__(self, bench: SearchBench, device: torch.device, seed: int, ways: dict[str, Prepare] | None = None):
        self.bench, self.device, self.seed = bench, device, seed
        self.ways = WAYS if ways is None else ways
        self.where = f"{bench.positions} positions, fp32, {device_name(device)}"
        if device.type == "cuda":
            torch.cuda.empty_cache()  # what torch keeps for itself is not free for others
        # triton.testing does so too: the last search must not leave its input in the GPU's cache for the next, and
        # while the buffer is being filled the search can be queued, so that its launch is not counted
        self._flushed = torch.empty(1 << 28, dtype=torch.int8, device=device) if device.type == "cuda" else None

    @torch.inference_mode()
    def measure(self, case: SearchCase) -> Searched:
        """Seconds and share of wrong codes of every way."""
        draw = generator_at(self.seed, 0, f"matching search {case.d} {case.S} {case.K}")
        z = torch.randn(self.bench.positions, case.d, generator=draw).to(self.device)
        codebooks = torch.randn(case.S, case.K, case.d // case.S, generator=draw).to(self.device)
        found = Searched()
        searches: dict[str, Search] = {}
        for way, prepare in self.ways.items():
            try:
                searches[way] = self._prepared(way, prepare, z, codebooks)
            except LeftOut as reason:
                found.left_out[way] = str(reason)
        laps, codes = {}, {}
        for way, search in searches.items():
            raw = []
            laps[way] = [seconds_of(lambda find=search.find, raw=raw: raw.append(find(z)), self.device)]
            codes[way] = search.codes(raw[0])
            if laps[way][0] < PATIENCE:
                found.quick[way] = lambda find=search.find: find(z)
        laps |= in_turns(found.quick, self.device, self.bench.repeats, PATIENCE, self._between)
        n, wrong = wrong_codes(z, codebooks, codes)
        for way in searches:
            row = partial(self._row, case, way)
            rounding = f"share of codes whose codeword is not the nearest in float64, at {n} of {self.where}"
            seconds, repeats = median(laps[way]), len(laps[way])
            found.measurements += [
                row("matching_seconds", seconds, repeats, f"nearest codes of {self.where}, median of runs in turns"),
                row("wrong_codes", wrong[way], n * case.S, rounding),
            ]
        return found

    @torch.inference_mode()
    def memory(self, case: SearchCase, ways: Mapping[str, Work]) -> list[Measurement]:
        """Memory that a search of each way adds on a GPU; empty on a CPU."""
        held = {way: added_memory(search, self.device) for way, search in ways.items()}
        protocol = f"most memory that a search of {self.where} adds to what is in use"
        return [
            self._row(case, way, "matching_memory", most, 1, protocol) for way, most in held.items() if most is not None
        ]

    def _between(self) -> None:
        if self._flushed is None:
            time.sleep(REST)
        else:
            self._flushed.zero_()

    def _prepared(self, way: str, prepare: Prepare, z: Tensor, codebooks: Tensor) -> Search:
        search = prepare(z, codebooks)
        search.find(z[:1])  # what is set up once is no part of a search
        for share, tries in SHARES.items() if way not in OURS else ():
            few = z[: -(-len(z) // share)]
            for _ in range(tries):
                foretold = seconds_of(lambda few=few: search.find(few), self.device) * len(z) / len(few)
                if foretold <= LONGEST:
                    break
            else:
                raise LeftOut(f"would take about {foretold:.0f} s, more than {LONGEST:.0f} s")
        return search

    def _row(self, case: SearchCase, way: str, metric: str, value: float, n: int, protocol: str) -> Measurement:
        conditions = {**case.model_dump(), "positions": self.bench.positions, "way": way}
        return Measurement(
            metric=metric, value=value, unit=METRICS[metric].unit, n=n, protocol=protocol, conditions=conditions
        )


def wrong_codes(z: Tensor, codebooks: Tensor, codes: dict[str, Tensor]) -> tuple[int, dict[str, float]]:
    """Share of codes whose codeword is farther than another, by brute force in float64; ties are not wrong.

    Args:
        z: (N, d).
        codebooks: (S, K, d/S).
        codes: by name (N, S).

    Returns:
        Number of positions that were looked at, evenly spaced, and the share of each name.
    """
    S, K, c = codebooks.shape
    # positions are independent of each other, so any of them are a random sample
    every = -(-len(z) * S * K * min(c, 8) // CHECKED)
    z = z[::every].double()
    chosen = {name: found[::every].to(z.device) for name, found in codes.items()}
    wrong = dict.fromkeys(codes, 0)
    for subspace, (part, words) in enumerate(zip(z.chunk(S, dim=1), codebooks.double(), strict=True)):
        for rows in torch.arange(len(z), device=z.device).split(max(1, (1 << 20) // K)):
            distances = _squared_distances(part[rows], words)  # (n, K)
            least = distances.amin(dim=1)
            for name, found in chosen.items():
                own = distances.gather(1, found[rows, subspace, None])[:, 0]
                wrong[name] += int((own > least).sum())
    return len(z), {name: number / (len(z) * S) for name, number in wrong.items()}


def _squared_distances(z: Tensor, words: Tensor) -> Tensor:
    """(n, K) of vectors (n, c) and words (K, c), in float64."""
    if z.shape[1] > 8:  # the rounding of float64 is far below what fp32 can tell apart
        return torch.addmm(words.square().sum(dim=1), z, words.T, alpha=-2)
    return sum((z[:, None, i] - words[:, i]).square_() for i in range(z.shape[1]))
