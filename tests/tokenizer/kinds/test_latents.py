"""Latents of each kind of tokenizer, and what a KL autoencoder is regularised with: written out by hand."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderTiny

from pqgan.settings import KLConfig, VQGANConfig
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import wrap
from pqgan.tokenizer.step import Generator


@pytest.fixture
def make(plain):
    """(configuration, reading's normalisation) -> a model whose latents are spread out."""

    def make(name: str, normalisation: str = "minus_one_one"):
        section = plain.scale.tokenizer
        data = plain.reading.data.model_copy(update={"normalisation": normalisation})
        reading = plain.reading.model_copy(update={"data": data})
        config = section.configs[name]
        return build(config, section.trunks[config.F], reading, seed=5).eval()

    return make


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("normalisation", ["minus_one_one", "imagenet"])
@torch.no_grad()
def test_z_e_is_the_projection_and_z_q_its_nearest_codewords(make, images, normalisation):
    model = make("f8-d16-S8-K64", normalisation)
    seen = images
    if normalisation == "imagenet":
        mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (mean, std))
        seen = ((images + 1) / 2 - mean) / std
    z_e = model.quant_conv(model.encoder(seen))  # (2, 16, 8, 4)
    z_q = torch.empty_like(z_e)
    for subspace in range(8):
        channels = slice(2 * subspace, 2 * subspace + 2)
        words = model.quantiser.codebooks[subspace]  # (64, 2)
        nearest = torch.cdist(z_e[:, channels].movedim(1, -1).reshape(-1, 2).double(), words.double()).argmin(1)
        z_q[:, channels] = words[nearest].view(2, 8, 4, 2).movedim(-1, 1)
    tokenizer = wrap(model)
    torch.testing.assert_close(tokenizer.encode(images, "z_e"), z_e, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(tokenizer.encode(images, "z_q"), z_q)
    assert torch.equal(tokenizer.encode(images), tokenizer.encode(images, "z_q"))
    assert (z_e - z_q).abs().max() > 0.01
    sample = model.decoder(model.post_quant_conv(z_q))
    if normalisation == "imagenet":
        sample = (sample * std + mean) * 2 - 1
    torch.testing.assert_close(tokenizer.decode(z_q), sample, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_vqgan_s_latents_are_those_before_and_after_its_codebook(make, images):
    model = make("vqgan-f16-d32-K128")
    z_e = model.quant_conv(model.encoder(images))  # (2, 32, 4, 2)
    words = model.quantize.embedding.weight
    nearest = torch.cdist(z_e.movedim(1, -1).reshape(-1, 32).double(), words.double()).argmin(1)
    z_q = words[nearest].view(2, 4, 2, 32).movedim(-1, 1)
    tokenizer = wrap(model)
    torch.testing.assert_close(tokenizer.encode(images, "z_e"), z_e)
    torch.testing.assert_close(tokenizer.encode(images, "z_q"), z_q)
    assert (z_e - z_q).abs().max() > 0.01


@torch.no_grad()
def test_kl_latents_are_the_mean_of_the_posterior(make, images):
    model = make("kl-f8-d4")
    mean = model.quant_conv(model.encoder(images))[:, :4]
    for latent in ("z_q", "z_e"):
        torch.testing.assert_close(wrap(model).encode(images, latent), mean)


@torch.no_grad()
def test_tiny_latents_are_bytes_and_unrounded_ones(images):
    torch.manual_seed(0)
    shape = {"encoder_block_out_channels": (16, 16, 16), "decoder_block_out_channels": (16, 16, 16)}
    blocks = {"num_encoder_blocks": (1, 1, 1), "num_decoder_blocks": (1, 1, 1)}
    tokenizer = wrap(AutoencoderTiny(**shape, **blocks, latent_channels=4))
    z_e = tokenizer.model.encoder(images)
    torch.testing.assert_close(tokenizer.encode(images, "z_e"), z_e)
    # 3 is the class's latent_magnitude, 0.5 its latent_shift
    stored = (((z_e / 6 + 0.5).clamp(0, 1) * 255).round() / 255 - 0.5) * 6
    torch.testing.assert_close(tokenizer.encode(images, "z_q"), stored)
    assert (z_e - stored).abs().max() > 1e-4


@torch.no_grad()
def test_a_kl_autoencoder_pays_its_weight_times_the_divergence_a_value(make, images):
    model = make("kl-f8-d4").train()
    # wide and off zero, so that each part of the divergence counts
    model.quant_conv.bias[:4] += 1.5
    model.quant_conv.bias[4:] -= 1.0
    generator = Generator(model, KLConfig(kind="kl", F=8, d=4, kl_weight=0.25))
    assert generator.noise_shape(images) == (2, 4, 8, 4)
    noise = torch.randn(2, 4, 8, 4, generator=torch.Generator().manual_seed(1))
    sample, regulariser, _ = generator(images, noise)
    mean, logvar = model.quant_conv(model.encoder(images)).double().split(4, dim=1)
    divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar)
    expected = 0.25 * divergence.sum(dim=(1, 2, 3)).mean() / (3 * 64 * 32)
    assert regulariser.item() == pytest.approx(expected.item(), rel=1e-5)
    drawn = mean + (logvar / 2).exp() * noise
    decoded = model.decoder(model.post_quant_conv(drawn.float()))
    torch.testing.assert_close(sample, decoded, rtol=1e-4, atol=1e-5)


def test_the_step_s_kl_weight_is_its_configuration_s(make_step, batch):
    """Of a training as it is assembled: 1e-6, the class's own, on the divergence of the first update."""
    parts = make_step("kl-f8-d4", start=1000)
    model = parts.generator.model
    with torch.no_grad():
        mean, logvar = model.quant_conv(model.encoder(batch.images)).double().split(4, dim=1)
    divergence = (0.5 * (mean**2 + logvar.exp() - 1 - logvar)).sum(dim=(1, 2, 3)).mean()
    losses = parts.update(0, SimpleNamespace(images=batch.images))
    assert losses["regulariser"].item() == pytest.approx(1e-6 * divergence.item() / (3 * 64 * 64), rel=1e-4)


def test_vqgan_pays_for_codewords_and_latents_that_lie_apart(make, images):
    """Both terms of VQ-VAE, a quarter on the codewords' as taming-transformers has it: value and gradients."""
    model = make("vqgan-f16-d32-K128").train()
    with torch.no_grad():
        model.quantize.embedding.weight.normal_(generator=torch.Generator().manual_seed(0))
    sample, regulariser, _ = Generator(model, VQGANConfig(kind="vqgan", F=16, d=32, K=128))(images, None)
    z_e = model.quant_conv(model.encoder(images))
    words = model.quantize.embedding.weight
    nearest = torch.cdist(z_e.movedim(1, -1).reshape(-1, 32), words).argmin(1)
    z_q = words[nearest].view(2, 4, 2, 32).movedim(-1, 1)
    expected = (z_q.detach() - z_e).square().mean() + 0.25 * (z_q - z_e.detach()).square().mean()
    assert regulariser.item() == pytest.approx(expected.item(), rel=1e-5)
    weights = [words, model.quant_conv.weight]
    pairs = (torch.autograd.grad(loss, weights) for loss in (regulariser, expected))
    for found, hand in zip(*pairs, strict=True):
        torch.testing.assert_close(found, hand, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(sample, model.decoder(model.post_quant_conv(z_q)), rtol=1e-4, atol=1e-5)
