"""Codecs as baselines: the quality that a set needs for a number of bits a pixel, and what is measured with it."""

import io

import numpy as np
import pytest
import skimage
import torch
from PIL import Image, features
from whole_plan import whole_plan

from pqgan.cli import main
from pqgan.errors import DataError, ResourceError, SettingsError
from pqgan.evaluate.baselines import codecs, fetch
from pqgan.evaluate.baselines.codecs import Codec
from pqgan.evaluate.baselines.open import open_model
from pqgan.evaluate.networks.pixels import to_float, to_uint8
from pqgan.records import read_record
from pqgan.settings.codecs import METHODS
from pqgan.storage.json_files import read_object
from pqgan.subjects import Reconstruction

PHOTOS = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
SIDE = 128


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """(4, 3, 128, 128) in [-1, 1]."""
    folder = f"{skimage.__path__[0]}/data"
    shown = [Image.open(f"{folder}/{name}").convert("RGB").resize((SIDE, SIDE), Image.LANCZOS) for name in PHOTOS]
    return to_float(torch.from_numpy(np.stack([np.array(image) for image in shown])).permute(0, 3, 1, 2))


def batches(images: torch.Tensor):
    """Ragged ones, made anew each time."""
    return lambda: iter(images.split(3))


def sizes(images: torch.Tensor, kind: str, **options) -> list[int]:
    """Bytes of the files that Pillow makes, by its own words."""
    found = []
    for image in to_uint8(images).permute(0, 2, 3, 1).numpy():
        Image.fromarray(image).save(stream := io.BytesIO(), kind, **options)
        found.append(len(stream.getvalue()))
    return found


def available(codec: str):
    missing = not features.check({"jpeg": "jpg"}.get(codec, codec))
    return pytest.param(codec, marks=pytest.mark.skipif(missing, reason=f"this Pillow has no {codec}"))


OWN = {
    "jpeg": {"subsampling": "4:4:4", "optimize": True},
    "webp": {"method": 6},
    "avif": {"subsampling": "4:4:4", "speed": 6, "max_threads": 1},
}


@pytest.mark.parametrize("codec", [available(codec) for codec in METHODS])
def test_the_quality_is_the_largest_whose_files_take_no_more_than_is_asked_for(codec, images):
    found = Codec(f"{codec}@2").on(batches(images), "photos")
    pixels = len(images) * SIDE**2
    means = {
        quality: 8 * sum(sizes(images, codec.upper(), quality=quality, **OWN[codec])) / pixels
        for quality in (found.quality, found.quality + 1)
    }
    assert means[found.quality] <= 2 < means[found.quality + 1]
    assert found.encoded() == {"quality": found.quality, "subsampling": "4:2:0" if codec == "webp" else "4:4:4"}
    assert found.subject()["method"] == METHODS[codec]
    assert "Pillow" in found.subject()["library"]


def test_a_round_trip_is_the_file_that_was_counted(images):
    found = Codec("jpeg@2").on(batches(images), "photos")
    made, bits = found.round_trip(images)
    files = sizes(images, "JPEG", quality=found.quality, **OWN["jpeg"])
    assert bits.tolist() == [8 * size / SIDE**2 for size in files]
    assert bits.mean() <= 2
    Image.fromarray(to_uint8(images[2:3])[0].permute(1, 2, 0).numpy()).save(
        stream := io.BytesIO(), "JPEG", quality=found.quality, **OWN["jpeg"]
    )
    with Image.open(stream) as image:
        assert np.array_equal(to_uint8(made)[2].permute(1, 2, 0).numpy(), np.asarray(image))
    again, same = found.round_trip(images)
    assert torch.equal(made, again)
    assert torch.equal(bits, same)
    # an image at a time, as in another batch
    assert torch.equal(made[1:2], found.round_trip(images[1:2])[0])


def test_jpeg_gives_up_colour_only_where_nothing_else_comes_so_low(images):
    pixels = len(images) * SIDE**2
    least = {
        colours: 8 * sum(sizes(images, "JPEG", quality=1, subsampling=colours, optimize=True)) / pixels
        for colours in ("4:4:4", "4:2:0")
    }
    assert least["4:2:0"] < least["4:4:4"]
    between = (least["4:2:0"] + least["4:4:4"]) / 2
    assert Codec(f"jpeg@{between:.6f}").on(batches(images), "photos").way.subsampling == "4:2:0"
    exact = Codec(f"jpeg@{least['4:4:4']:.6f}")
    exact.bits = least["4:4:4"]
    assert exact.on(batches(images), "photos").way.subsampling == "4:4:4"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "jpeg@0.01",
            r"got jpeg@0.01; JPEG of the set photos takes 0\.\d+ bits a pixel at quality 1, .* \(4:2:0, head",
        ),
        (
            "webp@20",
            r"got webp@20; WebP of the set photos takes .* at quality 0, \d\.\d+ at quality 100 .*: from the one",
        ),
    ],
)
def test_bits_that_no_quality_takes_are_one_line(name, says, images):
    with pytest.raises(SettingsError, match=says):
        Codec(name).on(batches(images), "photos")


