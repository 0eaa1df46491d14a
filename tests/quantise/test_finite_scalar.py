"""FiniteScalarQuantiser: the listing of the paper's appendix A.1, written out in float64, and its edges."""

import itertools
import math

import numpy as np
import pytest
import torch
from quantiser_laws import QuantiserLaws

from pqgan.quantise.finite_scalar import LARGEST_K, FiniteScalarQuantiser
from pqgan.quantise.packing import LARGEST_K as OF_CODE_FILES


class TestLaws(QuantiserLaws):
    def options(self):
        return {"kind": "fsq", "levels": [5, 3, 4, 7, 2, 8]}


LEVELS = [8, 5, 3, 2, 6, 7]


def listing(z: np.ndarray, levels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """z_q (N, d) and codes (N,) of latents (N, d)."""
    z_q, codes = np.zeros_like(z), np.zeros(len(z), np.int64)
    for channel, L in enumerate(levels):
        half = (L - 1) * (1 - 1e-3) / 2
        offset = 0.0 if L % 2 else 0.5
        bounded = np.tanh(z[:, channel] + math.tan(offset / half)) * half - offset
        level = np.round(bounded)
        z_q[:, channel] = level / (L // 2)
        codes += (level + L // 2).astype(np.int64) * math.prod(levels[:channel])
    return z_q, codes


def flat(maps):
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


@pytest.mark.parametrize("spread", [0.5, 3, 50])
def test_latents_and_codes_are_those_of_the_papers_listing(spread):
    quantiser = FiniteScalarQuantiser(6, LEVELS)
    z_e = spread * torch.randn(2, 6, 7, 5, generator=torch.Generator().manual_seed(0))
    z_q, codes, loss = quantiser(z_e)
    expected, expected_codes = listing(flat(z_e).double().numpy(), LEVELS)
    np.testing.assert_allclose(flat(z_q).numpy(), expected, atol=1e-6)
    assert np.array_equal(codes.flatten().numpy(), expected_codes)
    assert loss.item() == 0
    assert not loss.requires_grad


def test_every_combination_of_levels_has_a_code_of_its_own():
    levels = [3, 4, 2]
    quantiser = FiniteScalarQuantiser(3, levels)
    assert quantiser.K == 24
    grid = [[(level - L // 2) / (L // 2) for level in range(L)] for L in levels]
    # the first channel counts least
    expected = [combination[::-1] for combination in itertools.product(*grid[::-1])]
    found = quantiser.decode(torch.arange(24).view(1, 1, 4, 6))
    torch.testing.assert_close(flat(found), torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("L", [2, 3, 4, 5, 8, 33])
def test_latents_from_one_end_to_the_other_reach_every_level(L):
    quantiser = FiniteScalarQuantiser(1, [L])
    z_e = torch.linspace(-9, 9, 4001).view(1, 1, -1, 1)
    codes = quantiser.encode(z_e).flatten()
    assert codes.unique().tolist() == list(range(L))
    assert (codes.diff() >= 0).all()


def test_the_gradient_is_that_of_the_bound():
    quantiser = FiniteScalarQuantiser(2, [5, 8])
    z_e = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    quantiser(z_e).z_q.sum().backward()
    exact = z_e.detach().double()
    for channel, (L, offset) in enumerate(((5, 0.0), (8, 0.5))):
        half = (L - 1) * (1 - 1e-3) / 2
        slope = (1 - torch.tanh(exact[:, channel] + math.tan(offset / half)) ** 2) * half / (L // 2)
        torch.testing.assert_close(z_e.grad[:, channel].double(), slope)


def test_nearest_rounds_on_the_scale_of_z_q_and_stays_within_the_levels():
    quantiser = FiniteScalarQuantiser(2, [5, 4])
    z = torch.tensor([[[[-9.0, -0.3, 0.2, 0.8, 9.0]], [[-9.0, -0.3, 0.2, 0.8, 9.0]]]])
    expected = [[-1.0, -0.5, 0.0, 1.0, 1.0], [-1.0, -0.5, 0.0, 0.5, 0.5]]
    assert quantiser.nearest(z)[0, :, 0].tolist() == expected


def test_it_agrees_with_vector_quantize_pytorch():
    library = pytest.importorskip("vector_quantize_pytorch")
    levels = [5, 7, 3]  # for even numbers of levels it shifts by atanh, the paper's listing by tan
    ours, theirs = FiniteScalarQuantiser(3, levels), library.FSQ(levels)
    z_e = 2 * torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    quantised, codes = theirs(z_e)
    z_q, ours_codes, _ = ours(z_e)
    assert torch.equal(ours_codes[:, 0], codes.long())
    torch.testing.assert_close(z_q, quantised)


def test_the_largest_codebook_is_that_of_code_files():
    assert LARGEST_K == OF_CODE_FILES
    assert FiniteScalarQuantiser(24, [2] * 24).K == LARGEST_K


@pytest.mark.parametrize(
    ("d", "levels", "message"),
    [
        (2, [5, 5, 5], "expected 2, one per channel"),
        (2, [5, 1], "of 2 or more"),
        (2, [5, 2.5], "of 2 or more"),
        (25, [2] * 25, "make 33,554,432 codes; allowed: 16,777,216"),
    ],
)
def test_levels_that_cannot_be_are_refused(d, levels, message):
    with pytest.raises(ValueError, match=message):
        FiniteScalarQuantiser(d, levels)
