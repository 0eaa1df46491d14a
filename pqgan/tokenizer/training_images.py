"""What a training looks at besides its batches: reconstructions to show, and the scale of its latents."""

from collections.abc import Iterator

import torch
from torch import Tensor

from pqgan.data.batches import Batch, evaluation_batches
from pqgan.data.prepared import PreparedSet
from pqgan.settings import Settings

from .load import wrap


def _images(
    settings: Settings, prepared: PreparedSet, resolution: int, limit: int, device: torch.device
) -> Iterator[Batch]:
    return evaluation_batches(
        prepared,
        batch=settings.scale.evaluation.batch,
        resolution=resolution,
        geometry=settings.reading.data.geometry,
        images=range(min(limit, len(prepared))),
        device=device,
    )


@torch.inference_mode()
def reconstructions(
    settings: Settings, model, prepared: PreparedSet, resolution: int, device: torch.device
) -> dict[str, Tensor]:
    """The set's first images, of a side in pixels, above their reconstructions: one picture (3, 2 H, n W), uint8."""
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    tokenizer, count = wrap(model), settings.scale.upkeep.pictures
    rows = [
        torch.cat([batch.images, tokenizer.reconstruct(batch.images)], dim=2)  # (B, 3, 2 H, W)
        for batch in _images(settings, prepared, resolution, count, device)
    ]
    model.train().requires_grad_(True)
    for parameter in frozen:
        parameter.requires_grad_(False)
    picture = torch.cat(list(torch.cat(rows)), dim=2)  # (3, 2 H, n W)
    return {"reconstructions": picture.add(1).mul(127.5).round().clamp(0, 255).byte().cpu()}


@torch.inference_mode()
def scaling_factor(settings: Settings, model, prepared: PreparedSet, resolution: int, images: int, device) -> float:
    """1 / standard deviation of the latents over training images, so many of a side in pixels (reading 21)."""
    tokenizer = wrap(model)
    count, total, squares = 0, 0.0, 0.0
    for batch in _images(settings, prepared, resolution, images, device):
        latents = tokenizer.encode(batch.images).double()
        count += latents.numel()
        total += latents.sum().item()
        squares += latents.square().sum().item()
    variance = squares / count - (total / count) ** 2
    return float(variance**-0.5) if variance > 0 else 1.0
