"""Trainings that start from k-means and revive dead codewords: in a step, and from start to end."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.errors import SettingsError
from pqgan.settings import Settings
from pqgan.tokenizer import codebooks as module
from pqgan.tokenizer.train import finetune, train

PQ = "f8-d16-S8-K64"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def flat_moments(parts) -> list[torch.Tensor]:
    state = parts.state.optimisers["generator"].state[parts.generator.model.quantiser.codebooks]
    return [state["exp_avg"].clone(), state["exp_avg_sq"].clone()]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_a_word_is_replaced_after_exactly_so_many_updates_by_a_sub_vector_of_the_batch(make_step, batch, compiled):
    parts = make_step(PQ, start=2, revive_after=3)
    if compiled:
        torch.compiler.reset()
        parts.generator.compile(fullgraph=True, backend="aot_eager")  # raises where the hook breaks the graph
    quantiser, idle = parts.generator.model.quantiser, parts.state.modules["idle_codes"]
    images, unused = batch.images, torch.zeros(8, 64, dtype=torch.int64)
    revived = 0
    for number in range(5):
        with torch.no_grad():
            z_e = parts.generator.model.encode_continuous(images)  # (4, 16, 8, 8), before the update
            used = torch.stack([torch.bincount(c.flatten(), minlength=64) for c in quantiser.encode(z_e).unbind(1)])
        unused = torch.where(used > 0, 0, unused + 1)
        dead = unused >= 3
        unused[dead] = 0
        losses = parts.update(number, batch)
        assert losses["revived"].item() == dead.sum().item()
        assert torch.equal(idle.idle, unused)
        assert (number >= 2) or not dead.any()
        for moment in flat_moments(parts):
            assert (moment[dead] == 0).all()
            assert (moment[used > 0].abs().sum(dim=-1) > 0).any()
        available = z_e.unflatten(1, (8, 2)).permute(1, 0, 3, 4, 2).flatten(1, 3)  # (S, B h w, c)
        for subspace in range(8):
            words = quantiser.codebooks.detach()[subspace]
            is_latent = torch.cdist(words, available[subspace], compute_mode="donot_use_mm_for_euclid_dist")
            is_latent = is_latent.min(dim=1).values < (1e-5 if compiled else 1e-12)
            assert is_latent[dead[subspace]].all()
            assert not is_latent[used[subspace] > 0].any()
            assert words[dead[subspace]].unique(dim=0).shape[0] == dead[subspace].sum()
        revived += dead.sum().item()
    assert revived > 64
    assert parts.step.revival._seen is None  # no batch is kept alive


def test_what_is_revived_depends_on_seed_and_step_alone(make_step, batch):
    first, again = (make_step(PQ, revive_after=1) for _ in range(2))
    torch.manual_seed(1)
    first.update(7, batch)
    torch.manual_seed(2)
    again.update(7, batch)
    assert torch.equal(first.generator.model.quantiser.codebooks, again.generator.model.quantiser.codebooks)
    other = make_step(PQ, revive_after=1)
    other.update(8, batch)
    assert not torch.equal(first.generator.model.quantiser.codebooks, other.generator.model.quantiser.codebooks)


def test_a_small_batch_has_fewer_sub_vectors_than_words_and_still_revives(make_step, batch):
    parts = make_step(PQ, revive_after=1)
    batch.images = batch.images[:1, :, :32, :32]  # 16 sub-vectors for 64 words
    losses = parts.update(0, batch)
    assert losses["revived"] >= 8 * 48
    assert parts.generator.model.quantiser.codebooks.isfinite().all()


def test_latents_are_kept_in_training_only(make_step, batch):
    parts = make_step(PQ, revive_after=1)
    with torch.no_grad():
        parts.generator(batch.images, None)
    parts.generator.eval()(batch.images, None)
    assert parts.step.revival._seen is None


def test_where_it_is_off_there_is_nothing_of_it(make_step, batch, monkeypatch):
    monkeypatch.setattr(module, "generator_at", None)
    off, never = make_step(PQ), make_step(PQ, revive_after=1000)
    assert set(never.state.tensors()) - set(off.state.tensors()) == {"modules/idle_codes/idle"}
    assert not off.generator.model.quantiser._forward_hooks
    assert "revived" not in off.update(0, batch)
    for name in ("kl-f8-d4", "vqgan-f16-d32-K128"):
        assert "idle_codes" not in make_step(name, revive_after=3).state.modules


@pytest.fixture(scope="module")
def tiny(plain):
    """(settings of the codebooks) -> settings of a training of a few updates."""

    def make(**codebook) -> Settings:
        raw = plain.model_dump()
        scale = raw["scale"]
        scale["data"]["sets"]["train"] |= {"crops": 12, "size": 32}
        scale["tokenizer"] |= {"sweep": [{"F": 8, "d": 16, "S": 8, "K": 64}], "codebook": codebook}
        scale["tokenizer"]["training"] |= {"steps": 4, "resolution": 32, "log_every": 1, "scaling_images": 4}
        scale["finetune"] |= {"data": "train"}
        scale["finetune"]["training"] |= {"steps": 1, "resolution": 32, "log_every": 1, "scaling_images": 4}
        scale["selection"]["factors"], scale["adapt"]["variants"] = [8], {}
        scale["ldm"]["latents"] = {"vae": {"method": "KL VAE", "tokenizer": "kl-f8-d4"}}
        scale["upkeep"] |= {"checkpoint_every": 2, "pictures_every": 4, "pictures": 2}
        raw["reading"]["training"] |= {"total_batch": 4, "discriminator_start": 2}
        return Settings.model_validate(raw)

    return make


@pytest.fixture(scope="module")
def prepared(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("codebooks") / "train"
    prepare(tiny(), whole_plan(tiny()).job("data", "train"), out=folder)
    return folder


@pytest.fixture
def trained(tiny, prepared, tmp_path):
    """Train with these settings of the codebooks; weights and log."""
    count = iter(range(100))

    def run(**codebook):
        settings, folder = tiny(**codebook), tmp_path / str(next(count))
        train(
            settings, whole_plan(settings).job("tokenizer", PQ), data=prepared, run=folder / "run", out=folder / "out"
        )
        log = [json.loads(line) for line in (folder / "out/train.jsonl").read_text().splitlines()]
        return load_file(folder / "out" / WEIGHTS), log

    return run


def test_kmeans_starts_from_a_lower_quantisation_error(trained):
    plain, started = trained()[1], trained(kmeans_images=10)[1]
    assert started[0]["regulariser"] < 0.1 * plain[0]["regulariser"]


def test_kmeans_sees_so_many_vectors_and_all_is_a_function_of_the_seed(trained, monkeypatch):
    seen, original = [], module.kmeans

    def watched(vectors, *more, **options):
        seen.append(tuple(vectors.shape))
        return original(vectors, *more, **options)

    monkeypatch.setattr(module, "kmeans", watched)
    weights = []
    for number in range(2):
        torch.manual_seed(number)
        np.random.seed(number)  # noqa: NPY002
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        weights.append(trained(kmeans_images=10, kmeans_vectors=2, revive_after=2)[0])
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert seen == [(10 * 13, 2)] * 16  # ceil(2 * 64 / 10) of 16 places an image; 8 subspaces, twice
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_waiting_for_a_death_that_never_comes_changes_no_bit(trained):
    (off, log), (on, log_on) = trained(), trained(revive_after=1000)
    assert off.keys() == on.keys()  # what counts is not published
    assert all(torch.equal(off[name], on[name]) for name in off)
    assert [line["revived"] for line in log_on] == [0.0] * 4
    assert [line["total"] for line in log_on] == [line["total"] for line in log]


def test_neither_a_resumed_training_nor_fine_tuning_runs_kmeans(tiny, prepared, tmp_path, monkeypatch):
    settings = tiny(kmeans_images=8, revive_after=1)
    plan = whole_plan(settings)
    given = {"data": prepared, "run": tmp_path / "run"}
    train(settings, plan.job("tokenizer", PQ), **given, out=tmp_path / "out")
    first = load_file(tmp_path / "out" / WEIGHTS)
    monkeypatch.setattr(module, "kmeans", None)
    monkeypatch.setattr(module.Revival, "replace", None)
    train(settings, plan.job("tokenizer", PQ), **given, out=tmp_path / "again")  # from its last checkpoint
    again = load_file(tmp_path / "again" / WEIGHTS)
    assert all(torch.equal(first[name], again[name]) for name in first)
    given |= {"run": tmp_path / "tuned-run", "model": tmp_path / "out"}
    finetune(settings, plan.job("finetune", "f8"), **given, out=tmp_path / "tuned")
    assert "revived" not in (tmp_path / "tuned/train.jsonl").read_text()


def test_a_set_that_is_too_small_is_one_line(trained):
    with pytest.raises(SettingsError) as caught:
        trained(kmeans_images=13)
    assert str(caught.value) == (
        "tokenizer.codebook.kmeans_images: got 13, the training set has 12; allowed: 4 to 12 for f8-d16-S8-K64, or null"
    )
