"""Chromium without a window, for tests of pages: spoken to in the DevTools protocol over a pair of pipes."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH: the page was opened nowhere"
)
DOMAINS = ("Page", "Runtime", "Network", "Log")


def _pipe() -> tuple[int, int]:
    """Away from files 3 and 4, which are the protocol's own: it reads the one and writes the other."""
    ends = os.pipe()
    higher = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return higher


class Browser:
    """Chromium without a window, spoken to in the DevTools protocol over a pair of pipes.

    Args:
        profile: an empty folder.
    """

    def __init__(self, profile: Path):
        (read_here, write_there), (read_there, write_here) = _pipe(), _pipe()
        command = [CHROMIUM, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"]
        command += ["--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", f"--user-data-dir={profile}"]
        start = f'exec "$@" 3<&{read_there} 4>&{write_there}'
        self.process = subprocess.Popen(
            ["bash", "-c", start, "bash", *command],
            pass_fds=(read_there, write_there),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_there)
        os.close(write_there)
        self.read, self.write = read_here, write_here
        self.waiting, self.events, self.number, self.session = b"", [], 0, None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def close(self) -> None:
        self.session = None
        self.ask("Browser.close")
        os.close(self.write)
        os.close(self.read)
        self.process.wait(20)

    def ask(self, method: str, **arguments) -> dict:
        """The answer to a command; what is told meanwhile goes to `events`."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": arguments}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def until(self, event: str) -> None:
        while not any(told.get("method") == event for told in self.events):
            self.events.append(self._next())

    def evaluate(self, script: str):
        """What a script in the page comes to."""
        result = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def _next(self, seconds: float = 60) -> dict:
        end = time.monotonic() + seconds
        while b"\0" not in self.waiting:
            ready, _, _ = select.select([self.read], [], [], max(0, end - time.monotonic()))
            assert ready, f"the browser said nothing for {seconds} s"
            part = os.read(self.read, 1 << 20)
            assert part, "the browser ended"
            self.waiting += part
        message, _, self.waiting = self.waiting.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, width: int, height: int = 900) -> None:
        """Go to a page, and listen from its first byte on."""
        self.events.clear()
        for domain in DOMAINS:
            self.ask(f"{domain}.enable")
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **screen)
        self.ask("Page.navigate", url=url)
        self.until("Page.loadEventFired")

    def leave(self) -> None:
        """Listen no longer."""
        for domain in DOMAINS:
            self.ask(f"{domain}.disable")

    def told(self, event: str) -> list[dict]:
        """The events of a kind."""
        return [told for told in self.events if told.get("method") == event]

    def asked(self) -> list[str]:
        """Addresses that the page asked for, but those that hold their content."""
        addresses = [told["params"]["request"]["url"] for told in self.told("Network.requestWillBeSent")]
        return [url for url in addresses if not url.startswith(("data:", "blob:"))]

    def look(self, path: Path, width: int, **options) -> None:
        """A picture of the whole page, PNG unless options say otherwise."""
        height = self.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip, **{"format": "png", **options})
        path.write_bytes(base64.b64decode(shot["data"]))
