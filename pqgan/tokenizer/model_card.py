"""The model card of an exported tokenizer: README.md with the front matter that the Hugging Face hub reads.

Every number of it comes from a metrics.json, and stands beside how it was computed, on how many images of which set,
and through which network.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCardData

from pqgan.metrics import METRICS
from pqgan.records import Measurement, Record

from .hub_files import CLASS
from .onnx_names import DECODER, ENCODER

TASK = "image-to-image"
TAGS = ("pqgan", "image-tokenizer", "product-quantization", "vector-quantization", "autoencoder")
OF_A_MACHINE = ("images_per_second",)
"""Metrics that say nothing of the model elsewhere."""
PAPER = "[Product-Quantised Image Representation for High-Quality Image Synthesis](https://arxiv.org/abs/2510.03191)"
PICTURES = "reconstructions.jpg"
OTHERS = ("rq", "fsq")
"""Kinds of quantisers that are not in the paper."""
ROUNDED = " (codebooks and a linear path always in fp32)"


class Measured(NamedTuple):
    """A record of the model, for its card."""

    record: Record
    note: str = ""
    """What is to be known of the weights that were measured."""


@dataclass(frozen=True)
class Subject:
    """What is exported."""

    name: str
    config: Mapping[str, Any]
    about: Mapping[str, Any]
    """Kind, F, d, S, K, parameters: as Tokenizer.subject says."""
    dtype: str
    weights: Mapping[str, str]
    """File -> sha256, of the exported weights."""
    provenance: Mapping[str, Any] | None
    licence: str | None
    place: str
    """What from_pretrained takes: a hub id, or words."""
    measured: Sequence[Measured] = ()
    pictures: str = ""
    """What the picture shows; empty: there is none."""
    onnx: Mapping[str, Any] | None = None
    """Content of onnx.json."""


def card(subject: Subject) -> str:
    """Text of README.md."""
    results = [result for record, _ in subject.measured for result in _results(record)]
    data = ModelCardData(
        license=subject.licence,
        library_name="diffusers",
        pipeline_tag=TASK,
        tags=list(TAGS),
        model_name=subject.name,
        # without any the hub reads no index of results
        eval_results=results or None,
        metrics=sorted({result.metric_type for result in results}) or None,
    )
    if not results:
        data.model_name = None
    blocks = [
        f"# {subject.name}",
        _what(subject),
        f"![{subject.pictures}]({PICTURES})\n\n*{subject.pictures}*" if subject.pictures else "",
        "## Use",
        _use(subject),
        *(("## Measured", *_tables(subject)) if subject.measured else ()),
        *(("## Without PyTorch", _onnx(subject)) if subject.onnx else ()),
        "## Where it comes from",
        _origin(subject),
    ]
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(filter(None, blocks)) + "\n"


def kept(record: Record) -> list[Measurement]:
    """Measurements that a card shows: headlines through published networks, of the model and no machine."""
    return [
        item
        for item in record.measurements
        if item.headline and item.metric not in OF_A_MACHINE and not is_of_random_networks(record, item)
    ]


def is_of_random_networks(record: Record, item: Measurement) -> bool:
    """Whether a number compares with none of another run."""
    return item.network is not None and not record.networks[item.network].files


def _results(record: Record) -> Iterator[EvalResult]:
    for item in kept(record):
        if not math.isfinite(item.value):
            continue
        conditions = {"protocol": item.protocol, "n": item.n, "unit": item.unit or None, "network": item.network}
        if item.interval:
            conditions["interval_95"] = list(item.interval)
        name = _set_name(record, item)
        yield EvalResult(
            task_type=TASK,
            task_name="image reconstruction",
            dataset_type=re.sub(r"[^\w.-]+", "-", name).strip("-.") or "images",
            dataset_name=name,
            dataset_args=_set_args(record),
            metric_type=item.metric,
            metric_name=f"{_label(item.metric)} ({item.protocol}{f'; {item.network}' if item.network else ''}; "
            f"n = {item.n})",
            metric_value=item.value,
            metric_args={key: value for key, value in conditions.items() if value is not None},
        )


def _set_name(record: Record, item: Measurement) -> str:
    return record.sets.get(item.on or "", item.on or "images")


def _set_args(record: Record) -> dict[str, Any] | None:
    about = record.provenance.get("images")
    return {key: about[key] for key in ("n", "size", "geometry", "digest") if key in about} if about else None


def _label(metric: str) -> str:
    about = METRICS.get(metric)
    return about.label if about else metric


def _what(subject: Subject) -> str:
    about, config = subject.about, subject.config
    if config.get("_class_name") != CLASS:
        return f"A {config.get('_class_name')} of diffusers, weights in {subject.dtype}, exported by pqgan."
    F, S, K = about["F"], about["S"], about["K"]
    bits = S * (K - 1).bit_length() / F**2
    other = " Its quantiser is no product quantiser and not in the paper." if about.get("kind") in OTHERS else ""
    if not any(config.get("block_out_channels") or ()):
        other += " It is a linear path, principal components of patches with the paper's codebooks"
        other += ", and a network that corrects it" * bool(config.get("refine_channels"))
        other += ", in the place of the paper's networks."
    return (
        f"An image tokenizer after {PAPER}, by the reproduction pqgan: an image of H x W pixels becomes {S} codes of "
        f"{K} values at each of H/{F} x W/{F} positions, {bits:g} bits a pixel. {about['parameters']:,} parameters, "
        f"d={about['d']} latent channels, weights in {subject.dtype}{ROUNDED * (subject.dtype != 'fp32')}.{other}"
    )


def _use(subject: Subject) -> str:
    if (cls := subject.config.get("_class_name")) != CLASS:
        return (
            f"```python\nfrom diffusers import {cls}\n\nmodel = {cls}.from_pretrained({json.dumps(subject.place)})\n```"
        )
    F, S = subject.about["F"], subject.about["S"]
    return f"""\
