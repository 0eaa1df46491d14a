import multiprocessing
import os
import random
import signal
import time

import numpy as np
import pytest
import torch
from PIL import Image

from pqgan.data import batches as batches_module
from pqgan.data.batches import Batch, evaluation_batches, training_batches
from pqgan.data.prepared import PreparedSet
from pqgan.errors import DataError, ResourceError, SettingsError


def train(prepared, steps=range(4), *, batch=4, resolution=16, seed=0, geometry="crop", **keys):
    return list(
        training_batches(
            prepared, batch=batch, resolution=resolution, steps=steps, seed=seed, geometry=geometry, **keys
        )
    )


def assert_same(left, right):
    assert [number for number, _ in left] == [number for number, _ in right]
    for (_, one), (_, other) in zip(left, right, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert one.captions == other.captions


def to_uint8(images):
    return ((images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def test_a_batch(folder_set):
    number, batch = train(folder_set, range(7, 8))[0]
    assert number == 7
    assert batch.images.shape == (4, 3, 16, 16)
    assert batch.images.dtype == torch.float32
    assert batch.images.min() >= -1
    assert batch.images.max() <= 1
    assert batch.labels.dtype == torch.int64
    assert [f"class{label}" for label in batch.labels.tolist()] == batch.captions


def test_values_are_pixels_over_127_5_minus_1(folder_set):
    image = next(evaluation_batches(folder_set, batch=1, geometry="crop")).images[0]
    expected = folder_set.image(0).transpose(2, 0, 1).astype(np.float64) / 127.5 - 1
    np.testing.assert_allclose(image.numpy(), expected, atol=1e-7)


def test_every_image_once_an_epoch(folder_set):
    # ten images in batches of four: five batches are two epochs, the third straddles them
    captured = [images for _, batch in train(folder_set, range(5)) for images in to_uint8(batch.images)]
    whole = {folder_set.image(i).tobytes(): i for i in (0, 3, 5, 8)}  # the square ones are their own crops
    orders = []
    for epoch in (captured[:10], captured[10:]):
        orders.append({whole[image.tobytes()]: place for place, image in enumerate(epoch) if image.tobytes() in whole})
        assert sum(image.tobytes() in whole for image in epoch) == 4
        assert sorted(orders[-1]) == [0, 3, 5, 8]
    assert orders[0] != orders[1], "each epoch has its own order"


def test_crops_are_pieces_of_the_images_and_move(folder_set):
    wide = folder_set.image(1)  # (16, 32, 3): seventeen crops
    windows = {wide[:, left : left + 16].tobytes(): left for left in range(17)}
    captured = [image.tobytes() for _, batch in train(folder_set, range(100)) for image in to_uint8(batch.images)]
    lefts = [windows[image] for image in captured if image in windows]
    assert len(lefts) == 40, "forty epochs"
    assert min(lefts) == 0, "the first place is drawn too"
    assert max(lefts) == 16, "the last place is drawn too"
    assert len(set(lefts)) > 10


def test_batch_t_is_a_function_of_seed_and_t(folder_set):
    whole = train(folder_set, range(9))
    assert_same(whole[5:], train(folder_set, range(5, 9)))
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global generator is what must not matter
    assert_same(whole, train(folder_set, range(9)))
    other = train(folder_set, range(9), seed=1)
    assert not all(torch.equal(a.images, b.images) for (_, a), (_, b) in zip(whole, other, strict=True))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_and_the_start_do_not_matter(folder_set, workers):
    whole = train(folder_set, range(9))
    assert_same(whole, train(folder_set, range(9), workers=workers))
    assert_same(whole[5:], train(folder_set, range(5, 9), workers=workers))
    assert not multiprocessing.active_children()


def test_evaluation_does_not_depend_on_workers(smoke_sets):
    alone, helped = (
        list(evaluation_batches(smoke_sets["val"], batch=20, geometry="crop", workers=workers)) for workers in (0, 2)
    )
    assert_same(list(enumerate(alone)), list(enumerate(helped)))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_global_generators_are_not_touched(folder_set, workers):
    def states():
        legacy = np.random.get_state()  # noqa: NPY002 - the global generator is what must not change
        return (
            torch.random.get_rng_state().tolist(),
            random.getstate(),
            [part.tolist() for part in legacy[1:2]],
            legacy[2:],
        )

    before = states()
    train(folder_set, workers=workers)
    list(evaluation_batches(folder_set, batch=4, geometry="crop", workers=workers))
    assert states() == before


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_side_by_side_are_the_whole_batch(folder_set, world):
    whole = train(folder_set, range(6))
    parts = [train(folder_set, range(6), rank=rank, world=world) for rank in range(world)]
    for step, (number, batch) in enumerate(whole):
        mine = [part[step][1] for part in parts]
        assert all(part[step][0] == number for part in parts)
        assert all(len(one.images) == 4 // world for one in mine)
        assert torch.equal(torch.cat([one.images for one in mine]), batch.images)
        assert torch.equal(torch.cat([one.labels for one in mine]), batch.labels)
        assert [caption for one in mine for caption in one.captions] == batch.captions


def test_ranks_that_do_not_divide(folder_set):
    with pytest.raises(SettingsError, match="batch is 4 on 3 devices; allowed: such as 3 or 6"):
        train(folder_set, world=3)


@pytest.mark.parametrize("resolution", [8, 12, 24])
def test_other_resolutions_resize_before_the_crop(folder_set, resolution):
    images = torch.cat(
        [b.images for b in evaluation_batches(folder_set, batch=4, resolution=resolution, geometry="crop")]
    )
    assert images.shape == (10, 3, resolution, resolution)
    square = Image.fromarray(folder_set.image(3)).resize((resolution, resolution), Image.Resampling.LANCZOS)
    assert np.array_equal(to_uint8(images)[3], np.asarray(square))
    wide = Image.fromarray(folder_set.image(1)).resize((2 * resolution, resolution), Image.Resampling.LANCZOS)
    left = resolution // 2
    assert np.array_equal(to_uint8(images)[1], np.asarray(wide)[:, left : left + resolution])
    assert train(folder_set, range(1), resolution=resolution)[0][1].images.shape[-2:] == (resolution, resolution)


def test_squash_crops_nothing(folder_set):
    images = torch.cat([batch.images for batch in evaluation_batches(folder_set, batch=4, geometry="squash")])
    for i in range(10):
        expected = Image.fromarray(folder_set.image(i)).resize((16, 16), Image.Resampling.LANCZOS)
        assert np.array_equal(to_uint8(images)[i], np.asarray(expected))
    epoch = torch.cat([batch.images for _, batch in train(folder_set, range(5), batch=2, geometry="squash")])
    assert {image.numpy().tobytes() for image in epoch} == {image.numpy().tobytes() for image in images}


def test_evaluation_takes_every_image_once_in_order(folder_set):
    found = list(evaluation_batches(folder_set, batch=4, geometry="crop"))
    assert [len(batch.images) for batch in found] == [4, 4, 2]
    assert torch.cat([batch.labels for batch in found]).tolist() == [0] * 5 + [1] * 5
    tall = folder_set.image(4)  # (30, 16, 3)
    assert np.array_equal(to_uint8(found[1].images)[0], tall[7:23])


@pytest.mark.parametrize(("some", "sizes"), [(range(6), [4, 2]), (range(3, 7), [4]), (range(0), [])])
def test_evaluation_of_some_images(folder_set, some, sizes):
    found = list(evaluation_batches(folder_set, batch=4, geometry="crop", images=some))
    assert [len(batch.images) for batch in found] == sizes
    assert [label for batch in found for label in batch.labels.tolist()] == [folder_set.label(i) for i in some]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_line_from_any_process(folder_set, workers):
    shard = folder_set.folder / "images-00000.zip"
    content = bytearray(shard.read_bytes())
    content[120] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError) as error:
        train(PreparedSet(folder_set.folder), range(3), workers=workers)
    assert str(error.value).startswith(str(shard))
    assert "00000000.png is damaged" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_disk_is_one_line_from_any_process(folder_set, monkeypatch, workers):
    def failing(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("pqgan.data.prepared.os.pread", failing)
    with pytest.raises(DataError, match=r"images-00000\.zip: \d{8}\.png cannot be read: Input/output error; look at"):
        train(PreparedSet(folder_set.folder), range(3), workers=workers)


def test_values_are_the_same_to_the_bit_however_they_are_made(folder_set):
    uint8 = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(uint8.float().div_(torch.tensor(127.5)).sub_(1), uint8.float().div_(127.5).sub_(1))
    batch = next(evaluation_batches(folder_set, batch=1, geometry="crop"))
    expected = torch.from_numpy(folder_set.image(0)).permute(2, 0, 1).float().div_(127.5).sub_(1)
    assert torch.equal(batch.images[0], expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_do_not_depend_on_the_device(folder_set, workers):
    there = train(folder_set, range(9), workers=workers, device="cuda")
    assert all(batch.images.is_cuda and batch.labels.is_cuda for _, batch in there)
    back = [(number, Batch(batch.images.cpu(), batch.labels.cpu(), batch.captions)) for number, batch in there]
    assert_same(train(folder_set, range(9)), back)


class _Stuck(PreparedSet):
    def image(self, index):
        time.sleep(60)


def test_stuck_workers_are_a_resource_error(folder_set, monkeypatch):
    for name in ("TIMEOUT", "PULSE"):
        monkeypatch.setattr(batches_module, name, 1)
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.1)  # how long it waits for each to leave
    with pytest.raises(ResourceError, match=r"hardware\.workers: no batch in 1 s, a worker is stuck; look at the file"):
        train(_Stuck(folder_set.folder), workers=1)
    assert not multiprocessing.active_children()


class _Slow(PreparedSet):
    def image(self, index):
        time.sleep(0.4)
        return super().image(index)


def test_a_batch_may_take_longer_than_a_look_at_the_workers(folder_set, monkeypatch):
    monkeypatch.setattr(batches_module, "PULSE", 0.1)
    slow = train(_Slow(folder_set.folder), range(3), batch=2, workers=2)
    assert_same(train(folder_set, range(3), batch=2), slow)


def test_a_killed_worker_is_a_resource_error_between_steps_not_within(folder_set, monkeypatch):
    monkeypatch.setattr(batches_module, "PULSE", 1)
    batches = training_batches(
        folder_set, batch=4, resolution=16, steps=range(1000), seed=0, geometry="crop", workers=2
    )
    next(batches)
    victim, _ = multiprocessing.active_children()
    os.kill(victim.pid, signal.SIGKILL)
    for _ in range(10):
        time.sleep(0.02)  # a step, in which PyTorch's own handler would raise
    with pytest.raises(ResourceError) as error:
        list(batches)
    assert str(error.value) == (
        f"hardware.workers: worker {victim.pid} was killed by SIGKILL; "
        "give the job more memory (hardware.mem_mb), or lower it"
    )
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("end", ["closed", "dropped", "failed"])
def test_no_worker_outlives_its_batches(folder_set, end):
    batches = training_batches(folder_set, batch=4, resolution=16, steps=range(99), seed=0, geometry="crop", workers=2)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    if end == "closed":
        batches.close()
    elif end == "dropped":
        del batches
    else:
        with pytest.raises(KeyboardInterrupt):
            batches.throw(KeyboardInterrupt())
    assert not multiprocessing.active_children()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of PyTorch's half-made iterator
def test_workers_that_cannot_be_started(folder_set, monkeypatch):
    fork, forked = os.fork, []

    def failing():
        if forked:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        pid = fork()
        forked.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", failing)
    with pytest.raises(ResourceError, match=r"hardware\.workers: cannot be started: Resource temporarily unavailable"):
        train(folder_set, workers=2)
    assert forked
    assert not multiprocessing.active_children()
