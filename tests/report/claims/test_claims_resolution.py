"""Claims about high resolution: what the VAE loses, what PQ keeps, and which is better."""

import pytest
from whole_plan import whole_plan

from pqgan.plan import Plan
from pqgan.report.claims import resolution
from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN
from pqgan.report.claims.findings import NOT_REACHED
from pqgan.settings import load

VALUES = {
    "kl-f8-d4": {"val": (27.0, 0.10), "double": (25.0, 0.20)},
    "finetuned-f8": {"val": (38.0, 0.01), "double": (38.2, 0.01)},
    "finetuned-f16": {"val": (30.0, 0.04), "double": (29.9, 0.04)},
}
"""PSNR and LPIPS with which both claims hold."""
CHAPTER = "evaluate_finetuned"
PLANNED = Plan.chapter


@pytest.fixture
def told(smoke, evidence_of, hand, monkeypatch, params_path):
    """Evidence of a plan that evaluates continuous tokenizers at the high resolution too, on photographs of folders."""
    folders = load(params_path, "mini").scale.data.sets
    data = smoke.scale.data.model_copy(update={"sets": {**smoke.scale.data.sets, **folders}})
    settings = smoke.model_copy(update={"scale": smoke.scale.model_copy(update={"data": data})})

    def made(values=None, names=("backbone-vae", "kl-f8-d4"), found=None, double="val_double"):
        own = [name for name in PLANNED(whole_plan(smoke), CHAPTER) if name.startswith(("selected-", "finetuned-"))]
        chapter = dict.fromkeys([*own, *names])
        monkeypatch.setattr(Plan, "chapter", lambda self, name: chapter if name == CHAPTER else PLANNED(self, name))
        values = VALUES | {"backbone-vae": VALUES["kl-f8-d4"]} | (values or {})
        records = {}
        for name in chapter if found is None else found:
            of = values.get(name, VALUES["finetuned-f16"])
            items = [
                hand.item(metric, value, spread * value, n=16, on=on)
                for on, (psnr, lpips) in of.items()
                for metric, value, spread in (("psnr", psnr, 0.005), ("lpips", lpips, 0.02))
            ]
            items += [
                hand.item(metric, 10 * lpips, on="val") for metric in ("rfid", "cmmd") for lpips in [of["val"][1]]
            ]
            records[CHAPTER, name] = hand.record(*items, sets={"val": "val_large", "double": double})
        return evidence_of(settings, records)

    return made


def test_both_hold(told, verdicts):
    found = told()
    rows = resolution.vae_loses(found)
    assert verdicts(rows) == [HOLDS] * 10
    assert rows[0].compared == (
        "Loss of kl-f8-d4, in the place of the Stable Diffusion VAE, from 192 px to 384 px, less 0.5 dB"
    )
    assert rows[0].value == pytest.approx(27 - 25 - 0.5)
    assert rows[2].compared == "0.5 dB less the loss of finetuned-f8 from 192 px to 384 px"
    assert rows[2].value == pytest.approx(0.5 + 0.2)
    assert verdicts(resolution.quick_reconstructs_better(found)) == [HOLDS] * 4


@pytest.mark.parametrize(
    ("values", "place", "verdict"),
    [
        ({"kl-f8-d4": {"val": (27.0, 0.1), "double": (27.5, 0.2)}}, 0, FAILS),  # the VAE gains
        ({"kl-f8-d4": {"val": (27.0, 0.1), "double": (26.4, 0.2)}}, 0, OPEN),
        ({"finetuned-f16": {"val": (30.0, 0.04), "double": (28.0, 0.04)}}, 4, FAILS),  # PQ loses
        ({"finetuned-f16": {"val": (30.0, 0.04), "double": (30.0, 0.06)}}, 5, FAILS),
        ({"finetuned-f16": {"val": (30.0, 0.04), "double": (30.0, 0.25)}}, 9, FAILS),  # and is behind the VAE
    ],
)
def test_one_of_them_does_not(told, values, place, verdict):
    assert resolution.vae_loses(told(values))[place].verdict == verdict


@pytest.mark.parametrize(("psnr", "verdict"), [(27.1, OPEN), (26.0, FAILS)])
def test_quick_by_its_own_tokenizer(told, verdicts, psnr, verdict):
    rows = resolution.quick_reconstructs_better(told({"finetuned-f16": {"val": (psnr, 0.04), "double": (30.0, 0.04)}}))
    assert verdicts(rows) == [verdict, HOLDS, HOLDS, HOLDS]
    assert rows[0].compared == ("finetuned-f16 against kl-f8-d4, in the place of the Stable Diffusion VAE, at 192 px")


@pytest.mark.parametrize("other", ["photographs", "train", "val"])
def test_other_photographs_at_the_double_say_nothing_of_a_loss(told, verdicts, other):
    first, *rest = resolution.vae_loses(told(double=other))
    assert (first.verdict, first.missing) == (
        OPEN,
        f"needs the same photographs at both sides; val_large and {other} hold different ones",
    )
    assert verdicts(rest) == [HOLDS] * 4


def test_quick_is_reconstructed_by_the_tokenizer_of_its_own_f(told):
    found = told()
    quick = found.settings.scale.adapt.variants["PQSD-Quick"]
    found.settings = found.settings.model_copy(deep=True)
    found.settings.scale.adapt.variants["PQSD-Quick"] = quick.model_copy(update={"F": 8})
    assert resolution.quick_reconstructs_better(found)[0].compared.startswith("finetuned-f8 against kl-f8-d4")
    del found.settings.scale.adapt.variants["PQSD-Quick"]
    assert resolution.quick_reconstructs_better(found)[0].missing == "needs the variant PQSD-Quick"


def test_a_published_backbone_is_the_stable_diffusion_vae(told):
    found = told()
    found.settings = found.settings.model_copy(deep=True)
    object.__setattr__(found.settings.scale.adapt, "backbone", type("Hub", (), {"published_vae": "sd21-vae"})())
    assert resolution.vae_loses(found)[0].compared == "Loss of SDv2.1 VAE from 192 px to 384 px, less 0.5 dB"


def test_what_is_missing_is_named(told):
    both = (resolution.vae_loses, resolution.quick_reconstructs_better)
    for test in both:
        assert [row.missing for row in test(told(found=()))] == [NOT_REACHED]
        # an untrained backbone alone is nothing to compare with
        assert [row.missing for row in test(told(names=("backbone-vae",)))] == [
            "needs a continuous tokenizer with trained weights at the high resolution"
        ]
    single = {name: {"val": of["val"]} for name, of in VALUES.items()}
    assert resolution.vae_loses(told(single))[0].missing == (
        "needs fine-tuned tokenizers on val and double of the high resolution"
    )
    assert resolution.quick_reconstructs_better(told(single))[0].verdict == HOLDS
