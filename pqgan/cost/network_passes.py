"""What the jobs of a scale compute, as pieces of work whose operations `pqgan cost --count` counts on the networks.

A piece is plain data, so that a count can be kept, and is found again only for exactly the same networks.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic's, before Python 3.12

from pqgan.errors import DataError
from pqgan.settings import LinearConfig, Settings
from pqgan.settings.configurations import TokenizerConfig
from pqgan.settings.diffusion import STABLE_DIFFUSION_2_1, UNetShape
from pqgan.storage.atomic import write_text
from pqgan.storage.json_files import first_flaw, read_json

FILE = Path(__file__).with_name("operations.json")
"""Counts that come with the package: those of the scales paper and released."""

TOKENS = 77
"""Of a prompt."""

Work = dict[str, Any]


def tokenizer(settings: Settings, config: TokenizerConfig, does: str, resolution: int) -> Work:
    """A tokenizer on one image.

    Args:
        config: its settings, with a trunk; the number of codewords makes no difference, their search is in `searched`.
        does: train (one update, of the discriminator too), encode or decode.
        resolution: side of the image, pixels.
    """
    section = settings.scale.tokenizer
    work = {
        "network": "tokenizer",
        "does": does,
        "kind": config.network,
        "d": config.d,
        "trunk": section.trunk(config).model_dump(mode="json"),
        "resolution": resolution,
    }
    if does == "train":
        work["discriminator"] = section.discriminator.model_dump(mode="json")
        work["perceptual"] = settings.scale.evaluation.features.perceptual
    return work


def backbone_vae(settings: Settings, does: str, resolution: int) -> Work:
    """The backbone's own AutoencoderKL on one image; published tokenizers are taken to cost the same.

    Where a scale has no backbone, that of Stable Diffusion 2.1.
    """
    adapt = settings.scale.adapt
    backbone = adapt.backbone.architecture if adapt else STABLE_DIFFUSION_2_1
    shape = {"channels": list(backbone.vae_channels), "layers": backbone.vae_layers}
    return {"network": "vae", "does": does, **shape, "resolution": resolution}


def searched(config: TokenizerConfig, resolution: int) -> int:
    """Operations of the search for the nearest codewords of one image: as many distances as a matrix product has."""
    return 2 * (resolution // config.F) ** 2 * config.search_products


def projected(config: LinearConfig, resolution: int) -> int:
    """Operations of a linear tokenizer that encodes or decodes one image: one matrix product of its patches."""
    return 2 * (resolution // config.F) ** 2 * 3 * config.F**2 * config.d


def unet(shape: UNetShape, does: str, d: int, side: int, tokens: int) -> Work:
    """A U-Net on one latent.

    Args:
        does: train, train-ends (conv_in and conv_out alone take gradients), or predict.
        d: channels of the latent.
        side: of the latent.
        tokens: of the condition.
    """
    return {
        "network": "unet",
        "does": does,
        "shape": shape.model_dump(mode="json"),
        "d": d,
        "side": side,
        "tokens": tokens,
    }


def text(settings: Settings) -> Work:
    """The text encoder on one prompt."""
    backbone = settings.scale.adapt.backbone.architecture
    heads = backbone.text_channels // backbone.unet.head_channels
    return {"network": "text", "width": backbone.text_channels, "layers": backbone.text_layers, "heads": heads}


def features(settings: Settings, resolution: int) -> Work:
    """The feature networks of an evaluation on one reconstruction (LPIPS: on it and its original)."""
    section = settings.scale.evaluation.features
    backbones = dict.fromkeys((settings.reading.metrics.lpips, *section.lpips))
    return {
        "network": "features",
        "lpips": list(backbones),
        "inception": section.fid_input,
        "clip": section.clip.model_dump(mode="json", exclude={"revision"}),
        "resolution": resolution,
    }


class Count(TypedDict):
    """A piece of work, counted."""

    work: Work
    operations: NonNegativeInt
    parameters: NonNegativeInt


_ROWS = TypeAdapter(list[Count])


class Counts:
    """Operations and parameters by piece of work.

    Args:
        file: made by `pqgan cost --count`.

    Raises:
        DataError: no such file, or it holds something else.
    """

    def __init__(self, file: Path = FILE):
        self.file = file
        try:
            rows = _ROWS.validate_python(read_json(file, f"counts; make them: pqgan cost --count --operations {file}"))
        except ValidationError as error:
            raise DataError(
                f"{file}: no counts of operations ({first_flaw(error)}); make it again: pqgan cost --count"
            ) from None
        self._found = {_key(row["work"]): row for row in rows}

    def operations(self, work: Work) -> int:
        """Floating-point operations of a piece of work, two a multiplication with its addition."""
        return self._row(work)["operations"]

    def parameters(self, work: Work) -> int:
        """Of its networks, codewords left out."""
        return self._row(work)["parameters"]

    def _row(self, work: Work) -> dict[str, Any]:
        try:
            return self._found[_key(work)]
        except KeyError:
            named = " ".join(str(work[key]) for key in ("network", "does", "d", "resolution", "side") if key in work)
            raise DataError(
                f"{self.file}: no count of {named} with these settings; count with: pqgan cost --count"
            ) from None


def holds_counts(file: Path) -> bool:
    """Whether a file is one of counts."""
    try:
        return bool(Counts(file)._found)
    except (DataError, OSError):
        return False


class Wanted(Counts):
    """Stands in for Counts to learn which pieces of work a cost is made of."""

    def __init__(self) -> None:
        self.works: dict[str, Work] = {}

    def _row(self, work: Work) -> dict[str, Any]:
        self.works.setdefault(_key(work), work)
        return {"operations": 0, "parameters": 0}


def write(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Keep counts: work, operations, parameters; those of other work that the file has stay."""
    found = dict(Counts(file)._found) if file.exists() else {}
    found |= {_key(row["work"]): row for row in rows}
    lines = sorted(json.dumps(row, sort_keys=True) for row in found.values())
    write_text(file, "[\n" + ",\n".join(lines) + "\n]\n")


def _key(work: Work) -> str:
    return json.dumps(work, sort_keys=True)
