"""The compiled search against a float64 brute force, as built for this machine and for any of its kind."""

import logging

import numpy as np
import pytest
import torch

from pqgan.errors import ResourceError
from pqgan.quantise.matching import build, native

LAYOUTS = ("NCHW", "channels_last", "rows", "sliced", "expanded")


@pytest.fixture(scope="module", params=["this machine", "any machine"])
def search(request):
    """native.search with wide registers and PyTorch's threads where there are any, and without."""
    patch = pytest.MonkeyPatch()
    patch.delenv(native.SWITCH, raising=False)
    patch.setattr(native, "_loaded", [])
    if request.param == "any machine":
        patch.setattr(build, "TUNINGS", ((),))
        patch.setattr(native, "_team", lambda: None)
    try:
        build.find_compiler()
    except ResourceError as error:
        pytest.skip(str(error))
    assert native.available()
    yield native.search
    patch.undo()


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def whole(*shape, seed=0):
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).float()


def distances(z, codebooks):
    """Squared, (B, S, P, K), float64."""
    z, codebooks = z.double().numpy(), codebooks.double().numpy()
    total = np.zeros((z.shape[0], z.shape[1], z.shape[3], codebooks.shape[1]))
    for i in range(z.shape[2]):
        total += (z[:, :, i, :, None] - codebooks[None, :, None, :, i]) ** 2
    return total


def brute_force(z, codebooks):
    return torch.from_numpy(distances(z, codebooks).argmin(axis=3))  # the first of equals


def assert_nearest(codes, z, codebooks):
    """Nearest but for the rounding of distances to fp32; beyond 32 channels distances are in float64."""
    reference = distances(z, codebooks)
    chosen = np.take_along_axis(reference, codes.numpy()[..., None], axis=3)[..., 0]
    assert (chosen <= reference.min(axis=3) * (1 + 1e-6)).all()
    if z.shape[2] > 32:
        assert torch.equal(codes, brute_force(z, codebooks))


@pytest.mark.parametrize("c", [1, 2, 3, 4, 5, 8, 11, 16, 17, 24, 33, 256])
@pytest.mark.parametrize("K", [1, 2, 7, 49, 100, 520])
def test_equals_brute_force(search, c, K):
    for P in (1, 5, 64, 203):
        # in whole numbers every form of the distance is exact and ties are many
        z, codebooks = whole(2, 3, c, P, seed=c), whole(3, K, c, seed=K)
        assert torch.equal(search(z, codebooks), brute_force(z, codebooks))
        z, codebooks = normal(2, 3, c, P, seed=c), normal(3, K, c, seed=K)
        assert_nearest(search(z, codebooks), z, codebooks)


@pytest.mark.parametrize("offset", [100.0, 1e4])
@pytest.mark.parametrize("c", [1, 2, 8, 40])
def test_far_from_zero(search, c, offset):
    z, codebooks = whole(2, 2, c, 150) + offset, whole(2, 100, c, seed=1) + offset
    assert torch.equal(search(z, codebooks), brute_force(z, codebooks))


@pytest.mark.parametrize("exponent", [-120, -66, -20, 20, 50, 66, 100])
@pytest.mark.parametrize("c", [1, 2, 16, 40])
def test_the_unit_does_not_matter(search, c, exponent):
    z, codebooks = normal(1, 2, c, 150), normal(2, 100, c, seed=1)
    assert torch.equal(search(z * 2.0**exponent, codebooks * 2.0**exponent), search(z, codebooks))


@pytest.mark.parametrize("c", [2, 8, 16, 40, 256])
@pytest.mark.parametrize("P", [5, 200])
def test_codewords_of_very_different_lengths(search, c, P):
    lengths = torch.tensor([1e-4, 1.0, 1.0, 1e3, 1e15]).repeat(30)[:, None]
    z, codebooks = normal(1, 1, c, P), normal(1, 150, c, seed=1) * lengths
    assert_nearest(search(z, codebooks), z, codebooks)


@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("c", [8, 17, 64, 300])
def test_codewords_too_close_for_the_screen(search, c, spread):
    groups = normal(1, 6, c).repeat_interleave(50, dim=1)
    codebooks = groups + spread * normal(1, 300, c, seed=1)
    z = groups[0, ::3].T[None, None] + 0.3 * normal(1, 1, c, 100, seed=2)
    assert_nearest(search(z, codebooks), z, codebooks)


