import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from pqgan.diffusion import adapt, ldm, sample
from pqgan.diffusion.sampled import Sampled
from pqgan.errors import DataError, NumericalError, SettingsError
from pqgan.randomness import generator_at
from pqgan.storage.json_files import read_model
from pqgan.tokenizer.load import load_tokenizer

NAMES = {8: "PQSD-Precise", 16: "PQSD-Quick"}
HOW = {"steps": 2, "eta": 0.0, "seed": 0, "device": "cpu", "batch": 1}
"""Of a model from scratch."""


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


def with_sizes(settings, name, *sizes):
    variants = dict(settings.scale.adapt.variants)
    variants[name] = variants[name].model_copy(update={"samples": sizes})
    section = settings.scale.adapt.model_copy(update={"variants": variants})
    return settings.model_copy(update={"scale": settings.scale.model_copy(update={"adapt": section})})


def pictures(folder):
    return [np.asarray(Image.open(folder / f"{number}.png")) for number in range(len([*folder.glob("*.png")]))]


@pytest.mark.parametrize("factor", [8, 16])
def test_every_prompt_is_sampled_at_every_size(tiny, plan, backbone_folder, tokenizers, adapted, factor, tmp_path):
    given = {"unet": adapted[factor], "backbone": backbone_folder, "tokenizer": tokenizers[factor]}
    sample.run(tiny, plan.job("samples", NAMES[factor]), **given, out=tmp_path / "out")
    images = pictures(tmp_path / "out")
    assert [image.shape for image in images] == [(64, 64, 3)] * 2 + [(32, 96, 3)] * 2
    assert all(image.std() > 0 for image in images)
    assert not np.array_equal(*images[:2])
    assert not np.array_equal(*images[2:])
    record = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert record == {
        "samples": [
            {"prompt": "a photo of a cat", "height": 64, "width": 64},
            {"prompt": "a cup", "height": 64, "width": 64},
            {"prompt": "a photo of a cat", "height": 32, "width": 96},
            {"prompt": "a cup", "height": 32, "width": 96},
        ],
        "steps": 2,
        "guidance": 7.5,
        "eta": 0.0,
        "seed": 0,
        "F": factor,
    }
    assert (tmp_path / "out" / "provenance.json").exists()
    again = read_model(tmp_path / "out" / "samples.json", Sampled, "samples")
    assert [one.size for one in again.samples] == [image.shape[:2] for image in images]
    assert again.model_dump(mode="json") == record


def test_a_picture_does_not_change_when_a_size_is_added(tiny, plan, backbone_folder, tokenizers, adapted, tmp_path):
    given = {"unet": adapted[8], "backbone": backbone_folder, "tokenizer": tokenizers[8]}
    job = plan.job("samples", "PQSD-Precise")
    for name, sizes in {"one": [(64, 64)], "more": [(32, 32), (64, 64), (64, 32)]}.items():
        sample.run(with_sizes(tiny, "PQSD-Precise", *sizes), job, **given, out=tmp_path / name)
    one, more = pictures(tmp_path / "one"), pictures(tmp_path / "more")
    assert [image.shape[:2] for image in more] == [(32, 32)] * 2 + [(64, 64)] * 2 + [(64, 32)] * 2
    assert len(one) == 2
    for image, same in zip(one, more[2:4], strict=True):
        assert np.array_equal(image, same)


@pytest.mark.parametrize("size", [(48, 64), (64, 48)])
def test_size_that_does_not_divide_is_refused(tiny, plan, backbone_folder, tokenizers, adapted, tmp_path, size):
    """The U-Net itself is asked: the shape of a published one may not be known when the settings are read."""
    given = {"unet": adapted[16], "backbone": backbone_folder, "tokenizer": tokenizers[16]}
    settings = with_sizes(tiny, "PQSD-Quick", (64, 64), size)
    with pytest.raises(SettingsError, match=r"PQSD-Quick\.samples: got 48; allowed: multiples of 32"):
        sample.run(settings, plan.job("samples", "PQSD-Quick"), **given, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


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


@pytest.fixture
def others(tokenizers, tmp_path):
    """Tokenizers of the same shapes: the same one saved anew, one of other weights, one that scales otherwise."""
    folders = {}
    for name in ("anew", "weights", "scaled"):
        network = load_tokenizer(tokenizers[8]).model
        if name == "weights":
            with torch.no_grad():
                network.quantiser.codebooks[0, 0, 0] += 1
        elif name == "scaled":
            network.register_to_config(scaling_factor=2 * network.config.scaling_factor)
        folders[name] = tmp_path / f"tokenizer-{name}"
        network.save_pretrained(folders[name])
    return folders


WRONG = {
    "weights": "was trained with the tokenizer [0-9a-f]{12}, but the one that was given is [0-9a-f]{12}; give the",
    "scaled": r"was trained with latents scaled by [\d.]+, not by [\d.]+ as this tokenizer's are; give the tokenizer",
}


@pytest.mark.parametrize("name", WRONG)
def test_only_the_tokenizer_that_a_unet_was_trained_with_decodes_for_it(
    tiny, plan, backbone_folder, adapted, model, others, captioned, tmp_path, name
):
    with pytest.raises(DataError, match=WRONG[name]):
        sample.load_pipeline(adapted[8], backbone_folder, others[name])
    with pytest.raises(DataError, match=WRONG[name]):
        next(sample.sample_classes(model, load_tokenizer(others[name]), [0], **HOW))
    given = {"unet": adapted[8], "backbone": backbone_folder, "tokenizer": others[name], "data": captioned}
    with pytest.raises(DataError, match=WRONG[name]):
        adapt.adapt(tiny, plan.job("adapt", "PQSD-Precise-stage2"), **given, run=tmp_path / "run", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_network_saved_anew_is_the_same_tokenizer(backbone_folder, adapted, model, others):
    sample.load_pipeline(adapted[8], backbone_folder, others["anew"])
    assert next(sample.sample_classes(model, load_tokenizer(others["anew"]), [0], **HOW)).shape == (1, 3, 32, 32)


def test_a_unet_that_does_not_say_is_known_by_its_channels(backbone_folder, adapted, others, tmp_path):
    shutil.copytree(adapted[8], tmp_path / "unet")
    (tmp_path / "unet/provenance.json").unlink()
    sample.load_pipeline(tmp_path / "unet", backbone_folder, others["weights"])
