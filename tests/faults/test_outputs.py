"""No command writes over anything but its own earlier result: every verb with --out, whatever is there."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_outputs import IN_A_FOLDERS_WAY, IN_THE_WAY, an_earlier, tidy
from whole_plan import pretend_selected, whole_plan

from pqgan import cli
from pqgan.chapters import VERBS
from pqgan.settings import load
from pqgan.storage import outputs
from pqgan.storage.manifest import damages
from pqgan.storage.outputs import new_result
from pqgan.storage.signed import signed_page, write_signed

NAMES = {
    "data": "val",
    "tokenizer": "f8-d16-S8-K64",
    "reference": "val",
    "published": "taesd",
    "evaluate": "f8-d16-S8-K64",
    "evaluate_transfer": "taesd-on-FFHQ",
    "evaluate_finetuned": "selected-f8",
    "select": "f8",
    "finetune": "f8",
    "backbone": "backbone",
    "adapt": "PQSD-Quick-stage1",
    "samples": "PQSD-Quick",
    "ldm": "pqgan-f8",
    "generation": "pqgan-f8",
    "speed": "PQSD-Quick",
}
"""A job of each chapter that a verb makes."""
SCALES = {"evaluate_transfer": "released"}
"""Chapter -> the scale that has it; of the others smoke."""

FOLDERS = {
    "bench matching": ["--no-reconstructions", "--positions", "1", "--no-figure"],
    "bench generators": ["SDv2.1"],
    "collect": ["table1", "--results", "held/input"],
    "export": ["--model", "held/input"],
    "decode": ["--model", "held/input", "--codes", "codes.pqc"],
    "evaluate": ["--model", "held/input", "--images", "images", "--features", "random"],
}
"""Verbs that make a folder and are no rule of the plan: their other arguments."""

FILES = {
    "bench train": ["--steps", "1"],
    "bench evaluation": ["--repeats", "1"],
    "render": ["figure2"],
    "report": ["--items", "held/input"],
    "summary": ["held/input/table1.json"],
    "encode": ["--model", "held/input", "--images", "images"],
}
"""Verbs that write a file."""
SUFFIX = {"render": ".pdf", "report": ".html", "encode": ".pqc"}


def subparsers(parser: argparse.ArgumentParser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                deeper = dict(subparsers(sub))
                yield from ((f"{name} {word}", each) for word, each in deeper.items()) if deeper else ((name, sub),)


def test_the_table_has_every_verb_that_writes():
    writing = {
        name for name, sub in subparsers(cli._parser()) if any("--out" in a.option_strings for a in sub._actions)
    }
    assert writing == {*VERBS, *FOLDERS, *FILES}
    assert {verb.name for verb in VERBS.values()} == set(NAMES)


def arguments(verb: str) -> list[str]:
    if verb not in VERBS:
        return [*verb.split(), *(FOLDERS | FILES)[verb]]
    words = [*verb.split(), NAMES[VERBS[verb].name]]
    for given in VERBS[verb].inputs:
        value = "val=held/input" if given.endswith("=") else "held/input"
        words += [f"--{given.rstrip('?=')}", value]
    return [*words, "--scale", SCALES.get(VERBS[verb].name, "smoke")]


@pytest.fixture
def place(tmp_path, monkeypatch, changed_params):
    """A user's folder: precious files, a git repository, an input, and the home folder."""
    root = tmp_path / "user"
    for name in ("work", "home", "work/held/input", "work/images", "work/repository/.git", "work/precious"):
        (root / name).mkdir(parents=True)
    (root / "work/precious/diary.txt").write_text("dear")
    (root / "work/repository/.git/HEAD").write_text("ref: refs/heads/main")
    (root / "work/held/input/config.json").write_text("{}")
    changed_params("scales.smoke.evaluation.published", ["taesd"]).rename(root / "work/params.yaml")
    pretend_selected(load(root / "work/params.yaml", "smoke"), root / "work")
    monkeypatch.setenv("HOME", str(root / "home"))
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.chdir(root / "work")
    return root


def snapshot(root: Path) -> dict[str, object]:
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else None
        if content is None and path.is_file():
            with open(path, "rb") as file:
                content = file.read(1 << 20)
        found[str(path)] = (status.st_mode, status.st_ino, status.st_size, content)
    return found


def refused(capsys, root: Path, words: list[str], out: str) -> str:
    """The one line that is said, after which everything is as it was."""
    before, started = snapshot(root), time.perf_counter()
    try:
        code = cli.main([*words, "--out", out])
    except SystemExit as ended:  # from argparse
        code = ended.code
    said = capsys.readouterr()
    assert code in (2, 5), said.err
    assert said.err.count("\n") == 1, said.err
    assert said.out == ""
    assert snapshot(root) == before
    assert time.perf_counter() - started < 30
    return said.err


