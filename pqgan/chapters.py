"""The chapters of the plan: the command that makes a result of each, and what everything else has to know of it."""

from typing import Literal, NamedTuple, get_args

from pqgan.settings.hardware import Hardware

Phase = Literal["preparation", "training", "selection", "sampling", "evaluation", "tables and figures"]
"""Part of a run, in the order in which `pqgan times` shows them."""


class Chapter(NamedTuple):
    """Results of one kind, each made by one command."""

    name: str
    """As in addresses."""
    command: str
    """Of `pqgan`."""
    name_help: str
    run: str | None
    """module:function; imported only when the command runs, because start-up is part of a rule's cost.

    None: the command has arguments of its own, in pqgan/commands.
    """
    inputs: tuple[str, ...]
    """Names of inputs; `x?` may be left out, `x=` takes role=folder pairs."""
    help: str
    phase: Phase
    gpus: Literal["training", "evaluation", "one", "none"]
    """What a job asks a cluster for: hardware.gpus of its chapter, hardware.evaluation_devices, one GPU or none."""
    shared: bool = False
    """Whether checkouts share its results through PQGAN_SHARED_DIR."""
    record: Literal["reconstruction", "generation", "speed", "matching"] | None = None
    """Kind of its metrics.json; None if its results are no measurements."""
    counted: bool = False
    """Whether `pqgan cost` counts its operations: the others take minutes each."""

    @property
    def trains(self) -> bool:
        """Whether a job has a run folder, from which it goes on after an interruption."""
        return self.phase == "training"


CHAPTERS: dict[str, Chapter] = {
    chapter.name: chapter
    for chapter in (
        Chapter(
            "data",
            "prepare-data",
            "set",
            "pqgan.data.prepare:run",
            (),
            "cut a prepared set from raw images",
            phase="preparation",
            gpus="none",
            shared=True,
        ),
        Chapter(
            "tokenizer",
            "train-tokenizer",
            "configuration",
            "pqgan.tokenizer.train:train",
            ("data",),
            "train a tokenizer from scratch",
            phase="training",
            gpus="training",
            counted=True,
        ),
        Chapter(
            "reference",
            "reference",
            "set",
            "pqgan.evaluate.original_features:run",
            ("data",),
            "compute what metrics need of a set's originals, once for all models",
            phase="preparation",
            gpus="one",
            shared=True,
        ),
        Chapter(
            "published",
            "fetch-baseline",
            "published name or codec@bits",
            "pqgan.evaluate.baselines.fetch:run",
            (),
            "fetch and convert a published tokenizer to compare with",
            phase="preparation",
            gpus="none",
        ),
        Chapter(
            "evaluate",
            "evaluate-tokenizer",
            "configuration",
            "pqgan.evaluate.reconstruction:run",
            ("model", "sets=", "references="),
            "reconstruct sets of images and measure",
            phase="evaluation",
            gpus="evaluation",
            record="reconstruction",
            counted=True,
        ),
        Chapter(
            "evaluate_transfer",
            "evaluate-transfer",
            "configuration-on-SET",
            "pqgan.evaluate.reconstruction:run",
            ("model", "sets=", "references="),
            "measure a tokenizer on a set of Table 2 by itself",
            phase="evaluation",
            gpus="evaluation",
            record="reconstruction",
            counted=True,
        ),
        Chapter(
            "evaluate_finetuned",
            "evaluate-finetuned",
            "selected-fF or finetuned-fF",
            "pqgan.evaluate.reconstruction:run",
            ("model", "sets=", "references="),
            "measure a tokenizer at the high resolution, before or after fine-tuning",
            phase="evaluation",
            gpus="evaluation",
            record="reconstruction",
            counted=True,
        ),
        Chapter(
            "select",
            "select-tokenizer",
            "fF",
            "pqgan.tokenizer.select:run",
            (),
            "choose the best tokenizer of a factor",
            phase="selection",
            gpus="none",
        ),
        Chapter(
            "finetune",
            "finetune-tokenizer",
            "fF",
            "pqgan.tokenizer.train:finetune",
            ("model", "data"),
            "fine-tune at a higher resolution",
            phase="training",
            gpus="training",
            counted=True,
        ),
        Chapter(
            "backbone",
            "make-backbone",
            "backbone",
            "pqgan.diffusion.backbone:run",
            (),
            "create or fetch the Stable Diffusion to adapt",
            phase="preparation",
            gpus="none",
        ),
        Chapter(
            "adapt",
            "adapt",
            "VARIANT-stage1 or VARIANT-stage2",
            "pqgan.diffusion.adapt:adapt",
            ("unet", "backbone", "tokenizer", "data"),
            "one stage of the adaptation to new latents",
            phase="training",
            gpus="training",
            counted=True,
        ),
        Chapter(
            "samples",
            "sample",
            "variant",
            "pqgan.diffusion.sample:run",
            ("unet", "backbone", "tokenizer"),
            "sample the prompts",
            phase="sampling",
            gpus="one",
        ),
        Chapter(
            "ldm",
            "train-ldm",
            "latent",
            "pqgan.diffusion.ldm:train_ldm",
            ("tokenizer", "data"),
            "train a latent diffusion model from scratch",
            phase="training",
            gpus="training",
            counted=True,
        ),
        Chapter(
            "generation",
            "evaluate-generation",
            "latent",
            "pqgan.evaluate.generation:run",
            ("model", "tokenizer", "reference"),
            "sample a latent diffusion model and measure gFID",
            phase="evaluation",
            gpus="evaluation",
            record="generation",
            counted=True,
        ),
        Chapter(
            "speed",
            "bench sampling",
            "generator",
            "pqgan.bench.sampling:run",
            ("backbone", "unet?", "tokenizer?"),
            "measure sampling speed and memory",
            phase="evaluation",
            gpus="one",
            record="speed",
        ),
        Chapter(
            "matching",
            "bench matching",
            "matching",
            None,
            (),
            "measure what the quantiser adds to a reconstruction (Figure 5), and its search beside other libraries",
            phase="evaluation",
            gpus="one",
            record="matching",
        ),
    )
}

VERBS = {chapter.command: chapter for chapter in CHAPTERS.values() if chapter.run}
"""Commands whose arguments follow from their chapter."""

REPORT = "report"
"""The rules' folder of tables and figures, which are no results of the plan."""

PHASES: dict[str, tuple[str, ...]] = {
    phase: tuple(chapter.name for chapter in CHAPTERS.values() if chapter.phase == phase) for phase in get_args(Phase)
} | {"tables and figures": (REPORT,)}
"""Part of a run -> the rules' folders below benchmarks/<scale>."""


def gpus_of(chapter: str, hardware: Hardware) -> int:
    """GPUs that a job of a chapter asks the cluster for."""
    asks = CHAPTERS[chapter].gpus if chapter in CHAPTERS else "none"
    if asks == "training":
        return hardware.gpus.of(chapter)
    if asks == "none" or not hardware.gpus.any():
        return 0
    return hardware.evaluation_devices if asks == "evaluation" else 1
