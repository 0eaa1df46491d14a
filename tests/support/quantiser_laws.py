"""What holds for every quantiser: the laws between its methods, and what it refuses.

A quantiser's own test file takes them over: `class TestLaws(QuantiserLaws)`, with the options of one of D channels.
"""

import pytest
import torch

from pqgan.quantise.kinds import make_quantiser
from pqgan.subjects import code_bits

D = 6
"""Latent channels."""


def latents(seed=0, dtype=torch.float32):
    return torch.randn(2, D, 5, 3, generator=torch.Generator().manual_seed(seed)).to(dtype)


def drawn(quantiser):
    return torch.randint(0, quantiser.K, (2, quantiser.S, 5, 3), generator=torch.Generator().manual_seed(0))


class QuantiserLaws:
    """Tests of the quantiser of these options."""

    def options(self) -> dict:
        raise NotImplementedError

    @pytest.fixture
    def quantiser(self):
        torch.manual_seed(0)
        return make_quantiser(D, self.options())

    @pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
    def test_training_and_use_agree_to_the_bit(self, quantiser, memory_format):
        z_e = latents().to(memory_format=memory_format)
        z_q, codes, loss = quantiser(z_e)
        assert z_q.shape == z_e.shape
        assert codes.shape == (2, quantiser.S, 5, 3)
        assert codes.dtype == torch.int64
        assert 0 <= codes.min() < codes.max() < quantiser.K
        assert loss.shape == ()
        assert torch.equal(quantiser.encode(z_e), codes)
        assert torch.equal(quantiser.decode(codes), z_q)
        assert torch.equal(quantiser.quantise(z_e), z_q)

    def test_autocast_and_half_precision_move_no_code(self, quantiser):
        z_e = latents(dtype=torch.bfloat16)
        expected = quantiser.encode(z_e.float())
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(quantiser(z_e).codes, expected)
            assert torch.equal(quantiser.encode(z_e), expected)

    def test_z_q_is_nearest_to_itself(self, quantiser):
        z_q = quantiser.decode(drawn(quantiser))
        assert torch.equal(quantiser.nearest(z_q), z_q)

    def test_the_gradient_passes_straight_through_to_the_latents(self, quantiser):
        z_e, weights = latents().requires_grad_(), latents(1)
        (quantiser(z_e).z_q * weights).sum().backward()
        # a bound before the rounding has a slope, which is never negative
        assert ((z_e.grad * weights) >= 0).all()
        assert (z_e.grad != 0).double().mean() > 0.9

    def test_bits_per_position_are_those_of_records(self, quantiser):
        assert quantiser.bits == quantiser.S * code_bits(quantiser.K)

    def test_it_is_described_without_memory_for_it(self, quantiser):
        with torch.device("meta"):
            again = make_quantiser(D, self.options())
        assert {name: value.shape for name, value in again.state_dict().items()} == {
            name: value.shape for name, value in quantiser.state_dict().items()
        }

    @pytest.fixture
    def channel_last(self, quantiser):
        """The same with the channels at the end."""
        options = {name: value for name, value in self.options().items() if name != "kind"}
        made = type(quantiser)(D, **options, channel_last=True)
        made.load_state_dict(quantiser.state_dict())
        return made

    @pytest.mark.parametrize("positions", [(), (15,), (5, 3), (2, 5, 3)])
    def test_any_number_of_axes_and_either_order_are_the_same_to_the_bit(self, quantiser, channel_last, positions):
        generator = torch.Generator().manual_seed(0)
        z_e, weights = torch.randn(2, 4, D, *positions, generator=generator)
        rows = z_e.flatten(2).movedim(1, -1).reshape(-1, D) if positions else z_e  # (N, d)
        expected = [quantiser(rows).z_q, quantiser.encode(rows), quantiser.nearest(rows)]
        gradients = []
        for layer, first in ((quantiser, lambda x: x), (channel_last, lambda x: x.movedim(-1, 1))):
            z = (z_e if layer is quantiser else z_e.movedim(1, -1)).detach().clone().requires_grad_()
            z_q, codes, loss = layer(z)
            assert z_q.shape == z.shape
            assert z_q.is_contiguous()
            assert codes.is_contiguous()
            assert first(codes).shape == (4, quantiser.S, *positions)
            assert torch.equal(layer.encode(z), codes)
            assert torch.equal(layer.decode(codes), z_q)
            assert torch.equal(layer.quantise(z), z_q)
            for found, rows_of_it in zip((z_q, codes, layer.nearest(z)), expected, strict=True):
                flat = first(found).movedim(1, -1).reshape(-1, found.shape[1 if layer is quantiser else -1])
                assert torch.equal(flat, rows_of_it)
            ((first(z_q) * weights).sum() + loss).backward()
            gradients.append(first(z.grad))
        assert torch.equal(*gradients)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
    def test_what_is_returned_has_the_type_of_what_was_given_and_the_codes_of_fp32(self, quantiser, dtype):
        z_e = latents().to(dtype).requires_grad_(dtype.itemsize > 1)
        z_q, codes, loss = quantiser(z_e)
        assert torch.equal(codes, quantiser.encode(z_e.float()))
        assert torch.equal(codes, quantiser.encode(z_e))
        assert torch.equal(z_q, quantiser.decode(codes).to(dtype))
        assert z_q.dtype == quantiser.quantise(z_e).dtype == quantiser.nearest(z_e).dtype == dtype
        assert (codes.dtype, loss.dtype) == (torch.int64, torch.float32)
        if z_e.requires_grad:
            weights = latents(1).to(dtype)
            (z_q * weights).sum().backward()
            assert z_e.grad.dtype == dtype
            assert ((z_e.grad * weights) >= 0).all()

    def test_a_masked_position_is_not_looked_at_and_counts_in_nothing(self, quantiser, channel_last):
        mask = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(3)) < 0.6
        z_e, kept = latents(), latents().movedim(1, -1)[mask]  # (N, d)
        z_e.movedim(1, -1)[~mask] = float("nan")
        for layer, given, first in (
            (quantiser, z_e, lambda x: x),
            (channel_last, z_e.movedim(1, -1), lambda x: x.movedim(-1, 1)),
        ):
            leaf = given.clone().requires_grad_()
            z_q, codes, loss = layer(leaf, mask)
            alone = quantiser(kept)
            assert torch.equal(loss, alone.loss)
            for found, expected, left_out in ((z_q, alone.z_q, 0), (codes, alone.codes, -1)):
                rows = first(found).movedim(1, -1)  # (B, h, w, n)
                assert torch.equal(rows[mask], expected)
                assert (rows[~mask] == left_out).all()
            assert torch.equal(layer.encode(given, mask), codes)
            assert torch.equal(layer.decode(codes, mask), z_q)
            assert torch.equal(layer.quantise(given, mask), z_q)
            (z_q.sum() + loss).backward()
            assert not first(leaf.grad).movedim(1, -1)[~mask].any()
            assert first(leaf.grad).movedim(1, -1)[mask].all(dim=-1).double().mean() > 0.9
            with pytest.raises(ValueError, match="got code -1"):
                layer.decode(codes)

    @pytest.mark.parametrize("mask", [torch.ones(2, 5, 3), torch.ones(2, 3, 5).bool(), torch.ones(2, 6, 5, 3).bool()])
    def test_what_is_no_mask_is_refused(self, quantiser, mask):
        for method in (quantiser, quantiser.encode, quantiser.quantise, quantiser.nearest):
            with pytest.raises(ValueError, match=r"got a mask \(2, .*; expected torch.bool \(2, 5, 3\), True counts"):
                method(latents(), mask)
        with pytest.raises(ValueError, match="got a mask"):
            quantiser.decode(drawn(quantiser), mask)

    def test_a_masked_latent_that_is_not_finite_passes_and_another_is_refused(self, quantiser):
        z_e, mask = latents(), torch.ones(2, 5, 3).bool()
        z_e[1, :, 3, 0] = float("inf")
        with pytest.raises(ValueError, match=r"latents is not finite at \(position that counts, channel\)"):
            quantiser.encode(z_e, mask)
        mask[1, 3, 0] = False
        assert quantiser.encode(z_e, mask)[1, 0, 3, 0] == -1

    def test_of_nothing_there_is_nothing_and_no_loss(self, quantiser):
        for z_e, mask in ((latents()[:0], None), (latents()[..., :0], None), (latents(), torch.zeros(2, 5, 3).bool())):
            z_q, codes, loss = quantiser(z_e.requires_grad_(), mask)
            assert (z_q.shape, codes.shape) == (z_e.shape, (len(z_e), quantiser.S, *z_e.shape[2:]))
            assert loss == 0
            assert torch.equal(quantiser.encode(z_e, mask), codes)
            (z_q.sum() + loss).backward()
            assert not any(value.grad.any() for value in (z_e, *quantiser.parameters()) if value.grad is not None)

    @pytest.mark.parametrize(
        "wrong", [torch.zeros(2, D + 1, 5, 3), torch.zeros(D), torch.zeros(()), torch.zeros(2, D, 5, 3).long()]
    )
    def test_what_are_no_latents_is_refused(self, quantiser, wrong):
        for method in (quantiser, quantiser.encode, quantiser.quantise, quantiser.nearest):
            with pytest.raises(ValueError, match=r"got latents .*; expected floats \(B, 6, \.\.\.\)$"):
                method(wrong)

    def test_latents_in_the_other_order_are_refused_with_what_to_do(self, quantiser, channel_last):
        for layer, z_e, expected in (
            (quantiser, torch.zeros(2, 5, D), r"\(B, 6, ...\); for \(B, ..., 6\) make it with channel_last=True"),
            (channel_last, torch.zeros(2, D, 5), r"\(B, ..., 6\); for \(B, 6, ...\) make it with channel_last=False"),
        ):
            for method in (layer, layer.encode, layer.quantise, layer.nearest):
                with pytest.raises(ValueError, match=rf"got latents .* torch.float32; expected floats {expected}"):
                    method(z_e)
        with pytest.raises(ValueError, match=rf"decode: got codes .*; expected integers \(B, ..., {quantiser.S}\)"):
            channel_last.decode(torch.zeros(2, quantiser.S, quantiser.S + 1).long())

    def test_a_model_does_not_take_channels_at_the_end(self):
        with pytest.raises(ValueError, match="got channel_last; the latents of a model are"):
            make_quantiser(D, {**self.options(), "channel_last": True})

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_latent_that_is_not_finite_is_refused_by_its_place(self, quantiser, value):
        z_e = latents()
        z_e[1, 2, 3, 0] = value
        for method in (quantiser.encode, quantiser.quantise, quantiser.nearest):
            with pytest.raises(ValueError, match=r"latents is not finite at .* \(1, 2, 3, 0\)"):
                method(z_e)

    @pytest.mark.parametrize("value", [1e300, -1e39])
    def test_a_latent_that_float32_cannot_hold_is_refused(self, quantiser, value):
        z_e, mask = latents(dtype=torch.float64), torch.ones(2, 5, 3).bool()
        z_e[1, 2, 3, 0] = value
        for method in (quantiser.encode, quantiser.quantise, quantiser.nearest):
            with pytest.raises(ValueError, match=r"latents is not finite in float32 at .* \(1, 2, 3, 0\)"):
                method(z_e)
            with pytest.raises(ValueError, match="latents is not finite"):
                method(z_e, mask)
        z_e[1, 2, 3, 0] = 1e38
        assert quantiser.encode(z_e).shape == (2, quantiser.S, 5, 3)

    @pytest.mark.parametrize("way", ["nope", "bits", "_check_form", ""])
    def test_another_way_is_refused_with_those_there_are(self, quantiser, way):
        with pytest.raises(ValueError, match=f"Quantiser: way is '{way}'; expected encode or decode or quantise or"):
            quantiser(latents(), way=way)

    @pytest.mark.parametrize("value", ["no", 1, None])
    def test_where_the_channels_are_is_true_or_false(self, quantiser, value):
        own = {key: option for key, option in self.options().items() if key != "kind"}
        with pytest.raises(ValueError, match=f"Quantiser: channel_last is {value!r}; expected True or False"):
            type(quantiser)(D, **own, channel_last=value)

    @pytest.mark.parametrize("mask", [None, torch.ones(2, 5, 3).bool()], ids=["whole", "masked"])
    def test_an_unsigned_code_is_told_as_it_is(self, quantiser, mask):
        codes = torch.full((2, quantiser.S, 5, 3), 2**63 + 5, dtype=torch.uint64)
        with pytest.raises(ValueError, match="got code 9223372036854775813 in subspace 0"):
            quantiser.decode(codes, mask)

    def test_a_code_outside_its_codebook_is_refused_by_its_place(self, quantiser):
        for code in (-1, quantiser.K):
            codes = drawn(quantiser)
            codes[1, quantiser.S - 1, 4, 2] = code
            with pytest.raises(ValueError, match=rf"got code {code} in subspace {quantiser.S - 1} at .* \(1, 4, 2\)"):
                quantiser.decode(codes)

    @pytest.mark.parametrize(
        "change",
        [lambda codes: codes[:, :0], lambda codes: codes.flatten()[:1], lambda codes: codes.float()],
        ids=["S", "B", "type"],
    )
    def test_what_are_no_codes_is_refused(self, quantiser, change):
        with pytest.raises(ValueError, match="decode: got codes"):
            quantiser.decode(change(drawn(quantiser)))
