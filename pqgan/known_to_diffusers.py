"""After `import pqgan`, diffusers finds PQModel by itself: its saved models and pipelines load without code of theirs.

A saved PQModel names a module file beside it (pqgan.tokenizer.hub_files), which diffusers runs if it is told
`trust_remote_code=True`. Where pqgan was imported nothing of a folder needs to be run: its class is a name among
diffusers' own pipelines, and AutoModel, which refuses every folder that has code, gives it where it would refuse.
Nothing is imported for that: both are done once diffusers is, and PQModel comes with the first folder that names it.
"""

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .import_finder import Finder, LoaderBefore

MODULE, CLASS = "modeling_pq", "PQModel"
"""What saved folders name: a module, whose file lies there too, and the class in it."""
ORIGIN = "pqgan.tokenizer.model"
HUB_OPTIONS = ("subfolder", "cache_dir", "force_download", "local_files_only", "proxies", "revision", "token")
"""Of a from_pretrained: which files are meant."""


def install() -> None:
    """Make PQModel known, now or when diffusers is imported. A second call changes nothing."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name, make_known in PLACES.items():
        if (module := sys.modules.get(name)) is not None:
            make_known(module)


def _among_pipelines(pipelines: ModuleType) -> None:
    known = ModuleType(MODULE, "PQModel, once it is asked for.")
    known.__getattr__ = _looked_up
    setattr(pipelines, MODULE, known)


def _looked_up(name: str) -> type:
    if name != CLASS:
        raise AttributeError(f"module {MODULE!r} has no attribute {name!r}")
    return getattr(import_module(ORIGIN), CLASS)


def _by_auto_model(module: ModuleType) -> None:
    own, own_from_config = module.AutoModel.from_pretrained.__func__, module.AutoModel.from_config.__func__

    @functools.wraps(own)
    def from_pretrained(cls: type, pretrained_model_or_path: Any = None, **options: Any) -> Any:
        try:
            return own(cls, pretrained_model_or_path, **options)
        except ValueError:  # code that it was not told to trust, or a class that it does not know
            if _our_config(pretrained_model_or_path, options) is None:
                raise
        options.pop("trust_remote_code", None)
        return _looked_up(CLASS).from_pretrained(pretrained_model_or_path, **options)

    @functools.wraps(own_from_config)
    def from_config(cls: type, pretrained_model_name_or_path_or_dict: Any = None, **options: Any) -> Any:
        try:
            return own_from_config(cls, pretrained_model_name_or_path_or_dict, **options)
        except (ValueError, OSError):  # OSError: after a pipeline's part the library looks for the pipeline's file
            config = _our_config(pretrained_model_name_or_path_or_dict, options)
            if config is None:
                raise
        of_model = {name: value for name, value in options.items() if name not in (*HUB_OPTIONS, "trust_remote_code")}
        return _looked_up(CLASS).from_config(config, **of_model)

    module.AutoModel.from_pretrained = classmethod(from_pretrained)
    module.AutoModel.from_config = classmethod(from_config)


def _our_config(place: Any, options: dict[str, Any]) -> dict[str, Any] | None:
    """The configuration there, or that it is itself, if it names PQModel."""
    which = {name: options[name] for name in HUB_OPTIONS if name in options}
    try:
        config = place if isinstance(place, dict) else _looked_up(CLASS).load_config(place, **which)
    except (OSError, ValueError):
        return None
    return config if config.get("_class_name") == CLASS else None


PLACES: dict[str, Callable[[ModuleType], None]] = {
    "diffusers.pipelines": _among_pipelines,
    "diffusers.models.auto_model": _by_auto_model,
}
"""Module of diffusers -> what makes PQModel known to it."""


class _Loader(LoaderBefore):
    """A module's own loader, and then what makes PQModel known."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = module.__spec__.loader = self.own
        self.own.exec_module(module)
        # a lazy package puts another module in its place
        PLACES[module.__name__](sys.modules[module.__name__])


class _Finder(Finder):
    """Lets something be done once a module was made."""

    names, loader = PLACES, _Loader
