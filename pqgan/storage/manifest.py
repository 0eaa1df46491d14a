"""sha256 of files, and manifests that list them."""

import hashlib
from pathlib import Path


def sha256(path: Path | str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
