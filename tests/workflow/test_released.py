"""Scale released: nothing is trained; all of it runs on seeded stand-ins of the published files, from a hub here."""

import hashlib
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import skimage
import torch
from originals import ORIGINALS, seeded
from PIL import Image
from safetensors.torch import save
from whole_plan import whole_plan

from pqgan.baselines import PUBLISHED
from pqgan.records import read_record
from pqgan.report import contents
from pqgan.settings import load

COMMIT = "0123456789abcdef0123456789abcdef01234567"
AUTHORS = ("pqgan-f8", "pqgan-f16")
BASELINES = ("ldm-kl-f8",)
"""Whose file nobody vouches for, so that a stand-in is taken from PQGAN_WEIGHTS_DIR."""
CODECS = ("jpeg@4",)


def test_the_plan_trains_nothing(params_path):
    settings = load(params_path, "released")
    plan = whole_plan(settings)
    assert {config.kind for config in settings.scale.tokenizer.configs.values()} == {"linear"}
    chapters = {job.chapter for job in plan.all()}
    assert chapters == {
        "data", "tokenizer", "reference", "published", "evaluate", "evaluate_transfer", "evaluate_finetuned"
    }  # fmt: skip
    names = set(plan.chapter("evaluate"))
    assert set(AUTHORS) <= names
    # each model sees each image once, and originals are looked at once
    for job in plan.chapter("evaluate").values():
        assert [role for role in job.inputs if role.startswith("set-")] == ["set-val", "set-released"]
    originals = [job.inputs["data"].name for job in plan.chapter("reference").values()]
    assert len(originals) == len(set(originals))


def test_what_can_be_downloaded_is_measured_by_default(params_path):
    published = load(params_path, "released").scale.evaluation.published
    known = {name for name, about in PUBLISHED.items() if about.weights.fetched}
    assert set(published) <= known
    of_the_paper = {name for name in known if PUBLISHED[name].kind != "tiny"}
    assert of_the_paper <= set(published)


class Hub(BaseHTTPRequestHandler):
    """Files by path, each with the sha256 that the hub records."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self):
        content = self.files.get(self.path)
        self.asked.append(f"{self.command} {self.path}")
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub():
    """The authors' files, narrow and seeded, at the addresses of the real ones."""
    files = {}
    for name in AUTHORS:
        origin = PUBLISHED[name].weights.origin
        tensors = {key: value.contiguous() for key, value in seeded(ORIGINALS[name].reduced(None)).items()}
        content = save(tensors)
        # asked for by the branch, fetched by its commit
        for revision in (origin.revision, COMMIT):
            files[f"/{origin.repository}/resolve/{revision}/{origin.path}"] = content
    handler = type("Handler", (Hub,), {"files": files, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    handler.address = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    server.server_close()


def stand_ins(folder: Path) -> Path:
    """Narrow seeded files of published baselines, in the forms that their authors chose."""
    for name in BASELINES:
        path = folder / PUBLISHED[name].weights.name
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"state_dict": seeded(ORIGINALS[name].reduced(None))}, folder / "model.ckpt")
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.write(folder / "model.ckpt", PUBLISHED[name].weights.member)
            (folder / "model.ckpt").unlink()
        else:
            (folder / "model.ckpt").rename(path)
    return folder


def photographs(folder: Path) -> Path:
    """Crops of photographs where ImageNet, Imagenette, FFHQ and LSUN are expected, in folders of classes."""
    shipped = Path(skimage.__file__).parent / "data"
    for number, name in enumerate(("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")):
        photo = Image.open(shipped / name).convert("RGB")
        for place, below in enumerate(("imagenet/val", "imagenette/train", "lsun/val", "ffhq")):
            (folder / below / f"n{number % 2}").mkdir(parents=True, exist_ok=True)
            for again in range(2):
                left = 40 * again + 10 * place
                photo.crop((left, 20, left + 150, 132)).save(folder / below / f"n{number % 2}" / f"{number}{again}.png")
    return folder


