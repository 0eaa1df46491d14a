"""Floating-point operations of a block."""

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Flops(TorchDispatchMode):
    """Counts what runs inside, backward passes too: matrix products, convolutions and attention, by torch's formulas.

    torch's own FlopCounterMode also follows modules, which fails where torch.autograd.grad ends at a leaf.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        if formula := flop_registry.get(function._overloadpacket):
            self.total += formula(*arguments, **(keywords or {}), out_val=result)
        return result
