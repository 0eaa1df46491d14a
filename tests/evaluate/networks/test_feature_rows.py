import pytest
import torch

from pqgan.evaluate.networks import feature_rows
from pqgan.evaluate.networks.feature_rows import Rows


@pytest.mark.parametrize("chunk", [1, 4, 7, 4096])
@pytest.mark.parametrize("batches", [[], [3], [4, 4], [1, 0, 9, 2]])
def test_batches_of_any_size_come_back_in_order(monkeypatch, chunk, batches):
    monkeypatch.setattr(feature_rows, "CHUNK", chunk)
    features = torch.randn(sum(batches), 5)
    kept = Rows(5)
    for batch in features.split(batches) if batches else ():
        kept.update(batch)
    assert kept.n == len(features)
    assert torch.equal(kept.take(), features)
    assert kept.n == 0
    assert kept.take().shape == (0, 5)
    kept.update(features)
    assert torch.equal(kept.take(), features)


def test_any_floating_type_is_kept_in_float32():
    kept = Rows(2)
    kept.update(torch.tensor([[1.5, -2.25]], dtype=torch.float64))
    kept.update(torch.tensor([[0.5, 4.0]], dtype=torch.bfloat16))
    whole = kept.take()
    assert whole.dtype == torch.float32
    assert whole.tolist() == [[1.5, -2.25], [0.5, 4.0]]
