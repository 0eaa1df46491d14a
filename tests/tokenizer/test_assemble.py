"""What a training is assembled from: the networks that its settings name."""

from pqgan.settings import Settings
from pqgan.tokenizer.assemble import new_discriminator


def test_the_discriminator_has_the_settings_shape(smoke):
    raw = smoke.model_dump()
    raw["scale"]["tokenizer"]["discriminator"] = {"channels": 6, "layers": 4}
    found = new_discriminator(Settings.model_validate(raw))
    widths = [layer.out_channels for layer in found if hasattr(layer, "out_channels")]
    assert widths == [6, 12, 24, 48, 48, 1]


def test_revival_waits_as_long_as_the_settings_say(make_step):
    step = make_step("f8-d16-S8-K64", revive_after=7).step
    assert step.revival.idle.after == 7
    assert step.revival.idle.idle.shape == (8, 64)
