"""params.yaml: what it holds, and that a bad value is refused in one line naming key, value and what is allowed."""

import subprocess
import sys

import pytest

from pqgan.errors import SettingsError
from pqgan.settings import PQConfig, load

SWEEP = "scales.smoke.tokenizer.sweep"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (f"{SWEEP}.1.S", 5, ["tokenizer.sweep.1", "S=5", "d=16", "1, 2, 4, 8, 16"]),
        ("scales.smoke.tokenizer.training.stepz", 10, ["tokenizer.training", "'stepz'", "steps"]),
        ("scales.smoke.tokenizer.training.steps", -3, ["tokenizer.training.steps", "-3", "greater than 0"]),
        ("scales.smoke.tokenizer.training.steps", "many", ["tokenizer.training.steps", "'many'", "integer"]),
        ("scales.smoke.tokenizer.training.learning_rate", 0, ["learning_rate", "got 0", "greater than 0"]),
        (f"{SWEEP}.0.F", 7, ["tokenizer.sweep.0.F", "7", "4, 8, 16 or 32"]),
        ("scales.smoke.selection.mode", "best", ["selection.mode", "'best'", "'measured' or 'named'"]),
        (
            "scales.smoke.selection.factors",
            [8, 16, 4],
            ["selection.factors has 4, of which the sweep has no configuration with S > 1", "allowed: 8, 16, 32"],
        ),
        (
            SWEEP,
            [{"F": 8, "d": 16, "S": 8, "K": 64}, {"F": 16, "d": 16, "S": 1, "K": 64}],
            ["scales.smoke", "selection.factors has 16", "no configuration with S > 1; allowed: 8"],
        ),
        ("scales.smoke.selection.factors", [8, 8, 16], ["selection.factors", "8 more than once"]),
        ("scales.smoke.evaluation.published", ["taesd", "taesd"], ["evaluation.published", "taesd more than once"]),
        ("scales.smoke.evaluation.codecs", ["png@1"], ["evaluation.codecs", "'png@1'", "jpeg, webp, avif @ bits"]),
        ("scales.smoke.evaluation.codecs", ["jpeg@1.0", "jpeg@1"], ["evaluation.codecs", "jpeg@1 more than once"]),
        (
            "readings.paper.best_alternatives",
            {8: "kl-f8-d4"},
            ["reading.best_alternatives.8 is 'kl-f8-d4'", "a configuration of the sweep with F=8, S > 1"],
        ),
        ("readings.paper.best_alternatives", {8: "f8-d16-S1-K64"}, ["reading.best_alternatives.8", "S > 1"]),
        ("readings.paper.best_alternatives", {8: "f16-d16-S8-K64"}, ["reading.best_alternatives.8", "with F=8"]),
        (
            "scales.smoke.matching.configs.0.F",
            16,
            ["matching", "configs has f16-d16-S1-K64; allowed: those of F=8, as matching.F says"],
        ),
        ("scales.smoke.adapt.backbone.vae_channels", [], ["adapt.backbone", "vae_channels", "at least 1 item"]),
        ("scales.smoke.ldm.unet.block_out_channels", [], ["ldm.unet.block_out_channels", "at least 1 item"]),
        ("scales.smoke.selection.metrics", [], ["selection.metrics", "at least 1 item"]),
        (
            "scales.smoke.selection.metrics",
            ["psnr", "ssim"],
            ["selection.metrics.1", "'ssim'", "'rfid', 'cmmd' or 'lpips'"],
        ),
        ("scales.smoke.selection.metrics", ["psnr", "psnr"], ["selection.metrics", "psnr more than once"]),
        ("scales.smoke.selection.metric", "psnr", ["selection", "unknown key 'metric'", "did you mean 'metrics'?"]),
        ("scales.smoke.tokenizer.version", 3, ["tokenizer", "unknown key 'version'", "in `versions` at the top"]),
        ("scales.smoke.adapt.data", "nothing", ["adapt.data", "'nothing'", "train_large"]),
        ("scales.smoke.reading", "mine", ["scales.smoke.reading", "'mine'", "paper, released"]),
        (
            "scales.smoke.evaluation.high_resolution",
            {"val": "val_large"},
            ["evaluation.high_resolution", "has 'val'", "allowed: val and double"],
        ),
        (
            "scales.smoke.evaluation.high_resolution.triple",
            "val_double",
            ["evaluation.high_resolution", "'triple'", "allowed: val and double"],
        ),
        (
            "scales.smoke.evaluation.high_resolution.double",
            "nothing",
            ["evaluation.high_resolution.double is 'nothing'", "val_double"],
        ),
        (
            "scales.smoke.evaluation.high_resolution.double",
            "val_large",
            ["high_resolution.double is val_large, of 128 px", "256 px, twice the side of val_large"],
        ),
        (
            "scales.smoke.evaluation.continuous",
            ["kl-f8-d5"],
            ["evaluation.continuous has 'kl-f8-d5'", "allowed: backbone-vae, kl-f8-d4"],
        ),
        ("scales.smoke.evaluation.continuous", ["taesd"], ["has 'taesd'", "allowed: backbone-vae, kl-f8-d4"]),
        ("scales.smoke.evaluation.continuous", [], ["evaluation.continuous", "at least 1 item"]),
        (
            "scales.smoke.evaluation.continuous",
            ["kl-f8-d4", "kl-f8-d4"],
            ["evaluation.continuous", "kl-f8-d4 more than once"],
        ),
        (
            "scales.paper.evaluation.continuous",
            ["vqgan-f16-16384"],
            ["scales.paper", "'vqgan-f16-16384'", "allowed: backbone-vae, "],
        ),
        ("scales.smoke.overrides.training.beta", "big", ["overrides", "training.beta", "'big'", "number"]),
        ("scales.smoke.data.sets.val.photos", {"coffee": "a cup"}, ["data", "coffee", "no photograph in both"]),
        ("scales.smoke.tokenizer.trunks.8.multipliers", [1, 2], ["trunks.8", "downsample by 2", "4 multipliers"]),
        ("readings.paper.metrics.psnr", "median", ["readings.paper.metrics.psnr", "'median'", "'mean' or 'pooled'"]),
        ("scales.smoke.ldm.unet.head_channels", 24, ["ldm.unet", "head_channels is 24", "divisor of each of (32, 64)"]),
        ("scales.smoke.ldm.unet.attention_levels", [True], ["ldm.unet", "attention_levels has 1", "one a level"]),
        ("scales.smoke.data.sets.train.zoom", [4, 1.5], ["sets.train.zoom", "4", "smaller number first"]),
        ("scales.smoke.tokenizer.codebook.revive_after", 0, ["codebook.revive_after", "got 0", "greater than 0"]),
        ("scales.smoke.tokenizer.codebook.revive", 9, ["codebook", "'revive'", "did you mean 'revive_after'?"]),
        (
            "scales.smoke.tokenizer.codebook.kmeans_images",
            15,
            ["scales.smoke.tokenizer", "kmeans_images is 15", "64 x 64", "f16-d64-S32-K256", "16 or more"],
        ),
        (
            "scales.smoke.matching.search.cases.0.S",
            5,
            ["matching.search.cases.0", "S=5", "d=128", "allowed S: 1, 2"],
        ),
        ("scales.smoke.matching.batches", [], ["matching.batches", "at least 1 item"]),
        ("scales.smoke.upkeep.checkpoints_kept", 1, ["upkeep.checkpoints_kept", "got 1", "greater than or equal to 2"]),
        ("scales.smoke.upkeep.checkpoints_kept", "all", ["upkeep.checkpoints_kept", "'all'", "integer"]),
        ("scales.smoke.upkeep.checkpoint_every", 0, ["upkeep.checkpoint_every", "got 0", "greater than 0"]),
        ("scales.smoke.upkeep.pictures", 2.5, ["upkeep.pictures", "got 2.5", "integer"]),
        ("scales.smoke.upkeep.checkpoint_evry", 9, ["upkeep", "'checkpoint_evry'", "did you mean 'checkpoint_every'?"]),
        ("scales.smoke.hardware.processes", 0, ["hardware.processes", "got 0", "greater than 0"]),
        ("scales.smoke.hardware.accelerator", "tpu", ["hardware.accelerator", "'tpu'", "'cpu', 'cuda' or 'auto'"]),
        ("scales.smoke.hardware.compile", "maybe", ["hardware.compile", "'maybe'", "boolean"]),
        (
            "scales.smoke.overrides.adaptation.precision",
            "16-mixed",
            ["overrides", "adaptation.precision", "'16-mixed'", "'32-true' or 'bf16-mixed'"],
        ),
        (
            "readings.released.training.precision",
            "16-mixed",
            ["released.training.precision", "'16-mixed'", "'32-true' or 'bf16-mixed'"],
        ),
        (
            "scale",
            "huge",
            ["scale", "'huge'", "smoke, mini, mini-cpu, mini-cpu-long, mini-cpu-upkeep, mini-best, released, paper"],
        ),
    ],
)
def test_a_bad_value_is_refused_in_one_line(changed_params, key, value, expected):
    with pytest.raises(SettingsError) as caught:
        load(changed_params(key, value))
    message = str(caught.value)
    assert "\n" not in message
    for part in expected:
        assert part in message, message


