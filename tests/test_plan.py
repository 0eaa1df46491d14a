"""Addresses: every setting a result depends on moves it, nothing else does."""

import re

import pytest
import yaml
from whole_plan import whole_plan

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.report import contents
from pqgan.settings import load, read_params
from pqgan.settings.scale import Versions


@pytest.fixture(scope="module")
def paths(params_path):
    return moved_from(params_path)


def moved_from(path):
    return {(job.chapter, job.name): job.path for job in whole_plan(load(path, "smoke")).all()}


def chapters_moved(before, after):
    return {chapter for (chapter, name), path in after.items() if before.get((chapter, name)) != path}


DOWNSTREAM_OF_FINETUNE = {"finetune", "evaluate_finetuned", "adapt", "samples", "speed"}
DOWNSTREAM_OF_SELECT = DOWNSTREAM_OF_FINETUNE | {"ldm", "generation"}
EVERYTHING = DOWNSTREAM_OF_SELECT | {"data", "tokenizer", "reference", "evaluate", "select", "backbone", "matching"}


MEASURED = {"evaluate", "select", "evaluate_finetuned"}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("scales.smoke.speed.repeats", 4, {"speed"}),
        ("scales.smoke.matching.batches", [4], {"matching"}),
        ("scales.smoke.evaluation.showcase", 9, {"evaluate", "evaluate_finetuned"}),
        ("scales.smoke.overrides.metrics", {"psnr": "pooled"}, MEASURED),
        (
            "scales.smoke.tokenizer.codebook.revive_after",
            100,
            {"tokenizer", "evaluate", "select"} | DOWNSTREAM_OF_SELECT,
        ),
        ("scales.smoke.tokenizer.codebook", {}, set()),
        ("scales.smoke.tokenizer.codebook", {"kmeans_vectors": 9, "kmeans_passes": 3}, set()),  # of no k-means
        ("scales.smoke.ldm.steps", 101, {"ldm", "generation"}),
        ("scales.smoke.data.raw", 99, EVERYTHING - {"backbone", "matching"}),
        ("scales.smoke.finetune.training.steps", 31, DOWNSTREAM_OF_FINETUNE),
        ("scales.smoke.adapt.prompts", ["a cat"], {"samples"}),
        ("scales.smoke.adapt.variants.PQSD-HR.sample_size", 96, {"speed"}),
        ("scales.smoke.adapt.variants.PQSD-HR.samples", [[192, 192], [192, 384]], {"samples"}),
        # how often it is said how a training goes, and how many images are measured at a time, change no result
        ("scales.smoke.tokenizer.training.log_every", 7, set()),
        ("scales.smoke.finetune.training.log_every", 7, set()),
        ("scales.smoke.adapt.log_every", 7, set()),
        ("scales.smoke.ldm.log_every", 7, set()),
        ("scales.smoke.evaluation.batch", 7, set()),
        ("scales.smoke.ldm.sample_batch", 7, set()),
        # samples that are shown, and what a latent is called, are beside the numbers
        ("scales.smoke.ldm.grid", 7, {"generation"}),
        ("scales.smoke.ldm.latents.vae.method", "KL", {"generation"}),
        ("scales.smoke.hardware.cpus", 2, set()),
        ("scales.smoke.hardware.processes", 2, set()),
        ("scales.smoke.hardware.workers", 3, set()),
        ("scales.smoke.hardware.accelerator", "auto", set()),
        ("scales.smoke.hardware.compile", True, set()),
        ("scales.smoke.hardware.channels_last", True, set()),
        ("scales.smoke.upkeep.checkpoint_every", 7, set()),
        ("scales.smoke.upkeep.checkpoints_kept", 5, set()),
        ("scales.smoke.upkeep.pictures_every", 7, set()),
        ("scales.smoke.upkeep.pictures", 3, set()),
        ("scales.mini.seed", 5, set()),
    ],
)
def test_one_number_moves_what_depends_on_it_and_nothing_else(paths, changed_params, key, value, expected):
    assert chapters_moved(paths, moved_from(changed_params(key, value))) == expected


VERSIONS = {code: {code} for code in Versions.model_fields} | {
    "adapt": {"backbone", "adapt", "samples"},
    "evaluation": {"reference", "published", "evaluate", "evaluate_transfer", "evaluate_finetuned", "generation"},
}
"""Version of the code -> chapters that it makes."""


