"""Image by image and tile by tile: the same images, without seams."""

import pytest
import torch
from drop_in_models import FORMS, all_calls, images, make
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from pqgan.tokenizer.model import PQModel
from pqgan.tokenizer.tiling import _spans, in_tiles

LEVEL = 2 / 255
"""Of 8-bit images, in [-1, 1]."""


@pytest.fixture(scope="module")
def photograph() -> torch.Tensor:
    """(1, 3, 512, 512) in [-1, 1]."""
    return torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None] / 127.5 - 1


class TestSlicing:
    @pytest.mark.parametrize("form", FORMS)
    def test_a_batch_is_the_same_image_by_image(self, form):
        model, x, sizes = make(form), images(batch=3), []
        whole = all_calls(model, x)
        model.enable_slicing()
        first = model.linear if model.linear is not None else model.encoder
        first.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
        for name, value in all_calls(model, x).items():
            torch.testing.assert_close(value, whole[name], rtol=1e-4, atol=1e-5)
        assert set(sizes) == {1}
        model.disable_slicing()
        model(x)
        assert sizes[-1] == 3

    def test_an_empty_batch_stays_one(self):
        model = make("path")
        model.enable_slicing()
        assert model.decode(torch.zeros(0, 8, 4, 4)).sample.shape == (0, 3, 16, 16)


class TestTiles:
    @settings(max_examples=200, deadline=None)
    @given(length=st.integers(1, 90), cells=st.integers(1, 16), part=st.floats(0, 0.5), made=st.sampled_from([1, 2, 8]))
    def test_weights_of_an_axis_sum_to_one_everywhere(self, length, cells, part, made):
        spans = _spans(length, cells, int(cells * part), made)
        total = torch.zeros(length * made)
        for start, stop, weights in spans:
            assert stop - start == min(cells, length)
            assert ((weights >= 0) & (weights <= 1)).all()
            total[start * made : stop * made] += weights
        torch.testing.assert_close(total, torch.ones(length * made))
        assert [start for start, _, _ in spans] == sorted({start for start, _, _ in spans})

    @pytest.mark.parametrize("sides", [(40, 56), (8, 90), (33, 8), (2, 40), (40, 1)])
    def test_what_sees_no_edge_is_the_same_in_tiles(self, sides):
        x = torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(0))
        doubled = in_tiles(
            lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3), x, cells=8, overlap=2, taken=1, made=2
        )
        torch.testing.assert_close(doubled, x.repeat_interleave(2, 2).repeat_interleave(2, 3))

    def test_the_outermost_places_of_a_tile_are_left_out(self):
        def with_an_edge(x):
            y = x.clone()
            y[:, :, [0, -1]] = y[:, :, :, [0, -1]] = 100.0
            return y

        found = in_tiles(with_an_edge, torch.zeros(1, 1, 40, 40), cells=16, overlap=8, taken=1, made=1)
        assert not found[:, :, 1:-1, 1:-1].any()

    def test_tiles_of_half_precision_are_added_up_in_float32(self):
        x = torch.full((1, 1, 40, 40), 0.7, dtype=torch.bfloat16)
        found = in_tiles(lambda x: x, x, cells=16, overlap=8, taken=1, made=1)
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, x)

    def test_no_network_sees_more_than_a_tile(self):
        model, sides = make("trunk"), []
        model.enable_tiling(16)
        for network in (model.encoder, model.decoder):
            network.register_forward_pre_hook(lambda module, inputs: sides.append(max(inputs[0].shape[2:])))
        model(images(height=64, width=48))
        assert max(sides[: len(sides) // 2]) == 16
        assert max(sides[len(sides) // 2 :]) == 8
        sides.clear()
        model.disable_tiling()
        model(images(height=64, width=48))
        assert sides == [64, 32]

    def test_smaller_images_are_taken_whole(self):
        model, x = make("trunk"), images()
        whole = all_calls(model, x)
        model.enable_tiling()
        assert (model.tile_sample_min_size, model.tile_overlap_factor) == (512, 0.25)
        for name, value in all_calls(model, x).items():
            assert torch.equal(value, whole[name])

    def test_gradients_pass_through_tiles(self):
        model, x = make("path"), images()
        found = []
        for tiled in (False, True):
            if tiled:
                model.enable_tiling(16, 0.5)
            at = x.clone().requires_grad_()
            model.decode(model.encode(at).latents).sample.square().sum().backward()
            found.append(at.grad)
        torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"tile_sample_min_size": 3}, "got tiles of 3 pixels; expected F=4 or more"),
            (
                {"tile_sample_min_size": 16.5, "tile_overlap_factor": 0.25},
                "got tiles of 16.5 pixels; .* a whole number",
            ),
            ({"tile_sample_min_size": "16"}, "got tiles of '16' pixels; .* a whole number"),
            ({"tile_sample_min_size": True}, "got tiles of True pixels; .* a whole number"),
            ({"tile_overlap_factor": "0.2"}, "overlap by '0.2' of their side; expected 0 to 0.5"),
            ({"tile_overlap_factor": 0.7}, "overlap by 0.7 of their side; expected 0 to 0.5"),
            ({"tile_overlap_factor": -0.1}, "overlap by -0.1 of their side; expected 0 to 0.5"),
        ],
    )
    def test_tiles_that_cannot_be_are_refused(self, options, message):
        model = make("path")
        with pytest.raises(ValueError, match=message):
            model.enable_tiling(**options)
        assert not model.use_tiling


@pytest.mark.parametrize("name", ["f8-d128-S64-K512", "f16-d128-S64-K128"])
@torch.inference_mode()
def test_a_photograph_has_no_seams(name, params_path, photograph):
    """By the tokenizers of the repository, in tiles so small that there are many."""
    model = PQModel.from_pretrained(params_path.parent / "models" / name)
    whole = model(photograph)
    model.enable_tiling(192)
    tiled = model(photograph)
    assert torch.equal(tiled.codes, whole.codes)
    difference = tiled.sample - whole.sample
    assert difference.abs().max() < LEVEL / 2
    model.enable_tiling(256, 0.5)
    torch.testing.assert_close(model(photograph).sample, whole.sample, rtol=0, atol=1e-5)
