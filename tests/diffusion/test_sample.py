import json

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from pqgan.diffusion import adapt, ldm, sample
from pqgan.errors import DataError, NumericalError, SettingsError
from pqgan.randomness import generator_at
from pqgan.tokenizer.load import load_tokenizer

NAMES = {8: "PQSD-Precise", 16: "PQSD-Quick"}


@pytest.fixture(scope="module")
def adapted(tiny, plan, backbone_folder, tokenizers, captioned, tmp_path_factory):
    """Folders of stage 1 of each variant, by F."""
    work = tmp_path_factory.mktemp("sample")
    for factor, name in NAMES.items():
        adapt.adapt(
            tiny,
            plan.job("adapt", f"{name}-stage1"),
            unet=backbone_folder,
            backbone=backbone_folder,
            tokenizer=tokenizers[factor],
            data=captioned,
            run=work / f"{factor}-run",
            out=work / str(factor),
        )
    return {factor: work / str(factor) for factor in NAMES}


@pytest.fixture(scope="module")
def model(tiny, plan, tokenizers, classed, tmp_path_factory):
    work = tmp_path_factory.mktemp("sample")
    given = {"tokenizer": tokenizers[8], "data": classed, "run": work / "run", "out": work / "ldm"}
    ldm.train_ldm(tiny, plan.job("ldm", "pqgan-f8"), **given)
    return work / "ldm"


def with_size(settings, name, size):
    variants = dict(settings.scale.adapt.variants)
    variants[name] = variants[name].model_copy(update={"sample_size": size})
    section = settings.scale.adapt.model_copy(update={"variants": variants})
    return settings.model_copy(update={"scale": settings.scale.model_copy(update={"adapt": section})})


@pytest.mark.parametrize("factor", [8, 16])
def test_every_prompt_is_sampled_at_the_size_asked_for(
    tiny, plan, backbone_folder, tokenizers, adapted, factor, tmp_path
):
    given = {"unet": adapted[factor], "backbone": backbone_folder, "tokenizer": tokenizers[factor]}
    job = plan.job("samples", NAMES[factor])
    for name in ("one", "two"):
        sample.run(tiny, job, **given, out=tmp_path / name)
    images = [np.asarray(Image.open(tmp_path / "one" / f"{index}.png")) for index in range(2)]
    assert [image.shape for image in images] == [(64, 64, 3)] * 2
    assert images[0].std() > 0
    assert not np.array_equal(*images)
    assert np.array_equal(images[1], np.asarray(Image.open(tmp_path / "two" / "1.png")))
    record = json.loads((tmp_path / "one" / "samples.json").read_text())
    assert record == {
        "prompts": ["a photo of a cat", "a cup"],
        "size": 64,
        "steps": 2,
        "guidance": 7.5,
        "eta": 0.0,
        "seed": 0,
        "latent_size": 64 // factor,
        "F": factor,
    }
    assert (tmp_path / "one" / "provenance.json").exists()


def test_size_that_does_not_divide_is_refused(tiny, plan, backbone_folder, tokenizers, adapted, tmp_path):
    given = {"unet": adapted[16], "backbone": backbone_folder, "tokenizer": tokenizers[16]}
    settings = with_size(tiny, "PQSD-Quick", 48)
    with pytest.raises(SettingsError, match=r"PQSD-Quick\.sample_size: got 48; allowed: multiples of 32"):
        sample.run(settings, plan.job("samples", "PQSD-Quick"), **given, out=tmp_path / "out")


