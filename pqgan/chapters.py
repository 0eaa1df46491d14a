"""The commands that make one result of the plan each."""

from typing import NamedTuple

from pqgan.settings.hardware import Hardware


class Verb(NamedTuple):
    """A command that makes one result of the plan."""

    chapter: str
    name_help: str
    run: str
    """module:function; imported only when the verb runs, because start-up is part of a rule's cost."""
    inputs: tuple[str, ...]
    """Names of inputs; `x?` may be left out, `x=` takes role=folder pairs."""
    help: str
    trains: bool = False
    """Whether it has a run folder, from which it goes on after an interruption."""
    shared: bool = False
    """Whether checkouts share its results through PQGAN_SHARED_DIR."""


VERBS = {
    "prepare-data": Verb(
        "data", "set", "pqgan.data.prepare:run", (), "cut a prepared set from raw images", shared=True
    ),
    "train-tokenizer": Verb(
        "tokenizer", "configuration", "pqgan.tokenizer.train:train", ("data",), "train a tokenizer from scratch", True
    ),
    "reference": Verb(
        "reference",
        "set",
        "pqgan.evaluate.original_features:run",
        ("data",),
        "compute what metrics need of a set's originals, once for all models",
        shared=True,
    ),
    "fetch-baseline": Verb(
        "published",
        "published name or codec@bits",
        "pqgan.evaluate.baselines.fetch:run",
        (),
        "fetch and convert a published tokenizer to compare with",
    ),
    "evaluate-tokenizer": Verb(
        "evaluate",
        "configuration",
        "pqgan.evaluate.reconstruction:run",
        ("model", "sets=", "references="),
        "reconstruct sets of images and measure",
    ),
    "evaluate-finetuned": Verb(
        "evaluate_finetuned",
        "selected-fF or finetuned-fF",
        "pqgan.evaluate.reconstruction:run",
        ("model", "sets=", "references="),
        "measure a tokenizer at the high resolution, before or after fine-tuning",
    ),
    "select-tokenizer": Verb("select", "fF", "pqgan.tokenizer.select:run", (), "choose the best tokenizer of a factor"),
    "finetune-tokenizer": Verb(
        "finetune",
        "fF",
        "pqgan.tokenizer.train:finetune",
        ("model", "data"),
        "fine-tune at a higher resolution",
        True,
    ),
    "make-backbone": Verb(
        "backbone", "backbone", "pqgan.diffusion.backbone:run", (), "create or fetch the Stable Diffusion to adapt"
    ),
    "adapt": Verb(
        "adapt",
        "VARIANT-stage1 or VARIANT-stage2",
        "pqgan.diffusion.adapt:adapt",
        ("unet", "backbone", "tokenizer", "data"),
        "one stage of the adaptation to new latents",
        True,
    ),
    "sample": Verb(
        "samples", "variant", "pqgan.diffusion.sample:run", ("unet", "backbone", "tokenizer"), "sample the prompts"
    ),
    "train-ldm": Verb(
        "ldm",
        "latent",
        "pqgan.diffusion.ldm:train_ldm",
        ("tokenizer", "data"),
        "train a latent diffusion model from scratch",
        True,
    ),
    "evaluate-generation": Verb(
        "generation",
        "latent",
        "pqgan.evaluate.generation:run",
        ("model", "tokenizer", "reference"),
        "sample a latent diffusion model and measure gFID",
    ),
    "bench sampling": Verb(
        "speed",
        "generator",
        "pqgan.bench.sampling:run",
        ("backbone", "unet?", "tokenizer?"),
        "measure sampling speed and memory",
    ),
}

PHASES = {
    "preparation": ("data", "backbone", "reference", "published"),
    "training": ("tokenizer", "finetune", "adapt", "ldm"),
    "selection": ("select",),
    "sampling": ("samples",),
    "evaluation": ("evaluate", "evaluate_finetuned", "generation", "speed", "matching"),
    "tables and figures": ("report",),
}
"""Part of a run -> the rules' folders below benchmarks/<scale>."""


def gpus_of(chapter: str, hardware: Hardware) -> int:
    """GPUs that a job of a chapter asks the cluster for, as workflow/rules do."""
    if chapter in PHASES["training"]:
        return hardware.gpus.of(chapter)
    if not hardware.gpus.any():
        return 0
    if chapter in ("evaluate", "evaluate_finetuned", "generation"):
        return hardware.evaluation_devices
    return int(chapter in ("reference", "samples", "speed", "matching"))
