"""Our metrics through the published Inception network against the numbers and programs that others publish.

The networks are torch-fidelity's, torchmetrics' and clean-fid's own; only their downloads are replaced by the weights
that ours reads.
"""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional

from pqgan.evaluate.metrics.frechet import Moments, frechet_distance
from pqgan.evaluate.metrics.kid import kid
from pqgan.evaluate.networks.inception import Inception
from pqgan.evaluate.networks.pixels import to_float

FILE = "fid_inception_v3_2015-12-05.safetensors"
SIZES = [(224, 224), (128, 128), (340, 330), (160, 250)]
"""Of the photographs: enlarged, reduced and squeezed on their way to 299 x 299."""


@pytest.fixture(scope="module")
def inception(smoke):
    """The published network."""
    if not (Path(os.environ.get("PQGAN_WEIGHTS_DIR", "")) / FILE).is_file() or "PQGAN_WEIGHTS_DIR" not in os.environ:
        pytest.skip(f"{FILE} is not in PQGAN_WEIGHTS_DIR")
    return Inception(smoke.scale.evaluation.features.model_copy(update={"weights": "pretrained", "fid_input": 299}))


@pytest.fixture(scope="module")
def published(inception):
    """The weights as the other programs' downloads hold them, with the classifier that pool3 features do not use."""
    classifier = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    return {key: tensor.contiguous() for key, tensor in inception.network.state_dict().items()} | classifier


@pytest.fixture(scope="module")
def programs(published):
    """Has the other programs load these weights, and nothing from anywhere."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("torch_fidelity.feature_extractor_inceptionv3", "cleanfid.inception_pytorch"):
            patch.setattr(f"{module}.load_state_dict_from_url", lambda *_, **__: dict(published))
        yield


@pytest.fixture(scope="module")
def noise(programs):
    """The images of torchmetrics' doctests, which run at seed 42 and draw the network's first weights before."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    torch.manual_seed(42)
    FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    images = [torch.randint(*limits, (100, 3, 299, 299), dtype=torch.uint8) for limits in ((0, 200), (100, 255))]
    return images, torch.get_rng_state()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two folders of PNG files of several sizes."""
    root = Path(os.environ.get("PQGAN_DATA_DIR", "")) / "imagenette/val"
    classes = sorted(root.iterdir()) if "PQGAN_DATA_DIR" in os.environ and root.is_dir() else []
    if len(classes) < 10:
        pytest.skip("imagenette/val is not in PQGAN_DATA_DIR")
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder, wanted in zip(folders, (classes[:5], classes[5:]), strict=True):
        for number in range(60):
            path = sorted(wanted[number % 5].iterdir())[number // 5]
            photograph = Image.open(path).convert("RGB").resize(SIZES[number % 4], Image.Resampling.LANCZOS)
            photograph.save(folder / f"{number:03}.png")
    return folders


def read(path):
    """(1, 3, H, W) 8-bit image of a file."""
    image = Image.open(path)
    return (
        torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        .view(1, image.height, image.width, 3)
        .movedim(3, 1)
    )


def features_of(inception, images_uint8, resize):
    return torch.cat([inception(to_float(images), resize) for images in images_uint8])


def moments_of(features):
    moments = Moments(features.shape[1])
    for batch in features.split(16):
        moments.update(batch)
    return moments


@torch.inference_mode()
def test_torchmetrics_documented_fid(inception, noise):
    """The doctest of torchmetrics.image.fid: 64 features, those after the first pooling."""
    moments = []
    for images in noise[0]:
        moments.append(Moments(64))
        for batch in images.split(20):
            early = inception.network[:4]((batch.float() - 128) / 128)
            moments[-1].update(functional.adaptive_avg_pool2d(early, 1).flatten(1))
    # it is printed with four decimals, of a float32
    assert frechet_distance(*moments) == pytest.approx(12.6388, abs=5e-4)


@pytest.mark.thorough
@torch.inference_mode()
def test_torchmetrics_documented_kid(inception, noise):
    """The doctest of torchmetrics.image.kid: all 2048 features, subsets of 50."""
    images, state = noise
    features = [features_of(inception, side.split(20), "torchmetrics") for side in images]
    torch.set_rng_state(state)
    assert kid(*features, subset_size=50) == pytest.approx((0.0312, 0.0025), abs=5e-5)


@torch.inference_mode()
def test_features_of_files_are_clean_fid_s(inception, programs, photographs):
    from cleanfid.features import build_feature_extractor
    from cleanfid.fid import get_files_features

    files = sorted(photographs[0].iterdir())[: len(SIZES)]
    device = torch.device("cpu")
    network = build_feature_extractor("legacy_pytorch", device, use_dataparallel=False)
    options = {"num_workers": 0, "batch_size": 8, "device": device, "mode": "legacy_pytorch", "verbose": False}
    expected = torch.from_numpy(get_files_features(files, network, **options))
    found = features_of(inception, map(read, files), "clean-fid")
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_features_of_images_are_torchmetrics_s(inception, programs, photographs):
    from torchmetrics.image.fid import NoTrainInceptionV3

    # its antialias came later than the results that papers compare with
    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], antialias=False)
    images = [read(path) for path in sorted(photographs[0].iterdir())[: len(SIZES)]]
    expected = torch.cat([network(image) for image in images])
    torch.testing.assert_close(features_of(inception, images, "torchmetrics"), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.thorough
@torch.inference_mode()
def test_fid_of_two_folders_is_clean_fid_s(inception, programs, photographs):
    from cleanfid.fid import compute_fid

    expected = compute_fid(
        *map(str, photographs),
        mode="legacy_pytorch",
        num_workers=0,
        device=torch.device("cpu"),
        use_dataparallel=False,
        verbose=False,
    )
    sets = [features_of(inception, map(read, sorted(folder.iterdir())), "clean-fid") for folder in photographs]
    assert frechet_distance(*map(moments_of, sets)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.thorough
@torch.inference_mode()
def test_fid_of_two_sets_is_torchmetrics_s(inception, programs, photographs):
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=2048, antialias=False)
    moments = []
    for folder, real in zip(photographs, (True, False), strict=True):
        images = [read(path) for path in sorted(folder.iterdir())[:32]]
        for image in images:
            metric.update(image, real=real)
        moments.append(moments_of(features_of(inception, images, "torchmetrics")))
    assert frechet_distance(*moments) == pytest.approx(float(metric.compute()), rel=1e-3)
