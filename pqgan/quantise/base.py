"""What every quantiser of latents is: a layer between encoder and decoder that makes whole numbers of a position.

docs/quantiser.md says how to add one.
"""

from typing import Literal, NamedTuple

from torch import Tensor, nn

from .matching import check_finite

BetaOn = Literal["codebook", "commitment"]


class Quantised(NamedTuple):
    """What the layer returns."""

    z_q: Tensor
    """(B, d, h, w); its gradient passes straight through to z_e."""
    codes: Tensor
    """(B, S, h, w) int64."""
    loss: Tensor
    """Scalar: what training adds to the loss of the reconstruction; 0 of a quantiser without codebooks."""


class Quantiser(nn.Module):
    """The interface that `PQModel`, evaluation and code files use.

    Whatever it computes, it computes in fp32, because rounding moves codes.

    Attributes:
        d: latent channels.
        S: codes per position.
        K: how many values each code has: they are 0 to K - 1.
    """

    kind: str
    """In params.yaml, in config.json and in records."""
    d: int
    S: int
    K: int

    @property
    def bits(self) -> int:
        """Bits per position as stored: S ceil(log2 K)."""
        return self.S * (self.K - 1).bit_length()

    def forward(self, z_e: Tensor) -> Quantised:
        """Quantise z_e (B, d, h, w) in training; values are not looked at, so that nothing waits for the device.

        Raises:
            ValueError: another shape or no float type.
        """
        raise NotImplementedError

    def encode(self, z_e: Tensor) -> Tensor:
        """Codes (B, S, h, w) int64 of an encoder's latents (B, d, h, w).

        Raises:
            ValueError: another shape or no float type, or a latent is not finite.
        """
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """z_q (B, d, h, w) of codes (B, S, h, w) of any integer type.

        Raises:
            ValueError: no integers, another shape, or a code outside [0, K): names it and its place.
        """
        raise NotImplementedError

    def quantise(self, z_e: Tensor) -> Tensor:
        """z_q (B, d, h, w) of an encoder's latents (B, d, h, w), without gradients to them.

        Raises:
            ValueError: as from encode.
        """
        return self.decode(self.encode(z_e))

    def nearest(self, z: Tensor) -> Tensor:
        """Latents (B, d, h, w) that the decoder is to see instead of z (B, d, h, w); z_q stays what it is.

        Raises:
            ValueError: as from encode.
        """
        raise NotImplementedError

    def _check_form(self, z_e: Tensor) -> None:
        if z_e.dim() != 4 or z_e.shape[1] != self.d or not z_e.is_floating_point():
            raise ValueError(f"got latents {tuple(z_e.shape)} {z_e.dtype}; expected floats (B, {self.d}, h, w)")

    def _check(self, z_e: Tensor) -> None:
        """Form and values; waits for the device."""
        self._check_form(z_e)
        check_finite(z_e, "latents", "(image, channel, row, column)")


def loss_factors(beta: float, beta_on: BetaOn) -> tuple[float, float]:
    """Factors of the codebook term and of the commitment term (reading 7)."""
    return (beta, 1.0) if beta_on == "codebook" else (1.0, beta)
