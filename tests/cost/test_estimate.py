"""`pqgan cost`: the documents' tables are what it prints, and what it prints follows from counts and options."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from whole_plan import whole_plan

from pqgan import cli
from pqgan.chapters import CHAPTERS
from pqgan.cost import estimate, network_passes
from pqgan.cost.job_operations import Task, tasks
from pqgan.errors import DataError, SettingsError
from pqgan.plan import Plan
from pqgan.settings import load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan(params_path) -> Plan:
    return whole_plan(load(params_path, "paper"))


@pytest.fixture(scope="module")
def printed(params_path) -> str:
    command = [sys.executable, "-m", "pqgan.cli", "cost", "--scale", "paper", "--params", str(params_path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def cells(table: str) -> dict[str, dict[str, str]]:
    """First cell of a row -> its others by column."""
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines())
    return {first: dict(zip(head[1:], others, strict=True)) for first, *others in lines}


def test_the_documents_hold_what_the_command_prints(printed):
    time, size = printed.strip().split("\n\n")
    document = (ROOT / "docs/cost.md").read_text()
    assert time in document
    assert size in document
    assert time in (ROOT / "README.md").read_text()
    assert len(document.splitlines()) < 80


def test_the_document_names_the_assumptions():
    document = " ".join((ROOT / "docs/cost.md").read_text().split())
    assert f"{estimate.UTILISATION:.0f} % of that peak" in document
    assert (
        f"A100 {estimate.PEAKS['A100', 'TF32']:.0f} TFLOP/s in TF32 and {estimate.PEAKS['A100', 'bf16']:.0f} in bf16"
        in document
    )
    for gpu in ("H100", "H200"):
        assert (estimate.PEAKS[gpu, "TF32"], estimate.PEAKS[gpu, "bf16"]) == (494.7, 989.4), gpu
    assert "H100 and H200 494.7 and 989.4" in document


def test_gpus_are_those_of_the_appendix():
    assert estimate.named_gpus() == {
        "tokenizer": "A100",
        "evaluate": "A100",
        "evaluate_transfer": "A100",
        "finetune": "H100",
        "evaluate_finetuned": "H100",
        "adapt": "H200",
        "ldm": "H200",
        "generation": "H200",
    }


def test_what_is_counted_has_a_gpu_and_what_trains_is_counted():
    counted = {name for name, chapter in CHAPTERS.items() if chapter.counted}
    assert set(estimate.named_gpus()) == counted
    assert {name for name, chapter in CHAPTERS.items() if chapter.trains} <= counted


def test_every_job_that_trains_or_evaluates_is_counted_once(plan, printed):
    jobs = [job for job in plan.all() if CHAPTERS[job.chapter].counted]
    # a linear tokenizer is fitted in minutes, and evaluated like any other
    expected = [job.path for job in jobs if (job.chapter, job.name.partition("-")[0]) != ("tokenizer", "linear")]
    assert len(jobs) == len(expected) + 4
    found = tasks(plan, network_passes.Counts(), estimate.images_of(plan.settings, {}))
    assert sorted(task.job.path for task in found) == sorted(expected)
    assert all(task.operations > 1e15 for task in found)
    assert cells(printed.split("\n\n")[0])["all"]["jobs"] == str(len(expected))


def test_a_row_by_hand(plan):
    """1e18 operations at 50 % of 100 TFLOP/s: 20,000 s on one GPU."""
    jobs = list(plan.chapter("tokenizer").values())
    assumed = estimate.Assumptions({"tokenizer": "toy"}, {("toy", "TF32"): 100.0}, 50.0, None)
    (row,) = estimate.rows(plan, [Task("a", jobs[0], 10**18), Task("a", jobs[1], 5 * 10**17)], assumed)
    assert (row.jobs, row.operations, row.gpus) == (2, 10**18, "4 toy, TF32")
    assert row.hours == pytest.approx(20_000 / 3600 / 4)
    assert row.gpu_hours == pytest.approx(30_000 / 3600)


def test_a_tokenizers_operations_by_hand(plan):
    """A million updates of 20 images, each with a search at 32 x 32 positions."""
    settings, counts = plan.settings, network_passes.Counts()
    config = settings.scale.tokenizer.configs["f8-d128-S64-K512"]
    once = counts.operations(network_passes.tokenizer(settings, config, "train", 256))
    job = plan.job("tokenizer", config.name)
    (found,) = (task for task in tasks(plan, counts, estimate.images_of(settings, {})) if task.job.path == job.path)
    assert found.operations == 20_000_000 * (once + 2 * 32 * 32 * 128 * 512)
    # three networks' worth of passes at least: forward, and backward at twice its price
    forward = sum(
        counts.operations(network_passes.tokenizer(settings, config, does, 256)) for does in ("encode", "decode")
    )
    assert 3 * forward < once < 4 * forward


@pytest.mark.parametrize(("name", "reference"), [("backbone-vae", "vae"), ("finetuned-f16", "f16-d128-S64-K128")])
def test_a_high_resolution_evaluation_s_operations_by_hand(plan, name, reference):
    """1,000 photographs at 768 px, again at 1,536 px: encoder, decoder, feature networks, and a search where one is."""
    settings, counts = plan.settings, network_passes.Counts()
    job = plan.job("evaluate_finetuned", name)
    (found,) = (task for task in tasks(plan, counts, estimate.images_of(settings, {})) if task.job.path == job.path)
    expected = 0
    for side, images in ((768, 1_000), (1536, 1_000)):
        if reference == "vae":
            works = [network_passes.backbone_vae(settings, does, side) for does in ("encode", "decode")]
            searches = 0
        else:
            config = settings.scale.tokenizer.configs[reference]
            works = [network_passes.tokenizer(settings, config, does, side) for does in ("encode", "decode")]
            searches = 2 * 2 * (side // 16) ** 2 * 128 * 128  # counted with the encoder and with the decoder
        once = sum(map(counts.operations, [*works, network_passes.features(settings, side)])) + searches
        expected += images * once
    assert found.operations == expected


def test_a_linear_tokenizer_s_evaluation_by_hand(plan):
    """Patches of 16 x 16 pixels times a matrix of 768 x 128, there and back, and a search with each."""
    settings, counts = plan.settings, network_passes.Counts()
    job = plan.job("evaluate", "linear-f16-d128-S64-K128")
    (found,) = (task for task in tasks(plan, counts, estimate.images_of(settings, {})) if task.job.path == job.path)
    once = 2 * 2 * 16 * 16 * (768 * 128 + 128 * 128) + counts.operations(network_passes.features(settings, 256))
    assert found.operations == (50_000 + 10_000 + 3_000) * once


def test_price_and_utilisation(plan, printed):
    time = cells(printed.split("\n\n")[0])
    priced = cells(estimate.show(plan, price=2.5, utilisation=80).split("\n\n")[0])
    assert "money" not in time["all"]
    full = float(time["all"]["GPU hours"].replace(",", ""))
    assert float(priced["all"]["GPU hours"].replace(",", "")) == pytest.approx(full / 2, abs=1)
    assert float(priced["all"]["money"].replace(",", "")) == pytest.approx(2.5 * full / 2, abs=2)


def test_other_gpus_and_images(plan):
    with pytest.raises(
        SettingsError, match=r"--gpu adapt=L40S: its bf16 peak is not known; name it: --peak L40S:bf16="
    ):
        estimate.show(plan, gpus={"adapt": "L40S"})
    time, size = estimate.show(
        plan, gpus={"adapt": "L40S"}, peaks={("L40S", "bf16"): 362.0}, images={"unsplash": 1000}
    ).split("\n\n")
    assert cells(time)["PQSD-HR"]["GPUs a job"] == "4 L40S, bf16"
    assert cells(size)["prepared set unsplash"]["bytes"] == "9.44 GB"
    with pytest.raises(SettingsError, match="--images: got 'imagenet'; allowed: train, val"):
        estimate.show(plan, images={"imagenet": 1})


def test_bytes_by_hand(plan, printed):
    size = cells(printed.split("\n\n")[1])
    # 1,281,167 x 256 x 341 1/3 pixels x 3 bytes
    assert size["prepared set train"]["bytes"] == "336 GB"
    assert size["prepared set unsplash"]["bytes"] == "number of images not given"
    # 866 million weights; a checkpoint has them, two moments and an average, and two checkpoints are kept
    assert size["PQSD-Precise"]["bytes each"] == "3.47 GB"
    assert size["PQSD-Precise"]["checkpoints of one while it trains"] == "27.7 GB"


def test_more_sets_in_the_settings(changed_params):
    settings = load(changed_params("scales.paper.data.sets.val.every", 7), "paper")
    assert estimate.images_of(settings, {})["val"] == 7143
    settings = load(changed_params("scales.paper.data.sets.val.count", 100), "paper")
    assert estimate.images_of(settings, {})["val"] == 100
    assert estimate.images_of(settings, {"val": 5})["val"] == 5


def test_what_was_not_counted_is_named(plan, changed_params, tmp_path):
    changed = whole_plan(load(changed_params("scales.paper.tokenizer.trunks.8.channels", 64), "paper"))
    with pytest.raises(
        DataError, match="no count of tokenizer train 4 256 with these settings; count with: pqgan cost"
    ):
        estimate.show(changed)
    with pytest.raises(DataError, match="no such file"):
        estimate.show(plan, tmp_path / "none.json")
    (tmp_path / "none.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="no counts of operations"):
        estimate.show(plan, tmp_path / "none.json")


def test_an_unknown_backbone_is_refused(changed_params):
    settings = load(changed_params("scales.paper.adapt.backbone.model", "someone/else"), "paper")
    with pytest.raises(SettingsError, match=r"adapt\.backbone\.model: got 'someone/else'"):
        estimate.show(whole_plan(settings))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--price", "-1"], "expected a number above 0"),
        (["--price", "cheap"], "got 'cheap'"),
        (["--utilisation", "120"], "expected a number above 0, at most 100"),
        (["--gpu", "training=A100"], "expected CHAPTER=NAME, the chapter one of tokenizer"),
        (["--peak", "A100=156"], "expected NAME:KIND=TFLOPS"),
        (["--images", "val=many"], "expected a whole number from 1"),
    ],
)
def test_options_that_cannot_be_used(options, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["cost", *options])
    assert stopped.value.code == 2
    assert message in re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_cost_needs_no_torch():
    script = "import sys, pqgan.cost.estimate; assert not {'torch', 'matplotlib', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
