"""Figures 1 and 7, and what fine-tuning changes: originals, reconstructions and their most detailed part enlarged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.records import Measurement
from pqgan.settings import Settings
from pqgan.settings.names import DOUBLE, VALIDATION

from .. import contents, formats, wording
from ..results import Results
from .grid import image_grid, load, show
from .style import DOUBLE as WIDTH
from .style import DPI, FRAME, INK, Picture, wrapped

CHAPTER = "evaluate_finetuned"
FIGURE1, FIGURE7 = {DOUBLE: 1, VALIDATION: 2}, {DOUBLE: 2, VALIDATION: 3}
"""Role of a set -> images of it, the first ones in Figure 1 and the last ones in Figure 7."""
ZOOM = 6
"""Side of an image over the side of its enlarged part, at least."""
_INSET = 0.4
"""Side of the enlarged part as it is drawn, over that of the image: it covers no frame in the middle."""
_LINE = 0.13
"""Height of a line of a head, inches."""


@dataclass(frozen=True)
class Method:
    """A column: an evaluation at high resolution and what stands above it."""

    name: str
    title: str
    """Lines."""


@dataclass(frozen=True)
class Block:
    """Rows of one set: its role, and which of the pictures that an evaluation kept are shown."""

    role: str
    shown: slice


@dataclass(frozen=True)
class _Read:
    """What a block shows."""

    set: str
    side: int
    """Of its images, pixels."""
    images: str
    """Which of the set, from 1."""
    rows: list[list[np.ndarray]]
    """An original and its reconstruction by each method, (H, W, 3) uint8."""
    psnr: list[Measurement]
    """Of each method on the whole set."""

    @property
    def n(self) -> str:
        return wording.counts(self.psnr)


def figure1(settings: Settings, plan: Plan, results: Results) -> Picture:
    """The Stable Diffusion VAE and the fine-tuned tokenizers, at both resolutions (section 4.5)."""
    return _beside_the_vae(settings, plan, results, "figure1", {r: slice(0, n) for r, n in FIGURE1.items()})


def figure7(settings: Settings, plan: Plan, results: Results) -> Picture:
    """More of Figure 1 (appendix E)."""
    return _beside_the_vae(settings, plan, results, "figure7", {r: slice(-n, None) for r, n in FIGURE7.items()})


def figure_finetuned(settings: Settings, plan: Plan, results: Results) -> Picture:
    """The selected tokenizers before and after fine-tuning, at its resolution; not in the paper."""
    methods = [
        Method(f"{stage}-f{factor}", f"F = {factor}, {when}")
        for factor in sorted(settings.scale.selection.factors)
        for stage, when in (("selected", "before"), ("finetuned", "after"))
    ]
    says = "the reconstructions of the selected tokenizers before and after fine-tuning at "
    says += f"{settings.scale.finetune.training.resolution} px, which the paper does not show"
    return _compare(settings, results, "figure_finetuned", methods, [Block(VALIDATION, slice(0, 3))], says)


def _beside_the_vae(settings: Settings, plan: Plan, results: Results, item: str, shown: Mapping[str, slice]) -> Picture:
    vae, *ours = contents.beside_the_vae(plan)
    record = results.record(CHAPTER, vae)
    name = wording.autoencoder(settings, record)
    plays = "" if name == wording.STABLE_DIFFUSION_VAE else "in the role of the SD VAE"
    methods = [Method(vae, "\n".join(filter(None, (f"{name}, F = {record.subject['F']}", plays))))]
    tuned = []
    for each in ours:
        subject = results.record(CHAPTER, each).subject
        theirs = ", authors' weights" if "published" in subject else ""
        methods.append(Method(each, f"PQGAN, F = {subject['F']}{theirs}"))
        tuned.append("d = {d}, S = {S}, K = {K} at F = {F}".format(**subject))
    role = f"{plays}, which the paper shows here" if plays else "as in the paper"
    untrained = "; its weights are random and untrained, so that its pictures say nothing of a trained VAE"
    says = (
        f"the reconstructions of the {name} ({role}{untrained if wording.UNTRAINED in name else ''}) and of PQGAN, "
        f"{_as_what(settings)} ({wording.listed(tuned)})"
    )
    return _compare(settings, results, item, methods, [Block(*each) for each in shown.items()], says)


def _as_what(settings: Settings) -> str:
    """What has become of PQGAN's tokenizers before they reconstruct images of a high resolution."""
    tuned = settings.scale.finetune
    if tuned:
        return f"fine-tuned at {tuned.training.resolution} px"
    return "the authors' weights for 256 px, where the paper shows tokenizers that were fine-tuned at 768 px"


