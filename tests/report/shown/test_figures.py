"""Each picture that a figure shows is the one of its own result, in its own place."""

from itertools import pairwise

import numpy as np
import pytest

from pqgan.report import formats
from pqgan.report.wording import listed

SHOWCASE = {
    "figure1": [("double", [0]), ("val", [0, 1])],
    "figure7": [("double", [6, 7]), ("val", [5, 6, 7])],
    "figure_finetuned": [("val", [0, 1, 2])],
}
"""Role of a set and which of its 8 pictures each figure of reconstructions shows, from above."""


def colour(axes) -> tuple[int, ...]:
    """Of the middle of the picture that an axes shows, the same everywhere."""
    (image,) = axes.images
    pixels = np.asarray(image.get_array())
    assert (pixels == pixels[0, 0]).all()
    return tuple(int(level) for level in pixels[0, 0])


# pictures


def methods_of(item: str) -> list[tuple[str, str]]:
    """Columns besides the originals: evaluation, and what the head begins with."""
    if item == "figure_finetuned":
        return [
            (f"{stage}-f{factor}", f"F = {factor}, {when}")
            for factor in (8, 16)
            for stage, when in (("selected", "before"), ("finetuned", "after"))
        ]
    return [
        ("backbone-vae", "untrained VAE, F = 8 in the role of the SD VAE"),
        ("finetuned-f16", "PQGAN, F = 16"),
        ("finetuned-f8", "PQGAN, F = 8"),
    ]


@pytest.mark.parametrize("item", SHOWCASE)
def test_originals_stand_beside_their_own_reconstructions(draw, item, colour_of):
    picture, read = draw(item)
    methods = methods_of(item)
    columns, line = 1 + len(methods), 0
    axes = [each for each in picture.figure.axes if each.images]
    assert len(axes) == columns * sum(len(pictures) for _, pictures in SHOWCASE[item])
    for number, (role, pictures) in enumerate(SHOWCASE[item]):
        prepared = {"val": "val_large", "double": "val_double"}[role]
        heads = [" ".join(place.get_title().split()) for place in axes[line * columns :][:columns]]
        assert heads[0] == {"val": "Original, 128 px", "double": "Original, 256 px"}[role]
        for head, (name, title) in zip(heads[1:], methods, strict=True):
            psnr = read.record("evaluate_finetuned", name).get("psnr", on=role)
            assert head == f"{'' if number else f'{title} '}{psnr.value:.1f} dB over 48 images"
        for shown in pictures:
            row = axes[line * columns :][:columns]
            expected = [colour_of(prepared, f"{shown}_original.png")]
            expected += [
                colour_of("evaluate_finetuned", name, "showcase", role, f"{shown}_reconstruction.png")
                for name, _ in methods
            ]
            assert [colour(place) for place in row] == expected
            # and each enlarged part is of its own picture
            assert [colour(place.child_axes[0]) for place in row] == expected
            line += 1


@pytest.mark.parametrize("item", ["figure1", "figure7"])
def test_an_untrained_vae_is_called_so_and_what_it_stands_for_is_said(draw, synthetic, item):
    picture, _ = draw(item)
    config = synthetic.settings.scale.tokenizer.configs[synthetic.chosen(16)]
    assert "untrained VAE (in the role of the SD VAE" in picture.caption
    assert "its weights are random and untrained" in picture.caption
    assert f"d = {config.d}, S = {config.S}, K = {config.K} at F = 16" in picture.caption
    assert "untrained VAE, F = 8 in the role of the SD VAE" in picture.alt
    assert "PQGAN, fine-tuned at 128 px" in picture.caption


def test_what_is_enlarged_is_as_large_as_the_caption_says(draw):
    picture, _ = draw("figure1")
    axes = [each for each in picture.figure.axes if each.images]
    for place, side in ((axes[0], 256), (axes[4], 128)):
        (inset,) = place.child_axes
        shown = inset.images[0].get_array().shape[0] / inset.get_position().width
        whole = place.images[0].get_array().shape[0] / place.get_position().width
        assert side == place.images[0].get_array().shape[0]
        assert f"{whole / shown:.2g} times at {side} px" in picture.caption


def sample_of(smoke, colour_of, name: str, prompt: int, size: tuple[int, int]) -> tuple[int, ...]:
    """Colour of a sample: all prompts at the first size have the first numbers, then those at the next one."""
    number = smoke.scale.adapt.variants[name].samples.index(size) * len(smoke.scale.adapt.prompts) + prompt
    return colour_of("samples", name, f"{number}.png")


