"""Every kernel becomes machine code for a Hopper GPU that keeps its registers and fits its shared memory."""

import pytest
import torch

SHARED_MEMORY = 227 * 1024  # of a block, compute capability 9.0


def assert_fits(code, *expected):
    assert set(code) == set(expected)
    for name, kernel in code.items():
        assert kernel.stack == kernel.local == 0, f"{name} spills registers: {kernel.stack} bytes of stack"
        assert kernel.shared <= SHARED_MEMORY, name


def sizes(B, d, S, K, layout=torch.contiguous_format):
    z = torch.empty(B, d, 32, 32).to(memory_format=layout).view(B, S, d // S, 1024)
    return z, torch.zeros(S, K, d // S)


@pytest.mark.parametrize(
    ("B", "d", "S", "K", "layout"),
    [
        (1, 128, 64, 512, torch.channels_last),
        (20, 256, 128, 16_384, torch.contiguous_format),
        (1, 16, 1, 8192, torch.contiguous_format),
        (1, 256, 256, 128, torch.contiguous_format),
        (1, 16, 16, 16_384, torch.channels_last),
    ],
)
def test_few_channels(compiled, B, d, S, K, layout):
    z, codebooks = sizes(B, d, S, K, layout)
    assert_fits(compiled(lambda kernels: kernels.assign(z, codebooks)), "_search")


@pytest.mark.parametrize(
    ("B", "d", "K", "layout"), [(1, 256, 16_384, torch.contiguous_format), (20, 32, 512, torch.channels_last)]
)
def test_many_channels_use_matrix_units(compiled, B, d, K, layout):
    z, codebooks = sizes(B, d, 1, K, layout)
    code = compiled(lambda kernels: kernels.assign(z, codebooks))
    assert_fits(code, "_centre", "bound_all", "decide", "gather")
    assert "wgmma" in code["bound_all"].ptx
    assert "wgmma" in code["decide"].ptx


@pytest.mark.parametrize(("d", "S", "K"), [(128, 64, 512), (256, 1, 16_384), (256, 128, 16_384)])
def test_gradients_and_usage(compiled, d, S, K):
    z, codebooks = sizes(1, d, S, K)
    codes, weight = torch.zeros(1, S, 1024, dtype=torch.int64), torch.tensor(1.0)

    def call(kernels):
        kernels.assign_backward(z, weight, weight, z, codes, codebooks)
        kernels.histogram(codes, K)

    assert_fits(compiled(call), "_latents", "_codewords", "_count")
