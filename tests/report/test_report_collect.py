"""`pqgan collect`: what is kept of a run says what its tables say."""

import contextlib
import json
import math
import re
import shutil
from pathlib import Path

import pytest
from whole_plan import whole_plan

from pqgan.cli import main
from pqgan.errors import DataError, SettingsError
from pqgan.report import collect, contents, render
from pqgan.settings import load
from pqgan.storage.manifest import damages, write_sums

KEPT = Path(__file__).parents[2] / "findings" / "mini"
ITEMS = ["table_claims", "table1", "table3", "figure3"]


@pytest.fixture(scope="module")
def collected(synthetic, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("kept") / "mini"
    with contextlib.chdir(synthetic.root):
        collect.run(synthetic.settings, synthetic.plan, ITEMS, out)
    return out


def test_items_are_those_of_the_report(collected, reports):
    for item in ITEMS:
        for suffix in (".tex", ".json") if item.startswith("table") else (".png", ".json"):
            assert (collected / item).with_suffix(suffix).read_bytes() == (reports / item).with_suffix(
                suffix
            ).read_bytes()


def test_every_record_behind_an_item_is_there_without_pictures(collected, synthetic):
    jobs = {job.path: job for item in ITEMS for job in contents.inputs(synthetic.plan, item)}.values()
    kept = {(path.parent.name, path.name) for path in collected.glob("results/*/*")}
    assert kept == {(job.chapter, job.name) for job in jobs}
    files = {path.name for path in (collected / "results").rglob("*") if path.is_file()}
    assert files == set(collect.KEPT)
    assert damages(collected) == []


def test_an_item_made_again_from_the_collection_alone_is_the_same(collected, synthetic, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for item in ITEMS:
        out = tmp_path / f"{item}{render.suffix_of(item)}"
        render.run(synthetic.settings, synthetic.plan, item, out, collected / "results")
        assert out.with_suffix(".json").read_bytes() == (collected / f"{item}.json").read_bytes()


def test_addresses_are_those_of_the_run_after_the_plan_has_moved(collected, changed_params, tmp_path):
    settings = load(changed_params("scales.smoke.tokenizer.training.steps", 7), "smoke")
    content = render.run(settings, whole_plan(settings), "table3", tmp_path / "table3.tex", collected / "results")
    before = json.loads((collected / "table3.json").read_text())
    assert content["provenance"] == before["provenance"]
    assert [job["path"] for job in content["provenance"]] != [
        job.path for job in contents.inputs(whole_plan(settings), "table3")
    ]


def test_the_page_shows_every_cell_and_picture(collected):
    page = (collected / "README.md").read_text()
    for item in ITEMS:
        content = json.loads((collected / f"{item}.json").read_text())
        assert content["caption"] in page
        if content["kind"] == "figure":
            assert f"]({item}.png)" in page
            continue
        lines = [line for line in page.splitlines() if line.startswith("|")]
        for row in content["rows"]:
            texts = [row["cells"][column["key"]]["text"] for column in content["columns"]]
            assert any(all(text.replace("<", "&lt;") in line for text in texts) for line in lines)
        width = len(content["columns"]) + 1
        assert any(line.count("|") == width for line in lines)


def test_the_page_has_plain_headings_and_grey_rows_in_italics(synthetic, tmp_path):
    with contextlib.chdir(synthetic.root):
        collect.run(synthetic.settings, synthetic.plan, ["table1", "table2"], tmp_path / "kept")
        collect.run(synthetic.settings, synthetic.plan, ["table2"], tmp_path / "second")
    page = (tmp_path / "kept" / "README.md").read_text()
    assert "| FFHQ rFID ↓ | FFHQ PSNR [dB] ↑ | FFHQ CMMD ↓ |" in page
    italics = [line for line in page.splitlines() if line.startswith("| *")]
    heading = "| **Not in the paper's Table"
    assert [line.split(" | ")[2] for line in italics if not line.startswith(heading)] == ["*4*", "*4*"]
    told = "Rows in italics are grey in the .tex files and on the page."
    assert told in page
    assert told not in (tmp_path / "second" / "README.md").read_text()


def without(collected: Path, folder: Path, *chapters: str) -> Path:
    """A collection of a run that did not come to some chapters."""
    shutil.copytree(collected, folder)
    for chapter in chapters:
        shutil.rmtree(folder / "results" / chapter)
    write_sums(folder, "collect")
    return folder / "results"


def test_claims_are_made_of_a_collection_without_later_chapters_and_say_so(collected, synthetic, tmp_path):
    lacking = ("evaluate_finetuned", "generation", "speed")
    results = without(collected, tmp_path / "kept", *lacking)
    out = tmp_path / "again"
    collect.run(synthetic.settings, synthetic.plan, ["table_claims", "table1"], out, results)
    content, before = (json.loads((folder / "table_claims.json").read_text()) for folder in (out, collected))
    assert {job["chapter"] for job in before["provenance"]} - {job["chapter"] for job in content["provenance"]} == {
        *lacking
    }
    said = {row["group"].partition(".")[0] for row in content["rows"] if "did not go that far" in json.dumps(row)}
    assert said == {"25", "26", "27", "28", "29", "32", "33"}
    assert "did not go that far" not in json.dumps(before)
    assert {path.name for path in (out / "results").iterdir()} == {"select", "evaluate", "matching"}
    assert damages(out) == []


@pytest.mark.parametrize(
    ("item", "chapter"), [("table_claims", "matching"), ("table_claims", "evaluate"), ("table3", "speed")]
)
def test_what_an_item_must_have_is_asked_for_in_a_collection_too(collected, synthetic, tmp_path, item, chapter):
    results = without(collected, tmp_path / "kept", chapter)
    with pytest.raises(DataError, match=f"results/{chapter}/.*: no such folder"):
        render.run(synthetic.settings, synthetic.plan, item, tmp_path / f"{item}.tex", results)


def test_a_chapter_that_was_collected_must_be_whole(collected, synthetic, tmp_path):
    results = without(collected, tmp_path / "kept", "speed/PQSD-HR")
    with pytest.raises(DataError, match=r"results/speed/PQSD-HR: no such folder"):
        render.run(synthetic.settings, synthetic.plan, "table_claims", tmp_path / "table_claims.tex", results)


def test_a_run_must_have_everything(synthetic, tmp_path):
    root = tmp_path / "run"
    shutil.copytree(synthetic.root / "results", root / "results")
    job = synthetic.plan.job("generation", "vae")
    shutil.rmtree(root / job.path)
    with contextlib.chdir(root), pytest.raises(DataError, match=rf"{job.path}: no such folder"):
        render.run(synthetic.settings, synthetic.plan, "table_claims", tmp_path / "table_claims.tex")


def flipped(folder: Path) -> None:
    path = folder / "results/select/f8/provenance.json"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def swapped(folder: Path) -> None:
    one, other = (folder / f"results/evaluate/f8-d16-S{S}-K64/metrics.json" for S in (1, 8))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


SPOILT = {
    "flipped": (
        flipped,
        r"results/select/f8/provenance\.json: sha256 is [0-9a-f]{64}; SHA256SUMS lists",
    ),
    "swapped": (
        swapped,
        r"results/evaluate/f8-d16-S1-K64/metrics\.json: sha256 is .* \(and 1 more\); --results",
    ),
    "gone": (
        lambda folder: (folder / "results/select/f8/selected.json").unlink(),
        r"selected\.json: missing; ",
    ),
    "added": (
        lambda folder: (folder / "results/select/f8/metrics.json").touch(),
        r"results/select/f8/metrics\.json: not listed in SHA256SUMS",
    ),
    "without sums": (
        lambda folder: (folder / "SHA256SUMS").unlink(),
        r"SHA256SUMS: no such file; .*collect made",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("command", ["render", "collect"])
def test_what_is_not_as_it_was_collected_is_refused(collected, params_path, tmp_path, capsys, how, command):
    kept = tmp_path / "kept"
    shutil.copytree(collected, kept)
    (kept / "README.md").write_text("in other words")  # of which no item is made
    out = tmp_path / ("table1.tex" if command == "render" else "again")
    arguments = [command, "table1", "--results", str(kept / "results"), "--out", str(out)]
    arguments += ["--params", str(params_path), "--scale", "smoke"]
    assert main(arguments) == 0
    shutil.rmtree(out) if out.is_dir() else out.unlink()
    capsys.readouterr()
    spoil, message = SPOILT[how]
    spoil(kept)
    assert main(arguments) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)
    assert not out.exists()


def test_a_record_in_the_folder_of_another_is_refused_though_it_is_listed(collected, synthetic, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(collected, kept)
    swapped(kept)
    write_sums(kept, "collect")
    with pytest.raises(DataError, match=r"f8-d16-S1-K64/metrics\.json: is the result of name 'f8-d16-S8-K64'; its"):
        render.run(synthetic.settings, synthetic.plan, "table1", tmp_path / "table1.tex", kept / "results")
    assert not (tmp_path / "table1.tex").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": "f8-d4-S1-K512"}, "a top that the chosen one does not stand before"),
        ({"run": "none", "candidates": {}}, "metrics or a top without the candidates that they are of"),
        (
            {"run": "none", "mode": "named", "candidates": {}, "metrics": [], "top": []},
            "names 'none' of F=8; expected one of the candidates for F=8",
        ),
        ({"F": 16}, "of F=16; expected one of the candidates for F=8"),
        ({"metrics": ["none"]}, "candidates without the metrics that they were compared by"),
        ({"metrics": ["psnr"]}, "a candidate without a value of each metric"),
        (
            {"candidates": {"f8-d16-S8-K64": {"values": {"psnr": math.nan}, "mean_rank": 1}}},
            r"candidates\.f8-d16-S8-K64\.values\.psnr: Input should be a finite number",
        ),
    ],
)
def test_a_selection_that_says_nothing_of_use_is_one_line(collected, synthetic, tmp_path, changes, message):
    kept = tmp_path / "kept"
    shutil.copytree(collected, kept)
    path = kept / "results/select/f8/selected.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    write_sums(kept, "collect")
    with pytest.raises(DataError, match=message):
        render.run(synthetic.settings, synthetic.plan, "table1", tmp_path / "table1.tex", kept / "results")


def test_items_with_images_are_refused(synthetic, tmp_path):
    with pytest.raises(SettingsError, match="figure7; allowed: items made of numbers alone: table_claims"):
        collect.run(synthetic.settings, synthetic.plan, ["table1", "figure7"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_kept_report_is_what_its_records_say(params_path, tmp_path):
    """Verdicts and numbers in findings/mini come from the records beside them, by the present rules."""
    assert damages(KEPT) == []
    items = sorted(path.stem for path in KEPT.glob("table*.json"))
    assert {"table_claims", "table1", "table2", "table3"} <= set(items)
    settings = load(params_path, json.loads((KEPT / "table_claims.json").read_text())["scale"])
    for item in items:
        again = render.run(settings, whole_plan(settings), item, tmp_path / f"{item}.tex", KEPT / "results")
        assert again == json.loads((KEPT / f"{item}.json").read_text()), (
            f"collect it again: pqgan collect ... --scale {settings.name} --results findings/mini/results --out FOLDER"
        )
