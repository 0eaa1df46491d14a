"""DVC round trip, for real: what is pulled is not made again, what is deleted is restored, what is damaged is named."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.thorough
STAGES = ("data", "references", "tokenizers")


def model(checkout) -> Path:
    """The weights of a trained tokenizer."""
    job = checkout.plan.job("tokenizer", "f8-d16-S4-K64")
    return checkout.folder / job.path / "diffusion_pytorch_model.safetensors"


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    os.chmod(file, 0o644)
    file.write_bytes(content)
    os.chmod(file, 0o444)  # DVC takes a read-only object of its cache for whole


def cached(checkout, file: Path) -> Path:
    """Where DVC's cache has the content of a file."""
    digest = subprocess.run(["md5sum", file], capture_output=True, text=True, check=True).stdout.split()[0]
    return checkout.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


def nothing_to_do(checkout) -> bool:
    return checkout.stages_run("tokenizers") == [] and checkout.planned("tokenizers") == {}


def test_a_finished_run_and_a_fresh_clone_have_nothing_to_do(finished, pulled):
    assert nothing_to_do(finished)
    assert not (pulled.folder / ".snakemake").exists(), "the clone must not know what Snakemake did elsewhere"
    assert nothing_to_do(pulled)
    said = pulled.run("pqgan", "verify")
    assert said.startswith("13 of "), said


def test_comments_time_stamps_and_code_rerun_nothing(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy, symlinks=True)
    checkout = type(finished)(copy)
    params = copy / "params.yaml"
    params.write_text("# a comment\n" + params.read_text())
    for file in (copy / "results").rglob("*"):
        os.utime(file)
    rules = copy / "workflow/rules/tokenizer.smk"
    rules.write_text(rules.read_text().replace("&> {log}", "--params params.yaml &> {log}"))
    (copy / "Snakefile").touch()
    assert (copy / ".snakemake/metadata").is_dir(), "or Snakemake could not know that the rules have changed"
    assert nothing_to_do(checkout)


def test_a_changed_number_after_a_pull_reruns_its_dependants_and_changed_back_finds_the_old_ones(pulled):
    old = pulled.plan.job("tokenizer", "f8-d16-S4-K64").path
    steps = pulled.plan.settings.scale.tokenizer.training.steps
    pulled.change("scales.smoke.tokenizer.training.steps", steps + 1)
    assert pulled.planned("tokenizers") == {"train_tokenizer": 2, "evaluate_tokenizer": 2, "select_tokenizer": 2}
    assert pulled.stages_run("tokenizers") == ["tokenizers"]
    assert pulled.plan.job("tokenizer", "f8-d16-S4-K64").path != old
    assert nothing_to_do(pulled)
    assert (pulled.folder / old).is_dir()
    pulled.change("scales.smoke.tokenizer.training.steps", steps)
    assert pulled.planned("tokenizers") == {}
    # two settings of one model: DVC says which number differs between them
    said = json.loads(pulled.run("dvc", "params", "diff", "--json"))
    assert said == {}
    pulled.change("scales.smoke.tokenizer.training.steps", 7)
    said = json.loads(pulled.run("dvc", "params", "diff", "--json"))
    assert said["params.yaml"]["scales.smoke.tokenizer.training.steps"] == {"old": steps, "new": 7, "diff": 7 - steps}


def test_a_deleted_result_is_restored_and_not_trained_again(pulled):
    weights = model(pulled)
    before = weights.read_bytes()
    shutil.rmtree(weights.parent)
    assert pulled.run("dvc", "status", "tokenizers") != ""
    pulled.run("dvc", "checkout", *STAGES)
    assert weights.read_bytes() == before
    assert nothing_to_do(pulled)


def test_a_damaged_result_is_named_and_restored(pulled):
    weights = model(pulled)
    before = weights.read_bytes()
    flip(weights)
    said = pulled.run("pqgan", "verify", code=3)
    assert f"{weights.relative_to(pulled.folder)}: sha256 is" in said
    assert "1 of 13 finished results are damaged" in said
    shutil.rmtree(weights.parent)
    pulled.run("dvc", "checkout", *STAGES)
    assert weights.read_bytes() == before
    assert "as it was written" in pulled.run("pqgan", "verify")


def test_a_damaged_object_in_the_cache_is_named_once_it_is_a_result_and_pulled_anew(pulled):
    weights = model(pulled)
    before, cache = weights.read_bytes(), cached(pulled, weights)
    flip(cache)
    shutil.rmtree(weights.parent)
    pulled.run("dvc", "checkout", *STAGES)
    assert weights.read_bytes() != before, "DVC is expected to trust its cache, which docs/dvc.md says"
    assert f"{weights.relative_to(pulled.folder)}: sha256 is" in pulled.run("pqgan", "verify", code=3)
    cache.unlink()
    shutil.rmtree(weights.parent)
    pulled.run("dvc", "pull", "tokenizers")
    assert weights.read_bytes() == before
    assert "as it was written" in pulled.run("pqgan", "verify")


