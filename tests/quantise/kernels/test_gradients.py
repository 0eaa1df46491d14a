"""assign_backward against autograd in float64."""

import pytest
import torch


def reference(grad_z_q, on_latents, on_codebook, z, codes, codebooks):
    z, codebooks = z.double().requires_grad_(), codebooks.double().requires_grad_()
    z_q = torch.stack([codebooks[s, codes[:, s]] for s in range(z.shape[1])], dim=1).transpose(2, 3)
    error_of_latents = (z - z_q.detach()).square().sum()
    error_of_codebook = (z.detach() - z_q).square().sum()
    total = (grad_z_q.double() * z).sum() + on_latents * error_of_latents + on_codebook * error_of_codebook
    return torch.autograd.grad(total, (z, codebooks))


@pytest.fixture
def random_codes(device):
    def make(B, S, P, K):
        return torch.randint(0, K, (B, S, P), generator=torch.Generator().manual_seed(2)).to(device)

    return make


@pytest.fixture
def weights(device):
    return torch.tensor(0.3, device=device), torch.tensor(0.7, device=device)


@pytest.mark.parametrize(
    ("c", "K", "S", "P", "B", "layout"),
    [
        (1, 9, 3, 37, 2, "nchw"),
        (2, 100, 2, 37, 3, "channels_last"),
        (3, 2, 2, 100, 2, "strided"),
        (20, 30, 1, 40, 2, "nchw"),
        (20, 3, 2, 40, 1, "channels_last"),
        (2, 5, 1, 1, 1, "nchw"),
    ],
)
def test_gradients_equal_autograd(kernels, latents, words, random_codes, weights, c, K, S, P, B, layout):
    z, grad_z_q = latents(B, S, c, P, layout), latents(B, S, c, P, seed=3)
    codebooks, codes = words(S, K, c), random_codes(B, S, P, K)
    grad_z, grad_codebooks = kernels.assign_backward(grad_z_q, *weights, z, codes, codebooks)
    expected_z, expected_codebooks = reference(grad_z_q, *weights, z, codes, codebooks)
    torch.testing.assert_close(grad_z.double(), expected_z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(grad_codebooks.double(), expected_codebooks, rtol=1e-5, atol=1e-5)
    assert grad_z.stride() == torch.empty_like(z).stride()
    assert (grad_z.dtype, grad_codebooks.dtype) == (z.dtype, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_latents_in_half_precision(kernels, latents, words, random_codes, weights, dtype):
    z, codebooks, codes = latents(2, 2, 2, 20, dtype=dtype), words(2, 9, 2), random_codes(2, 2, 20, 9)
    grad_z_q = latents(2, 2, 2, 20, seed=3)
    grad_z, grad_codebooks = kernels.assign_backward(grad_z_q, *weights, z, codes, codebooks)
    expected_z, expected_codebooks = reference(grad_z_q, *weights, z, codes, codebooks)
    assert grad_z.dtype == dtype
    torch.testing.assert_close(grad_z, expected_z.to(dtype))
    torch.testing.assert_close(grad_codebooks.double(), expected_codebooks, rtol=1e-5, atol=1e-5)


def test_a_gradient_that_is_one_number_everywhere(kernels, latents, words, random_codes, weights, device):
    z, codebooks, codes = latents(1, 2, 2, 20), words(2, 9, 2), random_codes(1, 2, 20, 9)
    ones = torch.ones((), device=device).expand(z.shape)
    grad_z, _ = kernels.assign_backward(ones, *weights, z, codes, codebooks)
    expected_z, _ = reference(ones, *weights, z, codes, codebooks)
    torch.testing.assert_close(grad_z.double(), expected_z, rtol=1e-5, atol=1e-5)


def test_every_position_on_one_word(kernels, latents, words, weights, device):
    z, codebooks = latents(3, 2, 3, 300), words(2, 50, 3)
    codes = torch.full((3, 2, 300), 49, device=device)
    grad_z, grad_codebooks = kernels.assign_backward(z, *weights, z, codes, codebooks)
    expected_z, expected_codebooks = reference(z, *weights, z, codes, codebooks)
    torch.testing.assert_close(grad_z.double(), expected_z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(grad_codebooks.double(), expected_codebooks, rtol=1e-5, atol=1e-4)
    assert not grad_codebooks[:, :49].any()


def test_repetition_gives_the_same_bits(kernels, latents, words, random_codes, weights):
    z, codebooks, codes = latents(2, 2, 2, 300), words(2, 9, 2), random_codes(2, 2, 300, 9)
    once = kernels.assign_backward(z, *weights, z, codes, codebooks)
    again = kernels.assign_backward(z, *weights, z, codes, codebooks)
    for first, second in zip(once, again, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("K", [2**14, 2**14 + 1])
def test_places_are_sorted_by_codeword(kernels, device, K):
    codes = torch.tensor([[[0, K - 1, K - 1], [5, 0, K - 1]], [[5, 0, 0], [K - 1, 5, 5]]], device=device)
    order, ends = kernels.gradients._by_codeword(codes, K)
    lists = {k: order[ends[k - 1] if k else 0 : ends[k]].tolist() for k in (0, 5, K - 1, K, K + 5, 2 * K - 1)}
    assert lists == {0: [0, 7, 8], 5: [6], K - 1: [1, 2], K: [4], K + 5: [3, 10, 11], 2 * K - 1: [5, 9]}
    assert ends[-1] == codes.numel()


def test_no_positions(kernels, latents, words, random_codes, weights):
    z = latents(0, 2, 2, 20)
    grad_z, grad_codebooks = kernels.assign_backward(z, *weights, z, random_codes(0, 2, 20, 9), words(2, 9, 2))
    assert grad_z.shape == z.shape
    assert not grad_codebooks.any()


def test_arguments_that_do_not_fit(kernels, latents, words, random_codes, weights):
    z, codebooks, codes = latents(1, 2, 2, 20), words(2, 9, 2), random_codes(1, 2, 20, 9)
    with pytest.raises(ValueError, match=r"got codes \(1, 2, 20\) torch.int32 .*; expected \(1, 2, 20\) torch.int64"):
        kernels.assign_backward(z, *weights, z, codes.int(), codebooks)
    with pytest.raises(ValueError, match=r"got grad_z_q \(1, 2, 2, 19\)"):
        kernels.assign_backward(z[..., :19], *weights, z, codes, codebooks)
    with pytest.raises(ValueError, match="on_codebook is"):
        kernels.assign_backward(z, weights[0], weights[1].double(), z, codes, codebooks)


@pytest.mark.parametrize("code", [-1, 9])
def test_a_code_outside_its_codebook_is_refused_before_the_launch(kernels, latents, words, random_codes, weights, code):
    z, codebooks, codes = latents(2, 2, 2, 20), words(2, 9, 2), random_codes(2, 2, 20, 9)
    codes[1, 0, 7] = code
    with pytest.raises(ValueError, match=rf"got code {code} in subspace 0 at .* \(1, 7\); allowed: 0 to 8"):
        kernels.assign_backward(z, *weights, z, codes, codebooks)
