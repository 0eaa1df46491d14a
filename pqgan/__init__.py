"""PQGAN: product-quantised image tokenizers, and the pipeline that reproduces the paper from raw images."""

__version__ = "0.1.0"

from . import known_to_diffusers, start_up

# before anything of this package can import diffusers
start_up.install()
known_to_diffusers.install()
