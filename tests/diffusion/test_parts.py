import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from pqgan.diffusion.parts import load_network, load_part
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
    with pytest.raises(DataError, match="unet: cannot be loaded as UNet2DConditionModel"):
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
