"""Original checkpoints of VQGAN, of latent diffusion's first stages and of VQGAN-LC -> diffusers models.

All three share one trunk (Esser et al. 2021; code: CompVis/taming-transformers, CompVis/latent-diffusion,
zh460045050/VQGAN-LC). Its sizes are read from the tensors' shapes, and every tensor has to find its place. diffusers'
own converter (`convert_ldm_vae_checkpoint`) knows no attention outside of the middle and drops keys it does not know.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from pqgan.errors import DataError

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderTiny, VQModel

State = Mapping[str, Tensor]
CODEBOOK = "quantize.embedding.weight"
FEATURES, PROJECTION = "tok_embeddings.weight", "codebook_projection"

_NAMES = (
    (r"\.mid_block\.attentions\.0\.", ".mid.attn_1."),
    (r"\.attentions\.", ".attn."),
    (r"\.resnets\.", ".block."),
    (r"\.(down|up)samplers\.0\.", r".\1sample."),
    (r"\.down_blocks\.", ".down."),
    (r"\.group_norm\.", ".norm."),
    (r"\.to_([qkv])\.", r".\1."),
    (r"\.to_out\.0\.", ".proj_out."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"\.conv_norm_out\.", ".norm_out."),
)
"""diffusers' names in keys of VQModel and AutoencoderKL -> the original's."""


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint."""

    name: str
    target: Literal["VQModel", "AutoencoderKL", "AutoencoderTiny"]
    signs: tuple[str, ...]
    """Keys that the others do not all have."""
    ignored: tuple[str, ...] = ()
    """How keys begin that only training needs: losses, their networks, discriminators."""


FAMILIES = (
    Family("VQGAN-LC", "VQModel", (FEATURES, f"{PROJECTION}.weight"), ("discriminator.", "perceptual_loss.")),
    Family(
        "VQGAN or first stage with a codebook", "VQModel", (CODEBOOK, "encoder.down.0.block.0.conv1.weight"), ("loss.",)
    ),
    Family("KL first stage", "AutoencoderKL", ("quant_conv.weight", "encoder.down.0.block.0.conv1.weight"), ("loss.",)),
    Family("AutoencoderTiny", "AutoencoderTiny", ("encoder.layers.0.weight", "decoder.layers.0.weight")),
)
"""In the order in which they are tried."""


def recognise(state: State, where: str) -> Family:
    """The family of a checkpoint by its keys.

    Raises:
        DataError: it is of none of them.
    """
    for family in FAMILIES:
        if all(key in state for key in family.signs):
            return family
    names = "; ".join(family.name for family in FAMILIES)
    found = ", ".join(list(state)[:3]) or "none"
    raise DataError(
        f"{where}: not a checkpoint of a known family (its keys: {found}, ...); allowed: {names}; "
        "a model in diffusers' format is opened by its folder, with config.json"
    )


def original_key(key: str, levels: int) -> str:
    """What the original calls a tensor of the diffusers model.

    Args:
        key: of the diffusers model.
        levels: resolutions of the trunk; the original numbers those of its decoder the other way round.
    """
    key = re.sub(r"\.up_blocks\.(\d+)\.", lambda found: f".up.{levels - 1 - int(found[1])}.", key)
    key = re.sub(r"\.mid_block\.resnets\.(\d+)\.", lambda found: f".mid.block_{int(found[1]) + 1}.", key)
    for name, original in _NAMES:
        key = re.sub(name, original, key)
    return key


