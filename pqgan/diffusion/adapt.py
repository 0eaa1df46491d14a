"""Stable Diffusion on product-quantised latents, stage by stage (sections 3.2 and 4.5, appendix A.2, Table 4)."""

from pathlib import Path

from diffusers import DDIMScheduler, UNet2DConditionModel

from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import training_fabric
from pqgan.engine.step_random import Draws
from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.settings import Settings
from pqgan.settings.diffusion import Phase
from pqgan.tokenizer.load import load_tokenizer

from .pipeline_parts import load_network, load_part
from .step import Denoiser
from .surgery import freeze_all_but_new, widen
from .text import Captions
from .trained_with import check_tokenizer
from .training import Phases, train
from .unet import check_channels, latent_side


def adapt(
    settings: Settings, job: Job, *, unet: Path, backbone: Path, tokenizer: Path, data: Path, run: Path, out: Path
) -> None:
    """One stage of a variant's adaptation.

    Stage 1 widens the backbone's U-Net and trains conv_in and conv_out alone, without average. Stage 2 trains all
    weights through the variant's phases and keeps their moving average.

    Args:
        job: of chapter adapt, named VARIANT-stage1 or VARIANT-stage2.
        unet: folder with unet/: the backbone for stage 1, the result of stage 1 for stage 2.
        backbone: pipeline folder, for its text encoder and noise schedule.
        tokenizer: folder of the trained tokenizer.
        data: prepared set with captions.
        run: folder of checkpoints and log.
        out: unet/ and train.jsonl.

    Raises:
        SettingsError: a resolution that the U-Net cannot halve.
        DataError: a set without captions, or a tokenizer that the U-Net was not widened for, or for stage 2
            another one than stage 1 was trained with.
        NumericalError: the loss is not finite.
    """
    section, reading = settings.scale.adapt, settings.reading.adaptation
    name, _, stage = job.name.rpartition("-stage")
    variant, first = section.variants[name], stage == "1"
    fabric = training_fabric(settings.scale.hardware, settings.reading.adaptation.precision, job.chapter)
    latents = load_tokenizer(tokenizer).to(fabric.device)
    prepared = PreparedSet(data)
    if not any(prepared.caption(index) for index in range(len(prepared))):
        raise DataError(f"{data}: no image has a caption; expected a set with captions (adapt.data)")
    network = load_network(UNet2DConditionModel, unet, "unet")
    if first:
        phases = (Phase(resolution=reading.stage1_resolution, **variant.stage1.model_dump()),)
        widen(network, latents.channels, reading.widening)
        freeze_all_but_new(network)
    else:
        phases = variant.stage2
        check_channels(network, unet, latents.channels)
        check_tokenizer(unet, latents)
    key = f"adapt.variants.{name}: resolution"
    sides = [latent_side(phase.resolution, latents.factor, network, key) for phase in phases]
    network.register_to_config(sample_size=sides[-1])
    draws = Draws(fabric, settings.scale.seed)

    def write(trained: Denoiser, folder: Path) -> None:
        trained.unet.save_pretrained(folder / "unet")

    train(
        settings,
        fabric,
        job,
        Denoiser(network),
        load_part(DDIMScheduler, backbone, "scheduler"),
        latents,
        Captions(backbone, reading.caption_dropout, draws),
        prepared,
        Phases(phases),
        draws=draws,
        weight_decay=reading.weight_decay,
        ema_decay=None if first else reading.ema_decay,
        log_every=section.log_every,
        run=run,
        out=out,
        write=write,
    )
