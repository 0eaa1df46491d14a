import pytest
import torch
from diffusers import UNet2DConditionModel

from pqgan.diffusion.surgery import freeze_all_but_new, widen


def make(channels: int = 4, out: int | None = None) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=out or channels,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        attention_head_dim=(2, 4),
        cross_attention_dim=8,
        norm_num_groups=8,
    )


def is_new(name: str) -> bool:
    return name.startswith(("conv_in.", "conv_out."))


@pytest.mark.parametrize(("channels", "d"), [(4, 128), (4, 6), (3, 7), (4, 2)])
@pytest.mark.parametrize("how", ["tile", "tile_variance"])
def test_weights_are_tiled_as_by_hand(channels, d, how):
    before = make(channels).state_dict()
    after = widen(make(channels), d, how).state_dict()
    scale = (channels / d) ** 0.5 if how == "tile_variance" else 1.0
    assert after["conv_in.weight"].shape == (16, d, 3, 3)
    assert after["conv_out.weight"].shape == (d, 16, 3, 3)
    for channel in range(d):
        source = channel % channels
        torch.testing.assert_close(after["conv_in.weight"][:, channel], before["conv_in.weight"][:, source] * scale)
        assert torch.equal(after["conv_out.weight"][channel], before["conv_out.weight"][source])
        assert after["conv_out.bias"][channel] == before["conv_out.bias"][source]
    assert torch.equal(after["conv_in.bias"], before["conv_in.bias"])
    for name, weight in before.items():
        assert is_new(name) or torch.equal(after[name], weight), name


def test_response_to_unit_noise_keeps_its_variance():
    generator = torch.Generator().manual_seed(0)
    before, after, plain = make().conv_in, widen(make(), 128).conv_in, widen(make(), 128, "tile").conv_in
    # of independent unit inputs: the sum of the squared weights, exactly
    expected = before.weight.square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(after.weight.square().sum(dim=(1, 2, 3)), expected)
    torch.testing.assert_close(plain.weight.square().sum(dim=(1, 2, 3)), expected * 32)
    with torch.no_grad():
        measured = after(torch.randn(16, 128, 32, 32, generator=generator))[:, :, 1:-1, 1:-1].var(dim=(0, 2, 3))
    torch.testing.assert_close(measured, expected, rtol=0.1, atol=0)


def test_plainly_tiled_unet_repeats_the_prediction_of_the_original():
    """With the mean of the copies of a channel for input, conv_in sees what it saw."""
    latents, context = torch.randn(2, 4, 8, 8), torch.randn(2, 3, 8)
    with torch.no_grad():
        before = make()(latents, 10, context).sample
        after = widen(make(), 12, "tile")(latents.repeat(1, 3, 1, 1) / 3, 10, context).sample
    torch.testing.assert_close(after, before.repeat(1, 3, 1, 1), rtol=1e-4, atol=1e-5)


def test_different_input_and_output_channels():
    unet = widen(make(5, 3), 8)
    assert torch.equal(unet.conv_out.bias, make(5, 3).conv_out.bias[[0, 1, 2, 0, 1, 2, 0, 1]])
    assert (unet.config.in_channels, unet.config.out_channels) == (8, 8)


def test_widened_unet_survives_saving(tmp_path):
    unet = widen(make(), 16)
    unet.save_pretrained(tmp_path)
    loaded = UNet2DConditionModel.from_pretrained(tmp_path)
    assert loaded.config.in_channels == loaded.config.out_channels == 16
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, unet.state_dict()[name])


def test_widening_draws_no_random_numbers():
    unet = make()
    before = torch.random.get_rng_state()
    widen(unet, 16)
    assert torch.equal(before, torch.random.get_rng_state())


def test_only_new_layers_are_left_to_train():
    unet = make()
    freeze_all_but_new(unet)
    for name, parameter in unet.named_parameters():
        assert parameter.requires_grad == is_new(name), name
