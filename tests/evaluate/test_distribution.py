"""Generated images against originals, through a small network whose features are known."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import pytest
import torch

from pqgan.errors import DataError, NumericalError
from pqgan.evaluate.distribution import Generated, collect
from pqgan.evaluate.metrics import kid
from pqgan.evaluate.metrics.frechet import Moments, frechet_distance
from pqgan.evaluate.metrics.precision_recall import precision_recall
from pqgan.evaluate.networks.inception import RESIZES
from pqgan.evaluate.networks.set_features import Networks
from pqgan.evaluate.original_features import About, Reference
from pqgan.evaluate.original_features import collect as collect_originals
from pqgan.randomness import generator_at
from pqgan.records import FeatureNetwork

SIZE = 8


class Small:
    """In InceptionV3's place: 12 features of images of any size, different ones by each resize."""

    dimension = 12
    label = "small network"
    source = FeatureNetwork(origin="a test", files={"a.safetensors": "0" * 64})

    def __call__(self, images, resize):
        pooled = torch.nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)  # (B, 12)
        return pooled.pow(3) if resize == "torchmetrics" else pooled


def draw(n, seed=0, scale=0.3, size=SIZE):
    return (torch.randn(n, 3, size, size, generator=generator_at(seed, 0, "images")) * scale).clamp(-1, 1)


def make_reference(images, network=None, rows="clean-fid", size=SIZE):
    network = network or Small()
    about = About(
        name="val",
        digest="0" * 64,
        n=len(images),
        size=size,
        rows=rows,
        networks={network.label: network.source},
        device="CPU",
        dtype="fp32",
        sha256="0" * 64,
    )
    moments = {resize: moments_of(images, resize) for resize in RESIZES}
    return Reference(about, moments, {}, network(images, rows), "results/reference/val")


def moments_of(images, resize):
    moments = Moments(Small.dimension)
    moments.update(Small()(images, resize))
    return moments


def in_batches(images, batch):
    return [images[a:b] for a, b in pairwise([*range(0, len(images), batch), len(images)])]


def measure(images, originals, batch=7, **options):
    """Of images, or of batches of them."""
    batches = images if isinstance(images, list) else in_batches(images, batch)
    return see(batches, originals, **options).measurements("samples")


def see(batches, originals, network=None, resize="clean-fid", **options):
    return collect(batches, network or Small(), originals, resize=resize, **options)


def values(measurements):
    """(metric, resize, n) -> value."""
    return {(item.metric, item.conditions["resize"], item.n): item.value for item in measurements}


@pytest.fixture(scope="module")
def originals():
    return make_reference(draw(60))


def test_every_metric_is_that_of_the_features_themselves(originals):
    images = draw(50, seed=1, scale=0.35)
    found = measure(images, originals)
    rows = Small()(images, "clean-fid")
    mean, std = kid.kid(originals.rows, rows, subsets=100, subset_size=50, generator=generator_at(0, 0, "kid"))
    precision, recall = precision_recall(originals.rows, rows)
    expected = {
        ("gfid", name, 50): frechet_distance(originals.moments[name], moments_of(images, name)) for name in RESIZES
    }
    expected |= {("kid", "clean-fid", 50): mean}
    expected |= {("precision", "clean-fid", 50): precision, ("recall", "clean-fid", 50): recall}
    assert values(found) == pytest.approx(expected, rel=1e-6)
    assert 0 < precision < 1
    assert next(item for item in found if item.metric == "kid").conditions["std"] == pytest.approx(std, rel=1e-6)


def test_headline_is_the_first_count_by_the_readings_resize(originals):
    found = measure(draw(50, seed=1), originals, counts=(50, 20))
    shown = [(item.metric, item.conditions["resize"], item.n) for item in found if item.headline]
    assert shown == [(metric, "clean-fid", 50) for metric in ("gfid", "kid", "precision", "recall")]
    assert [item.n for item in found] == [50] * 5 + [20] * 5
    assert {item.n for item in measure(draw(50, seed=1), originals, counts=(20, 50)) if item.headline} == {20}
    other = make_reference(draw(60), rows="torchmetrics")
    found = measure(draw(50, seed=1), other, resize="torchmetrics")
    assert {item.conditions["resize"] for item in found if item.headline} == {"torchmetrics"}


