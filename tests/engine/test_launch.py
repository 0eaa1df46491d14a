"""Devices and processes as the settings say."""

import warnings

import pytest
import torch

from pqgan.engine.launch import device, make_fabric, set_up
from pqgan.errors import ResourceError


def test_fabric_follows_the_settings(smoke):
    fabric = make_fabric(smoke.scale.hardware, "32-true")
    assert fabric.device.type == "cpu"
    assert (fabric.world_size, torch.get_num_threads()) == (1, smoke.scale.hardware.cpus)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_accelerator_is_one_line_and_no_silent_fallback(smoke):
    with pytest.raises(ResourceError, match=r"hardware\.accelerator: got 'cuda'"):
        device(smoke.scale.hardware.model_copy(update={"accelerator": "cuda"}))


def test_slurm_processes_and_devices_must_be_as_many(smoke, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.delenv("SLURM_JOB_NAME", raising=False)
    assert make_fabric(smoke.scale.hardware, "32-true").world_size == 1
    with pytest.raises(ResourceError, match=r"SLURM_NTASKS: got 1, expected 2: .*srun --ntasks-per-node=2"):
        make_fabric(smoke.scale.hardware, "32-true", 2)


def test_where_srun_is_installed_but_not_used_nothing_is_said(smoke, monkeypatch, tmp_path):
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_fabric(smoke.scale.hardware, "32-true").world_size == 1


def test_set_up_keeps_the_module_and_the_names_of_its_tensors(fabric, smoke):
    hardware = smoke.scale.hardware.model_copy(update={"channels_last": True})
    module = torch.nn.Conv2d(3, 4, 3)
    names = list(module.state_dict())
    wrapped, _ = set_up(fabric, hardware, module, torch.optim.Adam(module.parameters()))
    assert wrapped.module is module
    assert list(module.state_dict()) == names == ["weight", "bias"]
    assert module.weight.is_contiguous(memory_format=torch.channels_last)
