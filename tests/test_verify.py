"""pqgan verify: every finished result is hashed, and what is damaged is named."""

import shutil

import pytest
from whole_plan import pretend_selected, whole_plan

from pqgan.cli import main
from pqgan.provenance import write_provenance
from pqgan.storage.outputs import new_result


@pytest.fixture
def jobs(smoke, tmp_path, monkeypatch):
    """Three finished results of the smoke scale, in the working directory."""
    monkeypatch.chdir(tmp_path)
    plan = whole_plan(smoke)
    jobs = [plan.job("data", "train"), plan.job("reference", "val"), plan.job("select", "f8")]
    pretend_selected(smoke, tmp_path, {8: smoke.expected(8).name})
    for job in jobs[:2]:
        with new_result(job.path, job.chapter) as folder:
            (folder / "file").write_text(job.path)
            write_provenance(folder, job)
    return jobs


@pytest.fixture
def verify(params_path, capsys):
    def run(*chapters):
        code = main(["verify", *chapters, "--params", str(params_path), "--scale", "smoke"])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return run


def test_whole_results_are_said_to_be_whole(verify, jobs, smoke):
    said = f"3 of {len(whole_plan(smoke).all())} planned results are finished; every file of them is as it was written"
    assert verify() == (0, [said], [])


def test_each_damaged_or_missing_file_has_its_line_and_the_exit_code_is_3(verify, jobs, tmp_path):
    (tmp_path / jobs[0].path / "file").write_text("x")
    (tmp_path / jobs[1].path / "file").unlink()
    code, (damaged, missing), errors = verify()
    assert code == 3
    assert damaged.startswith(f"{jobs[0].path}/file: sha256 is ")
    assert missing == f"{jobs[1].path}/file: missing"
    assert len(errors) == 1
    assert errors[0].startswith("pqgan verify: 2 of 3 finished results are damaged; delete each folder, then")


def test_one_chapter_can_be_looked_at_alone(verify, jobs, tmp_path):
    (tmp_path / jobs[0].path / "file").write_text("x")
    assert verify("reference", "select")[0] == 0
    assert verify("data")[0] == 3


def test_an_unknown_chapter_is_one_line(verify):
    code, lines, errors = verify("nonsense")
    assert (code, lines) == (2, [])
    assert len(errors) == 1
    assert errors[0].startswith("pqgan verify: got nonsense; allowed: data, tokenizer, ")


def test_a_whole_result_of_another_job_is_named(verify, jobs, tmp_path):
    """As a folder that was copied or moved over another one: every file of it is as its SHA256SUMS lists it."""
    shutil.rmtree(jobs[2].path)
    shutil.copytree(jobs[1].path, jobs[2].path)
    code, (line,), errors = verify()
    assert code == 3
    assert line == (
        f"{jobs[2].path}/provenance.json: is the result of chapter 'reference'; its folder is that of 'select'; put "
        "back what belongs there, or delete the folder and make it again"
    )
    assert errors[0].startswith("pqgan verify: 1 of 3 finished results are damaged")


def test_a_damaged_selection_is_named_and_so_is_what_follows_from_it(verify, jobs, tmp_path):
    (tmp_path / jobs[2].path / "selected.json").write_text("{}")
    code, lines, (error,) = verify()
    assert code == 3
    assert any(line.startswith(f"{jobs[2].path}/selected.json: ") for line in lines)
    assert "1 of 3 finished results are damaged; " in error
    assert "that follow from a selection were not looked at" in error
