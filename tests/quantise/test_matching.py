"""nearest_codes against a float64 brute force."""

import pytest
import torch

from pqgan.quantise import matching
from pqgan.quantise.matching import nearest_codes, search


def brute_force(z, codebooks):
    """Distances (N, S) of the nearest codeword and of any chosen one, in float64."""
    differences = z.double()[:, :, None] - codebooks.double()[None]  # (N, S, K, d/S)
    return differences.square().sum(dim=3)  # (N, S, K)


def assert_nearest(z, codebooks):
    codes = nearest_codes(z, codebooks)
    distances = brute_force(z, codebooks)
    chosen = distances.gather(2, codes[..., None])[..., 0]
    best = distances.min(dim=2).values
    # equal except where two codewords are equally near within fp32 rounding
    scale = z.double().square().sum(dim=2) + codebooks.double().square().sum(dim=2).max(dim=1).values
    assert ((chosen - best) <= 1e-6 * scale).all()
    return codes, distances


@pytest.mark.parametrize("N", [1, 257])
@pytest.mark.parametrize(
    ("d", "S", "K"),
    [(8, 8, 64), (8, 4, 16), (16, 2, 100), (24, 8, 7), (64, 1, 512), (32, 1, 2), (16, 16, 2), (256, 1, 300)],
)
def test_equals_brute_force(d, S, K, N):
    generator = torch.Generator().manual_seed(d * S + K)
    z = torch.randn(N, S, d // S, generator=generator)
    codebooks = torch.randn(S, K, d // S, generator=generator)
    codes, distances = assert_nearest(z, codebooks)
    assert (codes == distances.argmin(dim=2)).float().mean() > 0.999


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("width", [1, 2, 64])
def test_tiny_and_huge_values(scale, width):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(100, 2, width, generator=generator) * scale
    codebooks = torch.randn(2, 50, width, generator=generator) * scale
    assert_nearest(z, codebooks)


@pytest.mark.parametrize("width", [1, 2, 64])
def test_offset_far_from_zero(width):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(100, 2, width, generator=generator) + 100
    codebooks = torch.randn(2, 50, width, generator=generator) + 100
    assert_nearest(z, codebooks)


@pytest.mark.parametrize("width", [1, 2, 32])
def test_a_codeword_finds_itself_and_duplicates_the_lowest_index(width):
    codebook = torch.randn(1, 20, width, generator=torch.Generator().manual_seed(1))
    doubled = torch.cat([codebook, codebook], dim=1)
    codes = nearest_codes(doubled[0][:, None], doubled)
    assert codes[:, 0].tolist() == [*range(20), *range(20)]


def test_ties_between_neighbours_take_the_lowest_index():
    assert nearest_codes(torch.tensor([[[0.0]]]), torch.tensor([[[1.0], [-1.0]]])).item() == 0
    assert nearest_codes(torch.tensor([[[0.0]]]), torch.tensor([[[-1.0], [1.0]]])).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs(dtype):
    generator = torch.Generator().manual_seed(0)
    assert_nearest(torch.randn(50, 4, 4, generator=generator).to(dtype), torch.randn(4, 30, 4, generator=generator))


def test_non_contiguous_latents():
    z = torch.randn(4, 4, 60, generator=torch.Generator().manual_seed(0)).permute(2, 0, 1)
    codebooks = torch.randn(4, 30, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(nearest_codes(z, codebooks), nearest_codes(z.contiguous(), codebooks))


@pytest.mark.parametrize("width", [1, 2, 16])
@pytest.mark.parametrize("elements", [1, 500, 1 << 30])
def test_codes_do_not_depend_on_the_blocks(monkeypatch, width, elements):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(37, 4, width, generator=generator)
    codebooks = torch.randn(4, 30, width, generator=generator)
    expected = nearest_codes(z, codebooks)
    monkeypatch.setattr(matching, "BLOCK_ELEMENTS_CPU", elements)
    assert torch.equal(nearest_codes(z, codebooks), expected)


@pytest.mark.parametrize("width", [1, 2, 16])
def test_a_compiler_may_take_the_search_for_one_operator(width):
    torch.library.opcheck(search, (torch.randn(7, 3, width), torch.randn(3, 5, width)))


@pytest.mark.parametrize("width", [1, 2, 16])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_search_alone_gives_codes_in_range_for_anything(width, value):
    codes = search(torch.full((7, 3, width), value), torch.randn(3, 5, width))
    assert ((codes >= 0) & (codes < 5)).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_an_error_that_says_where(value):
    z = torch.zeros(5, 2, 3)
    z[3, 1, 2] = value
    with pytest.raises(ValueError, match=r"\(3, 1, 2\)"):
        nearest_codes(z, torch.zeros(2, 4, 3))


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"\(5, 2, 3\).*\(2, 4, 2\)"):
        nearest_codes(torch.zeros(5, 2, 3), torch.zeros(2, 4, 2))
