"""`pqgan export --hub`: what would be sent, what is sent, and what is refused before anything of others is touched."""

import os
import shutil
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalTokenNotFoundError, RepositoryNotFoundError

from pqgan.cli import main

FILES = ["README.md", "SHA256SUMS", "config.json", "diffusion_pytorch_model.safetensors", "modeling_pq.py"]


class Hub:
    """Repositories as HfApi sees them: name -> file -> content."""

    def __init__(self):
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.commits: list[dict] = []
        self.made: list[tuple[str, bool]] = []

    def list_repo_files(self, repository: str) -> list[str]:
        if repository not in self.repositories:
            raise _not_found()
        return list(self.repositories[repository])

    def create_repo(self, repository: str, private: bool) -> None:
        self.made.append((repository, private))
        self.repositories[repository] = {".gitattributes": b""}

    def hf_hub_download(self, repository: str, name: str, local_dir: str) -> None:
        Path(local_dir, name).write_bytes(self.repositories[repository][name])

    def upload_folder(self, repo_id: str, folder_path: Path, commit_message: str, delete_patterns):
        for name in delete_patterns or ():
            del self.repositories[repo_id][name]
        new = {path.name: path.read_bytes() for path in folder_path.iterdir()}
        self.repositories[repo_id] |= new
        self.commits.append({"files": sorted(new), "message": commit_message, "deleted": delete_patterns})
        return type("Commit", (), {"commit_url": f"https://hub/{repo_id}/commit/{len(self.commits)}"})


def _not_found() -> RepositoryNotFoundError:
    response = type("Response", (), {"headers": {}, "request": None, "status_code": 404})()
    return RepositoryNotFoundError("404 Client Error: there is none", response=response)


@pytest.fixture
def hub(monkeypatch):
    """A hub that can be reached."""
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return hub


@pytest.fixture
def export(tiny_pq, tmp_path):
    def run(*options: str) -> int:
        return main(["export", "--model", str(tiny_pq), "--out", str(tmp_path / "out"), "--licence", "mit", *options])

    return run


def test_a_dry_run_lists_files_and_bytes_and_touches_no_network(export, tmp_path, capsys, monkeypatch):
    def no_network(*_):
        raise AssertionError("a network was touched")

    monkeypatch.setattr(huggingface_hub, "HfApi", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    assert export("--hub", "me/tiny", "--dry-run") == 0  # although this process is offline
    *lines, last = capsys.readouterr().out.splitlines()[1:]
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()}
    assert [line.split() for line in lines] == [[f"{sizes[name]:,}", name] for name in sorted(sizes)]
    assert sorted(sizes) == FILES
    total = f"{sum(sizes.values()):,} bytes"
    assert last == f"would be uploaded to me/tiny: 5 files, {total}; nothing was sent"
    assert 'from_pretrained("me/tiny"' in (tmp_path / "out/README.md").read_text()


@pytest.mark.parametrize(("options", "private"), [([], True), (["--public"], False)])
def test_a_new_repository_is_private_unless_asked_for(export, hub, capsys, options, private):
    assert export("--hub", "me/tiny", *options) == 0
    assert hub.made == [("me/tiny", private)]
    assert [each["files"] for each in hub.commits] == [FILES]
    assert capsys.readouterr().out.splitlines()[-1] == "https://hub/me/tiny/commit/1"


