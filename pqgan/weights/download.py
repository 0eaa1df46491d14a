"""One file from the web: resumed after a cut, checked before it takes its name, one download between processes."""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from pqgan.errors import NO_ROOM, DataError, ResourceError
from pqgan.storage.manifest import sha256

TIMEOUT = 30.0
"""Seconds without an answer or a byte after which a connection counts as cut."""
RETRIES = 5
"""Connections in a row that may bring nothing, once there was an answer."""
BUSY = (408, 429, 500, 502, 503, 504)
"""Answers of a server that may have another one later."""
BLOCK = 1 << 20


class Unreachable(ResourceError):
    """A file that its address does not give now; the message says why, in a few words."""


class _Cut(Exception):
    """A connection that failed; `answered` where the server was reached."""

    def __init__(self, reason: str, answered: bool):
        super().__init__(reason)
        self.answered = answered


def refuse_if_offline() -> None:
    """The hub's switch holds for every download: on the nodes where it is set, a connection would only time out.

    Raises:
        Unreachable: it is set.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise Unreachable("HF_HUB_OFFLINE is set")


def download(url: str, target: Path, *, size: int, digest: str) -> None:
    """Bring a file to its place, unless another process has brought it meanwhile.

    What has arrived stays beside the target as `<name>.part`, and the next download goes on from there. Where that
    turns out to be the beginning of another file, the whole is fetched once more.

    Args:
        target: takes this name only if size and digest are right; its folder is made.
        size: bytes.
        digest: sha256.

    Raises:
        Unreachable: no connection, an HTTP error, or cut again and again.
        DataError: the address holds another file.
        ResourceError: disk full, folder not writable.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target) as file:
            if file is None:
                return
            resumed = _fetch(url, file, target.name, size)
            if (found := sha256(file.name)) != digest and resumed:
                file.truncate(0)
                _fetch(url, file, target.name, size)
                found = sha256(file.name)
            if found != digest:
                file.truncate(0)
                raise DataError(
                    f"{url}: sha256 is {found}; expected {digest}: the address holds another file now; "
                    f"put the right one at {target}"
                )
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, target)
    except OSError as error:
        advice = "free space (what has come is kept) or " if error.errno in NO_ROOM else ""
        raise ResourceError(
            f"{target}: cannot be written: {error.strerror}; {advice}name another folder in XDG_CACHE_HOME"
        ) from None


@contextmanager
def _alone(target: Path) -> Iterator[IO[bytes] | None]:
    """The partial file, this process's alone, to be appended to; None where the target is there. Empty, it is removed.

    The lock is on the file itself, so that a killed process leaves none.
    """
    part = target.with_name(f"{target.name}.part")
    while True:
        file = open(part, "ab")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"{target.name}: another process is downloading it; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            # a file system without locks: a part of its own disturbs nobody
            file.close()
            part = target.with_name(f"{target.name}.{os.getpid()}.part")
            file = open(part, "ab")  # noqa: SIM115
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), part.stat()):
                break
        file.close()  # it has become the target while this process waited, or was removed
    with file:
        try:
            if target.exists():
                file.truncate(0)
                yield None
            else:
                yield file
        finally:
            if _length(file) == 0:
                part.unlink(missing_ok=True)


def _fetch(url: str, file: IO[bytes], name: str, size: int) -> bool:
    """Append what is missing of `size` bytes. Returns whether there was a beginning from an earlier download."""
    if _length(file) > size:
        file.truncate(0)
    start = _length(file)
    free = shutil.disk_usage(Path(file.name).parent).free
    if free < size - start:
        raise ResourceError(
            f"{file.name}: {shown(size - start)} are missing and {shown(free)} are free; "
            "free space, or name another folder in XDG_CACHE_HOME"
        )
    if start == size:
        return True
    _say(f"{name}: downloading {shown(size)} from {url}" + (f", of which {shown(start)} are there" if start else ""))
    began, best, failures, answered, tag = time.monotonic(), start, 0, False, None
    with tqdm(total=size, initial=start, desc=name, unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
        while (have := _length(file)) < size:
            reason = "the connection was cut"
            try:
                with _opened(url, have, tag) as response:
                    answered = True
                    if not _continues(response, url, have, size):
                        file.truncate(0)
                    tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
                    for block in _blocks(response):
                        file.write(block)
                        file.flush()
                        bar.update(_length(file) - bar.n)
            except _Cut as error:
                reason, answered = str(error), answered or error.answered
            if (have := _length(file)) >= size:
                break
            # a server that cannot resume may be cut at the same place for ever
            failures, best = (0 if have > best else failures + 1), max(have, best)
            if failures > RETRIES or not answered:
                kept = f"; {shown(have)} are kept for the next time" if have else ""
                raise Unreachable(reason + kept)
            time.sleep(min(2.0**failures, 30))
    if _length(file) > size:
        file.truncate(0)
        raise DataError(f"{url}: sends more than {size} bytes: the address holds another file now")
    took = max(time.monotonic() - began, 1e-3)
    _say(f"{name}: {shown(size - start)} in {took:.0f} s, {shown(int((size - start) / took))}/s")
    return start > 0


def _opened(url: str, have: int, tag: str | None) -> HTTPResponse:
    """The answer to a request for everything after the first `have` bytes."""
    headers = {"User-Agent": "pqgan", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag and not tag.startswith("W/"):  # the whole is sent where the file has changed since
            headers["If-Range"] = tag
    try:
        return urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        reason = f"HTTP error {error.code} {error.reason}".rstrip()
        error.close()
        if error.code in BUSY:
            raise _Cut(reason, answered=True) from None
        if error.code == 416 and have:
            return _opened(url, 0, None)
        raise Unreachable(reason) from None
    except (HTTPException, OSError) as error:
        raise _Cut(_reason(error), answered=False) from None


def _continues(response: HTTPResponse, url: str, have: int, size: int) -> bool:
    """Whether an answer goes on after `have` bytes; else it is the whole.

    Raises:
        DataError: it is of a file of another size.
    """
    if response.status == 206:
        # bytes <first>-<last>/<size or *>
        span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        if span.partition("-")[0] != str(have):
            raise _Cut("the server resumed elsewhere than asked", answered=True)
        sent = None if total == "*" else total
    else:
        sent = response.headers.get("Content-Length")
    if sent is not None and sent != str(size):
        kind = response.headers.get_content_type()
        raise DataError(f"{url}: sends {sent} bytes of {kind}; expected {size}: the address holds another file now")
    return response.status == 206


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            block = response.read1(BLOCK)
        except (HTTPException, OSError) as error:
            raise _Cut(_reason(error), answered=True) from None
        if not block:
            return
        yield block


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return " ".join(str(getattr(reason, "strerror", None) or reason or type(reason).__name__).split())[:100]


def _length(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def shown(size: int) -> str:
    """Bytes as people read them: 95.6 MB."""
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
