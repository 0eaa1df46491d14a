import json
import os
import signal

import pytest
import torch
from diffusers import UNet2DConditionModel

from pqgan.diffusion import adapt
from pqgan.diffusion.surgery import widen
from pqgan.diffusion.text import Captions
from pqgan.engine import loop
from pqgan.errors import DataError, SettingsError, Stopped


def load(folder) -> dict[str, torch.Tensor]:
    return UNet2DConditionModel.from_pretrained(folder, subfolder="unet").state_dict()


@pytest.fixture(scope="module")
def stages(tiny, plan, backbone_folder, tokenizers, captioned, tmp_path_factory):
    """Folders of stage 1 and stage 2, and a function that runs a stage again."""
    work = tmp_path_factory.mktemp("adapt")

    def run(stage, unet, name, tokenizer=tokenizers[16], settings=tiny):
        given = {"unet": unet, "backbone": backbone_folder, "tokenizer": tokenizer, "data": captioned}
        job = plan.job("adapt", f"PQSD-Quick-stage{stage}")
        adapt.adapt(settings, job, **given, run=work / f"{name}-run", out=work / name)
        return work / name

    first = run(1, backbone_folder, "first")
    return first, run(2, first, "second"), run


def test_stage_1_changes_conv_in_and_conv_out_alone(stages, backbone_folder):
    original = UNet2DConditionModel.from_pretrained(backbone_folder, subfolder="unet")
    expected, found = widen(original, 8).state_dict(), load(stages[0])
    assert expected.keys() == found.keys()
    for name, weight in found.items():
        new = name.startswith(("conv_in.", "conv_out."))
        assert torch.equal(weight, expected[name]) != new, name


def test_stage_2_changes_all_weights(stages):
    before, after = load(stages[0]), load(stages[1])
    assert [name for name in before if torch.equal(before[name], after[name])] == []


def test_result_tells_its_size_and_losses(stages):
    for folder, side, steps in ((stages[0], 2, 2), (stages[1], 2, 3)):
        config = json.loads((folder / "unet" / "config.json").read_text())
        assert (config["in_channels"], config["out_channels"], config["sample_size"]) == (8, 8, side)
        lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == list(range(1, steps + 1))
        assert all(line["loss"] > 0 for line in lines)
        assert json.loads((folder / "provenance.json").read_text())["job"]["chapter"] == "adapt"


def test_two_runs_give_the_same_weights(stages, backbone_folder):
    first, second, run = stages
    torch.manual_seed(99)
    for stage, unet, expected in ((1, backbone_folder, first), (2, first, second)):
        again = load(run(stage, unet, f"again-{stage}"))
        assert all(torch.equal(weight, again[name]) for name, weight in load(expected).items())


def test_stage_2_keeps_the_average_and_not_the_last_weights(stages, tiny):
    first, second, run = stages
    adaptation = tiny.reading.adaptation.model_copy(update={"ema_decay": 1e-9})
    settings = tiny.model_copy(update={"reading": tiny.reading.model_copy(update={"adaptation": adaptation})})
    last = load(run(2, first, "last", settings=settings))
    averaged, start = load(second), load(first)
    moved = sum((last[name] - start[name]).square().sum() for name in start)
    kept = sum((averaged[name] - start[name]).square().sum() for name in start)
    assert 0 < kept < moved


def test_weight_decay_does_not_touch_frozen_weights(stages, tiny, backbone_folder):
    adaptation = tiny.reading.adaptation.model_copy(update={"weight_decay": 0.9})
    settings = tiny.model_copy(update={"reading": tiny.reading.model_copy(update={"adaptation": adaptation})})
    decayed, plain = load(stages[2](1, backbone_folder, "decayed", settings=settings)), load(stages[0])
    assert not torch.equal(decayed["conv_in.weight"], plain["conv_in.weight"])
    assert torch.equal(decayed["mid_block.resnets.0.conv1.weight"], plain["mid_block.resnets.0.conv1.weight"])


@pytest.mark.parametrize("at", [0, 1])
def test_stage_2_stopped_within_or_at_the_end_of_a_phase_goes_on_to_the_same_bits(stages, monkeypatch, at):
    first, second, run = stages
    drop, seen = Captions.drop, []

    def stop(self, number, captions):
        seen.append(number)
        if seen == list(range(at + 1)):
            os.kill(os.getpid(), signal.SIGTERM)
        return drop(self, number, captions)

    monkeypatch.setattr(Captions, "drop", stop)
    with pytest.raises(Stopped, match=f"SIGTERM at step {at + 1}/3"):
        run(2, first, f"stopped-{at}")
    again = run(2, first, f"stopped-{at}")
    assert seen == [0, 1, 2]
    expected, found = (json.loads((folder / "provenance.json").read_text()) for folder in (second, again))
    assert found["training"]["state_sha256"] == expected["training"]["state_sha256"]
    weights = load(again)
    assert all(torch.equal(weight, weights[name]) for name, weight in load(second).items())


def test_a_run_folder_of_other_settings_is_refused(
    stages, plan, tiny, backbone_folder, tokenizers, captioned, tmp_path
):
    """Stage 1 of one variant in the folder where that of another one was stopped."""

    def stage_1(name, factor):
        given = {"unet": backbone_folder, "backbone": backbone_folder, "tokenizer": tokenizers[factor]}
        job = plan.job("adapt", f"{name}-stage1")
        adapt.adapt(tiny, job, **given, data=captioned, run=tmp_path / "run", out=tmp_path / "out")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_asked", lambda fabric, stop: True)
        with pytest.raises(Stopped):
            stage_1("PQSD-Quick", 16)
    with pytest.raises(SettingsError, match=r"step-00000001: was trained with settings .*; restore them, or choose"):
        stage_1("PQSD-Precise", 8)
    assert not (tmp_path / "out").exists()


def test_stage_2_on_the_backbone_is_refused(stages, backbone_folder):
    with pytest.raises(DataError, match="has 4 latent channels, but the tokenizer has 8"):
        stages[2](2, backbone_folder, "refused")


def test_resolution_that_does_not_divide_is_refused(stages, tiny, backbone_folder):
    adaptation = tiny.reading.adaptation.model_copy(update={"stage1_resolution": 48})
    settings = tiny.model_copy(update={"reading": tiny.reading.model_copy(update={"adaptation": adaptation})})
    with pytest.raises(SettingsError, match="resolution: got 48; allowed: multiples of 32"):
        stages[2](1, backbone_folder, "refused", settings=settings)
