import json
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from pqgan.data.batches import Batch
from pqgan.diffusion import ldm
from pqgan.diffusion.step import Draws


@pytest.fixture(scope="module")
def trained(tiny, plan, tokenizers, classed, tmp_path_factory):
    work = tmp_path_factory.mktemp("ldm")
    for name in ("first", "again"):
        torch.manual_seed(len(name))
        job = plan.job("ldm", "pqgan-f8")
        ldm.run(tiny, job, tokenizer=tokenizers[8], data=classed, out=work / name)
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
