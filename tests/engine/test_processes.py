"""Two and three processes over gloo: shares, rows of all, and moments of all."""

import subprocess
import sys

import pytest
import torch

from pqgan.engine import processes
from pqgan.evaluate.metrics.frechet import Moments, frechet_distance

FEATURES, OTHERS = (torch.randn(90, 12, generator=torch.Generator().manual_seed(seed)) + 5 for seed in range(2))

PROGRAM = """
import sys
import torch
from torch import distributed
from pqgan.engine import processes
from pqgan.evaluate.metrics.frechet import Moments, frechet_distance

rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
features, others = torch.load(f"{folder}/features")
found = {"rank": processes.rank(), "count": processes.count(), "first": processes.is_first()}
found["shares"] = {n: list(processes.share(n)) for n in (0, 1, 2, 7, 90)}

def mine(tensor, n):
    share = processes.share(n)
    return tensor[share.start : share.stop]

# one image: all but one process have an empty share
for n in (0, 1, 7, 90):
    found[n] = processes.cat(mine(features, n))
# a process with no rows that does not know what others measured
found["open"] = processes.cat(features[:3] if rank == 1 else torch.empty(0))
found["integers"] = processes.cat(torch.arange(rank + 1))
found["words"] = processes.cat(torch.full((1, 2, 2), 60_000 + rank, dtype=torch.uint16))
found["strided"] = processes.cat(mine(features.T.contiguous().T, 7))
found["truth"] = processes.cat(torch.tensor([rank == 0]))
try:
    processes.cat(torch.zeros(2, 2 + rank))
except ValueError as error:
    found["refused"] = str(error)

# seen by the processes: nothing at all, fewer vectors than dimensions, more
for n in (0, 1, 7, 20, 90):
    moments = Moments(12)
    for batch in mine(features, n).split(4):
        moments.update(batch)
    before = {name: tensor.clone() for name, tensor in moments.tensors().items()}
    whole = moments.over_processes()
    assert all(torch.equal(before[name], tensor) for name, tensor in moments.tensors().items())
    found["moments", n] = whole.tensors()
    if n > 1:
        reference = Moments(12)
        reference.update(others)
        found["distance", n] = frechet_distance(whole, reference)
last = Moments(12)
if rank == world - 1:
    last.update(features)
found["last"] = last.over_processes().tensors()
torch.save(found, f"{folder}/{rank}")
distributed.barrier()
distributed.destroy_process_group()
"""


@pytest.fixture(scope="module", params=[2, 3])
def found(request, tmp_path_factory):
    """What each process of so many saw."""
    world, folder = request.param, tmp_path_factory.mktemp("processes")
    torch.save((FEATURES, OTHERS), folder / "features")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(world), folder], stderr=subprocess.PIPE, text=True
        )
        for rank in range(world)
    ]
    try:
        errors = [process.communicate(timeout=120)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * world, "\n".join(errors)
    return [torch.load(folder / str(rank)) for rank in range(world)]


def test_every_image_has_one_process(found):
    world = len(found)
    assert [result["rank"] for result in found] == list(range(world))
    assert [result["first"] for result in found] == [True] + [False] * (world - 1)
    assert {result["count"] for result in found} == {world}
    for n in (0, 1, 2, 7, 90):
        shares = [result["shares"][n] for result in found]
        assert [image for share in shares for image in share] == list(range(n))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_rows_come_together_in_rank_order_to_the_bit(found):
    world = len(found)
    expected = {n: FEATURES[:n] for n in (0, 1, 7, 90)} | {
        "open": FEATURES[:3],
        "strided": FEATURES[:7],
        "integers": torch.cat([torch.arange(rank + 1) for rank in range(world)]),
        "words": torch.tensor([60_000 + rank for rank in range(world)], dtype=torch.uint16)
        .view(-1, 1, 1)
        .expand(-1, 2, 2),
        "truth": torch.tensor([rank == 0 for rank in range(world)]),
    }
    for result in found:
        for name, rows in expected.items():
            assert result[name].dtype == rows.dtype
            assert torch.equal(result[name], rows), name


def test_rows_of_different_width_are_refused_by_all(found):
    for result in found:
        assert "expected one type and one shape but for the rows" in result["refused"]


@pytest.mark.parametrize("n", [0, 1, 7, 20, 90])
def test_moments_of_all_are_one_process_s(found, n):
    alone, reference = Moments(12), Moments(12)
    alone.update(FEATURES[:n])
    reference.update(OTHERS)
    for result in found:
        tensors = result["moments", n]
        assert int(tensors["n"]) == n
        assert tensors.keys() == alone.tensors().keys()
        for name, tensor in alone.tensors().items():
            torch.testing.assert_close(tensors[name], tensor, rtol=1e-12, atol=1e-12)
            assert torch.equal(tensors[name], found[0]["moments", n][name])
        if n > 1:
            assert result["distance", n] == pytest.approx(frechet_distance(alone, reference), rel=1e-10)


def test_one_process_that_has_seen_all_gives_it_to_the_others_to_the_bit(found):
    alone = Moments(12)
    alone.update(FEATURES)
    for result in found:
        for name, tensor in alone.tensors().items():
            assert torch.equal(result["last"][name], tensor)


def test_alone_everything_is_this_process_s():
    assert processes.share(5) == range(5)
    assert (processes.rank(), processes.count(), processes.is_first()) == (0, 1, True)
    assert torch.equal(processes.cat(FEATURES), FEATURES)
    moments = Moments(12)
    moments.update(FEATURES)
    whole = moments.over_processes()
    whole.update(OTHERS)
    assert (moments.n, whole.n) == (90, 180)


@pytest.mark.parametrize(("n", "batch", "count"), [(48, 24, 1), (50, 7, 3), (5, 4, 4), (50_000, 24, 8)])
def test_processes_share_whole_batches_of_images(monkeypatch, n, batch, count):
    monkeypatch.setattr(processes, "count", lambda: count)
    shares = []
    for rank in range(count):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        shares.append(processes.share_of_batches(n, batch))
    assert [number for share in shares for number in share] == list(range(n))
    assert all(share.start % batch == 0 for share in shares if share)
    assert max(map(len, shares)) - min(map(len, shares)) <= 2 * batch
