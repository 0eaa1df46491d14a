"""Numbers that are not finite end a training, by name."""

from types import SimpleNamespace

import pytest
import torch

from pqgan.engine.guard import check_finite, gradient_norm
from pqgan.errors import NumericalError

ONE = SimpleNamespace(world_size=1, is_global_zero=True)


class Several:
    """Two processes, of which the other one's values are given."""

    world_size = 2

    def __init__(self, other: list[bool], first: bool):
        self.other, self.is_global_zero = torch.tensor(other).float(), first

    def all_reduce(self, tensor: torch.Tensor, reduce_op: str) -> torch.Tensor:
        assert reduce_op == "sum"
        return tensor + self.other


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_bad_one_is_named_with_its_step_and_value(value):
    losses = {"l1": torch.tensor(1.0), "perceptual": torch.tensor(value), "regulariser": torch.tensor(2.0)}
    with pytest.raises(NumericalError) as caught:
        check_finite(ONE, losses, 7)
    assert str(caught.value).startswith(f"step 8: not finite: perceptual ({value:.4g}); stopped before this update")
    assert "\n" not in str(caught.value)


def test_finite_ones_pass_whatever_their_shape_and_type():
    check_finite(ONE, {"scalar": torch.tensor(1.0), "rows": torch.ones(3), "half": torch.tensor(1.0).bfloat16()}, 0)


def test_one_bad_value_in_a_row_is_enough():
    with pytest.raises(NumericalError, match="rows"):
        check_finite(ONE, {"rows": torch.tensor([1.0, float("nan"), 1.0])}, 0)


def test_another_process_has_the_bad_one():
    losses = {"l1": torch.tensor(1.0), "perceptual": torch.tensor(2.0)}
    check_finite(Several([True, True], first=True), losses, 0)
    with pytest.raises(NumericalError, match=r"step 1: not finite: perceptual;"):
        check_finite(Several([True, False], first=True), losses, 0)
    with pytest.raises(SystemExit) as left:
        check_finite(Several([True, False], first=False), losses, 0)
    assert left.value.code == 0


def test_norm_is_over_all_gradients_there_are():
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.tensor([3.0, 0.0])
    parameters[2].grad = torch.tensor([0.0, 4.0])
    assert gradient_norm(parameters).item() == 5
    parameters[2].grad[0] = float("nan")
    assert gradient_norm(parameters).isnan()
