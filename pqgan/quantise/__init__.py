"""Product quantisation: the layer, the search for the nearest code, code usage, codes on disk.

`from pqgan.quantise import ProductQuantiser` works, and so do the other quantisers and `nearest_codes`; torch is
imported once one of them is asked for, because code files are read without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .finite_scalar import FiniteScalarQuantiser
    from .matching import nearest_codes
    from .product import ProductQuantiser
    from .residual import ResidualQuantiser

__all__ = ["FiniteScalarQuantiser", "ProductQuantiser", "ResidualQuantiser", "nearest_codes"]

_MODULES = {
    "FiniteScalarQuantiser": "finite_scalar",
    "ProductQuantiser": "product",
    "ResidualQuantiser": "residual",
    "nearest_codes": "matching",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
