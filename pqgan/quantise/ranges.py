"""Codes that come from elsewhere, checked before a codeword is looked up: each must lie in its own codebook.

Beyond it lie the words of the next subspace, or memory that is not the codebooks'. Codes that the search found need no
check, which on a GPU waits for the device.
"""

import torch
from torch import Tensor

AXES = {3: "(image, position)", 4: "(image, row, column)"}
"""Of a place in codes (B, S, P) and (B, S, h, w)."""
INTEGERS = frozenset(
    {torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int8, torch.int16, torch.int32, torch.int64}
)


def check_form(what: str, codes: Tensor, S: int, channel_last: bool = False) -> None:
    """Refuse what are no codes (B, S, ...), or (B, ..., S), by shape and type alone.

    Raises:
        ValueError: names shape and type, and those expected.
    """
    if codes.dim() < 2 or codes.shape[-1 if channel_last else 1] != S or codes.dtype not in INTEGERS:
        expected = f"(B, ..., {S})" if channel_last else f"(B, {S}, ...)"
        raise ValueError(
            f"{what}: got codes {tuple(codes.shape)} {codes.dtype}; expected integers {expected}, a code a subspace"
        )


def check_range(what: str, codes: Tensor, K: int) -> None:
    """Refuse a code outside its codebook; waits for the device.

    Args:
        what: is being done, for the message.
        codes: (B, S, ...) of any integer type.
        K: codewords per subspace.

    Raises:
        ValueError: names the first such code's subspace and place, the code, and the codes allowed.
    """
    if not codes.numel():
        return
    given, codes = codes, codes.long()  # uint64 from 2^63 on becomes negative
    least, most = torch.stack(codes.aminmax()).tolist()
    if least >= 0 and most < K:
        return
    image, s, *place = ((codes < 0) | (codes >= K)).nonzero()[0].tolist()
    code = given[(image, s, *place)].item()
    axes = AXES.get(codes.dim(), "(image, ...)")
    raise ValueError(f"{what}: got code {code} in subspace {s} at {axes} {(image, *place)}; allowed: 0 to {K - 1}")


def side_by_side(codes: Tensor, K: int) -> Tensor:
    """Codes (B, S, ...) int64 with each subspace in its own range of K: indices into S*K codewords."""
    S = codes.shape[1]
    return codes + torch.arange(S, device=codes.device).mul_(K).view(S, *(1,) * (codes.dim() - 2))


def checked_side_by_side(what: str, codes: Tensor, K: int) -> Tensor:
    """`side_by_side` of codes of any integer type, after `check_range`."""
    return side_by_side(checked(what, codes, K), K)


@torch.library.custom_op("pqgan::checked", mutates_args=())
def checked(what: str, codes: Tensor, K: int) -> Tensor:
    """Codes of any integer type in int64, after `check_range`.

    One operator to a compiler: it takes the check along, and cannot leave it out.
    """
    check_range(what, codes, K)
    return codes.to(torch.int64, copy=True)


@checked.register_fake
def _(what: str, codes: Tensor, K: int) -> Tensor:
    return torch.empty_like(codes, dtype=torch.int64)