@pytest.mark.parametrize("batch", [1, 7, 20, 64])
def test_every_count_is_that_of_the_first_images(originals, batch):
    images = draw(50, seed=1)
    found = values(measure(images, originals, batch, counts=(20, 45)))  # 5 more images than asked for
    alone = values(measure(images[:20], originals)) | values(measure(images[:45], originals))
    assert found == pytest.approx(alone, rel=1e-9)


def test_images_beyond_the_largest_count_are_not_looked_at(originals):
    generated = Generated(Small(), originals, resize="clean-fid", counts=(4, 10))
    for images in draw(30).split(8):
        generated.update(images)
    assert generated.n == 10
    whole = generated.over_processes()
    assert (whole.n, whole.sizes) == (10, {(SIZE, SIZE)})


def test_equal_images_are_at_distance_zero_and_precise(originals):
    found = values(measure(draw(60), originals))
    for name in RESIZES:
        assert found["gfid", name, 60] == pytest.approx(0, abs=1e-9)
    assert found["precision", "clean-fid", 60] == found["recall", "clean-fid", 60] == 1
    # unbiased, so that equal sets score below 0 by what the pairs of an image with itself are worth
    assert -0.1 < found["kid", "clean-fid", 60] < 0


def test_protocol_says_counts_features_neighbours_subsets_and_what_the_sizes_are(originals):
    found = {item.metric: item for item in measure(draw(50, seed=1), originals) if item.headline}
    for item in found.values():
        assert item.protocol.startswith("samples, 50 against 60 images; 8-bit images, clean-fid's")
        assert "pool3 features" in item.protocol
        assert item.network == "small network"
        assert item.n == 50
        assert item.conditions["reference_n"] == 60
    assert "rank-deficient" not in found["gfid"].protocol
    assert "polynomial kernel (degree 3), unbiased, mean over 100 subsets of 50," in found["kid"].protocol
    for metric in ("precision", "recall"):
        assert "k = 3 nearest neighbours, Euclidean distances in float64" in found[metric].protocol
    few = measure(draw(12, seed=1), originals)
    assert "n <= 12: rank-deficient covariance" in few[0].protocol


def test_images_of_other_sizes_are_measured_and_the_protocol_says_so(originals):
    found = measure(draw(50, seed=1, size=16), originals)
    assert (
        "50 against 60 images (of 16x16 px against 8x8 px, both resized to the network's input);" in found[0].protocol
    )
    found = measure([draw(10, size=16), draw(10, size=8)], originals)
    assert "(of 2 sizes against 8x8 px" in found[0].protocol


def test_image_that_is_not_finite_is_refused_by_its_number(originals):
    images = draw(30)
    images[17, 1, 2, 3] = float("inf")
    with pytest.raises(NumericalError, match="generated image 117 is not finite"):
        measure(images, originals, first=100)


@pytest.mark.parametrize(
    ("n", "counts", "message"),
    [
        (19, (10, 20), "generated images: got 19; expected 20; make as many, or ask for fewer"),
        (0, (), "generated images: got 0; expected more than the 3 nearest"),
        (3, (), "generated images: got 3; expected more than the 3 nearest"),
        (9, (3,), "samples: got 3; expected more than the 3 nearest"),
    ],
)
def test_too_few_images_are_refused(originals, n, counts, message):
    with pytest.raises(DataError, match=message):
        measure(draw(n), originals, counts=counts)


def test_originals_that_are_too_few_are_refused():
    with pytest.raises(DataError, match="results/reference/val: images: got 3; expected more than the 3 nearest"):
        measure(draw(20), make_reference(draw(3)))


