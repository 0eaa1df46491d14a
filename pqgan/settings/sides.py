"""Sides of images in pixels, which the downsampling factors F and the U-Nets that they meet have to divide."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pqgan.errors import SettingsError

from .evaluation import published_factor
from .names import BACKBONE_VAE, selected_factor

if TYPE_CHECKING:
    from .scale import Scale


def check(scale: "Scale") -> None:
    """Raise ValueError for the first side of a scale that an F, or an F and a U-Net, do not divide."""
    for key, (side, factors) in _sides(scale).items():
        for factor in sorted(factors):
            check_one(key, side, factor)
    division = backbone_division(scale)
    for key, side, factor in _adapted_sides(scale):
        check_one(key, side, factor, division)
    for factor in sorted(_latent_factors(scale)):  # none where there is no ldm
        check_one("ldm.resolution", scale.ldm.resolution, factor, scale.ldm.unet.division)


def check_one(key: str, side: int, factor: int, division: int = 1) -> None:
    """Raise ValueError for a setting of a side that an F, or an F and a U-Net, do not divide.

    Args:
        key: of the setting, for the message.
        side: of an image, pixels.
        factor: downsampling factor F of the tokenizer that the image meets.
        division: by what the U-Net divides the sides of the latent; 1 where it meets none.
    """
    unit = factor * division
    if side % unit:
        near = [other for other in (side // unit * unit, (side // unit + 1) * unit) if other]
        divisor = f"F={factor}" if side % factor else f"F={factor} times the {division} of the U-Net"
        raise ValueError(
            f"{key} is {side}, which {divisor} does not divide; allowed: such as {' or '.join(map(str, near))}"
        )


def backbone_division(scale: "Scale") -> int:
    """By what the backbone's U-Net divides the sides of a latent; 1 where that is not known without its files, or where
    there is none.
    """
    if scale.adapt is None:
        return 1
    try:
        return scale.adapt.backbone.architecture.unet.division
    except SettingsError:
        return 1


def _adapted_sides(scale: "Scale") -> Iterator[tuple[str, int, int]]:
    """Setting, side in pixels and F of all that the backbone's U-Net meets."""
    if scale.adapt is None:
        return
    yield "speed.baseline_size", scale.speed.baseline_size, scale.adapt.backbone.factor
    for name, variant in scale.adapt.variants.items():
        where = f"adapt.variants.{name}"
        yield f"{where}.sample_size", variant.sample_size, variant.F
        for number, phase in enumerate(variant.stage2):
            yield f"{where}.stage2.{number}.resolution", phase.resolution, variant.F
        for number, size in enumerate(variant.samples):
            for what, side in zip(("height", "width"), size, strict=True):
                yield f"{where}.samples.{number} ({what})", side, variant.F


def _sides(scale: "Scale") -> dict[str, tuple[int, set[int]]]:
    """Setting of a side in pixels -> it, and every downsampling factor F that images of this side meet."""
    selected, sets = set(scale.selection.factors), scale.data.sets
    trained = {config.F for config in scale.tokenizer.designs.values()}
    measured = {published_factor(name) for name in scale.evaluation.published}
    if scale.evaluates_backbone:
        measured.add(scale.adapt.backbone.factor)
    section = scale.tokenizer
    elsewhere = measured | selected
    elsewhere |= {config.F for config in section.designs.values() if config.kind in ("kl", "linear")}
    found: dict[str, tuple[int, set[int]]] = {}
    if section.training:
        found["tokenizer.training.resolution"] = (section.training.resolution, trained)
    if scale.finetune:
        found["finetune.training.resolution"] = (scale.finetune.training.resolution, selected)
    if scale.matching:
        found["matching.resolution"] = (scale.matching.resolution, {scale.matching.F})
    if section.with_shortcut:
        found["tokenizer.with_shortcut.training.resolution"] = (section.with_shortcut.training.resolution, trained)
    evaluation = scale.evaluation
    evaluated = [(prepared, elsewhere) for prepared in evaluation.transfer.values()]
    compared = {_factor(scale, name) for name in (*evaluation.continuous, *scale.compared_as_published)}
    evaluated += [(prepared, selected | compared) for prepared in evaluation.high_resolution.values()]
    evaluated += [(evaluation.data, trained | measured)]
    evaluated += [(evaluation.second.data, trained | measured)] if evaluation.second else []
    for prepared, factors in evaluated:
        key = f"data.sets.{prepared}.size"
        _, known = found.get(key, (0, set()))
        found[key] = (sets[prepared].size, known | factors)
    return found


def _latent_factors(scale: "Scale") -> set[int]:
    return {_factor(scale, latent.tokenizer) for latent in scale.generated_latents.values()}


def _factor(scale: "Scale", tokenizer: str) -> int:
    """Downsampling factor F of what a setting names a tokenizer."""
    if tokenizer == BACKBONE_VAE:
        return scale.adapt.backbone.factor
    if tokenizer in scale.evaluation.published:
        return published_factor(tokenizer)
    configs = scale.tokenizer.configs
    return configs[tokenizer].F if tokenizer in configs else selected_factor(tokenizer)
