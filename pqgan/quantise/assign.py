"""Latents to codewords with the straight-through estimator and the loss of eq. 1: one operator each way.

The loss has two terms of one value, the mean squared difference of z_q and z_e: the codebook term, whose gradient goes
to the codewords alone, and the commitment term, whose gradient goes to the latents alone. So the value is computed
once, and the gradients are written down instead of derived (eq. 1; VQ-VAE, section 3.2).
"""

import torch
from torch import Tensor

from .matching import BACKENDS, available, narrow
from .ranges import check_form, checked_side_by_side, side_by_side


@torch.library.custom_op("pqgan::assign", mutates_args=())
def assign(z: Tensor, codebooks: Tensor, on_codebook: float, on_latents: float) -> tuple[Tensor, Tensor, Tensor]:
    """Replace sub-vectors by their nearest codewords, in fp32.

    Args:
        z: (B, S, c, P) sub-vectors of P positions, any float type, any memory layout.
        codebooks: (S, K, c) fp32.
        on_codebook: factor of the codebook term.
        on_latents: factor of the commitment term.

    Returns:
        codes (B, S, P) int64; z_q (B, S, c, P) fp32 in z's memory layout, whose gradient passes straight through to z;
        scalar fp32 loss, not finite where z is not, 0 of no positions.
    """
    if not z.numel():
        return *_unfilled(z), z.new_zeros((), dtype=torch.float32)
    backend = available(z.device)[0]
    if backend == "triton":
        from . import kernels

        codes, z_q, error = kernels.assign(narrow(z), codebooks)
    else:
        codes = BACKENDS[backend](z, codebooks)
        z_q = torch.empty_like(z, dtype=torch.float32).copy_(found_words(codes, codebooks).transpose(2, 3))
        error = (z_q - z).square_().sum()
    return codes, z_q, error * ((on_codebook + on_latents) / z.numel())


def words(codes: Tensor, codebooks: Tensor, what: str = "words") -> Tensor:
    """Codewords (B, S, ..., c) of codes (B, S, ...), of any integer type, in codebooks (S, K, c).

    Args:
        what: is being done, for the message.

    Raises:
        ValueError: no integers, another number of subspaces, or a code outside [0, K): names its subspace and place.
    """
    S, K, _ = codebooks.shape
    check_form(what, codes, S)
    return torch.nn.functional.embedding(checked_side_by_side(what, codes, K), codebooks.flatten(0, 1))


def found_words(codes: Tensor, codebooks: Tensor) -> Tensor:
    """`words` of codes that a search in these codebooks found, int64, which need no check."""
    return torch.nn.functional.embedding(side_by_side(codes, codebooks.shape[1]), codebooks.flatten(0, 1))


@torch.library.custom_op("pqgan::assign_backward", mutates_args=())
def _backward(
    grad_z_q: Tensor,
    grad_loss: Tensor,
    z: Tensor,
    codes: Tensor,
    codebooks: Tensor,
    on_codebook: float,
    on_latents: float,
) -> tuple[Tensor, Tensor]:
    """Gradients of z, in its type and layout, and of codebooks; sums run in the same order every time."""
    if not z.numel():
        return torch.empty_like(z), torch.zeros_like(codebooks, memory_format=torch.contiguous_format)
    each = grad_loss / z.numel()
    if available(z.device)[0] == "triton":
        from . import kernels

        weights = each * on_latents, each * on_codebook
        grad_z, grad_codebooks = kernels.assign_backward(grad_z_q, *weights, narrow(z), codes, codebooks, found=True)
        return grad_z.to(z.dtype), grad_codebooks
    S, K, c = codebooks.shape
    difference = z.float() - found_words(codes, codebooks).transpose(2, 3)  # (B, S, c, P)
    grad_z = torch.empty_like(z).copy_(grad_z_q + 2 * each * on_latents * difference)
    flat = side_by_side(codes, K).flatten()  # (B S P)
    rows = difference.transpose(2, 3).reshape(-1, c).mul_(-2 * each * on_codebook)  # (B S P, c)
    grad_codebooks = rows.new_zeros(S * K, c).index_add_(0, flat, rows)
    return grad_z, grad_codebooks.view(S, K, c)


@assign.register_fake
def _(z: Tensor, codebooks: Tensor, on_codebook: float, on_latents: float) -> tuple[Tensor, Tensor, Tensor]:
    return *_unfilled(z), z.new_empty((), dtype=torch.float32)


def _unfilled(z: Tensor) -> tuple[Tensor, Tensor]:
    """Codes and z_q of the right shapes, whatever stands in them."""
    B, S, _, P = z.shape
    return z.new_empty((B, S, P), dtype=torch.int64), torch.empty_like(z, dtype=torch.float32)


@_backward.register_fake
def _(
    grad_z_q: Tensor,
    grad_loss: Tensor,
    z: Tensor,
    codes: Tensor,
    codebooks: Tensor,
    on_codebook: float,
    on_latents: float,
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(z), torch.empty_like(codebooks, memory_format=torch.contiguous_format)


def _keep(ctx, inputs: tuple, output: tuple) -> None:
    z, codebooks, ctx.on_codebook, ctx.on_latents = inputs
    codes = output[0]
    ctx.mark_non_differentiable(codes)
    ctx.save_for_backward(z, codes, codebooks)


def _differentiate(ctx, _, grad_z_q: Tensor, grad_loss: Tensor) -> tuple[Tensor, Tensor, None, None]:
    return *_backward(grad_z_q, grad_loss, *ctx.saved_tensors, ctx.on_codebook, ctx.on_latents), None, None


assign.register_autograd(_differentiate, setup_context=_keep)
