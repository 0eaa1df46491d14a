"""The life and death of codewords, on tensors small enough to check by hand."""

import copy

import pytest
import torch

from pqgan.quantise.revival import IdleCodes, replace, sub_vectors_at
from pqgan.quantise.usage import histogram


def test_idle_counts_by_hand():
    """Two subspaces of four words, dead after two updates: the calls of both, and what is left of each count."""
    idle = IdleCodes(2, 4, after=2)
    codes = [[[0, 1], [3, 3]], [[0, 2], [3, 1]], [[0, 0], [0, 0]]]  # update, subspace, place
    dead, left = [], []
    for update in codes:
        uses = histogram(torch.tensor(update)[None], 4)  # of (1, S, 2)
        dead.append(idle.count(uses).tolist())
        left.append(idle.idle.tolist())
    no, yes = False, True
    assert dead == [
        [[no, no, no, no], [no, no, no, no]],
        [[no, no, no, yes], [yes, no, yes, no]],
        [[no, yes, no, no], [no, no, no, no]],
    ]
    assert left == [
        [[0, 0, 1, 1], [1, 1, 1, 0]],
        [[0, 1, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 1, 1], [0, 1, 1, 1]],
    ]


def test_uses_of_two_devices_add_up():
    parts = torch.tensor([[0, 1], [1, 1]]).view(2, 1, 1, 1, 2)  # device, B, S, h, w
    uses = sum(histogram(part.flatten(2), 3) for part in parts)
    assert uses.tolist() == [[1, 3, 0]]
    assert uses.dtype == torch.int64
    assert IdleCodes(1, 3, after=1).count(uses).tolist() == [[False, False, True]]


def test_sub_vectors_of_the_parts_of_a_batch_add_up_to_those_of_the_batch():
    z_e = torch.randn(4, 6, 2, 3, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([0, 23, 7, 12, 11])
    whole = sub_vectors_at(z_e, 2, places)
    assert whole.shape == (2, 5, 3)
    for subspace in range(2):
        for found, place in zip(whole[subspace], places.tolist(), strict=True):
            image, row, column = place // 6, place % 6 // 3, place % 3
            assert torch.equal(found, z_e[image, 3 * subspace : 3 * subspace + 3, row, column])
    halves = [sub_vectors_at(part, 2, places, first) for part, first in zip(z_e.chunk(2), (0, 12), strict=True)]
    assert torch.equal(halves[0] + halves[1], whole)
    assert (halves[1][:, [0, 2, 4]] == 0).all()


def test_what_other_parts_have_is_zero_even_where_a_part_is_not_finite():
    z_e = torch.full((1, 2, 1, 1), float("nan"))
    assert sub_vectors_at(z_e, 1, torch.tensor([0, 1]), first=1)[0, 0].tolist() == [0, 0]


@pytest.mark.parametrize("options", [{}, {"amsgrad": True}, {"fused": True}])
def test_only_dead_codewords_and_their_moments_are_replaced(options):
    generator = torch.Generator().manual_seed(0)
    codebooks = torch.nn.Parameter(torch.randn(2, 3, 2, generator=generator))
    optimiser = torch.optim.Adam([codebooks], lr=0.1, **options)
    codebooks.square().sum().backward()
    optimiser.step()
    before, moments = codebooks.detach().clone(), copy.deepcopy(optimiser.state[codebooks])
    dead = torch.tensor([[True, False, False], [False, True, True]])
    vectors = torch.randn(2, 3, 2, generator=generator)
    replace(codebooks, dead, vectors, optimiser)
    assert torch.equal(codebooks[dead], vectors[dead])
    assert torch.equal(codebooks[~dead], before[~dead])
    after = optimiser.state[codebooks]
    assert torch.equal(after["step"], moments["step"])
    kept = set(after) - {"step"}
    assert kept == {"exp_avg", "exp_avg_sq"} | ({"max_exp_avg_sq"} if "amsgrad" in options else set())
    for name in kept:
        assert (after[name][dead] == 0).all()
        assert (moments[name][dead] != 0).all()
        assert torch.equal(after[name][~dead], moments[name][~dead])
