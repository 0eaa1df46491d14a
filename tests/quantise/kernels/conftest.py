"""The kernels, as they can be run here, and references in float64.

With a CUDA device `pytest tests/quantise/kernels` compiles every kernel for it and runs it there. Without one, Triton's
interpreter runs them on the CPU: they are imported apart from the rest for that, so that no other test meets the
switch. Either way `compiled` makes machine code of them for a Hopper GPU, which needs none.
"""

import importlib
import shutil
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

try:
    import triton
except ImportError:
    triton = None

PACKAGE = "pqgan.quantise.kernels"


def imported_apart(interpret: bool):
    """A copy of the kernels' modules that no other importer sees."""
    quantise = importlib.import_module("pqgan.quantise")
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(PACKAGE)}
    attribute = quantise.__dict__.pop("kernels", None)
    knob, triton.knobs.runtime.interpret = triton.knobs.runtime.interpret, interpret
    try:
        package = importlib.import_module(PACKAGE)
        return SimpleNamespace(
            **{name: getattr(package, name) for name in package.__all__},
            **{name.rpartition(".")[2]: sys.modules[name] for name in sys.modules if name.startswith(PACKAGE + ".")},
        )
    finally:
        triton.knobs.runtime.interpret = knob
        for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
            del sys.modules[name]
        sys.modules.update(before)
        quantise.__dict__.pop("kernels", None)
        if attribute is not None:
            quantise.kernels = attribute


@contextmanager
def interpreter():
    """Triton's own library functions run interpreted too, as after an import with TRITON_INTERPRET=1."""
    from triton.language import standard
    from triton.runtime import interpreter
    from triton.runtime.jit import JITFunction

    patch_lang, patch_lang_tensor = interpreter._patch_lang, interpreter._patch_lang_tensor
    of_library = standard.sum.fn

    def patch_both(function):
        scopes = [patch_lang(function), patch_lang(of_library)]
        return SimpleNamespace(restore=lambda: [scope.restore() for scope in reversed(scopes)])

    def call(function, *args, **options):
        # the original patches again on every call, which is slow, and never restores
        return function.rewrite()(*args, **options)

    def patch_tensor(tensor, scope):
        patch_lang_tensor(tensor, scope)
        # int() of an array of one element: numpy takes it no longer
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "_patch_lang", patch_both)
        patch.setattr(interpreter, "_patch_lang_tensor", patch_tensor)
        patch.setattr(interpreter.InterpretedFunction, "__call__", call)
        patch.setattr(triton.knobs.runtime, "interpret", True)
        for name, member in list(vars(standard).items()):
            if isinstance(member, JITFunction):
                interpreted = interpreter.InterpretedFunction(member.fn)
                for module in (standard, triton.language):
                    if getattr(module, name, None) is member:
                        patch.setattr(module, name, interpreted)
        yield


@pytest.fixture(scope="session", autouse=True)
def _needs_triton():
    if triton is None:
        pytest.skip("this torch came without Triton")


@pytest.fixture(scope="session")
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(scope="session")
def _kernels(device):
    return imported_apart(interpret=device.type == "cpu")


@pytest.fixture
def kernels(_kernels, device):
    """The package's functions and modules, for tensors on `device`."""
    if device.type == "cuda":
        yield _kernels
    else:
        with interpreter():
            yield _kernels


@pytest.fixture(scope="session")
def latents(device):
    """Make Gaussian sub-vectors (B, S, c, P) that lie in memory in one of the ways latents do."""

    def make(B, S, c, P, layout="nchw", dtype=torch.float32, seed=0):
        generator = torch.Generator().manual_seed(seed)
        flat = torch.randn(B, S * c, P, generator=generator).to(device, dtype)
        if layout == "channels_last":
            flat = flat.transpose(1, 2).contiguous().transpose(1, 2)
        elif layout == "strided":
            flat = torch.stack([flat, flat], dim=-1).flatten(2)[:, :, ::2]
        return flat.unflatten(1, (S, c))

    return make


@pytest.fixture(scope="session")
def words(device):
    """Make Gaussian codebooks (S, K, c)."""

    def make(S, K, c, seed=1):
        return torch.randn(S, K, c, generator=torch.Generator().manual_seed(seed)).to(device)

    return make


@pytest.fixture(scope="session")
def distances():
    """Squared distances (B, S, K, P) in float64."""

    def compute(z, codebooks):
        gaps = z.double()[:, :, None] - codebooks.double()[None, :, :, :, None]  # (B, S, K, c, P)
        return gaps.square().sum(dim=3)

    return compute


@pytest.fixture(scope="session")
def assert_nearest(distances):
    """Codes are int64 (B, S, P), in range, and nearest but for what rounding in fp32 can hide."""

    def check(codes, z, codebooks):
        assert codes.dtype == torch.int64
        assert codes.is_contiguous()
        assert codes.shape == z.shape[:2] + z.shape[3:]
        assert ((codes >= 0) & (codes < codebooks.shape[1])).all()
        every = distances(z, codebooks)
        chosen = every.gather(2, codes[:, :, None])[:, :, 0]
        assert (chosen <= every.amin(dim=2) * (1 + 2 * (z.shape[2] + 3) * 2**-24)).all()

    return check


class HopperWithoutHopper:
    """What Triton asks a driver before it compiles."""

    def get_current_target(self):
        return triton.backends.compiler.GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, _device):
        return 0


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Call a kernel's function with CPU tensors: its launches become {name: machine code}, and none is run."""
    tools = triton.knobs.nvidia
    for tool in ("ptxas", "cuobjdump"):
        if not shutil.which(getattr(tools, tool).path):
            pytest.skip(f"Triton came without {tool}")
    package = imported_apart(interpret=False)
    monkeypatch.setattr(package.launch, "INTERPRETED", True)
    monkeypatch.setattr(triton.runtime.driver, "_active", HopperWithoutHopper())
    run, launched = triton.runtime.jit.JITFunction.run, []

    def compile_only(kernel, *args, grid, warmup, **options):
        launched.append((kernel.__name__, run(kernel, *args, grid=grid, warmup=True, **options)))

    def inspect(kernel):
        (file := tmp_path / "kernel.cubin").write_bytes(kernel.asm["cubin"])
        command = [tools.cuobjdump.path, "--dump-resource-usage", file]
        dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        (usage,) = [line for line in dump.splitlines() if "REG:" in line]
        used = dict(item.split(":") for item in usage.split() if item.partition(":")[0] in ("REG", "STACK", "LOCAL"))
        counts = {name.lower(): int(number) for name, number in used.items()}
        return SimpleNamespace(**counts, shared=kernel.metadata.shared, ptx=kernel.asm["ptx"])

    def compile_all(call):
        launched.clear()
        with monkeypatch.context() as patch:
            patch.setattr(triton.runtime.jit.JITFunction, "run", compile_only)
            call(package)
        return {name: inspect(kernel) for name, kernel in launched}

    return compile_all
