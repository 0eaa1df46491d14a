"""The Stable Diffusion that is adapted: a published one, or one of the same classes with seeded weights."""

from math import gcd
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pqgan.errors import ResourceError, SettingsError
from pqgan.job import Job
from pqgan.provenance import write_provenance
from pqgan.randomness import seeded
from pqgan.settings import Settings
from pqgan.settings.diffusion import HubBackbone, SeededBackbone
from pqgan.storage.outputs import new_result

from .pipeline_parts import load_network, load_part
from .schedule import noise_schedule
from .unet import build_unet

CONTEXT_LENGTH = 77
START, END = "<|startoftext|>", "<|endoftext|>"


def run(settings: Settings, job: Job, *, out: Path) -> None:
    """Write a Stable Diffusion as a diffusers pipeline folder.

    Args:
        job: of chapter backbone.
        out: model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/.

    Raises:
        ResourceError: a published model that is neither cached nor to be downloaded.
    """
    section = settings.scale.adapt.backbone
    parts = fetch(section) if isinstance(section, HubBackbone) else create(section, settings.scale.seed)
    pipeline = assembled(**parts)
    with new_result(out, job.chapter) as folder:
        pipeline.save_pretrained(folder, safe_serialization=True)
        write_provenance(folder, job)


def assembled(**parts: Any) -> StableDiffusionPipeline:
    """A pipeline of a U-Net, VAE, text encoder, tokenizer and scheduler, without safety checker."""
    return StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def fetch(section: HubBackbone) -> dict:
    """The parts of a published Stable Diffusion, in fp32, from safetensors only."""
    try:
        folder = StableDiffusionPipeline.download(section.model, revision=section.revision, use_safetensors=True)
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        reason = str(error).strip().split("\n")[0].split(" (")[0]
        raise ResourceError(
            f"adapt.backbone: {section.model} at {section.revision} is not in the Hugging Face cache and cannot be "
            f"downloaded: {reason}; on a machine with a network run `hf download {section.model} --revision "
            f"{section.revision}` and point HF_HOME at its cache, or set adapt.backbone.source to seeded"
        ) from None
    folder = Path(folder)
    return {
        "unet": load_network(UNet2DConditionModel, folder, "unet", surplus=True),
        "vae": load_network(AutoencoderKL, folder, "vae", surplus=True),
        "text_encoder": load_network(CLIPTextModel, folder, "text_encoder", surplus=True),
        "tokenizer": load_part(CLIPTokenizer, folder, "tokenizer"),
        # whatever sampler was published, its noise schedule and prediction type are kept
        "scheduler": load_part(DDIMScheduler, folder, "scheduler"),
    }


def create(section: SeededBackbone, seed: int) -> dict:
    """The parts of a Stable Diffusion 2.1 of any size: its classes and noise schedule, seeded weights."""
    shape = section.unet
    if section.text_channels != shape.context:
        raise SettingsError(
            f"adapt.backbone.text_channels: got {section.text_channels}; "
            f"allowed: {shape.context}, the U-Net's context, which it feeds"
        )
    if section.text_channels % shape.head_channels:
        raise SettingsError(
            f"adapt.backbone.text_channels: got {section.text_channels}; "
            f"allowed: a multiple of unet.head_channels, {shape.head_channels}"
        )
    tokenizer = byte_tokenizer()
    if section.text_words < len(tokenizer):
        raise SettingsError(
            f"adapt.backbone.text_words: got {section.text_words}; allowed: from {len(tokenizer)}, the tokenizer's"
        )
    with seeded(seed, "backbone unet weights"):
        unet = build_unet(shape, 4, section.sample_size)
    with seeded(seed, "backbone text weights"):
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=section.text_words,
                hidden_size=section.text_channels,
                intermediate_size=4 * section.text_channels,
                num_hidden_layers=section.text_layers,
                num_attention_heads=section.text_channels // shape.head_channels,
                max_position_embeddings=CONTEXT_LENGTH,
                hidden_act="gelu",
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
    levels = len(section.vae_channels)
    with seeded(seed, "backbone vae weights"):
        vae = AutoencoderKL(
            block_out_channels=section.vae_channels,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            layers_per_block=section.vae_layers,
            latent_channels=4,
            norm_num_groups=gcd(32, *section.vae_channels),
        )
    return {
        "unet": unet,
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "scheduler": noise_schedule(0.00085, 0.012, section.prediction_type),
    }


def byte_tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer with a vocabulary of bytes and no merges: no file needed, every text has tokens of its own."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), START, END]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=CONTEXT_LENGTH)
