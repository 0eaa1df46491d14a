"""dvc.yaml says what Snakemake does: a stage runs again whenever an address of its results moves."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from whole_plan import whole_plan

from pqgan.chapters import CHAPTERS
from pqgan.errors import PqganError
from pqgan.report import contents
from pqgan.settings import load

ROOT = Path(__file__).parents[2]
RAW = yaml.load((ROOT / "params.yaml").read_text(), yaml.CSafeLoader)


class Stage:
    """A stage of dvc.yaml for one scale."""

    def __init__(self, raw: dict, scale: str):
        def filled(texts):
            return [text.replace("${scale}", scale) for text in texts]

        outs = [next(iter(out)) if isinstance(out, dict) else out for out in raw["outs"]]
        self.chapters = {chapter_of(path) for path in filled(outs)}
        self.made_from = {chapter_of(path) for path in filled(raw.get("deps", []))}
        self.params = filled(raw["params"])

    def reads(self, key: str) -> bool:
        return any(key == param or key.startswith(f"{param}.") for param in self.params)


def chapter_of(path: str) -> str:
    first, _, rest = path.partition("/")
    return first if first in ("data", "reports") else rest.rpartition("/")[2]


def stages(scale: str) -> dict[str, Stage]:
    raw = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: Stage(stage, scale) for name, stage in raw.items()}


def leaves(value, prefix: tuple = ()) -> Iterator[tuple]:
    """Keys of all that is no mapping."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, (*prefix, key))
    else:
        yield prefix


def others(value) -> list:
    """Values to put in the place of one."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, 2 * value, value * 1.01]
    if isinstance(value, list):
        return [value[:-1], [*value, *value], [*value, 7]]
    return []


def unshared(value):
    """A copy in which YAML's aliases are values of their own."""
    if isinstance(value, dict):
        return {key: unshared(below) for key, below in value.items()}
    return [unshared(below) for below in value] if isinstance(value, list) else value


def changes(scale: str) -> Iterator[tuple[str, dict]]:
    """Every number and list of a scale and of its reading, changed; with its key."""
    reading = RAW["scales"][scale]["reading"]
    own = {"scale": scale, "versions": RAW["versions"]}
    own |= {"readings": {reading: RAW["readings"][reading]}, "scales": {scale: RAW["scales"][scale]}}
    for place in leaves({key: own[key] for key in ("versions", "readings", "scales")}):
        value = own
        for key in place:
            value = value[key]
        for other in others(value):
            changed = unshared(own)
            above = changed
            for key in place[:-1]:
                above = above[key]
            above[place[-1]] = other
            yield ".".join(map(str, place)), changed


def addresses(path: Path, scale: str) -> dict[tuple[str, str], str]:
    return {(job.chapter, job.name): job.path for job in whole_plan(load(path, scale)).all()}


@pytest.mark.parametrize("scale", ["smoke", "paper"])
def test_each_chapter_is_made_by_one_stage_from_what_the_stage_depends_on(scale):
    plan = whole_plan(load(ROOT / "params.yaml", scale))
    found = stages(scale)
    owners = [chapter for stage in found.values() for chapter in stage.chapters]
    assert sorted(owners) == sorted({*CHAPTERS, "reports"})
    for name, stage in found.items():
        jobs = [job for job in plan.all() if job.chapter in stage.chapters]
        needed = {other.chapter for job in jobs for other in job.inputs.values()}
        assert needed <= stage.chapters | stage.made_from, name
    read = {job.chapter for item in contents.ITEMS for job in contents.inputs(plan, item)}
    assert read <= found["reports"].made_from


def test_the_last_stage_keeps_the_folder_of_reports_whole_and_git_has_nothing_there():
    """DVC takes no folder in which git keeps something."""
    raw = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    assert raw["stages"]["reports"]["outs"] == [{"reports": {"persist": True}}]
    assert raw["metrics"] == ["reports/metrics.json"]
    assert all(re.fullmatch(r"reports/(\w+)\.png", plot)[1] in contents.ITEMS for plot in raw["plots"])
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/reports/" in ignored
    assert not [line for line in ignored if line.startswith("!")]


@pytest.mark.parametrize("scale", list(RAW["scales"]))
def test_each_setting_that_a_stage_names_is_there_at_every_scale(scale):
    for stage in stages(scale).values():
        for key in stage.params:
            place = RAW
            for part in key.split("."):
                assert part in place, f"{key} is not in params.yaml; dvc repro would stop"
                place = place[part]


def test_whatever_setting_moves_an_address_dvc_runs_the_stage_that_makes_it(tmp_path):
    scale = "smoke"
    before = addresses(ROOT / "params.yaml", scale)
    found = stages(scale)
    moving, asleep = defaultdict(set), []
    for key, changed in changes(scale):
        if moving[key]:
            continue
        (tmp_path / "params.yaml").write_text(yaml.dump(changed, Dumper=yaml.CSafeDumper, sort_keys=False))
        try:
            after = addresses(tmp_path / "params.yaml", scale)
        except PqganError:
            continue  # not a value that can be used
        moved = {chapter for (chapter, name), path in after.items() if before.get((chapter, name)) != path}
        moving[key] |= moved
        for name, stage in found.items():
            if moved & stage.chapters and not (stage.reads(key) or moved & stage.made_from):
                asleep.append(f"{key} moves {moved & stage.chapters}; stage {name} is not run")
    assert asleep == []
    assert sum(bool(moved) for moved in moving.values()) > 100, "hardly anything was changed"
