"""A trunk with a linear path around it and a refinement behind: its start, its rates, and a whole training."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.diffusion.backbone import assembled, create
from pqgan.engine.launch import make_fabric
from pqgan.settings import Settings
from pqgan.tokenizer.assemble import assemble, new_discriminator
from pqgan.tokenizer.build import build
from pqgan.tokenizer.cooldown import cooled
from pqgan.tokenizer.identity import identity
from pqgan.tokenizer.load import load_tokenizer
from pqgan.tokenizer.model import PQModel
from pqgan.tokenizer.refinement import DOWN, Refinement
from pqgan.tokenizer.step import Generator
from pqgan.tokenizer.train import train

PQ, WEIGHTS = "f8-d16-S8-K64", "diffusion_pytorch_model.safetensors"


def settings_of(smoke: Settings, steps: int, path_rate: float | None, shortcut: str = "linear") -> Settings:
    raw = smoke.model_dump()
    scale = raw["scale"]
    scale["data"]["sets"]["train"] |= {"crops": 12, "size": 64}
    trunk = scale["tokenizer"]["trunks"][8]
    trunk |= {"shortcut": shortcut, "refinement": {"channels": 8, "blocks": 1}}
    scale["tokenizer"] |= {"linear": {"vectors": 600, "passes": 2}}
    more = {"path_rate": path_rate, "shortest_side": 64, "learning_rate": 5e-3, "cooldown": None}
    scale["tokenizer"]["training"] |= {"steps": steps, "resolution": 32, "log_every": 1, "scaling_images": 4, **more}
    scale["upkeep"] |= {"checkpoint_every": 2, "pictures_every": 2, "pictures": 2}
    raw["reading"]["training"] |= {"total_batch": 4, "discriminator_start": 2}
    return Settings.model_validate(raw)


@pytest.fixture(scope="module")
def trained(smoke, tmp_path_factory):
    """(updates, rate of the path, shortcut) -> folder of the model; each is trained once."""
    root = tmp_path_factory.mktemp("shortcut")
    made: dict[tuple, Path] = {}

    def run(steps: int, path_rate: float | None, shortcut: str = "linear") -> Path:
        if (steps, path_rate, shortcut) not in made:
            settings, out = settings_of(smoke, steps, path_rate, shortcut), root / f"out{len(made)}"
            data = root / "train"
            if not data.exists():
                prepare(settings, whole_plan(settings).job("data", "train"), out=data)
            run_folder = root / f"run{len(made)}"
            train(settings, whole_plan(settings).job("tokenizer", PQ), data=data, run=run_folder, out=out)
            made[steps, path_rate, shortcut] = out
        return made[steps, path_rate, shortcut]

    return run


def group(tensors: dict, *prefixes: str) -> dict:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefixes)}


FITTED = ("linear.", "quantiser.", "encoder.", "quant_conv.")


def test_a_rate_of_zero_leaves_path_codebooks_and_encoder_as_they_were_fitted(trained):
    one, four = (load_file(trained(steps, 0.0) / WEIGHTS) for steps in (1, 4))
    fitted = group(one, *FITTED)
    assert len(fitted) > 5
    assert all(torch.equal(tensor, four[name]) for name, tensor in fitted.items())
    for name in ("refinement.conv_out.weight", "decoder.conv_out.weight", "refinement.from_latents.weight"):
        assert not torch.equal(one[name], four[name])


@pytest.mark.parametrize(("path_rate", "revived"), [(0.0, False), (0.1, True)])
def test_words_that_stay_as_fitted_are_not_revived(smoke, path_rate, revived):
    raw = settings_of(smoke, 1, path_rate).model_dump()
    raw["scale"]["tokenizer"]["codebook"]["revive_after"] = 1
    settings = Settings.model_validate(raw)
    section = settings.scale.tokenizer
    config = section.configs[PQ]
    step, _ = assemble(
        make_fabric(settings.scale.hardware, "32-true"),
        settings,
        build(config, section.trunk(config), settings.reading, 0),
        config,
        new_discriminator(settings),
        settings.scale.evaluation.features,
        training=section.training,
        batch=2,
        discriminator_start=1,
    )
    assert (step.revival is not None) == revived


def test_another_rate_moves_them_by_so_much_of_the_others(trained):
    frozen, slow, all_alike = (load_file(trained(1, rate) / WEIGHTS) for rate in (0.0, 0.1, None))
    moved = [
        (tensors["linear.to_latents.weight"] - frozen["linear.to_latents.weight"]).abs().max().item()
        for tensors in (slow, all_alike)
    ]
    # Adam's first update moves a weight by its rate, whatever the gradient
    assert moved == pytest.approx([0.1 * 5e-3, 5e-3], rel=0.01)


def test_it_starts_with_what_the_linear_path_makes(trained):
    """After one update at the rate 0 latents are still the path's alone, and components of unit mean variance."""
    tokenizer = load_tokenizer(trained(1, 0.0))
    model = tokenizer.model
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        assert torch.equal(model.encode_continuous(images), model.linear.encode(images))
    assert tokenizer.subject()["shortcut"] == "linear"
    assert tokenizer.kind == "pq"