def test_a_scale_needs_its_upkeep(changed_params):
    with pytest.raises(SettingsError, match=r"scales\.smoke\.upkeep: Field required"):
        load(changed_params("scales.smoke.upkeep", ...))


def test_hardware_defaults_to_one_process_and_plain_networks(params_path, changed_params):
    hardware = load(params_path, "smoke").scale.hardware
    assert (hardware.processes, hardware.compile, hardware.channels_last) == (1, False, False)
    assert load(changed_params("scales.smoke.hardware.processes", 2), "smoke").scale.hardware.processes == 2


def test_a_missing_key_is_named(changed_params):
    with pytest.raises(SettingsError, match=r"scales\.smoke\.selection\.metrics: Field required"):
        load(changed_params("scales.smoke.selection.metrics", ...))


def test_a_missing_file_and_broken_yaml_are_one_line(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("scale: [smoke\n")
    with pytest.raises(SettingsError, match="not YAML") as caught:
        load(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_paper_scale_holds_the_grid_of_section_4_2(params_path):
    configs = load(params_path, "paper").scale.tokenizer.configs
    for factor in (8, 16):
        swept = [config for config in configs.values() if config.kind == "pq" and factor == config.F]
        assert len(swept) == 160
        assert len({(config.d, config.S) for config in swept}) == 32
        assert {config.K for config in swept} == {128, 512, 1024, 8192, 16_384}
    assert {"f8-d128-S64-K512", "f16-d128-S64-K128", "f16-d256-S128-K128", "f32-d256-S64-K256"} <= set(configs)
    # and no VQGAN of its own, which would be the grid's S=1 trained again
    others = [name for name, config in configs.items() if config.kind != "pq"]
    linear = [name for name in others if name.startswith("linear-")]
    assert others == ["kl-f8-d4", "kl-f16-d16", *linear]
    # one beside each PQGAN of Table 1, with its F, d, S and K
    shown = [best.removeprefix("linear-") for best in linear]
    assert shown == ["f8-d128-S64-K512", "f16-d128-S64-K128", "f16-d256-S128-K128", "f32-d256-S64-K256"]
    assert set(shown) <= set(configs)


def test_sixteen_images_suffice_for_k_means_of_the_grid_s_largest_codebooks_at_f_8(changed_params):
    """32 x 32 positions an image; 16 x 16 at F=16, which the paper scale has too."""
    found = [PQConfig(F=F, d=256, S=128, K=16_384).images_for_codebooks(256) for F in (8, 16)]
    assert found == [16, 64]
    load(changed_params("scales.paper.tokenizer.codebook.kmeans_images", 64), "paper")
    with pytest.raises(SettingsError, match=r"f16-d\d+-S\d+-K16384 has codewords; allowed: 64 or more"):
        load(changed_params("scales.paper.tokenizer.codebook.kmeans_images", 63), "paper")


@pytest.mark.parametrize("seed", [{}, {"seed": 1}])
def test_a_vqgan_that_trains_what_a_point_with_one_subspace_trains_is_refused(changed_params, smoke, seed):
    planned = [config.model_dump() for config in smoke.scale.tokenizer.baselines]
    twin = {"kind": "vqgan", "F": 16, "d": 16, "K": 64}
    path = changed_params("scales.smoke.tokenizer.baselines", [*planned, twin, twin | seed])
    with pytest.raises(SettingsError) as caught:
        load(path, "smoke")
    message = str(caught.value)
    assert "scales.smoke.tokenizer: " in message
    assert "vqgan-f16-d16-K64 of the baselines trains what f16-d16-S1-K64 trains" in message
    assert "allowed: one of the two" in message
    for other in ({"F": 32}, {"d": 32}, {"K": 128}):
        load(changed_params("scales.smoke.tokenizer.baselines", [planned[0], {**twin, **other}]), "smoke")


def test_paper_scale_holds_the_numbers_of_table_4(params_path):
    settings = load(params_path, "paper")
    scale = settings.scale
    assert (scale.tokenizer.training.steps, settings.reading.training.total_batch) == (1_000_000, 20)
    assert (scale.finetune.training.steps, scale.finetune.batch, scale.finetune.training.resolution) == (
        200_000,
        15,
        768,
    )
    assert settings.reading.adaptation.stage1_resolution == 384
    phases = {
        name: [(p.resolution, p.steps, p.batch, p.learning_rate) for p in variant.stage2]
        for name, variant in scale.adapt.variants.items()
    }
    precise = [(768, 800_000, 32, 8e-5), (768, 200_000, 32, 2e-5)]
    assert phases["PQSD-Precise"] == phases["PQSD-Quick"] == precise
    assert phases["PQSD-HR"] == [(768, 400_000, 32, 8e-5), (1024, 400_000, 32, 8e-5), (1536, 200_000, 32, 2e-5)]


def test_both_readings_differ_where_the_table_of_open_points_says(params_path, changed_params):
    paper = load(params_path, "smoke").reading
    released = load(changed_params("scales.smoke.reading", "released"), "smoke").reading
    assert (paper.data.normalisation, released.data.normalisation) == ("minus_one_one", "imagenet")
    assert (paper.data.geometry, released.data.geometry) == ("crop", "squash")
    assert (paper.training.codebook_init, released.training.codebook_init) == ("uniform", "normal")
    assert (paper.metrics.psnr, released.metrics.psnr) == ("mean", "pooled")
    assert (paper.metrics.fid, released.metrics.fid) == ("clean-fid", "torchmetrics")
    assert (paper.metrics.usage, released.metrics.usage) == ("mean_over_subspaces", "concatenated")
    assert (paper.training.step_counts, released.training.step_counts) == ("generator", "generator_and_discriminator")


def test_settings_are_frozen(smoke):
    with pytest.raises(ValueError, match="frozen"):
        smoke.scale.seed = 1


@pytest.mark.parametrize("module", ["pqgan.settings", "pqgan.plan", "pqgan.report", "pqgan.records", "pqgan.cli"])
def test_light_modules_do_not_import_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_of_before_versions_stood_once_is_told_so(changed_params):
    path = changed_params("versions", ...)
    with pytest.raises(
        SettingsError, match=r"the file: has no `versions`; expected one block at the top with data, .*data\.raw"
    ):
        load(path, "smoke")
