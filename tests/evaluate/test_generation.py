"""gFID of samples, with a sampler whose samples are known."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pqgan.data.batches import evaluation_batches
from pqgan.data.prepare import run as prepare
from pqgan.data.prepared import PreparedSet
from pqgan.errors import DataError
from pqgan.evaluate import generation
from pqgan.plan import Plan
from pqgan.records import read_record
from pqgan.tokenizer.build import build


@pytest.fixture
def reference(smoke, tmp_path):
    prepare(smoke, Plan(smoke).job("data", "val"), out=tmp_path / "val")
    return tmp_path / "val"


@pytest.fixture
def tokenizer(smoke, tmp_path):
    section = smoke.scale.tokenizer
    config = section.configs()["f8-d16-S8-K64"]
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


def test_samples_equal_to_the_reference_are_at_distance_zero(
    smoke, reference, tokenizer, model, tmp_path, monkeypatch, capsys
):
    asked = {}

    def sample_classes(folder, loaded, labels, **how):
        asked.update(how, folder=folder, labels=labels, kind=loaded.kind)
        for batch in evaluation_batches(PreparedSet(reference), batch=how["batch"], geometry="crop"):
            yield batch.images

    monkeypatch.setattr(generation, "sample_classes", sample_classes)
    job = Plan(smoke).job("generation", "pqgan-f8")
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
    gfid = record.get("gfid")
    assert gfid.value == pytest.approx(0, abs=1e-9)
    assert gfid.n == 48
    assert gfid.conditions == {"reference_n": 48}
    assert "random weights" in gfid.network
    assert "DDIM 10 steps, eta 1, no guidance" in gfid.protocol

    assert asked["folder"] == model
    assert asked["kind"] == "pq"
    assert (asked["steps"], asked["eta"], asked["seed"], asked["batch"]) == (10, 1.0, 0, 24)
    assert torch.bincount(asked["labels"]).tolist() == [8] * 6

    pictures = sorted((tmp_path / "out").glob("*.png"), key=lambda path: int(path.stem))
    assert [path.stem for path in pictures] == [str(i) for i in range(smoke.scale.ldm.grid)]
    images = PreparedSet(reference)
    for number, path in enumerate(pictures):
        assert np.array_equal(np.asarray(Image.open(path)), images.image(number))


def test_labels_are_balanced_over_classes():
    counts = torch.bincount(generation.balanced_labels(50, 7))
    assert int(counts.max() - counts.min()) == 1
    assert int(counts.sum()) == 50


def test_folder_without_classes_is_refused(smoke, reference, tokenizer, tmp_path):
    (tmp_path / "empty").mkdir()
    job = Plan(smoke).job("generation", "pqgan-f8")
    with pytest.raises(DataError, match="class-conditional"):
        generation.run(
            smoke, job, model=tmp_path / "empty", tokenizer=tokenizer, reference=reference, out=tmp_path / "out"
        )
