"""A checkout whose scale is tiny: two tokenizers of four updates, so that DVC and Snakemake run for real."""

import hashlib
import http.client
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from whole_plan import whole_plan

from pqgan.plan import Plan
from pqgan.settings import load

ROOT = Path(__file__).parents[2]
STAGES = ("data", "references", "tokenizers")
"""That are run for real."""
SETS = ("train", "val", "train_large", "val_large", "val_double")
FILES = ("Snakefile", "dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore")


class Checkout:
    """A folder with the workflow in it, and commands that run there."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {
            **os.environ,
            # pqgan, dvc and git by their names, as rules and stages call them
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org",
            # what DVC would keep for good in /var/tmp; what it remembers of a remote there, it knows by URL alone
            "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site-cache"),
        }
        self.environment.pop("SNAKEMAKE_PROFILE", None)
        self.environment.pop("PQGAN_SHARED_DIR", None)
        self.before: list[str] = []
        """What every command is run with, such as a program that takes rights away."""

    @property
    def plan(self) -> Plan:
        return whole_plan(load(self.folder / "params.yaml"))

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command, and give back all that it said."""
        run = subprocess.run(
            [*self.before, *command], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        said = run.stdout + run.stderr
        assert run.returncode == code, f"{' '.join(command)} exits with {run.returncode}:\n{said[-6000:]}"
        return said

    def planned(self, *targets: str) -> dict[str, int]:
        """Rule -> jobs of a dry run."""
        table = re.search(
            r"^job +count\n-+ +-+\n(.*?)\n\n",
            self.run("snakemake", "--cores", "1", "-n", "--", *targets) + "\n\n",
            re.MULTILINE | re.DOTALL,
        )
        rows = [line.split() for line in table[1].splitlines()] if table else []
        return {rule: int(count) for rule, count in rows if rule not in ("total", *targets)}

    def stages_run(self, *targets: str) -> list[str]:
        """Stages that `dvc repro` runs."""
        return re.findall(r"Running stage '(\w+)'", self.run("dvc", "repro", *targets))

    def pull(self) -> None:
        """Get the stages that were run, or `dvc pull` complains of the others."""
        self.run("dvc", "pull", *STAGES)

    def restore(self) -> None:
        """The same from the cache."""
        self.run("dvc", "checkout", *STAGES)

    @property
    def weights(self) -> Path:
        """Of a trained tokenizer."""
        return self.folder / self.plan.job("tokenizer", "f8-d16-S4-K64").path / "diffusion_pytorch_model.safetensors"

    def cached(self, file: Path) -> Path:
        """Where DVC's cache has the content of a file."""
        digest = hashlib.md5(file.read_bytes()).hexdigest()
        return self.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]

    def change(self, key: str, value) -> None:
        raw = yaml.safe_load((self.folder / "params.yaml").read_text())
        *parents, last = key.split(".")
        place = raw
        for part in parents:
            place = place[part]
        place[last] = value
        (self.folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "a")

    def clone(self, folder: Path) -> "Checkout":
        self.run("git", "clone", "--quiet", str(self.folder), str(folder))
        clone = Checkout(folder)
        clone.environment = {**self.environment}
        return clone

    def commit_reports(self, contents: dict[str, bytes]) -> None:
        """Give DVC the last chapter: these files, made from chapters with nothing in them."""
        stages = yaml.safe_load((self.folder / "dvc.yaml").read_text())["stages"]
        for dependency in stages["reports"]["deps"]:
            (self.folder / dependency.replace("${scale}", "smoke")).mkdir(parents=True, exist_ok=True)
        (self.folder / "reports").mkdir(exist_ok=True)
        for name, content in contents.items():
            (self.folder / "reports" / name).write_bytes(content)
        self.run("dvc", "commit", "--force", "reports")


def tiny(raw: dict) -> dict:
    """The smoke scale, made tiny."""
    scale = raw["scales"]["smoke"]
    scale["overrides"]["training"]["total_batch"] = 2
    scale["hardware"] |= {"processes": 1, "cpus": 1}
    for source in scale["data"]["sets"].values():
        source |= {"crops": 8, "size": 32}
    scale["data"]["sets"] = {name: scale["data"]["sets"][name] for name in SETS}
    scale["data"]["sets"]["val_double"]["size"] = 64
    scale["tokenizer"] |= {"sweep": [{"F": 8, "d": 16, "S": 4, "K": 64}, {"F": 16, "d": 16, "S": 8, "K": 64}]}
    scale["tokenizer"]["baselines"] = []
    scale["tokenizer"]["training"] |= {"steps": 4, "resolution": 32, "log_every": 2, "scaling_images": 4}
    scale["ldm"]["resolution"] = 32
    scale["ldm"]["latents"] = {"pqgan": {"method": "PQGAN", "tokenizer": "f8-d16-S4-K64"}}
    scale["evaluation"] |= {"transfer": {}, "continuous": ["backbone-vae"], "batch": 4, "showcase": 2}
    scale["evaluation"]["codecs"] = ["jpeg@4"]  # of 32 px, where headers alone take two bits
    return {**raw, "scale": "smoke", "scales": {"smoke": scale}}


