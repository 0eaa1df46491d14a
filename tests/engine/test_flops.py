"""Counting floating-point operations."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from pqgan.engine.flops import Flops


def test_products_and_convolutions_by_hand():
    left, right = torch.randn(3, 4), torch.randn(4, 5)
    image, kernel = torch.randn(2, 3, 8, 8), torch.randn(5, 3, 3, 3)
    with Flops() as counter:
        left @ right
        torch.nn.functional.conv2d(image, kernel, padding=1)
        left + left
    assert counter.total == 2 * 3 * 4 * 5 + 2 * 2 * 8 * 8 * 5 * 3 * 3 * 3


def test_a_backward_pass_counts_as_torch_counts_it():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 2))
    totals = []
    for mode in (Flops(), FlopCounterMode(display=False)):
        with mode as counter:
            network(torch.randn(2, 3, 8, 8)).sum().backward()
        totals.append(counter.total if isinstance(counter, Flops) else counter.get_total_flops())
    assert totals[0] == totals[1] > 0


def test_gradients_for_inputs_alone_cost_less_and_may_end_at_a_leaf():
    network, image = torch.nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8, requires_grad=True)
    with Flops() as both:
        network(image).sum().backward()
    with Flops() as one:
        torch.autograd.grad(network(image).sum(), image)
    assert one.total == both.total * 2 // 3