PQModel is a class of the package pqgan: `pip install .` in a checkout of the PQGAN reproduction. Then

```python
import torch
from diffusers import AutoModel
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

model = AutoModel.from_pretrained({json.dumps(subject.place)}, trust_remote_code=True, torch_dtype=torch.float32)
image = pil_to_tensor(Image.open("photo.jpg").convert("RGB").resize((256, 256)))[None] / 127.5 - 1  # [-1, 1]
with torch.inference_mode():
    codes = model.encode_to_codes(image)  # (1, {S}, {256 // F}, {256 // F}) integers
    again = model.decode_from_codes(codes)
to_pil_image(again[0].clamp(-1, 1) / 2 + 0.5).save("again.png")
```

After `import pqgan` it loads without `trust_remote_code`, and no file of this folder is run. Sides of images are
multiples of {F}."""


def _tables(subject: Subject) -> Iterator[str]:
    for record, note in subject.measured:
        lines = ["| metric | value | 95 % interval | n | set | protocol | network |", "|---|---|---|---|---|---|---|"]
        for item in kept(record):
            ends = " to ".join(f"{end:.4g}" for end in item.interval) if item.interval else ""
            unit = f" {item.unit}" if item.unit in ("dB",) else ""
            cells = [_label(item.metric), f"{item.value:.4g}{unit}", ends, str(item.n), _set_name(record, item)]
            lines.append(f"| {' | '.join([*map(_cell, cells), _cell(item.protocol), _cell(item.network or '')])} |")
        yield "\n".join(lines)
        seen = record.provenance.get("images")
        how = {"crop": "a square from the centre of each", "squash": "both sides brought there"}
        of = f"Images at {seen['size']} px ({how[seen['geometry']]}). " if seen else ""
        sources = "; ".join(
            f"{label}: {network.origin} (sha256 {', '.join(digest[:12] for digest in network.files.values())})"
            for label, network in record.networks.items()
            if network.files
        )
        yield f"{of}Computed in {record.dtype} on {record.device}.{f' Networks: {sources}.' if sources else ''}{note}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _onnx(subject: Subject) -> str:
    F, found, packages = subject.about["F"], subject.onnx["compared"], subject.onnx["packages"]
    return f'''\
```python
import numpy as np
import onnxruntime
from PIL import Image

photo = Image.open("photo.jpg").convert("RGB").resize((256, 256))
images = np.asarray(photo, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1  # (1, 3, 256, 256) in [-1, 1]
(codes,) = onnxruntime.InferenceSession("{ENCODER}").run(None, {{"images": images}})  # int64
(again,) = onnxruntime.InferenceSession("{DECODER}").run(None, {{"codes": codes}})
levels = np.round((again[0].clip(-1, 1) + 1) * 127.5).astype(np.uint8)
Image.fromarray(levels.transpose(1, 2, 0)).save("again.png")
```

Opset {subject.onnx["opset"]}, any batch, sides that are multiples of {F}. What is outside of the allowed range makes
the runtime fail. Run by onnxruntime {packages["onnxruntime"]} when they were exported, on {found["images"]} images:
{found["codes_that_differ"]:,} of {found["codes"]:,} codes differ from the model's, and decoded pixels by at most
{found["largest_difference_in_levels"]:.2g} of 255 levels.'''


def _origin(subject: Subject) -> str:
    lines = [f"- `{name}`: sha256 `{digest}`" for name, digest in subject.weights.items()]
    made = subject.provenance or {}
    # a file of anybody's: what has another form than ours is left to it
    git, packages = (each if isinstance(each := made.get(key), dict) else {} for key in ("git", "packages"))
    told = {
        "made by": f"`{made['command']}`" if "command" in made else "",
        "finished": made.get("finished"),
        "on": made.get("device"),
        "revision": f"{git['revision']}{', with changes' * bool(git.get('modified'))}" if "revision" in git else "",
        "packages": ", ".join(f"{name} {number}" for name, number in packages.items()),
    }
    lines += [f"- {key}: {_cell(str(value))}" for key, value in told.items() if value]
    rest = "`SHA256SUMS` has the sha256 of every file."
    if not made:
        return (
            "\n".join(lines) + f"\n\nThe folder that was exported says nothing of where its weights come from. {rest}"
        )
    return "\n".join(lines) + f"\n\n`provenance.json` has all of it. {rest}"