@pytest.mark.parametrize("exact", ["latents", "codewords"])
@pytest.mark.parametrize("c", [8, 16, 30, 40, 100])
def test_long_codewords_that_are_close_beside_short_ones(search, c, exact):
    word = 4 * (128 + 64 * normal(c).tanh()).round()  # a step of bf16 is 4, or 2
    steps = 4 * (whole(30, c) * (normal(30, c).abs() < 0.3)).clamp(-1, 1)
    steps = steps if exact == "codewords" else (1.6 * normal(30, c, seed=1)).round() / 16
    z = word + (1.5 if exact == "codewords" else 0.1) * normal(50, c, seed=2)
    z = z.bfloat16().float() if exact == "latents" else z
    long = torch.nn.functional.pad((word + steps).view(2, 15, c), (0, 0, 0, 1))  # every sixteenth is zero
    codebooks = torch.cat([long, -long]).view(1, 64, c)  # centred: nothing adds digits to what is exact in bf16
    z = torch.cat([z, -z]).T[None, None]
    assert torch.equal(search(z, codebooks), brute_force(z, codebooks))


@pytest.mark.parametrize("nearest_first", [True, False])
@pytest.mark.parametrize("rounded", ["latents", "codewords"])
@pytest.mark.parametrize("c", [6, 8, 16, 32, 40, 100])
def test_the_worst_rounding_there_is(search, c, rounded, nearest_first):
    # in bf16 all channels lose 0.9: z along the nearest codeword and against its rival, or these along and against z
    ones, signs = torch.ones(c), torch.tensor([1.0, -1.0]).repeat(c // 2)
    if rounded == "latents":
        z, nearest, rival, shorter = 300 * signs + 0.9 * ones, 64 * ones, -62.75 * ones, -32 * signs
    else:
        z, nearest, rival = 500 * signs, 300 * ones + 0.9 * signs, 298 * ones - 0.9 * signs
        shorter = -250 * signs
    pair = [torch.stack([word] * 15 + [shorter]) for word in (nearest, rival)]
    far = 8192 * torch.cat([torch.eye(c), -torch.eye(c)]).repeat(11, 1)[:64]  # most are zero in a channel: no centre
    codebooks = torch.cat([*(pair if nearest_first else pair[::-1]), far])[None]
    z = z.view(1, 1, c, 1).expand(1, 1, c, 20)
    assert brute_force(z, codebooks).eq(0 if nearest_first else 16).all()
    assert torch.equal(search(z, codebooks), brute_force(z, codebooks))


def test_sums_that_round_though_their_terms_do_not(search):
    generator = torch.Generator().manual_seed(0)
    word = torch.randint(-250, 250, (2000,), generator=generator).float()
    words = word.repeat(60, 1)
    words[torch.arange(60), torch.arange(60)] += 1
    codebooks = torch.cat([words, -words])[None]  # their mean is zero: the screen has nothing to round but its sums
    nearby = torch.randint(0, 3, (1, 1, 2000, 50), generator=generator)
    nearby[:, :, 100:] = whole(1, 1, 1900, 50)
    z = word[:, None] + nearby
    assert torch.equal(search(z, codebooks), brute_force(z, codebooks))


@pytest.mark.parametrize("c", [1, 2, 40])
@pytest.mark.parametrize("P", [3, 400])
def test_of_equal_codewords_the_first(search, c, P):
    codebook = normal(1, 90, c)
    doubled = torch.cat([codebook, codebook.flip(1), codebook], dim=1)
    z = codebook[0].T[None, None, :, torch.arange(P) % 90].contiguous()
    assert search(z, doubled).flatten().tolist() == [i % 90 for i in range(P)]
    assert search(z, torch.ones(1, 500, c)).eq(0).all()
    assert search(z, torch.zeros(1, 500, c)).eq(0).all()
    signs = torch.tensor([5.0, 0.0, -0.0]).repeat(40).view(1, 120, 1).expand(-1, -1, c)
    assert search(torch.zeros(1, 1, c, P), signs).eq(1).all()
    assert search(torch.zeros(1, 1, c, P), -signs).eq(1).all()


@pytest.mark.parametrize("far", [3.0, 1e3, 1e6, 1e9, 1e30])
def test_scalars_whose_distances_round_to_the_same(search, far):
    codebook = normal(1, 300, 1) * 1e-3
    z = far * normal(1, 1, 1, 400, seed=1)
    rounded = (z[0, 0, 0, :, None] - codebook[0, :, 0]).abs().numpy()  # fp32
    assert search(z, codebook).flatten().tolist() == rounded.argmin(axis=1).tolist()


def test_scalars_halfway_between_two(search):
    z, codebook = whole(1, 2, 1, 400) + 0.5, whole(2, 200, 1, seed=1)
    assert torch.equal(search(z, codebook), brute_force(z, codebook))


def laid_out(z, layout):
    """The same (B, S, c, P) values in another order of memory."""
    B, S, c, P = z.shape
    if layout == "channels_last":
        return z.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    if layout == "rows":
        return z.permute(3, 1, 2, 0).contiguous().permute(3, 1, 2, 0)
    if layout == "sliced":
        room = torch.full((B, S + 1, c + 2, 3 * P + 1), torch.nan)
        room[:, 1:, 1:-1, 1::3] = z
        return room[:, 1:, 1:-1, 1::3]
    if layout == "expanded":
        return z[:1].expand(B, S, c, P)
    return z.contiguous()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("c", "K"), [(1, 20), (1, 200), (2, 30), (5, 30), (40, 30)])
