"""What a training of a tokenizer is made of: networks, optimisers and step, as its settings say."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pqgan.engine.launch import lay_out, set_up
from pqgan.engine.state import TrainingState
from pqgan.randomness import seeded
from pqgan.settings import PQConfig, Settings
from pqgan.settings.evaluation import Features
from pqgan.settings.readings import learning_rate
from pqgan.settings.tokenizer import Training

from .codebooks import Revival
from .discriminator import PatchGAN
from .perceptual import Perceptual
from .step import Generator, TokenizerStep

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def new_discriminator(settings: Settings) -> PatchGAN:
    """With seeded weights."""
    shape = settings.scale.tokenizer.discriminator
    with seeded(settings.scale.seed, "discriminator weights"):
        return PatchGAN(shape.channels, shape.layers)


def _groups(network: nn.Module, rate: float, path_rate: float | None) -> list[dict[str, Any]] | Iterator[nn.Parameter]:
    """Parameters for an optimiser: those around a linear path at a rate of their own, or frozen where it is 0."""
    model = getattr(network, "model", None)
    if path_rate is None or getattr(model, "linear", None) is None:
        return network.parameters()
    slow = [model.linear, model.quantiser] + ([model.encoder, model.quant_conv] if model.has_trunk else [])
    own = [parameter for module in slow for parameter in module.parameters()]
    if not path_rate:
        for parameter in own:
            parameter.requires_grad_(False)
    known = {id(parameter) for parameter in own}
    others = [parameter for parameter in network.parameters() if id(parameter) not in known]
    return [{"params": others}] + ([{"params": own, "lr": rate * path_rate}] if path_rate else [])


def assemble(
    fabric: "Fabric",
    settings: Settings,
    model: nn.Module,
    config: Any,
    discriminator: PatchGAN,
    features: Features,
    *,
    training: Training,
    batch: int,
    discriminator_start: int,
) -> tuple[TokenizerStep, TrainingState]:
    """The step of a training and its state before the first one.

    Args:
        fabric: launched.
        model: tokenizer to train.
        config: settings of the tokenizer. None when fine-tuning, where the model is always a PQModel.
        discriminator: PatchGAN.
        features: of the perceptual loss.
        training: section of the settings.
        batch: images an update, over all devices.
        discriminator_start: first update, counted from 1, at which the discriminator plays.
    """
    hardware = settings.scale.hardware
    networks = {"generator": Generator(model.train(), config), "discriminator": discriminator.train()}
    rate = learning_rate(training.learning_rate, batch, settings.reading.training.scale_lr)
    wrapped, optimisers = {}, {}
    for name, network in networks.items():
        groups = _groups(network, rate, training.path_rate)
        optimiser = torch.optim.Adam(groups, lr=rate, betas=training.betas, fused=True)
        wrapped[name], optimisers[name] = set_up(fabric, hardware, network, optimiser)
    perceptual = Perceptual(features, features.perceptual).to(fabric.device)
    lay_out(hardware, perceptual)
    revive_after, revival = settings.scale.tokenizer.codebook.revive_after, None
    # words that stay as they were fitted are not given away either
    if revive_after and isinstance(config, PQConfig) and model.quantiser.codebooks.requires_grad:
        revival = Revival(fabric, model.quantiser, optimisers["generator"], revive_after, settings.scale.seed)
    step = TokenizerStep(
        fabric,
        wrapped["generator"],
        wrapped["discriminator"],
        perceptual,
        perceptual_weight=training.perceptual_weight,
        discriminator_weight=settings.reading.training.discriminator_weight,
        discriminator_start=discriminator_start,
        seed=settings.scale.seed,
        revival=revival,
    )
    return step, TrainingState(networks | ({"idle_codes": revival.idle} if revival else {}), optimisers)
