"""Every way into the model is one graph to a compiler, and is exported."""

import pytest
import torch
from drop_in_models import FORMS, images, make
from torch import nn

WAYS = ("decode", "encode", "encode_to_codes", "decode_from_codes", "forward")
QUICK = [pytest.param(form, marks=pytest.mark.thorough) if form == "trunk and path" else form for form in FORMS]


@pytest.fixture(autouse=True)
def fresh():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


class Way(nn.Module):
    """One method of a model as a network by itself."""

    def __init__(self, model: nn.Module, name: str):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = getattr(self.model, self.name)(x)
        return found if isinstance(found, torch.Tensor) else found[0]


def given(model, way: str, **shape) -> torch.Tensor:
    x = images(**shape)
    with torch.no_grad():
        if way == "decode":
            return model.encode(x).latents
        return model.encode_to_codes(x) if way == "decode_from_codes" else x


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", QUICK)
@torch.no_grad()
def test_compiled_as_one_graph(form, way):
    model = make(form)
    x, network = given(model, way), Way(model, way)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")  # an error at the first graph break
    torch.testing.assert_close(compiled(x), network(x))


def test_methods_are_compiled_as_pipelines_do():
    model = make()
    z = given(model, "decode")
    with torch.no_grad():
        expected = model.decode(z, return_dict=False)[0]
        model.decode = torch.compile(model.decode, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(model.decode(z, return_dict=False)[0], expected)


@pytest.mark.parametrize("form", [pytest.param("trunk", marks=pytest.mark.thorough), "path"])
def test_gradients_of_compiled_methods(form):
    model = make(form).requires_grad_(False)
    for way in ("decode", "encode"):
        x, network = given(model, way), Way(model, way)
        found = []
        for call in (network, torch.compile(network, fullgraph=True, backend="aot_eager")):
            at = x.clone().requires_grad_()
            call(at).square().sum().backward()
            found.append(at.grad)
        torch.testing.assert_close(found[1], found[0])


@pytest.mark.thorough
@torch.no_grad()
def test_the_default_compiler_takes_decode():
    model = make()
    z = given(model, "decode", batch=1)
    torch.testing.assert_close(
        torch.compile(Way(model, "decode"), fullgraph=True)(z), model.decode(z).sample, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", QUICK)
@torch.no_grad()
def test_exported(form, way):
    model = make(form)
    x, network = given(model, way), Way(model, way)
    program = torch.export.export(network, (x,))
    torch.testing.assert_close(program.module()(x), network(x))


@torch.no_grad()
def test_exported_for_any_batch_and_size():
    model = make()
    batch, height, width = (torch.export.Dim(name, min=2, max=32) for name in ("batch", "height", "width"))
    network = Way(model, "decode")
    program = torch.export.export(network, (given(model, "decode"),), dynamic_shapes=({0: batch, 2: height, 3: width},))
    z = given(model, "decode", batch=3, height=40, width=20)
    torch.testing.assert_close(program.module()(z), network(z), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_program_refuses_codes_that_no_word_has():
    for form in FORMS:
        model = make(form)
        codes = given(model, "decode_from_codes")
        program = torch.export.export(Way(model, "decode_from_codes"), (codes,)).module()
        codes[0, 0, 1, 1] = model.config.K
        with pytest.raises(ValueError, match=rf"got code {model.config.K} in subspace 0 at .* \(0, 1, 1\)"):
            program(codes)


def test_values_are_looked_at_where_nothing_is_compiled():
    model = make()
    z = given(model, "decode")
    z[0, 3, 1, 2] = float("nan")
    with pytest.raises(ValueError, match=r"not finite at .* \(0, 3, 1, 2\)"):
        model.decode(z)
