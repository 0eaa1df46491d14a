"""Values that nobody has to write down, both readings, and the numbers of the paper's scale: typed a second time."""

import pytest
from pydantic import ValidationError

from pqgan.settings import KLConfig, PQConfig, load
from pqgan.settings.configurations import Grid
from pqgan.settings.data import DataSection, WheelPhotos
from pqgan.settings.diffusion import LDMSection
from pqgan.settings.tokenizer import Codebook, Training

PAPER = {
    "data": {"normalisation": "minus_one_one", "geometry": "crop"},
    "training": {
        "scale_lr": False,
        "step_counts": "generator",
        "codebook_init": "uniform",
        "discriminator_start": 250_001,
        "discriminator_weight": 0.8,
        "beta": 0.25,
        "beta_on": "codebook",
        "precision": "32-true",
        "total_batch": 20,
    },
    "finetune": {"discriminator": "resumed", "discriminator_start": 1},
    "metrics": {
        "psnr": "mean",
        "lpips": "alex",
        "fid": "clean-fid",
        "cmmd_antialias": True,
        "usage": "mean_over_subspaces",
    },
    "adaptation": {
        "stage1_resolution": 384,
        "widening": "tile_variance",
        "latent": "z_q",
        "caption_dropout": 0.1,
        "precision": "bf16-mixed",
        "ema_decay": 0.9999,
        "weight_decay": 0.01,
        "guidance": 7.5,
        "sampler_steps": 50,
    },
    "generation": {"sampler_steps": 250, "eta": 1.0, "samples": (5000, 50_000)},
    "speed": {"batch": 1, "steps": 50, "decode": True},
    "best": {8: "f8-d128-S64-K512", 16: "f16-d128-S64-K128"},
    "best_alternatives": {16: "f16-d256-S128-K128"},
}
RELEASED = {
    **PAPER,
    "data": {"normalisation": "imagenet", "geometry": "squash"},
    "training": {
        **PAPER["training"],
        "step_counts": "generator_and_discriminator",
        "codebook_init": "normal",
        "discriminator_start": 1,
        "precision": "bf16-mixed",
        "total_batch": 30,
    },
    "metrics": {
        "psnr": "pooled",
        "lpips": "alex",
        "fid": "torchmetrics",
        "cmmd_antialias": False,
        "usage": "concatenated",
    },
    "best_alternatives": {},
}


@pytest.mark.parametrize(("name", "expected"), [("paper", PAPER), ("released", RELEASED)])
def test_readings_are_what_the_table_of_open_points_says(changed_params, name, expected):
    path = changed_params("scales.paper.reading", name)
    path.write_text(path.read_text().replace("tokenizer: 4", "tokenizer: 5"))  # divides the 30 of `released` too
    settings = load(path, "paper")
    assert (settings.reading_name, settings.reading.model_dump()) == (name, expected)


def test_what_a_scale_overrides_is_that_and_nothing_else(smoke):
    expected = {section: dict(values) for section, values in PAPER.items()}
    expected["training"] |= {"discriminator_start": 151, "discriminator_weight": 0.1, "total_batch": 4}
    expected["adaptation"] |= {
        "stage1_resolution": 64,
        "ema_decay": 0.9,
        "sampler_steps": 10,
        "precision": "32-true",
    }
    expected["generation"] |= {"sampler_steps": 10, "samples": (48,)}
    expected["speed"] |= {"steps": 5}
    assert smoke.reading.model_dump() == expected


def test_vqgan_s_and_latent_diffusion_s_own_numbers_are_the_defaults():
    fields = {name: field.default for name, field in Training.model_fields.items()}
    assert (fields["betas"], fields["perceptual_weight"]) == ((0.5, 0.9), 1.0)
    assert KLConfig(kind="kl", F=8, d=4).kl_weight == 1e-6
    ldm = {name: field.default for name, field in LDMSection.model_fields.items()}
    assert (ldm["beta_start"], ldm["beta_end"], ldm["class_dropout"]) == (0.0015, 0.0195, 0.0)
    codebook = Codebook().model_dump()
    assert codebook == {"kmeans_images": None, "kmeans_vectors": 64, "kmeans_passes": 25, "revive_after": None}


