"""Synthetic results of the smoke scale: made-up numbers under invented names, real photographs. No run made them."""

import contextlib
import functools
import itertools
import json
import math
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage
import yaml
from PIL import Image, ImageFilter
from whole_plan import whole_plan

from pqgan.baselines import PUBLISHED
from pqgan.job import Job
from pqgan.provenance import provenance
from pqgan.records import FeatureNetwork, Measurement, Record, write_record
from pqgan.report import contents, page, render
from pqgan.settings import KLConfig, Settings, load
from pqgan.settings.codecs import METHODS, parse
from pqgan.settings.names import BACKBONE_VAE
from pqgan.tokenizer.select import ranked

PHOTOS = ("astronaut.png", "coffee.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg", "ihc.png")
LPIPS = "LPIPS AlexNet, random weights (seed 0)"
INCEPTION = "InceptionV3 2048 (75 px), random weights (seed 0)"
CLIP = "CLIP ViT (2 layers, width 64, patch 16, 64 px), random weights (seed 0)"


class Synthetic:
    """Writes the folder of any job that the report reads.

    Args:
        settings: of the scale.
        root: stands for the repository's root.
        items: whose results are written; of all where None.
    """

    def __init__(self, settings: Settings, root: Path, items: Iterable[str] | None = None):
        self.settings = settings
        self.plan = whole_plan(settings)
        self.root = root
        self.random = np.random.default_rng(0)
        data = Path(skimage.__file__).parent / "data"
        self.photos = [Image.open(data / name).convert("RGB") for name in PHOTOS]
        first = self.plan.all()[0]
        self.origin = provenance(first) | {
            "device": "test processor (1 of 2 threads)",
            "finished": "2025-01-02T03:04:05+00:00",
        }
        for item in contents.items(self.plan) if items is None else items:
            for job in contents.inputs(self.plan, item):
                if not self.folder(job).exists():
                    self.write(job)

    def folder(self, job: Job) -> Path:
        return self.root / job.path

    def render(self, item: str, folder: Path) -> Path:
        """The .tex or .pdf of an item, rendered as from the repository's root."""
        out = folder / f"{item}{'.tex' if item.startswith('table') else '.pdf'}"
        with contextlib.chdir(self.root):
            render.run(self.settings, self.plan, item, out)
        return out

    def write(self, job: Job) -> None:
        folder = self.folder(job)
        folder.mkdir(parents=True)
        {
            "evaluate": self._evaluation,
            "evaluate_transfer": self._evaluation,
            "evaluate_finetuned": self._evaluation,
            "select": self._selection,
            "speed": self._speed,
            "matching": self._matching,
            "generation": self._generation,
            "samples": self._samples,
        }.get(job.chapter, lambda job, folder: None)(job, folder)
        (folder / "provenance.json").write_text(json.dumps(self.provenance(job)))

    def provenance(self, job: Job, seconds: float = 12.5) -> dict:
        return self.origin | {
            "job": {"chapter": job.chapter, "name": job.name, "scale": job.scale, "digest": job.digest},
            "settings": json.loads(json.dumps(job.spec)),
            "inputs": {role: other.path for role, other in job.inputs.items()},
            "seconds": seconds,
        }

    def record(self, job: Job, kind: str, subject: dict, measurements: list[Measurement], **sets: str) -> None:
        write_record(
            self.folder(job),
            Record(
                kind=kind,
                name=job.name,
                scale=self.settings.name,
                subject=subject,
                sets=sets,
                measurements=measurements,
                networks={
                    item.network: FeatureNetwork(origin="random weights, seed 0", files={})
                    for item in measurements
                    if item.network
                },
                device="CPU, 1 thread",
                dtype="fp32",
                seconds=12.5,
                provenance=self.provenance(job),
            ),
        )

    @functools.cache  # noqa: B019
    def crop(self, photo: int, side: int, blur: float = 0.0) -> Image.Image:
        image = self.photos[photo % len(self.photos)]
        cut = min(image.size) * 3 // 4
        left, top = (image.width - cut) // 2, (image.height - cut) // 4
        image = image.crop((left, top, left + cut, top + cut)).resize((side, side), Image.Resampling.LANCZOS)
        return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image

    def config(self, name: str):
        if name == BACKBONE_VAE:
            return KLConfig(kind="kl", F=8, d=4)
        if name in PUBLISHED:
            about = PUBLISHED[name]
            own = {key: getattr(about, key) for key in ("kind", "F", "d", "S", "K")}
            return SimpleNamespace(name=name, seed=None, **own)
        configs = self.settings.scale.tokenizer.configs
        if name not in configs:
            name = self.chosen(int(name.rpartition("-f")[2]))
        return configs[name]

    def chosen(self, factor: int) -> str:
        return max(contents.candidates(self.plan, factor), key=self.psnr)

    def psnr(self, name: str) -> float:
        """Grows with S and K, falls with F; replicates lie around it; the same for the same name."""
        config = self.config(name)
        if config.seed is not None:
            return self.psnr(config.design) + 0.02 * math.sin(config.seed * config.d)
        if config.kind == "linear":
            return 25.0 + math.log2(config.S) - config.F / 4
        if config.kind != "pq":
            return 23.4 if config.kind == "kl" else 19.9
        bits = config.S * math.log2(config.K) / config.F**2
        return 20 + 4.3 * math.log2(1 + 4 * bits) + 0.4 * math.log2(config.d) * (config.S > 1)

    def _codec(self, job: Job) -> None:
        codec, bits = parse(job.name)
        subject = {"kind": "codec", "method": METHODS[codec], "target": bits, "library": "Pillow 1.2, libcodec 3"}
        roles = {role.removeprefix("set-"): used.name for role, used in job.inputs.items() if role.startswith("set-")}
        written = {"quality": round(20 * bits), "subsampling": "4:2:0"}
        subject |= {"parameters": 0, "encoded": dict.fromkeys(roles, written)}
        reached, better = 0.98 * bits, 1 + (codec == "webp")
        rows = [
            {"metric": "psnr", "value": 26 + 3 * bits + better, "unit": "dB", "protocol": "mean over images"},
            {"metric": "lpips", "value": 0.04 / bits, "protocol": "mean over images", "network": LPIPS},
            {"metric": "rfid", "value": 0.5 / bits, "protocol": "clean-fid's resize", "network": INCEPTION},
            {"metric": "cmmd", "value": 0.1 / bits, "protocol": "sigma 10, x1000", "network": CLIP},
            {"metric": "bits_per_pixel", "value": reached, "unit": "bit", "protocol": "as stored: files"},
        ]
        made = [Measurement(on=role, n=48, **row) for role in roles for row in rows]
        self.record(job, "reconstruction", subject, made, **roles)

    def _evaluation(self, job: Job, folder: Path) -> None:
        if job.name in self.settings.scale.evaluation.codecs:
            self._codec(job)
            return
        name = job.shown.get("of", job.name)
        config = self.config(name)
        finetuned = 1.5 * job.name.startswith("finetuned") - 10 * (job.name == BACKBONE_VAE)
        psnr = self.psnr(config.name) + finetuned
        subject = {"kind": config.kind, "F": config.F, "d": config.d, "parameters": 70_000}
        subject["stage"] = "backbone" if job.name == BACKBONE_VAE else job.name.partition("-")[0]
        if config.kind not in ("kl", "tiny"):
            subject |= {"S": getattr(config, "S", 1), "K": config.K}
        if name in PUBLISHED:
            subject |= {"published": name, "method": PUBLISHED[name].method, "latent": PUBLISHED[name].latent}
        measurements = []
        roles = {role.removeprefix("set-"): other.name for role, other in job.inputs.items() if role.startswith("set-")}
        for number, role in enumerate(roles):
            far = 2 ** ((30 - psnr) / 3) * (1 + number)
            rows = [
                {"metric": "psnr", "value": psnr - number, "unit": "dB", "protocol": "mean over images"},
                {"metric": "psnr", "value": psnr - 3, "unit": "dB", "protocol": "pooled", "headline": False},
                {"metric": "lpips", "value": 0.03 * far, "protocol": "mean over images", "network": LPIPS},
                {"metric": "rfid", "value": 0.41 * far, "protocol": "clean-fid's resize", "network": INCEPTION},
                {"metric": "cmmd", "value": 0.094 * far, "protocol": "sigma 10, x1000", "network": CLIP},
            ]
            if config.kind in ("pq", "linear"):
                even = 1 - 0.05 * math.log2(config.K) / config.S**0.5
                rows.append({"metric": "H_n", "value": even, "protocol": "mean over subspaces"})
                rows.append({"metric": "P_n", "value": even**4, "protocol": "mean over subspaces"})
            measurements += [Measurement(on=role, n=48, **row) for row in rows]
            for index in range(self.settings.scale.evaluation.showcase):
                shown = folder / "showcase" / role
                shown.mkdir(parents=True, exist_ok=True)
                side = self.settings.scale.data.sets[roles[role]].size
                self.crop(index, side).save(shown / f"{index}_original.png", compress_level=1)
                blur = round(side / 64 * max(0.1, (31 - psnr) / 8), 1)
                self.crop(index, side, blur).save(shown / f"{index}_reconstruction.png", compress_level=1)
        self.record(job, "reconstruction", subject, measurements, **roles)

    def _selection(self, job: Job, folder: Path) -> None:
        factor = int(job.name.removeprefix("f"))
        names = contents.candidates(self.plan, factor)
        metrics = self.settings.scale.selection.metrics
        values = {name: {m: self.psnr(name) * (1 if m == "psnr" else -1) for m in metrics} for name in names}
        candidates = ranked(values, metrics)
        about = {
            "run": self.chosen(factor),
            "F": factor,
            "mode": "measured",
            "metrics": metrics,
            "candidates": {name: candidate.model_dump() for name, candidate in candidates.items()},
            "top": list(candidates)[:3],
        }
        trained = self.plan.job("tokenizer", about["run"])
        (folder / "selected.json").write_text(json.dumps(about | {"model": trained.path}))
        (folder / "training_provenance.json").write_text(json.dumps(self.provenance(trained, 95.0)))

    def _speed(self, job: Job, folder: Path) -> None:
        variants = self.settings.scale.adapt.variants
        factor = variants[job.name].F if job.name in variants else 8
        size = variants[job.name].sample_size if job.name in variants else 96
        subject = {"generator": job.name, "F": factor, "d": 16, "image_size": size, "latent_size": size // factor}
        how = "batch 1, 5 steps, guidance 7.5, decode included, float32, CPU, 1 thread"
        values = {"images_per_second": ("1/s", 4.2), "unet_seconds": ("s", 0.18), "decode_seconds": ("s", 0.0312)}
        values["memory_gb"] = ("GB", 0.912)
        rows = [
            Measurement(metric=metric, value=value, unit=unit, n=3, protocol=how)
            for metric, (unit, value) in values.items()
        ]
        self.record(job, "speed", subject, rows)

    def _matching(self, job: Job, folder: Path) -> None:
        bench = self.settings.scale.matching
        rows = []

        def add(metric: str, value: float, n: int, conditions: dict, **way: str) -> None:
            rows.append(Measurement(metric=metric, value=value, n=n, protocol="median", conditions=conditions | way))

        for config, batch in itertools.product(bench.configs, bench.batches):
            conditions = {"d": config.d, "S": config.S, "K": config.K, "batch": batch, "resolution": 64}
            without = 0.081
            add("seconds_without", without, bench.repeats, conditions)
            for way, own in {"pqgan": 0.001, "full distances": 0.004 + 0.0011 * config.S + 0.0001 * config.d}.items():
                add("seconds_with", without + own, bench.repeats, conditions, way=way)
                add("overhead", own / without, bench.repeats, conditions, way=way)
                add("quantiser_seconds", own, bench.repeats, conditions, way=way)
                add("matching_overhead", own / without, bench.repeats, conditions, way=way)
        for case in bench.search.cases:
            conditions = case.model_dump() | {"positions": bench.search.positions}
            seconds = 1e-9 * bench.search.positions * case.K * case.d
            for way, factor in {"compiled": 1, "torch": 7, "full distances": 30, "faiss ProductQuantizer": 3}.items():
                add("matching_seconds", factor * seconds, bench.search.repeats, conditions, way=way)
                add("wrong_codes", 0.0002 * (factor == 30), 1000 * case.S, conditions, way=way)
                add("matching_memory", 1e6 * factor, 1, conditions, way=way)
        absent = {"way": "triton", "why": "needs a GPU", "cases": [case.model_dump() for case in bench.search.cases]}
        subject = {
            "F": bench.F,
            "resolution": bench.resolution,
            "batches": list(bench.batches),
            "positions": bench.search.positions,
            "backend": "compiled",
            "searches": len(bench.search.cases),
            "left_out": [absent, absent | {"way": "faiss IndexFlatL2", "why": "S = 1", "cases": absent["cases"][:1]}],
        }
        self.record(job, "matching", subject, rows)

    def _generation(self, job: Job, folder: Path) -> None:
        latent = self.settings.scale.ldm.latents[job.name]
        for index in range(self.settings.scale.ldm.grid):
            self.crop(index, 64, 1.5).save(folder / f"{index}.png")
        subject = {
            "method": latent.method,
            "F": 16 if job.name.endswith("16") else 8,
            "d": 16,
            "latent": job.name,
            "unet_parameters": 1_234_567,
            "train_steps": 100,
            "batch": 16,
        }
        value = {"vae": 141.614, "pqgan-f8": 123.461}.get(job.name, 131.884)
        rows = [
            {"metric": "gfid", "value": value, "conditions": {"resize": "clean-fid"}},
            {"metric": "gfid", "value": value / 2, "headline": False, "conditions": {"resize": "torchmetrics"}},
            {"metric": "precision", "value": 50 / value},
            {"metric": "recall", "value": 1 - 50 / value},
            {"metric": "kid", "value": value / 1000},
        ]
        made = [Measurement(n=48, protocol="DDIM 10 steps, against 48 images", network=INCEPTION, **r) for r in rows]
        self.record(job, "generation", subject, made, reference="val")

    def _samples(self, job: Job, folder: Path) -> None:
        section = self.settings.scale.adapt
        variant, samples = section.variants[job.name], []
        for (height, width), (index, prompt) in itertools.product(variant.samples, enumerate(section.prompts)):
            image = self.crop(index, max(height, width), 1.0).crop((0, 0, width, height))
            image.save(folder / f"{len(samples)}.png", compress_level=1)
            samples.append({"prompt": prompt, "height": height, "width": width})
        about = {"samples": samples, "steps": 10, "guidance": 7.5, "seed": 0, "F": variant.F}
        (folder / "samples.json").write_text(json.dumps(about))


@pytest.fixture(scope="session")
def synthetic(smoke, tmp_path_factory) -> Synthetic:
    return Synthetic(smoke, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def reports(synthetic) -> Path:
    """Every item and the page, rendered once."""
    folder = synthetic.root / "reports"
    for item in contents.ITEMS:
        synthetic.render(item, folder)
    benchmarks = synthetic.root / "benchmarks" / "smoke"
    for job in synthetic.plan.all():
        file = benchmarks / job.chapter / f"{job.id}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("s\th:m:s\tmax_rss\n14.0\t0:00:14\tNA\n")
    page.run(synthetic.settings, synthetic.plan, folder, benchmarks, folder / "report.html")
    return folder


@pytest.fixture(scope="session")
def replicated(params_path, tmp_path_factory) -> Synthetic:
    """Results of a smaller sweep, two of its configurations trained again and again; of the claims alone."""
    raw = yaml.safe_load(params_path.read_text())
    sweep = raw["scales"]["smoke"]["tokenizer"]["sweep"]
    sweep += [
        {"F": 8, "d": 32, "S": 1, "K": 64},
        *({"F": 8, "d": d, "S": S, "K": 64, "seed": seed} for d, S in ((16, 8), (32, 1)) for seed in (1, 2)),
    ]
    root = tmp_path_factory.mktemp("replicated")
    (root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return Synthetic(load(root / "params.yaml", "smoke"), root, ["table_claims"])
