"""Batch norm of one process is torch's own."""

import subprocess
import sys

import torch

from pqgan.tokenizer.batchnorm import BatchNorm2d


def test_one_process_equals_torch():
    generator = torch.Generator().manual_seed(0)
    norms = BatchNorm2d(5), torch.nn.BatchNorm2d(5)
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, generator=generator.manual_seed(1))
        torch.nn.init.uniform_(norm.bias, generator=generator.manual_seed(2))
    for step in range(3):
        x = torch.randn(4, 5, 6, 7, generator=generator.manual_seed(step)) * 3 + 1
        inputs = [x.clone().requires_grad_() for _ in norms]
        outputs = [norm(value) for norm, value in zip(norms, inputs, strict=True)]
        assert torch.equal(*outputs)
        for output in outputs:
            (output * x.sin()).sum().backward()
        assert torch.equal(*(value.grad for value in inputs))
    assert norms[0].state_dict().keys() == norms[1].state_dict().keys()
    for key, value in norms[0].state_dict().items():
        assert torch.equal(value, norms[1].state_dict()[key]), key
    assert torch.equal(*(norm.eval()(x) for norm in norms))


PROGRAM = """
import copy, torch
from torch import distributed
from pqgan.tokenizer.discriminator import PatchGAN

distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(0)
eager = PatchGAN(4, 1)
compiled = copy.deepcopy(eager)
compiled.compile(fullgraph=True, backend="aot_eager")
images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(rank))
gradients = []
for network in (eager, compiled):
    network(images).square().mean().backward()
    gradients.append([parameter.grad for parameter in network.parameters()])
assert distributed.get_world_size() == 2
for left, right in zip(*gradients, strict=True):
    torch.testing.assert_close(left, right)
distributed.destroy_process_group()
"""


def test_a_compiler_keeps_the_gradients_through_the_statistics_of_all_processes(tmp_path):
    """The collectives of torch.distributed.nn lose theirs when compiled."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*launcher, program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
