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

    @pytest.mark.parametrize(
        "wrong", [torch.zeros(2, D + 1, 5, 3), torch.zeros(2, D, 5), torch.zeros(2, D, 5, 3).long()]
    )
    def test_what_are_no_latents_is_refused(self, quantiser, wrong):
        for method in (quantiser, quantiser.encode, quantiser.quantise, quantiser.nearest):
            with pytest.raises(ValueError, match=r"got latents .*; expected floats \(B, 6, h, w\)"):
                method(wrong)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_latent_that_is_not_finite_is_refused_by_its_place(self, quantiser, value):
        z_e = latents()
        z_e[1, 2, 3, 0] = value
        for method in (quantiser.encode, quantiser.quantise, quantiser.nearest):
            with pytest.raises(ValueError, match=r"latents is not finite at .* \(1, 2, 3, 0\)"):
                method(z_e)

    def test_a_code_outside_its_codebook_is_refused_by_its_place(self, quantiser):
        for code in (-1, quantiser.K):
            codes = drawn(quantiser)
            codes[1, quantiser.S - 1, 4, 2] = code
            with pytest.raises(ValueError, match=rf"got code {code} in subspace {quantiser.S - 1} at .* \(1, 4, 2\)"):
                quantiser.decode(codes)

    @pytest.mark.parametrize(
        "change",
        [lambda codes: codes[:, :0], lambda codes: codes[0], lambda codes: codes.float()],
        ids=["S", "B", "type"],
    )
    def test_what_are_no_codes_is_refused(self, quantiser, change):
        with pytest.raises(ValueError, match="decode: got codes"):
            quantiser.decode(change(drawn(quantiser)))