def test_in_the_trunk_s_place_it_trains_the_refinement_of_the_same_start(trained):
    one, four = (load_file(trained(steps, 0.0, "linear_alone") / WEIGHTS) for steps in (1, 4))
    assert {name.partition(".")[0] for name in one} == {"linear", "quantiser", "refinement"}
    around = load_file(trained(1, 0.0) / WEIGHTS)
    for name, tensor in group(four, "linear.", "quantiser.").items():
        assert torch.equal(tensor, one[name])
        assert torch.equal(tensor, around[name])  # fitted to the same images, whatever is trained behind it
    assert not torch.equal(one["refinement.conv_out.weight"], four["refinement.conv_out.weight"])
    tokenizer = load_tokenizer(trained(4, 0.0, "linear_alone"))
    assert (tokenizer.kind, tokenizer.factor, tokenizer.subject()["shortcut"]) == ("pq", 8, "linear_alone")
    images = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        z = tokenizer.model.linear.encode(images)
        assert torch.equal(tokenizer.model.encode_continuous(images), z)
        y = tokenizer.model.linear.decode(z)
        refined = tokenizer.model.decode(z, force_not_quantize=True).sample
        assert torch.equal(refined, y + tokenizer.model.refinement(y, z))


def test_rates_fall_over_the_last_updates_and_go_by_the_number_of_the_step():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.Adam([{"params": [weight]}], lr=0.5)
    seen = []

    def step(number, batch):
        seen.append((number, batch, optimiser.param_groups[0]["lr"]))
        return iter(())

    slower = cooled(step, [optimiser], 10, 4)
    for number in (0, 6, 7, 9, 2):
        assert list(slower(number, "batch")) == []
    assert seen == [(0, "batch", 0.5), (6, "batch", 0.5), (7, "batch", 0.375), (9, "batch", 0.125), (2, "batch", 0.5)]
    assert cooled(step, [optimiser], 10, None) is step


def model(**more) -> PQModel:
    torch.manual_seed(0)
    return PQModel((4, 8, 8), layers_per_block=1, norm_num_groups=2, z_channels=8, d=4, S=2, K=8, **more)


@pytest.mark.parametrize("normalisation", ["minus_one_one", "imagenet"])
def test_a_trunk_and_a_refinement_that_add_nothing_leave_the_linear_reconstruction(normalisation):
    network = model(patch=4, refine_channels=6, refine_blocks=1, normalisation=normalisation)
    for layer in (network.decoder.conv_out, network.refinement.conv_out):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    z = torch.randn(1, 4, 3, 2)
    with torch.no_grad():
        assert torch.equal(network.decode(z, force_not_quantize=True).sample, network.linear.decode(z))


def test_a_refinement_is_of_the_shape_of_images_and_sees_both_of_its_inputs():
    torch.manual_seed(0)
    network = Refinement(F=8, d=5, channels=6, blocks=2)
    y, z = torch.randn(2, 3, 16, 24), torch.randn(2, 5, 2, 3)
    found = network(y, z)
    assert found.shape == y.shape
    assert not torch.allclose(found, network(y + 1, z))
    assert not torch.allclose(found, network(y, z + 1))
    assert network.conv_in.in_channels == 6 * DOWN**2


def test_gradients_at_its_last_layer_are_those_of_autograd():
    network = Generator(model(patch=4, refine_channels=6, refine_blocks=1, normalisation="imagenet").train(), None)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    sample, _, entering = network(images, None)
    gradients = [torch.randn(sample.shape, generator=torch.Generator().manual_seed(n)) for n in (2, 3)]
    found = network.at_last_layer(entering, gradients)
    for gradient, ours in zip(gradients, found, strict=True):
        (theirs,) = torch.autograd.grad((sample * gradient).sum(), network.last_layer.weight, retain_graph=True)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 8}, "patch=8 beside"),
        ({"refine_channels": 8}, "expected one F, and a patch for a refinement"),
        ({"block_out_channels": None}, "patch=0 beside block_out_channels=None"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PQModel(**{"block_out_channels": (4, 8, 8), "norm_num_groups": 2, "z_channels": 8, "d": 4, "S": 2} | options)


@pytest.mark.parametrize("refined", [0, 6])
def test_without_a_trunk_it_is_the_vae_of_a_pipeline(plain, refined, tmp_path):
    torch.manual_seed(0)
    vae = PQModel(None, patch=8, d=4, S=2, K=8, refine_channels=refined, refine_blocks=1).eval()
    parts = create(plain.scale.adapt.backbone.architecture, 0)
    pipeline = assembled(**parts | {"vae": vae})
    assert pipeline.vae_scale_factor == 8
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline("a cat", height=32, width=48, num_inference_steps=1, output_type="np").images
    assert drawn.shape == (1, 32, 48, 3)
    vae.save_pretrained(tmp_path)
    again = PQModel.from_pretrained(tmp_path)
    assert (again.has_trunk, again.factor, identity(again)) == (False, 8, identity(vae))


def test_a_model_saved_with_no_block_out_channels_opens_too(tmp_path):
    vae = PQModel(None, patch=8, d=4, S=2, K=8)
    vae.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"block_out_channels": None}))
    assert identity(PQModel.from_pretrained(tmp_path)) == identity(vae)


def test_a_refinement_without_a_shortcut_is_refused(plain):
    raw = plain.model_dump()
    raw["scale"]["tokenizer"]["trunks"][8] |= {"refinement": {"channels": 8, "blocks": 1}}
    with pytest.raises(ValidationError, match="refinement corrects the shortcut's reconstruction; allowed: null"):
        Settings.model_validate(raw)


def test_only_product_quantisers_move_with_a_shortcut(plain):
    raw = plain.model_dump()
    refinement = {"channels": 8, "blocks": 1}
    raw["scale"]["tokenizer"]["trunks"][8] |= {"shortcut": "linear", "refinement": refinement}
    before, after = (whole_plan(settings).chapter("tokenizer") for settings in (plain, Settings.model_validate(raw)))
    moved = {name for name, job in after.items() if job.path != before[name].path}
    assert moved == {name for name in before if name.startswith("f8-")}
