"""How fast GPUs multiply matrices, as their maker's data sheets say; importing this imports no torch."""

from typing import NamedTuple


class GPU(NamedTuple):
    """Dense TFLOP/s, without sparsity, by arithmetic."""

    device: str
    """What the names that torch gives to such devices begin with."""
    bf16: float
    TF32: float
    fp32: float


GPUS = {
    "H200": GPU("NVIDIA H200", bf16=989.4, TF32=494.7, fp32=66.9),
    "H100": GPU("NVIDIA H100 80GB HBM3", bf16=989.4, TF32=494.7, fp32=66.9),
    "H100 PCIe": GPU("NVIDIA H100 PCIe", bf16=756.0, TF32=378.0, fp32=51.0),
    "A100": GPU("NVIDIA A100", bf16=312.0, TF32=156.0, fp32=19.5),
}
"""Name on the command line -> only GPUs whose data sheet was checked."""
