"""report.html in a real browser, as a reader opens it: from disk, without a network, on a desk and on a phone."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pqgan.report import contents

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH: the page was opened nowhere"
)

OVERFLOWING = """
Array.from(document.querySelectorAll('body *'))
  .filter(element => element.getBoundingClientRect().right > innerWidth + 0.5 && !element.closest('.scroll'))
  .map(element => element.tagName + ' ' + element.textContent.trim().slice(0, 60))
"""
PICTURES = """
Promise.all(Array.from(document.images).map(async image => {
  image.loading = 'eager';
  await image.decode();
  return [image.naturalWidth, image.naturalHeight, image.getBoundingClientRect().width];
}))
"""


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(params=[1280, 390])
def width(request, browser, reports) -> Iterator[int]:
    """Opens the page, and listens from its first byte on."""
    browser.events.clear()
    for domain in ("Page", "Runtime", "Network", "Log"):
        browser.ask(f"{domain}.enable")
    phone = request.param < 600
    browser.ask(
        "Emulation.setDeviceMetricsOverride", width=request.param, height=900, deviceScaleFactor=1, mobile=phone
    )
    browser.ask("Page.navigate", url=(reports / "report.html").as_uri())
    browser.until("Page.loadEventFired")
    yield request.param
    for domain in ("Page", "Runtime", "Network", "Log"):
        browser.ask(f"{domain}.disable")


def test_page_opens_offline_and_fits(browser, width, reports, tmp_path):
    # a page that did not fit would be laid out wider than the screen
    assert browser.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert browser.evaluate(OVERFLOWING) == []
    pictures = browser.evaluate(PICTURES)
    assert len(pictures) == sum(item.startswith("figure") for item in contents.ITEMS)
    assert all(wide > 100 and high > 100 and 100 < shown <= width for wide, high, shown in pictures)
    _look(browser, tmp_path / f"{width}.png", width)
    asked = [told["params"]["request"]["url"] for told in _told(browser, "Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [(reports / "report.html").as_uri()]
    assert [*_told(browser, "Runtime.consoleAPICalled"), *_told(browser, "Runtime.exceptionThrown")] == []
    assert _told(browser, "Log.entryAdded") == []


def test_every_part_is_opened_by_its_link(browser, width):
    targets = browser.evaluate("Array.from(document.querySelectorAll('nav a')).map(link => link.hash)")
    assert [*contents.ITEMS] == sorted(
        (target[1:] for target in targets if target[1:] in contents.ITEMS), key=[*contents.ITEMS].index
    )
    for target in targets:
        assert browser.evaluate(f"document.querySelector('{target}').getBoundingClientRect().height") > 0


def test_claims_are_read_without_scrolling_sideways(browser, width):
    table = "document.querySelector('#table_claims .scroll')"
    assert browser.evaluate(f"{table}.scrollWidth - {table}.clientWidth") <= 0
    verdicts = browser.evaluate(
        f"Array.from({table}.querySelectorAll('tr.group strong')).map(words => words.innerText)"
    )
    assert len(verdicts) == 34
    assert set(verdicts) <= {"holds", "does not hold", "not resolved at this scale"}


def test_details_open_and_still_fit(browser, width):
    assert browser.evaluate("document.querySelectorAll('details').length") >= 2
    browser.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(OVERFLOWING.replace(".scroll", ".scroll, pre")) == []


def test_text_is_readable_in_the_dark(browser, width):
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    text, paper = (
        sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(","))) for colour in browser.evaluate(colours)
    )
    browser.ask("Emulation.setEmulatedMedia", features=[])
    assert text > 600
    assert paper < 120


def _told(browser: Browser, event: str) -> list[dict]:
    return [told for told in browser.events if told.get("method") == event]


def _look(browser: Browser, path: Path, width: int) -> None:
    """A picture of the whole page."""
    height = browser.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = browser.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    path.write_bytes(base64.b64decode(shot["data"]))
    with Image.open(path) as image:
        assert image.size == (width, height)
        assert len(image.convert("RGB").resize((64, 64)).getcolors(4096)) > 20  # not a blank page
