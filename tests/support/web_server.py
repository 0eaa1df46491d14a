"""A web server on this machine that cuts, ignores, lies and changes its mind."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server:
    """What its one file is (everywhere but at /moved, which points there), how it answers, and what it was asked."""

    def __init__(self):
        self.content, self.headers = b"", {"ETag": '"1"'}
        self.ranges = True
        self.cuts: list[int] = []
        """Bytes after which each of the next answers is cut."""
        self.errors: list[int] = []
        """HTTP errors of the next answers."""
        self.pause = 0.0
        """Seconds before each answer."""
        self.gate: threading.Event | None = None
        """Where there is one, a connection that is cut stays open, silent, until the gate opens."""
        self.asked: list[dict[str, str]] = []

    @contextmanager
    def running(self):
        http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"state": self}))
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{http.server_port}"
        self.url = f"{self.address}/net.pth"
        yield self
        http.shutdown()
        http.server_close()


class Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self):
        server = self.state
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", server.url)
            self.end_headers()
            return
        server.asked.append(dict(self.headers))
        threading.Event().wait(server.pause)  # tests take time.sleep away
        if server.errors:
            self.send_error(server.errors.pop(0))
            return
        content, first = server.content, 0
        if server.ranges and "Range" in self.headers and self.headers.get("If-Range") in (None, server.headers["ETag"]):
            first = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if first >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        for name, value in {"Content-Length": str(len(content) - first), **server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = server.cuts.pop(0) if server.cuts else len(content)
        self.wfile.write(content[first:][:cut])
        if server.gate and cut < len(content):
            server.gate.wait(60)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Server().running() as running:
        yield running
