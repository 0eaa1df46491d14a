"""The kernels at K=16384, the most codewords of section 4.2."""

import pytest
import torch

K = 16_384


@pytest.mark.parametrize(
    ("c", "S", "layout"),
    [
        (1, 2, "nchw"),
        (2, 2, "channels_last"),
        (4, 1, "nchw"),
        pytest.param(
            *(256, 1, "nchw"),
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="Triton's interpreter takes minutes"),
        ),
    ],
)
def test_codes_and_counts(kernels, latents, words, assert_nearest, device, c, S, layout):
    z, codebooks = latents(1, S, c, 16, layout), words(S, K, c)
    # each bit of a code, alone and all together
    asked = torch.tensor([0, *(2**bit for bit in range(14)), K - 1], device=device)
    z.copy_(codebooks[:, asked].transpose(1, 2))
    z[0, :, :, 1::2] += 1e-4
    codes, z_q, _ = kernels.assign(z, codebooks)
    assert_nearest(codes, z, codebooks)
    assert torch.equal(codes[0, :, ::2], asked[::2].expand(S, -1))
    assert torch.equal(kernels.search(z, codebooks), codes)
    assert torch.equal(z_q[0], torch.stack([codebooks[s, codes[0, s]].T for s in range(S)]))
    counts = kernels.histogram(codes, K)
    assert torch.equal(counts, torch.stack([torch.bincount(codes[0, s], minlength=K) for s in range(S)]))


@pytest.mark.parametrize(("S", "K"), [(1, K), (3, K)])
def test_places_are_sorted_by_codes_of_14_bits(kernels, device, S, K):
    """The gradient sums by it; with three subspaces the numbers of all codewords no longer fit 15 bits."""
    codes = torch.randint(0, K, (2, S, 50), generator=torch.Generator().manual_seed(0)).to(device)
    codes[0, :, :2] = torch.tensor([0, K - 1], device=device)
    order, ends = kernels.gradients._by_codeword(codes, K)
    every = (codes + K * torch.arange(S, device=device)[:, None]).flatten()
    assert torch.equal(every[order], every.sort().values)
    assert torch.equal(ends.cpu(), every.bincount(minlength=S * K).cumsum(0).cpu())
