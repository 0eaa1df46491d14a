"""A finder of some modules alone, Python's own way to say how a module is loaded: it finds them where everything is
found, and puts another loader before their own.
"""

from collections.abc import Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class LoaderBefore(Loader):
    """Stands before a module's own loader.

    Args:
        own: the module's.
    """

    def __init__(self, own: Loader):
        self.own = own


class Finder(MetaPathFinder):
    """Base class of a finder of modules by name."""

    names: Collection[str]
    """Of the modules that it finds."""
    loader: type[LoaderBefore]
    """What it puts before their own."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = self.loader(spec.loader)
        return spec
