"""`pqgan cost --count`: operations of a scale's jobs, counted on the real networks and steps without computing them."""

import sys
from collections import defaultdict
from collections.abc import Callable
from math import gcd
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from pqgan.data.batches import Batch
from pqgan.diffusion.surgery import freeze_all_but_new
from pqgan.diffusion.unet import build_unet
from pqgan.engine.flops import Flops
from pqgan.engine.launch import make_fabric
from pqgan.evaluate.networks.clip import Clip
from pqgan.evaluate.networks.inception import Inception
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.settings.configurations import BY_KIND
from pqgan.settings.diffusion import UNetShape
from pqgan.settings.evaluation import Features, HubClip
from pqgan.settings.hardware import Hardware
from pqgan.settings.tokenizer import Discriminator
from pqgan.settings.trunk import Trunk
from pqgan.storage.outputs import check_file
from pqgan.tokenizer.build import build
from pqgan.tokenizer.discriminator import PatchGAN
from pqgan.tokenizer.kinds import Tokenizer
from pqgan.tokenizer.load import wrap
from pqgan.tokenizer.perceptual import Perceptual
from pqgan.tokenizer.step import Generator, TokenizerStep

from .job_operations import tasks
from .network_passes import FILE, TOKENS, Wanted, Work, holds_counts, write


def run(plan: Plan, file: Path | None = None) -> None:
    """Count all that a scale computes, and keep it in a file.

    Args:
        file: a .json file, which is replaced; the package's own where None.
    """
    check_file(file or FILE, holds_counts, "a file of counts", option="--operations")
    wanted = Wanted()
    tasks(plan, wanted, defaultdict(int))
    bar = tqdm(wanted.works.values(), "counting", disable=not sys.stderr.isatty())
    write(file or FILE, [count(plan.settings, work) for work in bar])


def count(settings: Settings, work: Work) -> dict[str, Any]:
    """A piece of work, its operations and parameters.

    Tensors have shapes and no content, so this needs neither a GPU nor the memory of the networks.

    Args:
        settings: of the scale, for what shapes do not depend on.
        work: from `pqgan.cost.network_passes`.
    """
    learns = work.get("does", "").startswith("train")
    with FakeTensorMode(allow_non_fake_inputs=True), torch.set_grad_enabled(learns):
        networks, step = COUNTED[work["network"]](settings, work)
        # attention as matrix products, the same on every device
        with sdpa_kernel(SDPBackend.MATH), Flops() as flops:
            step()
    return {"work": work, "operations": flops.total, "parameters": sum(map(_parameters, networks))}


def _parameters(network: nn.Module) -> int:
    """Without codewords, whose number is not part of the work."""
    quantisers = ("quantiser.", "quantize.")  # PQModel's, VQModel's
    return sum(value.numel() for name, value in network.named_parameters() if not any(q in name for q in quantisers))


