"""Improved precision and recall beside a brute force, hand cases and torch-fidelity."""

import pytest
import torch

from pqgan.errors import DataError, NumericalError
from pqgan.evaluate.metrics import precision_recall as module
from pqgan.evaluate.metrics.precision_recall import precision_recall, radii


def brute_force(real, fake, k):
    """Kynkäänniemi et al. 2019, every distance written out in float64."""
    real, fake = real.double(), fake.double()

    def distances(x, y):
        return torch.stack([(row - y).square().sum(dim=1).sqrt() for row in x])

    def among(x, y):
        """Share of y that lies in a ball around some x."""
        own = distances(x, x)
        radius = [sorted(float(d) for j, d in enumerate(row) if j != i)[k - 1] for i, row in enumerate(own)]
        return float((distances(x, y) <= torch.tensor(radius, dtype=torch.float64)[:, None]).any(dim=0).double().mean())

    return among(real, fake), among(fake, real)


def draw(n, dimension=8, seed=0, shift=0.0, scale=1.0):
    return torch.randn(n, dimension, generator=torch.Generator().manual_seed(seed)) * scale + shift


@pytest.fixture(params=[7, 2048])
def block(request, monkeypatch):
    """Blocks that cut the sets, and one that holds them."""
    monkeypatch.setattr(module, "BLOCK", request.param)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m"), [(60, 41), (30, 30), (23, 64)])
def test_it_is_what_a_brute_force_finds(block, n, m, k):
    real, fake = draw(n, 3, seed=1), draw(m, 3, seed=2, shift=1.0, scale=1.5)
    found = precision_recall(real, fake, k=k)
    assert found == pytest.approx(brute_force(real, fake, k), abs=1e-12)
    assert 0 < found[0] < 1
    assert found[1] > 0


def test_radii_are_distances_to_the_third_neighbour(block):
    line = torch.tensor([0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0, 255.0])[:, None]
    # of 0: 1, 3, 7; of 15: 7 is at 8, 3 at 12, 1 at 14
    assert radii(line, 3).sqrt()[[0, 4]].tolist() == pytest.approx([7, 14])
    assert radii(line, 1).sqrt().tolist() == pytest.approx([1, 1, 2, 4, 8, 16, 32, 64, 128])


def test_sets_far_apart_share_nothing(block):
    assert precision_recall(draw(40), draw(30, seed=1, shift=100)) == (0, 0)


def test_equal_sets_share_everything(block):
    real = draw(40)
    assert precision_recall(real, real.clone()) == (1, 1)
    assert precision_recall(real, real[torch.randperm(40)]) == (1, 1)


def test_a_subset_is_precise_and_recalls_what_it_covers(block):
    """One of two clusters: every sample is real, half of what is real can be sampled."""
    near, far = draw(25, seed=1), draw(25, seed=2, shift=1000)
    assert precision_recall(torch.cat([near, far]), near) == (1, 0.5)
    assert precision_recall(near, torch.cat([near, far])) == (0.5, 1)


def test_a_vector_at_the_radius_lies_inside(block):
    real = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])  # the radius of the first is 1
    far = torch.tensor([[10.0, 0.0], [20.0, 0.0], [30.0, 0.0]])
    at = torch.cat([torch.tensor([[0.0, -1.0]]), far])
    beyond = torch.cat(
        [torch.tensor([[0.0, -2.24]]), far]
    )  # the largest radius is 2, around (-1, 0): sqrt(6) is beyond
    assert precision_recall(real, at)[0] == 0.25
    assert precision_recall(real, beyond)[0] == 0.0


