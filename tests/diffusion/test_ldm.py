import json
import os
import signal
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from pqgan.data.batches import Batch
from pqgan.diffusion import ldm
from pqgan.engine.step_random import Draws
from pqgan.errors import Stopped


@pytest.fixture(scope="module")
def trained(tiny, plan, tokenizers, classed, tmp_path_factory):
    work = tmp_path_factory.mktemp("ldm")
    for name in ("first", "again"):
        torch.manual_seed(len(name))
        job = plan.job("ldm", "pqgan-f8")
        given = {"tokenizer": tokenizers[8], "data": classed, "run": work / f"{name}-run"}
        ldm.train_ldm(tiny, job, **given, out=work / name)
    return work / "first", work / "again"


def test_folder_holds_a_model_that_can_be_sampled(trained):
    folder = trained[0]
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    embedding = ldm.ClassEmbedding.from_pretrained(folder / "class_embedding")
    scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
    assert (unet.config.in_channels, unet.config.sample_size) == (8, 4)
    assert embedding.config.num_classes == 6
    assert embedding.embedding.weight.shape == (6, unet.config.cross_attention_dim)
    assert (scheduler.config.beta_start, scheduler.config.beta_end) == (0.0015, 0.0195)
    assert scheduler.config.prediction_type == "epsilon"
    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert json.loads((folder / "provenance.json").read_text())["job"]["name"] == "pqgan-f8"


def test_two_runs_give_the_same_weights(trained):
    for name in ("unet", "class_embedding"):
        first, again = (next((folder / name).glob("*.safetensors")).read_bytes() for folder in trained)
        assert first == again


def test_folders_say_what_was_trained(trained):
    said = [json.loads((folder / "provenance.json").read_text())["training"] for folder in trained]
    assert said[0]["steps"] == 3
    assert said[0]["seconds"] > 0
    assert said[0]["state_sha256"] == said[1]["state_sha256"]
    assert sorted(os.listdir(trained[0].parent / "first-run")) == [
        "checkpoints",
        "progress.log",
        "tensorboard",
        "train.jsonl",
    ]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_stopped_training_goes_on_to_the_same_bits(
    trained, tiny, plan, tokenizers, classed, tmp_path, monkeypatch, at
):
    """The moving average, both its weights and its count, comes back too."""
    labels, seen = ldm.Labels.__call__, []

    def stop(self, number, batch):
        seen.append(number)
        if seen == list(range(at + 1)):
            os.kill(os.getpid(), signal.SIGTERM)
        return labels(self, number, batch)

    monkeypatch.setattr(ldm.Labels, "__call__", stop)
    given = {"tokenizer": tokenizers[8], "data": classed, "run": tmp_path / "run", "out": tmp_path / "out"}
    with pytest.raises(Stopped, match=f"SIGTERM at step {at + 1}/3"):
        ldm.train_ldm(tiny, plan.job("ldm", "pqgan-f8"), **given)
    assert not (tmp_path / "out").exists()
    ldm.train_ldm(tiny, plan.job("ldm", "pqgan-f8"), **given)
    assert seen == [0, 1, 2]
    for name in ("unet", "class_embedding"):
        first, again = (next((folder / name).glob("*.safetensors")) for folder in (trained[0], tmp_path / "out"))
        assert first.read_bytes() == again.read_bytes()
    hashes = {
        json.loads((folder / "provenance.json").read_text())["training"]["state_sha256"]
        for folder in (trained[0], tmp_path / "out")
    }
    assert len(hashes) == 1


def test_class_embedding_is_one_token_an_image():
    embedding = ldm.ClassEmbedding(10, 6)
    labels = torch.tensor([3, 3, 9])
    found = embedding(labels)
    assert found.shape == (3, 1, 6)
    assert torch.equal(found[:, 0], embedding.embedding.weight[labels])
    assert len(ldm.ClassEmbedding(10, 6, unconditional=True).embedding.weight) == 11


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_dropped_labels_become_the_one_after_the_last(share):
    draws = Draws(SimpleNamespace(device=torch.device("cpu"), global_rank=0, world_size=1), seed=0)
    labels = ldm.Labels(share, classes=5, draws=draws)
    given = torch.arange(10_000) % 5
    found = labels(0, Batch(torch.empty(0), given, []))
    dropped = found == 5
    assert dropped.double().mean().item() == pytest.approx(share, abs=0.012)
    assert torch.equal(found[~dropped], given[~dropped])