def test_image_that_is_not_finite_is_refused(tiny, plan, backbone_folder, tokenizers, adapted, tmp_path, monkeypatch):
    real = sample.load_pipeline

    def broken(*folders):
        pipeline = real(*folders)
        torch.nn.init.constant_(pipeline.unet.conv_out.bias, float("nan"))
        return pipeline

    monkeypatch.setattr(sample, "load_pipeline", broken)
    given = {"unet": adapted[8], "backbone": backbone_folder, "tokenizer": tokenizers[8]}
    with pytest.raises(NumericalError, match="sample 0 is not finite"):
        sample.run(tiny, plan.job("samples", "PQSD-Precise"), **given, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unadapted_backbone_keeps_its_own_parts(backbone_folder):
    pipeline = sample.load_pipeline(None, backbone_folder, None)
    assert isinstance(pipeline.vae, AutoencoderKL)
    assert pipeline.unet.config.in_channels == 4
    assert pipeline.vae_scale_factor == 8


def test_tokenizer_of_another_unet_is_refused(backbone_folder, tokenizers):
    with pytest.raises(DataError, match="has 4 latent channels, but the tokenizer has 8"):
        sample.load_pipeline(None, backbone_folder, tokenizers[8])


def draw(model, tokenizer, labels, **options):
    options = {"steps": 2, "eta": 1.0, "seed": 0, "device": "cpu", "batch": 3, **options}
    return list(sample.sample_classes(model, load_tokenizer(tokenizer), labels, **options))


def test_class_samples_do_not_depend_on_the_batch(model, tokenizers):
    threes, ones = (draw(model, tokenizers[8], [0, 1, 2, 5], batch=batch) for batch in (3, 1))
    assert [len(images) for images in threes] == [3, 1]
    together = torch.cat(threes)
    assert together.shape == (4, 3, 32, 32)
    assert together.abs().max() <= 1
    torch.testing.assert_close(together, torch.cat(ones), rtol=1e-4, atol=1e-4)


def test_class_samples_of_a_later_process_are_those_of_one(model, tokenizers):
    """In the same batches, to the bit: labels and noise go by the number of the sample."""
    labels = [0, 1, 2, 5, 3]
    alone = torch.cat(draw(model, tokenizers[8], labels, batch=2))
    shares = [draw(model, tokenizers[8], labels[a:b], batch=2, first=a) for a, b in ((0, 2), (2, 4), (4, 5))]
    assert torch.equal(alone, torch.cat([images for share in shares for images in share]))
    other = torch.cat(draw(model, tokenizers[8], labels[2:], batch=2))
    assert not torch.equal(alone[2:], other)


def test_class_samples_depend_on_seed_and_eta(model, tokenizers):
    first, again, other, still = (
        draw(model, tokenizers[8], [0], **options)[0] for options in ({}, {}, {"seed": 1}, {"eta": 0.0})
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, still)


def test_class_sample_is_ddim_written_out_by_hand(model, tokenizers):
    """Song et al. 2020, eq. 12 with sigma 0, from timesteps 751, 501, 251, 1 to 0 (latent diffusion's spacing)."""
    unet = sample.load_network(sample.UNet2DConditionModel, model, "unet")
    embedding = sample.load_network(ldm.ClassEmbedding, model, "class_embedding")
    tokenizer = load_tokenizer(tokenizers[8])
    betas = torch.linspace(0.0015**0.5, 0.0195**0.5, 1000, dtype=torch.float64) ** 2
    alphas = (1 - betas).cumprod(0)
    x = torch.randn(1, 8, 4, 4, generator=generator_at(0, 0, "samples"))
    with torch.no_grad():
        context = embedding(torch.tensor([4]))
        for now, then in ((751, 501), (501, 251), (251, 1), (1, 0)):
            noise = unet(x, now, context).sample.double()
            clean = (x.double() - (1 - alphas[now]).sqrt() * noise) / alphas[now].sqrt()
            x = (alphas[then].sqrt() * clean + (1 - alphas[then]).sqrt() * noise).float()
        expected = tokenizer.decode(x / tokenizer.scaling_factor).clamp(-1, 1)
    found = draw(model, tokenizers[8], [4], steps=4, eta=0.0)[0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("labels", [[6], [-1]])
def test_label_that_is_no_class_is_refused(model, tokenizers, labels):
    with pytest.raises(DataError, match="expected 0 to 5"):
        draw(model, tokenizers[8], labels)


def test_class_model_refuses_another_tokenizer(model, backbone_folder):
    with pytest.raises(DataError, match="has 8 latent channels, but the tokenizer has 4"):
        draw(model, backbone_folder / "vae", [0])


def test_class_sample_that_is_not_finite_is_refused(model, tokenizers, monkeypatch):
    real = sample.load_network

    def broken(cls, *where):
        network = real(cls, *where)
        if cls is ldm.ClassEmbedding:
            network.embedding.weight.data[2] = float("nan")
        return network

    monkeypatch.setattr(sample, "load_network", broken)
    with pytest.raises(NumericalError, match="sample 4 is not finite"):
        draw(model, tokenizers[8], [0, 1, 3, 4, 2])
    with pytest.raises(NumericalError, match="sample 104 is not finite"):
        draw(model, tokenizers[8], [0, 1, 3, 4, 2], first=100)
