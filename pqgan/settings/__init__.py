"""params.yaml as typed, frozen settings; importing this never imports torch."""

from .configurations import FSQConfig, KLConfig, LinearConfig, PQConfig, RQConfig, VQGANConfig
from .load import load, read_params
from .readings import Reading
from .scale import Scale, Settings

__all__ = [
    "FSQConfig",
    "KLConfig",
    "LinearConfig",
    "PQConfig",
    "RQConfig",
    "Reading",
    "Scale",
    "Settings",
    "VQGANConfig",
    "load",
    "read_params",
]