def _compare(
    settings: Settings, results: Results, item: str, methods: Sequence[Method], blocks: Sequence[Block], says: str
) -> Picture:
    read = [_read(settings, results, methods, block) for block in blocks]
    titles = [_fitted(method.title) for method in methods]
    above = [space for number, block in enumerate(read) for space in _space_above(block, () if number else titles)]
    behind = [measurement for block in read for measurement in block.psnr]
    facts = [f"set {block.set}, n = {block.n}" for block in read]
    footer = wording.footer(settings, f"images behind each mean PSNR: {wording.listed(facts)}")
    title = contents.ITEMS[item]
    figure, axes = image_grid(len(above), 1 + len(methods), width=WIDTH, title=title, footer=footer, above=above)
    line, enlarged = 0, {}
    for number, block in enumerate(read):
        heads = [f"{formats.metric('psnr', mean.value)} dB over {formats.count(mean.n)} images" for mean in block.psnr]
        if not number:
            heads = [f"{name}\n{head}" for name, head in zip(titles, heads, strict=True)]
        for place, head in zip(axes[line], [f"Original, {block.side} px", *heads], strict=True):
            place.set_title(head, fontsize=7, pad=3)
        for pictures in block.rows:
            window = detailed_window(pictures[0], _window_side(axes[line, 0], block.side))
            for place, picture in zip(axes[line], pictures, strict=True):
                _show(place, picture, window)
            enlarged[f"{_INSET * block.side / window[2]:.2g} times at {block.side} px"] = None
            line += 1
    rows = [f"{block.images} of the set {block.set}, stored at {block.side} px, n = {block.n}" for block in read]
    caption = wording.caption(
        f"Originals (left) and {says}. The framed part, the one with most detail in the original, is enlarged",
        f"{wording.listed(enlarged)} in the opposite corner. All is measured by this run: {wording.run_of(settings)}.",
        f"From above: {'; then '.join(rows)}. The PSNR above the columns is the mean over all n images of the set, not",
        "that of these images.",
        wording.networks(behind),
        *wording.protocols(behind),
    )
    columns = wording.listed(method.title.replace("\n", " ") for method in methods)
    alt = f"A grid of {len(above)} photographs and their reconstructions by {columns}."
    return Picture(figure, title, caption, alt, behind)


def _read(settings: Settings, results: Results, methods: Sequence[Method], block: Block) -> "_Read":
    below = f"showcase/{block.role}"
    originals = results.pictures(CHAPTER, methods[0].name, "*_original.png", below)[block.shown]
    rows = [[load(path)] for path in originals]
    for method in methods:
        reconstructions = results.pictures(CHAPTER, method.name, "*_reconstruction.png", below)[block.shown]
        pictures = [load(path) for path in reconstructions]
        if [picture.shape for picture in pictures] != [row[0].shape for row in rows]:
            raise DataError(
                f"{reconstructions[0].parent}: pictures of another number or size than the originals; expected pairs "
                "of one set; delete the folder"
            )
        for row, picture in zip(rows, pictures, strict=True):
            row.append(picture)
    numbers = [int(path.stem.partition("_")[0]) + 1 for path in originals]
    prepared = settings.scale.evaluation.high_resolution[block.role]
    return _Read(
        set=prepared,
        side=settings.scale.data.sets[prepared].size,
        images=f"{'image' if len(numbers) == 1 else 'images'} {wording.listed(numbers)}",
        rows=rows,
        psnr=[results.measurement(CHAPTER, method.name, "psnr", block.role) for method in methods],
    )


def _space_above(block: "_Read", titles: Sequence[str]) -> list[float]:
    """Inches above each row of a block: its heads, with the titles' lines where there are any."""
    lines = 1 + max((title.count("\n") + 1 for title in titles), default=0)
    return [lines * _LINE + 0.06, *[0.0] * (len(block.rows) - 1)]


def _fitted(title: str) -> str:
    """A title whose every line fits a column."""
    return "\n".join(wrapped(line, 1.55, 7) for line in title.split("\n"))


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


def _window_side(axes: Axes, side: int) -> int:
    """Side of the part of an image that is enlarged, pixels: no more than the figure has for it."""
    drawn = _INSET * axes.get_position().width * axes.figure.get_figwidth() * DPI
    return max(1, min(side // ZOOM, int(drawn)))


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
