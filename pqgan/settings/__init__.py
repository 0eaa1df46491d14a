"""params.yaml as typed, frozen settings; importing this never imports torch."""

from .load import load, read_params
from .readings import Reading
from .scale import Scale, Settings
from .tokenizer import KLConfig, PQConfig, VQGANConfig

__all__ = ["KLConfig", "PQConfig", "Reading", "Scale", "Settings", "VQGANConfig", "load", "read_params"]