def test_reference_of_another_network_is_refused(originals):
    class Other(Small):
        label = "InceptionV3 2048 (299 px)"

    class Altered(Small):
        source = FeatureNetwork(origin="a test", files={"a.safetensors": "1" * 64})

    for network, message in (
        (Other(), "made through small network; expected InceptionV3 2048"),
        (Altered(), r"the same with a test; a.safetensors 0000.*a test; a.safetensors 1111"),
    ):
        with pytest.raises(DataError, match=message) as error:
            Generated(network, originals, resize="clean-fid")
        assert str(error.value).startswith("results/reference/val: made through")
        assert "\n" not in str(error.value)


def test_reference_after_another_resize_is_refused(originals):
    with pytest.raises(DataError, match="val: single features by the resize clean-fid; expected torchmetrics; make it"):
        measure(draw(20), originals, resize="torchmetrics")


def test_features_just_computed_serve_as_those_of_a_file(smoke):
    """Of InceptionV3 itself, with random weights."""
    features, metrics = smoke.scale.evaluation.features, smoke.reading.metrics
    networks = Networks(features, metrics, torch.device("cpu"), without=("lpips", "cmmd"))
    images = draw(6, size=32)
    collected = collect_originals(networks, images.split(4), "clean-fid")
    batches = draw(5, seed=1, size=32).split(2)
    found = see(batches, collected, networks.inception).measurements("samples")
    about = make_reference(images).about.model_copy(update={"networks": networks.sources(), "size": 32})
    stored = Reference(about, collected.moments, {}, collected.rows, "reference")
    again = see(batches, stored, networks.inception).measurements("samples")
    assert [item.metric for item in found] == ["gfid", "gfid", "kid", "precision", "recall"]
    assert values(found) == values(again)
    assert found[0].value > 0
    assert found[0].protocol == again[0].protocol
    with pytest.raises(
        DataError, match="the originals: single features by the resize clean-fid; expected torchmetrics"
    ):
        see(batches, collected, networks.inception, resize="torchmetrics")


PROGRAM = """
import importlib.util, json, sys
import torch
from torch import distributed

rank, world, store, module, out, where = sys.argv[1:]
rank, world = int(rank), int(world)
spec = importlib.util.spec_from_file_location("module", module)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
torch.set_num_threads(1)
distributed.init_process_group("gloo", store=distributed.FileStore(store, world), rank=rank, world_size=world)
images, bounds = module.draw(50, seed=1), [0, 33, 33, 50]
images[40, 0, 0, 0] = float(where)
first, last = bounds[rank], bounds[rank + 1]
batches = module.in_batches(images[first:last], 7)
try:
    whole = module.see(batches, module.make_reference(module.draw(60)), counts=(20, 45), first=first)
    assert whole.n == 45
    if rank == 0:
        json.dump([item.model_dump() for item in whole.measurements("samples")], open(out, "w"))
finally:
    if distributed.is_initialized():  # gloo's threads may abort a process that ends with one
        distributed.destroy_process_group()
"""


def run_three(tmp_path, pixel):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py")]
    rest = [str(tmp_path / "store"), __file__, str(tmp_path / "found.json"), pixel]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([*command, str(rank), "3", *rest], env=environment, stderr=subprocess.PIPE, text=True)
        for rank in range(3)
    ]
    errors = [process.communicate(timeout=120)[1] for process in running]
    return [process.returncode for process in running], errors


def test_several_processes_find_what_one_finds(originals, tmp_path):
    """Three, of which the second has no image; the shares meet in the middle of a stretch."""
    codes, errors = run_three(tmp_path, "0.25")
    assert codes == [0, 0, 0], errors
    images = draw(50, seed=1)
    images[40, 0, 0, 0] = 0.25
    expected = measure(images, originals, counts=(20, 45))
    found = torch.tensor([item["value"] for item in json.loads((tmp_path / "found.json").read_text())])
    torch.testing.assert_close(found, torch.tensor([item.value for item in expected]), rtol=1e-6, atol=1e-9)


@pytest.mark.thorough
def test_an_image_of_another_process_that_is_not_finite_is_said_once(tmp_path):
    codes, errors = run_three(tmp_path, "nan")
    assert codes == [1, 0, 0], errors
    assert (
        errors[0]
        .splitlines()[-1]
        .endswith("NumericalError: generated image 40 is not finite; the model that made it diverged")
    )
