"""The U-Net of a scale, and the image sizes it takes."""

from pathlib import Path

from diffusers import UNet2DConditionModel

from pqgan.errors import DataError, SettingsError
from pqgan.settings.diffusion import UNetShape


def build_unet(shape: UNetShape, channels: int, sample_size: int) -> UNet2DConditionModel:
    """diffusers' conditional U-Net with fresh weights (seed them outside).

    Args:
        shape: what params.yaml says.
        channels: latent channels d, in and out.
        sample_size: side of the latent it is made for.
    """
    down = ["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in shape.attention_levels]
    up = ["CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(shape.attention_levels)]
    return UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=channels,
        out_channels=channels,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        block_out_channels=shape.block_out_channels,
        layers_per_block=shape.layers_per_block,
        # diffusers takes the number of heads of each level under this name
        attention_head_dim=tuple(channel // shape.head_channels for channel in shape.block_out_channels),
        cross_attention_dim=shape.context,
        norm_num_groups=shape.norm_groups,
        use_linear_projection=True,
    )


def latent_side(size: int, factor: int, unet: UNet2DConditionModel, key: str) -> int:
    """Side of the latent of an image.

    Args:
        size: side of the image, pixels.
        factor: downsampling factor F.
        unet: which halves the latent at each level but the last.
        key: of params.yaml that holds the size, for the message.

    Raises:
        SettingsError: the latent cannot be halved that often.
    """
    unit = factor * 2 ** (len(unet.config.block_out_channels) - 1)
    if size % unit:
        raise SettingsError(
            f"{key}: got {size}; allowed: multiples of {unit}, "
            f"because the tokenizer divides the side by {factor} and the U-Net by {unit // factor} more"
        )
    return size // factor


def check_channels(unet: UNet2DConditionModel, folder: Path, channels: int) -> None:
    """Refuse a tokenizer that a U-Net was not made for.

    Args:
        unet: the U-Net.
        folder: it came from, for the message.
        channels: latent channels d of the tokenizer.

    Raises:
        DataError: U-Net and tokenizer differ in latent channels.
    """
    if unet.config.in_channels != channels:
        raise DataError(
            f"{folder}: the U-Net has {unet.config.in_channels} latent channels, but the tokenizer has {channels}; "
            "expected the tokenizer that the U-Net was trained on"
        )
