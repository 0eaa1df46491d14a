"""search and assign against float64 brute force, over layouts, types and every kernel's range of channels."""

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of what is not finite

# one channel: all words, sorted words; few channels; many channels
FAMILIES = [(1, 20), (1, 1030), (3, 40), (24, 140)]


@pytest.mark.parametrize(
    ("c", "K", "S", "P", "B", "layout"),
    [
        (1, 33, 3, 37, 2, "channels_last"),
        (1, 1500, 2, 37, 2, "channels_last"),
        (2, 100, 3, 37, 2, "nchw"),
        (2, 64, 2, 16, 2, "channels_last"),
        (3, 7, 2, 5, 3, "strided"),
        (4, 1, 2, 9, 1, "nchw"),
        (8, 64, 1, 130, 1, "nchw"),
        (16, 40, 1, 1, 2, "strided"),
        (17, 20, 2, 33, 2, "strided"),
        (70, 260, 1, 130, 1, "nchw"),
        (100, 2, 1, 1, 2, "channels_last"),
    ],
)
def test_codes_words_and_error(kernels, latents, words, assert_nearest, c, K, S, P, B, layout):
    z, codebooks = latents(B, S, c, P, layout), words(S, K, c)
    codes, z_q, error = kernels.assign(z, codebooks)
    assert_nearest(codes, z, codebooks)
    expected = torch.stack([codebooks[s, codes[:, s]] for s in range(S)], dim=1).transpose(2, 3)  # (B, S, c, P)
    assert torch.equal(z_q, expected)
    assert z_q.dtype == torch.float32
    assert z_q.stride() == torch.empty_like(z).stride()
    assert (error.dtype, error.dim()) == (torch.float32, 0)
    torch.testing.assert_close(error.double(), (z.double() - z_q.double()).square().sum(), rtol=1e-5, atol=0)
    assert torch.equal(kernels.search(z, codebooks), codes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_half_precision_latents_are_compared_in_fp32(kernels, latents, words, assert_nearest, c, K, dtype):
    z, codebooks = latents(1, 2, c, 20, dtype=dtype), words(2, K, c)
    codes, z_q, error = kernels.assign(z, codebooks)
    assert_nearest(codes, z, codebooks)
    assert z_q.dtype == torch.float32
    torch.testing.assert_close(error.double(), (z.double() - z_q.double()).square().sum(), rtol=1e-5, atol=0)


def test_half_precision_codebooks(kernels, latents, words, assert_nearest):
    z, codebooks = latents(1, 2, 2, 20), words(2, 30, 2).half()
    codes, z_q, _ = kernels.assign(z, codebooks)
    assert_nearest(codes, z, codebooks)
    assert torch.equal(z_q[0, 0].T, codebooks[0, codes[0, 0]].float())


@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_rows_of_vectors(kernels, latents, words, assert_nearest, c, K):
    rows = latents(1, 2, c, 30, "channels_last")[0].permute(2, 0, 1).contiguous()  # (N, S, c)
    z, codebooks = rows.permute(1, 2, 0)[None], words(2, K, c)
    codes, z_q, _ = kernels.assign(z, codebooks)
    assert_nearest(codes, z, codebooks)
    assert z_q.stride() == z.stride()


@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_the_first_of_equal_words_wins(kernels, latents, words, c, K):
    z, codebooks = latents(1, 1, c, 30), words(1, K, c)
    twice = torch.cat([codebooks, codebooks], dim=1)
    assert torch.equal(kernels.search(z, twice), kernels.search(z, codebooks))
    assert not kernels.search(z, codebooks[:, :1].expand(-1, K, -1)).any()


@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_the_first_of_equally_near_words_wins(kernels, device, c, K):
    values = torch.arange(K, device=device)
    for order in (values, values.flip(0)):
        codebooks = (2.0 * order)[None, :, None].expand(1, K, c)  # neighbours are 2 apart, in every channel
        midpoints = (2.0 * values[:-1] + 1)[None, None, None].expand(1, 1, c, K - 1)
        nearest = (midpoints[0, 0, :1] - codebooks[0, :, :1]).abs().argmin(dim=0)  # the first of both
        assert torch.equal(kernels.search(midpoints, codebooks)[0, 0], nearest)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_scale_does_not_matter(kernels, latents, words, assert_nearest, c, K, scale):
    z, codebooks = latents(1, 1, c, 30) * scale, words(1, K, c) * scale
    assert_nearest(kernels.search(z, codebooks), z, codebooks)


@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_offset_does_not_matter(kernels, latents, words, assert_nearest, c, K):
    z, codebooks = latents(1, 1, c, 30) + 1000, words(1, K, c) + 1000
    assert_nearest(kernels.search(z, codebooks), z, codebooks)


@pytest.mark.parametrize("bad", [float("nan"), -float("inf")])
@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_what_is_not_finite_spoils_the_error_alone(kernels, latents, words, c, K, bad):
    z, codebooks = latents(1, 2, c, 30), words(2, K, c)
    expected = kernels.search(z, codebooks)
    z[0, 1, c - 1, 7] = bad
    codes, _, error = kernels.assign(z, codebooks)
    assert not error.isfinite()
    assert 0 <= codes[0, 1, 7] < K
    codes[0, 1, 7] = expected[0, 1, 7]
    assert torch.equal(codes, expected)


@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_words_that_are_not_finite_give_codes_in_range(kernels, latents, words, c, K):
    z, codebooks = latents(1, 1, c, 30), words(1, K, c)
    codebooks[0, 3, 0] = float("nan")
    codes = kernels.search(z, codebooks)
    assert ((codes >= 0) & (codes < K)).all()


@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_repetition_gives_the_same_bits(kernels, latents, words, c, K):
    z, codebooks = latents(2, 1, c, 70), words(1, K, c)
    for first, second in zip(kernels.assign(z, codebooks), kernels.assign(z, codebooks), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize(("c", "K"), FAMILIES)
def test_no_positions(kernels, latents, words, c, K):
    codes, z_q, error = kernels.assign(latents(0, 2, c, 9), words(2, K, c))
    assert (codes.shape, z_q.shape, error.item()) == ((0, 2, 9), (0, 2, c, 9), 0)


@pytest.mark.parametrize("lanes", [1, 8, 128])
def test_lanes_share_the_words_of_a_position(kernels, latents, words, lanes):
    z, codebooks = latents(1, 1, 2, 30), words(1, 150, 2).repeat(1, 2, 1)
    found = kernels.write_results.Found(z, words=True)
    kernels.direct_distances.search_directly(codebooks, found, lanes)
    codes, z_q, error = kernels.assign(z, codebooks)
    assert torch.equal(found.codes, codes)
    assert torch.equal(found.z_q, z_q)
    torch.testing.assert_close(found.error(), error)


def test_arguments_that_do_not_fit(kernels, latents, words):
    z = latents(1, 2, 3, 4)
    with pytest.raises(ValueError, match=r"search: got z \(1, 2, 3, 4\) and codebooks \(3, 5, 2\); expected"):
        kernels.search(z, words(3, 5, 2))
    with pytest.raises(ValueError, match=r"assign: got z .* and codebooks \(2, 0, 3\)"):
        kernels.assign(z, words(2, 0, 3))
    with pytest.raises(ValueError, match=r"z is torch\.float64; expected float16, bfloat16 or float32"):
        kernels.search(z.double(), words(2, 5, 3))
    with pytest.raises(ValueError, match="codebooks on meta; expected one CUDA device"):
        kernels.search(z, torch.empty(2, 5, 3, device="meta"))
