"""report.html in a real browser, as a reader opens it: from disk, without a network, on a desk and on a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, needs_chromium
from PIL import Image

from pqgan.report import contents

pytestmark = needs_chromium

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


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(params=[1280, 390])
def width(request, browser, reports) -> Iterator[int]:
    browser.open((reports / "report.html").as_uri(), request.param)
    yield request.param
    browser.leave()


def test_page_opens_offline_and_fits(browser, width, reports, tmp_path):
    # a page that did not fit would be laid out wider than the screen
    assert browser.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert browser.evaluate(OVERFLOWING) == []
    pictures = browser.evaluate(PICTURES)
    assert len(pictures) == sum(item.startswith("figure") for item in contents.ITEMS)
    assert all(wide > 100 and high > 100 and 100 < shown <= width for wide, high, shown in pictures)
    _look(browser, tmp_path / f"{width}.png", width)
    assert browser.asked() == [(reports / "report.html").as_uri()]
    assert [*browser.told("Runtime.consoleAPICalled"), *browser.told("Runtime.exceptionThrown")] == []
    assert browser.told("Log.entryAdded") == []


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
        f"Array.from({table}.querySelectorAll('tr.group strong')).map(words => words.textContent)"
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


def _look(browser: Browser, path: Path, width: int) -> None:
    """A picture of the whole page."""
    browser.look(path, width)
    with Image.open(path) as image:
        assert image.size == (width, browser.evaluate("document.documentElement.scrollHeight"))
        assert len(image.convert("RGB").resize((64, 64)).getcolors(4096)) > 20  # not a blank page
