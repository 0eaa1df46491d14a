"""What every quantiser of latents is: a layer between encoder and decoder that makes whole numbers of a position.

This file knows of shapes, types and masks; a quantiser itself sees vectors at positions, one axis each.
docs/quantiser.md says how to add one.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from .matching import check_finite
from .ranges import check_form

BetaOn = Literal["codebook", "commitment"]
Init = Literal["uniform", "normal"]
Way = Literal["encode", "decode", "quantise", "nearest"]
WAYS = get_args(Way)
HALVES = (torch.float16, torch.bfloat16)
SEARCHED = (torch.float32, *HALVES)
"""Float types that need no conversion: the search widens halves as it reads them."""
AXES = {2: "(image, channel)", 3: "(image, channel, position)", 4: "(image, channel, row, column)"}
"""Of a place in latents with channels first."""


class Quantised(NamedTuple):
    """What the layer returns."""

    z_q: Tensor
    """(B, d, ...), of the type of z_e; its gradient passes straight through to z_e."""
    codes: Tensor
    """(B, S, ...) int64; -1 where a mask left a position out."""
    loss: Tensor
    """Scalar float32: what training adds to the loss of the reconstruction; 0 of a quantiser without codebooks."""


class Quantiser(nn.Module):
    """The interface that `PQModel`, evaluation and code files use.

    Latents are (B, d, ...) with any number of axes behind, or (B, ..., d) with channel_last; codes are (B, S, ...) and
    (B, ..., S). Whatever it computes, it computes in fp32, because rounding moves codes. The latents that it returns
    have the type of those it got; under autocast fp32 in place of half precision, as a layer norm's.

    A mask (B, ...) bool says which positions count. The others are not looked at: their code is -1, their z_q is 0,
    nothing of them is in the loss, and no gradient comes from them.

    Attributes:
        d: latent channels.
        S: codes per position.
        K: how many values each code has: they are 0 to K - 1.
        channel_last: where the channels are.
    """

    kind: str
    """In params.yaml, in config.json and in records."""
    d: int
    S: int
    K: int
    channel_last: bool = False

    @property
    def bits(self) -> int:
        """Bits per position as stored: S ceil(log2 K)."""
        return self.S * (self.K - 1).bit_length()

    def forward(self, z_e: Tensor, mask: Tensor | None = None, way: Way | None = None) -> Quantised | Tensor:
        """Quantise z_e (B, d, ...) in training; values are not looked at, so that nothing waits for the device.

        With a mask (B, ...) it does wait, to count the positions that are left.

        Args:
            z_e: latents; what the method takes that `way` names.
            mask: which positions count.
            way: the method to call instead. What moves weights to a device for the time of a module's forward pass, as
                offloading does, moves the codebooks so too.

        Raises:
            ValueError: another shape or no float type, no such mask, or no such method; as from the method.
        """
        if way is not None:
            one_of(type(self).__name__, "way", way, WAYS)
            return getattr(self, way)(z_e, mask)
        self._check_form(z_e, mask)
        with torch.autocast(z_e.device.type, enabled=False):
            z_q, codes, loss = self._assign(self._vectors(z_e, mask))
        z_q = self._in_place(self._as_given(z_q, z_e), z_e, mask, 0)
        return Quantised(z_q, self._in_place(codes, z_e, mask, -1), loss)

    def encode(self, z_e: Tensor, mask: Tensor | None = None) -> Tensor:
        """Codes (B, S, ...) int64 of an encoder's latents (B, d, ...).

        Raises:
            ValueError: another shape or no float type, no such mask, or a latent that counts is not finite.
        """
        return self._in_place(self._encode(self._checked_vectors(z_e, mask)), z_e, mask, -1)

    def decode(self, codes: Tensor, mask: Tensor | None = None) -> Tensor:
        """z_q (B, d, ...) of codes (B, S, ...) of any integer type.

        Raises:
            ValueError: no integers, another shape, no such mask, or a code that counts and is outside [0, K): names it
                and its place.
        """
        check_form("decode", codes, self.S, self.channel_last)
        codes = self._first(codes)
        if mask is not None:
            self._check_mask(codes, mask)
            # a code that is there, so that places in messages stay those of the whole
            codes = torch.where(mask[:, None], codes.long(), 0).to(codes.dtype)
        z_q = self._decode(codes)
        return self._last(z_q if mask is None else torch.where(mask[:, None], z_q, 0))

    def quantise(self, z_e: Tensor, mask: Tensor | None = None) -> Tensor:
        """z_q (B, d, ...) of an encoder's latents (B, d, ...), without gradients to them.

        Raises:
            ValueError: as from encode.
        """
        return self._replaced(self._quantise, z_e, mask)

    def nearest(self, z: Tensor, mask: Tensor | None = None) -> Tensor:
        """Latents (B, d, ...) that the decoder is to see instead of z (B, d, ...); z_q in fp32 stays what it is.

        Raises:
            ValueError: as from encode.
        """
        return self._replaced(self._nearest, z, mask)

    def _assign(self, z: Tensor) -> Quantised:
        """Of vectors (B, d, P), of any float type: z_q (B, d, P) fp32 with gradients, codes (B, S, P), loss."""
        raise NotImplementedError

    def _encode(self, z: Tensor) -> Tensor:
        """Codes (B, S, P) of vectors (B, d, P) that are finite."""
        raise NotImplementedError

    def _decode(self, codes: Tensor) -> Tensor:
        """z_q (B, d, ...) of codes (B, S, ...) of any integer type; checks that they are in [0, K)."""
        raise NotImplementedError

    def _quantise(self, z: Tensor) -> Tensor:
        """z_q (B, d, P) of vectors (B, d, P) that are finite."""
        return self._decode(self._encode(z))

    def _nearest(self, z: Tensor) -> Tensor:
        """As of `nearest`, of vectors (B, d, P) that are finite."""
        raise NotImplementedError

    def _replaced(self, compute: Callable[[Tensor], Tensor], z: Tensor, mask: Tensor | None) -> Tensor:
        found = compute(self._checked_vectors(z, mask))
        return self._in_place(self._as_given(found, z), z, mask, 0)

    def _first(self, values: Tensor) -> Tensor:
        return values.movedim(-1, 1) if self.channel_last else values

    def _last(self, values: Tensor) -> Tensor:
        return values.movedim(1, -1).contiguous() if self.channel_last else values

    def _vectors(self, z: Tensor, mask: Tensor | None) -> Tensor:
        """(B, d, P), without a copy in either of PyTorch's memory formats; (1, d, P) of the P that a mask leaves."""
        z = self._first(z)
        if z.dtype not in SEARCHED:
            z = z.float()
        return z.unsqueeze(-1).flatten(2) if mask is None else z.movedim(1, -1)[mask].T[None]

    def _in_place(self, values: Tensor, z: Tensor, mask: Tensor | None, left_out: int) -> Tensor:
        """Values (B, n, P) of `_vectors` where latents z (B, d, ...) have their positions: (B, n, ...)."""
        B, _, *positions = self._first(z).shape
        if mask is None:
            return self._last(values.reshape(B, values.shape[1], *positions))
        whole = values.new_full((B, *positions, values.shape[1]), left_out)
        whole[mask] = values[0].T
        return whole if self.channel_last else whole.movedim(-1, 1).contiguous()

    def _as_given(self, values: Tensor, z: Tensor) -> Tensor:
        autocast = z.dtype in HALVES and torch.is_autocast_enabled(z.device.type)
        return values.float() if autocast else values.to(z.dtype)

    def _check_form(self, z: Tensor, mask: Tensor | None) -> None:
        d, axis = self.d, -1 if self.channel_last else 1
        if z.dim() < 2 or z.shape[axis] != d or not z.is_floating_point():
            expected, other = (f"(B, {d}, ...)", f"(B, ..., {d})")[:: -1 if self.channel_last else 1]
            misread = z.dim() > 2 and z.shape[axis] != d and z.shape[1 if self.channel_last else -1] == d
            hint = f"; for {other} make it with channel_last={not self.channel_last}" if misread else ""
            raise ValueError(f"got latents {tuple(z.shape)} {z.dtype}; expected floats {expected}{hint}")
        if mask is not None:
            self._check_mask(self._first(z), mask)

    def _check_mask(self, values: Tensor, mask: Tensor) -> None:
        """Of values with channels or codes first."""
        expected = (values.shape[0], *values.shape[2:])
        if mask.dtype != torch.bool or mask.shape != expected:
            raise ValueError(
                f"got a mask {tuple(mask.shape)} {mask.dtype}; expected torch.bool {expected}, True counts"
            )

    def _checked_vectors(self, z: Tensor, mask: Tensor | None) -> Tensor:
        """Form and values; waits for the device."""
        self._check_form(z, mask)
        if mask is None:
            axes = AXES.get(z.dim(), "(image, channel, ...)")
            check_finite(z, "latents", "(image, ..., channel)" if self.channel_last else axes)
        vectors = self._vectors(z, mask)
        if mask is not None:
            check_finite(vectors[0].T, "latents", "(position that counts, channel)")
        return vectors