class _Bare(nn.Module):
    """What Fabric makes of a module on one device."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *inputs):
        return self.module(*inputs)


Step = Callable[[], object]


def _tokenizer(settings: Settings, work: Work) -> tuple[list[nn.Module], Step]:
    trunk, side = Trunk.model_validate(work["trunk"]), work["resolution"]
    config = BY_KIND[work["kind"]].smallest(trunk.factor, work["d"])
    model = build(config, trunk, settings.reading, seed=0)
    if work["does"] == "train":
        return _tokenizer_update(settings, work, Generator(model.train(), config), side)
    return [model], _pass(wrap(model.eval().requires_grad_(False)), work)


def _pass(tokenizer: Tokenizer, work: Work) -> Step:
    """Encoder or decoder; the search for codewords is known without counting, and wants values."""
    side = work["resolution"]
    if work["does"] == "encode":
        images = torch.zeros(1, 3, side, side)
        return lambda: tokenizer.encode(images, "z_e")
    latents = torch.zeros(1, tokenizer.channels, side // tokenizer.factor, side // tokenizer.factor)
    return lambda: tokenizer.decode_unquantised(latents)


def _tokenizer_update(settings: Settings, work: Work, generator: nn.Module, side: int) -> tuple[list[nn.Module], Step]:
    shape = Discriminator.model_validate(work["discriminator"])
    discriminator = PatchGAN(shape.channels, shape.layers).train()
    step = TokenizerStep(
        make_fabric(_here(settings), "32-true"),
        _Bare(generator),
        _Bare(discriminator),
        _lpips(settings, work["perceptual"]),
        perceptual_weight=1.0,
        discriminator_weight=1.0,
        discriminator_start=1,
        seed=0,
    )
    batch = Batch(torch.zeros(1, 3, side, side), torch.full((1,), -1), [""])

    def update() -> None:
        for part in step(0, batch):
            part.loss.backward()

    return [generator, discriminator], update


def _vae(settings: Settings, work: Work) -> tuple[list[nn.Module], Step]:
    from diffusers import AutoencoderKL

    levels = len(work["channels"])
    model = AutoencoderKL(
        block_out_channels=work["channels"],
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=work["layers"],
        latent_channels=4,
        norm_num_groups=gcd(32, *work["channels"]),
    )
    return [model], _pass(wrap(model.eval()), work)


def _unet(settings: Settings, work: Work) -> tuple[list[nn.Module], Step]:
    shape, d, side = UNetShape.model_validate(work["shape"]), work["d"], work["side"]
    model = build_unet(shape, d, side)
    if work["does"] == "train-ends":
        freeze_all_but_new(model)
    inputs = (
        torch.zeros(1, d, side, side),
        torch.zeros(1, dtype=torch.long),
        torch.zeros(1, work["tokens"], shape.context),
    )

    def step() -> None:
        predicted = model(*inputs).sample
        if work["does"] != "predict":
            predicted.sum().backward()

    return [model], step


def _text(settings: Settings, work: Work) -> tuple[list[nn.Module], Step]:
    from transformers import CLIPTextConfig, CLIPTextModel

    width = work["width"]
    model = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=work["layers"],
            num_attention_heads=work["heads"],
            max_position_embeddings=TOKENS,
        )
    )
    return [model], lambda: model(torch.zeros(1, TOKENS, dtype=torch.long))


def _features(settings: Settings, work: Work) -> tuple[list[nn.Module], Step]:
    clip = work["clip"]
    if clip["source"] == "hub":
        clip = HubClip.model_validate({**clip, "revision": ""}).shape.model_dump()
    section = settings.scale.evaluation.features.model_dump()
    section |= {"weights": "random", "fid_input": work["inception"], "clip": clip}
    chosen = Features.model_validate(section)
    with unset_fake_temporarily():  # they are laid out and read from files as they are built
        inception, seeing = Inception(chosen), Clip(chosen)
    lpips = [_lpips(settings, net) for net in work["lpips"]]
    images = torch.zeros(1, 3, work["resolution"], work["resolution"])

    def step() -> None:
        for network in (inception, seeing) * 2:  # each sees an image by both of its resizes
            network.network(torch.zeros(1, 3, network.side, network.side))
        for network in lpips:
            network(images, images)

    return [inception, seeing, *lpips], step


def _lpips(settings: Settings, net: str) -> nn.Module:
    with unset_fake_temporarily():
        return Perceptual(settings.scale.evaluation.features.model_copy(update={"weights": "random"}), net)


def _here(settings: Settings) -> Hardware:
    changed = {"accelerator": "cpu", "cpus": 1, "compile": False, "channels_last": False}
    return settings.scale.hardware.model_copy(update=changed)


COUNTED = {"tokenizer": _tokenizer, "vae": _vae, "unet": _unet, "text": _text, "features": _features}
"""Network of a piece of work -> what builds it: modules whose parameters count, and what is to be run."""
