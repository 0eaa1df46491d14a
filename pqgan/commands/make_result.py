"""A command that makes one result of the plan: where it lies, what it is made of, and the work between."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from pqgan.chapters import Chapter
from pqgan.errors import DataError, SettingsError
from pqgan.job import Job
from pqgan.plan import Plan
from pqgan.storage import shared
from pqgan.storage.outputs import check_folder
from pqgan.storage.run_names import CHECKPOINTS, check_run

from .call import function


def make(chapter: Chapter, plan: Plan, arguments: Namespace) -> None:
    """Make a result: look at everything that can be known at once, then do the work.

    Args:
        chapter: of the result.
        arguments: of the command line.

    Raises:
        SettingsError: no such job, or the result may not lie where it is to lie.
        DataError: an input is missing, or is another result than its address says.
    """
    job = plan.job(chapter.name, arguments.name)
    check_address(arguments, job)
    inputs, roles = _inputs(chapter, arguments)
    if chapter.trains:
        inputs["run"] = arguments.run or Path(job.run_path)
        check_run(inputs["run"])
    apart = {f"--{option}": folder for option, folder in inputs.items() if isinstance(folder, Path)}
    check_folder(arguments.out, chapter.name, apart=apart | {f"{role}=": folder for role, folder in roles.items()})
    for role, used in job.inputs.items():
        if role in roles and roles[role].absolute().is_relative_to(Path(used.path).absolute()):
            function("pqgan.records:origin_of")(used.path, used)
    # what reads provenance takes a while to import, and many commands are given nothing
    job = function("pqgan.handed:with_inputs")(job, roles, arguments.out) if roles else job
    for role, used in job.inputs.items():
        # a result is safe from its workflow once another job is given it
        if (
            role not in job.handed
            and Path(used.run_path, CHECKPOINTS).is_dir()
            and Path(used.path, "provenance.json").is_file()
        ):
            function("pqgan.engine.run_folder:settle")(Path(used.run_path))
    place = shared.place(job.chapter, job.name, job.settings_digest) if chapter.shared and not job.handed else None
    if place and shared.take(place, arguments.out, job.chapter):
        print(f"{job.name}: taken from {place}")
        return
    function(chapter.run)(plan.settings, job, **inputs, out=arguments.out)
    if place:
        shared.give(arguments.out, place)


def _inputs(chapter: Chapter, arguments: Namespace) -> tuple[dict[str, Any], dict[str, Path]]:
    """What a command is given: by option, and by the role that the plan knows it by."""
    inputs: dict[str, Any] = {}
    roles: dict[str, Path] = {}
    for given in chapter.inputs:
        name = given.rstrip("?=")
        value = getattr(arguments, name)
        inputs[name] = dict(value) if given.endswith("=") else value
        # --sets val=FOLDER is the input `set-val`
        found = {f"{name[:-1]}-{role}": folder for role, folder in value} if given.endswith("=") else {name: value}
        for folder in found.values():
            if folder is not None and not folder.is_dir():
                raise DataError(f"--{name}: {folder}: no such folder; expected the result of an earlier command")
        roles |= {role: folder for role, folder in found.items() if folder is not None}
    return inputs, roles


def check_address(arguments: Namespace, job: Job) -> None:
    """Refuse the planned folder of another job of the same chapter.

    Raises:
        SettingsError: --out is one.
    """
    planned = Path(job.path)
    # a job queued before an edit of params.yaml would otherwise write new settings' results to the old address
    place, expected = arguments.out.resolve(), planned.resolve()
    if place.parent == expected.parent and place != expected:
        raise SettingsError(
            f"--out: got {arguments.out}, but with {arguments.params} as it is now {job.name!r} belongs in {planned}; "
            "plan the run again"
        )
