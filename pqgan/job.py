"""One result of the pipeline, and its address.

An address is `<name>-<digest>`; the digest covers every setting the result depends on and the digests of all it is made
from, so that two settings never share a path and an old result is found again when a number is changed back.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pqgan.errors import SettingsError

SELECT = "select"
"""Chapter of the selections: what a job follows from until it is known which tokenizer was selected."""
DIGEST = 8
"""Hex digits of an address."""


def root(scale: str, chapter: str) -> str:
    """Folder of a chapter's results, from the repository's root."""
    return f"data/prepared/{scale}" if chapter == "data" else f"results/{scale}/{chapter}"


def name_of(address: str) -> str:
    """The name in `<name>-<digest>`."""
    return address[: -DIGEST - 1]


@dataclass(frozen=True)
class Job:
    """One result: what it is called, what it depends on, where it lies."""

    scale: str
    chapter: str
    name: str
    spec: Mapping
    inputs: Mapping[str, "Job"] = field(default_factory=dict)
    shown: Mapping = field(default_factory=dict)
    """Settings that change only side outputs, for example how many pictures are kept. They are part of this job's
    address, but not of the addresses of jobs that use it."""
    is_label: bool = False
    """Whether the name only tells a reader what it is: then it is part of the folder's name, and of no digest."""
    selection: "Job | None" = None
    """The selection that chose this tokenizer, if it stands here because it was chosen; no part of the address."""
    handed: Mapping[str, str] = field(default_factory=dict)
    """Role -> folder that the command was given instead of the planned input's; no part of the address."""

    @cached_property
    def awaits(self) -> tuple["Job", ...]:
        """Selections that are not made yet and that decide what this job, or one that it is made from, uses."""
        found = {}
        for job in self.inputs.values():
            for selection in (job,) if job.chapter == SELECT else job.awaits:
                found[selection.name] = selection
        return tuple(found.values())

    @cached_property
    def follows(self) -> tuple["Job", ...]:
        """Selections that decided what this job, or one that it is made from, uses."""
        found = {self.selection.name: self.selection} if self.selection else {}
        for job in self.inputs.values():
            found |= {selection.name: selection for selection in job.follows}
        return tuple(found.values())

    @cached_property
    def _content(self) -> str:
        if self.awaits:
            raise SettingsError(
                f"{self.chapter} {self.name}: its address follows from a tokenizer that is yet to be selected; make "
                f"{' and '.join(job.path for job in self.awaits)} first, with snakemake"
            )
        inputs = {role: job._content for role, job in self.inputs.items()}
        name = {} if self.is_label else {"name": self.name}
        return _sha256({"chapter": self.chapter, **name, "spec": self.spec, "inputs": inputs})

    @property
    def digest(self) -> str:
        """DIGEST hex digits over every setting that the result depends on, upstream included."""
        return self.settings_digest[:DIGEST]

    @property
    def id(self) -> str:
        return f"{self.name}-{self.digest}"

    @property
    def identity(self) -> dict[str, str]:
        """What a result says of the job that made it."""
        return {"chapter": self.chapter, "name": self.name, "scale": self.scale, "digest": self.digest}

    @property
    def root(self) -> str:
        return root(self.scale, self.chapter)

    @property
    def path(self) -> str:
        """Folder of the result, from the repository's root."""
        return f"{self.root}/{self.id}"

    @property
    def run_path(self) -> str:
        """Folder of a training until its result is there: checkpoints, log, owner."""
        return f"runs/{self.scale}/{self.chapter}/{self.id}"

    @cached_property
    def settings_digest(self) -> str:
        """sha256 of what the digest covers, in full."""
        return _sha256({"content": self._content, "shown": self.shown})


def _sha256(content: Mapping) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