def test_the_best_quality_may_be_what_is_asked_for(images):
    bits = 8 * sum(sizes(images, "WEBP", quality=100, method=6)) / (len(images) * SIDE**2)
    codec = Codec("webp@5")
    codec.bits = bits
    assert codec.on(batches(images), "photos").quality == 100


@pytest.mark.parametrize("name", ["jpeg@", "jpeg@x", "jpeg@0", "jpeg@24.5", "jpeg@-1", "jpeg@1e1", "webp@1@2"])
def test_what_is_no_codec_is_one_line(name):
    with pytest.raises(SettingsError, match=r"allowed: one of jpeg, webp, avif @ bits a pixel above 0 and up to 24"):
        open_model(name)


def test_a_model_without_bits_is_no_codec():
    with pytest.raises(SettingsError, match=r"got 'jpeg'; allowed: .*a codec at bits a pixel \(jpeg, webp, avif\)"):
        open_model("jpeg")


def test_a_pillow_without_the_codec_says_so(monkeypatch):
    monkeypatch.setattr(codecs.features, "check", lambda name: name != "avif")
    Codec("jpeg@1")
    with pytest.raises(ResourceError, match=r"avif@1: Pillow \d.* here writes no AVIF; install one that does"):
        Codec("avif@1")


def test_a_fetched_codec_is_a_folder_that_says_which(smoke, tmp_path):
    job = whole_plan(smoke).job("published", "jpeg@1")
    fetch.run(smoke, job, out=tmp_path / "codec")
    assert {path.name for path in (tmp_path / "codec").iterdir()} == {"codec.json", "provenance.json", "SHA256SUMS"}
    assert read_object(tmp_path / "codec" / "codec.json", "a codec") == {"codec": "jpeg@1"}
    opened = open_model(tmp_path / "codec")
    assert (opened.kind, opened.name, opened.bits) == ("codec", "jpeg@1", 1.0)
    (tmp_path / "codec" / "codec.json").write_text('{"codec": 3}')
    with pytest.raises(DataError, match=r"codec\.json: .*delete the folder and fetch again"):
        open_model(tmp_path / "codec")


def test_the_command_measures_a_codec_as_it_does_a_model(images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(to_uint8(images).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(image).save(f"photos/{number}.png")
    given = ["--images", "photos", "--size", str(SIDE), "--features", "random", "--lpips", "squeeze", "--out", "out"]
    assert main(["evaluate", "--model", "jpeg@1.50", *given]) == 0
    record = read_record(tmp_path / "out")
    quality = record.subject["encoded"]["images"]["quality"]
    files = sizes(images, "JPEG", quality=quality, **OWN["jpeg"])
    bits = record.get("bits_per_pixel", "images")
    assert bits.value == pytest.approx(8 * sum(files) / 4 / SIDE**2, rel=1e-12)
    assert bits.value <= 1.5
    assert bits.interval[0] <= bits.value <= bits.interval[1]
    assert (bits.unit, bits.n) == ("bit", 4)
    assert "headers" in bits.protocol
    assert {item.metric for item in record.measurements} >= {"psnr", "ssim", "lpips", "rfid", "cmmd"}
    assert not {item.metric for item in record.measurements} & {"H_n", "entropy_bits_per_pixel"}
    Reconstruction.model_validate(record.subject)
    out = capsys.readouterr().out
    assert f"(JPEG, quality {quality}, 4:4:4); Pillow" in out
    assert "bits/pixel" in out
    assert main(["evaluate", "--model", "jpeg@0.01", *given[:-1], "no"]) != 0
    assert "takes" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_a_record_of_a_codec_has_what_a_codec_has():
    whole = {"kind": "codec", "method": "JPEG", "library": "x", "encoded": {"val": {"quality": 3, "subsampling": "4"}}}
    assert Reconstruction.model_validate(whole).F is None
    for key in ("method", "library", "encoded"):
        with pytest.raises(ValueError, match="no method, library or encoded"):
            Reconstruction.model_validate({name: value for name, value in whole.items() if name != key})
    with pytest.raises(ValueError, match="no F or d"):
        Reconstruction.model_validate({"kind": "kl", "F": 8})
