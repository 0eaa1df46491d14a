"""Damaged files from whole ones: drawn by hypothesis, so that the same seed makes the same."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

DEEP: Any = 0
for _ in range(100):
    DEEP = [DEEP]
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 10**6, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, 5e-324),
    *(
        float("nan"),
        float("inf"),
        "",
        "x",
        "0",
        "NaN",
        "Infinity",
        "../../x",
        "/etc/passwd",
        "a" * 10_000,
        "\n\x1b[31m",
    ),
    *("\ud800", "\0", "ü", [], {}, [[]], [{}], {"": []}, [0] * 1000, DEEP),
)
BLOBS = (
    *(b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n", b"\t", b",", b'"', b"'", b"{", b"}", b"["),
    *(b"]", b":", b"- ", b"&a ", b"*a", b"!!python/object:os.system ", b"NaN", b"-1", b"9" * 400, b"1e999", b"\\ud800"),
    *(b"\\u0000", b"[" * 100_000, b'{"a":' * 50_000, b"a" * 200_000, b"\0" * 1000, b"../", b"  "),
)


@dataclass(frozen=True)
class Damage:
    """A way to put something else in the place of a file."""

    what: str
    make: Callable[[Path], None]

    def __repr__(self) -> str:
        return self.what


def written(content: bytes, what: str) -> Damage:
    """Other bytes."""
    return Damage(
        f"{what} -> {content[:2000]!r}{'...' if len(content) > 2000 else ''}", lambda path: path.write_bytes(content)
    )


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _linked(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return make


KINDS = (
    Damage("missing", lambda path: path.unlink()),
    Damage("a pipe", _pipe),
    Damage("a folder", _folder),
    Damage("endless", _linked("/dev/zero")),
    Damage("a link to itself", lambda path: _linked(path.name)(path)),
    written(b"", "empty"),
    written(b"{}", "an object"),
    written(b"[]", "a list"),
    written(b"0", "a number"),
    written(b"[" * 200_000, "deep"),
    written(bytes(range(256)) * 64, "bytes"),
)


def remove(path: Path) -> None:
    """Whatever lies there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@st.composite
def _bytes(draw, content: bytes) -> bytes:
    """Other bytes: one to three of flip, cut, insert, repeat, drop, overwrite."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(made) - 1)))
        span = min(len(made) - at, draw(st.sampled_from((1, 2, 8, 64, 1000))))
        match draw(st.sampled_from(("flip", "flip", "cut", "insert", "repeat", "drop", "overwrite"))):
            case "flip" if made:
                made[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del made[at:]
            case "insert":
                made[at:at] = draw(st.sampled_from(BLOBS))
            case "repeat":
                made[at:at] = made[at : at + span]
            case "drop":
                del made[at : at + span]
            case "overwrite":
                made[at : at + span] = draw(st.sampled_from(BLOBS))
    return bytes(made)


@st.composite
def _edited(draw, content: Any) -> Any:
    """Another structure: keys and items deleted, renamed, repeated, swapped, or given another value."""
    content = deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        holder, key = _place(draw, content)
        if holder is None:
            return deepcopy(draw(st.sampled_from(VALUES)))
        match draw(st.sampled_from(("value", "value", "value", "delete", "rename", "repeat", "wrap", "swap"))):
            case "value":
                holder[key] = deepcopy(draw(st.sampled_from(VALUES)))
            case "delete":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(("", "x", "a" * 5000, "\n", *map(str, holder))))] = holder.pop(key)
            case "repeat" if isinstance(holder, list):
                holder.insert(key, deepcopy(holder[key]))
            case "wrap":
                holder[key] = draw(st.sampled_from((list, dict)))([("in", holder[key])])
            case "swap":
                other, another = _place(draw, content)
                if other is not None:
                    holder[key], other[another] = deepcopy(other[another]), deepcopy(holder[key])
    return content


def _place(draw, content: Any) -> tuple[Any, Any]:
    """Somewhere inside, each level as likely as the next."""
    holder, key = None, None
    while isinstance(content, (dict, list)) and content and draw(st.integers(0, 3)):
        holder = content
        key = (
            draw(st.sampled_from(sorted(content)))
            if isinstance(content, dict)
            else draw(st.integers(0, len(content) - 1))
        )
        content = content[key]
    return holder, key


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()


def _yaml(content: Any, _: bytes) -> bytes:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode(errors="surrogatepass")


def _lines(content: Any, _: bytes) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in (content if isinstance(content, list) else [content]))


def _header_of(whole: bytes) -> Any:
    (size,) = struct.unpack_from("<Q", whole)
    return json.loads(whole[8 : 8 + size])


def _with_header(content: Any, whole: bytes) -> bytes:
    (size,), packed = struct.unpack_from("<Q", whole), json.dumps(content).encode()
    return struct.pack("<Q", len(packed)) + packed + whole[8 + size :]


STRUCTURES: dict[str, tuple[Callable[[bytes], Any], Callable[[Any, bytes], bytes]]] = {
    "json": (json.loads, lambda content, _: _json(content)),
    "yaml": (yaml.safe_load, _yaml),
    "jsonl": (
        lambda whole: [json.loads(line) for line in whole.splitlines()],
        lambda content, _: b"\n".join(
            json.dumps(line).encode() for line in (content if isinstance(content, list) else [0])
        ),
    ),
    "safetensors": (_header_of, _with_header),
}
"""Kind of file -> its structure, and a file of another structure; of safetensors, that of the header."""


def damages(whole: bytes, kind: str, others: tuple[bytes, ...] = ()) -> st.SearchStrategy[Damage]:
    """Ways to damage a file.

    Args:
        whole: its content.
        kind: of STRUCTURES, or anything else for a file without one.
        others: whole files that it may be taken for.
    """
    made = [st.sampled_from(KINDS), *[_bytes(whole).map(lambda content: written(content, "bytes"))] * 4]
    if kind in STRUCTURES:
        unpack, pack = STRUCTURES[kind]
        edited = _edited(unpack(whole)).map(lambda content: written(pack(content, whole), "structure"))
        made += [edited] * 7
    if others:
        made.append(st.sampled_from([written(other, "swapped") for other in others]))
    return st.one_of(*made)
