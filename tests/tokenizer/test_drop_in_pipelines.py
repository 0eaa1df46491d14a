"""Pipelines of diffusers with a PQModel as `vae`, two steps each, on small seeded parts."""

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from drop_in_models import make

SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
WIDTH = 8
"""Of text embeddings."""


def network(in_channels: int, d: int = 8) -> UNet2DConditionModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            sample_size=16,
            in_channels=in_channels,
            out_channels=d,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH,
            attention_head_dim=2,
            norm_num_groups=4,
        )


def pipeline(cls: str, in_channels: int = 8, form: str = "trunk and path", **changed):
    parts = {
        "vae": make(form),
        "unet": network(in_channels),
        "scheduler": DDIMScheduler(),
        **dict.fromkeys(("text_encoder", "tokenizer", "safety_checker", "feature_extractor")),
    }
    made = getattr(diffusers, cls)(**{**parts, **changed}, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def run(made, *, seed: int = 0, batch: int = 1, **more) -> torch.Tensor:
    """(B, 3, H, W) in [0, 1]."""
    words = torch.randn(2, batch, 4, WIDTH, generator=torch.Generator().manual_seed(7))
    options = {"prompt_embeds": words[0], "negative_prompt_embeds": words[1], "num_inference_steps": 2}
    options |= {"generator": torch.Generator().manual_seed(seed), "output_type": "pt"}
    found = made(**options, **more).images
    assert ((found >= 0) & (found <= 1)).all()
    return found


def picture(height: int = 32, width: int = 32) -> torch.Tensor:
    """(1, 3, H, W) in [0, 1]."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))


def mask(height: int = 32, width: int = 32) -> torch.Tensor:
    """(1, 1, H, W): the left half is to be made anew."""
    return (torch.arange(width) < width // 2).float().expand(1, 1, height, width).clone()


class TestTextToImage:
    @pytest.mark.parametrize("name", SCHEDULERS)
    def test_every_scheduler(self, name):
        made, more = pipeline("StableDiffusionPipeline"), {"skip_prk_steps": True} if name == "PNDMScheduler" else {}
        made.scheduler = getattr(diffusers, name).from_config(made.scheduler.config, **more)
        first = run(made, height=32, width=32)
        assert first.shape == (1, 3, 32, 32)
        assert torch.equal(run(made, height=32, width=32), first)
        assert not torch.equal(run(made, height=32, width=32, seed=1), first)

    def test_sizes_batches_and_callbacks(self):
        seen = []
        made = pipeline("StableDiffusionPipeline")

        def look(made, step, timestep, given):
            seen.append(given["latents"].shape)
            return given

        found = run(made, height=24, width=40, batch=2, num_images_per_prompt=2, callback_on_step_end=look)
        assert found.shape == (4, 3, 24, 40)
        assert set(seen) == {(4, 8, 12, 20)}
        assert made.vae_scale_factor == 2

    def test_the_image_is_what_the_latents_decode_to(self):
        made = pipeline("StableDiffusionPipeline")
        made.vae.register_to_config(scaling_factor=3.0)
        words = torch.randn(2, 1, 4, WIDTH, generator=torch.Generator().manual_seed(7))
        options = {"prompt_embeds": words[0], "negative_prompt_embeds": words[1], "num_inference_steps": 2}
        latents = made(**options, output_type="latent", generator=torch.Generator().manual_seed(0)).images
        with torch.no_grad():
            expected = (made.vae.decode(latents / 3.0).sample / 2 + 0.5).clamp(0, 1)
        torch.testing.assert_close(run(made), expected)

    def test_switches_of_a_pipeline_reach_the_model(self):
        made = pipeline("StableDiffusionPipeline")
        whole = run(made, height=64, width=64, batch=2)
        made.vae.enable_slicing()
        made.vae.enable_tiling()
        torch.testing.assert_close(run(made, height=64, width=64, batch=2), whole, rtol=1e-4, atol=1e-5)
        made.vae.disable_slicing()
        made.vae.disable_tiling()
        assert torch.equal(run(made, height=64, width=64, batch=2), whole)

    def test_in_half_precision(self):
        made = pipeline("StableDiffusionPipeline").to(torch.bfloat16)
        assert made.vae.quantiser.codebooks.dtype == torch.float32
        assert run(made, height=32, width=32).dtype == torch.bfloat16

    def test_it_is_compiled_in_its_place(self):
        made = pipeline("StableDiffusionPipeline")
        expected = run(made)
        made.vae.decode = torch.compile(made.vae.decode, fullgraph=True, backend="eager")
        assert torch.equal(run(made), expected)
        torch.compiler.reset()

    def test_it_is_offloaded_in_its_place(self):
        from accelerate import cpu_offload

        made = pipeline("StableDiffusionPipeline")
        expected = run(made)
        cpu_offload(made.vae, torch.device("cpu"))
        torch.testing.assert_close(run(made), expected)


class TestImageToImage:
    @pytest.mark.parametrize("form", ["trunk", "path", "rq", "fsq"])
    def test_an_image_is_changed_by_its_strength(self, form):
        made = pipeline("StableDiffusionImg2ImgPipeline", form=form)
        some, most = (run(made, image=picture(), strength=strength) for strength in (0.5, 1.0))
        assert some.shape == most.shape == (1, 3, 32, 32)
        assert not torch.equal(some, most)

    def test_a_generator_for_each_image(self):
        made = pipeline("StableDiffusionImg2ImgPipeline")
        words = torch.randn(2, 2, 4, WIDTH, generator=torch.Generator().manual_seed(7))
        found = made(
            prompt_embeds=words[0],
            negative_prompt_embeds=words[1],
            image=picture().expand(2, -1, -1, -1),
            generator=[torch.Generator().manual_seed(seed) for seed in (0, 1)],
            num_inference_steps=2,
            output_type="pt",
        ).images
        assert found.shape == (2, 3, 32, 32)


class TestInpainting:
    """The pipeline knows networks of 4 and 9 channels, so that d has to be 4."""

    @pytest.mark.parametrize("in_channels", [4, 4 + 4 + 1])
    def test_with_either_kind_of_network(self, in_channels):
        vae, unet = make("trunk", d=4), network(in_channels, 4)
        made = pipeline("StableDiffusionInpaintPipeline", vae=vae, unet=unet)
        given = {"image": picture(), "mask_image": mask(), "height": 32, "width": 32}
        found = run(made, **given)
        assert found.shape == (1, 3, 32, 32)
        assert torch.equal(run(made, **given), found)
        some = run(made, **given, strength=0.5)
        assert not torch.equal(some, found)

    def test_what_is_not_masked_is_what_the_model_makes_of_the_image(self):
        vae, unet = make("path", d=4), network(4, 4)
        made = pipeline("StableDiffusionInpaintPipeline", vae=vae, unet=unet)
        found = run(made, image=picture(), mask_image=mask(), height=32, width=32)
        with torch.no_grad():
            kept = (vae.decode(vae.encode(picture() * 2 - 1).latents).sample / 2 + 0.5).clamp(0, 1)
        torch.testing.assert_close(found[..., 16:], kept[..., 16:])

    def test_other_latents_are_refused_by_the_pipeline_in_one_line(self):
        made = pipeline("StableDiffusionInpaintPipeline", 17)
        with pytest.raises(ValueError, match="should have either 4 or 9 input channels, not 17"):
            run(made, image=picture(), mask_image=mask(), height=32, width=32)


class TestInstructPix2Pix:
    @pytest.mark.parametrize("form", ["trunk", "path"])
    def test_an_image_is_edited(self, form):
        made = pipeline("StableDiffusionInstructPix2PixPipeline", 16, form)
        found = run(made, image=picture(), image_guidance_scale=1.5)
        assert found.shape == (1, 3, 32, 32)

    def test_without_guidance(self):
        made = pipeline("StableDiffusionInstructPix2PixPipeline", 16)
        assert run(made, image=picture(), guidance_scale=0.5).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(("F", "size"), [(8, 200), (16, 200)])
def test_what_a_pipeline_rounds_down_before_the_model_is_asked(F, size):
    """docs/dropin.md says so: of a text-to-image pipeline the model sees latents alone."""
    made = pipeline("StableDiffusionPipeline", vae=make("path", patch=F))
    assert made.vae_scale_factor == F
    assert run(made, height=size, width=size).shape[2:] == (size // F * F, size // F * F)
    made = pipeline("StableDiffusionImg2ImgPipeline", vae=make("path", patch=F))
    assert run(made, image=picture(size, size)).shape[2:] == (size // F * F, size // F * F)
