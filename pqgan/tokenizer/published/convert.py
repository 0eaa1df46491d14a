"""Original checkpoints of PQGAN, VQGAN, latent diffusion's first stages and VQGAN-LC -> our model, or diffusers'.

All share one trunk (Esser et al. 2021; code: CompVis/taming-transformers, CompVis/latent-diffusion,
zh460045050/VQGAN-LC). Its sizes are read from the tensors' shapes, and every tensor has to find its place. diffusers'
own converter (`convert_ldm_vae_checkpoint`) knows no attention outside of the middle and drops keys it does not know.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from pqgan.errors import DataError
from pqgan.storage.json_files import in_line

from .codebooks import CODEBOOK, FEATURES, PROJECTION, SUBSPACE, State, project_codebook, stack_codebooks
from .sizes import latent_channels, pq_config, trunk_config

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderTiny, VQModel

    from ..model import PQModel

    Model = PQModel | VQModel | AutoencoderKL | AutoencoderTiny

SHOWN = 5
"""Tensors that a message names."""

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
    target: Literal["PQModel", "VQModel", "AutoencoderKL", "AutoencoderTiny"]
    signs: tuple[str, ...]
    """Keys that the others do not all have, as regular expressions."""
    ignored: tuple[str, ...] = ()
    """How keys begin that only training needs: losses, their networks, discriminators."""


FAMILIES = (
    Family("PQGAN", "PQModel", (SUBSPACE,), ("loss.",)),
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
        if all(any(re.fullmatch(sign, key) for key in state) for sign in family.signs):
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


def convert(state: State, where: str) -> "Model":
    """The model of an original checkpoint, in float32.

    Args:
        state: tensors by their original names.
        where: they come from, for messages.

    Raises:
        DataError: no known family, a tensor that is missing, left over, of another shape or no floats.
    """
    family = recognise(state, where)
    given: State = {key: value for key, value in state.items() if not key.startswith(family.ignored)}
    if family.target == "AutoencoderTiny":
        config: dict[str, Any] = {"latent_channels": state["decoder.layers.0.weight"].shape[1]}
    elif family.target == "PQModel":
        given = stack_codebooks(given, latent_channels(given, where), where)
        config = pq_config(given, where)
    else:
        given = project_codebook(given, where)
        config = trunk_config(given, family.target, where)
    cls = _class(family)
    try:
        with torch.device("meta"):
            model = cls(**config)
    except Exception as error:  # whatever the library trips over in these sizes
        raise DataError(f"{where}: not the shapes of a {family.name}: {in_line(error)}; get the file again") from None
    expected = model.state_dict()
    levels = len(config.get("block_out_channels", ()))
    names = {key: original_key(key, levels) for key in expected}
    found = _placed(given, expected, names, f"{where}: not exactly the tensors of a {family.name}")
    if any(buffer.is_meta for buffer in model.buffers()):  # those that no file holds
        with torch.random.fork_rng(devices=()):
            model = cls(**config)
    model.load_state_dict(found, assign=True)
    return model


def _class(family: Family) -> type:
    if family.target == "PQModel":
        from ..model import PQModel

        return PQModel
    import diffusers

    return getattr(diffusers, family.target)


def _placed(given: State, expected: State, names: dict[str, str], what: str) -> dict[str, Tensor]:
    """Every tensor where it belongs.

    Args:
        given: by original name.
        expected: by the model's name.
        names: the model's -> the original.
        what: they are not, where they are not, for the message.
    """
    wrong = {
        "lacks": [name for name in names.values() if name not in given],
        "has besides": sorted(set(given) - set(names.values())),
    }
    found = {key: _as(given[name], expected[key].ndim) for key, name in names.items() if name in given}
    wrong["of another shape"] = [
        f"{names[key]} ({_told(tensor)}; expected {_told(expected[key])})"
        for key, tensor in found.items()
        if tensor.shape != expected[key].shape
    ]
    wrong["no floats in"] = [names[key] for key, tensor in found.items() if not tensor.is_floating_point()]
    wrong["no finite numbers in"] = [
        names[key] for key, tensor in found.items() if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if told := [f"{kind} {_listed(tensors)}" for kind, tensors in wrong.items() if tensors]:
        raise DataError(f"{what}: {'; '.join(told)}; get the file again")
    return {key: tensor.float() for key, tensor in found.items()}


def _as(tensor: Tensor, ndim: int) -> Tensor:
    # projections of the attention: convolutions of 1x1 there, linear maps here
    return tensor[:, :, 0, 0] if tensor.ndim == 4 and ndim == 2 and tensor.shape[2:] == (1, 1) else tensor


def _told(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _listed(tensors: list[str]) -> str:
    more = f" and {len(tensors) - SHOWN} more" if len(tensors) > SHOWN else ""
    return in_line(", ".join(tensors[:SHOWN])) + more