def loss_factors(beta: float, beta_on: BetaOn) -> tuple[float, float]:
    """Factors of the codebook term and of the commitment term (reading 7)."""
    return (beta, 1.0) if beta_on == "codebook" else (1.0, beta)


def whole_number(owner: str, name: str, value: Any, least: int, most: int | None = None) -> int:
    """value, an option of that name.

    Raises:
        ValueError: it is no whole number, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least or (most and value > most):
        limits = f"from {least}" + (f" to {most}" if most else "")
        raise ValueError(f"{owner}: {name} is {value!r}; expected a whole number {limits}")
    return int(value)


def one_of(owner: str, name: str, value: Any, allowed: Sequence[str]) -> None:
    """Refuse another value of an option than those allowed.

    Raises:
        ValueError: names them.
    """
    if value not in allowed:
        raise ValueError(f"{owner}: {name} is {value!r}; expected {' or '.join(allowed)}")


def true_or_false(owner: str, name: str, value: Any) -> bool:
    """value, an option of that name.

    Raises:
        ValueError: it is neither; a text such as "no" would count as true.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{owner}: {name} is {value!r}; expected True or False")
    return value


def check_training(owner: str, init: Any, beta: Any, beta_on: Any) -> None:
    """Refuse what codebooks can neither start nor learn with.

    Raises:
        ValueError: names the option, what it is and what it may be.
    """
    one_of(owner, "init", init, get_args(Init))
    one_of(owner, "beta_on", beta_on, get_args(BetaOn))
    if isinstance(beta, bool) or not isinstance(beta, Real) or not isfinite(beta) or beta < 0:
        raise ValueError(f"{owner}: beta is {beta!r}; expected a number from 0")


def start(codebooks: Tensor, K: int, init: Init) -> None:
    """Draw codewords: uniform(-1/K, 1/K), or normal(0, 1) (reading 5)."""
    if init == "uniform":
        nn.init.uniform_(codebooks, -1 / K, 1 / K)
    else:
        nn.init.normal_(codebooks)
