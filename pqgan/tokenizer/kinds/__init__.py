"""Every kind of tokenizer, a file each: its interface, how it is built, and what it computes in training."""

from .base import Tokenizer
from .kl import KLTokenizer
from .pq import PQTokenizer
from .tiny import TinyTokenizer
from .vqgan import VQGANTokenizer

__all__ = ["BY_CLASS", "BY_NETWORK", "Tokenizer"]

KINDS: tuple[type[Tokenizer], ...] = (PQTokenizer, KLTokenizer, VQGANTokenizer, TinyTokenizer)
BY_CLASS = {kind.model_class: kind for kind in KINDS}
"""By the name of a diffusers class, or ours."""
BY_NETWORK = {kind.network: kind for kind in KINDS}
"""By the `network` of the settings."""
