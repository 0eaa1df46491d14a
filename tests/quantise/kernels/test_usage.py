"""histogram: exact counts."""

import pytest
import torch


def test_counts_equal_bincount(kernels, device):
    codes = torch.randint(0, 50, (3, 2, 700), generator=torch.Generator().manual_seed(0)).to(device)
    counts = kernels.histogram(codes, 60)
    assert counts.dtype == torch.int64
    assert torch.equal(counts, torch.stack([torch.bincount(codes[:, s].flatten(), minlength=60) for s in range(2)]))


def test_layout_does_not_matter(kernels, device):
    codes = torch.randint(0, 5, (3, 2, 70), generator=torch.Generator().manual_seed(0)).to(device)
    assert torch.equal(
        kernels.histogram(codes.transpose(0, 2).contiguous().transpose(0, 2), 5), kernels.histogram(codes, 5)
    )


def test_every_position_on_one_word(kernels, device):
    assert kernels.histogram(torch.full((2, 1, 900), 3, device=device), 4).tolist() == [[0, 0, 0, 1800]]


def test_what_is_out_of_range_is_refused_and_never_counted_as_another(kernels, device):
    codes = torch.tensor([[[1, 0, 3], [0, 3, 2**40]]], device=device)
    with pytest.raises(ValueError, match=rf"histogram: got code {2**40} in subspace 1 at \(image, position\) \(0, 2\)"):
        kernels.histogram(codes, 4)
    assert kernels.histogram(codes, 4, found=True).tolist() == [[1, 1, 0, 1], [1, 0, 0, 1]]


def test_nothing_to_count(kernels, device):
    assert kernels.histogram(torch.zeros(0, 2, 5, dtype=torch.int64, device=device), 3).tolist() == [[0] * 3] * 2


def test_codes_that_do_not_fit(kernels, device):
    with pytest.raises(ValueError, match=r"got codes \(2, 5\) torch.int64 .*; expected \(B, S, P\) torch.int64"):
        kernels.histogram(torch.zeros(2, 5, dtype=torch.int64, device=device), 3)
    with pytest.raises(ValueError, match=r"torch.int32 .*; expected \(B, S, P\) torch.int64"):
        kernels.histogram(torch.zeros(1, 2, 5, dtype=torch.int32, device=device), 3)
