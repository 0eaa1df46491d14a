"""Gradient checkpointing, and attention layers that are exchanged and fused."""

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0, FusedAttnProcessor2_0
from drop_in_models import NETWORKS, images, make

from pqgan.tokenizer.model import PQModel


def gradients(model: PQModel) -> dict[str, torch.Tensor]:
    output = model(images())
    (output.sample.square().mean() + output.loss).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


class TestCheckpointing:
    @pytest.mark.parametrize("form", NETWORKS)
    def test_gradients_are_the_same_to_the_bit(self, form):
        expected, model = gradients(make(form).train()), make(form).train()
        assert not model.is_gradient_checkpointing
        model.enable_gradient_checkpointing()
        assert model.is_gradient_checkpointing
        inner, passes = (model.decoder.mid_block if model.has_trunk else model.refinement.blocks[0]), []
        inner.register_forward_pre_hook(lambda *arguments: passes.append(torch.is_grad_enabled()))
        found = gradients(model)
        assert len(passes) == 2  # the second one is that of the backward pass
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            assert torch.equal(found[name], gradient), name
        passes.clear()
        with torch.no_grad():
            model(images())
        assert len(passes) == 1
        model.disable_gradient_checkpointing()
        assert not model.is_gradient_checkpointing
        passes.clear()
        gradients(model)
        assert len(passes) == 1

    def test_it_holds_less_memory(self):
        held = []
        for checkpointing in (False, True):
            model, kept = make("trunk").train(), []
            if checkpointing:
                model.enable_gradient_checkpointing()
            with torch.autograd.graph.saved_tensors_hooks(
                lambda t, kept=kept: kept.append(t.numel()) or t, lambda t: t
            ):
                model(images())
            held.append(sum(kept))
        assert held[1] < 0.6 * held[0]

    def test_a_linear_path_alone_has_nothing_to_compute_again(self):
        with pytest.raises(ValueError, match="does not support gradient checkpointing"):
            make("path").enable_gradient_checkpointing()


class TestAttention:
    def test_layers_are_those_of_the_trunk(self):
        processors = make().attn_processors
        assert {name.split(".")[0] for name in processors} == {"encoder", "decoder"}
        assert {type(processor) for processor in processors.values()} == {AttnProcessor2_0}
        assert make("path").attn_processors == {}

    @torch.inference_mode()
    def test_another_processor_computes_the_same(self):
        model, x = make(), images()
        whole, before = model(x).sample, model.attn_processors
        model.set_attn_processor(AttnProcessor())
        assert {type(processor) for processor in model.attn_processors.values()} == {AttnProcessor}
        torch.testing.assert_close(model(x).sample, whole, rtol=1e-4, atol=1e-5)
        model.set_attn_processor(dict(before))
        assert model.attn_processors == before
        with pytest.raises(ValueError, match="number of processors"):
            model.set_attn_processor({"one": AttnProcessor()})

    @torch.inference_mode()
    def test_projections_are_fused_and_come_apart_again(self):
        model, x = make(), images()
        whole, before = model(x).sample, model.attn_processors
        model.unfuse_qkv_projections()  # nothing to undo
        assert model.attn_processors == before
        model.fuse_qkv_projections()
        assert {type(processor) for processor in model.attn_processors.values()} == {FusedAttnProcessor2_0}
        products = [module for name, module in model.named_modules() if name.endswith("to_qkv")]
        assert len(products) == len(before)
        calls = []
        for product in products:
            product.register_forward_hook(lambda *arguments: calls.append(1))
        torch.testing.assert_close(model(x).sample, whole, rtol=1e-4, atol=1e-5)
        assert len(calls) == len(products)
        model.unfuse_qkv_projections()
        assert model.attn_processors == before
        assert torch.equal(model(x).sample, whole)

    @torch.inference_mode()
    def test_projections_fused_twice_come_apart_at_once(self):
        model, x = make(), images()
        whole, before, names = model(x).sample, model.attn_processors, model.state_dict().keys()
        for _ in range(2):
            model.fuse_qkv_projections()
        model.unfuse_qkv_projections()
        assert model.attn_processors == before
        assert model.state_dict().keys() == names
        assert torch.equal(model(x).sample, whole)
        model.fuse_qkv_projections()  # once more, of the weights as they are
        assert {type(processor) for processor in model.attn_processors.values()} == {FusedAttnProcessor2_0}
        torch.testing.assert_close(model(x).sample, whole, rtol=1e-4, atol=1e-5)

    def test_the_default_processor_is_that_of_diffusers_autoencoder(self):
        theirs = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4)
        for model in (make(), theirs):
            model.set_default_attn_processor()
            assert {type(processor) for processor in model.attn_processors.values()} == {AttnProcessor}
            model.fuse_qkv_projections()
            with pytest.raises(ValueError, match=r"[Aa]ttention.* FusedAttnProcessor2_0|processors are of type"):
                model.set_default_attn_processor()
        make("path").set_default_attn_processor()

    def test_a_model_without_attention_has_nothing_to_fuse(self):
        model = make("path")
        model.fuse_qkv_projections()
        model.unfuse_qkv_projections()
        assert model.attn_processors == {}
