"""nearest_codes, by every backend of this machine, against a float64 brute force."""

import pytest
import torch

from pqgan.quantise.matching import available, check_finite, nearest, nearest_codes, plain, search

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=[(device, backend) for device in DEVICES for backend in available(device)], ids="-".join)
def find(request):
    """nearest_codes on CPU tensors, by one backend on one device."""
    device, backend = request.param
    return lambda z, codebooks: nearest_codes(z.to(device), codebooks.to(device), backend).cpu()


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_nearest(codes, z, codebooks, least=0.999):
    """The chosen codewords are the nearest within rounding, and most often the very ones of the brute force."""
    differences = z.double()[:, :, None] - codebooks.double()[None]  # (N, S, K, d/S)
    distances = differences.square().sum(dim=3)  # (N, S, K)
    best, nearest = distances.min(dim=2)
    chosen = distances.gather(2, codes[..., None])[..., 0]
    scale = z.double().square().sum(dim=2) + codebooks.double().square().sum(dim=2).max(dim=1).values
    assert codes.dtype == torch.int64
    assert ((chosen - best) <= 1e-6 * scale).all()
    assert (codes == nearest).double().mean() >= least


@pytest.mark.parametrize("N", [1, 17, 257])
@pytest.mark.parametrize(
    ("d", "S", "K"),
    [
        *((8, 8, 64), (16, 16, 2), (5, 5, 1000)),
        *((8, 4, 16), (16, 2, 100), (24, 8, 7), (20, 4, 33), (16, 4, 513)),
        *((64, 1, 512), (32, 1, 2), (256, 1, 300), (48, 2, 130), (96, 1, 3)),
    ],
)
def test_equals_brute_force(find, d, S, K, N):
    z, codebooks = normal(N, S, d // S, seed=d * S + K), normal(S, K, d // S, seed=N)
    assert_nearest(find(z, codebooks), z, codebooks)


@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e6, 1e15])
@pytest.mark.parametrize("width", [1, 2, 8, 64])
def test_tiny_and_huge_norms(find, scale, width):
    z, codebooks = normal(100, 2, width) * scale, normal(2, 50, width, seed=1) * scale
    assert_nearest(find(z, codebooks), z, codebooks)


@pytest.mark.parametrize("width", [1, 2, 64])
def test_outliers_do_not_move_the_others(find, width):
    z, codebooks = normal(100, 2, width), normal(2, 50, width, seed=1)
    expected = find(z, codebooks)
    z[::7] *= 1e25
    codes = find(z, codebooks)
    kept = torch.arange(100) % 7 > 0
    assert torch.equal(codes[kept], expected[kept])
    assert ((codes >= 0) & (codes < 50)).all()


@pytest.mark.parametrize("width", [1, 2, 64])
def test_offset_far_from_zero(find, width):
    z, codebooks = normal(100, 2, width) + 100, normal(2, 50, width, seed=1) + 100
    assert_nearest(find(z, codebooks), z, codebooks)


@pytest.mark.parametrize("width", [1, 2, 8, 32])
def test_codewords_nearer_to_each_other_than_products_can_tell(find, width):
    centre = normal(1, 1, width)
    codebooks = centre + 1e-4 * normal(1, 300, width, seed=1)
    z = centre + normal(50, 1, width, seed=2)
    assert_nearest(find(z, codebooks), z, codebooks, least=0.9 if width < 32 else 0)


@pytest.mark.parametrize("width", [1, 2, 8, 32])
@pytest.mark.parametrize("copies", [2, 20])
def test_a_codeword_finds_itself_and_duplicates_the_lowest_index(find, width, copies):
    codebook = normal(1, 20, width, seed=1)
    repeated = torch.cat([codebook] * copies, dim=1)
    codes = find(repeated[0][:, None], repeated)
    assert codes[:, 0].tolist() == list(range(20)) * copies


@pytest.mark.parametrize("width", [1, 2, 20])
def test_ties_between_neighbours_take_the_lowest_index(find, width):
    one, zero = torch.ones(1, 1, width), torch.zeros(1, 1, width)
    assert find(zero, torch.cat([one, -one], dim=1)).item() == 0
    assert find(zero, torch.cat([-one, one], dim=1)).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("width", [1, 4, 32])
def test_other_types_of_latents(find, dtype, width):
    z, codebooks = normal(50, 4, width).to(dtype), normal(4, 30, width, seed=1)
    assert_nearest(find(z, codebooks), z, codebooks)


