"""Start-up: diffusers imports the modules that are asked for, not all that it has.

The library makes most of its packages lazy, but not these: with `from diffusers.models.autoencoders.vae import Encoder`
come all its autoencoders and transformers, and with them transformers and scipy.stats, twice what torch itself takes. A
finder, Python's own way to say how a module is loaded, puts off a package's __init__ until a name of it is asked for.
What runs then is the library's own code, and what was imported before pqgan stays as it is.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from threading import RLock
from types import ModuleType
from typing import Any

from .import_finder import Finder, LoaderBefore

PACKAGES: dict[str, dict[str, str]] = {
    "diffusers.hooks": {},
    "diffusers.models.autoencoders": {},
    "diffusers.models.controlnets": {},
    "diffusers.models.transformers": {},
    "diffusers.models.unets": {},
    # every model's base class asks for these two, beside which the package has one that brings transformers
    "diffusers.quantizers": {"DiffusersAutoQuantizer": "auto", "DiffusersQuantizer": "base"},
}
"""Package whose __init__ does nothing but import from its modules -> names that are looked up in one module alone."""

_one_at_a_time = RLock()
_running: set[str] = set()


def install() -> None:
    """Put these packages off from now on, in this process. A second call changes nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextmanager
def importing(name: str) -> Iterator[None]:
    """A block that imports a heavy module, in which nobody looks for cyclic garbage, nor later among what it made.

    Modules live as long as the process, and the search goes over all their objects again and again: a fifth of the time
    of importing torch's compiler and transformers. Nothing is changed if the module was imported already.
    """
    if name in sys.modules:
        yield
        return
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@contextmanager
def standing_in(name: str, module: ModuleType | None) -> Iterator[None]:
    """A block in which `import name` gives this module (None: fails, as if it were not installed).

    Nothing is changed if the module of that name was imported already.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]


class _Deferred(ModuleType):
    """A package that has its path, by which its modules are found, and whose __init__ runs when a name is missing."""

    def __getattr__(self, name: str) -> Any:
        # asked of every module that there is, for example by warnings
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module = PACKAGES[self.__name__].get(name)
        if module is not None:
            return getattr(import_module(f"{self.__name__}.{module}"), name)
        with _one_at_a_time:
            if self.__name__ in _running:  # a module that the __init__ imports asks for what is not there yet
                raise AttributeError(f"partially initialized module {self.__name__!r} has no attribute {name!r}")
            if type(self) is _Deferred:
                _running.add(self.__name__)
                try:
                    self.__loader__.exec_module(self)
                    self.__class__ = ModuleType
                finally:
                    _running.discard(self.__name__)
        return getattr(self, name)


class _Loader(LoaderBefore):
    """Stands before a package's own loader until the package is made."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = module.__spec__.loader = self.own


class _Finder(Finder):
    """Gives the packages above another way to start."""

    names, loader = PACKAGES, _Loader