def new_checkout(folder: Path, params: Callable[[dict], dict] = tiny) -> Checkout:
    """What a fresh clone has, with other settings, committed."""
    (folder / ".dvc").mkdir(parents=True)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "workflow", folder / "workflow")
    (folder / "slurm").symlink_to("workflow/profiles/slurm")
    (folder / "profiles").symlink_to("workflow/profiles")
    raw = params(yaml.safe_load((ROOT / "params.yaml").read_text()))
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    checkout = Checkout(folder)
    checkout.run("git", "init", "--quiet")
    checkout.commit()
    return checkout


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return new_checkout(tmp_path / "checkout")


@pytest.fixture
def named_checkout(tmp_path) -> Callable[..., Checkout]:
    """Makes one in a folder of a name, where settings may be changed once they are tiny."""
    return lambda name, change=lambda raw: raw: new_checkout(tmp_path / name, lambda raw: change(tiny(raw)))


@pytest.fixture
def checkout_with(tmp_path) -> Callable[..., Checkout]:
    """Makes one whose params.yaml a function makes of ours."""
    return lambda params: new_checkout(tmp_path / "checkout", params)


@pytest.fixture
def paper(tmp_path) -> Checkout:
    """At the paper's own settings."""
    return new_checkout(tmp_path / "checkout", lambda raw: raw)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Checkout:
    """One in which `dvc repro tokenizers` has run, pushed to a folder; made by the first pytest process that asks."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            checkout = new_checkout(folder / "checkout")
            checkout.run("dvc", "remote", "add", "--default", "folder", str(folder / "remote"))
            assert checkout.stages_run("tokenizers") == ["data", "references", "tokenizers"]
            checkout.commit()
            checkout.run("dvc", "push")
            (folder / "made").touch()
    return Checkout(folder / "checkout")


@pytest.fixture
def on_s3(finished, tmp_path):
    """A clone that has pushed the finished one's results to an S3 server on loopback, and nowhere else."""
    pytest.importorskip("dvc_s3", reason="no dvc-s3, which DVC needs for S3: pip install '.[s3]'")
    moto = pytest.importorskip("moto.server", reason="no S3 server to test with: pip install '.[dev]'")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def ask(method: str, path: str) -> str:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        connection.request(method, path)
        answer = connection.getresponse()
        said = answer.read().decode()
        assert answer.status == 200, said
        return said

    try:
        ask("PUT", "/bucket")
        clone = finished.clone(tmp_path / "on-s3")
        own = {name: value for name, value in clone.environment.items() if not name.startswith("AWS_")}
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
        (tmp_path / "empty").touch()
        files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(tmp_path / "empty"))
        clone.environment = {**own, **keys, **files, "NO_PROXY": host}
        clone.run("dvc", "remote", "remove", "folder")
        clone.run("dvc", "remote", "add", "--default", "s3", "s3://bucket/pqgan")
        clone.run("dvc", "remote", "modify", "s3", "endpointurl", f"http://{host}:{port}")
        clone.commit()
        clone.run("dvc", "cache", "dir", "--local", str(finished.folder / ".dvc/cache"))
        clone.run("dvc", "push")
        pushed = re.findall(r"<Key>pqgan/(.*?)</Key>", ask("GET", "/bucket?list-type=2"))
        remote = finished.folder.parent / "remote"
        assert sorted(pushed) == sorted(str(file.relative_to(remote)) for file in remote.rglob("*") if file.is_file())
        yield clone
    finally:
        server.stop()


@pytest.fixture
def pulled(request, tmp_path) -> Checkout:
    """A fresh clone after `dvc pull`, from a folder unless a test asks for `on_s3`."""
    clone = request.getfixturevalue(getattr(request, "param", "finished")).clone(tmp_path / "pulled")
    clone.pull()
    return clone
