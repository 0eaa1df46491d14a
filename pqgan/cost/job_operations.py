"""What each job of a plan that computes for long on a GPU has to do, in floating-point operations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pqgan.baselines import PUBLISHED
from pqgan.errors import SettingsError
from pqgan.job import Job
from pqgan.plan import Plan
from pqgan.settings import LinearConfig
from pqgan.settings.names import BACKBONE_VAE, SELECTED, selected_factor

from . import network_passes
from .network_passes import Counts


@dataclass(frozen=True)
class Task:
    """What one job computes."""

    label: str
    """Of the row that it is summed up in."""
    job: Job
    operations: int
    parameters: int = 0
    """Of what it leaves behind, 4 bytes each."""
    checkpoint: int = 0
    """Numbers in a checkpoint of it, 4 bytes each: weights, both moments of those that train, moving averages."""


def tasks(plan: Plan, counts: Counts, images: Mapping[str, int]) -> list[Task]:
    """What each job that computes on a GPU for long has to do.

    Benches, single samples, references, selections, downloads and the fits of linear tokenizers are left out: minutes
    each.

    Args:
        images: prepared set -> its images.

    Raises:
        SettingsError: a set to evaluate on that is not among them.
        DataError: a piece of work that was not counted.
    """
    trained = [task for chapter in TRAININGS for task in chapter(plan, counts)]
    return [*trained, *_evaluations(plan, counts, images)]


def _tokenizers(plan: Plan, counts: Counts) -> Iterable[Task]:
    settings = plan.settings
    configs = settings.scale.tokenizer.configs
    finetune = settings.scale.finetune
    batches = {"tokenizer": settings.reading.training.total_batch} | ({"finetune": finetune.batch} if finetune else {})
    for chapter in batches:
        for name, job in plan.chapter(chapter).items():
            config = configs[name] if chapter == "tokenizer" else settings.expected(int(name.removeprefix("f")))
            if isinstance(config, LinearConfig):
                continue
            swept = chapter == "tokenizer"
            training = settings.scale.tokenizer.training_of(config) if swept else finetune.training
            update = network_passes.tokenizer(settings, config, "train", training.resolution)
            once = counts.operations(update) + network_passes.searched(config, training.resolution)
            seen = settings.reading.training.updates(training.steps) * batches[chapter]
            parameters = counts.parameters(update) + config.in_codebooks
            label = f"{'sweep' if swept else 'fine-tuning'}, F={config.F}"
            yield Task(label, job, once * seen, parameters, 3 * parameters)


def _latent(plan: Plan, counts: Counts, reference: str, resolution: int, does: str = "encode") -> tuple[int, int, int]:
    """Operations of a latent's tokenizer on one image; channels and side of the latent."""
    settings = plan.settings
    if reference == BACKBONE_VAE:
        vae = network_passes.backbone_vae(settings, does, resolution)
        factor = 2 ** (len(vae["channels"]) - 1)
        return counts.operations(vae), 4, resolution // factor
    selected = selected_factor(reference)
    config = settings.expected(selected) if selected else settings.scale.tokenizer.configs[reference]
    if isinstance(config, LinearConfig):
        once = network_passes.projected(config, resolution)
    else:
        once = counts.operations(network_passes.tokenizer(settings, config, does, resolution))
    return once + network_passes.searched(config, resolution), config.d, resolution // config.F


def _adaptations(plan: Plan, counts: Counts) -> Iterable[Task]:
    settings = plan.settings
    if settings.scale.adapt is None:
        return
    shape, prompt = settings.scale.adapt.backbone.architecture.unet, counts.operations(network_passes.text(settings))
    for name, variant in settings.scale.adapt.variants.items():
        resolution = settings.reading.adaptation.stage1_resolution
        stages = {
            "stage1": [(resolution, variant.stage1.steps, variant.stage1.batch, "train-ends")],
            "stage2": [(phase.resolution, phase.steps, phase.batch, "train") for phase in variant.stage2],
        }
        for stage, phases in stages.items():
            operations = parameters = 0
            for resolution, steps, batch, does in phases:
                encoded, d, side = _latent(plan, counts, f"{SELECTED}{variant.F}", resolution)
                denoised = network_passes.unet(shape, does, d, side, network_passes.TOKENS)
                operations += steps * batch * (encoded + prompt + counts.operations(denoised))
                parameters = counts.parameters(denoised)
            # in stage 1 the few weights that train have next to no moments, and there is no average
            kept = 4 if stage == "stage2" else 1
            yield Task(name, plan.job("adapt", f"{name}-{stage}"), operations, parameters, kept * parameters)


def _ldms(plan: Plan, counts: Counts) -> Iterable[Task]:
    section = plan.settings.scale.ldm
    for name, latent in plan.settings.scale.generated_latents.items():
        encoded, d, side = _latent(plan, counts, latent.tokenizer, section.resolution)
        denoised = network_passes.unet(section.unet, "train", d, side, 1)
        operations = section.steps * section.batch * (encoded + counts.operations(denoised))
        parameters = counts.parameters(denoised)
        yield Task("latent diffusion", plan.job("ldm", name), operations, parameters, 4 * parameters)


TRAININGS = (_tokenizers, _adaptations, _ldms)
"""(plan, counts) -> what each job of a training chapter has to do."""


def _evaluations(plan: Plan, counts: Counts, images: Mapping[str, int]) -> Iterable[Task]:
    settings = plan.settings
    labels = {"evaluate": "evaluation", "evaluate_transfer": "evaluation, other sets"}
    for chapter, label in (labels | {"evaluate_finetuned": "evaluation, high resolution"}).items():
        for name, job in plan.chapter(chapter).items():
            model = job.inputs["model"]
            if model.chapter in ("select", "finetune"):
                known = f"{SELECTED}{model.name.removeprefix('f')}"
            elif model.chapter == "tokenizer":
                known = model.name
            else:
                # published tokenizers are taken to cost what the backbone's does
                known = BACKBONE_VAE
            # a codec is no network, and one that was distilled to be tiny next to none
            section, published = settings.scale.evaluation, PUBLISHED.get(model.name)
            free = name in section.codecs or (published is not None and published.kind == "tiny")
            directions = () if free else ("encode", "decode")
            operations = 0
            for role, used in job.inputs.items():
                if role.startswith("set-"):
                    side = settings.scale.data.sets[used.name].size
                    both = (_latent(plan, counts, known, side, does)[0] for does in directions)
                    once = sum(both) + counts.operations(network_passes.features(settings, side))
                    operations += once * _number(images, used.name)
            yield Task(label, job, operations)
    section, reading = settings.scale.ldm, settings.reading.generation
    for name, latent in settings.scale.generated_latents.items():
        decoded, d, side = _latent(plan, counts, latent.tokenizer, section.resolution, "decode")
        step = counts.operations(network_passes.unet(section.unet, "predict", d, side, 1))
        operations = max(reading.samples) * (reading.sampler_steps * step + decoded)
        yield Task("sampling for gFID", plan.job("generation", name), operations)


def _number(images: Mapping[str, int], prepared: str) -> int:
    try:
        return images[prepared]
    except KeyError:
        raise SettingsError(
            f"data.sets.{prepared}: how many images it has is not in the settings; name it: --images {prepared}=N"
        ) from None
