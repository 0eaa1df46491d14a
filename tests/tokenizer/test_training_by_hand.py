"""What a training makes of its images, in plain torch: the scaling factor, the pictures, and one whole update."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.data.prepared import PreparedSet
from pqgan.settings import Settings
from pqgan.tokenizer import train
from pqgan.tokenizer.assemble import new_discriminator
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import load_model

NAME = "f8-d16-S8-K64"


def latents_by_hand(model, images: torch.Tensor) -> torch.Tensor:
    """z_q of a PQModel, each sub-vector replaced by the codeword at the least distance."""
    z = model.quant_conv(model.encoder(images))  # (B, d, h, w)
    S, _, c = model.quantiser.codebooks.shape
    parts = z.unflatten(1, (S, c)).movedim(2, -1)  # (B, S, h, w, c)
    words = model.quantiser.codebooks[None, :, None, None]  # (1, S, 1, 1, K, c)
    nearest = (parts[..., None, :] - words).square().sum(-1).argmin(-1)  # (B, S, h, w)
    quantised = torch.stack([model.quantiser.codebooks[s][nearest[:, s]] for s in range(S)], dim=1)
    return quantised.movedim(-1, 2).flatten(1, 2), z


def first_images(images: PreparedSet, count: int, side: int) -> torch.Tensor:
    """The first squares of a set, brought to a side, in [-1, 1]."""
    pixels = [
        np.asarray(Image.fromarray(images.image(index)).resize((side, side), Image.Resampling.LANCZOS))
        for index in range(count)
    ]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def test_the_scaling_factor_is_one_over_the_deviation_of_the_latents(start, training_sets, tmp_path):
    """Of the first scaling_images alone, at the resolution of the training, the mean taken off."""
    seen = start("tokenizer")
    model = seen.state.modules["generator"].model
    # as trained ones are: spread out, and off zero
    model.quantiser.codebooks.copy_(torch.randn(8, 64, 2, generator=torch.Generator().manual_seed(3)) * 0.4 + 2)
    model.quant_conv.bias.add_(2.0)
    (tmp_path / "result").mkdir()
    seen.write(tmp_path / "result")
    latents, _ = latents_by_hand(model.eval(), first_images(PreparedSet(training_sets["train"]), 5, 32))
    values = latents.double().numpy()
    factor = json.loads((tmp_path / "result" / "config.json").read_text())["scaling_factor"]
    assert factor == pytest.approx(1 / values.std(), rel=1e-5)
    assert abs(values.mean()) > 3 * values.std()  # the mean is no small thing here
    assert (tmp_path / "result" / "discriminator.safetensors").is_file()


@torch.no_grad()
def test_pictures_show_originals_above_their_reconstructions(start, training_sets):
    seen = start("tokenizer")
    (picture,) = seen.fit["pictures"]().values()
    assert picture.shape == (3, 2 * 32, 2 * 32)
    originals = first_images(PreparedSet(training_sets["train"]), 2, 32)
    model = seen.state.modules["generator"].model
    z_q, _ = latents_by_hand(model.eval(), originals)
    reconstructions = model.decoder(model.post_quant_conv(z_q)).clamp(-1, 1)
    for row, images in enumerate((originals, reconstructions)):
        shown = picture[:, 32 * row : 32 * (row + 1)].float() / 127.5 - 1
        expected = torch.cat(list(images), dim=2)
        assert (shown - expected).abs().max() < 1.1 / 127.5


def test_a_trained_model_is_the_update_by_hand(uneven, tmp_path_factory):
    """One update of both networks, on a whole set at its own size, in plain torch: what is published, and the log."""
    raw = uneven.model_dump()
    raw["scale"]["tokenizer"]["training"] |= {"steps": 1, "resolution": 64, "log_every": 1}
    raw["scale"]["data"]["sets"]["train"]["crops"] = 6
    raw["reading"]["training"] |= {"discriminator_start": 1, "total_batch": 6}
    settings = Settings.model_validate(raw)
    work, plan = tmp_path_factory.mktemp("update"), whole_plan(settings)
    prepare(settings, plan.job("data", "train"), out=work / "train")
    job = plan.job("tokenizer", NAME)
    train.train(settings, job, data=work / "train", run=work / "run", out=work / "out")

    from pqgan.tokenizer.perceptual import Perceptual

    features = settings.scale.evaluation.features
    perceptual = Perceptual(features, features.perceptual)
    section = settings.scale.tokenizer
    model = build(section.configs[NAME], section.trunks[8], settings.reading, 11).train()
    discriminator = new_discriminator(settings).train()
    images = first_images(PreparedSet(work / "train"), 6, 64)
    z_q, z_e = latents_by_hand(model, images)
    sample = model.decoder(model.post_quant_conv(z_e + (z_q - z_e).detach()))
    mean_square = torch.nn.functional.mse_loss
    regulariser = 0.25 * mean_square(z_q, z_e.detach()) + mean_square(z_e, z_q.detach())
    l1, seen = (images - sample).abs().mean(), perceptual(sample, images).mean()
    adversarial = -discriminator(sample).mean()
    last = model.decoder.conv_out.weight
    of_reconstruction, of_adversary = (
        torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (l1 + 0.7 * seen, adversarial)
    )
    weight = (of_reconstruction / (of_adversary + 1e-4)).clamp(0, 1e4)
    total = l1 + 0.7 * seen + regulariser + 0.35 * weight * adversarial
    gradients = torch.autograd.grad(total, list(model.parameters()))
    real, fake = discriminator(images), discriminator(sample.detach())
    hinge = 0.5 * ((1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean())
    (line,) = (json.loads(line) for line in (work / "out" / "train.jsonl").read_text().splitlines())
    expected = {"l1": l1, "perceptual": seen, "regulariser": regulariser, "adversarial": adversarial}
    expected |= {"adaptive_weight": weight, "total": total, "discriminator": hinge}
    for name, loss in expected.items():
        # the adaptive weight, a ratio of gradients, has three digits that processors agree on
        assert line[name] == pytest.approx(loss.item(), rel=2e-3), name
    assert (line["step"], line["learning_rate/generator"], line["learning_rate/discriminator"]) == (1, 3e-3, 3e-3)

    trained = load_model(work / "out").state_dict()
    of_discriminator = torch.autograd.grad(hinge, list(discriminator.parameters()))
    assert_moved(model, gradients, trained)
    assert_moved(discriminator, of_discriminator, load_file(work / "out" / "discriminator.safetensors"))


def assert_moved(network, gradients, found) -> None:
    """Adam's first update: with both moments corrected, the rate times g / (|g| + 1e-8)."""
    compared = 0
    for (name, weight), gradient in zip(network.named_parameters(), gradients, strict=True):
        # where a gradient is nothing but rounding, as of a bias before a norm, its sign is too
        clear = gradient.abs() > max(1e-3 * float(gradient.abs().max()), 1e-5)
        expected = weight - 3e-3 * gradient / (gradient.abs() + 1e-8)
        # and a few others have another sign on another processor
        agree = (found[name] - expected)[clear].abs() < 1e-5
        assert not clear.any() or agree.float().mean() > 0.98, name
        compared += int(clear.sum())
    assert compared > 0.6 * sum(weight.numel() for weight in network.parameters())
