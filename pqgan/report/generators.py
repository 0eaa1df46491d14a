"""Which variants of the adapted generator, and which of their sizes, each figure of samples shows.

By their settings, not by their names. Figure 4: every variant. Figure 8: those with the smallest F, at all sizes.
Figures 9 and 10: those with a larger F, square samples and then all sizes. The largest sample_size comes first.
"""

from collections.abc import Sequence

from pqgan.settings import Settings
from pqgan.settings.diffusion import Size

from .wording import listed

OVERVIEW = "figure4"
SMALLEST_F, SQUARE, EVERY_SIZE = GRIDS = ("figure8", "figure9", "figure10")

_SHOWN = {
    OVERVIEW: "variants",
    SMALLEST_F: "variants",
    SQUARE: "square samples of variants whose F is not the smallest",
    EVERY_SIZE: "variants whose F is not the smallest",
}


def variants(settings: Settings, item: str) -> list[str]:
    """Names of the variants that a figure of samples shows, in its order; none where the scale has no such variant."""
    known = settings.scale.adapt.variants
    smallest = min((variant.F for variant in known.values()), default=0)
    found = [
        name
        for name, variant in known.items()
        if (item == OVERVIEW or (smallest == variant.F) == (item == SMALLEST_F)) and sizes(item, variant.samples)
    ]
    return sorted(found, key=lambda name: -known[name].sample_size)


def lacking(settings: Settings, item: str) -> str:
    """What a figure of samples says where there is nothing that it could show."""
    return f"This figure shows {_SHOWN[item]}; adapt.variants has none at scale {settings.name!r}."


def sizes(item: str, made: Sequence[Size]) -> list[Size]:
    """Those of the sizes that were sampled that a figure shows, in its order."""
    if item == OVERVIEW:
        return list(made[:1])
    if item == SQUARE:
        return [size for size in made if _is_square(size)]
    return sorted(made, key=_is_square) if item == EVERY_SIZE else list(made)


def title(settings: Settings, item: str) -> str:
    """What stands above one of GRIDS."""
    names = listed(variants(settings, item))
    return {SQUARE: f"Square samples of {names}", EVERY_SIZE: f"Samples of {names} at every size"}.get(
        item, f"Samples of {names}"
    )


def _is_square(size: Size) -> bool:
    height, width = size
    return height == width
