"""Weights that lie elsewhere between calls: every way into the model brings them, and gives what it gives without.

There is no accelerator here. Weights on the device `meta` have no numbers, and those of a group on disk are what an
empty tensor holds, so that a call which does not bring them fails or gives something else.
"""

import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import CpuOffload, ModelHook, add_hook_to_module
from diffusers import DiffusionPipeline
from drop_in_models import FORMS, all_calls, assert_same, images, make

from pqgan.tokenizer.model import PQModel

CALLS = ("encode", "encode_continuous", "encode_to_codes", "decode", "decode_from_codes", "forward")


@pytest.fixture(params=FORMS)
def form(request) -> str:
    return request.param


@pytest.fixture
def expected(form) -> dict[str, torch.Tensor]:
    return all_calls(make(form), images())


class Recorder(ModelHook):
    def __init__(self):
        self.calls = 0

    def pre_forward(self, module, *arguments, **named):
        self.calls += 1
        return arguments, named


class TestModelOffload:
    """`enable_model_cpu_offload` puts one hook on the model, which moves all of it before a call."""

    def test_its_hook_runs_once_before_each_way_into_the_model(self):
        model, recorder = make(), Recorder()
        add_hook_to_module(model, recorder)
        x = images()
        arguments = dict.fromkeys(CALLS, x)
        arguments["decode"], arguments["decode_from_codes"] = model.encode(x).latents, model.encode_to_codes(x)
        for name in CALLS:
            before = recorder.calls
            (model if name == "forward" else getattr(model, name))(arguments[name])
            assert recorder.calls == before + 1, name

    def test_its_own_hook_moves_the_model(self):
        model = make()
        add_hook_to_module(model, CpuOffload("meta"))
        assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
        assert model.decode(torch.zeros(1, 8, 4, 4)).sample.device.type == "meta"
        assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


@torch.no_grad()
def test_sequential_offload(form, expected):
    model = make(form)
    cpu_offload(model, torch.device("cpu"))
    assert {parameter.device.type for parameter in model.parameters()} <= {"meta"}
    assert_same(all_calls(model, images()), expected)
    assert {parameter.device.type for parameter in model.parameters()} <= {"meta"}


@pytest.mark.parametrize(
    "options", [{"offload_type": "leaf_level"}, {"offload_type": "block_level", "num_blocks_per_group": 1}]
)
def test_group_offload(form, expected, options, tmp_path):
    model = make(form)
    model.enable_group_offload(torch.device("cpu"), offload_to_disk_path=str(tmp_path), **options)
    assert any(tmp_path.iterdir())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data.fill_(float("nan"))  # what is on disk is not touched
    assert_same(all_calls(model, images()), expected)


def test_a_device_map_that_the_library_makes(form, expected, tmp_path):
    model = make(form)
    model.save_pretrained(tmp_path)
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    again = PQModel.from_pretrained(
        tmp_path, device_map="auto", max_memory={"cpu": int(0.6 * size)}, offload_folder=tmp_path / "offloaded"
    )
    assert "disk" in again.hf_device_map.values()
    assert "meta" in {parameter.device.type for parameter in again.parameters()}
    assert_same(all_calls(again, images()), expected)


def test_a_pipeline_offloads_its_groups_and_decodes(tmp_path):
    class Decode(DiffusionPipeline):
        def __init__(self, vae: PQModel):
            super().__init__()
            self.register_modules(vae=vae)

        @torch.no_grad()
        def __call__(self, z):
            return self.vae.decode(z).sample

    z = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = Decode(make())(z)
    pipeline = Decode(make())
    options = {"offload_type": "leaf_level", "offload_to_disk_path": str(tmp_path)}
    pipeline.enable_group_offload(torch.device("cpu"), **options)
    assert torch.equal(pipeline(z), expected)