@pytest.mark.parametrize("code", VERSIONS)
def test_a_bumped_version_moves_every_result_of_its_chapters_at_every_scale(params_path, changed_params, code):
    changed = changed_params(f"versions.{code}", 99)
    for scale in read_params(params_path)["scales"]:
        before, after = (
            {(job.chapter, job.name): job.path for job in whole_plan(load(path, scale)).all()}
            for path in (params_path, changed)
        )
        moved, made = ({key for key in after if before[key] != after[key]}, VERSIONS[code])
        own = {key for key in after if key[0] in made}
        assert own <= moved, scale
        assert moved or not own, scale  # a scale may have none of these chapters


def test_raw_images_and_code_of_one_number_each_never_share_an_address(changed_params):
    raw, code = (
        moved_from(changed_params(key, 2))["data", "train"] for key in ("scales.smoke.data.raw", "versions.data")
    )
    assert raw != code


def test_upkeep_of_codebooks_moves_the_tokenizers_that_have_codebooks_of_ours(paths, changed_params):
    for value in ({"kmeans_images": 20}, {"kmeans_images": 20, "kmeans_passes": 3}, {"revive_after": 9}):
        moved = moved_from(changed_params("scales.smoke.tokenizer.codebook", value))
        kept = {name for (chapter, name), path in paths.items() if chapter == "tokenizer" and path in moved.values()}
        linear = {"linear-f8-d64-S32-K256", "linear-f16-d64-S32-K256"}
        assert kept == {"kl-f8-d4", "vqgan-f16-d32-K128", *linear}
        paths = {**paths, **moved}  # and each value to another address


def test_a_run_folder_is_named_like_its_result_and_apart_from_it(smoke):
    jobs = whole_plan(smoke).all()
    for job in jobs:
        assert job.run_path == f"runs/smoke/{job.chapter}/{job.name}-{job.digest}"
        assert job.path.endswith(f"/{job.name}-{job.digest}")
    assert len({job.run_path for job in jobs}) == len(jobs)


def test_settings_digest_is_the_address_in_full(smoke):
    for job in whole_plan(smoke).all():
        assert re.fullmatch("[0-9a-f]{64}", job.settings_digest)
        assert job.settings_digest.startswith(job.digest)
        assert len(job.digest) == 8


@pytest.mark.parametrize(
    ("key", "value", "same"),
    [
        ("scales.smoke.hardware.processes", 2, True),
        ("scales.smoke.upkeep.checkpoint_every", 7, True),
        ("scales.smoke.ldm.learning_rate", 1e-5, False),
        ("scales.smoke.tokenizer.training.learning_rate", 1e-5, False),
    ],
)
def test_a_checkpoint_fits_as_long_as_no_number_it_was_made_with_changes(smoke, changed_params, key, value, same):
    def digest(settings):
        return whole_plan(settings).job("ldm", "pqgan-f8").settings_digest

    assert (digest(load(changed_params(key, value), "smoke")) == digest(smoke)) == same


def test_a_named_selection_does_not_wait_for_evaluations(changed_params):
    path = changed_params("scales.smoke.selection.mode", "named")
    raw = path.read_text()
    path.write_text(raw.replace("f8-d128-S64-K512", "f8-d32-S16-K64").replace("f16-d128-S64-K128", "f16-d32-S16-K64"))
    select = whole_plan(load(path, "smoke")).job("select", "f8")
    assert list(select.inputs) == ["model-f8-d32-S16-K64"]


def test_a_named_selection_must_be_in_the_sweep(changed_params):
    with pytest.raises(SettingsError, match=r"reading\.best\.8.*a configuration of the sweep with F=8"):
        load(changed_params("scales.smoke.selection.mode", "named"), "smoke")


def test_a_named_selection_must_be_a_product_quantiser(changed_params):
    path = changed_params("scales.smoke.selection.mode", "named")
    raw = path.read_text()
    path.write_text(raw.replace("f8-d128-S64-K512", "f8-d16-S1-K64").replace("f16-d128-S64-K128", "f16-d32-S16-K64"))
    with pytest.raises(SettingsError, match=r"reading\.best\.8 is 'f8-d16-S1-K64'; allowed: .*S > 1"):
        load(path, "smoke")


