"""What a training is started with."""

import pytest
import torch
from safetensors.torch import save_file
from whole_plan import whole_plan

from pqgan.errors import DataError
from pqgan.settings import load
from pqgan.tokenizer import train
from pqgan.tokenizer.assemble import new_discriminator
from pqgan.tokenizer.build import build


def test_a_replicate_is_trained_with_its_own_seed(changed_params, smoke, monkeypatch):
    point = {"F": 8, "d": 16, "S": 8, "K": 64}
    path = changed_params("scales.smoke.tokenizer.sweep", [point, point | {"seed": 1}, point | {"F": 16}])
    settings = load(path, "smoke")
    plan, started = whole_plan(settings), {}

    def start(settings, job, model, config, discriminator, *rest):
        started[job.name] = (settings.scale.seed, model.state_dict(), discriminator.state_dict())

    monkeypatch.setattr(train, "_train", start)
    for name in ("f8-d16-S8-K64", "f8-d16-S8-K64-seed1"):
        train.train(settings, plan.job("tokenizer", name), data=None, run=None, out=None)
        seed, model, _ = started[name]
        assert seed == plan.job("tokenizer", name).spec["seed"]
        config, trunk = settings.scale.tokenizer.configs[name], settings.scale.tokenizer.trunks[8]
        expected = build(config, trunk, settings.reading, seed).state_dict()
        assert all(torch.equal(model[key], expected[key]) for key in expected)
    once, again = started.values()
    assert (once[0], again[0], settings.scale.seed) == (0, 1, 0)
    for networks in zip(once[1:], again[1:], strict=True):
        assert not all(torch.equal(networks[0][key], networks[1][key]) for key in networks[0])
    same = new_discriminator(settings).state_dict()
    assert all(torch.equal(once[2][key], same[key]) for key in same)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged or cut short"),
        (lambda path: save_file({"another": torch.zeros(3)}, path), "not the weights of this discriminator"),
    ],
    ids=["gone", "cut", "another"],
)
def test_a_discriminator_that_cannot_go_on_is_one_line(smoke, tmp_path, spoil, message):
    path, discriminator = tmp_path / train.DISCRIMINATOR, new_discriminator(smoke)
    with torch.no_grad():
        next(discriminator.parameters()).fill_(3)
    save_file(discriminator.state_dict(), path)
    fresh = new_discriminator(smoke)
    train._resume(fresh, path)
    assert all(torch.equal(tensor, fresh.state_dict()[name]) for name, tensor in discriminator.state_dict().items())
    spoil(path)
    with pytest.raises(DataError, match=message) as caught:
        train._resume(fresh, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
