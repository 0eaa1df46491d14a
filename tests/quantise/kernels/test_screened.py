"""Many channels: what float16 cannot tell apart is decided in float64."""

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of what overflows


@pytest.fixture
def assert_exact(kernels, distances):
    def check(z, codebooks):
        every = distances(z, codebooks)
        nearest = every.amin(dim=2, keepdim=True)
        # a float64 reference rounds too, by so much
        among_nearest = every <= nearest * (1 + 2**-39)
        codes = kernels.search(z, codebooks)
        assert among_nearest.gather(2, codes[:, :, None]).all()

    return check


def test_words_closer_than_float16_resolves(assert_exact, latents, words):
    close = words(1, 1, 40) + 1e-5 * words(1, 100, 40, seed=2)
    assert_exact(latents(1, 1, 40, 50), torch.cat([close, -close], dim=1))


def test_only_the_bound_saves_these(kernels, device, assert_exact, latents, words, monkeypatch):
    if device.type == "cuda":
        pytest.skip("a compiled kernel's helper cannot be replaced")
    for kernel in (kernels.upper_bounds.bound_all, kernels.exact_decision.decide):
        monkeypatch.setitem(kernel.fn.__globals__, "slack", lambda C: (0.0, 0.0))
    close = words(1, 1, 40) + 1e-5 * words(1, 100, 40, seed=2)
    with pytest.raises(AssertionError):
        assert_exact(latents(1, 1, 40, 50), torch.cat([close, -close], dim=1))


def test_copies_among_many_and_among_few_candidates(kernels, latents, words):
    codebooks = words(1, 256, 40)
    nearest = codebooks[:, 200].clone()
    codebooks[:, :128] = nearest[:, None] + 1e-4 * words(1, 128, 40, seed=2)  # a block decided row by row
    z = nearest[:, None, :, None] + 1e-6 * latents(1, 1, 40, 30)
    assert (kernels.search(z, codebooks) == 200).all()
    codebooks[:, 5] = nearest
    assert (kernels.search(z, codebooks) == 5).all()


def test_words_much_smaller_than_latents(assert_exact, latents, words):
    assert_exact(latents(1, 1, 40, 130), words(1, 140, 40) / 8192)


def test_a_word_far_from_all_others(assert_exact, latents, words):
    for far in (1e6, 1e30):
        codebooks = words(1, 140, 20)
        codebooks[0, 130] = far
        assert_exact(latents(1, 1, 20, 30), codebooks)


@pytest.mark.parametrize("scale", [1e-30, 1e-19, 1e19, 1e30])
def test_squares_beyond_fp32(assert_exact, latents, words, scale):
    assert_exact(latents(1, 1, 20, 12) * scale, words(1, 30, 20) * scale)
    assert_exact(latents(1, 1, 20, 12), words(1, 30, 20) * scale)
    assert_exact(latents(1, 1, 20, 12) * scale, words(1, 30, 20))
