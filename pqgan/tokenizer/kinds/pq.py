"""PQModel, with any quantiser in its middle."""

from typing import Any

from torch.nn.functional import pixel_unshuffle

from pqgan.settings import LinearConfig, PQConfig
from pqgan.settings.trunk import Trunk

from ..refinement import DOWN
from .base import Tokenizer, level_channels


class PQTokenizer(Tokenizer):
    network = "pq"
    model_class = "PQModel"

    @staticmethod
    def build(config, trunk, reading):
        from ..model import PQModel

        if isinstance(config, LinearConfig):
            return PQModel(block_out_channels=None, patch=config.F, d=config.d, S=config.S, K=config.K)
        return PQModel(
            block_out_channels=None if trunk.shortcut == "linear_alone" else level_channels(trunk),
            layers_per_block=trunk.res_blocks,
            z_channels=trunk.z_channels,
            norm_num_groups=trunk.norm_groups,
            d=config.d,
            S=config.S,
            K=config.K,
            quantiser_config=config.quantiser,
            codebook_init=reading.training.codebook_init,
            beta=reading.training.beta,
            beta_on=reading.training.beta_on,
            normalisation=reading.data.normalisation,
            geometry=reading.data.geometry,
            **_around_the_trunk(config, trunk),
        )

    @staticmethod
    def reconstruct_in_training(model, config, images, noise):
        output = model(images)
        return output.sample, output.loss

    @staticmethod
    def last_layer(model):
        return model.decoder.conv_out if model.refinement is None else model.refinement.conv_out

    @staticmethod
    def behind_last_layer(model, gradient):
        if model.refinement is not None:
            # what leaves the layer is laid out as pixels, and added
            return pixel_unshuffle(gradient, DOWN)  # (B, 48, H/4, W/4)
        return model.value_range(gradient, way="leave_difference")  # which turns what leaves the layer back to [-1, 1]

    @property
    def kind(self) -> str:
        # without a network it is principal components alone
        has_network = self.model.has_trunk or self.model.refinement is not None
        return self.model.quantiser.kind if has_network else "linear"

    @property
    def quantiser(self) -> str:
        kind = self.model.quantiser.kind
        return "" if kind == "pq" else kind

    @property
    def factor(self) -> int:
        return self.model.factor

    @property
    def channels(self) -> int:
        return self.model.config.d

    def encode(self, images, latent="z_q"):
        return self.model.encode_continuous(images) if latent == "z_e" else self.model.encode(images).latents

    def decode_unquantised(self, latents):
        return self.model.decode(latents, return_dict=False, force_not_quantize=True)[0]

    def codes(self, images):
        return self.model.encode_to_codes(images)

    def decode_codes(self, codes):
        return self.model.decode_from_codes(codes)

    def round_trip(self, images):
        codes = self.codes(images)
        # decode() would quantise what is quantised already
        return self.decode_codes(codes).clamp(-1, 1), codes

    def subject(self):
        geometry = self.model.config.geometry
        return super().subject() | ({} if geometry == "unknown" else {"trained_geometry": geometry})

    def _codebook(self):
        config = self.model.config
        shortcut = {} if self.kind == "linear" or self.model.linear is None else {"shortcut": self.model.shortcut}
        # of the product quantiser S and K are all
        options = {key: value for key, value in (config.quantiser_config or {}).items() if key != "kind"}
        return {**options, "S": config.S, "K": config.K, **shortcut}


def _around_the_trunk(config: PQConfig, trunk: Trunk) -> dict[str, Any]:
    """Options of a PQModel that the paper's has not."""
    if trunk.shortcut == "none":
        return {}
    refined = trunk.refinement
    more = {"refine_channels": refined.channels, "refine_blocks": refined.blocks} if refined else {}
    return {"patch": config.F, **more}
