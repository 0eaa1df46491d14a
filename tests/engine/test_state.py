"""All of a training comes back, to the bit, or is refused by name."""

import copy

import pytest
import torch
from torch import nn

from pqgan.engine.state import TrainingState
from pqgan.errors import DataError, NumericalError


@pytest.fixture
def trained(toy, upkeep, tmp_path):
    """A state after five updates, two of them of the critic, as (state, its tensors)."""
    made = toy(steps=5)
    made.train(tmp_path / "run", upkeep, log_every=3)
    return made.state, {name: tensor.detach().clone() for name, tensor in made.state.tensors().items()}


def change(tensors: dict[str, torch.Tensor], name: str, value: torch.Tensor | None) -> dict[str, torch.Tensor]:
    changed = {**tensors, name: value}
    return {name: tensor for name, tensor in changed.items() if tensor is not None}


def test_names_say_whose_each_tensor_is(trained):
    names = set(trained[1])
    assert {
        "modules/generator/0.weight",
        "modules/generator/1.running_mean",
        "modules/average/n_averaged",
        "modules/average/module.0.weight",
        "optimisers/generator/generator.0.weight/exp_avg",
        "optimisers/generator/generator.0.weight/step",
        "optimisers/critic/critic.bias/exp_avg_sq",
    } <= names
    assert {name.split("/")[0] for name in names} == {"modules", "optimisers", "seconds"}


def test_load_gives_back_every_tensor_and_the_step(toy, trained):
    state, tensors = trained
    other = toy().state
    assert other.sha256() != state.sha256()
    other.load(tensors, 5)
    found = other.tensors()
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) and found[name].dtype == tensors[name].dtype for name in found)
    assert other.step == 5
    assert other.sha256() == state.sha256()


def test_the_next_update_is_the_same_after_load(toy, trained):
    """Fused kernels of both optimisers take the loaded moments as their own."""
    state, tensors = trained
    again = toy()
    again.state.load(tensors, 5)
    for one in (state, again.state):
        for optimiser in one.optimisers.values():
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    parameter.grad = torch.full_like(parameter, 0.25)
            optimiser.step()
    assert state.sha256() == again.state.sha256()
    assert not torch.equal(state.tensors()["modules/generator/0.weight"], tensors["modules/generator/0.weight"])


def test_means_come_back_and_are_no_part_of_the_hash(toy, trained):
    state, tensors = trained
    means = {"means/loss": torch.tensor([3.0, 2.0], dtype=torch.float64)}
    other = toy().state
    other.load({**tensors, **means}, 5)
    assert other.means.keys() == {"loss"}
    assert torch.equal(other.tensors()["means/loss"], means["means/loss"])
    assert other.sha256() == state.sha256()


def test_a_network_without_any_update_has_no_moments_yet(toy, upkeep, tmp_path):
    early = toy(steps=2)
    early.train(tmp_path / "run", upkeep)
    tensors = early.state.tensors()
    assert not [name for name in tensors if name.startswith("optimisers/critic")]
    other = toy().state
    other.load(tensors, 2)
    assert other.sha256() == early.state.sha256()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("modules/generator/0.weight", None, "0.weight"),
        ("modules/average/n_averaged", None, "n_averaged"),
        ("modules/generator/0.weight", torch.zeros(3, 2, 1, 1), "0.weight"),
        ("modules/generator/9.weight", torch.zeros(1), "9.weight"),
        ("modules/stranger/weight", torch.zeros(1), "modules/stranger/weight"),
        ("optimisers/critic/critic.bias/exp_avg", None, "optimisers/critic/critic.bias/exp_avg is missing"),
        ("optimisers/generator/generator.0.bias/step", None, "optimisers/generator/generator.0.bias/step is missing"),
        ("optimisers/critic/critic.bias/exp_avg", torch.zeros(7), "optimisers/critic/critic.bias/exp_avg is (7,)"),
        ("optimisers/critic/critic.scale/exp_avg", torch.zeros(1), "optimisers/critic/critic.scale/exp_avg"),
        ("optimisers/stranger/critic.bias/step", torch.zeros(()), "optimisers/stranger/critic.bias/step"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(toy, trained, name, value, expected):
    with pytest.raises(DataError) as caught:
        toy().state.load(change(trained[1], name, value), 5)
    message = str(caught.value)
    assert message.startswith("checkpoint of step 5: ")
    assert expected in message
    assert "\n" not in message


def test_moments_are_laid_out_as_their_parameters():
    def state():
        module = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
        return TrainingState({"net": module}, {"adam": torch.optim.Adam(module.parameters(), fused=True)})

    first, second = state(), state()
    for parameter in first.modules["net"].parameters():
        parameter.grad = torch.randn_like(parameter, memory_format=torch.preserve_format)
    first.optimisers["adam"].step()
    # as a file holds them
    plain = {
        name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in first.tensors().items()
    }
    second.load(plain, 1)
    weight = second.modules["net"].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    for field in ("exp_avg", "exp_avg_sq"):
        moment = second.optimisers["adam"].state[weight][field]
        assert moment.stride() == weight.stride()
        assert torch.equal(moment, first.optimisers["adam"].state[first.modules["net"].weight][field])


def test_hash_sees_any_tensor_and_the_step(trained):
    state, _ = trained
    seen = {state.sha256()}
    tensors = {name: tensor for name, tensor in state.tensors().items() if name != "seconds"}
    for tensor in tensors.values():
        flat = tensor.detach().flatten()
        before = flat[-1].clone()
        with torch.no_grad():
            tensor.view(-1)[-1] = before + 1
        seen.add(state.sha256())
        with torch.no_grad():
            tensor.view(-1)[-1] = before
    state.step += 1
    seen.add(state.sha256())
    assert len(seen) == len(tensors) + 2
    before = state.sha256()
    state.seconds += 1
    assert state.sha256() == before


def test_hash_does_not_see_memory_layout(trained):
    state, _ = trained
    before = state.sha256()
    copies = copy.deepcopy(state.modules)
    copies["generator"].to(memory_format=torch.channels_last)
    assert not copies["generator"][0].weight.is_contiguous()
    same = TrainingState(copies, {})
    plain = TrainingState(state.modules, {})
    same.step = plain.step = state.step
    assert same.sha256() == plain.sha256() != before


def test_hash_sees_types_and_shapes():
    def digest(tensor):
        module = nn.Module()
        module.register_buffer("held", tensor)
        return TrainingState({"net": module}, {}).sha256()

    tensors = [torch.zeros(4), torch.zeros(2, 2), torch.zeros(4, dtype=torch.int32), torch.zeros(8).bfloat16()]
    assert len({digest(tensor) for tensor in tensors}) == 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_hash_does_not_see_the_device(trained):
    modules = copy.deepcopy(trained[0].modules)
    there = TrainingState({name: module.cuda() for name, module in modules.items()}, {})
    assert there.sha256() == TrainingState(trained[0].modules, {}).sha256()


@pytest.mark.parametrize("name", ["modules/critic/bias", "optimisers/generator/generator.0.bias/exp_avg_sq"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_and_moments_that_are_not_finite_are_named(trained, name, value):
    state, _ = trained
    state.check_finite()
    with torch.no_grad():
        state.tensors()[name][0] = value
    with pytest.raises(NumericalError, match=rf"step 5: weights are not finite: {name}; lower the learning rate"):
        state.check_finite()


def test_many_that_are_not_finite_are_counted(trained):
    state, _ = trained
    with torch.no_grad():
        for parameter in state.modules["generator"].parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(NumericalError, match="and 2 more"):
        state.check_finite()