@pytest.fixture
def no_work(monkeypatch):
    """Rules of the plan must not even begin."""

    def begun(*_, **__):
        raise AssertionError("the work has begun")

    for verb in VERBS.values():
        module, _, function = verb.run.partition(":")
        monkeypatch.setattr(f"{module}.{function}", begun)


@pytest.mark.parametrize("what", [*IN_THE_WAY, *IN_A_FOLDERS_WAY])
def test_folders(place, capsys, no_work, what):
    for verb in (*VERBS, *FOLDERS):
        out = (IN_THE_WAY | IN_A_FOLDERS_WAY)[what](verb)
        said = refused(capsys, place, arguments(verb), out)
        assert "--out" in said or "a name of" in said, f"{verb}: {said}"
        tidy()


@pytest.mark.parametrize("out", ["held/input", "held", "held/input/deeper", "held/input/a/b"])
def test_inputs(place, capsys, no_work, out):
    for verb in (*VERBS, *FOLDERS):
        if "held/input" in " ".join(arguments(verb)):
            assert "names" in refused(capsys, place, arguments(verb), out), verb


def test_the_images_of_a_set_are_an_input(place, capsys, changed_params, monkeypatch):
    monkeypatch.setenv("PQGAN_DATA_DIR", "raw")
    Path("raw/photos").mkdir(parents=True)
    Path("raw/photos/diary.txt").write_text("dear")
    value = {"source": "folder", "path": "photos", "size": 64}
    words = ["prepare-data", "val", "--params", str(changed_params("scales.smoke.data.sets.val", value))]
    for out in ("raw", "raw/photos"):
        refused(capsys, place, words, out)
    assert "lies in what PQGAN_DATA_DIR and the set's path names" in refused(capsys, place, words, "raw/photos/mine")


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_files(place, capsys, what):
    for verb in FILES:
        out = IN_THE_WAY[what](verb)
        if verb == "render" and what in ("link", "dangling", "pipe", "file"):
            out = str(Path(out).rename(out + SUFFIX[verb]))
        elif verb == "render" and what in ("below a file", "long", "somewhat long"):
            out += SUFFIX[verb]
        said = refused(capsys, place, arguments(verb), out)
        assert "--out" in said or "a name of" in said, f"{verb}: {said}"
        tidy()


@pytest.mark.parametrize("suffix", [".tex", ".pdf", ".html", ".json", ".pqc", ""])
def test_files_of_others(place, capsys, suffix):
    Path(f"mine{suffix}").write_text('{"mine": 1}')
    for verb in FILES:
        if verb != "render" or suffix == ".pdf":
            assert f"mine{suffix}" in refused(capsys, place, arguments(verb), f"mine{suffix}")


def test_signed_files_that_were_changed(place, capsys):
    for verb in ("bench train", "bench evaluation"):
        write_signed(Path("mine.json"), {"seconds": 1.5}, f"pqgan {verb}")
        Path("mine.json").write_text(Path("mine.json").read_text().replace("1.5", "1.4"))
        assert "mine.json" in refused(capsys, place, arguments(verb), "mine.json")
        write_signed(Path("mine.json"), {"seconds": 1.5}, "pqgan something-else")
        assert "mine.json" in refused(capsys, place, arguments(verb), "mine.json")
    page = signed_page("<p>a report</p>", "pqgan report")
    Path("mine.html").write_text(page.replace("a report", "my report"))
    assert "mine.html" in refused(capsys, place, arguments("report"), "mine.html")


def test_a_rendering_replaces_itself_alone(place, capsys):
    words = ["render", "figure2", "--out", "figure2.pdf"]
    assert cli.main(words) == cli.main(words) == 0
    capsys.readouterr()
    for name in ("figure2.pdf", "figure2.png", "figure2.json"):
        before = Path(name).read_bytes()
        Path(name).write_bytes(before[:-2] + b"x" + before[-2:])
        refused(capsys, place, ["render", "figure2"], "figure2.pdf")
        Path(name).write_bytes(before)
    assert cli.main(words) == 0
    Path("figure2.json").unlink()
    assert "figure2.pdf" in refused(capsys, place, ["render", "figure2"], "figure2.pdf")


def test_a_place_that_the_system_forbids_is_said_before_the_work(place, capsys, monkeypatch, no_work):
    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pqgan.storage.outputs.tempfile.NamedTemporaryFile", forbidden)
    for verb in (*VERBS, *FOLDERS, *FILES):
        out = "new" + SUFFIX.get(verb, "")
        assert "Permission denied" in refused(capsys, place, arguments(verb), out), verb


