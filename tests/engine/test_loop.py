"""The loop and its guard."""

import json

import pytest
import torch

from pqgan.engine.launch import device, make_fabric
from pqgan.engine.loop import finite, fit
from pqgan.errors import NumericalError, ResourceError


def test_fit_logs_means_over_the_steps_between_lines(tmp_path, capsys):
    seen = []

    def step(number, batch):
        seen.append((number, batch))
        return {"loss": torch.tensor(float(batch)), "other": torch.tensor(1.0)}

    fit(step, enumerate([1, 2, 3, 4, 5]), steps=5, log_every=2, folder=tmp_path, name="run")
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert seen == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert [(line["step"], line["loss"], line["other"]) for line in lines] == [(2, 1.5, 1), (4, 3.5, 1), (5, 5, 1)]
    assert all(line["seconds"] >= 0 for line in lines)
    assert "run step 4/5 loss=3.5" in capsys.readouterr().out


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_finite_names_step_and_loss(value):
    finite({"l1": torch.tensor(1.0)}, 0)
    with pytest.raises(NumericalError, match=r"step 8: .*perceptual=(nan|inf)"):
        finite({"l1": torch.tensor(1.0), "perceptual": torch.tensor(value)}, 7)


def test_fabric_follows_the_settings(smoke):
    fabric = make_fabric(smoke.scale.hardware, "32-true")
    assert fabric.device.type == "cpu"
    assert (fabric.world_size, torch.get_num_threads()) == (1, smoke.scale.hardware.cpus)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_accelerator_is_one_line_and_no_silent_fallback(smoke):
    with pytest.raises(ResourceError, match=r"hardware\.accelerator: got 'cuda'"):
        device(smoke.scale.hardware.model_copy(update={"accelerator": "cuda"}))
