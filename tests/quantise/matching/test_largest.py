"""The largest codebooks of section 4.2, K=16384, by every backend of this machine, against distances in float64."""

import pytest
import torch

from pqgan.quantise.matching import available, nearest_codes

K = 16_384
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("d", "S", "N"), [(2, 2, 500), (4, 2, 300), (8, 2, 300), (256, 1, 40)], ids=["d/S=1", "d/S=2", "d/S=4", "d=256,S=1"]
)
def test_the_nearest_of_16384_words_is_found(device, d, S, N):
    z, codebooks = normal(N, S, d // S, seed=d), normal(S, K, d // S, seed=1)
    # the first word, the last, and those of one bit have to be found where they themselves are asked for
    asked = torch.tensor([0, *(2**bit for bit in range(14)), K - 1])
    z[: len(asked)] = codebooks[:, asked].transpose(0, 1)
    apart = [
        torch.cdist(z[:, s].double(), codebooks[s].double(), compute_mode="donot_use_mm_for_euclid_dist")
        for s in range(S)
    ]
    distances = torch.stack(apart, dim=1)  # (N, S, K)
    best, nearest = distances.min(dim=2)
    for backend in available(device):
        codes = nearest_codes(z.to(device), codebooks.to(device), backend).cpu()
        assert codes.dtype == torch.int64
        chosen = distances.gather(2, codes[..., None])[..., 0]
        # within fp32's rounding of the numbers, and nearly always the same word
        assert (chosen - best).max() <= 1e-6 * z.norm(dim=2).max(), backend
        assert (codes == nearest).double().mean() >= 0.99, backend
        assert torch.equal(codes[: len(asked)], asked[:, None].expand(-1, S)), backend
