"""Peak arithmetic of a device."""

import pytest
import torch

from pqgan.bench import peak_flops

CUDA = torch.device("cuda")


def test_arithmetic_follows_precision_and_device():
    cpu = torch.device("cpu")
    assert peak_flops.arithmetic(cpu, "bf16-mixed") == peak_flops.arithmetic(CUDA, "bf16-mixed") == "bf16"
    assert peak_flops.arithmetic(cpu, "32-true") == "fp32"
    assert peak_flops.arithmetic(CUDA, "32-true") == "TF32"


@pytest.mark.parametrize(("name", "bf16"), [("NVIDIA H200", 989.4e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("X", None)])
def test_published_figures_by_name(monkeypatch, name, bf16):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops.published(CUDA, "bf16") == (pytest.approx(bf16) if bf16 else None)
    assert peak_flops.published(torch.device("cpu"), "bf16") is None


def test_a_product_is_measured_in_its_arithmetic():
    before = torch.backends.cuda.matmul.allow_tf32
    assert 1e8 < peak_flops.measured(torch.device("cpu"), "fp32", side=256, repeats=3) < 1e14
    assert torch.backends.cuda.matmul.allow_tf32 == before


def test_a_slow_device_is_given_smaller_products_and_fewer(monkeypatch):
    asked = []

    def product(device, kind, side):
        def multiply():
            asked.append(side)
            return side**3 * 1e-8  # 0.17 s at 256, 86 s at 2048

        return multiply

    monkeypatch.setattr(peak_flops, "_product", product)
    assert peak_flops.measured(torch.device("cpu"), "bf16") == pytest.approx(2e8)
    assert set(asked) == {256}
    assert sum(side**3 * 1e-8 for side in asked) < 2 * peak_flops.PATIENCE
