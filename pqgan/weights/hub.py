"""One file of the Hugging Face hub, through its own library and cache: its resuming, tokens and HF_HUB_OFFLINE."""

import os
import re
from pathlib import Path, PurePosixPath

from pqgan.errors import NO_ROOM, PqganError, ResourceError

from .catalogue import Hub
from .download import Unreachable, refuse_if_offline
from .recorded import Seen, refuse

TIMEOUT = 20.0
"""Seconds for the hub to answer."""
SHA256 = r"[0-9a-f]{64}"


def from_hub(hub: Hub, digest: str | None, seen: Seen | None, record: Path) -> tuple[Path, str, str]:
    """A file in the hub's cache, fetched if need be; it is not hashed here.

    Args:
        digest: sha256 where it is pinned.
        seen: of a file without, what the hub gave first.
        record: that says so, for the message.

    Returns:
        path, the sha256 that it should have (pinned, seen first, or the one that the hub publishes), commit

    Raises:
        Unreachable: not there and not to be had; or the hub publishes no sha256 for it, as for small files.
        DataError: the hub has another file now than the one that was seen first.
        ResourceError: disk full.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    digest = digest or (seen and seen.sha256)
    where = {"repo_id": hub.repository, "filename": hub.path}
    revisions = dict.fromkeys(filter(None, (seen and seen.revision, hub.revision)))
    try:
        cached = [path for each in revisions if isinstance(path := try_to_load_from_cache(**where, revision=each), str)]
        if cached:
            path = cached[0]
            if digest is None and os.path.islink(path):
                digest = Path(os.readlink(path)).name  # the blob is named by its ETag, for large files the sha256
        else:
            refuse_if_offline()
            # asked for by itself, because hf_hub_download tries for 20 s where there is no network
            metadata = get_hf_file_metadata(hf_hub_url(**where, revision=hub.revision), timeout=TIMEOUT)
            if seen and metadata.etag != seen.sha256 and re.fullmatch(SHA256, metadata.etag or ""):
                raise refuse(str(hub), f"{metadata.etag} at commit {metadata.commit_hash}", seen, record)
            digest = digest or metadata.etag
            # by its commit: a branch may move between the two
            path = hf_hub_download(**where, revision=metadata.commit_hash or hub.revision)
    except PqganError:
        raise
    except Exception as error:  # of its own, of its HTTP library or of the disk, in no common family
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise ResourceError(f"{hub}: cannot be downloaded: {error.strerror}; set HF_HOME to another disk") from None
        raise Unreachable(" ".join(str(error.__cause__ or error).split())[:160]) from None
    if not re.fullmatch(SHA256, digest or ""):
        raise Unreachable("the hub publishes no sha256 for it")
    inside = len(PurePosixPath(hub.path).parts)  # of snapshots/<commit>/<path>
    return Path(path), digest, Path(path).parents[inside - 1].name
