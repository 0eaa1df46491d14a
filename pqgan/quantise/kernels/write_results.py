"""The end of every search: codes are written, and where asked their codewords and the squared error."""

import torch
import triton
import triton.language as tl
from torch import Tensor


class Found:
    """What a search fills in.

    Args:
        z: (B, S, c, P).
        words: codewords and error are wanted too.

    Attributes:
        codes: (B, S, P) int64.
        z_q: (B, S, c, P) fp32 in the layout of z; z itself, not written to, where only codes are wanted.
    """

    def __init__(self, z: Tensor, words: bool):
        B, S, _, P = z.shape
        self.z, self.words = z, words
        self.codes = torch.empty(B, S, P, dtype=torch.int64, device=z.device)
        self.z_q = torch.empty_like(z, dtype=torch.float32) if words else z
        self._parts = z.new_empty(0, dtype=torch.float32) if words else z  # no launch, no error

    def arguments(self, programs: int) -> tuple:
        """What `write` is told of them, for a launch of so many programs."""
        if self.words:
            self._parts = self.z.new_empty(programs, dtype=torch.float32)
        B, _, _, P = self.z.shape
        return (self.z, self.codes, self.z_q, self._parts, B * P, P, *self.z.stride(), *self.z_q.stride())

    def error(self) -> Tensor:
        """Sum of all squared errors, the same on every repetition."""
        return self._parts.sum()


@triton.jit
def write(
    code, row, s, channel, words_ptr, z_ptr, codes_ptr, z_q_ptr, parts_ptr, N, P, zb, zs, zc, zp, qb, qs, qc, qp,
    K: tl.constexpr, C: tl.constexpr, CHANNELS: tl.constexpr, WORDS: tl.constexpr,
):  # fmt: skip
    """Codes (rows,) of positions `row` in subspace s; with WORDS also z_q, and this program's part of the error,
    in the CHANNELS channels from `channel` on.
    """
    inside = row < N
    b, p, s = (row // P).to(tl.int64), (row % P).to(tl.int64), s.to(tl.int64)
    tl.store(codes_ptr + (b * tl.num_programs(1) + s) * P + p, code.to(tl.int64), mask=inside & (channel == 0))
    if WORDS:
        z_ptr += b * zb + s * zs + channel * zc + p * zp
        z_q_ptr += b * qb + s * qs + channel * qc + p * qp
        words_ptr += s * K * C + channel
        error = tl.zeros(row.shape, tl.float32)
        for i in tl.static_range(CHANNELS):
            held = inside & (channel + i < C)
            word = tl.load(words_ptr + code * C + i, mask=held, other=0.0)
            gap = tl.load(z_ptr, mask=held, other=0.0).to(tl.float32) - word
            tl.store(z_q_ptr, word, mask=held)
            error = tl.fma(gap, gap, error)
            z_ptr += zc
            z_q_ptr += qc
        program = (tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)) * tl.num_programs(0) + tl.program_id(0)
        tl.store(parts_ptr + program, tl.sum(error))