def convert(state: State, where: str) -> "VQModel | AutoencoderKL | AutoencoderTiny":
    """The diffusers model of an original checkpoint, in float32.

    Args:
        state: tensors by their original names.
        where: they come from, for messages.

    Raises:
        DataError: no known family, a tensor that is missing, left over or of another shape.
    """
    import diffusers

    family = recognise(state, where)
    given: State = {key: value for key, value in state.items() if not key.startswith(family.ignored)}
    if family.target == "AutoencoderTiny":
        config: dict[str, Any] = {"latent_channels": state["decoder.layers.0.weight"].shape[1]}
    else:
        given = project_codebook(given, where)
        config = trunk_config(given, family, where)
    try:
        with torch.device("meta"):
            model = getattr(diffusers, family.target)(**config)
    except ValueError as error:
        raise DataError(f"{where}: not the shapes of a {family.name}: {' '.join(str(error).split())[:300]}") from None
    expected = model.state_dict()
    levels = len(config.get("block_out_channels", ()))
    names = {key: original_key(key, levels) for key in expected}
    missing = [name for name in names.values() if name not in given]
    surplus = sorted(set(given) - set(names.values()))
    if missing or surplus:
        wrong = [
            f"{what} {', '.join(keys[:5])}" for what, keys in (("lacks", missing), ("has besides", surplus)) if keys
        ]
        raise DataError(f"{where}: not exactly the tensors of a {family.name}: {'; '.join(wrong)}")
    found = {key: _as(given[name], expected[key].ndim) for key, name in names.items()}
    try:
        model.load_state_dict(found, assign=True)
    except RuntimeError as error:
        raise DataError(f"{where}: not the shapes of a {family.name}: {' '.join(str(error).split())[:300]}") from None
    return model


def _as(tensor: Tensor, ndim: int) -> Tensor:
    # projections of the attention: convolutions of 1x1 there, linear maps here
    if tensor.ndim == 4 and ndim == 2 and tensor.shape[2:] == (1, 1):
        tensor = tensor[:, :, 0, 0]
    return tensor.float()


def project_codebook(state: State, where: str) -> State:
    """VQGAN-LC's codebook, image features (K, 768) behind a trained linear map, as a plain one (K, d); else the same.

    Raises:
        DataError: part of the map is missing, or it does not fit the features.
    """
    if FEATURES not in state:
        return state
    rest = dict(state)
    try:
        parts = (rest.pop(FEATURES), rest.pop(f"{PROJECTION}.weight"), rest.pop(f"{PROJECTION}.bias"))
        features, weight, bias = (part.double() for part in parts)
        # float64, so that the bytes do not depend on how many threads sum
        codebook = torch.nn.functional.linear(features, weight, bias).float()  # (K, 768) -> (K, d)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{where}: {FEATURES} has no linear {PROJECTION} that fits it ({reason})") from None
    return {**rest, CODEBOOK: codebook}


def trunk_config(state: State, family: Family, where: str) -> dict[str, Any]:
    """The diffusers configuration that fits the shapes of an original checkpoint.

    Raises:
        DataError: a tensor that says a size is missing.
    """
    try:
        levels = _count(state, r"encoder\.down\.(\d+)\.")
        channels = [state[f"encoder.down.{level}.block.0.conv1.weight"].shape[0] for level in range(levels)]
        attention = [f"encoder.down.{level}.attn.0.q.weight" in state for level in range(levels)]
        config = {
            "block_out_channels": channels,
            "down_block_types": [_block(there, "DownEncoderBlock2D") for there in attention],
            "up_block_types": [_block(there, "UpDecoderBlock2D") for there in reversed(attention)],
            "layers_per_block": _count(state, r"encoder\.down\.0\.block\.(\d+)\."),
            "latent_channels": state["decoder.conv_in.weight"].shape[1],
            "mid_block_add_attention": "encoder.mid.attn_1.q.weight" in state,
            "sample_size": 256,
            "scaling_factor": 1.0,
        }
        if family.target == "VQModel":
            K, d = state[CODEBOOK].shape
            config |= {"num_vq_embeddings": K, "vq_embed_dim": d}
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(
            f"{where}: not the tensors of a {family.name}: {error} is missing or has no such shape"
        ) from None
    return config


def _block(attention: bool, name: str) -> str:
    return f"Attn{name}" if attention else name


def _count(state: State, pattern: str) -> int:
    """Different numbers that the pattern finds in keys."""
    return len({found[1] for key in state if (found := re.match(pattern, key))})
