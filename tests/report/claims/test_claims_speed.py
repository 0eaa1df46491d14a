"""Claims about what generation costs: ratios within the margin of what Table 3 says."""

import pytest

from pqgan.report.claims import speed
from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN
from pqgan.report.claims.findings import NOT_REACHED

SIDES = {"SDv2.1": 96, "PQSD-HR": 192, "PQSD-Precise": 96, "PQSD-Quick": 96}


@pytest.fixture
def told(smoke, evidence_of, hand):
    """Evidence of (images per second, memory, seconds in the U-Net) of each generator."""

    def made(sides=SIDES, channels=128, **values):
        base = {"SDv2.1": (0.116, 14.9, 1.0), "PQSD-HR": (0.112, 14.9, 1.0)}
        base |= {"PQSD-Precise": (0.116, 14.8, 1.0), "PQSD-Quick": (0.465, 7.7, 0.2)}
        base |= {f"PQSD-{name}": found for name, found in values.items()}
        metrics = ("images_per_second", "memory_gb", "unet_seconds")
        records = {
            ("speed", name): hand.record(
                *(hand.item(metric, x, n=10) for metric, x in zip(metrics, found, strict=True)),
                image_size=sides[name],
                d=4 if name == "SDv2.1" else channels,
            )
            for name, found in base.items()
            if name in sides
        }
        return evidence_of(smoke, records)

    return made


def test_the_papers_numbers_hold(told, verdicts):
    found = told()
    assert verdicts(speed.high_resolution_costs_the_same(found)) == [HOLDS, HOLDS]
    assert verdicts(speed.quick_is_faster(found)) == [HOLDS, HOLDS]
    assert verdicts(speed.channels_cost_nothing(found)) == [HOLDS]
    faster, smaller = speed.quick_is_faster(found)
    assert faster.value == pytest.approx(0.465 / 0.116 / (4 / 1.1))
    assert smaller.value == pytest.approx(0.55 / (7.7 / 14.9))
    assert faster.compared.endswith("; test processor")
    assert faster.seeds == "n = 10"


@pytest.mark.parametrize(
    ("test", "values", "expected"),
    [
        (speed.high_resolution_costs_the_same, {"HR": (0.108, 17.5, 1.0)}, [OPEN, FAILS]),
        (speed.high_resolution_costs_the_same, {"HR": (0.2, 12.0, 1.0)}, [FAILS, FAILS]),  # not the same, though less
        (speed.quick_is_faster, {"Quick": (0.43, 9.0, 0.2)}, [OPEN, FAILS]),
        (speed.quick_is_faster, {"Quick": (0.2, 8.0, 0.2)}, [FAILS, OPEN]),
        (speed.channels_cost_nothing, {"Precise": (0.116, 14.8, 1.08)}, [OPEN]),
        (speed.channels_cost_nothing, {"Precise": (0.116, 14.8, 1.2)}, [FAILS]),
        (speed.channels_cost_nothing, {"Precise": (0.116, 14.8, 0.5)}, [HOLDS]),
    ],
)
def test_other_numbers(told, verdicts, test, values, expected):
    assert verdicts(test(told(**values))) == expected


def test_fewer_channels_do_not_show_that_128_cost_nothing(told):
    (row,) = speed.channels_cost_nothing(told(channels=16))
    assert (row.verdict, row.missing) == (OPEN, "needs 128 channels")
    assert row.compared.startswith(
        "×1.1 over the U-Net's time in PQSD-Precise over SDv2.1, at as many latent pixels and 16"
    )
    (row,) = speed.channels_cost_nothing(told(channels=16, Precise=(0.116, 14.8, 1.2)))
    assert row.verdict == FAILS  # fewer cost something already


def test_images_of_another_size_are_not_compared(told):
    (row,) = speed.high_resolution_costs_the_same(told(SIDES | {"PQSD-HR": 144}))
    assert row.missing == "needs PQSD-HR at twice the side of the images of SDv2.1; it makes 144 px, SDv2.1 96 px"
    (row,) = speed.quick_is_faster(told(SIDES | {"PQSD-Quick": 192}))
    assert row.missing.startswith("needs PQSD-Quick at the side of the images of SDv2.1")


def test_what_was_not_collected_and_what_is_not_planned(told, smoke, evidence_of):
    (row,) = speed.channels_cost_nothing(told({}))
    assert row.missing == NOT_REACHED
    adapt = smoke.scale.adapt.model_copy(update={"variants": {}})
    settings = smoke.model_copy(update={"scale": smoke.scale.model_copy(update={"adapt": adapt})})
    records = {("speed", "SDv2.1"): told().record("speed", "SDv2.1")}
    (row,) = speed.quick_is_faster(evidence_of(settings, records))
    assert row.missing == "needs the variant PQSD-Quick"
