"""The command line: exit codes, one-line errors, and that a light verb starts fast."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from whole_plan import pretend_selected, whole_plan

from pqgan.cli import main
from pqgan.plan import Plan
from pqgan.provenance import write_provenance
from pqgan.storage.atomic import new_folder


def test_plan_lists_every_result_and_what_it_waits_for(smoke, params_path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["plan", "--params", str(params_path), "--scale", "smoke"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[2] for line in lines if "(after" not in line} == {job.path for job in Plan(smoke).addressed()}
    selection = Plan(smoke).job("select", "f8").id
    assert f"{'finetune':12} {'f8':32} results/smoke/finetune/f8-(after {selection})" in lines
    pretend_selected(smoke, tmp_path)
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == [job.path for job in whole_plan(smoke).all()]


def test_a_selection_that_names_no_candidate_is_refused_in_one_line(smoke, params_path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pretend_selected(smoke, tmp_path, {8: "f8-d16-S8-K64"})
    file = tmp_path / Plan(smoke).job("select", "f8").path / "selected.json"
    file.write_text(file.read_text().replace("f8-d16-S8-K64", "f8-d16-S8-K65"))
    assert main(["plan", "--params", str(params_path), "--scale", "smoke"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "selected.json" in line


def test_bad_settings_end_in_one_line_and_code_2(changed_params, capsys):
    path = changed_params("scales.smoke.tokenizer.training.steps", -1)
    assert main(["plan", "--params", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "training.steps" in error


def test_an_unknown_job_is_one_line(params_path, capsys):
    arguments = ["train-tokenizer", "f8-d9-S9-K9", "--params", str(params_path), "--data", "x", "--out", "y"]
    assert main(arguments) == 2
    assert "f8-d9-S9-K9" in capsys.readouterr().err


def test_a_missing_input_is_one_line_and_code_3(params_path, tmp_path, capsys):
    arguments = ["train-tokenizer", "f8-d16-S8-K64", "--params", str(params_path)]
    assert main([*arguments, "--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 3
    error = capsys.readouterr().err
    assert "--data" in error
    assert "no such folder" in error
    assert not (tmp_path / "out").exists()


def test_an_address_of_other_settings_is_refused(params_path, capsys):
    out = "data/prepared/smoke/train-00000000"
    assert main(["prepare-data", "train", "--params", str(params_path), "--scale", "smoke", "--out", out]) == 2
    error = capsys.readouterr().err
    assert "belongs in data/prepared/smoke/train-" in error
    assert "plan the run again" in error


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["train-tokenizer"],
        ["bench"],
        ["bench", "nonsense"],
        ["bench", "matching", "--threads", "0"],
        ["bench", "train", "--steps", "0"],
    ],
)
def test_misuse_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: pqgan" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["matching", "sampling"])
def test_a_bench_names_itself_in_its_errors(what, params_path, tmp_path, capsys):
    arguments = ["bench", what, "none", "--params", str(params_path), "--out", str(tmp_path / "out")]
    assert main([*arguments, *(["--backbone", str(tmp_path)] if what == "sampling" else [])]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"pqgan bench {what}: ")
    assert "'none'" in error


@pytest.mark.parametrize("published", [True, False])
def test_a_result_that_is_used_needs_its_checkpoints_no_more(smoke, params_path, tmp_path, monkeypatch, published):
    job = whole_plan(smoke).job("evaluate", "f8-d16-S8-K64").inputs["model"]
    monkeypatch.chdir(tmp_path)
    checkpoint = Path(job.run_path, "checkpoints/step-00000240")
    for folder in (checkpoint, Path(job.path)):
        folder.mkdir(parents=True)
    if published:
        write_provenance(Path(job.path), job)
    monkeypatch.setattr("pqgan.evaluate.reconstruction.run", lambda *_, **__: None)
    arguments = ["evaluate-tokenizer", "f8-d16-S8-K64", "--params", str(params_path), "--scale", "smoke"]
    inputs = ["--model", job.path, "--sets", f"val={job.path}", "--references", f"val={job.path}"]
    assert main([*arguments, *inputs, "--out", "out"]) == (0 if published else 3)
    assert checkpoint.exists() != published


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_an_error_of_the_machine_is_one_line_and_code_5_whichever_it_is(
    number, params_path, tmp_path, monkeypatch, capsys
):
    def full(*_, **__):
        raise OSError(number, os.strerror(number), "file")

    monkeypatch.setattr("pqgan.data.prepare.run", full)
    assert main(["prepare-data", "train", "--params", str(params_path), "--out", str(tmp_path / "out")]) == 5
    remedies = {errno.ENOSPC: "free space or raise the limit", errno.EROFS: "choose a place where this user may write"}
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pqgan prepare-data: file: {os.strerror(number)}; {remedies.get(number, '')}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_and_a_lost_terminal_leave_nothing_half_made(number, code, params_path, tmp_path, monkeypatch):
    def stopped(*_, out, **__):
        with new_folder(out) as folder:
            (folder / "half").touch()
            signal.raise_signal(number)

    monkeypatch.setattr("pqgan.data.prepare.run", stopped)
    before = signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["prepare-data", "train", "--params", str(params_path), "--out", str(tmp_path / "out")])
    finally:
        for each, handler in zip((signal.SIGTERM, signal.SIGHUP), before, strict=True):
            signal.signal(each, handler)
    assert ended.value.code == code
    assert not list(tmp_path.iterdir())


def test_the_command_line_starts_without_heavy_imports():
    heavy = "{'torch', 'numpy', 'matplotlib', 'pandas'}"
    code = f"import sys, pqgan.cli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
