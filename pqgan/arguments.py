"""The arguments of the commands that are no rule of the plan: benches, encode, decode, export, evaluate."""

import argparse
from functools import partial
from pathlib import Path

from pqgan import argument_types as types
from pqgan import machine

NETS = ("alex", "vgg", "squeeze")
LEAVABLE = ("lpips", "rfid", "cmmd")
SIDE = types.positive(2**16, "no image has a longer side")
BATCH = types.positive(2**16, "all are in memory at once")
IMAGES = types.positive(10**5, "all are in memory at once")
POSITIONS = types.positive(2**24, "all are in memory at once")
STEPS = types.positive(10**5, "each is an update of its own")
REPEATS = types.positive(10**4, "each takes its time")
PICTURES = partial(types.count, most=10**5, why="each is a file of its own")
DEVICES = types.positive(machine.MOST, "no machine has more")
Verbs = argparse._SubParsersAction


def add_bench_train(benches: Verbs, common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    what = "measure tokenizer training beside a plain reference step"
    sub = benches.add_parser("train", parents=[common], help=what, description=what)
    sub.add_argument("names", nargs="*", metavar="NAME", help="configurations (default: the first of every F)")
    sub.add_argument("--steps", type=STEPS, default=20, metavar="N", help="steps that are timed (default: 20)")
    sub.add_argument("--data", type=Path, metavar="FOLDER", help="prepared training set (default: random images)")
    sub.add_argument("--out", type=Path, metavar="FILE", help="a .json file for all figures")
    yes_or_no = argparse.BooleanOptionalAction
    sub.add_argument("--reference", action=yes_or_no, default=True, help="whether the plain step runs too")
    sub.add_argument("--compile", action=yes_or_no, help="instead of hardware.compile")
    sub.add_argument("--channels-last", action=yes_or_no, help="instead of hardware.channels_last")
    sub.add_argument("--cpus", type=types.beside_each_other(), metavar="N", help="instead of hardware.cpus")
    sub.add_argument("--workers", type=types.beside_each_other(0), metavar="N", help="instead of hardware.workers")
    sub.add_argument("--precision", choices=("32-true", "bf16-mixed"), help="instead of the reading's")
    return sub


def add_bench_matching(benches: Verbs, common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    what = "measure what the quantiser adds to a reconstruction (Figure 5), and its search beside other libraries"
    sub = benches.add_parser("matching", parents=[common], help=what, description=what)
    sub.add_argument("name", nargs="?", default="matching", help="matching, which is the default")
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the result (default: results/SCALE/...)")
    sub.add_argument("--threads", type=types.beside_each_other(), metavar="N", help="instead of hardware.cpus")
    sub.add_argument(
        "--case", dest="cases", action="append", type=types.case, metavar="d,S,K", help="search (default: the scale's)"
    )
    sub.add_argument("--positions", type=POSITIONS, metavar="N", help="of a search (default: the scale's)")
    yes_or_no = argparse.BooleanOptionalAction
    sub.add_argument("--reconstructions", action=yes_or_no, default=True, help="whether whole networks are timed too")
    sub.add_argument("--figure", action=yes_or_no, default=True, help="whether figures are drawn beside the numbers")
    return sub


def add_bench_generators(benches: Verbs, common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    what = "measure sampling speed and memory of generators at their real shapes, with untrained weights (Table 3)"
    sub = benches.add_parser("generators", parents=[common], help=what, description=what)
    sub.add_argument("names", nargs="*", metavar="NAME", help="generators (default: all of the scale)")
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the result")
    return sub


def add_bench_evaluation(benches: Verbs, common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    what = "measure what an evaluation costs beside the networks that it cannot do without"
    sub = benches.add_parser("evaluation", parents=[common], help=what, description=what)
    sub.add_argument("name", nargs="?", metavar="NAME", help="configuration (default: the sweep's first)")
    sub.add_argument("--images", type=IMAGES, metavar="N", help="random images (default: two batches)")
    sub.add_argument("--repeats", type=REPEATS, default=5, metavar="N", help="of each way (default: 5)")
    sub.add_argument("--out", type=Path, metavar="FILE", help="a .json file for the figures")
    return sub


def add_codes(verbs: Verbs) -> tuple[argparse.ArgumentParser, ...]:
    what = "turn a folder of images into a code file with a trained tokenizer"
    encode = verbs.add_parser("encode", help=what, description=what)
    what = "turn a code file back into images with the tokenizer that made it"
    decode = verbs.add_parser("decode", help=what, description=what)
    for sub in (encode, decode):
        sub.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="trained tokenizer")
    encode.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="images, in folders below it too")
    encode.add_argument("--out", type=Path, required=True, metavar="FILE", help="code file to write (.pqc)")
    encode.add_argument("--size", type=SIDE, metavar="N", help="cut squares of N px (default: images as they are)")
    decode.add_argument("--codes", type=Path, required=True, metavar="FILE", help="code file (.pqc)")
    decode.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to make, of PNG files")
    for sub in (encode, decode):
        sub.add_argument("--batch", type=BATCH, metavar="N", help="images at a time (default: a megapixel of them)")
        _add_device(sub)
    return encode, decode


def add_export(verbs: Verbs) -> argparse.ArgumentParser:
    what = "write a trained tokenizer in few bytes, to hand on"
    sub = verbs.add_parser("export", help=what, description=what)
    sub.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="trained tokenizer")
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to make")
    kept = "of its weights but codebooks and a linear path, which stay in fp32 (default: bf16)"
    sub.add_argument("--dtype", choices=("bf16", "fp16", "fp32"), default="bf16", help=kept)
    return sub


def add_collect(verbs: Verbs, common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    what = "render tables and figures into a folder of their own, with every number behind them"
    sub = verbs.add_parser("collect", parents=[common], help=what, description=what)
    sub.add_argument(
        "items", nargs="+", metavar="ITEM", help="table_claims, table1, figure3, ...: those without images"
    )
    _add_collected(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to make, or to replace")
    return sub


def add_render(verbs: Verbs, common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sub = verbs.add_parser("render", parents=[common], help="write a table or figure from results")
    sub.add_argument("name", help="table1 ... table5, figure1 ... figure10")
    _add_collected(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .tex or .pdf file")
    return sub


def _add_collected(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--results", type=Path, metavar="FOLDER", help="results/ of a collected report (default: those of the plan)"
    )


def _add_device(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where (default: auto)")


def add_evaluate(verbs: Verbs) -> argparse.ArgumentParser:
    what = "measure any tokenizer, or generated images, on any folder of images"
    sub = verbs.add_parser("evaluate", help=what, description=f"{what}: prints a table and writes metrics.json")
    subject = sub.add_mutually_exclusive_group(required=True)
    subject.add_argument(
        "--model",
        metavar="MODEL",
        help="a trained or diffusers folder, a published name, a codec (jpeg@1.75), a hub id[:subfolder][@revision], "
        "or a checkpoint file",
    )
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
    _add_device(sub)
    sub.add_argument("--devices", type=DEVICES, default=1, metavar="N", help="GPUs, or processes on a CPU (default: 1)")
    sub.add_argument(
        "--workers",
        type=types.beside_each_other(0),
        metavar="N",
        help="loader processes a device (default: by the device)",
    )
    return sub


def add_verify(verbs: Verbs, common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    what = "hash every file of the finished results, and name those that are damaged or missing"
    sub = verbs.add_parser("verify", parents=[common], help=what, description=what)
    sub.add_argument("chapters", nargs="*", metavar="CHAPTER", help="data, reference, tokenizer, ... (default: all)")
    return sub


def add_cost(verbs: Verbs, common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    what = "estimate the GPU hours, bytes and money of a scale before anything runs"
    sub = verbs.add_parser("cost", parents=[common], help=what, description=f"{what}: docs/cost.md")
    sub.add_argument("--price", type=types.number, metavar="X", help="of a GPU hour; no money is shown without it")
    sub.add_argument("--utilisation", type=types.percent, metavar="PERCENT", help="of a GPU's peak (default: 40)")
    told = {"action": "append", "default": []}
    sub.add_argument(
        "--gpu",
        dest="gpus",
        type=types.gpu,
        metavar="CHAPTER=NAME",
        help="instead of the paper's (appendix A), say tokenizer=H100",
        **told,
    )
    sub.add_argument(
        "--peak",
        dest="peaks",
        type=types.peak,
        metavar="NAME:KIND=X",
        help="TFLOP/s of a GPU, say L40S:bf16=362",
        **told,
    )
    sub.add_argument("--images", type=types.images, metavar="SET=N", help="images of a prepared set", **told)
    sub.add_argument("--count", action="store_true", help="count operations anew (minutes, no GPU), before all else")
    sub.add_argument("--operations", type=Path, metavar="FILE", help="counted operations (default: the package's)")
    return sub
