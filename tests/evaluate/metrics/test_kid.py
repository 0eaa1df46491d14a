"""KID against torchmetrics' formula and scikit-learn's kernel."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from torchmetrics.image.kid import poly_mmd

from pqgan.evaluate.metrics.kid import kid


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(60, 24, generator=generator), torch.rand(45, 24, generator=generator) * 1.2


def test_the_whole_sets_give_the_formula_written_out(features):
    x, y = features[0][:45], features[1]
    inside = [polynomial_kernel(z.double().numpy(), degree=3, coef0=1) for z in (x, y)]
    between = polynomial_kernel(x.double().numpy(), y.double().numpy(), degree=3, coef0=1)
    expected = sum((kernel.sum() - np.trace(kernel)) / (45 * 44) for kernel in inside) - 2 * between.mean()
    found = kid(x, y, subsets=3, subset_size=45)
    assert found == pytest.approx((expected, 0), abs=1e-12)


def test_subsets_are_drawn_as_torchmetrics_draws_them(features):
    x, y = (z.double() for z in features)
    generator = torch.Generator().manual_seed(5)
    each = [poly_mmd(*(z[torch.randperm(len(z), generator=generator)[:20]] for z in (x, y))).item() for _ in range(10)]
    found = kid(*features, subsets=10, subset_size=20, generator=torch.Generator().manual_seed(5))
    assert found == pytest.approx((np.mean(each), np.std(each)), abs=1e-12)
    torch.manual_seed(5)
    assert kid(*features, subsets=10, subset_size=20) == found


def test_samples_of_one_distribution_are_around_zero_and_may_be_below():
    draws = torch.Generator().manual_seed(1)
    found = [
        kid(torch.rand(80, 8, generator=draws), torch.rand(80, 8, generator=draws), subset_size=80, subsets=1)[0]
        for _ in range(40)
    ]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 3 * np.std(found) / 40**0.5


def test_more_images_than_there_are_cannot_be_drawn(features):
    with pytest.raises(ValueError, match="got subset_size 46 for 60 and 45 images"):
        kid(*features, subset_size=46)
    with pytest.raises(ValueError, match=r"expected \(n, D\)"):
        kid(features[0], features[1][:, :3], subset_size=5)
