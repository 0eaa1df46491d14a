"""A PQModel's two halves in operators that ONNX has: images to codes, and codes to images.

The search of this package is operators of its own. Here distances are squared differences in float64 and the first of
the nearest words is taken, which is what that search decides by (docs/quantiser.md). Codes are the same where latents
are, so a linear path is one product of matrices, whose terms stand in the order in which PyTorch's convolution adds
them up on a CPU: with patches of 8 px both come to the same bit there. Larger sums, and a trunk, differ by rounding.
"""

from math import prod

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from pqgan.quantise.base import Quantiser

from .image_checks import FARTHEST
from .model import PQModel

FEW = 8
"""Channels of a word up to which differences are summed one by one; of more it is a product of matrices."""


class Encoder(nn.Module):
    """Codes (B, S, h, w) int64 of images (B, 3, H, W) float32 in [-1, 1].

    Args:
        model: its networks are used, not copied.
    """

    def __init__(self, model: PQModel):
        super().__init__()
        self.model = model
        self.search = SEARCHES[model.quantiser.kind](model.quantiser)
        self.outside = Refusal()

    def forward(self, images: Tensor) -> Tensor:
        codes = self.search(self._latents(images))
        return codes + self.outside(~(images.abs() <= FARTHEST))  # so NaN too

    def _latents(self, images: Tensor) -> Tensor:
        """z_e (B, d, h, w)."""
        model = self.model
        if model.has_trunk:
            return model.encode_continuous(images)
        layer, F = model.linear.to_latents, model.factor
        B, channels, H, W = images.shape
        h, w = H // F, W // F
        patches = images.reshape(B, channels, h, F, w, F).permute(0, 2, 4, 3, 5, 1).reshape(B * h * w, F * F * channels)
        matrix = layer.weight.permute(2, 3, 1, 0).reshape(F * F * channels, -1)  # (F F 3, d)
        z_e = patches @ matrix + layer.bias  # (B h w, d)
        return z_e.reshape(B, h, w, -1).permute(0, 3, 1, 2)


class Decoder(nn.Module):
    """Images (B, 3, H, W) float32, about in [-1, 1], of codes (B, S, h, w) int64.

    Args:
        model: its networks are used, not copied.
    """

    def __init__(self, model: PQModel):
        super().__init__()
        self.model, self.K = model, model.quantiser.K
        self.words = WORDS[model.quantiser.kind](model.quantiser)
        self.outside = Refusal()

    def forward(self, codes: Tensor) -> Tensor:
        codes = codes + self.outside((codes < 0) | (codes >= self.K))
        return self.model.decode(self.words(codes), return_dict=False, force_not_quantize=True)[0]


class Refusal(nn.Module):
    """A zero, looked up where a runtime finds nothing if a value is not allowed: ONNX has no other way to refuse."""

    def __init__(self):
        super().__init__()
        self.register_buffer("zero", torch.zeros(1, dtype=torch.int64))

    def forward(self, bad: Tensor) -> Tensor:
        """(1,) int64 of a mask of any shape."""
        return self.zero.index_select(0, bad.any().long().reshape(1))


def nearest(z: Tensor, words: Tensor) -> Tensor:
    """Codes (N,) int64 of sub-vectors (N, c) among words (K, c): the first of the nearest, in float64."""
    z, words = z.double(), words.double()
    if z.shape[1] <= FEW:
        distances = (z[:, None, 0] - words[:, 0]).square()  # (N, K)
        for channel in range(1, z.shape[1]):
            distances = distances + (z[:, None, channel] - words[:, channel]).square()
        return distances.argmin(dim=1)
    # equal words may have products that differ in their last digit, and of equal ones the first is meant
    scores = words.square().sum(dim=1) - 2 * (z @ words.T)  # (N, K)
    margin = 2.0**-40 * (z.square().sum(dim=1) + words.square().sum(dim=1).max())
    return (scores <= (scores.amin(dim=1) + margin)[:, None]).int().argmax(dim=1)


