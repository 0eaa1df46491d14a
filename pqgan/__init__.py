"""PQGAN: product-quantised image tokenizers, and the pipeline that reproduces the paper from raw images."""

__version__ = "0.1.0"

from . import start_up

start_up.install()  # before anything of this package can import diffusers
