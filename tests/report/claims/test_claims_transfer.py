"""Claims about other sets: every model must move as the paper says, and PQ must be first."""

import pytest

from pqgan.report.claims import transfer
from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN

PQ = {8: "f8-d16-S8-K64", 16: "f16-d16-S8-K64"}
VAL = {"psnr": 30.0, "rfid": 1.0, "lpips": 0.1, "cmmd": 0.2}
MOVED = {"FFHQ": {"psnr": 33.0, "rfid": 2.0, "cmmd": 0.4}, "LSUN": {"psnr": 30.0, "rfid": 2.0, "cmmd": 0.4}}
MODELS = {**dict.fromkeys(PQ.values(), 1.0), "kl-f8-d4": 2.0, "sdxl-vae": 3.0, "sd21-vae": 3.0, "vqgan-lc-f8": 3.0}
"""Each with how far it is behind the first."""
METHODS = {"sdxl-vae": ("SDXL VAE", None), "sd21-vae": ("SDv2.1 VAE", None), "vqgan-lc-f8": ("VQGAN-LC", 100_000)}


@pytest.fixture
def told(smoke, evidence_of, hand):
    """Evidence in which every claim holds, with some values changed: (model, set, metric) -> value."""

    def made(changed=None, published=tuple(METHODS)):
        evaluation = smoke.scale.evaluation.model_copy(update={"published": published})
        settings = smoke.model_copy(update={"scale": smoke.scale.model_copy(update={"evaluation": evaluation})})
        records = {("evaluate", name): hand.record() for name in settings.scale.tokenizer.configs}
        for name, behind in MODELS.items():
            items = []
            for role in ("val", "FFHQ", "LSUN"):
                for metric, value in (VAL | MOVED.get(role, {})).items():
                    value = value - behind if metric == "psnr" else value * behind
                    value = (changed or {}).get((name, role, metric), value)
                    spread = {"psnr": 0.4, "lpips": 0.004 * value}.get(metric)
                    items.append(hand.item(metric, value, spread, on=role))
            method, K = METHODS.get(name, (None, None))
            records["evaluate", name] = hand.record(*items, method=method, F=8, K=K)
        return evidence_of(settings, records, PQ)

    return made


def test_all_of_them_hold(told, verdicts):
    found = told()
    for test, rows in ((transfer.psnr_rises, 1), (transfer.lpips_stays, 1), (transfer.distances_rise, 4)):
        assert verdicts(test(found)) == [HOLDS] * rows
    (row,) = transfer.psnr_rises(found)
    assert row.compared == "Rise from the validation set to FFHQ (here microscopy); each of 6 models"
    assert row.means.startswith(
        "f8-d16-S8-K64: 29.0 to 32.0; f16-d16-S8-K64: 29.0 to 32.0; kl-f8-d4: 28.0 to 31.0; SDXL"
    )
    assert row.value == pytest.approx(3)


@pytest.mark.parametrize(("psnr", "verdict"), [(28.5, OPEN), (27.0, FAILS)])
def test_one_model_whose_psnr_does_not_rise(told, psnr, verdict):
    (row,) = transfer.psnr_rises(told({("kl-f8-d4", "FFHQ", "psnr"): psnr}))
    assert (row.verdict, row.value) == (verdict, pytest.approx(psnr - 28))


@pytest.mark.parametrize(("lpips", "verdict"), [(0.19, HOLDS), (0.2195, OPEN), (0.25, FAILS), (0.15, FAILS)])
def test_one_model_whose_lpips_does_not_stay(told, lpips, verdict):
    (row,) = transfer.lpips_stays(told({("kl-f8-d4", "LSUN", "lpips"): lpips}))
    assert row.verdict == verdict
    assert row.value == pytest.approx(1.1 / max(lpips / 0.2, 0.2 / lpips))


@pytest.mark.parametrize(("cmmd", "verdict"), [(0.41, OPEN), (0.3, FAILS)])
def test_one_model_whose_cmmd_does_not_rise(told, verdicts, cmmd, verdict):
    rows = transfer.distances_rise(told({("kl-f8-d4", "FFHQ", "cmmd"): cmmd}))
    assert verdicts(rows) == [HOLDS, HOLDS, verdict, HOLDS]


def test_pq_is_first_by_all_that_were_measured(told, verdicts):
    rows = transfer.first(told())
    assert verdicts(rows) == [HOLDS] * 16
    best = {("f16-d16-S8-K64", "LSUN", "rfid"): 8.0, ("f8-d16-S8-K64", "FFHQ", "psnr"): 31.0}
    rows = transfer.first(told(best))
    assert [number for number, row in enumerate(rows) if row.verdict != HOLDS] == [0, 13]
    assert (rows[0].verdict, rows[13].verdict) == (OPEN, FAILS)
    assert rows[13].compared == (
        "f16-d16-S8-K64 against kl-f8-d4, by this metric the best of the others (4) on LSUN (here textures)"
    )


def test_first_takes_the_papers_strongest(told):
    rows = transfer.first(told(published=("sdxl-vae",)))
    assert [row.missing for row in rows[:4]] == [
        "",  # SDXL VAE has the highest PSNR on FFHQ
        "needs SDv2.1 VAE F=8, the strongest in the paper's rFID",
        "needs SDv2.1 VAE F=8, the strongest in the paper's LPIPS",
        "needs SDv2.1 VAE F=8, the strongest in the paper's CMMD",
    ]


def test_a_scale_without_the_set_says_so(smoke, evidence_of, hand):
    evaluation = smoke.scale.evaluation.model_copy(update={"transfer": {"LSUN": "textures"}})
    settings = smoke.model_copy(update={"scale": smoke.scale.model_copy(update={"evaluation": evaluation})})
    records = {("evaluate", name): hand.record() for name in settings.scale.tokenizer.configs}
    found = evidence_of(settings, records, PQ)
    assert transfer.psnr_rises(found)[0].missing == "needs a set in the role of FFHQ"
