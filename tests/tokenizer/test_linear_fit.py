"""Principal components of patches: sums by hand, directions and how they are dealt out, and the path onto them."""

import numpy as np
import pytest
import torch

from pqgan.tokenizer.linear_fit import Moments, components, deal_out, patches, patches_at, set_path
from pqgan.tokenizer.linear_path import LinearPath

F = 4
SIZE = 3 * F * F


def image(seed: int, height: int = 32, width: int = 24) -> np.ndarray:
    """Smooth and noisy, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 120, width)[None, :, None] + np.linspace(0, 60, height)[:, None, None]
    return (ramp + rng.integers(0, 70, (height, width, 3))).astype(np.uint8)


@pytest.fixture(scope="module")
def moments() -> Moments:
    found = Moments(F)
    found.add(map(image, range(8)))
    return found


def rows_of(images) -> np.ndarray:
    """Every patch as a convolution of stride F sees it, (n, 3 F^2) float64."""
    stack = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).double()
    return torch.nn.functional.unfold(stack, F, stride=F).transpose(1, 2).reshape(-1, SIZE).numpy()


def test_patches_are_in_the_order_of_a_convolution_and_leave_the_rest_of_an_image_out():
    whole = image(0, 10, 9)  # two by two patches of 4
    assert np.array_equal(patches(whole, F), rows_of([whole[:8, :8]]))
    drawn = patches_at(whole, F, 50, np.random.default_rng(0))
    every = {
        whole[top : top + F, left : left + F].transpose(2, 0, 1).tobytes() for top in range(7) for left in range(6)
    }
    found = {row.tobytes() for row in drawn}
    assert found <= every
    assert len(found) > 20


def test_moments_are_the_exact_sums(moments):
    rows = rows_of([image(seed) for seed in range(8)]) - 128
    assert moments.n == len(rows) == 8 * 8 * 6
    assert np.array_equal(moments.first.numpy(), rows.sum(0))
    assert np.array_equal(moments.second.numpy(), rows.T @ rows)


def test_moments_of_any_split_add_up_to_the_bit(moments):
    for split in ([[0, 1, 2, 3], [4, 5, 6, 7]], [[7], [0, 2, 4, 6, 1], [3, 5]]):
        parts = []
        for share in split:
            parts.append(Moments(F))
            parts[-1].add(map(image, share))
        assert sum(part.n for part in parts) == moments.n
        assert torch.equal(sum(part.first for part in parts), moments.first)
        assert torch.equal(sum(part.second for part in parts), moments.second)


def test_components_are_orthonormal_of_falling_variance_and_known_sign(moments):
    found = components(moments, SIZE)
    torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(SIZE, dtype=torch.float64))
    assert (found.variances.diff() <= 0).all()
    largest = found.directions.gather(1, found.directions.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()
    rows = torch.from_numpy(rows_of([image(seed) for seed in range(8)])) / 127.5 - 1
    centred = rows - found.mean.repeat_interleave(F * F)
    torch.testing.assert_close(found.mean, rows.view(-1, 3, F * F).mean((0, 2)))
    # the mean square along each direction is its variance
    torch.testing.assert_close((centred @ found.directions.T).square().mean(0), found.variances)


@pytest.mark.parametrize("d", [1, SIZE - 1, SIZE + 5])
def test_fewer_directions_are_the_first_and_those_beyond_all_are_zero(moments, d):
    found, whole = components(moments, d), components(moments, SIZE)
    kept = min(d, SIZE)
    assert found.directions.shape == (d, SIZE)
    assert torch.equal(found.directions[:kept], whole.directions[:kept])
    assert torch.equal(found.variances[:kept], whole.variances[:kept])
    assert not found.directions[kept:].any()
    assert not found.variances[kept:].any()


def test_components_of_nothing_are_refused():
    with pytest.raises(ValueError, match="got no patches; expected one or more"):
        components(Moments(F), 4)


def test_directions_are_dealt_out_by_hand():
    """Logarithms 5 4 3 2 1 0 over the least: each goes where the product is least, while there is room."""
    variances = torch.tensor([5.0, 4, 3, 2, 1, 0], dtype=torch.float64).exp()
    # 5 | 4; then 3 to the second (7), 2 to the first (7), 1 to the first (8), which is full
    assert deal_out(variances, 2).tolist() == [0, 3, 4, 1, 2, 5]
    # 5 | 4 | 3; then 2 to the third, 1 to the second, 0 to the first: all have 5
    assert deal_out(variances, 3).tolist() == [0, 5, 1, 4, 2, 3]
    assert deal_out(variances, 1).tolist() == [0, 1, 2, 3, 4, 5]
    assert deal_out(variances, 6).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("S", [1, 2, 8])
def test_directions_without_variance_are_dealt_out_too(S):
    for variances in (torch.tensor([3.0, 2, 1, 0.5, 0, 0, 0, 0]).double(), torch.zeros(8, dtype=torch.float64)):
        order = deal_out(variances, S)
        assert sorted(order.tolist()) == list(range(8))


@torch.no_grad()
@pytest.mark.parametrize("S", [1, 6, SIZE])
def test_a_path_of_all_directions_is_the_identity_to_rounding(moments, S):
    found, path = components(moments, SIZE), LinearPath(F, SIZE)
    set_path(path, found, deal_out(found.variances, S))
    images = torch.from_numpy(np.stack([image(seed) for seed in (3, 50)])).permute(0, 3, 1, 2) / 127.5 - 1
    latents = path.encode(images)
    assert latents.shape == (2, SIZE, 8, 6)
    torch.testing.assert_close(path.decode(latents), images, rtol=0, atol=2e-5)
    # of the images that it was fitted to, latents have variance 1 on average
    stack = torch.from_numpy(np.stack([image(seed) for seed in range(8)])).permute(0, 3, 1, 2) / 127.5 - 1
    assert path.encode(stack).square().mean().item() == pytest.approx(1, rel=1e-5)


@torch.no_grad()
def test_a_path_of_fewer_directions_loses_what_the_others_hold(moments):
    found = components(moments, SIZE)
    stack = torch.from_numpy(np.stack([image(seed) for seed in range(8)])).permute(0, 3, 1, 2) / 127.5 - 1
    for d in (2, 10, 20):
        path, some = LinearPath(F, d), components(moments, d)
        set_path(path, some, deal_out(some.variances, 2))
        error = (path.decode(path.encode(stack)) - stack).square().mean().item()
        assert error == pytest.approx(found.variances[d:].sum().item() / SIZE, rel=1e-4)


@torch.no_grad()
def test_a_path_of_images_of_one_colour_gives_it_back():
    grey, path = Moments(F), LinearPath(F, 4)
    grey.add([np.full((8, 8, 3), 77, np.uint8)])
    found = components(grey, 4)
    set_path(path, found, deal_out(found.variances, 2))
    images = torch.full((1, 3, 8, 8), 77 / 127.5 - 1)
    torch.testing.assert_close(path.decode(path.encode(images)), images, rtol=0, atol=1e-6)