@pytest.mark.parametrize("scale", ["smoke", "mini", "paper"])
def test_what_table_2_shows_is_measured_on_other_sets_and_nothing_else_is(params_path, scale):
    plan = whole_plan(load(params_path, scale))
    shown = {job.name for job in contents.inputs(plan, "table2") if job.chapter == "evaluate"}
    elsewhere = {name for name, job in plan.chapter("evaluate").items() if len(job.inputs) > 3}
    assert elsewhere == shown
    assert all("set-val" in job.inputs for job in plan.chapter("evaluate").values())


def test_the_published_backbone_s_autoencoder_is_evaluated_once_and_everywhere(changed_params, params_path):
    latents = {"pqgan-f8": {"method": "PQGAN", "tokenizer": "selected-8"}}
    for path in (params_path, changed_params("scales.paper.ldm.latents", latents)):
        plan = whole_plan(load(path, "paper"))
        evaluated = plan.job("evaluate", "backbone-vae")
        assert {role for role in evaluated.inputs if role.startswith("set-")} == {"set-val", "set-FFHQ", "set-LSUN"}
        assert evaluated.inputs["model"] is plan.job("backbone", "backbone")
        assert "sd21-vae" not in plan.chapter("evaluate")


def test_a_seeded_backbone_s_autoencoder_is_evaluated_where_a_model_is_trained_on_it_alone(smoke, changed_params):
    assert "backbone-vae" not in whole_plan(smoke).chapter("evaluate")
    path = changed_params("scales.smoke.ldm.latents.vae.tokenizer", "backbone-vae")
    assert "backbone-vae" in whole_plan(load(path, "smoke")).chapter("evaluate")


def test_the_backbone_s_weights_are_not_measured_under_a_second_name(changed_params):
    with pytest.raises(SettingsError, match=r"published has sd21-vae.* measured as backbone-vae; allowed: others"):
        load(changed_params("scales.paper.evaluation.published", ["sd21-vae", "sdxl-vae"]), "paper")
    # of another backbone they are the baseline's
    load(changed_params("scales.smoke.evaluation.published", ["sd21-vae"]), "smoke")
    other = {"source": "hub", "model": "someone/another-diffusion", "revision": "main"}
    path = changed_params("scales.paper.adapt.backbone", other)
    params = yaml.safe_load(path.read_text())
    params["scales"]["paper"]["evaluation"]["published"] = ["sd21-vae"]
    path.write_text(yaml.safe_dump(params))
    assert "sd21-vae" in load(path, "paper").scale.evaluation.published


def test_the_paper_s_other_best_goes_on_to_the_transfer_sets(params_path):
    plan = whole_plan(load(params_path, "paper"))
    pq = {name for name, config in plan.settings.scale.tokenizer.designs.items() if config.kind == "pq"}
    elsewhere = {name for name in pq if "set-FFHQ" in plan.job("evaluate", name).inputs}
    assert elsewhere == {"f8-d128-S64-K512", "f16-d128-S64-K128", "f16-d256-S128-K128"}


def test_stable_diffusion_is_adapted_to_the_paper_s_other_best_by_a_setting(changed_params):
    """Section 4.5 and appendix A.2 speak of 256 channels at F=16."""
    best = {"8": "f8-d128-S64-K512", "16": "f16-d256-S128-K128"}
    settings = load(
        changed_params("scales.paper.overrides", {"best": {int(F): name for F, name in best.items()}}), "paper"
    )
    assert settings.expected(16).d == 256
    plan = whole_plan(settings)
    assert list(plan.job("select", "f16").inputs) == ["model-f16-d256-S128-K128"]
    for name in ("PQSD-Quick", "PQSD-HR"):
        tokenizer = plan.job("adapt", f"{name}-stage1").inputs["tokenizer"]
        assert tokenizer.inputs["model"].path == plan.job("tokenizer", "f16-d256-S128-K128").path
        assert [job.path for job in tokenizer.follows] == [plan.job("select", "f16").path]
    assert "f16-d256-S128-K128" in {job.name for job in contents.inputs(plan, "table2")}


