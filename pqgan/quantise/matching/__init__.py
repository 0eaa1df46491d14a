"""The nearest codeword of every subspace, exactly: one function, one file a backend."""

from .nearest import BACKENDS, available, check_finite, narrow, nearest_codes, search

__all__ = ["BACKENDS", "available", "check_finite", "narrow", "nearest_codes", "search"]
