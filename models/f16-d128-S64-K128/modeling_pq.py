"""PQModel, for diffusers' trust_remote_code=True: the class is that of the package pqgan, which has to be installed."""

import importlib

try:
    PQModel = importlib.import_module("pqgan.tokenizer.model").PQModel
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "pqgan":
        raise
    raise ImportError(
        "PQModel is a class of the package pqgan, which is not installed here: run `pip install .` in a checkout of "
        "the PQGAN reproduction, then load the model again"
    ) from None