def test_any_memory_layout(search, layout, c, K):
    z, codebooks = whole(7, 3, c, 49), whole(3, K, c, seed=1)
    z[1:] = z[:1] if layout == "expanded" else z[1:]
    given = laid_out(z, layout)
    assert torch.equal(given, z)
    codes = search(given, codebooks)
    assert torch.equal(codes, brute_force(z, codebooks))
    assert codes.is_contiguous()
    assert codes.dtype == torch.int64
    strided = codebooks.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(search(given, strided), codes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("c", [1, 4, 40])
def test_any_float_type(search, dtype, c):
    z, codebooks = normal(2, 3, c, 50).to(dtype), normal(3, 30, c).to(dtype)
    assert torch.equal(search(z, codebooks), search(z.float(), codebooks.float()))
    assert torch.equal(search(z.requires_grad_(), codebooks), search(z.detach(), codebooks))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 3.4e38])
@pytest.mark.parametrize(("c", "K"), [(1, 5), (1, 100), (2, 100), (40, 100)])
def test_what_is_not_finite_harms_nothing_else(search, value, c, K):
    z, codebooks = normal(1, 2, c, 300), normal(2, K, c, seed=1)
    clean, spoilt = search(z, codebooks), z.clone()
    spoilt[..., -1, ::7] = value
    codes = search(spoilt, codebooks)
    assert ((codes >= 0) & (codes < K)).all()
    good = torch.arange(300) % 7 != 0
    assert torch.equal(codes[..., good], clean[..., good])
    codebooks[:, 3] = value
    without = torch.cat([codebooks[:, :3], codebooks[:, 4:]], dim=1)
    codes = search(z, codebooks)
    assert not codes.eq(3).any()
    assert torch.equal(codes - codes.gt(3).long(), search(z, without))
    codes = search(z, torch.full_like(codebooks, value))
    assert ((codes >= 0) & (codes < K)).all()


@pytest.mark.parametrize(("c", "K"), [(1, 1000), (2, 500), (16, 200), (40, 500)])
def test_codes_do_not_depend_on_threads(search, threads, c, K):
    z, codebooks = normal(3, 5, c, 1001), normal(5, K, c, seed=1)
    codes = []
    for count in (1, 2, 3, 8):
        threads(count)
        codes.append(search(z, codebooks))
    assert all(torch.equal(others, codes[0]) for others in codes[1:])


@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (4, 2, 3, 0), (1, 0, 3, 4), (1, 2, 0, 4)])
def test_nothing_to_search(search, shape):
    B, S, c, P = shape
    codes = search(torch.zeros(shape), torch.zeros(S, 5, c))
    assert codes.shape == (B, S, P)
    assert codes.eq(0).all()


@pytest.mark.parametrize(
    ("z", "codebooks"),
    [((1, 2, 3, 4), (2, 5, 4)), ((1, 2, 3, 4), (3, 5, 3)), ((2, 3, 4), (2, 5, 3)), ((1, 2, 3, 4), (2, 0, 3))],
)
def test_shapes_that_do_not_fit_are_named(search, z, codebooks):
    with pytest.raises(ValueError, match="expected") as caught:
        search(torch.zeros(z), torch.zeros(codebooks))
    assert str(z) in str(caught.value)
    assert str(codebooks) in str(caught.value)


def test_other_devices_are_refused(search):
    with pytest.raises(ValueError, match="meta"):
        search(torch.zeros(1, 2, 3, 4, device="meta"), torch.zeros(2, 5, 3))


def test_the_switch_turns_it_off(search, monkeypatch):
    monkeypatch.setenv(native.SWITCH, "0")
    assert not native.available()
    with pytest.raises(ResourceError, match="switched off"):
        search(torch.zeros(1, 2, 3, 4), torch.zeros(2, 5, 3))


class Wrong:
    """A library that finds codeword 0 always."""

    @staticmethod
    def pqgan_nearest_codes(*_):
        return 0


@pytest.mark.parametrize("loaded", [Wrong, object])
def test_a_library_that_errs_is_not_used_and_says_so_once(monkeypatch, caplog, loaded):
    monkeypatch.delenv(native.SWITCH, raising=False)
    monkeypatch.setattr(native, "_loaded", [])
    monkeypatch.setattr(build, "load", loaded)
    with caplog.at_level(logging.WARNING):
        assert [native.available() for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1
    assert "PyTorch is used" in caplog.text
