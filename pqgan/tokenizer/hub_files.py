"""What a saved PQModel carries so that diffusers loads it elsewhere: a module file, and its name in config.json.

AutoModel looks for the class in `auto_map` of config.json, a pipeline for the module that model_index.json names; both
find `modeling_pq.py` in the model's own folder and run it with `trust_remote_code=True`. The file holds no model: it
imports pqgan's, or says what to install. After `import pqgan` it is not run (pqgan.known_to_diffusers).
"""

import json
import os
from typing import Any

from pqgan.known_to_diffusers import CLASS, MODULE, ORIGIN

MODULE_FILE = f"{MODULE}.py"
AUTO_MAP = {"AutoModel": f"{MODULE}.{CLASS}"}

START = '"""PQModel, for diffusers\' trust_remote_code=True: '
"""Of the module file in every version: what is not begun so is somebody's own."""

CONTENT = f'''\
{START}the class is that of the package pqgan, which has to be installed."""

import importlib

try:
    {CLASS} = importlib.import_module("{ORIGIN}").{CLASS}
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "pqgan":
        raise
    raise ImportError(
        "PQModel is a class of the package pqgan, which is not installed here: run `pip install .` in a checkout of "
        "the PQGAN reproduction, then load the model again"
    ) from None
'''
"""Of the module file. A name that is looked up needs no line that diffusers takes for a package of PyPI."""


def with_auto_map(config: dict[str, Any]) -> dict[str, Any]:
    """A config.json's content, with what AutoModel looks for if it is that of a PQModel."""
    return config | {"auto_map": AUTO_MAP} if config.get("_class_name") == CLASS else config


def write_module_file(folder: str | os.PathLike) -> None:
    """Write modeling_pq.py into the folder of a PQModel, or in place of an earlier one.

    Raises:
        FileExistsError: there is one that this package did not write.
    """
    path = os.path.join(folder, MODULE_FILE)
    if os.path.exists(path):
        with open(path, "rb") as file:
            if not file.read(len(START)).startswith(START.encode()):
                raise FileExistsError(
                    f"{path}: is there and not what pqgan writes under this name; move it, or save to another folder"
                )
    with open(path, "w", encoding="utf-8") as file:
        file.write(CONTENT)


class HubFiles:
    """First base class of PQModel: what is saved, and how pipelines name it.

    A class derived from PQModel is saved as any of its module is: diffusers has to be told where it is.
    """

    def __init__(self):
        super().__init__()
        if self._is_the_class_itself():
            # a pipeline asks each part for it, and writes it into model_index.json
            self.__module__ = MODULE

    @classmethod
    def _is_the_class_itself(cls) -> bool:
        return (cls.__module__, cls.__qualname__) == (ORIGIN, CLASS)

    @classmethod
    def extract_init_dict(cls, config_dict: dict[str, Any], **options: Any) -> tuple:
        """As of ConfigMixin, for which `auto_map` is no option that it has to warn of."""
        return super().extract_init_dict({key: config_dict[key] for key in config_dict if key != "auto_map"}, **options)

    def to_json_string(self) -> str:
        """As of ConfigMixin, and `auto_map`."""
        config = super().to_json_string()
        if not self._is_the_class_itself():
            return config
        return json.dumps(with_auto_map(json.loads(config)), indent=2, sort_keys=True) + "\n"

    def save_config(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **options: Any) -> None:
        """As of ConfigMixin, and modeling_pq.py; `save_pretrained` of models and pipelines calls it.

        Raises:
            FileExistsError: the folder holds a modeling_pq.py that this package did not write.
        """
        if self._is_the_class_itself() and not os.path.isfile(save_directory):
            os.makedirs(save_directory, exist_ok=True)
            write_module_file(save_directory)
        super().save_config(save_directory, push_to_hub=push_to_hub, **options)
