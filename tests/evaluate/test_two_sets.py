"""Metrics of reconstructions that differ from their originals, and which set each number is of: worked out by hand."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.data.prepared import PreparedSet
from pqgan.evaluate import original_features, reconstruction
from pqgan.evaluate.comparison import Comparison
from pqgan.evaluate.networks.set_features import Networks
from pqgan.records import read_record
from pqgan.settings import Settings
from pqgan.settings.evaluation import SecondReading
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import load_model, load_tokenizer

NAME = "f8-d16-S8-K64"
SETS = {"val": "val", "FFHQ": "microscopy", "LSUN": "textures"}
COUNTS = {"val": 7, "microscopy": 5, "textures": 4}


@pytest.fixture(scope="module")
def settings(plain) -> Settings:
    raw = plain.model_dump()
    for name, count in COUNTS.items():
        raw["scale"]["data"]["sets"][name]["crops"] = count
    raw["scale"]["evaluation"] |= {"batch": 3, "showcase": 2}
    # neither network takes images of the sets' size as they are
    raw["scale"]["evaluation"]["features"]["clip"]["image_size"] = 48
    return Settings.model_validate(raw)


@pytest.fixture(scope="module")
def networks(settings):
    return Networks(settings.scale.evaluation.features, settings.reading.metrics, torch.device("cpu"))


@pytest.fixture(scope="module")
def work(settings, tmp_path_factory):
    """Three different sets, the features of each, and a tokenizer; evaluated."""
    folder, plan = tmp_path_factory.mktemp("two-sets"), whole_plan(settings)
    for name in COUNTS:
        prepare(settings, plan.job("data", name), out=folder / name)
        original_features.run(
            settings, plan.job("reference", name), data=folder / name, out=folder / f"{name}-features"
        )
    section = settings.scale.tokenizer
    model = build(section.configs[NAME], section.trunks[8], settings.reading, 4)
    # a reconstruction that has something of its image
    torch.nn.init.normal_(model.quantiser.codebooks, generator=torch.Generator().manual_seed(0))
    model.save_pretrained(folder / "model")
    reconstruction.run(
        settings,
        plan.job("evaluate", NAME),
        model=folder / "model",
        sets={role: folder / name for role, name in SETS.items()},
        references={role: folder / f"{name}-features" for role, name in SETS.items()},
        out=folder / "out",
    )
    return folder


@pytest.fixture(scope="module")
def pairs(work):
    """By set: originals and reconstructions (n, 3, 64, 64), uint8."""
    model, found = load_model(work / "model").eval(), {}
    for name, count in COUNTS.items():
        images = PreparedSet(work / name)
        originals = torch.from_numpy(np.stack([images.image(i) for i in range(count)])).permute(0, 3, 1, 2)
        with torch.no_grad():
            made = torch.cat([model(part.float() / 127.5 - 1).sample.clamp(-1, 1) for part in originals.split(3)])
        found[name] = originals, made
    return found


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Of few samples of many features: the trace of (C1 C2)^(1/2) from the n x n matrix of the same eigenvalues."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    mean = np.square(x.mean(0) - y.mean(0)).sum()
    a, b = (x - x.mean(0)) / np.sqrt(len(x) - 1), (y - y.mean(0)) / np.sqrt(len(y) - 1)
    between = a @ b.T
    roots = np.sqrt(np.linalg.eigvalsh(between @ between.T).clip(0))
    return mean + np.square(a).sum() + np.square(b).sum() - 2 * roots.sum()


def mmd(x: np.ndarray, y: np.ndarray) -> float:
    """1000 times the biased squared MMD, Gaussian kernel of sigma 10."""
    x, y = x.astype(np.float64), y.astype(np.float64)

    def mean(a, b):
        return np.exp(-np.square(a[:, None] - b[None]).sum(-1) / 200).mean()

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


@torch.no_grad()
def expected_distances(networks, originals, made) -> dict[tuple[str, object], float]:
    """Each rFID by the resize that both sides went through, each CMMD likewise."""
    clean, seen = originals.float() / 127.5 - 1, made
    distances = {
        ("rfid", resize): frechet(*(networks.inception(images, resize).numpy() for images in (clean, seen)))
        for resize in ("clean-fid", "torchmetrics")
    }
    for antialias in (True, False):
        distances["cmmd", antialias] = mmd(*(networks.clip(images, antialias).numpy() for images in (clean, seen)))
    return distances


def by_way(measurements, on: str) -> dict[tuple[str, object], float]:
    """The values of rFID and CMMD on a set, by how the images were resized, as the protocol says."""
    found = {}
    for item in measurements:
        if item.on == on and item.metric == "rfid":
            found["rfid", "torchmetrics" if "torchmetrics" in item.protocol else "clean-fid"] = item.value
        if item.on == on and item.metric == "cmmd":
            found["cmmd", "without antialias" not in item.protocol] = item.value
    return found


@pytest.mark.parametrize(("role", "name"), SETS.items())
def test_distances_are_those_of_originals_and_reconstructions_of_the_role_s_own_set(work, pairs, networks, role, name):
    expected = expected_distances(networks, *pairs[name])
    found = by_way(read_record(work / "out").measurements, role)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-3), key
    values = list(expected.values())
    # far from zero, from each other, and from what another set gives
    assert min(values) > 1e-3
    assert abs(values[0] / values[1] - 1) > 3e-3
    other = expected_distances(networks, *pairs["textures" if name == "val" else "val"])
    assert all(abs(other[key] / value - 1) > 0.01 for key, value in expected.items())


def test_distances_are_the_same_where_the_originals_are_seen_in_passing(settings, pairs, networks):
    originals, made = pairs["val"]
    comparison = Comparison(networks, settings.reading.metrics, {"F": 8})
    for part, other in zip(originals.split(3), made.split(3), strict=True):
        comparison.update(part.float() / 127.5 - 1, other, None)
    found = by_way(comparison.measurements("val"), "val")
    for key, value in expected_distances(networks, originals, made).items():
        assert found[key] == pytest.approx(value, rel=1e-3), key


@pytest.mark.parametrize(("role", "name"), SETS.items())
def test_psnr_and_lpips_are_those_of_the_role_s_own_pairs(work, pairs, networks, role, name):
    record = read_record(work / "out")
    originals, made = pairs[name]
    levels = ((made + 1) * 127.5).round().clamp(0, 255)
    errors = (originals.double() - levels.double()).square().mean(dim=(1, 2, 3))
    psnr, lpips = record.get("psnr", role), record.get("lpips", role)
    assert psnr.value == pytest.approx((10 * (255**2 / errors).log10()).mean().item(), rel=1e-4)
    assert (psnr.n, lpips.n, record.sets[role]) == (COUNTS[name], COUNTS[name], name)
    (perceptual,) = networks.lpips.values()
    with torch.no_grad():
        seen = perceptual(originals.float() / 127.5 - 1, levels.float() / 127.5 - 1)
    assert lpips.value == pytest.approx(seen.double().mean().item(), rel=1e-3)


@pytest.mark.parametrize(("role", "name"), SETS.items())
def test_pictures_are_the_role_s_own_in_the_right_places(work, pairs, role, name):
    originals, made = pairs[name]
    levels = ((made + 1) * 127.5).round().clamp(0, 255)
    for index in range(2):
        for side, expected in (("original", originals), ("reconstruction", levels)):
            shown = np.asarray(Image.open(work / "out" / "showcase" / role / f"{index}_{side}.png")).astype(int)
            assert np.abs(shown - expected[index].permute(1, 2, 0).numpy()).max() <= 1
    assert len(list((work / "out" / "showcase" / role).iterdir())) == 4


def test_the_pass_is_told_what_the_settings_say(settings, work, tmp_path, monkeypatch):
    """Batch, geometry, workers and pictures, at the loader and at the pass."""
    hardware = settings.scale.hardware.model_copy(update={"workers": 2})
    data = settings.reading.data.model_copy(update={"geometry": "squash"})
    changed = settings.model_copy(
        update={
            "scale": settings.scale.model_copy(update={"hardware": hardware}),
            "reading": settings.reading.model_copy(update={"data": data}),
        }
    )
    asked, load = [], reconstruction.evaluation_batches

    def evaluation_batches(prepared, **named):
        asked.append((prepared.folder.name, named | {"device": str(named["device"])}))
        return load(prepared, **named | {"workers": 0})

    monkeypatch.setattr(reconstruction, "evaluation_batches", evaluation_batches)
    reconstruction.run(
        changed,
        whole_plan(changed).job("evaluate", NAME),
        model=work / "model",
        sets={"val": work / "val"},
        references={"val": work / "val-features"},
        out=tmp_path / "out",
    )
    expected = {"batch": 3, "geometry": "squash", "images": range(7), "workers": 2, "device": "cpu"}
    assert asked == [("val", expected)]


@pytest.mark.parametrize("fid", ["clean-fid", "torchmetrics"])
def test_features_of_originals_are_of_the_size_and_resize_that_are_asked_for(settings, work, networks, tmp_path, fid):
    """Where a model from scratch makes smaller images than the set has."""
    raw = settings.model_dump()
    raw["scale"]["ldm"]["resolution"] = 32
    raw["reading"]["metrics"]["fid"] = fid
    changed = Settings.model_validate(raw)
    job = whole_plan(changed).job("generation", "vae").inputs["reference"]
    original_features.run(changed, job, data=work / "val", out=tmp_path / "out")
    about = json.loads((tmp_path / "out" / "reference.json").read_text())
    assert (job.name, about["size"], about["n"], about["rows"], about["name"]) == ("val-32", 32, 7, fid, "val")
    images = PreparedSet(work / "val")
    small = [Image.fromarray(images.image(i)).resize((32, 32), Image.Resampling.LANCZOS) for i in range(7)]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in small])).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = networks.inception(pixels.float() / 127.5 - 1, fid)
    torch.testing.assert_close(original_features.read(tmp_path / "out").rows, expected, rtol=1e-4, atol=1e-4)


def test_images_per_second_are_images_over_seconds_without_the_first_batch(monkeypatch):
    cpu = torch.device("cpu")
    measured = reconstruction._speed("val", [9.0, 1.0, 0.5], images=11, batch=4, target=cpu)
    assert (measured.value, measured.n, measured.on) == (7 / 1.5, 7, "val")
    alone = reconstruction._speed("val", [2.0], images=3, batch=4, target=cpu)
    assert (alone.value, alone.n) == (1.5, 3)


def test_bits_of_a_pixel_and_use_of_codes_are_the_tokenizer_s(work, pairs):
    tokenizer, record = load_tokenizer(work / "model"), read_record(work / "out")
    for role, name in SETS.items():
        originals = pairs[name][0].float() / 127.5 - 1
        with torch.no_grad():
            codes = torch.cat([tokenizer.codes(part) for part in originals.split(3)])  # (n, 8, 8, 8)
        shares = torch.stack([torch.bincount(codes[:, s].flatten(), minlength=64) for s in range(8)]).double()
        shares /= shares.sum(1, keepdim=True)
        entropies = torch.special.entr(shares).sum(1)
        assert record.get("H_n", role).value == pytest.approx((entropies / np.log(64)).mean().item(), rel=1e-6)
        assert record.get("P_n", role).value == pytest.approx((entropies.exp() / 64).mean().item(), rel=1e-6)
        assert record.get("bits_per_pixel", role).value == 8 * 6 / 64
        bits = entropies.sum().item() / np.log(2) / 64
        assert record.get("entropy_bits_per_pixel", role).value == pytest.approx(bits, rel=1e-6)


def test_the_set_of_the_second_reading_has_that_reading_s_headlines(settings, work, tmp_path):
    """One that changes the headline PSNR, on one set of two."""
    metrics = settings.reading.metrics.model_copy(update={"psnr": "pooled"})
    second = SecondReading(reading="LSUN", data="textures")
    evaluation = settings.scale.evaluation.model_copy(update={"second": second})
    again = settings.model_copy(
        update={
            "scale": settings.scale.model_copy(update={"evaluation": evaluation}),
            "second_reading": settings.reading.model_copy(update={"metrics": metrics}),
        }
    )
    roles = {role: SETS[role] for role in ("FFHQ", "LSUN")}
    reconstruction.run(
        again,
        whole_plan(settings).job("evaluate", NAME),
        model=work / "model",
        sets={role: work / name for role, name in roles.items()},
        references={role: work / f"{name}-features" for role, name in roles.items()},
        out=tmp_path / "out",
    )
    record = read_record(tmp_path / "out")
    assert record.get("psnr", on="FFHQ").protocol.startswith("mean over images")
    assert record.get("psnr", on="LSUN").protocol.startswith("of the pooled squared error")
