"""ProductQuantiser: its special cases, its loss and its gradients against references written out."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from pqgan.quantise.assign import assign, words
from pqgan.quantise.product import ProductQuantiser


def latents(d, seed=0):
    return torch.randn(2, d, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def seeded(d, S, K, **arguments):
    torch.manual_seed(0)
    return ProductQuantiser(d, S, K, init="normal", **arguments)


def test_one_subspace_equals_brute_force_vq_in_float64():
    quantiser, z_e = seeded(6, 1, 40), latents(6)
    vectors = z_e.double().permute(0, 2, 3, 1).reshape(-1, 6)  # (N, d)
    codebook = quantiser.codebooks[0].double()  # (K, d)
    nearest = torch.cdist(vectors, codebook, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
    expected = codebook[nearest].reshape(2, 5, 3, 6).permute(0, 3, 1, 2)
    quantised = quantiser(z_e)
    assert torch.equal(quantised.codes[:, 0].flatten(), nearest)
    assert torch.equal(quantiser.decode(quantised.codes).double(), expected)


def test_a_subspace_a_channel_equals_brute_force_scalar_quantisation_in_float64():
    quantiser, z_e = seeded(6, 6, 16), latents(6)
    values = quantiser.codebooks[:, :, 0].double()  # (d, K)
    gaps = (z_e.double()[:, :, None] - values[None, :, :, None, None]).abs()  # (B, d, K, h, w)
    nearest = gaps.argmin(dim=2)
    assert torch.equal(quantiser(z_e).codes, nearest)
    expected = torch.stack([values[channel][nearest[:, channel]] for channel in range(6)], dim=1)
    assert torch.equal(quantiser.decode(nearest).double(), expected)


@pytest.mark.parametrize("S", [1, 2, 4, 8])
def test_encode_and_decode_are_inverse_on_codewords(S):
    quantiser = seeded(8, S, 32)
    codes = torch.randint(0, 32, (3, S, 4, 4), generator=torch.Generator().manual_seed(0))
    assert torch.equal(quantiser.encode(quantiser.decode(codes)), codes)


def reference(z_e, codebooks, beta, beta_on):
    """Eq. 1 and the straight-through estimator in float64, by autograd: z_q (B, d, h, w) and the loss."""
    S, K, c = codebooks.shape
    B, d, h, w = z_e.shape
    sub_vectors = z_e.view(B, S, c, h, w).permute(0, 3, 4, 1, 2)  # (B, h, w, S, c)
    distances = (sub_vectors.detach()[..., None, :] - codebooks.detach()).square().sum(dim=-1)  # (B, h, w, S, K)
    chosen = torch.nn.functional.one_hot(distances.argmin(dim=-1), K).double()
    z_q = torch.einsum("bhwsk,skc->bschw", chosen, codebooks).reshape(B, d, h, w)
    codebook_term = (z_q - z_e.detach()).square().mean()
    commitment_term = (z_q.detach() - z_e).square().mean()
    on_codebook, on_latents = (beta, 1) if beta_on == "codebook" else (1, beta)
    return z_e + (z_q - z_e).detach(), on_codebook * codebook_term + on_latents * commitment_term


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("beta_on", ["codebook", "commitment"])
@pytest.mark.parametrize("S", [1, 2, 4, 8])
def test_loss_and_gradients_equal_autograd_in_float64(S, beta_on, memory_format):
    quantiser = seeded(8, S, 10, beta=0.3, beta_on=beta_on)
    z_e = latents(8).to(memory_format=memory_format).requires_grad_()
    exact, codebooks = z_e.detach().double().requires_grad_(), quantiser.codebooks.detach().double().requires_grad_()
    weights = latents(8, seed=1)

    quantised = quantiser(z_e)
    ((quantised.z_q * weights).sum() + 7 * quantised.loss).backward()
    z_q, loss = reference(exact.contiguous(), codebooks, 0.3, beta_on)
    ((z_q * weights).sum() + 7 * loss).backward()

    torch.testing.assert_close(quantised.z_q.double(), z_q)
    torch.testing.assert_close(quantised.loss.double(), loss)
    torch.testing.assert_close(z_e.grad.double(), exact.grad)
    torch.testing.assert_close(quantiser.codebooks.grad.double(), codebooks.grad)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_what_goes_on_is_the_codewords_to_the_bit_in_the_layout_of_the_latents(memory_format):
    quantiser, z_e = seeded(8, 2, 10), latents(8).to(memory_format=memory_format)
    quantised = quantiser(z_e)
    assert torch.equal(quantised.z_q, quantiser.decode(quantised.codes))
    assert quantised.z_q.stride() == z_e.stride()


def test_gradient_passes_straight_through():
    quantiser, z_e = seeded(8, 2, 10), latents(8).requires_grad_()
    weights = latents(8, seed=1)
    (quantiser(z_e).z_q * weights).sum().backward()
    assert torch.equal(z_e.grad, weights)
    assert not quantiser.codebooks.grad.any()


def test_gradients_are_the_same_every_time():
    quantiser, z_e = seeded(8, 4, 3), torch.randn(8, 8, 16, 16).requires_grad_()
    found = []
    for _ in range(3):
        found.append(torch.autograd.grad(quantiser(z_e).loss, [z_e, quantiser.codebooks]))
    for again in found[1:]:
        assert all(map(torch.equal, again, found[0]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("d", "S"), [(32, 1), (32, 4), (32, 16), (32, 32)])
def test_a_gpu_computes_what_a_cpu_does(d, S, dtype, memory_format):
    z_e = latents(d).to(dtype).to(memory_format=memory_format)
    found = []
    for device in ("cpu", "cuda"):
        quantiser, leaf = seeded(d, S, 50).to(device), z_e.to(device).requires_grad_()
        quantised = quantiser(leaf)
        loss = quantised.loss + quantised.z_q.square().sum()
        gradients = torch.autograd.grad(loss, [leaf, quantiser.codebooks])
        found.append([value.cpu() for value in (*quantised, *gradients)])
    for cpu, gpu in zip(*found, strict=True):
        torch.testing.assert_close(gpu, cpu)


@pytest.mark.parametrize("channel_last", [False, True])
def test_a_compiler_takes_half_precision_whole_under_autocast_too(channel_last):
    torch._dynamo.reset()
    quantiser, z_e = seeded(8, 4, 10, channel_last=channel_last), torch.randn(2, 8, 8).bfloat16()
    compiled = torch.compile(quantiser, fullgraph=True, backend="aot_eager")
    for enabled, dtype in ((False, torch.bfloat16), (True, torch.float32)):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            for eager, graph in zip(quantiser(z_e), compiled(z_e), strict=True):
                assert torch.equal(graph, eager)
            assert compiled(z_e).z_q.dtype == dtype


@pytest.mark.parametrize(("S", "backend"), [(1, "aot_eager"), (4, "inductor"), (8, "aot_eager")])
def test_a_compiler_takes_the_layer_whole(S, backend):
    torch._dynamo.reset()
    quantiser, z_e = seeded(8, S, 10), latents(8).requires_grad_()
    compiled = torch.compile(quantiser, fullgraph=True, backend=backend)
    found = []
    for layer in (quantiser, compiled):
        quantised = layer(z_e)
        loss = quantised.loss + quantised.z_q.square().sum()
        found.append((*quantised, *torch.autograd.grad(loss, [z_e, quantiser.codebooks])))
    for eager, graph in zip(*found, strict=True):
        torch.testing.assert_close(graph, eager)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", ["NCHW", "channels_last"])
def test_the_operators_keep_their_promises_to_the_compiler(layout, dtype):
    z = torch.randn(2, 4, 2, 6, dtype=dtype)
    if layout == "channels_last":
        z = z.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    codebooks = torch.randn(4, 5, 2)
    # all of opcheck but its gradients, which take integer outputs for differentiable; those are compared above
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(assign, (z.requires_grad_(), codebooks.requires_grad_(), 0.25, 1.0), test_utils=checks)


def test_both_initialisations():
    assert ProductQuantiser(8, 2, 50).codebooks.abs().max() <= 1 / 50
    torch.manual_seed(0)
    assert ProductQuantiser(64, 2, 500, init="normal").codebooks.std().item() == pytest.approx(1, abs=0.02)


def test_half_precision_latents_are_quantised_in_fp32():
    quantiser, z_e = seeded(8, 2, 10), latents(8)
    with torch.autocast("cpu", torch.bfloat16):
        quantised = quantiser(z_e.bfloat16())
    assert quantised.z_q.dtype == torch.float32
    assert torch.equal(quantised.codes, quantiser.encode(z_e.bfloat16().float()))


@pytest.mark.parametrize(("d", "S"), [(8, 8), (8, 2), (32, 2)])
def test_autocast_changes_neither_codes_nor_loss_nor_gradients(d, S):
    found = []
    for enabled in (False, True):
        quantiser, z_e = seeded(d, S, 10), latents(d).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            quantised = quantiser(z_e)
        (quantised.loss + quantised.z_q.square().sum()).backward()
        found.append((*quantised, z_e.grad, quantiser.codebooks.grad))
    for plain, mixed in zip(*found, strict=True):
        assert torch.equal(plain, mixed)


def test_latents_that_are_not_finite_make_such_a_loss_in_training_and_an_error_in_encoding():
    quantiser, z_e = seeded(8, 2, 10), latents(8)
    z_e[1, 2, 3, 1] = float("nan")
    assert quantiser(z_e).loss.isnan()
    with pytest.raises(ValueError, match="not finite"):
        quantiser.encode(z_e)


def test_subspaces_must_divide():
    with pytest.raises(ValueError, match="S=3 does not divide d=8"):
        ProductQuantiser(8, 3, 10)


@pytest.mark.parametrize("value", [0, -4, True, 4.0, 2.5, "4", None, float("nan")])
def test_sizes_are_whole_numbers(value):
    for name, least in (("d", 1), ("S", 1), ("K", 2)):
        with pytest.raises(
            ValueError, match=rf"^ProductQuantiser: {name} is .*; expected a whole number from {least}$"
        ):
            ProductQuantiser(**{"d": 8, "S": 4, "K": 10, name: value})


def test_a_codebook_of_one_word_is_refused():
    with pytest.raises(ValueError, match="K is 1; expected a whole number from 2"):
        ProductQuantiser(8, 4, 1)


def test_sizes_of_numpy_are_whole_numbers_too():
    quantiser = ProductQuantiser(*np.array([8, 4, 10], np.int32))
    assert [quantiser.d, quantiser.S, quantiser.K] == [8, 4, 10]
    assert type(quantiser.K) is int


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": "Normal"}, "init is 'Normal'; expected uniform or normal"),
        ({"init": None}, "init is None; expected uniform or normal"),
        ({"beta_on": "latents"}, "beta_on is 'latents'; expected codebook or commitment"),
        ({"beta": -0.1}, "beta is -0.1; expected a number from 0"),
        ({"beta": float("nan")}, "beta is nan; expected a number from 0"),
        ({"beta": "0.25"}, "beta is '0.25'; expected a number from 0"),
    ],
)
def test_what_codebooks_cannot_start_or_learn_with_is_refused(options, message):
    with pytest.raises(ValueError, match=rf"^ProductQuantiser: {message}$"):
        ProductQuantiser(8, 4, 10, **options)


def heads_of_the_library(quantiser, **options):
    """vector-quantize-pytorch with the codebooks of a quantiser."""
    library = pytest.importorskip("vector_quantize_pytorch")
    d, S, K = quantiser.d, quantiser.S, quantiser.K
    layout = {"heads": S, "codebook_dim": d // S, "separate_codebook_per_head": True}
    theirs = library.VectorQuantize(d, K, **layout, rotation_trick=False, ema_update=False, **options)
    theirs._codebook.embed.data.copy_(quantiser.codebooks.detach())
    return theirs


@pytest.mark.parametrize("S", [1, 4])
def test_sequences_and_masks_agree_with_vector_quantize_pytorch(S):
    torch.manual_seed(0)
    ours = ProductQuantiser(8, S, 10, init="normal", channel_last=True, beta=0)
    theirs = heads_of_the_library(ours)
    z_e, mask = torch.randn(3, 17, 8), torch.arange(17) < torch.tensor([[17], [5], [1]])
    # in training the library takes no mask with several heads
    for given in (None, mask) if S == 1 else (None,):
        z_q, codes, loss = ours(z_e, given)
        their_z_q, their_codes, their_loss = theirs(z_e, mask=given)
        assert torch.equal(codes.flatten(), their_codes.flatten())
        torch.testing.assert_close(z_q, their_z_q)
        # with beta=0 on the codebook term the commitment term is left
        torch.testing.assert_close(loss, their_loss.squeeze())
    their_z_q, their_codes, _ = theirs.eval()(z_e, mask=mask)
    assert torch.equal(ours.encode(z_e, mask).flatten(), their_codes.flatten())
    torch.testing.assert_close(ours.quantise(z_e, mask), their_z_q)


@pytest.mark.parametrize("positions", [(), (17,), (4, 3)])
def test_codes_give_back_what_was_quantised_as_in_vector_quantize_pytorch(positions):
    torch.manual_seed(0)
    ours = ProductQuantiser(8, 4, 10, init="normal")
    theirs = heads_of_the_library(ours, channel_last=False, accept_image_fmap=len(positions) == 2).eval()
    z_e = torch.randn(3, 8, *positions)
    their_z_q, their_codes, _ = theirs(z_e)
    codes = ours.encode(z_e)
    assert torch.equal(codes.movedim(1, -1), their_codes)
    assert torch.equal(ours.decode(codes), ours.quantise(z_e))
    torch.testing.assert_close(ours.quantise(z_e), their_z_q)


def test_the_short_import_works_and_the_package_alone_imports_no_torch():
    program = (
        "import sys, pqgan.quantise, pqgan.quantise.codes; assert 'torch' not in sys.modules; "
        "from pqgan.quantise import FiniteScalarQuantiser, ProductQuantiser, ResidualQuantiser, nearest_codes; "
        "print(ProductQuantiser(8, 4, 10), hasattr(pqgan.quantise, 'VectorQuantiser'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "ProductQuantiser(d=8, S=4, K=10) False\n", done.stderr


@pytest.mark.parametrize("code", [-1, 10, 2**40])
def test_a_code_outside_its_codebook_is_refused_and_never_another_subspaces_word(code):
    quantiser = seeded(8, 4, 10)
    codes = torch.zeros(2, 4, 5, 3, dtype=torch.int64)
    codes[1, 2, 4, 0] = code
    expected = rf"got code {code} in subspace 2 at \(image, row, column\) \(1, 4, 0\); allowed: 0 to 9"
    with pytest.raises(ValueError, match=f"decode: {expected}"):
        quantiser.decode(codes)
    with pytest.raises(ValueError, match=rf"words: got code {code} in subspace 2 at \(image, position\) \(1, 12\)"):
        words(codes.flatten(2), quantiser.codebooks)


def test_a_compiled_lookup_refuses_it_too():
    torch._dynamo.reset()
    quantiser = seeded(8, 4, 10)
    compiled = torch.compile(quantiser.decode, fullgraph=True, backend="aot_eager")
    codes = torch.randint(0, 10, (2, 4, 5, 3), generator=torch.Generator().manual_seed(0))
    assert torch.equal(compiled(codes), quantiser.decode(codes))
    codes[0, 3, 0, 0] = 10
    with pytest.raises(ValueError, match="got code 10 in subspace 3"):
        compiled(codes)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.int32])
def test_codes_of_any_integer_type_have_the_same_words_and_gradients(dtype):
    quantiser = seeded(8, 4, 10)
    codes = torch.randint(0, 10, (2, 4, 5, 3), generator=torch.Generator().manual_seed(0))
    expected, found = quantiser.decode(codes), quantiser.decode(codes.to(dtype))
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad(z.square().sum(), quantiser.codebooks)[0] for z in (expected, found)]
    assert gradients[0].any()
    assert torch.equal(*gradients)


@pytest.mark.parametrize(
    "codes", [torch.zeros(2, 3, 5, 3).int(), torch.zeros(2, 4, 5, 3), torch.zeros(4, 5, 3).int(), torch.zeros(4).int()]
)
def test_what_are_no_codes_of_this_layer_is_refused(codes):
    with pytest.raises(ValueError, match=r"decode: got codes .*; expected .*4, "):
        seeded(8, 4, 10).decode(codes)


def test_codes_that_the_search_found_are_not_checked(monkeypatch):
    """The check waits for the device; training and encoding pay for none."""
    from pqgan.quantise import ranges

    monkeypatch.setattr(ranges, "check_range", lambda *_: pytest.fail("checked"))
    quantiser, z_e = seeded(8, 4, 10), latents(8).requires_grad_()
    quantiser(z_e).loss.backward()
    assert torch.equal(quantiser.nearest(z_e), quantiser(z_e).z_q)
