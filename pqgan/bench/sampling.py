"""Sampling speed and memory of a text-to-image generator (Table 3, reading 23)."""

import math
import time
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from pqgan.diffusion.sample import load_pipeline, untrained_pipeline
from pqgan.diffusion.unet import latent_side
from pqgan.engine.launch import device
from pqgan.engine.timing import Stopwatch, arithmetic, device_name, peak_memory
from pqgan.job import Job
from pqgan.metrics import METRICS
from pqgan.provenance import provenance
from pqgan.randomness import generator_at
from pqgan.records import Measurement, Record, write_record
from pqgan.settings import Settings
from pqgan.settings.names import BASELINE
from pqgan.storage.outputs import new_result


def run(settings: Settings, job: Job, *, backbone: Path, unet: Path | None, tokenizer: Path | None, out: Path) -> None:
    """Time a generator.

    Args:
        job: of chapter speed; its name is the generator's.
        backbone: folder of the Stable Diffusion.
        unet: folder with the adapted U-Net; None for the unadapted backbone.
        tokenizer: folder of its tokenizer; None for the backbone's own.
        out: metrics.json.

    Raises:
        SettingsError: an image size that tokenizer and U-Net do not divide.
    """
    record = measure(settings, job, load_pipeline(unet, backbone, tokenizer))
    with new_result(out, job.chapter) as folder:
        write_record(folder, record)


def untrained(settings: Settings, job: Job) -> Record:
    """Time a generator of the real shapes with seeded weights in place of trained ones, on which time does not depend.

    Args:
        job: of chapter speed; its name is the generator's.

    Raises:
        SettingsError: an image size that tokenizer and U-Net do not divide, or a backbone of unknown shapes.
    """
    variant = settings.scale.adapt.variants.get(job.name)
    return measure(settings, job, untrained_pipeline(settings, variant and variant.F), weights="untrained")


@torch.inference_mode()
def measure(settings: Settings, job: Job, pipeline: StableDiffusionPipeline, **subject: str) -> Record:
    """Time a pipeline (reading 23).

    Args:
        job: of chapter speed; its name is the generator's.
        subject: what else the record says of the generator.

    Raises:
        SettingsError: an image size that tokenizer and U-Net do not divide.
    """
    section, reading = settings.scale.speed, settings.reading.speed
    guidance = settings.reading.adaptation.guidance
    if job.name == BASELINE:
        key, size = "speed.baseline_size", section.baseline_size
    else:
        key, size = f"adapt.variants.{job.name}.sample_size", settings.scale.adapt.variants[job.name].sample_size
    target = device(settings.scale.hardware)
    started = time.perf_counter()
    pipeline.to(target)
    pipeline.set_progress_bar_config(disable=True)
    side = latent_side(size, pipeline.vae_scale_factor, pipeline.unet, key)
    whole, network, decoder = (Stopwatch(target) for _ in range(3))
    pipeline.unet.forward = network.timed(pipeline.unet.forward)
    pipeline.vae.decode = decoder.timed(pipeline.vae.decode)

    def sample(number: int) -> None:
        pipeline(
            prompt=[settings.scale.adapt.prompts[0]] * reading.batch,
            height=size,
            width=size,
            num_inference_steps=reading.steps,
            guidance_scale=guidance,
            generator=generator_at(settings.scale.seed, number, "speed"),
            output_type="pt" if reading.decode else "latent",
        )

    for number in range(math.ceil(section.warmup / reading.batch)):
        sample(number)
    for stopwatch in (whole, network, decoder):
        stopwatch.clear()
    if target.type == "cuda":
        torch.cuda.reset_peak_memory_stats(target)  # to what is allocated now, the weights
    runs = math.ceil(section.repeats / reading.batch)
    for number in range(runs):
        with whole.lap():
            sample(number)
    images = runs * reading.batch

    where = f"{arithmetic(target, pipeline.unet.dtype)}, {device_name(target)}"
    passes = len(network.laps()) // runs
    protocol = (
        f"batch {reading.batch}, {reading.steps} steps, guidance {guidance:g}, "
        f"{'decode included' if reading.decode else 'without decode'}, {where}"
    )

    def an_image(metric: str, stopwatch: Stopwatch, what: str) -> dict:
        seconds = sum(stopwatch.laps()) / images
        return {"metric": metric, "value": seconds, "protocol": f"{what} alone, an image; {protocol}"}

    used, words = peak_memory(target)
    rows = [
        {"metric": "images_per_second", "value": images / sum(whole.laps()), "protocol": protocol},
        an_image("unet_seconds", network, f"{passes} U-Net passes"),
        *([an_image("decode_seconds", decoder, "decoder")] if reading.decode else []),
        {"metric": "memory_gb", "value": used / 1e9, "protocol": f"{words}; {where}"},
    ]
    return Record(
        kind="speed",
        name=job.name,
        scale=settings.name,
        subject={
            "generator": job.name,
            "F": pipeline.vae_scale_factor,
            "d": pipeline.unet.config.in_channels,
            "image_size": size,
            "latent_size": side,
            "unet_parameters": sum(weights.numel() for weights in pipeline.unet.parameters()),
            **subject,
        },
        measurements=[Measurement(n=images, unit=METRICS[row["metric"]].unit, **row) for row in rows],
        device=device_name(target),
        dtype=arithmetic(target, pipeline.unet.dtype),
        seconds=round(time.perf_counter() - started, 3),
        provenance=provenance(job),
    )
