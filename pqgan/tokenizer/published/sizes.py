"""The sizes of an original trunk (Esser et al. 2021), read from the shapes of its tensors.

A size is what most of the tensors say that share it, so that the one of another shape is the one that is named.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pqgan.errors import DataError

from .codebooks import CODEBOOK, STACKED, State


def pq_config(state: State, where: str) -> dict[str, Any]:
    """The PQModel of a PQGAN file with its codebooks stacked; range and geometry are those of the reading `released`.

    Raises:
        DataError: no tensor says a size, or attention lies elsewhere than on the level of lowest resolution.
    """
    channels = level_channels(state, where)
    last = len(channels) - 1
    for key in state:
        if (found := re.match(r"(?:encoder\.down|decoder\.up)\.(\d+)\.attn\.", key)) and int(found[1]) != last:
            raise DataError(
                f"{where}: has besides {key}: attention on level {found[1]}; expected on level {last} alone, that of "
                "lowest resolution, as the paper's trunks have it (reading 10)"
            )
    S, K, _ = state[STACKED].shape
    return {
        "block_out_channels": channels,
        "layers_per_block": _blocks(state, len(channels), where),
        "z_channels": _z_channels(state, where),
        "d": latent_channels(state, where),
        "S": S,
        "K": K,
        "codebook_init": "normal",
        "normalisation": "imagenet",
        "geometry": "squash",
    }


def trunk_config(state: State, target: str, where: str) -> dict[str, Any]:
    """The configuration of diffusers' VQModel or AutoencoderKL.

    Raises:
        DataError: no tensor says a size.
    """
    channels = level_channels(state, where)
    attention = [any(key.startswith(f"encoder.down.{level}.attn.") for key in state) for level in range(len(channels))]
    config = {
        "block_out_channels": channels,
        "down_block_types": [_block(there, "DownEncoderBlock2D") for there in attention],
        "up_block_types": [_block(there, "UpDecoderBlock2D") for there in reversed(attention)],
        "layers_per_block": _blocks(state, len(channels), where),
        "latent_channels": _z_channels(state, where),
        "mid_block_add_attention": any(key.startswith("encoder.mid.attn_1.") for key in state),
        "sample_size": 256,
        "scaling_factor": 1.0,
    }
    if target == "VQModel":
        K = _agreed(state, [(CODEBOOK, 0)], where)
        config |= {"num_vq_embeddings": K, "vq_embed_dim": latent_channels(state, where)}
    return config


def level_channels(state: State, where: str) -> list[int]:
    """Channels of each level, that of full resolution first."""
    levels = _consecutive(state, r"encoder\.down\.(\d+)\.")
    parts = ("conv1.weight", "norm2.weight", "conv2.weight", "conv1.bias", "norm2.bias", "conv2.bias")
    places = [[(f"encoder.down.{level}.block.0.{part}", 0) for part in parts] for level in range(max(1, levels))]
    return [_agreed(state, of_level, where) for of_level in places]


def latent_channels(state: State, where: str) -> int:
    """d of a quantised latent."""
    return _agreed(state, [("quant_conv.weight", 0), ("quant_conv.bias", 0), ("post_quant_conv.weight", 1)], where)


def _z_channels(state: State, where: str) -> int:
    places = [("decoder.conv_in.weight", 1), ("post_quant_conv.weight", 0), ("post_quant_conv.bias", 0)]
    return _agreed(state, places, where)


def _blocks(state: State, levels: int, where: str) -> int:
    """Residual blocks a level in the encoder."""
    counts = Counter(_consecutive(state, rf"encoder\.down\.{level}\.block\.(\d+)\.") for level in range(levels))
    return counts.most_common(1)[0][0]


def _agreed(state: State, places: Iterable[tuple[str, int]], where: str) -> int:
    """What most tensors say of a size, each on an axis of its own."""
    sizes = Counter(state[key].shape[axis] for key, axis in places if key in state and state[key].ndim > axis)
    if not sizes:
        raise DataError(f"{where}: {next(iter(places))[0]} is missing or has no such shape; get the file again")
    return sizes.most_common(1)[0][0]


def _consecutive(state: State, pattern: str) -> int:
    """How many of the numbers 0, 1, 2, ... the pattern finds in keys, up to the first that it does not."""
    found = {int(match[1]) for key in state if (match := re.match(pattern, key))}
    return next(number for number in range(len(found) + 1) if number not in found)


def _block(attention: bool, name: str) -> str:
    return f"Attn{name}" if attention else name
