"""The part of the Hugging Face hub's interface that its own client uses here, over a folder of repositories."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote


def _handler(root: Path, seen: list[str]) -> type[BaseHTTPRequestHandler]:
    def revision(repository: str) -> str:
        """Another one after every change of the files."""
        content = [(name, (root / repository / name).read_bytes()) for name in names(repository)]
        return hashlib.sha1(repr(content).encode()).hexdigest()

    def names(repository: str) -> list[str]:
        return sorted(
            path.relative_to(root / repository).as_posix() for path in (root / repository).rglob("*") if path.is_file()
        )

    class Handler(BaseHTTPRequestHandler):
        @property
        def address(self) -> str:
            return f"http://{self.headers['Host']}"

        def log_message(self, *_) -> None:
            seen.append(f"{self.command} {self.path}")

        def answer(self, code: int, content=b"", **headers: str) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            headers = {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = unquote(self.path.partition("?")[0]).strip("/").split("/")
            of_api = parts[0] == "api"
            repository = "/".join(parts[2:4] if of_api else parts[:2])
            if not (root / repository).is_dir():
                return self.answer(404, {}, X_Error_Code="RepoNotFound")
            if of_api and "tree" in parts:
                return self.answer(
                    200, [{"type": "file", "path": n, "size": 1, "oid": "0" * 40} for n in names(repository)]
                )
            if of_api:
                siblings = [{"rfilename": name} for name in names(repository)]
                about = {
                    "id": repository,
                    "sha": revision(repository),
                    "siblings": siblings,
                    "private": False,
                    "tags": [],
                }
                return self.answer(200, about)
            file = root / repository / "/".join(parts[4:])
            if not file.is_file():
                return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=revision(repository))
            content = file.read_bytes()
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            return self.answer(200, content, ETag=etag, X_Repo_Commit=revision(repository))

        def do_POST(self) -> None:
            body = self.body()
            parts = unquote(self.path.partition("?")[0]).strip("/").split("/")
            if parts[:3] == ["api", "repos", "create"]:
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                (root / name).mkdir(parents=True)
                (root / name / ".gitattributes").touch()
                seen.append(f"made {name}, {asked.get('visibility')}")
                return self.answer(200, {"url": f"{self.address}/{name}", "name": name})
            if parts[:2] == ["api", "validate-yaml"]:  # of a model card
                return self.answer(200, {"errors": [], "warnings": []})
            repository = "/".join(parts[2:4])
            if parts[4] == "preupload":
                files = json.loads(body)["files"]
                return self.answer(
                    200,
                    {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]},
                )
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    (root / repository / line["value"]["path"]).write_bytes(base64.b64decode(line["value"]["content"]))
                elif line["key"] == "deletedFile":
                    (root / repository / line["value"]["path"]).unlink()
            oid = revision(repository)
            return self.answer(200, {"commitUrl": f"{self.address}/{repository}/commit/{oid}", "commitOid": oid})

    return Handler


@contextmanager
def hub_server(root: Path) -> Iterator[tuple[str, list[str]]]:
    """A hub on this machine.

    Args:
        root: folder with a folder of files per repository, owner/name.

    Returns:
        Its address, for HF_ENDPOINT, and what was asked of it so far.
    """
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(root, seen))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
