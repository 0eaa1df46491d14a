"""Half precision: what is cast, what stays in float32, and what a model saved in one type is in another."""

import pytest
import torch
from drop_in_models import FORMS, NETWORKS, all_calls, images, make

from pqgan.tokenizer.model import PQModel

HALVES = (torch.bfloat16, torch.float16)
EXACT = ("quantiser.", "linear.")


def assert_mixed(model: PQModel, dtype: torch.dtype) -> None:
    for name, parameter in model.named_parameters():
        assert parameter.dtype == (torch.float32 if name.startswith(EXACT) else dtype), name
    assert model.dtype == dtype


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("form", FORMS)
class TestHalf:
    def test_every_call_works_in_the_type_of_its_input(self, form, dtype):
        model, x = make(form).to(dtype), images()
        found = all_calls(model, x.to(dtype))
        codes = found.pop("encode_to_codes")
        z_e = found.pop("encode_continuous")
        assert {name: value.dtype for name, value in found.items()} == dict.fromkeys(found, dtype)
        assert codes.dtype == torch.int64
        expected = all_calls(make(form), x)
        torch.testing.assert_close(z_e.float(), expected["encode_continuous"], rtol=0.05, atol=0.05)
        same = (codes == expected["encode_to_codes"]).float().mean()
        assert same > 0.8
        again = make(form).decode_from_codes(codes)
        torch.testing.assert_close(found["decode_from_codes"].float(), again, rtol=0.05, atol=0.05)

    def test_codebooks_and_linear_path_stay_in_float32(self, form, dtype, tmp_path):
        whole = make(form)
        expected = {name: value.clone() for name, value in whole.state_dict().items() if name.startswith(EXACT)}
        whole.save_pretrained(tmp_path)
        cast = {
            "to": make(form).to(dtype),
            "to device and type": make(form).to("cpu", dtype),
            "half": make(form).half() if dtype == torch.float16 else make(form).bfloat16(),
            "from_pretrained": PQModel.from_pretrained(tmp_path, torch_dtype=dtype),
        }
        for model in cast.values():
            assert_mixed(model, dtype)
            state = model.state_dict()
            for name, value in expected.items():
                assert torch.equal(state[name], value), name

    def test_a_cast_model_is_saved_and_comes_back(self, form, dtype, tmp_path):
        model, x = make(form).to(dtype), images().to(dtype)
        model.save_pretrained(tmp_path)
        again = PQModel.from_pretrained(tmp_path, torch_dtype=dtype)
        assert_mixed(again, dtype)
        with torch.no_grad():
            assert torch.equal(again(x).sample, model(x).sample)


def test_gradients_of_float32_weights_stay_in_float32():
    model = make("trunk and path").train()
    output = model(images())
    (output.sample.square().mean() + output.loss).backward()
    model.to(torch.bfloat16)
    for name, parameter in model.named_parameters():
        assert parameter.grad.dtype == parameter.dtype, name
    model.float()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    model.double()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    model.float()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("form", FORMS)
def test_training_in_half_precision(form):
    model = make(form).to(torch.bfloat16).train()
    output = model(images().to(torch.bfloat16))
    assert output.loss.dtype == torch.float32
    (output.sample.float().square().mean() + output.loss).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_autocast_leaves_the_reconstruction_and_the_words_in_float32():
    model, x = make("trunk and path"), images()
    z_q = []
    model.linear.register_forward_pre_hook(lambda module, inputs: z_q.append(inputs[0]))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = model(x)
    assert output.sample.dtype == torch.float32
    assert torch.equal(z_q[1], model.quantiser.decode(output.codes))


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("form", FORMS)
def test_layerwise_casting_stores_networks_in_eight_bits(form, compute):
    model, x = make(form).to(compute), images().to(compute)
    model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=compute)
    found = all_calls(model, x)
    assert found["decode_from_codes"].dtype == found["decode"].dtype == found["forward"].dtype == compute
    stored = {name: parameter.dtype for name, parameter in model.named_parameters()}
    assert {dtype for name, dtype in stored.items() if name.startswith(EXACT)} <= {torch.float32}
    if form in NETWORKS:  # the others are in float32, all of it
        assert torch.float8_e4m3fn in stored.values()


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_a_model_in_several_files_comes_back(variant, tmp_path):
    model, x = make(), images()
    model.save_pretrained(tmp_path, max_shard_size="20KB", variant=variant)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    again = PQModel.from_pretrained(tmp_path, variant=variant)
    with torch.no_grad():
        assert torch.equal(again(x).sample, model(x).sample)
    if variant:
        with pytest.raises(OSError, match="no file named"):
            PQModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_from_float64_to_half_codebooks_and_linear_path_are_in_float32(form):
    expected, model = make(form).state_dict(), make(form).double().half()
    if form in NETWORKS:  # the others have nothing else
        assert_mixed(model, torch.float16)
    for name, value in model.state_dict().items():
        if name.startswith(EXACT):
            assert torch.equal(value, expected[name]), name
            assert value.dtype == expected[name].dtype, name
