"""One picture of each prompt at each size: the pipeline's call, and what it amounts to, written out by hand."""

import hashlib

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel
from whole_plan import whole_plan

from pqgan.diffusion import sample
from pqgan.diffusion.backbone import byte_tokenizer
from pqgan.diffusion.surgery import widen
from pqgan.settings import Settings
from pqgan.tokenizer.load import load_model

PROMPTS = ["a photo of a cat", "a cup", "galaxies in deep space"]
SIZES = [(64, 64), (32, 96)]
SEED, STEPS, GUIDANCE = 5, 4, 3.5


@pytest.fixture(scope="module")
def settings(tiny) -> Settings:
    raw = tiny.model_dump()
    raw["scale"]["seed"] = SEED
    raw["scale"]["adapt"]["prompts"] = PROMPTS
    raw["scale"]["adapt"]["variants"]["PQSD-Precise"]["samples"] = SIZES
    raw["reading"]["adaptation"] |= {"sampler_steps": STEPS, "guidance": GUIDANCE}
    return Settings.model_validate(raw)


@pytest.fixture(scope="module")
def unet_folder(backbone_folder, tmp_path_factory):
    """A widened U-Net that looks at its prompt: the seeded one hardly does."""
    folder = tmp_path_factory.mktemp("widened")
    unet = widen(UNet2DConditionModel.from_pretrained(backbone_folder, subfolder="unet"), 8)
    for name, weight in unet.named_parameters():
        if "attn2.to_v" in name or "attn2.to_out.0.weight" in name:
            weight.data.mul_(8)
    unet.save_pretrained(folder / "unet")
    return folder


@pytest.fixture
def folders(unet_folder, backbone_folder, tokenizers):
    return {"unet": unet_folder, "backbone": backbone_folder, "tokenizer": tokenizers[8]}


def noise_of(index: int, height: int, width: int) -> torch.Generator:
    """Of the prompt's number, the size and the run's seed alone."""
    digest = hashlib.sha256(f"{SEED}/{index}/prompts at {height} x {width}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def test_each_prompt_is_one_call_of_the_library_s_pipeline(settings, folders, tmp_path, monkeypatch):
    calls, real = [], StableDiffusionPipeline.__call__

    def call(self, *arguments, **named):
        calls.append((arguments, {**named, "generator": named["generator"].get_state()}))
        return real(self, *arguments, **named)

    monkeypatch.setattr(StableDiffusionPipeline, "__call__", call)
    sample.run(settings, whole_plan(settings).job("samples", "PQSD-Precise"), **folders, out=tmp_path / "out")
    assert [arguments for arguments, _ in calls] == [(prompt,) for _ in SIZES for prompt in PROMPTS]
    for number, (_, named) in enumerate(calls):
        height, width = SIZES[number // len(PROMPTS)]
        noise = noise_of(number % len(PROMPTS), height, width)
        assert torch.equal(named.pop("generator"), noise.get_state())
        assert named == {
            "height": height,
            "width": width,
            "num_inference_steps": STEPS,
            "guidance_scale": GUIDANCE,
            "eta": 0.0,
            "output_type": "latent",
        }


@torch.no_grad()
def by_hand(folders, index: int, height: int, width: int) -> np.ndarray:
    """DDIM (Song et al. 2020, eq. 12, sigma 0) on v = sqrt(a) noise - sqrt(1 - a) x, with classifier-free guidance."""
    encoder = CLIPTextModel.from_pretrained(folders["backbone"], subfolder="text_encoder").eval()
    unet = UNet2DConditionModel.from_pretrained(folders["unet"], subfolder="unet").eval()
    model = load_model(folders["tokenizer"]).eval()
    texts = byte_tokenizer()(["", PROMPTS[index]], padding="max_length", max_length=77, return_tensors="pt")
    nothing, prompt = (encoder(ids[None])[0] for ids in texts.input_ids)
    alphas = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
    x = torch.randn(1, 8, height // 8, width // 8, generator=noise_of(index, height, width))
    # 1000 / 4 apart, offset by one
    for now, then in ((751, 501), (501, 251), (251, 1), (1, 0)):
        plain, told = (unet(x, now, context).sample.double() for context in (nothing, prompt))
        v = plain + GUIDANCE * (told - plain)
        a, s = alphas[now].sqrt(), (1 - alphas[now]).sqrt()
        clean, noise = a * x - s * v, a * v + s * x
        x = (alphas[then].sqrt() * clean + (1 - alphas[then]).sqrt() * noise).float()
    z = x / (16 * 3**0.5)  # the scaling factor of the fixture's tokenizer
    z_q = torch.empty_like(z)
    for subspace, words in enumerate(model.quantiser.codebooks):
        channels = slice(2 * subspace, 2 * subspace + 2)
        flat = z[:, channels].movedim(1, -1)
        nearest = torch.cdist(flat.reshape(-1, 2).double(), words.double()).argmin(1)
        z_q[:, channels] = words[nearest].view(flat.shape).movedim(-1, 1)
    image = model.decoder(model.post_quant_conv(z_q))[0].clamp(-1, 1)
    return ((image + 1) * 127.5).permute(1, 2, 0).numpy()


def test_a_picture_is_the_sampler_written_out_by_hand(settings, folders, tmp_path):
    sample.run(settings, whole_plan(settings).job("samples", "PQSD-Precise"), **folders, out=tmp_path / "out")
    found = [np.asarray(Image.open(tmp_path / "out" / f"{number}.png")).astype(float) for number in range(6)]
    expected = [by_hand(folders, index, *size) for size in SIZES for index in range(3)]
    for picture, hand in zip(found, expected, strict=True):
        # a code may flip where two words are as near, so that a few pixels differ
        assert np.quantile(np.abs(picture - hand), 0.9) <= 1.0
    # and the pictures are further apart than that
    for one, other in ((0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)):
        assert np.quantile(np.abs(found[one] - expected[other]), 0.9) > 2.0


def test_an_untrained_pipeline_is_widened_as_the_reading_says(tiny):
    """What a bench times where nothing is trained yet: the reading's widening, the scale's seed and trunk."""
    adaptation = tiny.reading.adaptation.model_copy(update={"widening": "tile"})
    plain = tiny.model_copy(update={"reading": tiny.reading.model_copy(update={"adaptation": adaptation})})
    expected = tiny.expected(8)
    one, other, own = (
        sample.untrained_pipeline(settings, factor) for settings, factor in ((tiny, 8), (plain, 8), (tiny, None))
    )
    assert one.unet.config.in_channels == one.vae.config.d == expected.d
    factor = (4 / expected.d) ** 0.5
    torch.testing.assert_close(one.unet.conv_in.weight, other.unet.conv_in.weight * factor)
    torch.testing.assert_close(other.unet.conv_in.weight[:, :4], own.unet.conv_in.weight)
    assert own.vae.config.latent_channels == own.unet.config.in_channels == 4