def test_an_earlier_export_is_replaced_and_what_others_added_stays(export, hub):
    assert export("--hub", "me/tiny") == 0
    there = hub.repositories["me/tiny"]
    there["LICENSE"] = b"theirs"
    there["encoder.onnx"] = b"of the earlier export"
    there["SHA256SUMS"] += f"{'0' * 64}  encoder.onnx\n".encode()
    assert export("--hub", "me/tiny") == 0
    assert hub.made == [("me/tiny", True)]
    assert hub.commits[1]["deleted"] == ["encoder.onnx"]
    assert sorted(there) == sorted([".gitattributes", "LICENSE", *FILES])
    assert there["LICENSE"] == b"theirs"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"config.json": b"{}", "model.safetensors": b""}, "holds config.json and 1 more, which no pqgan export wrote"),
        ({"SHA256SUMS": b"# pqgan tokenizer\n"}, "holds SHA256SUMS, which no pqgan export wrote"),
        ({"SHA256SUMS": b"something else"}, "holds SHA256SUMS, which no pqgan export wrote"),
        ({"SHA256SUMS": b"# pqgan export\n", "README.md": b"by hand"}, "holds README.md, which no pqgan export wrote"),
    ],
)
def test_what_no_export_wrote_is_not_replaced(export, hub, capsys, files, expected):
    hub.repositories["you/model"] = {".gitattributes": b"", **files}
    assert export("--hub", "you/model") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"pqgan export: --hub: you/model {expected}; ")
    assert said.count("\n") == 1
    assert hub.commits == []


def test_offline_and_names_that_are_none_are_refused_before_anything_is_made(
    export, hub, tmp_path, capsys, monkeypatch
):
    for name in ("tiny", "me/ti ny", "a/b/c", "me/..", ""):
        assert export("--hub", name) == 2
        assert "--hub: " in (said := capsys.readouterr().err)
        assert said.count("\n") == 1
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert export("--hub", "me/tiny") == 5
    told = "--hub: offline, because HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set; unset it, or give --dry-run"
    assert capsys.readouterr().err == f"pqgan export: {told}\n"
    for option in ("--public", "--dry-run"):
        assert export(option) == 2
        assert f"{option}: belongs to --hub OWNER/NAME" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_weights_of_unknown_licence_are_not_uploaded(tiny_pq, hub, tmp_path, capsys):
    assert main(["export", "--model", str(tiny_pq), "--out", str(tmp_path / "out"), "--hub", "me/tiny"]) == 2
    assert "does not say that pqgan trained it; give that of its weights" in capsys.readouterr().err
    assert hub.commits == []


def test_what_the_hub_refuses_is_one_line_and_the_folder_is_kept(export, hub, tmp_path, capsys, monkeypatch):
    def refuse(*_, **__):
        raise LocalTokenNotFoundError("Token is required,\nbut no token found.")

    monkeypatch.setattr(hub, "create_repo", refuse)
    assert export("--hub", "me/tiny") == 5
    said = capsys.readouterr().err
    assert said.startswith("pqgan export: --hub: me/tiny: Token is required, but no token found.; log in with `hf auth")
    assert said.count("\n") == 1
    assert (tmp_path / "out/SHA256SUMS").is_file()


class _Another(BaseHTTPRequestHandler):
    """A server that is no hub: the same JSON to everything."""

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    do_POST = do_GET


@pytest.mark.parametrize(
    "content", [b"null", b"[]", b"{}", b'{"id": "me/tiny", "siblings": 3}', b"<html>log in</html>"]
)
def test_a_server_that_is_no_hub_is_one_line(export, capsys, monkeypatch, content):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Another) as server:
        server.content = content
        Thread(target=server.serve_forever, daemon=True).start()
        api = huggingface_hub.HfApi(endpoint=f"http://127.0.0.1:{server.server_port}", token="hf_none")
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        assert export("--hub", "me/tiny") == 5
        server.shutdown()
    said = capsys.readouterr().err
    assert said.startswith("pqgan export: --hub: me/tiny: ")
    assert said.endswith("out is whole\n")
    assert said.count("\n") == 1


@pytest.mark.thorough  # its library tries again for half a minute
def test_a_hub_that_nobody_answers_for_is_one_line(tiny_pq, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        own = {
            "HF_ENDPOINT": f"http://127.0.0.1:{taken.getsockname()[1]}",
            "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": "hf_none",
        }
        command = [sys.executable, "-m", "pqgan.cli", "export", "--model", str(tiny_pq), "--out", str(tmp_path / "out")]
        command += ["--licence", "mit", "--hub", "me/tiny"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own}, timeout=300)
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("pqgan export: --hub: me/tiny: ")
    assert done.stderr.count("\n") == 1, done.stderr
    shutil.rmtree(tmp_path / "out")
