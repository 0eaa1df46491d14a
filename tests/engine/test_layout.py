"""How hardware settings reach Fabric and the networks: recorded at the libraries' borders."""

import pytest
import torch

from pqgan.engine import launch
from pqgan.settings.hardware import TrainingGPUs


@pytest.mark.parametrize(("channels_last", "compiled"), [(True, False), (False, True), (False, False), (True, True)])
def test_layout_and_compilation_are_two_settings(smoke, monkeypatch, channels_last, compiled):
    calls = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: calls.append(module))
    network = torch.nn.Conv2d(3, 5, 3)
    hardware = smoke.scale.hardware.model_copy(update={"channels_last": channels_last, "compile": compiled})
    launch.lay_out(hardware, network)
    assert network.weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert calls == [network] * compiled


class Fabric:
    """Notes what it is made with, and starts nothing."""

    made: dict = {}  # noqa: RUF012

    def __init__(self, **options):
        Fabric.made = options
        self.device = torch.device("cpu")

    def launch(self) -> None:
        pass


@pytest.fixture
def fabric(monkeypatch):
    monkeypatch.setattr(launch, "_import_fabric", lambda: Fabric)
    return Fabric


GPUS = TrainingGPUs(tokenizer=7, finetune=5, adapt=4, ldm=1)


def test_a_training_on_cpus_has_as_many_processes_as_the_settings_say(smoke, fabric):
    hardware = smoke.scale.hardware.model_copy(update={"processes": 3, "gpus": GPUS, "cpus": 1})
    launch.training_fabric(hardware, "bf16-mixed", "tokenizer")
    assert fabric.made == {"accelerator": "cpu", "devices": 3, "strategy": "ddp", "precision": "bf16-mixed"}
    launch.training_fabric(hardware.model_copy(update={"processes": 1}), "32-true", "tokenizer")
    assert fabric.made == {"accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "32-true"}


@pytest.mark.parametrize(
    ("chapter", "devices", "strategy"),
    [("tokenizer", 7, "ddp"), ("finetune", 5, "ddp"), ("adapt", 4, "ddp"), ("ldm", 1, "auto")],
)
def test_a_training_on_gpus_has_as_many_as_its_chapter(smoke, fabric, monkeypatch, chapter, devices, strategy):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    hardware = smoke.scale.hardware.model_copy(update={"accelerator": "auto", "gpus": GPUS, "processes": 3})
    launch.training_fabric(hardware, "32-true", chapter)
    assert fabric.made == {"accelerator": "cuda", "devices": devices, "strategy": strategy, "precision": "32-true"}


def test_a_bench_has_one_device(smoke, fabric):
    hardware = smoke.scale.hardware.model_copy(update={"processes": 3, "gpus": GPUS})
    launch.make_fabric(hardware, "32-true")
    assert fabric.made["devices"] == 1


def test_an_evaluation_has_devices_of_its_own(smoke, fabric):
    hardware = smoke.scale.hardware.model_copy(update={"processes": 3, "evaluation_devices": 2, "cpus": 1})
    launch.launch(hardware)
    assert fabric.made == {"accelerator": "cpu", "devices": 2, "strategy": "ddp", "precision": "32-true"}


def test_threads_are_the_job_s_cores(smoke, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    launch.device(smoke.scale.hardware.model_copy(update={"cpus": 5}))
    assert asked == [5]
