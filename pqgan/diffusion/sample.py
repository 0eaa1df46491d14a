"""Images from an adapted Stable Diffusion, by prompt, and from a model from scratch, by class."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from pqgan.engine.launch import device as device_of
from pqgan.errors import DataError, NumericalError
from pqgan.job import Job
from pqgan.provenance import write_provenance
from pqgan.randomness import generator_at
from pqgan.settings import Settings
from pqgan.storage.atomic import write_text
from pqgan.storage.outputs import new_result
from pqgan.tokenizer.build import build
from pqgan.tokenizer.kinds import Tokenizer
from pqgan.tokenizer.load import load_tokenizer

from .backbone import assembled, create
from .ldm import ClassEmbedding
from .pipeline_parts import load_network, load_part
from .sampled import FILE, Sample, Sampled
from .surgery import widen
from .trained_with import check_tokenizer
from .unet import check_channels, latent_side


def run(settings: Settings, job: Job, *, unet: Path, backbone: Path, tokenizer: Path, out: Path) -> None:
    """Sample every prompt at every size, with DDIM (eta 0) and classifier-free guidance (reading 22).

    The noise of a picture depends on the seed, its prompt's number and its size alone: another size beside it changes
    nothing of it.

    Args:
        job: of chapter samples; its name is the variant's.
        unet: result of the variant's stage 2.
        backbone: pipeline folder, for text encoder and noise schedule.
        tokenizer: folder of the trained tokenizer.
        out: 0.png, 1.png, ..., and samples.json, which says of what prompt and size each is.

    Raises:
        SettingsError: a side of adapt.variants.NAME.samples that the U-Net cannot halve.
        NumericalError: a sample is not finite.
    """
    section, reading = settings.scale.adapt, settings.reading.adaptation
    seed, sizes = settings.scale.seed, section.variants[job.name].samples
    device = device_of(settings.scale.hardware)
    pipeline = load_pipeline(unet, backbone, tokenizer).to(device)
    for side in sorted({side for size in sizes for side in size}):
        latent_side(side, pipeline.vae_scale_factor, pipeline.unet, f"adapt.variants.{job.name}.samples")
    samples = []
    with new_result(out, job.chapter) as folder:
        for height, width in sizes:
            for index, prompt in enumerate(section.prompts):
                latents = pipeline(
                    prompt,
                    height=height,
                    width=width,
                    num_inference_steps=reading.sampler_steps,
                    guidance_scale=reading.guidance,
                    eta=0.0,
                    generator=generator_at(seed, index, f"prompts at {height} x {width}", device),
                    output_type="latent",
                ).images  # (1, d, h, w)
                _check_finite(latents, unet, len(samples))
                images = _decode(pipeline, latents)  # (1, 3, H, W)
                pipeline.image_processor.postprocess(images)[0].save(folder / f"{len(samples)}.png")
                samples.append(Sample(prompt=prompt, height=height, width=width))
        about = Sampled(
            samples=samples,
            steps=reading.sampler_steps,
            guidance=reading.guidance,
            seed=seed,
            eta=0.0,
            F=pipeline.vae_scale_factor,
        )
        write_text(folder / FILE, about.model_dump_json(indent=1) + "\n")
        write_provenance(folder, job)


@torch.inference_mode()
def _decode(pipeline: StableDiffusionPipeline, latents: Tensor) -> Tensor:
    return pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor, return_dict=False)[0]


def _check_finite(latents: Tensor, model: Path, first: int) -> None:
    finite = latents.isfinite().flatten(1).all(1)
    if not finite.all():
        sample = first + int((~finite).nonzero()[0])
        raise NumericalError(f"{model}: sample {sample} is not finite; train the U-Net again at a lower learning rate")


def load_pipeline(unet: Path | None, backbone: Path, tokenizer: Path | None) -> StableDiffusionPipeline:
    """A text-to-image pipeline with DDIM and without safety checker, on the CPU.

    Args:
        unet: folder with unet/; None for the backbone's.
        backbone: pipeline folder.
        tokenizer: folder of a trained tokenizer, which takes the place of the VAE; None for the backbone's VAE.

    Raises:
        DataError: U-Net and tokenizer have different latent channels, or it was trained with another tokenizer.
    """
    network = load_network(UNet2DConditionModel, unet or backbone, "unet")
    if tokenizer is None:
        vae = load_network(AutoencoderKL, backbone, "vae")
        channels = vae.config.latent_channels
    else:
        loaded = load_tokenizer(tokenizer)
        vae, channels = loaded.model, loaded.channels
    check_channels(network, unet or backbone, channels)
    if unet is not None and tokenizer is not None:
        check_tokenizer(unet, loaded)
    pipeline = assembled(
        vae=vae,
        unet=network,
        text_encoder=load_network(CLIPTextModel, backbone, "text_encoder"),
        tokenizer=load_part(CLIPTokenizer, backbone, "tokenizer"),
        scheduler=load_part(DDIMScheduler, backbone, "scheduler"),
    )
    pipeline.set_progress_bar_config(disable=not sys.stderr.isatty())
    return pipeline


def untrained_pipeline(settings: Settings, factor: int | None) -> StableDiffusionPipeline:
    """The pipeline of `load_pipeline` with seeded weights in place of trained ones, on the CPU.

    Args:
        settings: whose backbone gives the shapes, whose tokenizer sweep the tokenizer that is expected to go on.
        factor: downsampling factor F of the tokenizer; None for the backbone with its own VAE.

    Raises:
        SettingsError: a published backbone whose shapes are not known.
    """
    scale, reading = settings.scale, settings.reading
    parts = create(scale.adapt.backbone.architecture, scale.seed)
    if factor is not None:
        config = settings.expected(factor)
        parts["unet"] = widen(parts["unet"], config.d, reading.adaptation.widening)
        parts["vae"] = build(config, scale.tokenizer.trunk(config), reading, scale.seed)
    return assembled(**{name: part.eval() if isinstance(part, nn.Module) else part for name, part in parts.items()})


def sample_classes(
    model: Path,
    tokenizer: Tokenizer,
    labels: Sequence[int] | Tensor,
    *,
    steps: int,
    eta: float,
    seed: int,
    device: torch.device | str,
    batch: int,
    first: int = 0,
) -> Iterator[Tensor]:
    """Sample a latent diffusion model with DDIM, without guidance (reading 26).

    The noise of image i depends on (seed, i) alone, not on the batch or the process it is made in.

    Args:
        model: folder with unet/, class_embedding/ and scheduler/.
        tokenizer: the one the model was trained on.
        labels: class of each image.
        steps: DDIM steps.
        eta: 0 deterministic, 1 as noisy as DDPM.
        batch: images at a time.
        first: i of the first image, where another process makes those before.

    Yields:
        Images (B, 3, H, W) in [-1, 1], in the order of labels.

    Raises:
        DataError: another tokenizer than the model was trained with, or a label that is no class of the model.
        NumericalError: a sample is not finite.
    """
    unet = load_network(UNet2DConditionModel, model, "unet").to(device)
    embedding = load_network(ClassEmbedding, model, "class_embedding").to(device)
    scheduler = load_part(DDIMScheduler, model, "scheduler")
    scheduler.set_timesteps(steps, device)
    tokenizer.to(device)
    check_channels(unet, model, tokenizer.channels)
    check_tokenizer(model, tokenizer)
    labels = torch.as_tensor(labels, dtype=torch.int64)
    known = embedding.config.num_classes
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < known:
        raise DataError(f"{model}: labels reach from {labels.min()} to {labels.max()}; expected 0 to {known - 1}")
    side = unet.config.sample_size
    for start in range(0, len(labels), batch):
        chunk = labels[start : start + batch].to(device)
        generators = [generator_at(seed, first + start + row, "samples", device) for row in range(len(chunk))]
        with torch.inference_mode():
            context = embedding(chunk)  # (B, 1, context)
            shape = (len(chunk), tokenizer.channels, side, side)
            latents = randn_tensor(shape, generators, torch.device(device)) * scheduler.init_noise_sigma
            for time in scheduler.timesteps:
                prediction = unet(latents, time, context, return_dict=False)[0]
                latents = scheduler.step(prediction, time, latents, eta=eta, generator=generators).prev_sample
            _check_finite(latents, model, first + start)
            images = tokenizer.decode(latents / tokenizer.scaling_factor).clamp(-1, 1)
        yield images