def test_an_earlier_result_of_the_same_kind_is_replaced_and_so_is_an_empty_folder(place, monkeypatch):
    """The whole way, with a stand-in for the work."""
    for verb in VERBS.values():
        module, _, function = verb.run.partition(":")

        def work(settings, job, *, out, **_):
            with new_result(out, job.chapter) as folder:
                (folder / "new").write_text(job.name)

        monkeypatch.setattr(f"{module}.{function}", work)
    for verb in VERBS:
        an_earlier(verb, "result")
        Path("empty").mkdir()
        for out in ("result", "empty"):
            assert cli.main([*arguments(verb), "--out", out]) == 0
            assert sorted(os.listdir(out)) == ["SHA256SUMS", "new"]
            shutil.rmtree(out)


def a_log(folder: Path) -> None:
    (folder / "train.jsonl").write_text("my own training log")


def a_link_from(folder: Path) -> None:
    (folder / "train.jsonl").symlink_to("../precious/diary.txt")


def a_pipe_in(folder: Path) -> None:
    os.mkfifo(folder / "owner-1.json")


def a_folder_in(folder: Path) -> None:
    (folder / "progress.log").mkdir()


@pytest.mark.parametrize("put", [a_log, a_link_from, a_pipe_in, a_folder_in])
def test_a_runs_folder_that_holds_something_by_the_name_of_its_own_is_refused(place, capsys, no_work, put):
    Path("run").mkdir()
    put(Path("run"))
    assert "--run: 'run' holds" in refused(capsys, place, [*arguments("train-tokenizer"), "--run", "run"], "new")


def test_a_runs_folder_of_an_earlier_attempt_is_taken(place, no_work):
    for name in ("checkpoints", "tensorboard"):
        Path("run", name).mkdir(parents=True)
    Path("run/train.jsonl").write_text('{"step": 1, "seconds": 0.1}\n')
    Path("run/progress.log").write_text("step 1\n")
    with pytest.raises(AssertionError, match="the work has begun"):
        cli.main([*arguments("train-tokenizer"), "--run", "run", "--out", "new"])


def test_the_address_of_another_job_is_refused_however_it_is_spelled(place, capsys, params_path, no_work):
    plan = whole_plan(load(params_path, "smoke"))
    other = plan.job("tokenizer", "f8-d16-S1-K64").path
    Path("link").symlink_to(".")
    for out in (other, f"{Path.cwd()}/{other}", f"precious/../{other}", f"link/{other}"):
        assert "belongs in" in refused(capsys, place, arguments("train-tokenizer"), out)


def test_an_input_by_another_name_is_an_input(place, monkeypatch):
    """As a bind mount shows it: the same folder, by a path that does not say so."""
    real = os.path.samefile
    names = {"alias": "held/input", "alias/deeper": "held/input/deeper"}
    monkeypatch.setattr(os.path, "samefile", lambda one, other: real(*(names.get(str(p), p) for p in (one, other))))
    assert outputs.holds("alias", "held/input/config.json")
    assert not outputs.holds("precious", "held/input/config.json")


def test_huge_and_endless_files_are_no_earlier_ones(place, capsys):
    for name in ("big.json", "big.html", "figure2.json"):
        with open(name, "wb") as file:
            file.truncate(1 << 42)
    Path("table2.json").write_text("x")
    assert "big.json" in refused(capsys, place, arguments("summary"), "big.json")
    assert "big.json" in refused(capsys, place, arguments("bench train"), "big.json")
    assert "big.html" in refused(capsys, place, arguments("report"), "big.html")
    assert "figure2.json" in refused(capsys, place, arguments("render"), "figure2.pdf")
    Path("figure2.json").unlink()
    os.mkfifo("figure2.json")
    assert "figure2.json" in refused(capsys, place, arguments("render"), "figure2.pdf")


def test_numbers_that_are_of_no_table_are_no_summary(place, capsys):
    Path("budget.json").write_text('{"budget": {"rent": {"january": 900}}}')
    assert "budget.json" in refused(capsys, place, arguments("summary"), "budget.json")


def test_a_runs_folder_that_holds_something_else_is_refused(place, capsys, no_work):
    words = [*arguments("train-tokenizer"), "--run", "precious"]
    assert "--run" in refused(capsys, place, words, "new")
    assert "names" in refused(capsys, place, [*arguments("train-tokenizer"), "--run", "new"], "new/result")


@pytest.mark.thorough
def test_four_at_once_end_with_a_whole_result_or_one_line(tmp_path):
    root = Path(__file__).parents[2]
    words = ["collect", "table1", "table3", "--params", str(root / "params.yaml"), "--scale", "mini-cpu"]
    words += ["--results", str(root / "findings/mini/results"), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "pqgan.cli", *words]
    for _ in range(2):
        started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        said = [process.communicate()[1] for process in started]
        codes = [process.returncode for process in started]
        assert 0 in codes
        assert all((code, text.count("\n")) in ((0, 0), (2, 1), (5, 1)) for code, text in zip(codes, said, strict=True))
        assert os.listdir(tmp_path) == ["out"]
        assert damages(tmp_path / "out") == []
