"""Settings of a tokenizer -> the diffusers model, with seeded weights."""

from typing import TYPE_CHECKING

from pqgan.randomness import seeded
from pqgan.settings import KLConfig, LinearConfig, PQConfig, Reading, VQGANConfig
from pqgan.settings.trunk import Trunk

from .model import PQModel, trunk_blocks

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, VQModel


def build(
    config: PQConfig | LinearConfig | KLConfig | VQGANConfig, trunk: Trunk | None, reading: Reading, seed: int
) -> "PQModel | AutoencoderKL | VQModel":
    """A freshly initialised tokenizer; the global generator is left as it was. A linear one has no trunk."""
    with seeded(seed, "tokenizer weights"):
        return _build(config, trunk, reading)


def _build(config, trunk, reading):
    if isinstance(config, LinearConfig):
        return PQModel(block_out_channels=None, patch=config.F, d=config.d, S=config.S, K=config.K)
    channels = tuple(trunk.channels * multiplier for multiplier in trunk.multipliers)
    if isinstance(config, PQConfig):
        return PQModel(
            block_out_channels=None if trunk.shortcut == "linear_alone" else channels,
            layers_per_block=trunk.res_blocks,
            z_channels=trunk.z_channels,
            norm_num_groups=trunk.norm_groups,
            d=config.d,
            S=config.S,
            K=config.K,
            codebook_init=reading.training.codebook_init,
            beta=reading.training.beta,
            beta_on=reading.training.beta_on,
            normalisation=reading.data.normalisation,
            **_around_the_trunk(config, trunk),
        )
    shared = {
        **trunk_blocks(len(channels)),
        "block_out_channels": channels,
        "layers_per_block": trunk.res_blocks,
        "norm_num_groups": trunk.norm_groups,
    }
    if isinstance(config, KLConfig):
        from diffusers import AutoencoderKL

        return AutoencoderKL(latent_channels=config.d, scaling_factor=1.0, **shared)
    from diffusers import VQModel

    shared |= {"vq_embed_dim": config.d, "num_vq_embeddings": config.K}
    return VQModel(latent_channels=trunk.z_channels, scaling_factor=1.0, **shared)


def _around_the_trunk(config: PQConfig, trunk: Trunk) -> dict[str, int]:
    """Options of a PQModel that the paper's has not."""
    if trunk.shortcut == "none":
        return {}
    refined = trunk.refinement
    more = {"refine_channels": refined.channels, "refine_blocks": refined.blocks} if refined else {}
    return {"patch": config.F, **more}
