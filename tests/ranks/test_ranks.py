"""Two processes over gloo: what one process does with the whole batch, and nothing written twice."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from whole_plan import whole_plan

from pqgan.settings import load

PROGRAM = Path(__file__).with_name("program.py")
PQ, KL, LINEAR = "f8-d8-S4-K16", "kl-f8-d4", "linear-f8-d12-S3-K16"
STEPS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def params(params_path, folder) -> dict[int | str, Path]:
    """Tiny settings, by number of processes; as text where codebooks start from k-means and codewords are revived."""
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    scale["overrides"]["training"] |= {"discriminator_start": 1, "total_batch": 4}
    scale["data"]["sets"]["train"] |= {"crops": 12, "size": 32}
    for trunk in scale["tokenizer"]["trunks"].values():
        trunk |= {"shortcut": "none", "refinement": None}
    for section in (scale["tokenizer"], scale["finetune"]):
        section["training"] |= {"path_rate": None, "cooldown": None}
    scale["tokenizer"]["training"] |= {"steps": STEPS, "resolution": 32, "scaling_images": 4, "log_every": 1}
    scale["tokenizer"]["training"]["learning_rate"] = 1e-4
    scale["tokenizer"]["sweep"] = [{"F": 8, "d": 8, "S": 4, "K": 16}]
    scale["tokenizer"]["baselines"] = [{"kind": "kl", "F": 8, "d": 4}]
    scale["tokenizer"]["baselines"] += [{"kind": "linear", "F": 8, "d": 12, "S": 3, "K": 16}]
    scale["tokenizer"]["linear"] = {"vectors": 100}
    scale["selection"]["factors"], scale["adapt"]["variants"] = [8], {}
    scale["ldm"]["latents"] = {"vae": {"method": "KL VAE", "tokenizer": KL}}
    scale["ldm"] |= {"steps": 4, "batch": 4, "resolution": 32, "log_every": 1, "class_dropout": 0.5}
    scale["ldm"]["unet"]["block_out_channels"] = [16, 32]
    scale["upkeep"] |= {"checkpoint_every": 2, "pictures_every": 2, "pictures": 2}
    files = {}
    for processes in (1, 2):
        scale["hardware"]["processes"] = processes
        files[processes] = folder / f"params-{processes}.yaml"
        files[processes].write_text(yaml.safe_dump(raw, sort_keys=False))
        raw_upkeep = copy.deepcopy(raw)
        raw_upkeep["scales"]["smoke"]["tokenizer"]["codebook"] = {"kmeans_images": 6, "revive_after": 1}
        files[str(processes)] = folder / f"params-{processes}-upkeep.yaml"
        files[str(processes)].write_text(yaml.safe_dump(raw_upkeep, sort_keys=False))
    return files


@pytest.fixture(scope="module")
def data(params, folder) -> Path:
    from pqgan.data.prepare import run as prepare

    settings = load(params[1], "smoke")
    prepare(settings, whole_plan(settings).job("data", "train"), out=folder / "data")
    return folder / "data"


@pytest.fixture(scope="module")
def trained(params, data, folder):
    """Run a training command in so many processes; its result folder, run folder and recorded gradients."""

    def run(verb: str, name: str, processes: int | str, what: str = "record", again: str = "", **inputs: Path):
        label = again or f"{name}-{processes}-{what}"
        out, runs, file = folder / f"{label}-out", folder / f"{label}-run", folder / f"{label}-file"
        options = [f"--{key}={value}" for key, value in {"data": data, **inputs}.items()]
        done = subprocess.run(
            [
                sys.executable,
                PROGRAM,
                what,
                file,
                verb,
                name,
                f"--params={params[processes]}",
                f"--out={out}",
                f"--run={runs}",
                *options,
            ],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return done, out, runs, file

    return run


def log(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]


def assert_equal_runs(one, two, *, losses: tuple[str, ...]) -> None:
    """Gradients of the first updates and losses of all steps agree, and one set of files was written."""
    for done, out, _, _ in (one, two):
        assert done.returncode == 0, done.stderr
        assert not list(out.parent.glob(f".{out.name}*"))
    for alone, together in zip(torch.load(one[3]), torch.load(two[3]), strict=True):
        assert len(alone) == len(together) > 0
        for left, right in zip(alone, together, strict=True):
            # relative to the tensor: single entries may be sums that cancel
            assert (left - right).norm() <= 1e-4 * left.norm() + 1e-7
    assert [line["step"] for line in log(one[1])] == [line["step"] for line in log(two[1])]
    for left, right in zip(log(one[1]), log(two[1]), strict=True):
        for loss in losses:
            assert left[loss] == pytest.approx(right[loss], rel=2e-4, abs=1e-6), (left["step"], loss)
    assert "step 1/" in two[0].stdout
    assert two[0].stdout.count("step 1/") == 1  # the second process is silent


@pytest.mark.parametrize("name", [PQ, pytest.param(KL, marks=pytest.mark.thorough)])
def test_a_tokenizer_on_two_ranks_is_one_rank_at_twice_the_batch(trained, name):
    one, two = trained("train-tokenizer", name, 1), trained("train-tokenizer", name, 2)
    losses = ("l1", "perceptual", "regulariser", "adversarial", "adaptive_weight", "discriminator", "total")
    assert_equal_runs(one, two, losses=losses)
    weights = [load_file(out / "discriminator.safetensors") for _, out, *_ in (one, two)]
    # running statistics pool both halves of the batch
    torch.testing.assert_close(weights[0]["3.running_var"], weights[1]["3.running_var"], rtol=1e-3, atol=1e-6)


def test_codebooks_of_two_ranks_start_the_same_and_revive_the_same_words(trained):
    one, two = (trained("train-tokenizer", PQ, processes, "codebooks") for processes in ("1", "2"))
    for done, *_ in (one, two):
        assert done.returncode == 0, done.stderr
    alone, first, second = (
        torch.load(file.with_name(f"{file.name}-{rank}")) for *_, file, rank in ((*one, 0), (*two, 0), (*two, 1))
    )
    assert len(alone) == len(first) == STEPS + 1
    for left, right in zip(first, second, strict=True):
        assert torch.equal(left, right)
    for left, right in zip(alone, first, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-5)
    revived = [line["revived"] for line in log(one[1])]
    assert revived == [line["revived"] for line in log(two[1])]
    assert sum(revived) > 0


def test_a_linear_tokenizer_of_two_ranks_is_that_of_one_to_the_bit(trained):
    """Of three subspaces and twelve images, which two processes share unevenly and evenly."""
    one, two = (trained("train-tokenizer", LINEAR, processes) for processes in (1, 2))
    for done, *_ in (one, two):
        assert done.returncode == 0, done.stderr
    weights = [load_file(out / "diffusion_pytorch_model.safetensors") for _, out, *_ in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name
    states = [
        json.loads((out / "provenance.json").read_text())["training"]["state_sha256"] for _, out, *_ in (one, two)
    ]
    assert states[0] == states[1]


@pytest.mark.thorough
def test_a_latent_diffusion_model_on_two_ranks_is_one_rank_at_twice_the_batch(trained):
    tokenizer = trained("train-tokenizer", KL, 1, again="for-ldm")[1]
    one, two = (trained("train-ldm", "vae", processes, tokenizer=tokenizer) for processes in (1, 2))
    assert_equal_runs(one, two, losses=("loss",))


def test_nan_on_one_rank_stops_all_and_is_said_once(trained):
    done, out, runs, file = trained("train-tokenizer", PQ, 2, "nan")
    assert done.returncode == 4, done.stderr
    assert file.exists()
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("pqgan")]
    assert "step 3: not finite: perceptual, adaptive_weight, total, gradient of the generator" in line
    assert not out.exists()
    assert (runs / "FAILED.json").exists()
    assert [folder.name for folder in (runs / "checkpoints").iterdir()] == ["step-00000002"]


def test_a_signal_to_one_rank_stops_all_at_one_step_and_one_rank_goes_on(trained):
    done, out, _runs, file = trained("train-tokenizer", PQ, 2, "signal")
    assert done.returncode == 75, done.stderr
    assert file.exists()
    assert not out.exists()
    assert f"at step 3/{STEPS}: stopped and saved" in done.stderr
    done, out, *_ = trained("train-tokenizer", PQ, 1, again=f"{PQ}-2-signal")
    assert done.returncode == 0, done.stderr
    assert f"goes on from step 3/{STEPS}" in done.stdout
    assert [line["step"] for line in log(out)] == list(range(1, STEPS + 1))
