"""Whole results, sets and reports, and what reads them."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz_targets import ROOT, Target, command
from PIL import Image

from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.settings import load
from pqgan.storage.json_files import read_model
from pqgan.storage.manifest import SUMS, damages, write_sums

KEPT = ROOT / "findings" / "mini"
SCALE = "mini-cpu"


def seal(folder: Path) -> None:
    """Hash every file of a folder anew."""
    write_sums(folder, "fuzz")


def record(folder: Path, _: Path) -> list[Target]:
    """The record and the provenance of results of the plan."""
    from pqgan.origin import read_origin
    from pqgan.records import read_record

    settings = load(ROOT / "params.yaml", SCALE)
    plan = Plan(settings, settings.expected_selection)
    job, other = (plan.job("evaluate", f"f8-d16-S{S}-K512") for S in (2, 1))
    selection = plan.job("select", "f8")
    for name, chosen in (("metrics.json", job), ("other.json", other)):
        shutil.copyfile(KEPT / "results" / "evaluate" / chosen.name / "metrics.json", folder / name)
    shutil.copyfile(KEPT / "results/select/f8/provenance.json", folder / "provenance.json")
    seal(folder)
    record, origin = "metrics.json", "provenance.json"

    def read(folder: Path) -> None:
        found = read_record(folder, job, any_digest=True)
        assert (found.name, found.provenance["job"]["name"], found.kind) == (job.name, job.name, "reconstruction")

    def read_provenance(folder: Path) -> None:
        found = read_origin(folder, selection, any_digest=True).job
        assert (found.chapter, found.name, found.scale) == ("select", "f8", SCALE)

    return [
        Target("record", record, "json", read, 700, sealed=True, others=("other.json", origin)),
        Target("record, sealed again", record, "json", read, 1000, reseal=seal, others=("other.json", origin)),
        Target("provenance", origin, "json", read_provenance, 1500, sealed=True, others=(record,)),
        Target("provenance, sealed again", origin, "json", read_provenance, 2000, reseal=seal, others=(record,)),
    ]


def _listed(folder: Path) -> None:
    if wrong := damages(folder):
        raise DataError(wrong[0])


def collected(folder: Path, _: Path) -> list[Target]:
    """The collected report of the repository, from which tables are made again."""
    from pqgan.report import render

    shutil.copytree(KEPT / "results", folder / "results")
    seal(folder)
    settings = load(ROOT / "params.yaml", SCALE)
    plan = Plan(settings, settings.expected_selection)

    def table(item: str) -> Callable[[Path], None]:
        def read(folder: Path) -> None:
            render.run(settings, plan, item, folder.parent / f"{item}.tex", folder / "results")

        return read

    def same(one: bytes, other: bytes) -> bool:
        return sorted(one.splitlines()) == sorted(other.splitlines())

    first, second = "results/evaluate/kl-f8-d4/metrics.json", "results/evaluate/kl-f16-d16/metrics.json"
    selected, matching = "results/select/f8/selected.json", "results/matching/matching/metrics.json"
    return [
        Target("collected record", first, "json", table("table2"), 120, sealed=True, others=(second, selected)),
        Target("table2 of a record", first, "json", table("table2"), 200, reseal=seal, others=(second,)),
        Target("table1 of a selection", selected, "json", table("table1"), 60, reseal=seal, others=(first,)),
        Target("claims of a bench", matching, "json", table("table_claims"), 25, reseal=seal, others=(first,)),
        Target("SHA256SUMS", SUMS, "bytes", _listed, 500, sealed=True, same=same, others=(first,)),
    ]


def prepared(folder: Path, _: Path) -> list[Target]:
    """A prepared set of four images, with its hashes and without."""
    from pqgan.data.prepare import write_set
    from pqgan.data.prepared import PreparedSet
    from pqgan.data.sources import open_images
    from pqgan.settings.data import WheelPhotos

    photos = {"source": "wheel_photos", "size": 16, "crops": 4, "zoom": [1.0, 2.0]}
    source = WheelPhotos(**photos, photos={"coffee": "a cup", "chelsea": 'a cat, "asleep"'})
    write_set(open_images(source, geometry="crop", seed=0), folder, name="val", size=16)
    seal(folder)

    def read(folder: Path) -> None:
        found = PreparedSet(folder)
        for index in range(len(found)):
            found.image(index), found.label(index), found.caption(index)
        found.verify()

    def reseal_as(name: str) -> Callable[[Path], None]:
        def reseal(folder: Path) -> None:
            manifest, content = json.loads((folder / "manifest.json").read_text()), (folder / name).read_bytes()
            manifest["bytes"][name], manifest["files"][name] = len(content), hashlib.sha256(content).hexdigest()
            (folder / "manifest.json").write_text(json.dumps(manifest))
            seal(folder)

        return reseal

    index, manifest, shard = "index.csv", "manifest.json", "images-00000.zip"
    return [
        Target("manifest", manifest, "json", read, 1500, sealed=True, others=(index,)),
        Target("manifest, sealed again", manifest, "json", read, 1500, reseal=seal, others=(index,)),
        Target("index.csv", index, "text", read, 600, sealed=True, others=(manifest,)),
        Target("index.csv, sealed again", index, "text", read, 600, reseal=reseal_as(index), others=(manifest,)),
        Target("shard", shard, "bytes", read, 600, sealed=True, others=(index, manifest)),
        Target("shard, sealed again", shard, "bytes", read, 600, reseal=reseal_as(shard), others=(index, manifest)),
    ]


def features(folder: Path, _: Path) -> list[Target]:
    """Reference features of five images, as small as they get."""
    import torch
    from safetensors.torch import save_file

    from pqgan.evaluate import original_features as reference
    from pqgan.evaluate.metrics.frechet import Moments
    from pqgan.storage.manifest import sha256

    rows = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    moments = Moments(8, torch.device("cpu"))
    moments.update(rows)
    tensors = {f"moments.clean-fid.{part}": tensor for part, tensor in moments.tensors().items()}
    save_file({"rows.clean-fid": rows, "embeddings.plain": rows.clone(), **tensors}, folder / reference.FEATURES)

    def describe(folder: Path) -> None:
        about = {"name": "val", "digest": "0" * 64, "n": 5, "size": 16, "rows": "clean-fid", "networks": {}}
        made = reference.About(**about, device="CPU", dtype="fp32", sha256=sha256(folder / reference.FEATURES))
        (folder / reference.ABOUT).write_text(made.model_dump_json())
        seal(folder)

    describe(folder)
    about, features = reference.ABOUT, reference.FEATURES
    return [
        Target("reference.json", about, "json", reference.read, 1500, sealed=True, others=(features,)),
        Target("reference.json, sealed again", about, "json", reference.read, 1500, reseal=seal),
        Target("features", features, "safetensors", reference.read, 1500, sealed=True, others=(about,)),
        Target("features, sealed again", features, "safetensors", reference.read, 1500, reseal=describe),
    ]


def captions(folder: Path, _: Path) -> list[Target]:
    """A table of captions beside two images."""
    from pqgan.data.sources import DATA_DIR, open_images
    from pqgan.settings.data import ImageFolder

    (folder / "images").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (16, 16)).save(folder / "images" / f"{name}.png")
    (folder / "captions.tsv").write_text('key\tcaption\tother\na\ta "red" fox\t\nb\t\tüber den Wolken\n')
    table = {"table": "captions.tsv", "id_column": "key", "caption_columns": ["caption", "other"]}
    source = ImageFolder(source="folder", path="images", size=16, captions=table)

    def read(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(DATA_DIR, str(folder))
            found = open_images(source, geometry="crop", seed=0)
            assert all(isinstance(found.row(index).caption, str) for index in range(len(found)))

    return [Target("captions", "captions.tsv", "text", read, 1000, others=("images/a.png",))]


def reports(folder: Path, _: Path) -> list[Target]:
    """What other commands read again: rendered tables, benchmarks, counts, samples, a log."""
    from pqgan.cost.network_passes import Counts
    from pqgan.diffusion.sampled import Sampled
    from pqgan.engine.publish import _logged
    from pqgan.items import Rendered
    from pqgan.report.times import _seconds

    shutil.copyfile(KEPT / "table1.json", folder / "table1.json")
    shutil.copyfile(KEPT / "figure3.json", folder / "figure3.json")
    (folder / "a.tsv").write_text("s\th:m:s\tmax_rss\n14.0\t0:00:14\tNA\n15.5\t0:00:15\t3.2\n")
    (folder / "train.jsonl").write_text('{"step": 2, "seconds": 0.5}\n{"step": 4, "seconds": 0.25}\n')
    samples = [{"prompt": prompt, "height": 64, "width": 96} for prompt in ("a fox", "a hen")]
    sampled = {"samples": samples, "steps": 5, "guidance": 7.5, "seed": 0, "eta": 0.0, "F": 8}
    (folder / "samples.json").write_text(json.dumps(sampled))
    operations = json.loads((ROOT / "pqgan/cost/operations.json").read_text())[:5]
    (folder / "operations.json").write_text(json.dumps(operations))

    def summary(folder: Path) -> None:
        command("summary", folder / "table1.json", "--out", folder / "summary.json")
        json.loads((folder / "summary.json").read_text())

    def of_page(folder: Path) -> None:
        read_model(folder / "figure3.json", Rendered, "an item")

    def sampled_of(folder: Path) -> None:
        read_model(folder / "samples.json", Sampled, "samples")

    return [
        Target("rendered table", "table1.json", "json", summary, 700, others=("figure3.json", "a.tsv")),
        Target("rendered figure", "figure3.json", "json", of_page, 1500, others=("table1.json",)),
        Target("benchmark", "a.tsv", "text", lambda folder: _seconds(folder / "a.tsv"), 2500, others=("train.jsonl",)),
        Target("train.jsonl", "train.jsonl", "jsonl", lambda folder: _logged(folder / "train.jsonl"), 2000),
        Target("samples.json", "samples.json", "json", sampled_of, 1500, others=("figure3.json",)),
        Target("counts", "operations.json", "json", lambda folder: Counts(folder / "operations.json"), 1000),
    ]


BUILDERS = (record, collected, prepared, features, captions, reports)