def test_changing_back_finds_the_old_address(paths, changed_params, params_path):
    changed = moved_from(changed_params("scales.smoke.tokenizer.training.steps", 999))
    assert changed != paths
    assert moved_from(params_path) == paths


def test_no_two_results_share_a_path(params_path):
    for scale in ("smoke", "mini", "mini-cpu", "mini-cpu-long", "mini-cpu-upkeep", "mini-best", "paper"):
        jobs = whole_plan(load(params_path, scale)).all()
        assert len({job.path for job in jobs}) == len(jobs)


def test_every_input_of_a_job_is_itself_planned(params_path):
    jobs = whole_plan(load(params_path, "paper")).all()
    paths = {job.path for job in jobs}
    assert all(other.path in paths for job in jobs for other in job.inputs.values())


@pytest.mark.parametrize(
    ("name", "uses", "expected"),
    [
        ("train", [("tokenizer", "data"), ("ldm", "data")], {"data"}),
        ("val", [("evaluation", "data"), ("ldm", "reference")], {"data", "reference", "evaluate", "generation"}),
    ],
)
def test_a_set_s_name_is_in_no_address_but_its_own_and_those_of_results_that_name_it(
    paths, params_path, tmp_path, name, uses, expected
):
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    scale["data"]["sets"]["renamed"] = scale["data"]["sets"].pop(name)
    scale["data"]["disjoint"] = []
    for section, key in uses:
        assert scale[section][key] == name
        scale[section][key] = "renamed"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    assert chapters_moved(paths, moved_from(tmp_path / "params.yaml")) == expected


def test_the_order_of_photographs_which_decides_classes_moves_their_set(paths, params_path, tmp_path):
    raw = yaml.safe_load(params_path.read_text())
    source = raw["scales"]["smoke"]["data"]["sets"]["microscopy"]
    source["photos"] = dict(reversed(source["photos"].items()))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    assert chapters_moved(paths, moved_from(tmp_path / "params.yaml")) == {"data", "reference", "evaluate", "select"}


def test_what_follows_from_a_selection_is_the_same_whatever_else_was_compared(smoke, changed_params):
    more = [*smoke.model_dump(mode="json")["scale"]["tokenizer"]["sweep"], {"F": 8, "d": 32, "S": 8, "K": 256}]
    wider = load(changed_params("scales.smoke.tokenizer.sweep", more), "smoke")
    chosen = smoke.expected_selection
    before, after = ({(j.chapter, j.name): j.path for j in Plan(each, chosen).all()} for each in (smoke, wider))
    assert {key for key, path in after.items() if before.get(key) != path} == {
        ("tokenizer", "f8-d32-S8-K256"),
        ("evaluate", "f8-d32-S8-K256"),
        ("select", "f8"),
    }
    other = {(j.chapter, j.name): j.path for j in Plan(wider, {**chosen, 8: "f8-d32-S8-K256"}).all()}
    follows = {chapter for (chapter, name), path in other.items() if after[chapter, name] != path}
    assert follows == DOWNSTREAM_OF_SELECT
    assert all("16" not in name for (_, name), path in other.items() if path not in after.values())


def test_before_a_selection_is_made_what_follows_from_it_has_no_address(smoke):
    plan = Plan(smoke)
    waiting = {job.chapter for job in plan.all() if job.awaits}
    assert waiting == DOWNSTREAM_OF_SELECT
    assert {job.chapter for job in plan.addressed()} == (EVERYTHING | {"published"}) - {"finetune", "adapt", "samples"}
    assert [job.name for job in plan.job("adapt", "PQSD-Precise-stage2").awaits] == ["f8"]
    with pytest.raises(SettingsError, match=r"finetune f8: its address follows from a tokenizer that is yet"):
        plan.job("finetune", "f8").path  # noqa: B018


def test_a_selection_by_name_needs_none_to_be_made(params_path):
    paper = load(params_path, "paper")
    assert all(not job.awaits for job in Plan(paper).all())
    assert Plan(paper).job("finetune", "f8").inputs["model"].name == paper.reading.best[8]


def test_an_unknown_job_is_one_line(smoke):
    with pytest.raises(SettingsError, match=r"select: got 'f64', which scale 'smoke' does not plan; allowed: f8, f16"):
        whole_plan(smoke).job("select", "f64")
