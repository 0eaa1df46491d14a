"""Numbers, maps and mixtures of the page against arithmetic written out."""

import math

import numpy as np
import pytest
import torch
from skimage import data

from pqgan.demo import compute, models, words
from pqgan.errors import DataError
from pqgan.evaluate.baselines.open import open_model
from pqgan.evaluate.command.defaults import FEATURES
from pqgan.tokenizer.perceptual import Perceptual

CPU = torch.device("cpu")
PIXELS = np.ascontiguousarray(data.chelsea()[100:148, 100:164])


@pytest.fixture
def tokenizer(tiny_pq):
    return open_model(tiny_pq)


@torch.inference_mode()
def by_hand(tokenizer):
    """Pixels and codes of a round trip."""
    images = torch.tensor(PIXELS).permute(2, 0, 1)[None].contiguous() / 127.5 - 1
    codes = tokenizer.model.encode_to_codes(images)
    made = tokenizer.model.decode_from_codes(codes)[0].permute(1, 2, 0).numpy()
    return ((made.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8), codes[0].numpy()


def test_a_reconstruction_has_the_pixels_codes_bits_and_psnr_of_a_round_trip(tokenizer):
    found = compute.reconstruct(tokenizer, PIXELS, None, CPU)
    pixels, codes = by_hand(tokenizer)
    assert np.abs(found.pixels.astype(int) - pixels).max() <= 1
    assert np.array_equal(found.codes, codes)
    assert found.bits == 2 * 24 * 32 * 4  # S h w, four bits for K=11
    assert found.bits_per_pixel == found.bits / (48 * 64)
    error = ((found.pixels.astype(float) - PIXELS) ** 2).mean()
    assert found.psnr == pytest.approx(10 * math.log10(255**2 / error))
    assert found.lpips is None


def test_lpips_is_of_the_8_bit_pictures_and_left_out_where_they_are_too_small(tokenizer):
    lpips = Perceptual(FEATURES["random"], compute.NET)
    found = compute.reconstruct(tokenizer, PIXELS, lpips, CPU)
    pair = [torch.tensor(x).permute(2, 0, 1)[None] / 127.5 - 1 for x in (PIXELS, found.pixels)]
    assert found.lpips == pytest.approx(float(lpips(*pair)), rel=1e-4)
    assert compute.reconstruct(tokenizer, PIXELS[:30], lpips, CPU).lpips is None


def test_a_codec_is_brought_to_its_bits_on_this_picture():
    found = compute.reconstruct(open_model("jpeg@4"), PIXELS, None, CPU)
    assert found.codes is None
    assert 2 < found.bits_per_pixel <= 4
    assert found.psnr > 20


def codes(seed):
    return np.random.default_rng(seed).integers(0, 11, (4, 6, 10))


@pytest.mark.parametrize("share", [0, 0.25, 0.5, 0.9, 1])
def test_mixtures_have_the_first_subspaces_or_the_left_columns_of_a(share):
    a, b = codes(0), codes(1)
    n, columns = round(4 * share), round(10 * share)
    whole = compute.mixed(a, b, share, "subspaces")
    assert np.array_equal(whole, np.concatenate([a[:n], b[n:]]))
    whole = compute.mixed(a, b, share, "columns")
    assert np.array_equal(whole, np.concatenate([a[..., :columns], b[..., columns:]], axis=2))
    assert np.array_equal(b, codes(1))


def test_codes_of_two_shapes_are_not_mixed():
    with pytest.raises(DataError, match=r"\(4, 6, 10\) and \(4, 6, 9\)"):
        compute.mixed(codes(0), codes(1)[..., :9], 0.5, "columns")


def test_decoded_codes_are_the_reconstruction(tokenizer):
    found = compute.reconstruct(tokenizer, PIXELS, None, CPU)
    assert np.array_equal(compute.decoded(tokenizer, found.codes, CPU), found.pixels)


def test_a_map_has_one_colour_a_codeword_and_a_square_a_position(tokenizer):
    found = compute.reconstruct(tokenizer, PIXELS, None, CPU).codes
    for s in range(2):
        colours = compute.code_map(tokenizer, found, s)
        assert (colours.shape, colours.dtype) == (PIXELS.shape, np.uint8)
        assert np.array_equal(colours, colours[::2, ::2].repeat(2, axis=0).repeat(2, axis=1))
        pairs = {
            (int(code), tuple(colour))
            for code, colour in zip(found[s].flat, colours[::2, ::2].reshape(-1, 3), strict=True)
        }
        assert len(pairs) == len(np.unique(found[s])) == len({colour for _, colour in pairs})


def test_colours_follow_the_words_along_their_direction_of_most_variance(tokenizer):
    along = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tokenizer.model.quantiser.codebooks[1] = torch.stack([along.float(), 0.1 * torch.randn(11)], dim=1)
    assert np.array_equal(compute._places(tokenizer, 1, 11), along.numpy())


def test_of_a_quantiser_without_codebooks_they_follow_the_codes(tiny_pq):
    from pqgan.tokenizer.load import wrap
    from pqgan.tokenizer.model import PQModel

    kind = {"kind": "fsq", "levels": [3, 3]}
    model = PQModel(block_out_channels=None, patch=2, d=2, quantiser_config=kind)
    assert np.array_equal(compute._places(wrap(model), 0, 9), np.arange(9))


def test_the_models_at_hand_are_those_below_a_folder_and_those_named(tiny_pq):
    folder = tiny_pq.parent
    found = models.at_hand(folder, ["jpeg@2", str(tiny_pq), "jpeg@2"], CPU)
    assert [model.name for model in found.models] == ["tiny", "jpeg@2", str(tiny_pq)]
    assert found.factor == 2
    assert found.left_out == []


def test_a_folder_that_holds_no_model_is_left_out_with_why(tiny_pq, tmp_path):
    (tmp_path / "good").symlink_to(tiny_pq)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/config.json").write_text('{"_class_name": "Nothing"}')
    found = models.at_hand(tmp_path, [], CPU)
    assert [model.name for model in found.models] == ["good"]
    assert len(found.left_out) == 1
    assert found.left_out[0].startswith("bad: ")


def test_no_model_at_all_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"--models: .*nowhere: no trained tokenizer below it; name a folder"):
        models.at_hand(tmp_path / "nowhere", [], CPU)


def test_words_escape_what_files_are_called():
    one = compute.Reconstruction(PIXELS, None, None, math.inf, None)
    table = words.table({"<script>": one}, {"<b>": "<i>no"}, "<script>")
    assert "<script>" not in table + words.failed(ValueError("<script>")) + words.line("<script>")
    assert "&lt;script&gt;" in table
    assert "&lt;i&gt;no" in table
    assert "<td>exact</td>" in table


@pytest.mark.parametrize(
    ("share", "way", "expected"),
    [
        (0.5, "subspaces", "Subspaces 0 to 31 of A, 32 to 63 of B."),
        (0, "subspaces", "Subspaces 0 to 63 of B."),
        (1, "columns", "Columns 0 to 9 of A."),
    ],
)
def test_words_say_whose_codes_are_where(share, way, expected):
    assert words.of_mixture((64, 8, 10), share, way) == f"<p>{expected}</p>"


def test_amounts_are_the_bytes_that_hold_the_bits():
    assert words.amount(9) == "2 B"
    assert words.amount(8 * 57_344) == "57.3 kB"
