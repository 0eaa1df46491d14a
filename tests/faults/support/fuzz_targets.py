"""Whole files and what reads them, for the fuzz test to damage: code files, settings, models.

A builder fills a folder and says which of its files are read how.
"""

import hashlib
import io
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from pqgan.cli import main
from pqgan.errors import PqganError

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Target:
    """A file, and what reads it.

    Attributes:
        name: of the target.
        file: below the folder.
        kind: of its structure, as fuzz_mutate names it.
        read: reads it; a PqganError where it is refused.
        thorough: examples of the long run; a share of them of the quick one.
        sealed: whether a checksum covers it, so that every other content must be refused.
        reseal: brings the checksums to what the file is now, so that what lies behind them is reached.
        others: files that it may be swapped with.
        same: whether another content says the same.
    """

    name: str
    file: str
    kind: str
    read: Callable[[Path], Any]
    thorough: int
    sealed: bool = False
    reseal: Callable[[Path], None] | None = None
    others: tuple[str, ...] = ()
    same: Callable[[bytes, bytes], bool] = bytes.__eq__


class CommandError(PqganError):
    """A command of the command line that refused what it was given."""


def command(*arguments: object) -> None:
    """A command in this process; what it says must be one line."""
    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        code = main([str(argument) for argument in arguments])
    if code:
        lines = [line for line in said.getvalue().splitlines() if line.startswith("pqgan ")]
        if code not in (2, 3, 4, 5) or len(lines) != 1:
            raise AssertionError(f"exit code {code}: {said.getvalue()[:2000]}")
        raise CommandError(lines[0])


def codes(folder: Path, model: Path) -> list[Target]:
    """A code file of two images."""
    from pqgan.quantise.codes import CodeFile
    from pqgan.tokenizer.encode import encode

    for number, side in enumerate((8, 12)):
        pixels = np.random.default_rng(number).integers(0, 256, (side, 8, 3), dtype=np.uint8)
        (folder / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    with redirect_stdout(io.StringIO()):
        encode(model=model, images=folder / "images", out=folder / "a.pqc", device="cpu")

    def read(folder: Path) -> None:
        with CodeFile(folder / "a.pqc") as file:
            for index in range(len(file.entries)):
                file.codes(index)

    def decode(folder: Path) -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        command("decode", "--model", model, "--codes", folder / "a.pqc", "--out", folder / "out", "--device", "cpu")

    def reseal(folder: Path) -> None:
        content = (folder / "a.pqc").read_bytes()[:-32]
        (folder / "a.pqc").write_bytes(content + hashlib.sha256(content).digest())

    return [
        Target("codes", "a.pqc", "bytes", read, 3000, sealed=True),
        Target("codes, sealed again", "a.pqc", "bytes", read, 3000, reseal=reseal),
        Target("codes, decoded", "a.pqc", "bytes", decode, 150, reseal=reseal),
    ]


def params(folder: Path, _: Path) -> list[Target]:
    """params.yaml with the smoke scale alone."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw |= {"scale": "smoke", "scales": {"smoke": raw["scales"]["smoke"]}}
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))

    def read(folder: Path) -> None:
        command("plan", "--params", folder / "params.yaml", "--scale", "smoke")

    return [Target("params.yaml", "params.yaml", "yaml", read, 250)]


def model(folder: Path, tiny: Path) -> list[Target]:
    """A trained tokenizer."""
    from pqgan.tokenizer.load import load_model

    shutil.copytree(tiny, folder, dirs_exist_ok=True)
    weights = "diffusion_pytorch_model.safetensors"
    return [
        Target("config.json", "config.json", "json", load_model, 800, others=(weights,)),
        Target("weights", weights, "safetensors", load_model, 600, others=("config.json",)),
    ]


BUILDERS = (codes, params, model)
