"""PQGAN: product-quantised image tokenizers, and the pipeline that reproduces the paper from raw images."""

__version__ = "0.1.0"
