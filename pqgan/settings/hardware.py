"""What the jobs of a scale may use; never part of a result's address."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from pqgan import machine

from .base import PositiveInt, Section

Devices = Annotated[int, Field(ge=0, le=machine.MOST, strict=True)]
Processes = Annotated[int, Field(gt=0, le=machine.MOST, strict=True)]
"""More than any one machine has; params.yaml is read on another machine than it is used on."""


class TrainingGPUs(Section):
    """GPUs of a training job, by chapter."""

    tokenizer: Devices
    finetune: Devices
    adapt: Devices
    ldm: Devices

    @classmethod
    def same(cls, gpus: int) -> "TrainingGPUs":
        """As many for every chapter."""
        return cls(**dict.fromkeys(cls.model_fields, gpus))

    def of(self, chapter: str) -> int:
        """GPUs of a training job of a chapter."""
        return getattr(self, chapter)

    def any(self) -> bool:
        """Whether a chapter has GPUs: then the scale runs on a machine with them."""
        return any(self.of(chapter) for chapter in TrainingGPUs.model_fields)


def _whether_by_chapter(value: Any) -> str:
    return "by chapter" if isinstance(value, dict | TrainingGPUs) else "number"


class Hardware(Section):
    """What a job may use; never part of a result's address."""

    accelerator: Literal["cpu", "cuda", "auto"]
    gpus: Annotated[
        Annotated[TrainingGPUs, Tag("by chapter")]
        | Annotated[Devices, AfterValidator(TrainingGPUs.same), Tag("number")],
        Discriminator(_whether_by_chapter),
    ]
    """Of a training job: a number for each training chapter, or one number for all of them."""
    processes: Processes = 1
    """Processes of a training job on a CPU; on GPUs there is one a GPU."""
    evaluation_devices: Processes = 1
    """Devices of an evaluation, GPUs or processes on a CPU; each takes its share of the images."""
    cpus: Annotated[int, Field(gt=0, le=4096, strict=True)]
    """Cores of a job, and its threads on a CPU."""
    workers: Devices
    """Data loader processes a device."""
    compile: bool = False
    """Whether networks are compiled (torch.compile): minutes before the first update, faster ones after."""
    channels_last: bool = False
    """Whether convolutions keep channels innermost in memory: faster on GPUs in half precision."""
    mem_mb: PositiveInt
    runtime: PositiveInt
    """Minutes a training job may take."""
    runtime_short: PositiveInt
    """Minutes any other job may take."""

    def training_devices(self, chapter: str, kind: str) -> int:
        """Devices of a training job, each with a process of its own.

        Args:
            chapter: tokenizer, finetune, adapt or ldm.
            kind: of device that the job runs on: cuda or cpu.
        """
        return max(1, self.gpus.of(chapter)) if kind == "cuda" else self.processes

    def kinds(self) -> tuple[str, ...]:
        """Kinds of device that a job may find itself on; `auto` takes a GPU where the machine has one."""
        return {"cpu": ("cpu",), "cuda": ("cuda",), "auto": ("cuda", "cpu")}[self.accelerator]

    def scheduled_devices(self, chapter: str) -> int:
        """Devices of a training job on the machine that a scheduler gives it, with the GPUs that it asks for."""
        kinds = self.kinds()
        return self.training_devices(chapter, kinds[0] if self.gpus.of(chapter) else kinds[-1])
