"""Records of evaluations that were measured on the model that is exported, for its card."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pqgan.errors import DataError
from pqgan.records import Record
from pqgan.storage.json_files import read_model, read_object
from pqgan.storage.manifest import sha256

from .model_card import Measured, is_of_random_networks, kept

SOURCE = "source.json"
"""Beside the weights of a published model that was fetched."""


def measured_of(files: Iterable[Path], model: Path, exported: str, rounded_to: str) -> list[Measured]:
    """Each file's record, and what is to be known of the weights that it measured.

    Args:
        files: metrics.json of `pqgan evaluate` or of the pipeline.
        model: folder of the model that is exported.
        exported: sha256 of the exported weights, which may have been measured as well.
        rounded_to: dtype, if the exported weights are not those of the folder.

    Raises:
        DataError: no record, one of something else than reconstructions, of other weights, or of nothing that compares.
    """
    own = {sha256(path) for path in model.glob("*.safetensors")}
    if (model / SOURCE).is_file():  # a published model is known by the files that it was made from
        published = read_object(model / SOURCE, "which published weights these are")
        if _digests(published, "weights") == own:
            own = _digests(published, "files")
    found = []
    for path in files:
        record = read_model(path, Record, "a metrics.json, as pqgan evaluate writes it")
        source = record.provenance.get("model")
        if record.kind != "reconstruction":
            raise DataError(f"--metrics: {path}: a record of kind {record.kind}; expected one of reconstructions")
        if not isinstance(source, dict) or not (measured := _digests(source, "files")):
            raise DataError(f"--metrics: {path}: does not say which weights it measured; evaluate the model again")
        if measured not in (own, {exported}):
            raise DataError(f"--metrics: {path}: measured other weights than those in {model}; evaluate these")
        if not kept(record):
            raise DataError(f"--metrics: {path}: no number of it compares with others; evaluate with real networks")
        if left := [
            item.metric for item in record.measurements if item.headline and is_of_random_networks(record, item)
        ]:
            print(f"{path}: left out, of networks with random weights: {', '.join(left)}", file=sys.stderr)
        before = rounded_to and measured != {exported}
        note = f" Measured before the weights were rounded to {rounded_to}." if before else ""
        found.append(Measured(record, note))
    return found


def _digests(holder: dict[str, Any], name: str) -> set[str]:
    """sha256 of files, whatever they are called, as an entry lists them; none if it lists none."""
    files = holder.get(name)
    return {str(digest) for digest in files.values()} if isinstance(files, dict) else set()
