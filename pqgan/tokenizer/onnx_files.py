"""encoder.onnx and decoder.onnx of a PQModel, and onnx.json, which says what they are: `pqgan export --onnx`.

Any runtime runs them with no code of this package; they are run by onnxruntime here before anybody gets them.
"""

import json
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pqgan.errors import DataError, NumericalError, ResourceError
from pqgan.storage.atomic import write_text
from pqgan.storage.manifest import sha256

from .onnx_graphs import SEARCHES, Decoder, Encoder
from .onnx_names import ABOUT, DECODER, ENCODER
from .onnx_refusals import name_refusal, refuse_shapes

OPSET = 18
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LARGEST = 2_000_000_000
"""Bytes of weights that one file holds; its format ends at 2 GiB."""
PIXEL = 1 / 255
"""Of the range of an image: what decoded images may differ by."""
SHARE = 1e-3
"""Of the codes: what may differ, as two words that are equally near within a trunk's rounding do; of few codes, one."""


def check(model: nn.Module) -> None:
    """See whether a model can be exported here, before any work.

    Raises:
        ResourceError: a package is missing.
        DataError: no PQModel, a quantiser that has no form in ONNX, or too large.
    """
    for package in PACKAGES:
        try:
            __import__(package)
        except ImportError:
            raise ResourceError(f"--onnx: {package} is not installed; pip install '.[onnx]'") from None
    kind = getattr(getattr(model, "quantiser", None), "kind", None)
    if kind not in SEARCHES:
        what = f"{type(model).__name__}" + (f" with a quantiser of kind {kind}" if kind else "")
        raise DataError(f"--onnx: got {what}; expected a PQModel of kind {', '.join(SEARCHES)}")
    if (size := 4 * sum(each.numel() for each in model.state_dict().values())) > LARGEST:
        raise DataError(f"--onnx: the weights take {size:,} bytes; one ONNX file holds {LARGEST:,}")


def write(model: nn.Module, folder: Path, images: Tensor | None = None) -> str:
    """Write the three files into a folder, and run both graphs beside the model.

    Args:
        model: a PQModel that `check` let through, in float32 and evaluation mode.
        folder: that is being made.
        images: (B, 3, H, W) in [-1, 1], to run them on as well; sides are multiples of F.

    Returns:
        What was found, in words.

    Raises:
        NumericalError: onnxruntime decodes to other pixels, or finds other codes than the model.
    """
    F, S = model.factor, model.quantiser.S
    h, w, batch = (torch.export.Dim(name, min=1) for name in ("h", "w", "batch"))
    example = _smooth_images(2, 3 * F, 5 * F)
    _save(Encoder(model), example, ("images", "codes"), {0: batch, 2: F * h, 3: F * w}, folder / ENCODER, F)
    codes = model.encode_to_codes(example)
    _save(Decoder(model), codes, ("codes", "images"), {0: batch, 2: h, 3: w}, folder / DECODER, 1)
    seen = [example, _smooth_images(1, 6 * F, 4 * F)] + ([] if images is None else list(images.split(1)))
    found = compare(model, folder, seen)
    about = {
        "opset": OPSET,
        "encoder": {
            "file": ENCODER,
            "sha256": sha256(folder / ENCODER),
            "input": f"images: float32 (B, 3, H, W) in [-1, 1], H and W multiples of {F}",
            "output": f"codes: int64 (B, {S}, H / {F}, W / {F}), each from 0 to {model.quantiser.K - 1}",
        },
        "decoder": {
            "file": DECODER,
            "sha256": sha256(folder / DECODER),
            "input": f"codes: int64 (B, {S}, h, w)",
            "output": f"images: float32 (B, 3, {F} h, {F} w), about in [-1, 1]: clip them",
        },
        "packages": {name: version(name) for name in ("torch", *PACKAGES)},
        "compared": found,
    }
    write_text(folder / ABOUT, json.dumps(about, indent=1) + "\n")
    return (
        f"onnxruntime {about['packages']['onnxruntime']}: {found['codes_that_differ']:,} of {found['codes']:,} codes "
        f"differ, decoded pixels by at most {found['largest_difference_in_levels']:.2g} of 255 levels"
    )


@torch.no_grad()
def compare(model: nn.Module, folder: Path, images: Iterable[Tensor]) -> dict[str, Any]:
    """Both files by onnxruntime beside the model.

    Args:
        model: that was exported.
        folder: with the files.
        images: batches (B, 3, H, W) in [-1, 1], of any sizes.

    Raises:
        NumericalError: onnxruntime decodes to other pixels, or finds other codes than the model.
    """
    encoder, decoder = (session(folder / name) for name in (ENCODER, DECODER))
    count = codes_seen = differ = 0
    largest = 0.0
    for batch in images:
        codes = model.encode_to_codes(batch)
        found = encoder.run(None, {"images": batch.numpy()})[0]
        again = decoder.run(None, {"codes": codes.numpy()})[0]
        count, codes_seen = count + len(batch), codes_seen + codes.numel()
        differ += int((found != codes.numpy()).sum())
        largest = max(largest, float(np.abs(again - model.decode_from_codes(codes).numpy()).max()) / 2)
    if not largest <= PIXEL or differ > max(1, SHARE * codes_seen):
        raise NumericalError(
            f"--onnx: onnxruntime differs from the model in {differ:,} of {codes_seen:,} codes and by "
            f"{255 * largest:.3g} of 255 levels; allowed: {SHARE:.1%}, "
            "or one, and 1; this pair of versions cannot be used"
        )
    return {
        "images": count,
        "codes": codes_seen,
        "codes_that_differ": differ,
        "largest_difference_in_levels": 255 * largest,
    }


def session(path: Path):
    """onnxruntime's, on one core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _save(
    network: nn.Module, example: Tensor, names: tuple[str, str], sides: dict[int, Any], path: Path, divisor: int
) -> None:
    """Trace a network of one input and one output, named so, of any size along these sides, which a number divides."""
    import onnx

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch about its own parts
        program = torch.onnx.export(
            network.eval(),
            (example,),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_shapes=(sides,),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    proto = program.model_proto
    for node in _without_traces(proto):
        name_refusal(node, path.name)
    refuse_shapes(proto, divisor)
    proto.doc_string = f"{names[0]} to {names[1]}, by a PQModel"
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)


def _without_traces(proto) -> Iterator:
    """Every node, without the lines of source that the exporter notes, which say where this package lies."""
    graphs = [proto.graph, *proto.functions]
    while graphs:
        graph = graphs.pop()
        graph.ClearField("metadata_props")
        for value in graph.value_info:
            value.ClearField("metadata_props")
        for node in graph.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
            graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
            yield node
    proto.ClearField("metadata_props")


def _smooth_images(count: int, height: int, width: int) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1]: seeded noise, coarse and fine."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, 3, 3, 4, generator=generator)
    fine = torch.randn(count, 3, height, width, generator=generator)
    images = nn.functional.interpolate(coarse, (height, width), mode="bilinear") + fine / 8
    return images.mul(0.5).clamp(-1, 1)
