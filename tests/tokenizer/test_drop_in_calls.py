"""PQModel is called as diffusers' autoencoders are, and gradients pass through it."""

import inspect
import json

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.configuration_utils import FrozenDict
from diffusers.training_utils import EMAModel
from drop_in_models import FORMS, images, make

from pqgan.errors import DataError
from pqgan.tokenizer.identity import identity
from pqgan.tokenizer.load import load_model
from pqgan.tokenizer.model import PQModel


def test_forward_has_the_signature_of_diffusers_autoencoder():
    ours, theirs = (list(inspect.signature(cls.forward).parameters) for cls in (PQModel, AutoencoderKL))
    assert ours == theirs


@pytest.mark.parametrize("form", FORMS)
@torch.inference_mode()
def test_return_dict_false_gives_the_same_as_a_tuple(form):
    model, x = make(form), images()
    output = model(sample=x, sample_posterior=True, generator=torch.Generator())
    as_tuple = model(x, return_dict=False)
    assert type(as_tuple) is tuple
    for one, other in zip(as_tuple, (output.sample, output.loss, output.codes), strict=True):
        assert torch.equal(one, other)
    latents = model.encode(x).latents
    assert torch.equal(model.encode(x, return_dict=False)[0], latents)
    decoded = model.decode(latents, return_dict=False, generator=torch.Generator())
    assert torch.equal(decoded[0], model.decode(latents).sample)


@torch.inference_mode()
def test_the_distribution_of_latents_is_their_one_value():
    model, x = make(), images()
    output = model.encode(x)
    assert torch.equal(output.latent_dist.mode(), output.latents)
    assert torch.equal(output.latent_dist.sample(torch.Generator().manual_seed(3)), output.latents)
    assert torch.equal(output[0], output.latents)


class TestLatentChannels:
    def test_are_d_in_the_config_and_in_what_is_saved(self, tmp_path):
        model = make()
        assert model.config.latent_channels == 8
        model.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "config.json").read_text())["latent_channels"] == 8
        assert PQModel.from_pretrained(tmp_path).config.latent_channels == 8
        assert load_model(tmp_path).config.latent_channels == 8

    def test_a_folder_from_before_them_loads_as_the_same_network(self, tmp_path):
        model = make()
        model.save_pretrained(tmp_path)
        path = tmp_path / "config.json"
        config = json.loads(path.read_text())
        del config["latent_channels"]
        path.write_text(json.dumps(config))
        again = load_model(tmp_path)
        assert again.config.latent_channels == 8
        assert identity(again) == identity(model)

    def test_codes_from_before_them_are_of_the_same_network(self):
        model = make()
        with_them = identity(model)
        model._internal_dict = FrozenDict({key: model.config[key] for key in model.config if key != "latent_channels"})
        assert identity(model) == with_them

    def test_another_number_than_d_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="latent_channels=4; expected d=8"):
            make(latent_channels=4)
        make().save_pretrained(tmp_path)
        path = tmp_path / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"latent_channels": 4}))
        with pytest.raises(DataError, match="latent_channels=4; expected d=8"):
            load_model(tmp_path)

    def test_models_in_the_repository_have_them_once_loaded(self, params_path):
        for folder in (params_path.parent / "models").glob("f*"):
            assert load_model(folder).config.latent_channels == 128


@pytest.mark.parametrize("form", FORMS)
class TestGradients:
    def test_encode_passes_them_straight_through(self, form):
        model, x = make(form).requires_grad_(False), images()
        factors = torch.randn(model.encode(x).latents.shape, generator=torch.Generator().manual_seed(2))
        found = []
        for encode in (lambda x: model.encode(x).latents, model.encode_continuous):
            at = x.clone().requires_grad_()
            (encode(at) * factors).sum().backward()
            found.append(at.grad)
        assert found[0].any()
        torch.testing.assert_close(found[0], found[1])

    def test_decode_passes_them_straight_through(self, form):
        model = make(form).requires_grad_(False)
        z_q = model.encode(images()).latents
        found = []
        for unquantised in (False, True):
            at = z_q.clone().requires_grad_()
            model.decode(at, force_not_quantize=unquantised).sample.square().sum().backward()
            found.append(at.grad)
        assert found[0].any()
        torch.testing.assert_close(found[0], found[1])

    def test_what_is_computed_is_the_same_to_the_bit(self, form):
        model, x = make(form), images()
        with torch.no_grad():
            latents = model.encode(x).latents
            sample = model.decode(latents).sample
        with_gradient = model.encode(x.clone().requires_grad_()).latents
        assert with_gradient.requires_grad
        assert torch.equal(with_gradient, latents)
        assert torch.equal(model.decode(latents.clone().requires_grad_()).sample, sample)

    def test_the_networks_learn_through_encode_and_decode(self, form):
        model = make(form).train()
        model.decode(model.encode(images()).latent_dist.sample()).sample.square().mean().backward()
        without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
        # codewords learn from their own loss alone, as of diffusers' VQModel
        assert without == {name for name, _ in model.named_parameters() if name.startswith("quantiser.")}


def test_an_average_of_weights_follows_a_training():
    model = make().train()
    average = EMAModel(model.parameters())
    output = model(images(), return_dict=False)
    (output[0].square().mean() + output[1]).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
    before = [shadow.clone() for shadow in average.shadow_params]
    average.step(model.parameters())
    moved = [not torch.equal(*pair) for pair in zip(average.shadow_params, before, strict=True)]
    # the bias before an attention's softmax has no effect on it, and no gradient
    assert sum(moved) >= 0.9 * len(moved)


@pytest.mark.parametrize("way", ["encode", "encode_continuous", "encode_to_codes", "forward", "__call__"])
def test_sides_that_F_does_not_divide_are_refused_with_those_it_does(way):
    for form, F in (("trunk", 2), ("path", 4)):
        for switch in ("disable_tiling", "enable_tiling"):
            model = make(form)
            getattr(model, switch)()
            with pytest.raises(ValueError, match=rf"H and W multiples of F={F}, for example 48 x 20 or {48 + F} x 20"):
                getattr(model, way)(torch.zeros(1, 3, 49, 20))