def inches(axes) -> tuple[float, float, float, float]:
    """Left, top (from the upper edge of the figure), width and height of an axes."""
    box, (width, height) = axes.get_position(), axes.figure.get_size_inches()
    return box.x0 * width, (1 - box.y1) * height, box.width * width, box.height * height


def words_of(axes) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in axes.texts]


def test_figure4_has_the_largest_variant_at_the_left_and_the_others_in_rows(draw, smoke, colour_of):
    picture, _ = draw("figure4")
    prompts = smoke.scale.adapt.prompts
    rows = [("PQSD-HR", 16, (192, 192), 1), ("PQSD-Precise", 8, (96, 96), 3), ("PQSD-Quick", 16, (96, 96), 3)]
    axes = iter(picture.figure.axes)
    places = {}
    for name, factor, (height, width), count in rows:
        for prompt in range(count):
            place = next(axes)
            assert colour(place) == sample_of(smoke, colour_of, name, prompt, (height, width))
            heading = [f"{name} (F = {factor}, {height}×{width} px)"] if prompt == 0 else []
            assert words_of(place) == [prompts[prompt], *heading]
            *_, wide, high = places[name, prompt] = inches(place)
            assert (wide / high, wide / places["PQSD-HR", 0][2]) == pytest.approx((width / height, width / 192))
    assert next(axes, None) is None
    large, top, bottom = (places[name, 0] for name, *_ in rows)
    assert large[0] + large[2] < top[0] == pytest.approx(bottom[0])
    assert large[1] == pytest.approx(top[1])
    assert top[1] + top[3] < bottom[1]


SHOWN = {
    "figure8": [("PQSD-Precise", 8, [(96, 96), (96, 192)])],
    "figure9": [("PQSD-HR", 16, [(192, 192)]), ("PQSD-Quick", 16, [(96, 96)])],
    "figure10": [
        ("PQSD-HR", 16, [(384, 192), (192, 384), (192, 192)]),
        ("PQSD-Quick", 16, [(192, 96), (96, 96)]),
    ],
}
"""Variants, F and sizes of each grid, in their order."""


@pytest.mark.parametrize("item", SHOWN)
def test_each_sample_stands_at_its_size_above_its_own_prompt(draw, smoke, item, colour_of):
    picture, _ = draw(item)
    axes = iter(picture.figure.axes)
    below = 0.0
    for name, factor, sizes in SHOWN[item]:
        for prompt, text in enumerate(smoke.scale.adapt.prompts):
            strip = []
            for size in sizes:
                place = next(axes)
                strip.append(inches(place))
                assert colour(place) == sample_of(smoke, colour_of, name, prompt, size)
                _, top, wide, high = strip[-1]
                assert wide / high == pytest.approx(size[1] / size[0])
                words = [text] if size == sizes[0] else []
                if prompt == 0 and size == sizes[0]:
                    words.append(f"{name} (F = {factor}, {listed(f'{height}×{width}' for height, width in sizes)} px)")
                    assert top > below  # each variant below the one before
                assert words_of(place) == words
            below = max(below, top + high)
            for one, other in pairwise(strip):
                assert (one[1], one[3]) == pytest.approx((other[1], other[3]))
                assert one[0] + one[2] < other[0]
    assert next(axes, None) is None


def test_each_row_of_the_class_conditional_models_is_its_own(draw, smoke, colour_of):
    picture, read = draw("figure_ldm")
    latents = smoke.scale.ldm.latents
    assert len(picture.figure.axes) == len(latents)
    for axes, (name, latent) in zip(picture.figure.axes, latents.items(), strict=True):
        pixels = np.asarray(axes.images[0].get_array())
        gap, side = 64 // 16, 64
        for number in range(smoke.scale.ldm.grid):
            top, left = number // 12 * (side + gap), number % 12 * (side + gap)
            assert tuple(pixels[top + 5, left + 5]) == colour_of("generation", name, f"{number}.png")
        gfid = read.record("generation", name).get("gfid").value
        assert axes.get_title(loc="left").startswith(f"{latent.method}, F = ")
        assert axes.get_title(loc="left").endswith(f"gFID {formats.significant(gfid, 4)}")
