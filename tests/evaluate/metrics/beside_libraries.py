"""Our metrics beside the same ones of clean-fid, torchmetrics and other libraries: error, CPU seconds, peak memory.

    python tests/evaluate/metrics/beside_libraries.py frechet    # or another name of MEASURES

prints a line for each library, on one core; docs/dependencies.md holds what it said. Photographs are those of
imagenette/val below $PQGAN_DATA_DIR, the network's weights those in $PQGAN_WEIGHTS_DIR; everything else is seeded.
"""

import io
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mpmath
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pqgan.engine import processes
from pqgan.evaluate.metrics import precision_recall, psnr
from pqgan.evaluate.metrics.frechet import Moments, frechet_distance
from pqgan.evaluate.metrics.kid import kid
from pqgan.evaluate.metrics.ssim import ssim
from pqgan.evaluate.networks.inception import Inception
from pqgan.evaluate.networks.pixels import to_float
from pqgan.settings import load

D, BATCH = 2048, 24
Judge = Callable[[Any], str]


class Features(nn.Module):
    """What torchmetrics takes for a network: features come in as they are."""

    num_features = D

    def forward(self, features: Tensor) -> Tensor:
        return features


def _kilobytes(field: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


def show(name: str, judge: Judge, work: Callable, *args: Any, images: int = 0, **options: Any) -> None:
    """Run it; print what the judge says of the result, the CPU time, and by how much memory rose meanwhile."""
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _kilobytes("VmRSS"), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = work(*args, **options)
    took, rose = time.process_time() - start, (_kilobytes("VmHWM") - before) / 1024
    cost = f"{1000 * took / images:6.1f} ms an image" if images else f"{took:6.2f} s"
    print(f"{name:48} {judge(found):38} {cost} {rose:6.0f} MiB", flush=True)


def off(exact: float) -> Judge:
    return lambda found: f"off by {abs((found - exact) / exact):.1e} of it"


def photographs(n: int, side: int, quality: int) -> tuple[Tensor, Tensor]:
    """(n, 3, side, side) 8-bit, and what JPEG makes of them."""
    files = sorted(Path(os.environ["PQGAN_DATA_DIR"], "imagenette/val").glob("*/*"))
    originals, copies = [], []
    for path in files[:: len(files) // n][:n]:
        square = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        square.save(file, "JPEG", quality=quality)
        originals.append(np.array(square))
        copies.append(np.array(Image.open(file)))
    return tuple(torch.from_numpy(np.stack(images)).movedim(3, 1).contiguous() for images in (originals, copies))


def inception() -> Inception:
    features = load(Path("params.yaml"), "smoke").scale.evaluation.features
    return Inception(features.model_copy(update={"weights": "pretrained", "fid_input": 299}))


@torch.inference_mode()
def of_photographs() -> list[Tensor]:
    """Features (48, 2048) of photographs at 128 px, and of their JPEG files."""
    network = inception()
    return [
        torch.cat([network(to_float(batch), "clean-fid") for batch in images.split(8)])
        for images in photographs(48, 128, quality=30)
    ]


def seeded(n: int) -> list[Tensor]:
    """Features (n, 2048) like InceptionV3's: not negative, of a few dozen directions."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(64, D, generator=generator) * 0.06
    return [(torch.randn(n, 64, generator=generator) * scale @ directions).relu() for scale in (1, 1.02)]


def known(n: int) -> tuple[Tensor, Tensor, float]:
    """Two sets (n, 2048) in float64 whose covariances commute, and their distance, which is thus known."""
    generator = torch.Generator().manual_seed(0)
    rank = min(n - 1, D)
    turn = torch.linalg.qr(torch.randn(D, D, generator=generator, dtype=torch.float64)).Q
    scales = torch.zeros(2, D, dtype=torch.float64)
    scales[0, :rank] = torch.arange(1, rank + 1, dtype=torch.float64) ** -0.75
    changes = 0.5 + torch.rand(rank, generator=generator, dtype=torch.float64)
    overlap = 0 if rank == D else rank // 2
    scales[1, (torch.arange(rank) + overlap) % D] = scales[0, :rank] * changes
    sets = []
    for scale in scales:
        rows, used = torch.randn(n, rank, generator=generator, dtype=torch.float64), scale.nonzero()[:, 0]
        rows = torch.linalg.qr(rows - rows.mean(dim=0)).Q * scale[used] * (n - 1) ** 0.5
        sets.append(rows @ turn[:, used].T + 0.4)
    return sets[0], sets[1] + 1e-3, float((scales[0] - scales[1]).square().sum()) + D * 1e-6


def precise(x: Tensor, y: Tensor) -> float:
    """The Frechet distance in 80-bit numbers, its singular values in 40 digits."""
    mpmath.mp.dps = 40
    x, y = (side.double().numpy().astype(np.longdouble) for side in (x, y))
    A, B = x - x.mean(0), y - y.mean(0)
    gram = mpmath.matrix([[mpmath.mpf(str(value)) for value in row] for row in A @ B.T])
    trace = np.longdouble(str(sum(mpmath.svd_r(gram, compute_uv=False))))
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + ((A**2).sum() + (B**2).sum() - 2 * trace) / (len(x) - 1))


def moments(features: Tensor) -> Moments:
    made = Moments(D)
    for batch in features.split(BATCH):
        made.update(batch)
    return made


def our_fid(x: Tensor, y: Tensor) -> float:
    return frechet_distance(moments(x).over_processes(), moments(y).over_processes())


def torchmetrics_fid(x: Tensor, y: Tensor) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(Features())
    for real, features in ((True, x), (False, y)):
        for batch in features.split(BATCH):
            metric.update(batch, real=real)
    return float(metric.compute())


def frechet() -> None:
    from cleanfid.fid import fid_from_feats

    x, y = (side.double() for side in of_photographs())
    sets = {"48 photographs": (x, y, precise(x, y))}
    for name, (x, y, exact) in (sets | {f"{n} seeded": known(n) for n in (1000, 3000)}).items():
        show(f"FID, {name}, ours", off(exact), our_fid, x, y)
        show(f"FID, {name}, clean-fid", off(exact), fid_from_feats, x.numpy(), y.numpy())
        show(f"FID, {name}, torchmetrics", off(exact), torchmetrics_fid, x, y)


def kernel() -> None:
    from cleanfid.fid import kernel_distance
    from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

    def our_kid(x: Tensor, y: Tensor) -> float:
        return kid(x, y, subsets=1, subset_size=len(x))[0]

    def torchmetrics_kid(x: Tensor, y: Tensor) -> float:
        metric = KernelInceptionDistance(Features(), subsets=1, subset_size=len(x))
        metric.update(x, real=True)
        metric.update(y, real=False)
        return float(metric.compute()[0])

    for name, (x, y) in {"48 photographs": of_photographs(), "1000 seeded": seeded(1000)}.items():
        wide = [side.numpy().astype(np.longdouble) for side in (x, y)]
        xx, yy, xy = ((wide[a] @ wide[b].T / D + 1) ** 3 for a, b in ((0, 0), (1, 1), (0, 1)))
        within = xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)
        exact = float(within / (len(x) * (len(x) - 1)) - 2 * xy.mean())
        show(f"KID, {name}, ours", off(exact), our_kid, x, y)
        show(f"KID, {name}, torchmetrics", off(exact), torchmetrics_kid, x, y)
        show(f"KID, {name}, its poly_mmd in float64", off(exact), poly_mmd, x.double(), y.double())
        show(f"KID, {name}, clean-fid", off(exact), kernel_distance, x.numpy(), y.numpy(), 1, len(x))


def neighbours() -> None:
    from torch_fidelity.metric_prc import calculate_precision_recall_part as theirs

    words = torch.randn(100, D, generator=torch.Generator().manual_seed(0)) * 1e-2
    apart = [(words + offset).repeat_interleave(4, dim=0) for offset in (1, 1 + 1e-4)]
    for name, (x, y) in {"3000 seeded": seeded(3000), "400 copies apart": apart}.items():
        show(f"precision, recall, {name}, ours", str, precision_recall.precision_recall, x, y)
        show(f"precision, recall, {name}, torch-fidelity", str, theirs, y, x, 3)


def pixels() -> None:
    from pytorch_msssim import ssim as msssim
    from skimage.metrics import structural_similarity as exactly
    from torchmetrics.functional.image import structural_similarity_index_measure as theirs
    from torchmetrics.image import PeakSignalNoiseRatio

    x, y = photographs(8, 256, quality=95)
    errors = (x.double() - y.double()).square().mean(dim=(1, 2, 3)).numpy()
    level = float(np.mean(10 * np.log10(255**2 / errors)))
    wang = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 255,
        "channel_axis": 0,
    }
    exact = torch.tensor([exactly(a, b, **wang) for a, b in zip(x.numpy(), y.numpy(), strict=True)])

    def our_psnr(x: Tensor, y: Tensor) -> float:
        return psnr.mean(psnr.squared_errors(x, y))

    def torchmetrics_psnr(x: Tensor, y: Tensor) -> float:
        metric = PeakSignalNoiseRatio(255.0, dim=(1, 2, 3), reduction="elementwise_mean").set_dtype(x.dtype)
        metric.update(y, x)
        return float(metric.compute())

    def furthest(found: Tensor) -> str:
        return f"off by {float((found.double() - exact).abs().max()):.1e}"

    show("PSNR, ours", off(level), our_psnr, x, y, images=len(x))
    show("SSIM, ours", furthest, ssim, x, y, images=len(x))
    for kind in (torch.float32, torch.float64):
        pair, name = (x.to(kind), y.to(kind)), f"torchmetrics in {kind}"
        show(f"PSNR, {name}", off(level), torchmetrics_psnr, *pair, images=len(x))
        show(f"SSIM, {name}", furthest, theirs, *pair, reduction="none", data_range=255.0, images=len(x))
        show(f"SSIM, pytorch-msssim in {kind}", furthest, msssim, *pair, size_average=False, images=len(x))


@torch.inference_mode()
def networks() -> None:
    from cleanfid.features import build_feature_extractor
    from cleanfid.resize import build_resizer
    from torchmetrics.image.fid import NoTrainInceptionV3

    network, images = inception(), photographs(8, 256, quality=95)[0]
    state = {key: tensor.contiguous() for key, tensor in network.network.state_dict().items()}
    state |= {"fc.weight": torch.zeros(1008, D), "fc.bias": torch.zeros(1008)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with patch("cleanfid.inception_pytorch.load_state_dict_from_url", lambda *_, **__: dict(state)):
            cleanfid = build_feature_extractor("legacy_pytorch", torch.device("cpu"), use_dataparallel=False)
        with patch("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *_, **__: state):
            torchmetrics = NoTrainInceptionV3("inception-v3-compat", ["2048"], antialias=False)
    with warnings.catch_warnings():
        warnings.resetwarnings()
        resize = build_resizer("legacy_pytorch")
        print(f"rules for all warnings of the process after clean-fid's build_resizer: {warnings.filters}")

    def one_by_one(images: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([resize(image.permute(1, 2, 0).numpy()) for image in images])).movedim(3, 1)

    resized = nn.functional.interpolate(images.float(), (299, 299), mode="bilinear", align_corners=False).clamp(0, 255)
    show("resize, clean-fid", lambda found: f"equal: {torch.equal(found, resized)}", one_by_one, images, images=8)
    for name, theirs, given in (("clean-fid", cleanfid, resized), ("torchmetrics", torchmetrics, images)):
        expected = network(to_float(images), name)
        differ = lambda found, expected=expected: f"differs by {float((found - expected).abs().max()):.1e}"  # noqa: E731
        show(f"InceptionV3, protocol of {name}, ours", differ, network, to_float(images), name, images=len(images))
        show(f"InceptionV3, {name}", differ, theirs, given, images=len(images))


def together() -> None:
    """Two processes over gloo: one distance of both, and rows that one of them has none of."""
    for work in ("fid", "rows"):
        with tempfile.TemporaryDirectory() as folder:
            commands = [[sys.executable, __file__, work, str(rank), folder] for rank in range(2)]
            both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
            try:
                errors = [process.communicate(timeout=120)[1].split("\n") for process in both]
            finally:
                for process in both:
                    process.kill()
        if any(process.returncode for process in both):
            print(f"{work}: exit codes {[process.returncode for process in both]}:", *errors[0][-3:-1])


def one_of_two(work: str, rank: int, folder: str) -> None:
    from torch import distributed
    from torchmetrics.utilities.distributed import gather_all_tensors

    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    if work == "fid":
        whole = [side.double() for side in seeded(100)]
        exact, own = frechet_distance(*map(moments, whole)), [side[rank * 50 : rank * 50 + 50] for side in whole]
        show(f"FID, 2 x 50 seeded, rank {rank}, ours", off(exact), our_fid, *own)
        show(f"FID, 2 x 50 seeded, rank {rank}, torchmetrics", off(exact), torchmetrics_fid, *own)
    else:
        own = torch.ones(3, D) if rank == 0 else torch.empty(0)
        print(f"rows of one process, rank {rank}, ours: {tuple(processes.cat(own).shape)}", flush=True)
        print(f"rows of one process, rank {rank}, torchmetrics: {len(gather_all_tensors(own))}", flush=True)


MEASURES = {measure.__name__: measure for measure in (frechet, kernel, neighbours, pixels, networks, together)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    name, *rest = sys.argv[1:] or [""]
    if rest:
        one_of_two(name, int(rest[0]), rest[1])
    elif name in MEASURES:
        MEASURES[name]()
    else:
        sys.exit(f"beside_libraries.py: got {name!r}; allowed: {', '.join(MEASURES)}")
