"""Claims about the time of matching go by the plain way; our own finding by the largest overhead of our quantiser."""

import pytest

from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN
from pqgan.report.claims.matching import flat_in_codewords, half_again, linear_in_subspaces, ours_is_cheap

PLAIN, OURS = "full distances", "pqgan"


@pytest.fixture
def told(smoke, evidence_of, hand):
    return lambda *items: evidence_of(smoke, {("matching", "matching"): hand.record(*items, F=8)})


@pytest.fixture
def measured(hand):
    def made(value, d=128, S=64, K=512, way=PLAIN, metric="overhead", batch=1, spread=None):
        return hand.item(metric, value, spread, n=9, d=d, S=S, K=K, batch=batch, way=way)

    return made


@pytest.mark.parametrize(("largest", "verdict"), [(0.07, HOLDS), (0.09, OPEN), (0.13, FAILS)])
def test_the_largest_of_ours_decides(told, measured, largest, verdict):
    others = [
        measured(0.5, S=128, way=OURS),
        measured(0.6),
        measured(0.7, way=OURS, metric="quantiser_seconds"),
        measured(0.8, way=OURS, metric="matching_overhead"),
    ]
    own = [
        measured(0.02, way=OURS, spread=0.02),
        measured(largest, d=64, way=OURS, batch=20, spread=0.02),
        measured(0.04, way=OURS, batch=8, spread=0.02),
    ]
    (found,) = ours_is_cheap(told(*others, *own))
    assert found.value == pytest.approx(100 * (0.1 - largest))
    assert found.verdict == verdict
    assert found.means == f"d=64, S=64, K=512, batch 20: {100 * largest:.0f} %"
    bounds = (8 - 100 * largest, 12 - 100 * largest)
    shown = [f"{'+' if x > 0 else '−' if x < 0 else ''}{abs(x):.1f}" for x in bounds]
    assert found.difference.endswith(f"[{', '.join(shown)}] points")


def test_ours_at_64_subspaces_must_be_timed(told, measured):
    (found,) = ours_is_cheap(told(measured(0.5, S=128, way=OURS), measured(0.6)))
    assert (found.verdict, found.missing) == (OPEN, "needs S=64 in the matching bench")


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.5, HOLDS), (0.56, HOLDS), (0.42, HOLDS), (0.6, OPEN), (0.64, FAILS), (0.2, FAILS)]
)
def test_half_again_by_the_plain_way(told, measured, share, verdict):
    (found,) = half_again(told(measured(share, spread=0.015), measured(0.9, way=OURS)))
    assert (found.verdict, found.value) == (verdict, pytest.approx(100 * (0.1 - abs(share - 0.5))))


def test_half_again_takes_the_papers_ratio_and_one_image_and_its_own_codewords(told, measured):
    rows = [
        measured(0.1),
        measured(0.2, metric="matching_overhead", batch=20),
        measured(0.3, metric="matching_overhead", K=128),
        measured(0.5, metric="matching_overhead"),
        measured(0.4, metric="matching_overhead", K=16384),
    ]
    (found,) = half_again(told(*rows))
    assert (found.means, found.verdict) == ("d=128, S=64, K=512, batch 1: 50 %", HOLDS)
    assert found.difference == "+10.0 ± 2.5 points"
    (found,) = half_again(told(measured(0.5, d=64), measured(0.5, S=128)))
    assert found.missing == "needs d=128, S=64 in the matching bench"


def times(measured, seconds: dict[int, float], varied: str = "S", **fixed):
    return [
        measured(value, metric="quantiser_seconds", **{varied: number}, **fixed) for number, value in seconds.items()
    ]


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        ({1: 0.0011, 16: 0.0026, 64: 0.0074, 128: 0.0138}, HOLDS),  # 0.001 + 0.0001 S
        ({1: 1e-11, 16: 16e-11, 64: 64e-11, 128: 128e-11}, HOLDS),
        ({1: 0.01, 16: 0.01, 64: 0.01, 128: 0.02}, FAILS),  # explains 0.83
        ({1: 0.0, 16: 0.7, 64: 2.2, 128: 2.8}, OPEN),  # explains 0.91
        ({1: 0.0, 16: 0.0, 64: 0.0, 128: 0.0}, OPEN),
        ({1: 1.0, 16: float("nan"), 64: 1.0, 128: 2.0}, OPEN),
        ({1: 1.0, 16: 2.0, 64: 3.0, 128: float("inf")}, OPEN),
        ({1: 128, 16: 112, 64: 64, 128: 0.001}, FAILS),  # straight, and falls
    ],
)
def test_linear_in_subspaces(told, measured, seconds, verdict):
    (found,) = linear_in_subspaces(told(*times(measured, seconds), *times(measured, {1: 9.0, 64: 1.0}, batch=8)))
    assert found.verdict == verdict
    assert "d=128, K=512, batch 1; F=8, test processor" in found.compared


def test_two_subspaces_make_no_line(told, measured):
    (found,) = linear_in_subspaces(told(*times(measured, {1: 0.1, 64: 0.2})))
    assert found.missing == "needs three or more S at one d and K in the matching bench"


@pytest.mark.parametrize(
    ("seconds", "verdict", "missing"),
    [
        ({128: 1.0, 512: 5.0, 16384: 1.5}, HOLDS, ""),  # from the least to the most
        ({128: 1.0, 16384: 1.98}, OPEN, ""),
        ({128: 1.0, 16384: 20.0}, FAILS, ""),
        ({128: 1.0, 8192: 1.0}, OPEN, "needs K=16384 in the matching bench"),
        ({128: 1.0, 8192: 9.0}, FAILS, ""),
        ({128: 1.0}, OPEN, "needs two or more K at one d and S in the matching bench"),
    ],
)
def test_flat_in_codewords(told, measured, seconds, verdict, missing):
    (found,) = flat_in_codewords(told(*times(measured, seconds, "K")))
    assert (found.verdict, found.missing) == (verdict, missing)
    if len(seconds) > 1:
        assert found.value == pytest.approx(2 * seconds[min(seconds)] / seconds[max(seconds)])


def test_a_search_by_itself_is_no_reconstruction(told, hand):
    search = hand.item("overhead", 0.5, d=128, S=64, K=512, positions=256, way=PLAIN)
    assert half_again(told(search))[0].missing == "needs d=128, S=64 in the matching bench"
