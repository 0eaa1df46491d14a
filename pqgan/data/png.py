"""What of a PNG file makes its pixels, their colours and which way is up, without all else that may be in it.

Pillow refuses a whole image for a text of more than a megabyte, which programs that generate images write, and for any
chunk that is damaged. Left out, neither costs memory, whatever it would unpack to.
"""

import io
import struct
import zlib
from pathlib import Path
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = frozenset({b"tRNS", b"eXIf", b"iCCP"})
"""Chunks that the picture depends on, besides the critical ones, whose names begin with a capital, and TEXTS."""
LONGEST_PROFILE = 1 << 24
"""Bytes of a colour profile; the largest in use, tables for printers, are a few million long."""
TEXT_KINDS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
TEXTS = {b"XML:com.adobe.xmp": "xmp", b"Raw profile type exif": "Raw profile type exif"}
"""Keywords of texts that an orientation may stand in, and what Pillow calls these."""
LONGEST_TEXT = 1 << 20
"""Bytes of one of these, unpacked."""
LONGEST_KEYWORD = 79
SPARE = LONGEST_PROFILE + (1 << 20)
"""Bytes of chunks that are no pixels."""
GREY, RGB = 0, 2
"""Colour types."""


def essence(path: Path | str, most: int) -> tuple[IO[bytes], dict[str, bytes | str]] | None:
    """A PNG file of the same pixels, in memory, and what else it says, as Pillow's `info` has it; None where there is
    no PNG of so few pixels.

    Of what it says, there are its colour profile, empty where that is damaged, its EXIF, and the first text of each
    keyword that may tell which way is up, where these are whole. A file that is cut short stays so.

    Args:
        most: pixels.

    Raises:
        ValueError: more bytes than so many pixels can take.
    """
    kept, form, room = io.BytesIO(), (0, 0), SPARE
    info: dict[str, bytes | str] = {}
    texts = dict(TEXTS)  # not met yet
    with open(path, "rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return None
        kept.write(SIGNATURE)
        kind = b""
        while kind != b"IEND" and len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            if kind in TEXT_KINDS:
                content = file.read(min(length, LONGEST_KEYWORD + 1))
                keyword, _, _ = content.partition(b"\0")
                rest = length + 4 - len(content)
                if length > LONGEST_TEXT or (name := texts.pop(keyword, None)) is None:
                    file.seek(rest, io.SEEK_CUR)
                elif text := _text(kind, content + file.read(rest)):
                    info[name] = text if name == "xmp" else text.decode("latin-1")
                continue
            if kind not in KEPT and not kind[:1].isupper():
                file.seek(length + 4, io.SEEK_CUR)
                continue
            room -= length
            if room < 0:
                raise ValueError("more bytes than its pixels can take")
            content = file.read(length + 4)  # and its checksum
            if kind == b"iCCP":
                _, _, packed = content[:length].partition(b"\0")
                info["icc_profile"] = _unpacked(packed[1:], LONGEST_PROFILE)  # after the method, of which there is one
                continue
            if kind == b"eXIf":
                if _whole(kind, content):
                    info["exif"] = b"Exif\0\0" + content[:length]  # as JPEG has it
                continue
            if kind == b"IHDR":
                width, height, *form = struct.unpack(">IIBB", content[:10].ljust(10, b"\0"))
                if width * height > most:
                    return None
                room = SPARE + 2 * height * (1 + 8 * width)  # of 16 bits and four channels, and as much again
            elif kind == b"tRNS" and len(content) == length + 4:
                content = _transparency(content, *form)
            kept.write(header)
            kept.write(content)
    kept.seek(0)
    return kept, info


def _text(kind: bytes, chunk: bytes) -> bytes:
    """Of a text chunk and its checksum; empty where it is damaged or too long."""
    if not _whole(kind, chunk):
        return b""
    _, _, text = chunk[:-4].partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = text[:1] == b"\1"
        *_, text = text[2:].split(b"\0", 2)  # after the language and the keyword in it
    elif packed:
        text = text[1:]  # after the method, of which there is one
    return _unpacked(text, LONGEST_TEXT) if packed else text


def _whole(kind: bytes, chunk: bytes) -> bool:
    return zlib.crc32(kind + chunk[:-4]).to_bytes(4) == chunk[-4:]


def _unpacked(packed: bytes, most: int) -> bytes:
    """Empty where it is damaged or more than so many bytes."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, most)
    except zlib.error:
        return b""
    return content if unpacking.eof else b""


def _transparency(content: bytes, depth: int, colour: int) -> bytes:
    """The transparent level or colour as Pillow compares it: with grey of 2 or 4 bits as 8, with the upper 8 bits of 16
    a colour. Grey of 16 bits it leaves whole.
    """
    if colour == GREY and depth in (2, 4) and len(content) == 2 + 4:
        (level,) = struct.unpack(">H", content[:2])
        levels = (level % (1 << depth) * (255 // ((1 << depth) - 1)),)
    elif colour == RGB and depth == 16 and len(content) == 6 + 4:
        levels = tuple(level >> 8 for level in struct.unpack(">3H", content[:6]))
    else:
        return content
    changed = struct.pack(f">{len(levels)}H", *levels)
    return changed + struct.pack(">I", zlib.crc32(b"tRNS" + changed))
