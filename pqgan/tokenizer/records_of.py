"""Records of evaluations that were measured on the model that is exported, for its card."""

import sys
from collections.abc import Iterable
from pathlib import Path

from pqgan.errors import DataError
from pqgan.records import Record
from pqgan.storage.json_files import read_model
from pqgan.storage.manifest import sha256

from .model_card import Measured, is_of_random_networks, kept


def measured_of(files: Iterable[Path], model: Path, rounded_to: str) -> list[Measured]:
    """Each file's record, and what is to be known of the weights that it measured.

    Args:
        files: metrics.json of `pqgan evaluate` or of the pipeline.
        model: folder of the model that is exported.
        rounded_to: dtype, if the exported weights are not those of the folder.

    Raises:
        DataError: no record, one of something else than reconstructions, of other weights, or of nothing that compares.
    """
    own = {path.name: sha256(path) for path in sorted(model.glob("*.safetensors"))}
    found = []
    for path in files:
        record = read_model(path, Record, "a metrics.json, as pqgan evaluate writes it")
        source = record.provenance.get("model")
        if record.kind != "reconstruction" or not isinstance(source, dict):
            raise DataError(f"--metrics: {path}: a record of kind {record.kind}; expected one of reconstructions")
        # one that was exported before has the name of another folder, and the same weights
        if source.get("files") != own:
            raise DataError(f"--metrics: {path}: measured other weights than those in {model}; evaluate these")
        if not kept(record):
            raise DataError(f"--metrics: {path}: no number of it compares with others; evaluate with real networks")
        if left := [
            item.metric for item in record.measurements if item.headline and is_of_random_networks(record, item)
        ]:
            print(f"{path}: left out, of networks with random weights: {', '.join(left)}", file=sys.stderr)
        note = f" Measured before the weights were rounded to {rounded_to}." if rounded_to else ""
        found.append(Measured(record, note))
    return found
