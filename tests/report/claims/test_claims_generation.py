"""Claims about diffusion from scratch: gFID by the margin, and orders of rFID and gFID."""

import pytest

from pqgan.report.claims import generation
from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN
from pqgan.report.claims.findings import NOT_REACHED

PQ = {8: "f8-d16-S8-K64", 16: "f16-d16-S8-K64"}
RFID = {"kl-f8-d4": 0.75, PQ[8]: 0.036, PQ[16]: 0.41}


@pytest.fixture
def told(smoke, evidence_of, hand):
    def made(settings=smoke, rfid=RFID, **gfid):
        records = {("evaluate", name): hand.record() for name in settings.scale.tokenizer.configs}
        records |= {("evaluate", name): hand.record(hand.item("rfid", x, on="val")) for name, x in rfid.items()}
        records |= {
            ("generation", name.replace("_", "-")): hand.record(hand.item("gfid", x, n=5000))
            for name, x in gfid.items()
        }
        return evidence_of(settings, records, PQ)

    return made


@pytest.mark.parametrize(
    ("gfid", "expected"),
    [
        ((27.21, 22.66, 21.08), [HOLDS, HOLDS, HOLDS]),  # the paper's
        ((20.0, 22.66, 21.08), [FAILS, FAILS, HOLDS]),
        ((27.21, 22.66, 22.0), [HOLDS, HOLDS, OPEN]),
    ],
)
def test_gfid_on_each_latent(told, verdicts, gfid, expected):
    rows = generation.pq_over_vae(told(**dict(zip(("vae", "pqgan_f8", "pqgan_f16"), gfid, strict=True))))
    assert verdicts(rows) == expected
    assert [row.compared for row in rows] == [
        "The model on pqgan-f8 less that on vae",
        "The model on pqgan-f16 less that on vae",
        "The model on pqgan-f16 less that on pqgan-f8",
    ]
    assert rows[0].value == pytest.approx(gfid[0] / gfid[1])
    assert rows[0].seeds == "n = 5000"


@pytest.mark.parametrize(
    ("gfid", "verdict", "difference"),
    [
        ((27.21, 22.66, 21.08), HOLDS, "1 of 3"),
        ((27.21, 21.08, 22.66), FAILS, "0 of 3"),
        ((27.21, 22.0, 22.66), OPEN, "0 of 3"),
    ],
)
def test_the_orders_by_rfid_and_gfid(told, gfid, verdict, difference):
    (row,) = generation.orders_differ(told(**dict(zip(("vae", "pqgan_f8", "pqgan_f16"), gfid, strict=True))))
    assert (row.verdict, row.difference) == (verdict, difference)
    assert row.means.startswith("vae: rFID 0.750, gFID 27.21; pqgan-f8: rFID 0.0360")


def test_what_was_not_collected_is_not_missing_from_the_scale(told, smoke):
    for test in (generation.pq_over_vae, generation.orders_differ):
        assert [row.missing for row in test(told())] == [NOT_REACHED]
    ldm = smoke.scale.ldm.model_copy(update={"latents": {"pqgan-f8": smoke.scale.ldm.latents["pqgan-f8"]}})
    settings = smoke.model_copy(update={"scale": smoke.scale.model_copy(update={"ldm": ldm})})
    (row,) = generation.pq_over_vae(told(settings, pqgan_f8=20.0))
    assert row.missing == "needs models from scratch on a VAE and on the selected tokenizers of F=8 and F=16"


def test_an_untrained_backbone_is_no_vae(told, smoke):
    latents = smoke.scale.ldm.latents
    vae = latents["vae"].model_copy(update={"tokenizer": "backbone-vae"})
    ldm = smoke.scale.ldm.model_copy(update={"latents": {**latents, "vae": vae}})
    settings = smoke.model_copy(update={"scale": smoke.scale.model_copy(update={"ldm": ldm})})
    (row,) = generation.pq_over_vae(told(settings, vae=50.0, pqgan_f8=20.0, pqgan_f16=10.0))
    assert row.missing.startswith("needs models from scratch on a VAE")
