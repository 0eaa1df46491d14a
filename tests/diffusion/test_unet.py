import re

import pytest
import torch
import yaml
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from pydantic import ValidationError

from pqgan.diffusion.surgery import widen
from pqgan.diffusion.unet import build_unet, check_channels, latent_side
from pqgan.errors import DataError, SettingsError
from pqgan.settings import load
from pqgan.settings.diffusion import UNetShape

SHAPE = {
    "block_out_channels": (16, 32, 64),
    "layers_per_block": 1,
    "attention_levels": (True, False, True),
    "head_channels": 8,
    "context": 12,
    "norm_groups": 4,
}


def parameters(unet) -> int:
    return sum(parameter.numel() for parameter in unet.parameters())


def test_heads_are_as_wide_as_the_settings_say():
    unet = build_unet(UNetShape(**SHAPE), 4, 8)
    attentions = [module for module in unet.modules() if isinstance(module, Attention)]
    assert {module.to_q.out_features for module in attentions} == {16, 64}
    assert {module.to_q.out_features // module.heads for module in attentions} == {8}


def test_attention_levels_are_mirrored_on_the_way_up():
    unet = build_unet(UNetShape(**SHAPE), 4, 8)
    assert [bool(getattr(block, "attentions", None)) for block in unet.down_blocks] == [True, False, True]
    assert [bool(getattr(block, "attentions", None)) for block in unet.up_blocks] == [True, False, True]
    uneven = build_unet(UNetShape(**{**SHAPE, "attention_levels": (True, True, False)}), 4, 8)
    assert [bool(getattr(block, "attentions", None)) for block in uneven.up_blocks] == [False, True, True]


def test_output_has_the_shape_of_the_latent():
    unet = build_unet(UNetShape(**SHAPE), 6, 8)
    latents = torch.randn(2, 6, 8, 8)
    assert unet(latents, torch.tensor([1, 900]), torch.randn(2, 1, 12)).sample.shape == latents.shape


def test_paper_ldm_has_400m_parameters(params_path):
    """Reading 25: 395M with 4 latent channels, 395.6M with 128."""
    shape = load(params_path, "paper").scale.ldm.unet
    with torch.device("meta"):
        assert parameters(build_unet(shape, 4, 32)) == 394_984_196
        assert parameters(build_unet(shape, 128, 32)) == 395_555_712


def test_the_alternative_unet_of_400m_is_the_one_that_the_readings_give(params_path):
    """Reading 25: appendix D says 400M; the shape of latent diffusion's own F=4 model has 400.9M, set in `ldm.unet`."""
    row = next(line for line in (params_path.parent / "docs/readings.md").read_text().splitlines() if "| 25 |" in line)
    given = {key: yaml.safe_load(value) for key, value in re.findall(r"`(\w+): (\[[^`]+\])`", row)}
    assert given == {
        "block_out_channels": [192, 384, 576, 960],
        "attention_levels": [False, True, True, True],
    }
    paper = load(params_path, "paper").scale.ldm.unet
    with torch.device("meta"):
        for width in (paper.head_channels, 64, 192):  # how wide a head is moves no weight
            shape = UNetShape.model_validate(paper.model_dump() | given | {"head_channels": width})
            assert parameters(build_unet(shape, 4, 32)) == 400_924_036
            assert parameters(build_unet(shape, 128, 32)) == 401_352_704
    assert "400.9M and 401.4M" in row
    with pytest.raises(ValidationError, match="head_channels is 128; allowed: a divisor of each"):
        UNetShape.model_validate(paper.model_dump() | given | {"head_channels": 128})


def test_stable_diffusion_21_grows_by_less_than_a_million_parameters():
    """SD 2.1's U-Net has 865.91M parameters; with 128 channels 866.63M."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=96,
            block_out_channels=(320, 640, 1280, 1280),
            layers_per_block=2,
            attention_head_dim=(5, 10, 20, 20),
            cross_attention_dim=1024,
            use_linear_projection=True,
        )
        assert parameters(unet) == 865_910_724
        assert parameters(widen(unet, 128)) == 866_625_088


def test_latent_side_divides_by_every_level():
    unet = build_unet(UNetShape(**SHAPE), 4, 8)
    assert latent_side(192, 16, unet, "size") == 12
    with pytest.raises(SettingsError, match=r"size: got 160; allowed: multiples of 64.* 16 .* 4 more"):
        latent_side(160, 16, unet, "size")


def test_tokenizer_of_other_width_is_refused(tmp_path):
    unet = build_unet(UNetShape(**SHAPE), 4, 8)
    check_channels(unet, tmp_path, 4)
    with pytest.raises(DataError, match="has 4 latent channels, but the tokenizer has 8"):
        check_channels(unet, tmp_path, 8)