def test_a_vector_at_the_radius_lies_inside_however_it_is_rounded():
    """One vector at the radius of one other, turned in space: both are rounded in another way each time."""
    real, fake = torch.zeros(4, 50, dtype=torch.float64), torch.zeros(4, 50, dtype=torch.float64)
    real[range(1, 4), range(3)] = 1.0  # the radius of the first is 1, of the others the root of 2
    fake[0, :3] = -(3**-0.5)  # at 1 from the first, at more than the root of 3 from the others
    fake[1:, 4] = torch.tensor([40.0, 80.0, 120.0])
    for seed in range(40):
        square = torch.randn(50, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        turn = torch.linalg.qr(square).Q
        assert precision_recall(real @ turn, fake @ turn)[0] == 0.25


def test_a_small_cloud_far_from_the_origin_is_told_apart(block):
    """Squares are 1e12 times the distances' own: without a centre they would all be ties."""
    real, fake = draw(40, 3, scale=0.01, shift=1e4), draw(30, 3, seed=1, scale=0.02, shift=1e4)
    found = precision_recall(real, fake)
    assert found == pytest.approx(brute_force(real, fake, 3), abs=1e-12)
    assert found[0] < 1


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_copies_are_at_distance_zero(block, offset):
    """Radii of 0, where |x|^2 + |y|^2 - 2 x.y in float32 is noise of either sign."""
    words = draw(6, dimension=2048, scale=1e-2, shift=offset)
    copies = words.repeat_interleave(4, dim=0)
    assert radii(copies, 3).max() < 1e-12 * copies.double().square().sum(dim=1).max()
    assert precision_recall(copies, copies) == (1, 1)
    others = (words + 1e-3).repeat_interleave(4, dim=0)
    assert precision_recall(copies, others) == (0, 0)


def test_ties_of_a_lattice_are_decided_alike_for_every_block(monkeypatch):
    """Every distance of a lattice is one of many: k-th neighbours and radii tie throughout."""
    x = torch.cartesian_prod(*[torch.arange(4.0)] * 3) * 0.1 + 7
    fake = x[::3] + torch.tensor([0.1, 0.0, 0.0])
    expected = brute_force((x * 10).round(), (fake * 10).round(), 3)
    for size in (5, 16, 2048):
        monkeypatch.setattr(module, "BLOCK", size)
        assert precision_recall(x.double(), fake.double()) == pytest.approx(expected, abs=1e-12)


def test_radii_of_the_real_set_may_be_given():
    real, fake = draw(50), draw(40, seed=3, scale=0.7)
    assert precision_recall(real, fake, real_radii=radii(real)) == precision_recall(real, fake)


def test_half_precision_comes_as_it_is():
    real, fake = draw(50).half(), draw(40, seed=3, scale=0.7).half()
    assert precision_recall(real, fake) == pytest.approx(brute_force(real, fake, 3), abs=1e-12)


@pytest.mark.parametrize(("n", "m", "name"), [(3, 9, "reference"), (9, 3, "generated set"), (0, 9, "reference")])
def test_no_more_images_than_neighbours_are_refused(n, m, name):
    with pytest.raises(DataError, match=rf"the {name} has {min(n, m)} images; expected at least 4.*take more") as error:
        precision_recall(draw(n), draw(m))
    assert "\n" not in str(error.value)


def test_features_that_are_not_finite_are_refused():
    broken = draw(9)
    broken[4, 2] = float("nan")
    for pair in ((broken, draw(9)), (draw(9), broken)):
        with pytest.raises(NumericalError, match="not finite"):
            precision_recall(*pair)


def test_features_of_two_widths_are_refused():
    with pytest.raises(ValueError, match="8 and 9 features"):
        precision_recall(draw(9), draw(9, dimension=9))


def test_torch_fidelity_finds_the_same():
    """On features like InceptionV3's: not negative, 2048 wide, a few dozen directions."""
    from torch_fidelity.metric_prc import calculate_precision_recall_part

    directions = draw(24, dimension=2048, seed=5)
    real = (draw(700, dimension=24, seed=6) @ directions * 0.1).relu()
    fake = (draw(500, dimension=24, seed=7, scale=0.9) @ directions * 0.1).relu()
    found, theirs = precision_recall(real, fake), calculate_precision_recall_part(fake, real, 3, 10_000)
    assert 0.1 < found[0] < 0.99
    assert 0.1 < found[1] < 0.99
    # in float32 theirs may decide a pair or two at the radius otherwise
    assert found == pytest.approx(theirs, abs=2.5 / 500)
