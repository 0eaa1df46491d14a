"""Sampling speed and memory of a text-to-image generator (Table 3, reading 23)."""

import math
import resource
from pathlib import Path

import torch

from pqgan.diffusion.sample import load_pipeline
from pqgan.engine.launch import device
from pqgan.plan import Job
from pqgan.provenance import provenance
from pqgan.randomness import generator_at
from pqgan.records import Measurement, Record, write_record
from pqgan.settings import Settings
from pqgan.storage.atomic import new_folder

from .timing import Stopwatch, device_name

BASELINE = "SDv2.1"


@torch.inference_mode()
def run(settings: Settings, job: Job, *, backbone: Path, unet: Path | None, tokenizer: Path | None, out: Path) -> None:
    """Time a generator.

    Args:
        job: of chapter speed; its name is the generator's.
        backbone: folder of the Stable Diffusion.
        unet: folder with the adapted U-Net; None for the unadapted backbone.
        tokenizer: folder of its tokenizer; None for the backbone's own.
        out: metrics.json.
    """
    section, reading = settings.scale.speed, settings.reading.speed
    guidance = settings.reading.adaptation.guidance
    size = section.baseline_size if job.name == BASELINE else settings.scale.adapt.variants[job.name].sample_size
    target = device(settings.scale.hardware)
    if target.type == "cuda":
        torch.cuda.reset_peak_memory_stats(target)
    pipeline = load_pipeline(unet, backbone, tokenizer).to(target)
    pipeline.set_progress_bar_config(disable=True)
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
    runs = math.ceil(section.repeats / reading.batch)
    for number in range(runs):
        with whole.lap():
            sample(number)
    images = runs * reading.batch

    passes = len(network.laps()) // runs
    dtype = str(pipeline.unet.dtype).removeprefix("torch.")
    where = f"{dtype}, {device_name(target)}"
    protocol = (
        f"batch {reading.batch}, {reading.steps} steps, guidance {guidance:g}, "
        f"{'decode included' if reading.decode else 'without decode'}, {where}"
    )
    parts = {"unet_seconds": (network, f"U-Net alone, {passes} passes an image; {protocol}")}
    if reading.decode:
        parts["decode_seconds"] = (decoder, f"decoder alone; {protocol}")
    speed = {"metric": "images_per_second", "value": images / sum(whole.laps()), "unit": "1/s", "protocol": protocol}
    rows = [
        speed,
        *(
            {"metric": metric, "value": sum(stopwatch.laps()) / images, "unit": "s", "protocol": words}
            for metric, (stopwatch, words) in parts.items()
        ),
        _memory(target, where),
    ]
    factor = pipeline.vae_scale_factor
    with new_folder(out) as folder:
        write_record(
            folder,
            Record(
                kind="speed",
                name=job.name,
                scale=settings.name,
                subject={
                    "generator": job.name,
                    "F": factor,
                    "d": pipeline.unet.config.in_channels,
                    "image_size": size,
                    "latent_size": size // factor,
                },
                measurements=[Measurement(n=images, **row) for row in rows],
                provenance=provenance(job),
            ),
        )


def _memory(target: torch.device, where: str) -> dict:
    if target.type == "cuda":
        used, words = torch.cuda.max_memory_allocated(target), "peak allocated on the device, weights included"
    else:
        used, words = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "peak resident of the process"
    return {"metric": "memory_gb", "value": used / 1e9, "unit": "GB", "protocol": f"{words}; {where}"}