def test_the_paper_s_scale_has_the_paper_s_shapes(params_path):
    scale = load(params_path, "paper").scale
    trunks = {
        factor: (t.channels, t.multipliers, t.res_blocks, t.z_channels) for factor, t in scale.tokenizer.trunks.items()
    }
    assert trunks == {
        8: (128, (1, 2, 2, 4), 2, 256),
        16: (128, (1, 1, 2, 2, 4), 2, 256),
        32: (128, (1, 1, 2, 2, 4, 4), 2, 256),
    }
    assert scale.tokenizer.discriminator.model_dump() == {"channels": 64, "layers": 3}
    for training in (scale.tokenizer.training, scale.finetune.training):
        assert (training.learning_rate, training.scaling_images) == (4.5e-6, 10_000)
    ldm = scale.ldm
    assert (ldm.steps, ldm.batch, ldm.learning_rate, ldm.resolution, ldm.ema_decay) == (
        2_000_000,
        64,
        1e-4,
        256,
        0.9999,
    )
    assert (ldm.unet.block_out_channels, ldm.unet.layers_per_block, ldm.unet.context) == ((256, 512, 1024), 2, 512)
    assert {name: latent.tokenizer for name, latent in ldm.latents.items()} == {
        "vae": "backbone-vae",
        "pqgan-f8": "selected-8",
        "pqgan-f16": "selected-16",
    }
    ffhq, lsun = (scale.data.sets[scale.evaluation.transfer[role]] for role in ("FFHQ", "LSUN"))
    assert (ffhq.path, ffhq.first, ffhq.count, ffhq.size) == ("ffhq", 60_000, 10_000, 256)
    assert (lsun.path, lsun.first, lsun.count, lsun.size) == ("lsun/val", 0, None, 256)
    assert scale.evaluation.data == "val"
    large, double = (scale.data.sets[scale.evaluation.high_resolution[role]] for role in ("val", "double"))
    assert (large.size, double.size) == (768, 1536)
    assert large.model_copy(update={"size": 1536}) == double  # what differs between them is the side alone
    assert scale.evaluation.continuous == ("backbone-vae",)
    assert (scale.evaluation.features.fid_input, scale.evaluation.features.weights) == (299, "pretrained")


def test_the_expected_tokenizer_is_the_named_one_or_the_widest(params_path, smoke):
    paper = load(params_path, "paper")
    assert [paper.expected(factor).name for factor in (8, 16)] == ["f8-d128-S64-K512", "f16-d128-S64-K128"]
    assert [smoke.expected(factor).name for factor in (8, 16)] == ["f8-d64-S32-K256", "f16-d64-S32-K256"]


def test_subspaces_of_a_grid_are_numbers_or_shares_of_d():
    grid = Grid(F=(8,), d=(32,), S=(1, "d/8", "d/2", "d", 3, "d/5"), K=(16,))
    assert [config.S for config in grid.configs()] == [1, 4, 16, 32]  # 3 and d/5 do not divide


@pytest.mark.parametrize(
    ("K", "resolution", "images"), [(64, 64, 1), (65, 64, 2), (128, 64, 2), (129, 64, 3), (5, 4, 5)]
)
def test_codebooks_start_from_as_many_images_as_have_a_vector_for_each_word(K, resolution, images):
    assert PQConfig(F=8, d=4, S=2, K=K).images_for_codebooks(resolution) == images


def photos(*names: str, zoom: tuple[float, float] = (1.0, 2.0)) -> WheelPhotos:
    return WheelPhotos(source="wheel_photos", photos=dict.fromkeys(names, "a caption"), crops=4, size=8, zoom=zoom)


def test_sets_that_must_be_disjoint_share_no_photograph():
    sets = {"one": photos("coffee", "rocket"), "other": photos("chelsea"), "third": photos("rocket")}
    assert DataSection(sets=sets, disjoint=(("one", "other"),)).sets == sets
    with pytest.raises(ValidationError, match="sets 'one' and 'third' share rocket"):
        DataSection(sets=sets, disjoint=(("one", "third"),))


def test_a_zoom_rises():
    assert photos("coffee", zoom=(1.0, 3.0)).zoom == (1.0, 3.0)
    with pytest.raises(ValidationError, match="the smaller number first"):
        photos("coffee", zoom=(3.0, 1.0))


def test_a_batch_of_an_evaluation_holds_no_more_pixels_than_one_of_the_validation_set(params_path):
    scale = load(params_path, "paper").scale
    assert [scale.evaluation_batch(side) for side in (256, 768, 1536)] == [50, 5, 1]
    assert scale.evaluation_batch(128) == 50
    assert scale.evaluation_batch(4096) == 1


def test_the_roles_of_high_resolution_stand_in_their_order_however_they_are_written(changed_params):
    key = "scales.smoke.evaluation.high_resolution"
    scale = load(changed_params(key, {"double": "val_double", "val": "val_large"}), "smoke").scale
    assert list(scale.evaluation.high_resolution) == ["val", "double"]