class ProductSearch(nn.Module):
    """Of a ProductQuantiser: subspace after subspace, so that distances to one codebook alone are held."""

    def __init__(self, quantiser: Quantiser):
        super().__init__()
        self.register_buffer("codebooks", quantiser.codebooks.detach().float())  # (S, K, c)

    def forward(self, z_e: Tensor) -> Tensor:
        B, _, h, w = z_e.shape
        S, _, c = self.codebooks.shape
        parts = z_e.permute(0, 2, 3, 1).reshape(B * h * w, S, c).permute(1, 0, 2)  # (S, N, c)
        _, codes = scan(_one_subspace, self.codebooks.new_zeros(()), (parts, self.codebooks))  # (S, N)
        return codes.reshape(S, B, h, w).permute(1, 0, 2, 3)


def _one_subspace(nothing: Tensor, each: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return nothing.clone(), nearest(*each)


class ResidualSearch(nn.Module):
    """Of a ResidualQuantiser: the nearest word to what the words before it left."""

    def __init__(self, quantiser: Quantiser):
        super().__init__()
        self.D = quantiser.S
        self.register_buffer("codebook", quantiser.codebook.detach().float())  # (K, d)

    def forward(self, z_e: Tensor) -> Tensor:
        B, d, h, w = z_e.shape
        left, codes = z_e.permute(0, 2, 3, 1).reshape(B * h * w, d), []
        for _ in range(self.D):
            codes.append(nearest(left, self.codebook))
            left = left - self.codebook[codes[-1]]
        return torch.stack(codes).reshape(self.D, B, h, w).permute(1, 0, 2, 3)


class FiniteScalarSearch(nn.Module):
    """Of a FiniteScalarQuantiser: nothing is searched."""

    def __init__(self, quantiser: Quantiser):
        super().__init__()
        self.quantiser = quantiser

    def forward(self, z_e: Tensor) -> Tensor:
        return self.quantiser(z_e).codes


class ProductWords(nn.Module):
    """z_q (B, d, h, w) of codes (B, S, h, w) of a ProductQuantiser."""

    def __init__(self, quantiser: Quantiser):
        super().__init__()
        S, K, _ = quantiser.codebooks.shape
        self.register_buffer("words", quantiser.codebooks.detach().float().flatten(0, 1))  # (S K, c)
        self.register_buffer("first", torch.arange(0, S * K, K).view(S, 1, 1))

    def forward(self, codes: Tensor) -> Tensor:
        found = nn.functional.embedding(codes + self.first, self.words)  # (B, S, h, w, c)
        return found.permute(0, 1, 4, 2, 3).flatten(1, 2)


class ResidualWords(nn.Module):
    """z_q (B, d, h, w) of codes (B, D, h, w) of a ResidualQuantiser, summed in its order."""

    def __init__(self, quantiser: Quantiser):
        super().__init__()
        self.register_buffer("codebook", quantiser.codebook.detach().float())  # (K, d)

    def forward(self, codes: Tensor) -> Tensor:
        first, *others = nn.functional.embedding(codes, self.codebook).unbind(1)  # (B, h, w, d) each
        for word in others:
            first = first + word
        return first.permute(0, 3, 1, 2)


class FiniteScalarWords(nn.Module):
    """z_q (B, d, h, w) of codes (B, 1, h, w) of a FiniteScalarQuantiser."""

    def __init__(self, quantiser: Quantiser):
        super().__init__()
        levels = quantiser.levels
        steps = [prod(levels[:channel]) for channel in range(len(levels))]
        self.register_buffer("steps", torch.tensor(steps).view(-1, 1, 1))
        self.register_buffer("levels", torch.tensor(levels).view(-1, 1, 1))

    def forward(self, codes: Tensor) -> Tensor:
        half = self.levels // 2
        return (codes // self.steps % self.levels - half).float() / half


SEARCHES = {"pq": ProductSearch, "rq": ResidualSearch, "fsq": FiniteScalarSearch}
WORDS = {"pq": ProductWords, "rq": ResidualWords, "fsq": FiniteScalarWords}
"""By the kind of a quantiser."""
