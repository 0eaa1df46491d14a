"""Commands on folders of images of any kind: encode, decode, export, evaluate."""

import argparse
from functools import partial
from pathlib import Path

from pqgan import machine
from pqgan.metrics import LEAVABLE

from . import types
from .call import Verbs, check_folders, function, given

NETS = ("alex", "vgg", "squeeze")
SIDE = types.positive(2**16, "no image has a longer side")
BATCH = types.positive(2**16, "all are in memory at once")
IMAGES = types.positive(10**5, "all are in memory at once")
PICTURES = partial(types.count, most=10**5, why="each is a file of its own")
MODEL = (
    "a trained or diffusers folder, a published name (pqgan-f8), a hub id[:subfolder][@revision], or a checkpoint file"
)
DEVICES = types.positive(machine.MOST, "no machine has more")


def add(verbs: Verbs) -> None:
    """Add encode, decode, export and evaluate."""
    _add_codes(verbs)
    _add_export(verbs)
    _add_evaluate(verbs)


def _add_codes(verbs: Verbs) -> None:
    what = "turn a folder of images into a code file with a trained tokenizer"
    encode = verbs.add_parser("encode", help=what, description=what)
    what = "turn a code file back into images with the tokenizer that made it"
    decode = verbs.add_parser("decode", help=what, description=what)
    for sub in (encode, decode):
        sub.add_argument("--model", required=True, metavar="MODEL", help=f"{MODEL}, that has codes")
    encode.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="images, in folders below it too")
    encode.add_argument("--out", type=Path, required=True, metavar="FILE", help="code file to write (.pqc)")
    encode.add_argument("--size", type=SIDE, metavar="N", help="cut squares of N px (default: images as they are)")
    decode.add_argument("--codes", type=Path, required=True, metavar="FILE", help="code file (.pqc)")
    decode.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to make, of PNG files")
    for sub in (encode, decode):
        sub.add_argument("--batch", type=BATCH, metavar="N", help="images at a time (default: a megapixel of them)")
        add_device(sub)
        sub.set_defaults(command=_codes)


def _add_export(verbs: Verbs) -> None:
    what = "write a trained tokenizer in few bytes, to hand on"
    sub = verbs.add_parser("export", help=what, description=what)
    sub.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="trained tokenizer")
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to make")
    kept = "of its weights but codebooks and a linear path, which stay in fp32 (default: bf16)"
    sub.add_argument("--dtype", choices=("bf16", "fp16", "fp32"), default="bf16", help=kept)
    sub.add_argument(
        "--metrics",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="metrics.json of it, for the model card",
    )
    sub.add_argument("--pictures", type=Path, metavar="FOLDER", help="photographs, some of which the card shows")
    mine = "of the weights, as the hub names it (default: mit, if pqgan trained them)"
    sub.add_argument("--licence", type=types.licence, metavar="ID", help=mine)
    sub.add_argument("--onnx", action="store_true", help="encoder.onnx and decoder.onnx too, run by onnxruntime once")
    hub = "upload the folder to the Hugging Face hub, in one commit; replaces an earlier export and nothing else"
    sub.add_argument("--hub", metavar="OWNER/NAME", help=hub)
    sub.add_argument("--public", action="store_true", help="let everybody see the repository if it is made (--hub)")
    sub.add_argument("--dry-run", action="store_true", help="list what --hub would upload, and send nothing")
    sub.set_defaults(command=_export)


def _add_evaluate(verbs: Verbs) -> None:
    what = "measure any tokenizer, or generated images, on any folder of images"
    sub = verbs.add_parser("evaluate", help=what, description=f"{what}: prints a table and writes metrics.json")
    subject = sub.add_mutually_exclusive_group(required=True)
    subject.add_argument("--model", metavar="MODEL", help=f"{MODEL}; or a codec (jpeg@1.75)")
    subject.add_argument("--generated", type=Path, metavar="FOLDER", help="generated images, instead of a model")
    sub.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="images, in folders below it too")
    sub.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="of the result (default: evaluations/MODEL-on-IMAGES-DIGEST, a digest of both); replaces one",
    )
    sub.add_argument(
        "--size", type=SIDE, metavar="N", help="side that images are brought to (default: 256; the generated ones')"
    )
    sub.add_argument(
        "--geometry",
        choices=("crop", "squash"),
        default="crop",
        help="shortest side to --size and a square from the centre, or both sides (default: crop)",
    )
    sub.add_argument(
        "--limit", type=types.positive(), metavar="N", help="at most so many images, spread over the folder"
    )
    sub.add_argument(
        "--batch", type=BATCH, metavar="N", help="images at a time (default: a megapixel of them, 32 at most)"
    )
    sub.add_argument(
        "--features",
        choices=("pretrained", "random"),
        default="pretrained",
        help="the published feature networks, or small random ones, whose numbers compare with no others",
    )
    sub.add_argument(
        "--lpips", type=partial(types.several, NETS), metavar="NETS", help=f"of {','.join(NETS)} (default: alex,vgg)"
    )
    sub.add_argument(
        "--without",
        type=partial(types.several, LEAVABLE),
        metavar="METRICS",
        help=f"of {','.join(LEAVABLE)}: not measured, their networks not needed",
    )
    sub.add_argument(
        "--reading",
        choices=("paper", "released"),
        default="paper",
        help="whose way to compute a metric is the headline; the others follow below (default: paper)",
    )
    sub.add_argument("--pictures", type=PICTURES, metavar="N", help="reconstructions to keep (default: 8)")
    sub.add_argument(
        "--reference",
        type=Path,
        metavar="FOLDER",
        help="features of the originals: read from it, or kept there for the next model",
    )
    add_device(sub)
    sub.add_argument("--devices", type=DEVICES, default=1, metavar="N", help="GPUs, or processes on a CPU (default: 1)")
    sub.add_argument(
        "--workers",
        type=types.beside_each_other(0),
        metavar="N",
        help="loader processes a device (default: by the device)",
    )
    sub.set_defaults(command=_evaluate)


def add_device(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where (default: auto)")


def _codes(arguments: argparse.Namespace) -> None:
    values = given(arguments)
    check_folders(values, images="one of images")
    function(f"pqgan.tokenizer.encode:{arguments.verb}")(**values)


def _export(arguments: argparse.Namespace) -> None:
    values = given(arguments)
    check_folders(values, model="a trained tokenizer's", pictures="one of photographs")
    function("pqgan.tokenizer.export:export")(**values)


def _evaluate(arguments: argparse.Namespace) -> None:
    values = given(arguments)
    check_folders(values, images="one of images", generated="one of images")
    function("pqgan.evaluate.command.run:evaluate")(**values)
