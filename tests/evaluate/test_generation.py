"""Samples of a model, measured; with a sampler whose samples are known."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from whole_plan import whole_plan

from pqgan.data.batches import evaluation_batches
from pqgan.data.prepare import run as prepare
from pqgan.data.prepared import PreparedSet
from pqgan.errors import DataError, SettingsError
from pqgan.evaluate import generation
from pqgan.evaluate.networks.pixels import to_uint8
from pqgan.evaluate.original_features import run as make_reference
from pqgan.records import read_record
from pqgan.settings import load
from pqgan.tokenizer.build import build


@pytest.fixture(scope="module")
def prepared(smoke, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "val"
    prepare(smoke, whole_plan(smoke).job("data", "val"), out=folder)
    return folder


@pytest.fixture(scope="module")
def reference(smoke, prepared, tmp_path_factory):
    """Features of the set that gFID compares with, as the plan makes them."""
    folder = tmp_path_factory.mktemp("reference") / "val"
    make_reference(
        smoke, whole_plan(smoke).job("generation", "pqgan-f8").inputs["reference"], data=prepared, out=folder
    )
    return folder


@pytest.fixture
def tokenizer(smoke, tmp_path):
    section = smoke.scale.tokenizer
    config = section.configs["f8-d16-S8-K64"]
    build(config, section.trunks[8], smoke.reading, 0).save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    for part in ("unet", "class_embedding"):
        (folder / part).mkdir(parents=True)
    (folder / "class_embedding/config.json").write_text(json.dumps({"num_classes": 6}))
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(5)}, folder / "unet/diffusion_pytorch_model.safetensors")
    return folder


@pytest.fixture
def sampler(prepared, monkeypatch):
    """A sampler that gives the images of the reference, and keeps what it was asked for."""
    asked = {}

    def sample_classes(folder, loaded, labels, **how):
        asked.update(how, folder=folder, labels=labels, kind=loaded.kind)
        for batch in evaluation_batches(PreparedSet(prepared), batch=how["batch"], geometry="crop"):
            yield batch.images

    monkeypatch.setattr(generation, "sample_classes", sample_classes)
    return asked


def counted(settings, samples):
    """Settings that measure other numbers of samples."""
    changed = settings.reading.generation.model_copy(update={"samples": samples})
    return settings.model_copy(update={"reading": settings.reading.model_copy(update={"generation": changed})})


def test_samples_equal_to_the_reference_are_at_distance_zero(
    smoke, prepared, reference, tokenizer, model, tmp_path, sampler
):
    job = whole_plan(smoke).job("generation", "pqgan-f8")
    generation.run(smoke, job, model=model, tokenizer=tokenizer, reference=reference, out=tmp_path / "out")

    record = read_record(tmp_path / "out")
    assert record.kind == "generation"
    assert record.subject == {
        "method": "PQGAN",
        "F": 8,
        "d": 16,
        "latent": "pqgan-f8",
        "unet_parameters": 17,
        "train_steps": smoke.scale.ldm.steps,
        "batch": smoke.scale.ldm.batch,
    }
    assert record.sets == {"reference": PreparedSet(prepared).name}
    gfid = record.get("gfid")
    assert gfid.value == pytest.approx(0, abs=1e-6)
    assert gfid.n == 48
    assert gfid.conditions == {"resize": "clean-fid", "reference_n": 48}
    assert "random weights" in gfid.network
    assert gfid.protocol.startswith(
        "DDIM 10 steps, eta 1, no guidance, balanced classes, 48 against 48 images; 8-bit images, clean-fid's"
    )
    assert gfid.protocol.endswith("rank-deficient covariance")
    assert record.get("precision").value == record.get("recall").value == 1
    assert record.get("kid").value < 0
    assert [item.metric for item in record.measurements] == ["gfid", "gfid", "kid", "precision", "recall"]
    assert set(record.networks) == {gfid.network}
    assert record.networks[gfid.network].files == {}
    assert record.device.startswith("CPU")
    assert record.dtype == "fp32"
    assert record.seconds > 0

    assert sampler["folder"] == model
    assert sampler["kind"] == "pq"
    assert (sampler["steps"], sampler["eta"], sampler["seed"], sampler["batch"]) == (10, 1.0, 0, 24)
    assert sampler["first"] == 0
    assert torch.bincount(sampler["labels"]).tolist() == [8] * 6

    pictures = sorted((tmp_path / "out").glob("*.png"), key=lambda path: int(path.stem))
    assert [path.stem for path in pictures] == [str(i) for i in range(smoke.scale.ldm.grid)]
    images = PreparedSet(prepared)
    for number, path in enumerate(pictures):
        assert np.array_equal(np.asarray(Image.open(path)), images.image(number))


def test_several_counts_are_measured_and_the_first_is_the_headline(
    smoke, reference, tokenizer, model, tmp_path, sampler
):
    settings = counted(smoke, (12, 48))
    job = whole_plan(settings).job("generation", "pqgan-f8")
    assert job.path != whole_plan(smoke).job("generation", "pqgan-f8").path
    generation.run(settings, job, model=model, tokenizer=tokenizer, reference=reference, out=tmp_path / "out")
    record = read_record(tmp_path / "out")
    assert len(sampler["labels"]) == 48
    assert [item.n for item in record.measurements] == [12] * 5 + [48] * 5
    assert record.get("gfid").n == 12
    assert record.get("gfid").value > 1
    assert record.get("precision").value == 1
    assert record.measurements[5].value == pytest.approx(0, abs=1e-6)


def test_fewer_samples_than_asked_for_leave_nothing(smoke, reference, tokenizer, model, tmp_path, sampler):
    settings = counted(smoke, (49,))
    job = whole_plan(settings).job("generation", "pqgan-f8")
    with pytest.raises(DataError, match="generated images: got 48; expected 49"):
        generation.run(settings, job, model=model, tokenizer=tokenizer, reference=reference, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (5000, "generation.samples: got 5000; allowed: a list of different counts, such as"),
        ([], "generation.samples: got \\[\\]; allowed: a list of different counts"),
        ([48, 48], "generation.samples: got \\[48, 48\\]; allowed: a list of different counts"),
        ([48, 3], "generation.samples.1: got 3; Input should be greater than or equal to 4"),
        ([4.5], "generation.samples.0: got 4.5; Input should be a valid integer"),
    ],
)
def test_numbers_of_samples_that_cannot_be_measured_are_refused(changed_params, samples, message):
    with pytest.raises(SettingsError, match=message):
        load(changed_params("scales.smoke.overrides.generation.samples", samples), "smoke")


def test_first_samples_are_kept_from_whichever_process_makes_them():
    images = torch.rand(10, 3, 4, 4) * 2 - 1
    for first, wanted, expected in ((0, 5, 5), (3, 5, 2), (6, 5, 0), (0, 20, 10)):
        kept = []
        passed = list(generation._keeping(images.split(4), first, wanted, kept))
        assert torch.equal(torch.cat(passed), images)
        assert sum(map(len, kept)) == expected
        if kept:
            assert torch.equal(torch.cat(kept), to_uint8(images[:expected]))


def test_labels_are_balanced_over_classes_in_every_beginning():
    labels = generation.balanced_labels(50, 7)
    for n in range(7, 51):
        counts = torch.bincount(labels[:n], minlength=7)
        assert int(counts.max() - counts.min()) == (n % 7 > 0)
        assert int(counts.sum()) == n


def test_folder_without_classes_is_refused(smoke, reference, tokenizer, tmp_path):
    (tmp_path / "empty").mkdir()
    job = whole_plan(smoke).job("generation", "pqgan-f8")
    with pytest.raises(DataError, match="class-conditional"):
        generation.run(
            smoke, job, model=tmp_path / "empty", tokenizer=tokenizer, reference=reference, out=tmp_path / "out"
        )
