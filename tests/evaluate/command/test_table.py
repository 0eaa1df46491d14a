"""The printed table: every number of a record is in it, nothing is wider than a terminal, and caveats are said."""

import math
import re

import pytest

from pqgan.evaluate.command.table import WIDTH, table
from pqgan.records import FeatureNetwork, Measurement, Record

REAL, RANDOM = "InceptionV3 2048 (299 px), pretrained", "LPIPS AlexNet, random weights (seed 0)"
SEEN = {"folder": "photos", "n": 40, "found": 40, "others": 0, "copies": 0, "size": 256, "geometry": "crop"}


def measured(metric="psnr", value=24.123456, n=40, protocol="mean over images", **more) -> Measurement:
    return Measurement(metric=metric, value=value, n=n, protocol=protocol, **more)


def record(*measurements, networks=None, images=None, left_out=None, **subject) -> Record:
    return Record(
        kind="reconstruction",
        name="mine",
        scale=None,
        subject={"kind": "pq", "F": 8, "d": 128, "parameters": 70_123_456, **subject},
        sets={"images": "photos"},
        measurements=measurements,
        networks=networks or {},
        device="CPU, 1 thread",
        dtype="fp32",
        seconds=12.34,
        provenance={
            "model": {"origin": "a folder", "files": {"model.safetensors": "f" * 64}},
            "images": SEEN | (images or {}),
            "left_out": left_out or {},
        },
    )


def lines(*given, **more) -> list[str]:
    return table(record(*given, **more)).splitlines()


def row(value, **more) -> str:
    (line,) = [line for line in lines(measured(value=value, **more)) if line.startswith("PSNR")]
    return line


def test_headlines_come_first():
    found = lines(measured(value=1.5, headline=False), measured(value=2.5), measured("ssim", 0.75))
    place = found.index("the same by other protocols:")
    assert [line.split()[:2] for line in found[4:6]] == [["PSNR", "2.500"], ["SSIM", "0.7500"]]
    assert found[3].split() == ["metric", "value", "95%", "interval", "n", "protocol", "network"]
    assert found[place + 1].split()[:2] == ["PSNR", "1.500"]


def test_without_other_protocols_there_is_no_such_part():
    assert "the same by other protocols:" not in lines(measured())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (24.123456, "24.12"),
        (0.0712345, "0.07123"),
        (0.99996, "1.0000"),
        (12345.6, "12346"),
        (0.0, "0"),
        (1.25e-7, "1.25e-07"),
        (-0.0312345, "-0.03123"),
        (-0.004594567, "-0.004595"),
        (-0.000459456, "-4.59e-04"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_four_digits_of_any_value(value, shown):
    assert row(value).split()[1] == shown


@pytest.mark.parametrize(
    ("value", "interval", "shown"),
    [
        (24.123456, (9.87654, 25.0), "9.88 to 25.00"),
        (0.005123456, (0.005001, 0.0052), "0.005001 to 0.005200"),
        (math.inf, (math.inf, math.inf), "inf to inf"),
        (0.0, (0.0, 0.0), "0 to 0"),
    ],
)
def test_an_interval_has_the_decimals_of_its_value(value, interval, shown):
    assert re.search(rf" {re.escape(shown)} +40  mean", row(value, interval=interval))


def test_a_unit_is_named():
    assert row(1.0, unit="dB").startswith("PSNR, dB ")


def test_no_line_is_wider_than_a_terminal_and_no_word_is_lost():
    protocol = "; ".join(f"word{i}" for i in range(60))
    label = "some/very-long-network-name-of-a-hub-without-any-spaces (336 px), pretrained"
    source = FeatureNetwork(origin="https://" + "x" * 150, files={"weights.safetensors": "a" * 64})
    found = lines(
        measured("images_per_second", 123.4, protocol=protocol, network=label, interval=(100.04, 199.94)),
        networks={label: source},
        images={"folder": "deep/" * 50},
    )
    assert max(map(len, found)) <= WIDTH
    text = "\n".join(found)
    assert all(f"word{i}" in text for i in range(60))
    squeezed = re.sub(r"\s", "", text)
    assert "x" * 150 in squeezed
    assert "deep/" * 50 in squeezed


def test_columns_are_aligned():
    found = lines(measured(interval=(1.0, 2.0)), measured("H_n_min", 0.5, n=123456), measured("lpips", 0.1, n=1))
    start = found[3].index("protocol")
    for line in found[4:7]:
        assert line[start:] == "mean over images"
        assert line[start - 2 : start] == "  "


def test_model_and_images_are_told():
    found = lines(measured(), S=64, K=512, images={"n": 20, "others": 3, "copies": 2})
    text = " ".join(" ".join(found).split())
    assert "model: mine (pq, F=8, d=128, S=64, K=512, 70,123,456 parameters); a folder" in text
    assert "model.safetensors (sha256 ffffffffffff)" in text
    assert "images: photos: 20 images of 40, spread evenly, 256 px (a square from the centre of each); " in text
    assert "copies of others among them: 2; 3 other files skipped" in text
    assert "on CPU, 1 thread, in fp32, in 12.3 s" in text


def test_continuous_latents_have_no_codebook():
    assert "S=" not in "\n".join(lines(measured(), kind="kl", d=4))


def test_random_networks_are_said_to_mean_nothing():
    networks = {RANDOM: FeatureNetwork(origin="random weights, seed 0", files={})}
    found = lines(measured("lpips", 0.1, network=RANDOM), measured(), networks=networks)
    notes = [line for line in found if line.startswith("note:")]
    assert notes == ["note:      not comparable with any other numbers: LPIPS (feature networks with random weights)"]
    assert any(line.endswith("  LPIPS AlexNet (random)") for line in found)


def test_real_networks_are_told_with_their_hashes_and_without_a_warning():
    networks = {REAL: FeatureNetwork(origin="https://somewhere", files={"inception.pth": "6726825d" * 8})}
    found = lines(measured("rfid", 3.5, network=REAL), networks=networks)
    assert not [line for line in found if line.startswith("note:")]
    assert f"network:   {REAL}: https://somewhere, inception.pth (sha256 6726825d6726)" in found


def test_too_few_images_for_a_covariance_are_said():
    found = lines(measured("rfid", 3.5, protocol="resize; n <= 2048: rank-deficient covariance"), measured())
    text = " ".join(" ".join(found).split())
    assert "note: rFID of so few images has a singular covariance and is biased" in text


def test_what_was_not_measured_is_said():
    found = lines(measured(), left_out={"cmmd": "left out as asked", "rfid": "needs at least 2 images"})
    assert "note:      no CMMD: left out as asked" in found
    assert "note:      no rFID: needs at least 2 images" in found


def test_generated_images_have_no_model():
    made = record(measured("gfid", 5.0))
    provenance = {"generated": SEEN | {"folder": "samples", "n": 30, "found": 30}, "images": SEEN}
    found = table(made.model_copy(update={"kind": "generation", "subject": {}, "provenance": provenance})).splitlines()
    assert found[0] == "generated: samples: 30 images, 256 px (a square from the centre of each)"
    assert found[1].startswith("images:    photos: 40 images")
    assert not [line for line in found if line.startswith("model:")]


def test_how_a_model_saw_its_images_is_said_and_how_to_measure_it_so():
    note = "note:      the model was trained on squashed images; --geometry squash measures it so"
    there = [
        " ".join(lines(measured(), trained_geometry="squash", images={"geometry": seen})) for seen in ("crop", "squash")
    ]
    assert [note in found for found in there] == [True, False]
    assert all("parameters, trained on squashed images)" in found for found in there)
    assert "trained on" not in " ".join(lines(measured()))
