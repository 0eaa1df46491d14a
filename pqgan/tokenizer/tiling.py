"""A network over an image or over latents in tiles that overlap, so that memory does not grow with the image.

A tile's outermost places see an edge that the image does not have. They are left out: in the middle of an overlap one
tile fades into the next, outside of it each place is one tile's alone. A network whose reach ends within what is left
out, such as a linear path and its refinement, computes what it would of the whole. A trunk's norms and attention see
the tile in place of the image, and what that changes fades too.
"""

from collections.abc import Callable

import torch
from torch import Tensor

FADE = 2
"""Two tiles are mixed in the middle 1 / FADE of their overlap."""


def in_tiles(
    network: Callable[[Tensor], Tensor], x: Tensor, *, cells: int, overlap: int, taken: int, made: int
) -> Tensor:
    """`network(x)`, tile by tile.

    Args:
        network: (B, C, a * taken, b * taken) to (B, C', a * made, b * made), for any a and b.
        x: (B, C, H, W) whose sides `taken` divides.
        cells: side of a tile, in positions of the latents.
        overlap: of neighbours, in such positions; below `cells`.
        taken: values of x per position and side.
        made: values of the result per position and side.
    """
    rows, columns = (_spans(x.shape[axis] // taken, cells, overlap, made) for axis in (2, 3))
    whole = None
    for top, bottom, down in rows:
        for left, right, across in columns:
            tile = network(x[:, :, top * taken : bottom * taken, left * taken : right * taken])
            if whole is None:
                sides = (side // taken * made for side in x.shape[2:])
                # weights of half precision would not sum to 1
                dtype = torch.promote_types(tile.dtype, torch.float32)
                whole = tile.new_zeros(*tile.shape[:2], *sides, dtype=dtype)
            place = whole[:, :, top * made : bottom * made, left * made : right * made]
            place += tile * (down[:, None] * across).to(whole)
    return whole.to(tile.dtype)


def _spans(length: int, cells: int, overlap: int, made: int) -> list[tuple[int, int, Tensor]]:
    """First and last position of each tile along an axis, and the weights of its made * positions values; over all
    tiles they sum to 1. The last tile ends where the axis does, as large as the others."""
    if length <= cells:
        return [(0, length, torch.ones(length * made))]
    starts = [*range(0, length - cells, cells - overlap), length - cells]
    total, spans = torch.zeros(length * made), []
    for number, start in enumerate(starts):
        weights = torch.ones(cells * made)
        if number:
            weights *= _rise(starts[number - 1] + cells - start, made, cells * made)
        if number < len(starts) - 1:
            weights *= _rise(start + cells - starts[number + 1], made, cells * made).flip(0)
        total[start * made : (start + cells) * made] += weights
        spans.append((start, start + cells, weights))
    return [(start, stop, weights / total[start * made : stop * made]) for start, stop, weights in spans]


def _rise(overlap: int, made: int, size: int) -> Tensor:
    """Weights (size,) that rise from 0 to 1 in the middle of an overlap of so many positions."""
    fade = max(1, overlap * made // FADE)
    left_out = (overlap * made - fade) // 2
    return ((torch.arange(size) - left_out + 0.5) / fade).clamp(0, 1)
