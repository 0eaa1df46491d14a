"""Codes as a string of bits: ceil(log2 K) of them a code, and nothing in between.

Bit j of the string is bit j % 8, counted from the least significant, of byte j // 8. Code i, least significant bit
first, takes bits i*b to (i+1)*b - 1. What is left of the last byte is zero.
"""

import math

import numpy as np

from pqgan.settings.base import LARGEST_K
from pqgan.subjects import code_bits

SMALLEST_K = 2
BLOCK = 1 << 16
"""Codes unpacked into bytes of one bit at a time, which the cache holds; a multiple of 8, so that blocks join."""


def bits_of(K: int) -> int:
    """Bits of a code: ceil(log2 K).

    Raises:
        ValueError: codebooks too small to need codes, or larger than the format allows.
    """
    if not SMALLEST_K <= K <= LARGEST_K:
        raise ValueError(f"codebooks of {K} words; allowed: {SMALLEST_K} to {LARGEST_K}")
    return code_bits(K)


def packed_size(count: int, K: int) -> int:
    """Bytes of so many codes: ceil(count * ceil(log2 K) / 8)."""
    return -(-count * bits_of(K) // 8)


def code_type(K: int) -> np.dtype:
    """The smallest unsigned integer that holds a code, its bytes in the order of the format."""
    return np.min_scalar_type(K - 1).newbyteorder("<")


def pack(codes: np.ndarray, K: int) -> bytes:
    """Integers of any shape, in C order, as `packed_size(codes.size, K)` bytes.

    Raises:
        ValueError: no integers, or a code outside [0, K): names it and its place.
    """
    if not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(f"codes of type {codes.dtype}; expected integers")
    _check(codes, K)
    bits, kind = bits_of(K), code_type(K)
    flat = np.ascontiguousarray(codes, kind).reshape(-1)
    blocks = (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))
    return b"".join(_packed(block.view(np.uint8).reshape(-1, kind.itemsize), bits) for block in blocks)


def _packed(octets: np.ndarray, bits: int) -> bytes:
    used = np.unpackbits(octets, axis=1, count=bits, bitorder="little")  # (n, bits)
    return np.packbits(used.reshape(-1), bitorder="little").tobytes()


def _check(codes: np.ndarray, K: int) -> None:
    if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < K:
        # one pass more, in an error alone
        place = tuple(int(at) for at in np.argwhere((codes < 0) | (codes >= K))[0])
        axes = "(subspace, row, column) " if codes.ndim == 3 else ""
        raise ValueError(f"code {codes[place]} at {axes}{place}; allowed: 0 to {K - 1}")


def unpack(packed: bytes, shape: int | tuple[int, ...], K: int) -> np.ndarray:
    """The codes of `shape`, of `code_type(K)`.

    Raises:
        ValueError: another number of bytes than so many codes take, or a code outside [0, K): names it and its place.
    """
    count = math.prod(shape) if isinstance(shape, tuple) else shape
    if len(packed) != packed_size(count, K):
        raise ValueError(f"{len(packed)} bytes for {count} codes; expected {packed_size(count, K)}")
    bits, kind = bits_of(K), code_type(K)
    octets = np.frombuffer(packed, np.uint8)
    codes = np.empty(count, kind)
    wide = np.zeros((min(BLOCK, count), 8 * kind.itemsize), np.uint8)  # the bits above a code's own stay zero
    for start in range(0, count, BLOCK):
        n = min(BLOCK, count - start)
        used = np.unpackbits(octets[start * bits // 8 :], count=n * bits, bitorder="little")
        wide[:n, :bits] = used.reshape(n, bits)
        codes[start : start + n] = np.packbits(wide[:n].reshape(-1), bitorder="little").view(kind)
    codes = codes.reshape(shape)
    _check(codes, K)
    return codes
