import json
import os
import resource
import shutil
import time

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from pqgan.diffusion.ldm import ClassEmbedding
from pqgan.diffusion.pipeline_parts import load_network, load_part
from pqgan.errors import DataError


@pytest.fixture
def folder(tmp_path):
    unet = UNet2DConditionModel(
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        mid_block_type=None,
        layers_per_block=1,
        norm_num_groups=4,
    )
    unet.save_pretrained(tmp_path / "unet")
    return tmp_path


def change_weights(folder, change):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def test_half_precision_weights_come_back_in_fp32(folder):
    change_weights(folder, lambda weights: weights.update({key: value.half() for key, value in weights.items()}))
    unet = load_network(UNet2DConditionModel, folder, "unet")
    assert unet.dtype == torch.float32
    assert not unet.training


def test_saved_again_it_does_not_tell_where_it_came_from(folder, tmp_path):
    load_network(UNet2DConditionModel, folder, "unet").save_pretrained(tmp_path / "again")
    assert str(folder) not in (tmp_path / "again" / "config.json").read_text()


def test_missing_weight_is_refused(folder):
    change_weights(folder, lambda weights: weights.pop("conv_in.weight"))
    with pytest.raises(DataError, match=r"unet: .*conv_in\.weight"):
        load_network(UNet2DConditionModel, folder, "unet")


def test_surplus_weight_is_refused_unless_allowed(folder):
    change_weights(folder, lambda weights: weights.update(stray=torch.zeros(1)))
    with pytest.raises(DataError, match="unexpected keys stray"):
        load_network(UNet2DConditionModel, folder, "unet")
    load_network(UNet2DConditionModel, folder, "unet", surplus=True)


def test_weight_of_another_shape_is_refused(folder):
    change_weights(folder, lambda weights: weights.update({"conv_in.bias": torch.zeros(3)}))
    with pytest.raises(DataError, match=r"conv_in\.bias"):
        load_network(UNet2DConditionModel, folder, "unet", surplus=True)


def test_truncated_file_is_refused(folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"unet/diffusion_pytorch_model\.safetensors: damaged or cut short"):
        load_network(UNet2DConditionModel, folder, "unet")


def test_pickled_weights_are_refused(folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()
    with pytest.raises(DataError, match="unet"):
        load_network(UNet2DConditionModel, folder, "unet")


@pytest.mark.parametrize("cls", [DDIMScheduler, CLIPTextModel])
def test_missing_part_is_named(tmp_path, cls):
    with pytest.raises(DataError, match="nothing: no such folder"):
        load_part(cls, tmp_path, "nothing")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """The parts of a pipeline, as small as they get."""
    folder = tmp_path_factory.mktemp("pipeline")
    blocks = {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")}
    blocks |= {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "block_out_channels": (8, 8)}
    sizes = {"layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 8, "attention_head_dim": 2}
    UNet2DConditionModel(**blocks, **sizes).save_pretrained(folder / "unet")
    text = {
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 50,
    }
    CLIPTextModel(CLIPTextConfig(**text)).save_pretrained(folder / "text_encoder")
    ClassEmbedding(5, 8, True).save_pretrained(folder / "class_embedding")
    DDIMScheduler().save_pretrained(folder / "scheduler")
    return folder


PARTS = {"unet": UNet2DConditionModel, "text_encoder": CLIPTextModel, "class_embedding": ClassEmbedding}
HUGE = [
    ("unet", "layers_per_block", 1_000_000),
    ("unet", "transformer_layers_per_block", 1_000_000),
    ("unet", "block_out_channels", [5_000_000, 5_000_000]),
    ("unet", "cross_attention_dim", 1 << 30),
    ("unet", "in_channels", 1 << 70),
    ("unet", "norm_num_groups", 0),
    ("unet", "attention_head_dim", 0),
    ("text_encoder", "num_hidden_layers", 1_000_000),
    ("text_encoder", "hidden_size", 5_000_000),
    ("text_encoder", "vocab_size", 1 << 33),
    ("text_encoder", "num_attention_heads", 0),
    ("text_encoder", "hidden_act", ["gelu"]),
    ("class_embedding", "num_classes", 1 << 40),
    ("class_embedding", "context", "8"),
]


@pytest.mark.parametrize(("name", "key", "value"), HUGE)
def test_a_configuration_that_is_not_that_of_its_weights_is_refused_before_it_is_built(
    pipeline, tmp_path, name, key, value
):
    shutil.copytree(pipeline / name, tmp_path / name)
    load_network(PARTS[name], tmp_path, name)
    path = tmp_path / name / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError) as caught:
        load_network(PARTS[name], tmp_path, name)
    assert str(caught.value).isprintable()
    assert time.monotonic() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB


@pytest.mark.parametrize("how", ["pipe", "folder", "deep", "bytes"])
def test_a_part_whose_files_are_none_is_one_line(pipeline, tmp_path, how):
    for name, file in (("unet", "config.json"), ("text_encoder", "model.safetensors"), ("scheduler", None)):
        shutil.copytree(pipeline / name, tmp_path / name)
        path = tmp_path / name / (file or "scheduler_config.json")
        path.unlink()
        if how == "pipe":
            os.mkfifo(path)
        elif how == "folder":
            path.mkdir()
        else:
            path.write_bytes(b"[" * 200_000 if how == "deep" else bytes(range(256)))
        with pytest.raises(DataError) as caught:
            load_network(PARTS[name], tmp_path, name) if file else load_part(DDIMScheduler, tmp_path, name)
        assert str(caught.value).startswith(f"{path}: ")
        assert str(caught.value).isprintable()