def without_power_over_modes() -> list[str]:
    """A command that takes from root what lets it write files that may not be written; nothing for anyone else."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write any file, and there is no setpriv to take that away")
    rights = "-dac_override,-dac_read_search"
    return [setpriv, f"--bounding-set={rights}", f"--inh-caps={rights}"]


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink", "reflink"])
def test_every_link_type_of_dvc_lets_rules_write(finished, tmp_path, kind):
    checkout = finished.clone(tmp_path / "linked")
    checkout.run("dvc", "config", "cache.type", f"{kind},copy" if kind == "reflink" else kind)
    checkout.run("dvc", "pull", *STAGES)
    weights, read_only = model(checkout), kind in ("hardlink", "symlink")
    assert weights.is_symlink() == (kind == "symlink")
    assert (weights.stat().st_mode & 0o222 == 0) == read_only
    # a rendered item, as such a cache leaves it: of another plan, so that its rule must write it again
    reports = checkout.folder / "reports"
    reports.mkdir()
    for suffix in ("pdf", "png", "json"):
        kept = tmp_path / suffix
        kept.write_text("{}")
        os.chmod(kept, 0o444 if read_only else 0o644)
        if kind == "symlink":
            (reports / f"figure2.{suffix}").symlink_to(kept)
        elif kind == "hardlink":
            os.link(kept, reports / f"figure2.{suffix}")
        else:
            shutil.copyfile(kept, reports / f"figure2.{suffix}")
    checkout.before = without_power_over_modes()
    checkout.change("scales.smoke.evaluation.showcase", 1)
    assert checkout.planned("tokenizers") == {"evaluate_tokenizer": 2}
    metrics, selected = (checkout.plan.job(*name).path for name in (("evaluate", "f8-d16-S4-K64"), ("select", "f8")))
    checkout.run("snakemake", "--cores", "1", "--", metrics, "reports/figure2.pdf")
    assert json.loads((reports / "figure2.json").read_text())["item"] == "figure2"
    assert (tmp_path / "json").read_text() == "{}", "what DVC keeps must not be written to"
    # a result made once more in its place
    checkout.run("snakemake", "--cores", "1", "--force", "--", selected)
    assert "as it was written" in checkout.run("pqgan", "verify")


def test_what_snakemake_made_by_itself_is_dvcs_after_a_commit(pulled):
    pulled.change("scales.smoke.evaluation.showcase", 1)
    pulled.run("snakemake", "--cores", "1", "--", "tokenizers")
    assert pulled.planned("tokenizers") == {}
    pulled.run("dvc", "commit", "--force", *STAGES)
    assert nothing_to_do(pulled)
    assert "up to date" in pulled.run("dvc", "status", "tokenizers")


def test_a_second_clone_prepares_nothing_where_results_are_shared(finished, tmp_path):
    shared = str(tmp_path / "shared")
    said = []
    for name in ("one", "two"):
        clone = finished.clone(tmp_path / name)
        clone.environment["PQGAN_SHARED_DIR"] = shared
        assert clone.planned("data") == {"prepare_data": 4}
        clone.run(
            "snakemake", "--cores", "1", "--", "data", *(job.path for job in clone.plan.chapter("reference").values())
        )
        logs = [*clone.folder.glob("logs/smoke/data/*"), *clone.folder.glob("logs/smoke/reference/*")]
        said.append([log.read_text() for log in logs])
        assert "6 of " in clone.run("pqgan", "verify")
    assert not any("taken from" in log for log in said[0])
    assert len(said[1]) == 6
    assert all("taken from" in log for log in said[1]), said[1]


def test_metrics_and_plots_are_shown_and_compared(checkout):
    for chapter in ("evaluate", "select", "finetune", "evaluate_finetuned", "adapt", "samples", "generation", "speed"):
        (checkout.folder / "results/smoke" / chapter).mkdir(parents=True)
    (checkout.folder / "results/smoke/matching").mkdir()
    reports = checkout.folder / "reports"
    reports.mkdir()
    for number in (3, 5, 6):
        Image.new("RGB", (4, 4)).save(reports / f"figure{number}.png")
    for value in (20.5, 21.75):
        (reports / "metrics.json").write_text(json.dumps({"table1": {"f8-d16-S4-K64": {"psnr": value}}}))
        checkout.run("dvc", "commit", "--force", "reports")
        checkout.commit()
    shown = json.loads(checkout.run("dvc", "metrics", "show", "--json"))
    assert shown[""]["data"]["reports/metrics.json"]["data"] == {"table1": {"f8-d16-S4-K64": {"psnr": 21.75}}}
    compared = json.loads(checkout.run("dvc", "metrics", "diff", "HEAD~1", "--json"))
    assert compared["reports/metrics.json"] == {"table1.f8-d16-S4-K64.psnr": {"old": 20.5, "new": 21.75, "diff": 1.25}}
    checkout.run("dvc", "plots", "show", "--out", "page")
    page = (checkout.folder / "page/index.html").read_text()
    assert all(f"figure{number}.png" in page for number in (3, 5, 6))