@pytest.mark.parametrize("width", [1, 4, 32])
def test_non_contiguous_latents(find, width):
    z = normal(4, width, 120).permute(2, 0, 1)[::2]
    codebooks = normal(4, 30, width, seed=1)
    assert not z.is_contiguous()
    assert torch.equal(find(z, codebooks), find(z.contiguous(), codebooks))


@pytest.mark.parametrize("width", [1, 2, 16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("backend", available("cpu"))
def test_the_search_alone_gives_codes_in_range_for_anything(width, value, backend):
    z = normal(1, 3, width, 7)
    z[:, :, :, 2:4] = value
    codes = search(z, normal(3, 5, width), backend)
    assert ((codes >= 0) & (codes < 5)).all()
    rest = torch.tensor([0, 1, 4, 5, 6])
    assert torch.equal(codes[..., rest], search(z[..., rest], normal(3, 5, width), backend))
    codebooks = normal(3, 5, width)
    codebooks[0], codebooks[1, 2:4] = value, value  # as of a training that diverges
    codes = search(z, codebooks, backend)
    assert ((codes >= 0) & (codes < 5)).all()


@pytest.mark.parametrize("width", [1, 2, 16])
@pytest.mark.parametrize("elements", [1, 500, 1 << 30])
def test_codes_do_not_depend_on_the_blocks(monkeypatch, width, elements):
    z, codebooks = normal(37, 4, width), normal(4, 30, width, seed=1)
    expected = nearest_codes(z, codebooks, "torch")
    monkeypatch.setattr(plain, "BLOCK_ELEMENTS_CPU", elements)
    assert torch.equal(nearest_codes(z, codebooks, "torch"), expected)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_products_of_lower_precision_cost_no_exactness(precision):
    z, codebooks = normal(100, 1, 64), normal(1, 2000, 64, seed=1)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        codes = nearest_codes(z, codebooks, "torch")
    finally:
        torch.set_float32_matmul_precision(before)
    assert_nearest(codes, z, codebooks, least=1)


@pytest.mark.parametrize("width", [1, 2, 16])
def test_a_compiler_may_take_the_search_for_one_operator(width):
    torch.library.opcheck(search, (torch.randn(2, 3, width, 7), torch.randn(3, 5, width)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_value_that_is_not_finite_is_an_error_that_says_where(value, dtype):
    z = torch.zeros(5, 2, 3, dtype=dtype)
    z[3, 1, 2] = value
    with pytest.raises(ValueError, match=r"z is not finite at \(position, subspace, channel\) \(3, 1, 2\)"):
        nearest_codes(z, torch.zeros(2, 4, 3))
    codebooks = torch.zeros(2, 4, 3)
    codebooks[1, 3, 0] = value
    with pytest.raises(ValueError, match=r"codebooks is not finite at .* \(1, 3, 0\)"):
        nearest_codes(torch.zeros(5, 2, 3), codebooks)


def test_a_sum_that_overflows_is_no_error():
    check_finite(torch.full((4,), 3e38), "values", "(place)")


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"\(5, 2, 3\).*\(2, 4, 2\)"):
        nearest_codes(torch.zeros(5, 2, 3), torch.zeros(2, 4, 2))


def test_a_backend_that_is_not_here_is_named_with_those_that_are():
    with pytest.raises(ValueError, match=r"no backend 'abacus' for cpu; available: .*torch"):
        nearest_codes(torch.zeros(5, 2, 3), torch.zeros(2, 4, 3), "abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_on_which_triton_does_not_run_is_said_once(caplog):
    nearest._triton_runs.cache_clear()
    with caplog.at_level("WARNING"):
        assert available("cuda") == available("cuda:1") == ["torch"]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("The Triton search for nearest codes is not available")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(("code", "expected"), [(1, ["triton", "torch"]), (0, ["torch"])])
def test_kernels_are_tried_before_they_are_trusted(monkeypatch, code, expected):
    original = torch.tensor
    monkeypatch.setattr(torch, "tensor", lambda numbers, device: original(numbers))
    monkeypatch.setattr(torch.version, "cuda", "12.0")
    monkeypatch.setattr(nearest, "_fused", lambda z, codebooks: original(code))
    nearest._triton_runs.cache_clear()
    try:
        assert available("cuda") == expected
    finally:
        nearest._triton_runs.cache_clear()