def tiny(raw: dict) -> dict:
    """The scale with stand-ins of what no sha256 is public of, on eight small images, through small networks."""
    scale = raw["scales"]["released"]
    scale["hardware"] |= {"accelerator": "cpu", "gpus": 0, "cpus": 1, "workers": 0, "mem_mb": 2000}
    sides = {"val_double": 128}
    for name, source in scale["data"]["sets"].items():
        source |= {"size": sides.get(name, 64), "every": 1}
        source.pop("first", None)
        source.pop("count", None)
    scale["tokenizer"]["linear"] |= {"vectors": 1000, "side": 64, "scaling_images": 4}
    scale["tokenizer"]["baselines"] = [{"kind": "linear", "F": 16, "d": 128, "S": 64, "K": 128}]
    scale["evaluation"] |= {"published": [*AUTHORS, *BASELINES], "continuous": ["ldm-kl-f8"], "codecs": [*CODECS]}
    scale["evaluation"] |= {"transfer": {"FFHQ": "ffhq"}, "batch": 4, "showcase": 3}
    scale["evaluation"]["features"] = raw["scales"]["smoke"]["evaluation"]["features"]
    return {**raw, "scale": "released", "scales": {"released": scale}}


@pytest.mark.thorough
def test_all_of_it_runs_on_stand_ins_from_a_hub(hub, checkout_with, tmp_path):
    checkout = checkout_with(tiny)
    environment = checkout.environment
    environment.pop("HF_HUB_OFFLINE", None)
    environment |= {
        "HF_ENDPOINT": hub.address,
        "NO_PROXY": "127.0.0.1",
        "HF_HOME": str(tmp_path / "hf"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PQGAN_WEIGHTS_DIR": str(stand_ins(tmp_path / "weights")),
        "PQGAN_DATA_DIR": str(photographs(tmp_path / "data")),
    }
    checkout.run("snakemake", "--cores", "2", "--config", "scale=released")
    # its library asks for more than files
    asked = {path for line in hub.asked if "/resolve/" in (path := line.split()[1])}
    assert asked == set(hub.files)
    plan = whole_plan(load(checkout.folder / "params.yaml"))
    assert contents.items(plan) == ["table_claims", "table1", "table2", "figure1", "figure2", "figure7", "figure_bits"]
    for item in contents.items(plan):
        assert (checkout.folder / f"reports/{item}.json").is_file()
    assert (checkout.folder / "reports/report.html").is_file()
    for name in AUTHORS:
        file = PUBLISHED[name].weights.origin.path
        digest = hashlib.sha256(next(content for path, content in hub.files.items() if path.endswith(file)))
        source = json.loads((checkout.folder / plan.job("published", name).path / "source.json").read_text())
        assert list(source["files"].values()) == [digest.hexdigest()]
        assert COMMIT in source["origin"]
    table = json.loads((checkout.folder / "reports/table1.json").read_text())
    rows = {row["cells"]["configuration"]["text"]: row["cells"] for row in table["rows"] if row["source"] == "measured"}
    assert set(rows) == {*AUTHORS, *BASELINES, *CODECS, *plan.settings.scale.tokenizer.configs}
    for name in AUTHORS:
        record = read_record(checkout.folder / plan.job("evaluate", name).path)
        for role, key in (("val", "psnr"), ("released", "psnr2")):
            assert rows[name][key]["value"] == pytest.approx(record.get("psnr", on=role).value)
        # cut from the middle or squashed, a photograph of 150 x 112 is another image
        assert rows[name]["psnr"]["value"] != rows[name]["psnr2"]["value"]
        ways = {m.on: m.protocol for m in record.measurements if m.metric == "psnr" and m.headline}
        assert ways["val"].startswith("mean over images")
        assert ways["released"].startswith("of the pooled squared error")
    assert checkout.planned() == {}, "nothing is made again"
