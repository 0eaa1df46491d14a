"""PQModel: sizes of the paper's models, round trips, saving, and the pipeline of diffusers around it."""

import pytest
import torch

from pqgan.settings import load
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import load_tokenizer
from pqgan.tokenizer.model import PQModel


@pytest.fixture(scope="module", params=[8, 16])
def model(request, plain) -> PQModel:
    config = plain.scale.tokenizer.configs[f"f{request.param}-d32-S16-K64"]
    return build(config, plain.scale.tokenizer.trunks[config.F], plain.reading, seed=0).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("name", "millions"), [("f8-d128-S64-K512", 70.1), ("f16-d128-S64-K128", 71.8), ("f32-d256-S64-K256", 100.3)]
)
def test_parameter_counts_of_the_paper(params_path, name, millions):
    settings = load(params_path, "paper")
    config = settings.scale.tokenizer.configs[name]
    with torch.device("meta"):
        model = build(config, settings.scale.tokenizer.trunks[config.F], settings.reading, seed=0)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


@torch.inference_mode()
def test_decoding_codes_equals_decoding_latents(model, images):
    codes = model.encode_to_codes(images)
    assert codes.shape == (2, 16, 64 // model.factor, 32 // model.factor)
    assert codes.dtype == torch.int64
    latents = model.encode(images).latents
    assert latents.shape == (2, 32, 64 // model.factor, 32 // model.factor)
    decoded = model.decode(latents).sample
    assert decoded.shape == images.shape
    assert torch.equal(model.decode_from_codes(codes), decoded)


@torch.inference_mode()
def test_decode_requantises_what_is_off_the_codebooks(model, images):
    latents = model.encode(images).latents
    nudged = latents + 1e-6
    assert torch.equal(model.decode(nudged).sample, model.decode(latents).sample)
    assert not torch.equal(model.decode(nudged, force_not_quantize=True).sample, model.decode(latents).sample)


def test_training_forward_has_gradients_everywhere(model, images):
    output = model(images)
    (output.sample.square().mean() + output.loss).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.zero_grad()


@torch.inference_mode()
def test_saved_and_loaded_model_is_the_same(model, images, tmp_path):
    model.register_to_config(scaling_factor=2.5)
    model.save_pretrained(tmp_path)
    again = PQModel.from_pretrained(tmp_path)
    assert again.config.scaling_factor == 2.5
    assert torch.equal(
        again.decode(again.encode(images).latents).sample, model.decode(model.encode(images).latents).sample
    )
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.subject() | {"parameters": 0} == {
        "kind": "pq",
        "F": model.factor,
        "d": 32,
        "S": 16,
        "K": 64,
        "parameters": 0,
        "trained_geometry": "crop",
    }
    assert not any(parameter.requires_grad for parameter in tokenizer.model.parameters())


@torch.inference_mode()
def test_imagenet_normalisation_is_undone_on_the_way_out(plain, images):
    """With the networks replaced by the identity, what goes in comes out; in between it is normalised."""
    config = plain.scale.tokenizer.configs["f8-d32-S16-K64"]
    data = plain.reading.data.model_copy(update={"normalisation": "imagenet"})
    reading = plain.reading.model_copy(update={"data": data})
    model = build(config, plain.scale.tokenizer.trunks[8], reading, seed=0)
    model.encoder, model.quant_conv = torch.nn.Identity(), torch.nn.Identity()
    model.decoder, model.post_quant_conv = torch.nn.Identity(), torch.nn.Identity()
    inside = model.encode_continuous(images)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = ((images + 1) / 2 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    torch.testing.assert_close(inside, expected)
    torch.testing.assert_close(model._images(inside, torch.float32), images)


def test_stable_diffusion_pipeline_takes_it_as_vae(model, smoke, tmp_path):
    """A saved PQModel, loaded with from_pretrained, as `vae` of the smoke backbone; the image has the right size."""
    from whole_plan import whole_plan

    from pqgan.diffusion.backbone import run as make_backbone
    from pqgan.diffusion.surgery import widen

    diffusers = pytest.importorskip("diffusers")
    make_backbone(smoke, whole_plan(smoke).job("backbone", "backbone"), out=tmp_path / "backbone")
    model.save_pretrained(tmp_path / "tokenizer")
    parts = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "backbone").components
    parts["vae"] = PQModel.from_pretrained(tmp_path / "tokenizer")
    parts["unet"] = widen(parts["unet"], 32, smoke.reading.adaptation.widening)
    pipeline = diffusers.StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("a photo of a cat", height=96, width=64, num_inference_steps=2, output_type="pil").images[0]
    assert image.size == (64, 96)
    assert pipeline.vae_scale_factor == model.factor


def test_a_compiler_takes_the_autoencoder_whole(model, images):
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")  # an error at the first graph break
    found = []
    for network in (model, compiled):
        output = network(images)
        loss = output.sample.square().mean() + output.loss
        found.append((*output.values(), *torch.autograd.grad(loss, list(model.parameters()))))
    for eager, graph in zip(*found, strict=True):
        torch.testing.assert_close(graph, eager)


WAYS = ("encode", "encode_to_codes", "forward")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
@torch.inference_mode()
def test_images_in_integers_are_refused(model, way, dtype):
    images = torch.zeros(1, 3, 64, 32, dtype=dtype)
    with pytest.raises(ValueError, match=rf"got images {dtype}; expected floats in \[-1, 1\]; of levels from 0 to 255"):
        getattr(model, way)(images)


@pytest.mark.parametrize("way", ["encode", "encode_to_codes"])
@torch.inference_mode()
def test_images_in_another_range_are_refused(model, images, way):
    levels = (images + 1) * 127.5
    with pytest.raises(ValueError, match=r"got torch.float32 images from .* to 25\d.*; expected floats in \[-1, 1\]"):
        getattr(model, way)(levels)
    images = images.clone()
    images[0, 1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match="images from nan to nan"):
        getattr(model, way)(images)
    getattr(model, way)(images.nan_to_num() * 1.3)  # what resampling leaves


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", [(1, 3, 250, 248), (1, 3, 64, 1), (1, 1, 64, 64), (3, 64, 64), (1, 3, 0, 64)])
@torch.inference_mode()
def test_sizes_that_F_does_not_divide_are_refused(model, way, shape):
    with pytest.raises(ValueError, match=rf"got images .*; expected \(B, 3, H, W\) .* multiples of F={model.factor}"):
        getattr(model, way)(torch.zeros(shape))


def test_the_nearest_sizes_are_told(model):
    F = model.factor
    with pytest.raises(ValueError, match=f"for example {250 // F * F} x 64 or {-(-250 // F) * F} x 64"):
        model(torch.zeros(1, 3, 250, 64))


@torch.inference_mode()
def test_latents_and_codes_of_another_form_are_refused(model):
    for latents in (torch.zeros(1, 16, 4, 4), torch.zeros(32, 4, 4), torch.zeros(1, 32, 4, 4).int()):
        for way in (False, True):
            with pytest.raises(ValueError, match=r"got latents .*; expected floats \(B, 32, h, w\)"):
                model.decode(latents, force_not_quantize=way)
    for codes in (torch.zeros(1, 8, 4, 4).int(), torch.zeros(4, 16, 4).int(), torch.zeros(1, 16, 4, 4)):
        with pytest.raises(ValueError, match="got codes"):
            model.decode_from_codes(codes)
    with pytest.raises(ValueError, match="got code 64 in subspace 0"):
        model.decode_from_codes(torch.full((1, 16, 4, 4), 64))


def test_encoding_has_gradients_to_the_image(model, images):
    image = images.clone().requires_grad_()
    model.encode_continuous(image).square().sum().backward()
    assert image.grad.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalisation": "x"}, "normalisation is 'x'; expected minus_one_one or imagenet"),
        ({"geometry": "x"}, "geometry is 'x'; expected crop or squash or unknown"),
        (
            {"block_out_channels": (8, 0)},
            r"block_out_channels is \(8, 0\); expected a list of whole numbers from 1, or .*",
        ),
        ({"block_out_channels": (-8, -8)}, r"block_out_channels is \(-8, -8\); expected a list of .*"),
        ({"block_out_channels": (8, 8.5)}, r"block_out_channels is \(8, 8.5\); expected a list of .*"),
        ({"block_out_channels": "8,8"}, "block_out_channels is '8,8'; expected a list of .*"),
        ({"block_out_channels": 8}, "block_out_channels is 8; expected a list of .*"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=rf"^PQModel: {message}$"):
        PQModel(
            **{"block_out_channels": (8, 8), "norm_num_groups": 4, "z_channels": 8, "d": 8, "S": 4, "K": 5} | options
        )
