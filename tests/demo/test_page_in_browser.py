"""`pqgan demo` in a real browser: a photograph is dropped, its numbers are read from the page and computed here."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from browser import Browser, needs_chromium
from PIL import Image
from skimage import data

from pqgan.evaluate.baselines.open import open_model

pytestmark = needs_chromium
pytest.importorskip("gradio")

ROWS = (
    "Array.from(document.querySelectorAll('#numbers tbody tr')).map(row => Array.from(row.cells).map(c => c.innerText))"
)
SHARE = """(() => {
  const input = document.querySelector('#share input[type=number]');
  input.value = 50;
  input.dispatchEvent(new Event('input', {bubbles: true}));
})()"""
SIZE = "(document.querySelector('{} img') || {{}}).naturalWidth || 0"


LISTENED_TO = """
import sys
def tell(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = arguments
    else:
        return
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", b"127.0.0.1", b"localhost"):
        print(event, address, file=sys.stderr)
sys.addaudithook(tell)
from pqgan.cli import main
sys.exit(main())
"""
"""The command, telling of each address of another machine that it looks up or connects to."""


@pytest.fixture(scope="module")
def server(tiny_pq, tmp_path_factory) -> Iterator[str]:
    """The address of a running demo, of a machine without published networks."""
    empty = tmp_path_factory.mktemp("empty")
    environment = {key: value for key, value in os.environ.items() if key not in ("PQGAN_WEIGHTS_DIR", "TMPDIR")}
    environment |= {"XDG_CACHE_HOME": str(empty), "TMPDIR": str(empty), "HTTP_PROXY": "http://192.0.2.1:9"}
    command = [sys.executable, "-c", LISTENED_TO, "demo", "--models", str(tiny_pq.parent), "--model", "jpeg@2"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--side", "200", "--device", "cpu"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/ \(tiny, jpeg@2; Ctrl-C ends it\)\n", line), process.stderr.read()
        yield line.split()[0]
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert told == ""  # nor of other machines
    assert not list(empty.glob("pqgan-demo-*"))  # nobody's pictures stay


@pytest.fixture(scope="module")
def browser(tmp_path_factory, server) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    started.open(server, 1200)
    yield started
    started.close()


def until(browser, script, expected=None, seconds=60):
    """What a script comes to once it is true, or equal to what is expected."""
    end = time.monotonic() + seconds
    while True:
        found = browser.evaluate(script)
        if found == expected if expected is not None else found:
            return found
        assert time.monotonic() < end, (script, found)
        time.sleep(0.1)


def upload(browser, place, path):
    until(browser, f"!!document.querySelector('{place} input[type=file]')")
    root = browser.ask("DOM.getDocument")["root"]["nodeId"]
    node = browser.ask("DOM.querySelector", nodeId=root, selector=f"{place} input[type=file]")["nodeId"]
    browser.ask("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


def dismiss(browser, place):
    browser.evaluate(f"document.querySelector('{place} button[aria-label=\"Clear\"]').click()")


def text(place):
    return f"document.querySelector('{place}').innerText.trim()"


def test_a_photograph_is_reconstructed_measured_mapped_and_mixed(browser, server, tiny_pq, tmp_path):
    photograph = data.chelsea()
    Image.fromarray(photograph).save(tmp_path / "chelsea.png")
    upload(browser, "#a", tmp_path / "chelsea.png")
    until(browser, f"{ROWS}.length", 2)
    until(browser, text("#said"), "".join(
        ["Your picture: 451 x 300 px, made smaller to 200 x 133 px, cut to 200 x 132 px, multiples of 2.\n\n",
         "LPIPS is not measured: its network, AlexNet, is not on this machine, and nothing is downloaded here. ",
         "docs/evaluation.md says where it is looked for."]))  # fmt: skip

    pixels = np.asarray(Image.fromarray(photograph).resize((200, 133), Image.Resampling.LANCZOS))[:132]
    tokenizer = open_model(tiny_pq)
    with torch.inference_mode():
        images = torch.tensor(pixels).permute(2, 0, 1)[None].contiguous() / 127.5 - 1
        codes = tokenizer.model.encode_to_codes(images)
        made = tokenizer.model.decode_from_codes(codes)[0].permute(1, 2, 0).clamp(-1, 1).numpy()
    error = ((((made + 1) * 127.5).round() - pixels.astype(np.float64)) ** 2).mean()
    ours, jpeg = browser.evaluate(ROWS)
    assert ours[:3] == ["tiny", "2", f"{2 * 66 * 100 * 4 // 8:,} B"]
    assert float(ours[3].removesuffix(" dB")) == pytest.approx(10 * np.log10(255**2 / error), abs=0.011)
    assert (ours[4], jpeg[0], jpeg[4]) == ("-", "jpeg@2", "-")
    assert float(jpeg[1]) <= 2

    for place in ("#pair", "#codes"):
        until(browser, SIZE.format(place), 200)
    used = len(codes[0, 0].unique())
    assert browser.evaluate(text("#of-codes")) == f"Subspace 0: 100 x 66 codes, {used} of 11 codewords in use."
    Image.fromarray(data.astronaut()).save(tmp_path / "astronaut.png")
    upload(browser, "#b", tmp_path / "astronaut.png")
    until(browser, SIZE.format("#mixture"), 200)
    assert browser.evaluate(text("#of-mixture")) == "Subspaces 0 to 1 of B."
    browser.evaluate(SHARE)
    until(browser, text("#of-mixture"), "Subspaces 0 to 0 of A, 1 to 1 of B.")
    browser.evaluate("document.querySelectorAll('#way input')[1].click()")
    until(browser, text("#of-mixture"), "Columns 0 to 49 of A, 50 to 99 of B.")

    elsewhere = [url for url in browser.asked() if not url.startswith(server)]
    assert elsewhere == []
    assert len(browser.asked()) > 10
    assert browser.told("Runtime.exceptionThrown") == []
    assert browser.told("Log.entryAdded") == []


def test_a_damaged_upload_is_told_in_the_page_and_the_next_is_taken(browser, tmp_path):
    dismiss(browser, "#a")
    until(browser, f"{ROWS}.length == 0")
    whole = tmp_path / "cut <b>short.png"
    Image.fromarray(data.chelsea()).save(whole)
    whole.write_bytes(whole.read_bytes()[:50_000])
    upload(browser, "#a", whole)
    told = until(browser, "(document.querySelector('#said p.error') || {}).innerText")
    assert told.startswith("this file cannot be read as an image: ")
    assert browser.evaluate(f"{ROWS}.length") == 0
    dismiss(browser, "#a")
    Image.fromarray(data.chelsea()[:80, :100]).save(tmp_path / "next.png")
    upload(browser, "#a", tmp_path / "next.png")
    until(browser, f"{ROWS}.length", 2)
    assert browser.evaluate(text("#said")).startswith("Your picture: 100 x 80 px.")


def test_another_model_is_shown_and_one_without_codes_says_so(browser):
    browser.evaluate("document.querySelectorAll('#model input')[1].click()")
    until(browser, text("#of-codes"), "jpeg@2 has no codes.")
    until(browser, "document.querySelector('#numbers tr.chosen td').innerText", "jpeg@2")
