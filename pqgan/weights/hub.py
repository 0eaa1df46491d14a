"""One file of the Hugging Face hub, through its own library and cache: its resuming, tokens and HF_HUB_OFFLINE."""

import os
import re
from pathlib import Path

from pqgan.errors import NO_ROOM, ResourceError

from .catalogue import Hub
from .download import Unreachable, refuse_if_offline

TIMEOUT = 20.0
"""Seconds for the hub to answer."""


def from_hub(hub: Hub, digest: str | None) -> tuple[Path, str]:
    """A file in the hub's cache, fetched if need be, and the sha256 that it should have; it is not hashed here.

    Args:
        digest: sha256 where it is pinned, else the one that the hub publishes for the file is given back.

    Raises:
        Unreachable: not there and not to be had; or the hub publishes no sha256 for it, as for small files.
        ResourceError: disk full.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    where = {"repo_id": hub.repository, "filename": hub.path, "revision": hub.revision}
    try:
        path = try_to_load_from_cache(**where)
        if not isinstance(path, str):
            refuse_if_offline()
            # asked for by itself, because hf_hub_download tries for 20 s where there is no network
            metadata = get_hf_file_metadata(hf_hub_url(**where), timeout=TIMEOUT)
            digest = digest or metadata.etag
            path = hf_hub_download(**where)
        elif digest is None and os.path.islink(path):
            digest = Path(os.readlink(path)).name  # the blob is named by its ETag, for large files the sha256
    except Unreachable:
        raise
    except Exception as error:  # of its own, of its HTTP library or of the disk, in no common family
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise ResourceError(f"{hub}: cannot be downloaded: {error.strerror}; set HF_HOME to another disk") from None
        raise Unreachable(" ".join(str(error.__cause__ or error).split())[:160]) from None
    if not re.fullmatch(r"[0-9a-f]{64}", digest or ""):
        raise Unreachable("the hub publishes no sha256 for it")
    return Path(path), digest
