"""Codebook usage against values worked out by hand."""

import math

import pytest
import torch

from pqgan.quantise.usage import Usage


def used(S, K, codes):
    usage = Usage(S, K)
    usage.update(codes)
    return usage


def test_collapsed_model_reads_zero_and_in_the_concatenated_reading_six_thirteenths():
    usage = used(64, 128, torch.full((2, 64, 4, 4), 5))
    assert usage.H_n() == 0
    assert usage.P_n() == pytest.approx(1 / 128)
    # log 64 / (log 64 + log 128) = 6 / 13
    assert usage.H_n("concatenated") == pytest.approx(6 / 13)
    assert round(usage.H_n("concatenated"), 2) == 0.46
    assert usage.P_n("concatenated") == pytest.approx(1 / 128)
    assert usage.H_n_min() == 0
    assert usage.dead_codes() == pytest.approx(127 / 128)


@pytest.mark.parametrize("reading", ["mean_over_subspaces", "concatenated"])
@pytest.mark.parametrize("S", [1, 3])
def test_uniform_use_reads_one(S, reading):
    usage = used(S, 16, torch.arange(16).view(1, 1, 4, 4).expand(2, S, 4, 4))
    assert usage.H_n(reading) == pytest.approx(1)
    assert usage.P_n(reading) == pytest.approx(1)
    assert usage.dead_codes() == 0


def test_half_used_codebooks():
    # 2 of 4 codewords, equally often: entropy log 2 of log 4, perplexity 2 of 4
    usage = used(2, 4, torch.tensor([0, 3, 0, 3]).view(1, 1, 2, 2).expand(1, 2, 2, 2))
    assert usage.H_n() == pytest.approx(0.5)
    assert usage.P_n() == pytest.approx(0.5)
    assert usage.dead_codes() == 0.5
    # (log 2 + log 2) / (log 2 + log 4), and exp(log 4) of 8
    assert usage.H_n("concatenated") == pytest.approx(2 / 3)
    assert usage.P_n("concatenated") == pytest.approx(0.5)


def test_subspaces_differ_and_the_minimum_names_the_worst():
    # subspace 0 collapsed, subspace 1 uniform over 4
    codes = torch.stack([torch.zeros(4, dtype=torch.long), torch.arange(4)]).view(1, 2, 2, 2)
    usage = used(2, 4, codes)
    assert usage.H_n() == pytest.approx(0.5)
    assert usage.P_n() == pytest.approx((1 / 4 + 4 / 4) / 2)
    assert usage.H_n_min() == 0
    assert usage.dead_codes() == pytest.approx(3 / 8)
    assert usage.H_n_of_subspaces().tolist() == pytest.approx([0, 1])
    assert usage.P_n_of_subspaces().tolist() == pytest.approx([1 / 4, 1])
    assert usage.dead_codes_of_subspaces().tolist() == [3 / 4, 0]
    # one histogram of 8 codewords: 1/2 once and 1/8 four times
    entropy = 0.5 * math.log(2) + 4 * 0.125 * math.log(8)
    assert usage.H_n("concatenated") == pytest.approx(entropy / math.log(8))
    assert usage.P_n("concatenated") == pytest.approx(math.exp(entropy) / 8)


def test_counts_are_exact_over_batches():
    codes = torch.randint(0, 8, (10, 3, 5, 7), generator=torch.Generator().manual_seed(0))
    whole, parts = used(3, 8, codes), Usage(3, 8)
    for batch in codes.split(4):
        parts.update(batch.to(torch.uint8))
    assert parts.counts.dtype == torch.int64
    assert torch.equal(whole.counts, parts.counts)
    for subspace in range(3):
        assert whole.counts[subspace].tolist() == [int((codes[:, subspace] == k).sum()) for k in range(8)]


def _count_a_part(rank, folder, codes):
    torch.set_num_threads(1)  # a forked process has none of its parent's other threads
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    usage = used(3, 8, codes[rank::2])
    whole = usage.over_processes()
    torch.save((usage.counts, whole.counts), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_counts_are_exact_over_processes(tmp_path):
    # of different sizes: 3 and 2 images
    codes = torch.randint(0, 8, (5, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    torch.multiprocessing.start_processes(_count_a_part, (str(tmp_path), codes), nprocs=2, start_method="fork")
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    expected = used(3, 8, codes).counts
    for _, whole in parts:
        assert torch.equal(whole, expected)
    # what a process counted by itself stays its own
    assert torch.equal(parts[0][0] + parts[1][0], expected)


def test_alone_the_counts_over_processes_are_ones_own():
    usage = used(2, 4, torch.randint(0, 4, (2, 2, 3, 3)))
    assert torch.equal(usage.over_processes().counts, usage.counts)


def test_bad_codes_are_refused():
    usage = Usage(2, 4)
    with pytest.raises(ValueError, match=r"expected \(B, 2, h, w\)"):
        usage.update(torch.zeros(1, 3, 2, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"got code 4 in subspace 0 at .* \(0, 1\); allowed: 0 to 3"):
        usage.update(torch.tensor([0, 4, 1, 1, 0, 0, 0, 0]).view(1, 2, 2, 2))
    with pytest.raises(ValueError, match="no codes counted"):
        usage.H_n()


def test_the_first_of_several_bad_codes_is_named():
    codes = torch.zeros(2, 2, 3, 3, dtype=torch.int64)
    codes[1, 0, 0, 0], codes[0, 1, 2, 1], codes[0, 1, 2, 2] = -1, 9, 8
    with pytest.raises(ValueError, match="got code 9 in subspace 1"):
        Usage(2, 8).update(codes)
