"""Figures 1 and 7: originals beside reconstructions, each with its most detailed part enlarged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents, formats, wording
from ..results import Results
from .grid import image_grid, load, show
from .style import DOUBLE, FRAME, INK, Picture, wrapped

SHOWN = "showcase/val"
ZOOM = 4
"""Side of an image over the side of its enlarged part."""
_INSET = 0.375
"""Side of the enlarged part as it is drawn, over that of the image: it covers no frame in the middle."""


@dataclass(frozen=True)
class Method:
    """A column: an evaluation and what its pictures are called."""

    chapter: str
    name: str
    title: str


def figure1(settings: Settings, plan: Plan, results: Results) -> Picture:
    """The KL baseline and the selected tokenizers, on the validation set."""
    methods = [Method("evaluate", name, f"KL, {name}") for name in contents.continuous(plan)[:1]]
    for factor in sorted(settings.scale.selection.factors, reverse=True):
        name = results.selected(factor)["run"]
        methods.append(Method("evaluate", name, f"PQGAN, {name}"))
    return _compare(
        settings, results, "figure1", methods, settings.scale.evaluation.data, 4, "each tokenizer's reconstruction"
    )


def figure7(settings: Settings, plan: Plan, results: Results) -> Picture:
    """The selected tokenizers at high resolution, before and after fine-tuning."""
    methods = []
    for factor in sorted(settings.scale.selection.factors):
        for stage, when in (("selected", "before"), ("finetuned", "after")):
            methods.append(Method("evaluate_finetuned", f"{stage}-f{factor}", f"F = {factor}, {when}"))
    side = settings.scale.finetune.training.resolution
    says = f"the reconstructions of the selected tokenizers before and after fine-tuning at {side} px"
    return _compare(settings, results, "figure7", methods, settings.scale.evaluation.finetune_data, 3, says)


def _compare(
    settings: Settings,
    results: Results,
    item: str,
    methods: Sequence[Method],
    prepared: str,
    rows: int,
    says: str,
) -> Picture:
    behind = [results.measurement(method.chapter, method.name, "psnr", "val") for method in methods]
    n = wording.counts(behind)
    originals = _pictures(results, methods[0], "original")[:rows]
    footer = wording.footer(settings, f"set {prepared}, n = {n} images behind each mean PSNR")
    title = contents.ITEMS[item]
    figure, axes = image_grid(len(originals), 1 + len(methods), width=DOUBLE, title=title, footer=footer, head=0.32)
    heads = ["Original\n", *map(_head, methods, behind)]
    for place, head in enumerate(heads):
        axes[0, place].set_title(head, fontsize=7, pad=3)
    for line, path in enumerate(originals):
        original = load(path)
        window = detailed_window(original, max(original.shape[:2]) // ZOOM)
        _show(axes[line, 0], original, window)
        for place, method in enumerate(methods, start=1):
            reconstruction = load(_pictures(results, method, "reconstruction")[line])
            if reconstruction.shape != original.shape:
                raise DataError(
                    f"{results.folder(method.chapter, method.name)}/{SHOWN}: picture {line} has another size than the "
                    "original; expected pairs of one set; delete the folder"
                )
            _show(axes[line, place], reconstruction, window)
    side = settings.scale.data.sets[prepared].size
    caption = wording.caption(
        f"Originals (left) and {says}. The framed part, the one with most detail in the original, is enlarged",
        f"{_INSET * ZOOM:.2g} times in the opposite corner. All is measured by this run: {wording.run_of(settings)},",
        f"the first {len(originals)} images of the set {prepared}, stored at {side} px. Above each column stands the",
        f"PSNR of the whole set (n = {n}), not of these images.",
        wording.networks(behind),
        *wording.protocols(behind),
    )
    shown = wording.listed(method.title for method in methods)
    alt = f"A grid of {len(originals)} photographs and their reconstructions by {shown}."
    return Picture(figure, title, caption, alt, behind)


def _head(method: Method, psnr) -> str:
    head = wrapped(method.title, 1.5, 7)
    return f"{head}\n{formats.metric('psnr', psnr.value)} dB over {formats.count(psnr.n)} images"


def _pictures(results: Results, method: Method, kind: str) -> list[Path]:
    return results.pictures(method.chapter, method.name, f"*_{kind}.png", SHOWN)


def detailed_window(image: np.ndarray, side: int) -> tuple[int, int, int]:
    """Left, top and side of the square with the largest mean gradient, away from the border.

    Args:
        image: (H, W, 3) uint8.
        side: of the square, pixels.
    """
    grey = image.astype(np.float64).mean(axis=2)
    detail = np.abs(np.gradient(grey, axis=0)) + np.abs(np.gradient(grey, axis=1))
    sums = np.pad(detail.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    margin = min(side // 4, (min(inside.shape) - 1) // 2)
    inner = inside[margin : inside.shape[0] - margin, margin : inside.shape[1] - margin]
    top, left = np.unravel_index(inner.argmax(), inner.shape)
    return int(left) + margin, int(top) + margin, side


def _show(axes: Axes, image: np.ndarray, window: tuple[int, int, int]) -> None:
    left, top, side = window
    height, width = image.shape[:2]
    show(axes, image)
    _frame(axes, left - 0.5, top - 0.5, side)
    # in the corner that is farthest from what it enlarges
    right_free = left + side / 2 < width / 2
    bottom_free = top + side / 2 < height / 2
    corner = (1 - _INSET if right_free else 0, 0 if bottom_free else 1 - _INSET)
    inset = axes.inset_axes((*corner, _INSET, _INSET))
    inset.imshow(image[top : top + side, left : left + side], interpolation="nearest")
    inset.set_axis_off()
    _frame(inset, left=0, top=0, side=1, transform=inset.transAxes, clip_on=False)


def _frame(axes: Axes, left: float, top: float, side: float, **more) -> None:
    # dark around bright: visible on every photograph
    for colour, width in ((INK, 2.2), (FRAME, 1.0)):
        axes.add_patch(Rectangle((left, top), side, side, fill=False, edgecolor=colour, linewidth=width, **more))
