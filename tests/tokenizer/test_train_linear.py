"""Fitting a linear tokenizer: by hand, to the bit again, after a kill, in bounded memory; refusals of one line."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from whole_plan import whole_plan

from pqgan.cli import main
from pqgan.data.prepare import run as prepare
from pqgan.data.prepared import PreparedSet
from pqgan.randomness import rng_at
from pqgan.settings import load
from pqgan.tokenizer.linear_fit import Moments, components, deal_out, patches_at
from pqgan.tokenizer.load import load_model, load_tokenizer

NAME, IMAGES, VECTORS, PASSES = "linear-f8-d12-S4-K16", 30, 400, 3
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def work(params_path, tmp_path_factory):
    """A folder with settings of a small linear tokenizer, and its training set."""
    folder = tmp_path_factory.mktemp("fit")
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    scale["data"]["sets"]["train"]["crops"] = IMAGES
    scale["tokenizer"]["training"] |= {"resolution": 32, "shortest_side": 64, "scaling_images": 8}
    scale["tokenizer"]["linear"] = {"vectors": VECTORS, "passes": PASSES}
    small = {"kind": "linear", "F": 8, "d": 12, "S": 4, "K": 16}
    scale["tokenizer"]["baselines"] += [small, small | {"seed": 1}, small | {"S": 1}, small | {"S": 12}]
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    scale["tokenizer"]["linear"] = {"vectors": 15, "images": 5}
    (folder / "few.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    settings = load(folder / "params.yaml", "smoke")
    prepare(settings, whole_plan(settings).job("data", "train"), out=folder / "data")
    return folder


def command(work, label: str, name: str = NAME, params: str = "params.yaml") -> list[str]:
    options = {"params": work / params, "data": work / "data", "run": work / f"{label}-run", "out": work / label}
    return ["train-tokenizer", name, *(f"--{key}={value}" for key, value in options.items())]


def state(folder) -> str:
    return json.loads((folder / "provenance.json").read_text())["training"]["state_sha256"]


@pytest.fixture(scope="module")
def fitted(work):
    assert main(command(work, "first")) == 0
    return work / "first"


def nearest(vectors: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    return (vectors[:, None].double() - words.double()).square().sum(-1).argmin(1)


def test_it_is_components_and_k_means_by_hand(work, fitted):
    data, weights = PreparedSet(work / "data"), load_file(fitted / WEIGHTS)
    pixels = [data.image(number) for number in range(IMAGES)]
    moments = Moments(8)
    moments.add(pixels)
    found = components(moments, 12)
    order = deal_out(found.variances, 4)
    scale = found.variances.mean().rsqrt()
    directions = scale * found.directions[order]
    assert torch.equal(weights["linear.to_latents.weight"].flatten(1), directions.float())
    assert torch.equal(weights["linear.to_patches.bias"], found.mean.float())
    each = -(-VECTORS // IMAGES)
    drawn = [patches_at(pixels[number], 8, each, rng_at(0, number, "patches")) for number in range(IMAGES)]
    levels = torch.from_numpy(np.concatenate(drawn)).double() / 127.5 - 1
    vectors = (levels - found.mean.repeat_interleave(64)) @ directions.T  # (N, d)
    assert len(vectors) >= VECTORS
    # a centre is the mean of what was nearest to it a pass before: another pass changes little, and never for the worse
    for subspace, own in enumerate(vectors.view(-1, 4, 3).unbind(1)):
        words = weights["quantiser.codebooks"][subspace]
        codes = nearest(own, words)
        error = (own - words[codes]).square().sum()
        means = torch.stack(
            [own[codes == word].mean(0) if (codes == word).any() else words[word] for word in range(16)]
        )
        better = (own - means[nearest(own, means)]).square().sum()
        assert 0.9 * error < better <= error
        assert error < 0.5 * (own - own.mean(0)).square().sum()


def test_a_fit_is_the_same_to_the_bit_and_its_seed_is_its_own(work, fitted):
    assert main(command(work, "again")) == 0
    assert main(command(work, "other", f"{NAME}-seed1")) == 0
    assert state(work / "again") == state(fitted) != state(work / "other")
    first, other = (load_file(folder / WEIGHTS) for folder in (fitted, work / "other"))
    # the seed draws patches and centres; components look at every patch
    assert torch.equal(first["linear.to_latents.weight"], other["linear.to_latents.weight"])
    assert not torch.equal(first["quantiser.codebooks"], other["quantiser.codebooks"])


def test_it_is_published_like_any_tokenizer(work, fitted):
    tokenizer = load_tokenizer(fitted)
    assert tokenizer.kind == "linear"
    lines = [json.loads(line) for line in (fitted / "train.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1]
    assert not (fitted / "discriminator.safetensors").exists()
    data = PreparedSet(work / "data")
    images = torch.stack([torch.from_numpy(data.image(number)).permute(2, 0, 1) for number in range(8)]) / 127.5 - 1
    images = torch.nn.functional.interpolate(images, size=32, mode="area")
    latents = tokenizer.encode(images)
    assert tokenizer.scaling_factor == pytest.approx(1 / latents.std().item(), rel=0.05)
    error = (tokenizer.reconstruct(images) - images).square().mean()
    assert error < 0.2 * (images - images.mean((0, 2, 3), keepdim=True)).square().mean()


@pytest.mark.parametrize("S", [1, 12])
def test_one_subspace_and_as_many_as_channels(work, S):
    name = f"linear-f8-d12-S{S}-K16"
    assert main(command(work, name, name)) == 0
    model = load_model(work / name)
    assert model.quantiser.codebooks.shape == (S, 16, 12 // S)
    assert load_tokenizer(work / name).subject()["S"] == S


KILL = """
import os, signal, sys
from pqgan import cli
from pqgan.tokenizer import linear_start
original, calls = linear_start.kmeans, []
def killed(*arguments, **named):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)
linear_start.kmeans = killed
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_fit_that_was_killed_starts_again_and_ends_the_same(work, fitted):
    words = command(work, "killed")
    done = subprocess.run([sys.executable, "-c", KILL, *words], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (work / "killed").exists()
    assert main(words) == 0
    assert state(work / "killed") == state(fitted)


def test_too_few_vectors_for_the_words_are_one_line(work, capsys):
    assert main(command(work, "few", params="few.yaml")) == 2
    said = capsys.readouterr().err
    assert "tokenizer.linear.vectors: got 15; allowed: 16 or more, for K words" in said
    assert said.count("\n") == 1
    assert not (work / "few").exists()


MEMORY = """
import sys
import numpy as np
import torch
from types import SimpleNamespace
from pqgan.engine.launch import training_fabric
from pqgan.settings import load
from pqgan.tokenizer.linear_start import start_from_components
from pqgan.tokenizer.model import PQModel

class Endless:
    def __init__(self, n):
        self.n = n
    def __len__(self):
        return self.n
    def image(self, index):
        return np.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=np.uint8)

def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))

settings = load(sys.argv[1], "smoke")
fabric = training_fabric(settings.scale.hardware, "32-true", "tokenizer")
def fit(n):
    model = PQModel(block_out_channels=None, patch=8, d=64, S=32, K=8)
    start_from_components(fabric, settings, model, Endless(n), 64, 0)
fit(50)  # libraries are loaded
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = kilobytes("VmRSS")
fit(int(sys.argv[2]))
print(kilobytes("VmHWM") - before)
"""


def test_memory_does_not_grow_with_the_images(work):
    """3,000 images of 64 px are 35 MiB as bytes and 281 MiB as the numbers that are multiplied."""
    words = [sys.executable, "-c", MEMORY, str(work / "params.yaml"), "3000"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        if "clear_refs" in error.stderr:
            pytest.skip("this system does not let a process reset its peak memory")
        raise
    mebibytes = int(done.stdout.split()[-1]) / 1024
    assert 0 <= mebibytes < 60, f"{mebibytes:.0f} MiB"
