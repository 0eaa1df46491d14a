"""Where each setting of a diffusion training arrives: optimiser, loader, step, moving average and result."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel
from whole_plan import whole_plan

from pqgan.data.batches import Batch
from pqgan.diffusion import adapt, ldm, training
from pqgan.settings import Settings
from pqgan.tokenizer.load import load_model


@pytest.fixture(scope="module")
def settings(tiny) -> Settings:
    """The tiny scale with no two settings alike."""
    raw = tiny.model_dump()
    scale, reading = raw["scale"], raw["reading"]
    scale["seed"] = 7
    reading["adaptation"] |= {"caption_dropout": 0.37, "ema_decay": 0.6, "weight_decay": 0.033, "widening": "tile"}
    scale["adapt"]["log_every"] = 2
    stage2 = [
        {"resolution": 64, "steps": 2, "batch": 3, "learning_rate": 4e-3},
        {"resolution": 32, "steps": 1, "batch": 2, "learning_rate": 5e-4},
    ]
    stage1 = {"steps": 3, "batch": 4, "learning_rate": 6e-3}
    scale["adapt"]["variants"]["PQSD-Quick"] |= {"F": 16, "stage1": stage1, "stage2": stage2, "sample_size": 64}
    scale["ldm"] |= {
        "steps": 5,
        "batch": 6,
        "learning_rate": 7e-3,
        "resolution": 32,
        "ema_decay": 0.7,
        "class_dropout": 0.41,
        "beta_start": 0.001,
        "beta_end": 0.02,
        "log_every": 4,
    }
    return Settings.model_validate(raw)


def with_adaptation(settings: Settings, **values) -> Settings:
    changed = settings.reading.adaptation.model_copy(update=values)
    return settings.model_copy(update={"reading": settings.reading.model_copy(update={"adaptation": changed})})


@pytest.fixture
def start(settings, backbone_folder, tokenizers, captioned, classed, tmp_path, monkeypatch):
    """Start a training and come back with what reached the optimiser, the loader and the loop, which is not run."""

    def start(chapter: str, name: str, changed: Settings = settings, **given) -> SimpleNamespace:
        seen = SimpleNamespace(loads=[])
        load = training.training_batches

        def training_batches(prepared, **named):
            seen.loads.append({"folder": prepared.folder, **named})
            return load(prepared, **named)

        class AdamW(torch.optim.AdamW):
            def __init__(self, parameters, **named):
                seen.trained, seen.optimiser = list(parameters), named
                super().__init__(seen.trained, **named)

        def fit(fabric, step, state, batches, **named):
            seen.step, seen.state, seen.batches, seen.fit = step, state, batches, named

        def publish(fabric, folder, state, job, out, write, more):
            seen.write, seen.more = write, more

        monkeypatch.setattr(torch.optim, "AdamW", AdamW)
        for double in (training_batches, fit, publish):
            monkeypatch.setattr(training, double.__name__, double)
        seen.job = whole_plan(changed).job(chapter, name)
        places = {"run": tmp_path / "run", "out": tmp_path / "out", **given}
        if chapter == "adapt":
            places = {"backbone": backbone_folder, "tokenizer": tokenizers[16], "data": captioned} | places
            adapt.adapt(changed, seen.job, **places)
        else:
            ldm.train_ldm(changed, seen.job, **{"tokenizer": tokenizers[8], "data": classed} | places)
        return seen

    return start


def picture(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@torch.no_grad()
def latents_by_hand(folder, images: torch.Tensor, latent: str) -> torch.Tensor:
    """Of a PQModel, times its scaling factor: 16 sqrt(3), as the fixture has it."""
    model = load_model(folder).eval()
    z_e = model.quant_conv(model.encoder(images))  # (B, 8, h, w)
    if latent == "z_e":
        return z_e * 16 * 3**0.5
    z_q = torch.empty_like(z_e)
    for subspace, words in enumerate(model.quantiser.codebooks):
        channels = slice(2 * subspace, 2 * subspace + 2)
        flat = z_e[:, channels].movedim(1, -1)  # (B, h, w, 2)
        nearest = torch.cdist(flat.reshape(-1, 2).double(), words.double()).argmin(1)
        z_q[:, channels] = words[nearest].view(flat.shape).movedim(-1, 1)
    return z_q * 16 * 3**0.5


@pytest.mark.parametrize("latent", ["z_q", "z_e"])
def test_what_is_diffused_is_the_reading_s_latent_times_its_scaling_factor(start, settings, tokenizers, latent):
    seen = start("ldm", "pqgan-f8", with_adaptation(settings, latent=latent))
    expected = latents_by_hand(tokenizers[8], picture(), latent)
    torch.testing.assert_close(seen.step.encode(picture()), expected, rtol=1e-4, atol=1e-4)
    other = latents_by_hand(tokenizers[8], picture(), "z_e" if latent == "z_q" else "z_q")
    assert (expected - other).abs().max() > 0.01


def test_stage_1_trains_the_new_layers_on_its_own_line(start, settings, backbone_folder, tokenizers, captioned):
    seen = start("adapt", "PQSD-Quick-stage1", unet=backbone_folder)
    unet = seen.state.modules["denoiser"].unet
    assert {id(weight) for weight in seen.trained} == {
        id(weight) for layer in (unet.conv_in, unet.conv_out) for weight in layer.parameters()
    }
    assert {key: seen.optimiser[key] for key in ("lr", "betas", "weight_decay")} == {
        "lr": 6e-3,
        "betas": (0.9, 0.999),
        "weight_decay": 0.033,
    }
    assert seen.step.ema is None
    assert (seen.fit["steps"], seen.fit["log_every"], seen.fit["name"]) == (3, 2, seen.job.id)
    assert [seen.step.rate(number) for number in range(3)] == [6e-3] * 3
    assert unet.config.sample_size == 32 // 16
    # "tile": copied as they are, without the factor sqrt(4/8)
    original = UNet2DConditionModel.from_pretrained(backbone_folder, subfolder="unet")
    assert torch.equal(unet.conv_in.weight, original.conv_in.weight.repeat(1, 2, 1, 1))
    assert torch.equal(unet.conv_out.weight, original.conv_out.weight.repeat(2, 1, 1, 1))
    found = list(seen.batches(1))
    assert [(number, tuple(batch.images.shape)) for number, batch in found] == [
        (1, (4, 3, 32, 32)),
        (2, (4, 3, 32, 32)),
    ]
    (load,) = seen.loads
    assert (load["folder"], load["seed"], load["geometry"]) == (captioned, 7, "crop")


def test_the_widening_that_keeps_the_variance_is_the_other_reading(start, settings, backbone_folder):
    seen = start(
        "adapt", "PQSD-Quick-stage1", with_adaptation(settings, widening="tile_variance"), unet=backbone_folder
    )
    original = UNet2DConditionModel.from_pretrained(backbone_folder, subfolder="unet")
    found = seen.state.modules["denoiser"].unet.conv_in.weight
    torch.testing.assert_close(found, original.conv_in.weight.repeat(1, 2, 1, 1) * 0.5**0.5)


@pytest.fixture
def widened(backbone_folder, tmp_path):
    """Folder of a U-Net of 8 latent channels."""
    from pqgan.diffusion.surgery import widen

    unet = widen(UNet2DConditionModel.from_pretrained(backbone_folder, subfolder="unet"), 8)
    unet.save_pretrained(tmp_path / "widened" / "unet")
    return tmp_path / "widened"


def test_stage_2_trains_all_weights_through_its_phases(start, widened, captioned):
    seen = start("adapt", "PQSD-Quick-stage2", unet=widened)
    denoiser = seen.state.modules["denoiser"]
    assert {id(weight) for weight in seen.trained} == {id(weight) for weight in denoiser.parameters()}
    assert (seen.optimiser["lr"], seen.optimiser["weight_decay"]) == (4e-3, 0.033)
    assert [seen.step.rate(number) for number in range(3)] == [4e-3, 4e-3, 5e-4]
    assert (seen.fit["steps"], denoiser.unet.config.sample_size) == (3, 2)
    found = [(number, tuple(batch.images.shape)) for number, batch in seen.batches(0)]
    assert found == [(0, (3, 3, 64, 64)), (1, (3, 3, 64, 64)), (2, (2, 3, 32, 32))]
    assert [load["steps"] for load in seen.loads] == [range(2), range(2, 3)]
    assert_decays(seen, denoiser.unet.conv_in.bias, seen.state.modules["ema"].module.unet.conv_in.bias, 0.6)


@torch.no_grad()
def assert_decays(seen, weight, averaged, decay: float) -> None:
    """The average starts at the first weights and then keeps its share."""
    values = []
    for value in (1.0, 2.0, 4.0):
        weight.fill_(value)
        seen.step.ema.update_parameters(seen.state.modules["denoiser"])
        values.append(averaged[0].item())
    second = decay * 1.0 + (1 - decay) * 2.0
    assert values == pytest.approx([1.0, second, decay * second + (1 - decay) * 4.0], rel=1e-5)


def test_an_adaptation_denoises_as_its_backbone_and_drops_its_captions(start, backbone_folder):
    seen = start("adapt", "PQSD-Quick-stage1", unet=backbone_folder)
    schedule = seen.step.scheduler.config
    assert (schedule.prediction_type, schedule.beta_start, schedule.beta_end) == ("v_prediction", 0.00085, 0.012)
    captions = seen.step.condition
    assert (captions.dropout, captions.draws.seed, seen.step.draws.seed) == (0.37, 7, 7)
    dropped = sum(captions.drop(number, ["a cat"] * 50).count("") for number in range(200))
    assert dropped / 10_000 == pytest.approx(0.37, abs=0.015)


def test_a_model_from_scratch_is_what_its_section_says(start, tokenizers, classed, tmp_path):
    seen = start("ldm", "pqgan-f8")
    denoiser = seen.state.modules["denoiser"]
    assert {key: seen.optimiser[key] for key in ("lr", "betas", "weight_decay")} == {
        "lr": 7e-3,
        "betas": (0.9, 0.999),
        "weight_decay": 0.01,
    }
    assert (seen.fit["steps"], seen.fit["log_every"], seen.fit["name"]) == (5, 4, seen.job.id)
    config = denoiser.unet.config
    assert (config.in_channels, config.sample_size, config.cross_attention_dim) == (8, 4, 32)
    assert (tuple(config.block_out_channels), config.layers_per_block, config.norm_num_groups) == ((16, 32), 1, 8)
    assert tuple(config.attention_head_dim) == (1, 2)  # heads: channels over head_channels
    schedule = seen.step.scheduler.config
    assert (schedule.prediction_type, schedule.beta_start, schedule.beta_end) == ("epsilon", 0.001, 0.02)
    ((number, batch), *_) = seen.batches(2)
    assert (number, tuple(batch.images.shape)) == (2, (6, 3, 32, 32))
    (load,) = seen.loads
    assert (load["folder"], load["seed"], load["steps"]) == (classed, 7, range(2, 5))
    assert len(denoiser.embedding.embedding.weight) == 6 + 1  # one more, for dropped labels
    assert_decays(seen, denoiser.unet.conv_in.bias, seen.state.modules["ema"].module.unet.conv_in.bias, 0.7)
    seen.write(tmp_path)
    kept = UNet2DConditionModel.from_pretrained(tmp_path, subfolder="unet")
    assert torch.equal(kept.conv_in.bias, seen.state.modules["ema"].module.unet.conv_in.bias)


def test_labels_are_dropped_as_often_as_the_section_says(start):
    condition = start("ldm", "pqgan-f8").step.condition
    labels = torch.arange(10_000) % 6
    found = condition(0, Batch(torch.empty(0), labels, []))
    assert (found == 6).double().mean().item() == pytest.approx(0.41, abs=0.015)
    assert torch.equal(found[found != 6], labels[found != 6])


def test_first_weights_are_those_of_the_seed(start, settings):
    scale = settings.scale.model_copy(update={"seed": 8})
    one, again, other = (
        start("ldm", "pqgan-f8", changed).state.modules["denoiser"].unet.conv_in.weight
        for changed in (settings, settings, settings.model_copy(update={"scale": scale}))
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("chapter", ["adapt", "ldm"])
def test_precision_and_hardware_reach_fabric(start, settings, backbone_folder, monkeypatch, chapter):
    module, asked = {"adapt": adapt, "ldm": ldm}[chapter], []
    make = module.training_fabric
    monkeypatch.setattr(
        module, "training_fabric", lambda *given: asked.append(given) or make(given[0], "32-true", given[2])
    )
    changed = with_adaptation(settings, precision="bf16-mixed")
    if chapter == "adapt":
        start("adapt", "PQSD-Quick-stage1", changed, unet=backbone_folder)
    else:
        start("ldm", "pqgan-f8", changed)
    assert asked == [(settings.scale.hardware, "bf16-mixed", chapter)]


def test_each_variant_trains_as_its_own_lines_say(start, backbone_folder, tokenizers):
    seen = start("adapt", "PQSD-Precise-stage1", unet=backbone_folder, tokenizer=tokenizers[8])
    assert (seen.fit["steps"], seen.optimiser["lr"]) == (2, 1e-2)
    ((_, batch), *_) = seen.batches(0)
    assert batch.images.shape == (2, 3, 32, 32)
    assert seen.state.modules["denoiser"].unet.config.sample_size == 32 // 8
