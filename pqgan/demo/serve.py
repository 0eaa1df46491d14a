"""`pqgan demo`: serve the page on this machine, and nothing else of it to anybody."""

import os
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pqgan.errors import ResourceError, SettingsError
from pqgan.evaluate.command.defaults import FEATURES
from pqgan.tokenizer.perceptual import Perceptual
from pqgan.weights import locate

from .compute import NET
from .models import at_hand, target

MODELS, SIDE, PORT, HOST = Path("models"), 1024, 7860, "127.0.0.1"
LARGEST_FILE = 1 << 28
"""Bytes of an upload."""
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
"""Of the reader's own system: the library's come from elsewhere."""
SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",  # nor does it ask for its newest version
    "GRADIO_SSR_MODE": "False",
    "GRADIO_SHARE": "False",
}


def demo(
    *,
    models: Path = MODELS,
    model: Sequence[str] = (),
    host: str = HOST,
    port: int = PORT,
    side: int = SIDE,
    device: str = "auto",
) -> None:
    """Serve the page until the process is stopped.

    Args:
        models: folder of folders of trained tokenizers.
        model: more of them, as `pqgan evaluate --model` takes them.
        host: address to listen on.
        port: of it; 0 takes any that is free.
        side: pictures with a longer one are made smaller, pixels.
        device: cpu, cuda, or auto for CUDA where there is one.

    Raises:
        SettingsError: a port in use, or an address that is not this machine's.
        DataError: no model, or one that is named is damaged.
        ResourceError: gradio is not installed; no such device.
    """
    if find_spec("gradio") is None:
        raise ResourceError("gradio, which makes the page, is not installed: pip install '.[demo]'")
    port = free_port(host, port)
    where = target(device)
    found = at_hand(models, model, where)
    for line in found.left_out:
        print(f"pqgan demo: left out: {line}", file=sys.stderr)
    lpips = Perceptual(FEATURES["pretrained"], NET).to(where) if locate.is_here(NET) else None
    with tempfile.TemporaryDirectory(prefix="pqgan-demo-") as uploads:
        os.environ.update(SETTINGS, GRADIO_TEMP_DIR=uploads)
        # it asks itself whether it is there, which is no business of a proxy's
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(
            filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), host, "localhost"))
        )
        try:
            import gradio

            from .page import CSS, Page
        except ImportError as error:
            raise ResourceError(f"gradio cannot be imported: {error}; pip install '.[demo]'") from None

        page = Page(found, lpips, side, where).build()
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            theme=gradio.themes.Default(**FONTS),
            css=CSS,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            show_error=True,
            footer_links=[],
            max_file_size=LARGEST_FILE,
        )
        try:
            names = ", ".join(one.name for one in found.models)
            print(f"{address} ({names}; Ctrl-C ends it)", flush=True)
            threading.Event().wait()
        finally:
            page.close(verbose=False)


def free_port(host: str, port: int) -> int:
    """The port, or a free one for 0.

    Raises:
        SettingsError: it is in use or not to be had, or the address is not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            return tried.getsockname()[1]
    except socket.gaierror as error:
        raise SettingsError(f"--host: got {host!r}: {error.strerror}; give an address of this machine") from None
    except OSError as error:
        raise SettingsError(
            f"--port: cannot listen on {host}:{port}: {error.strerror}; give another, or 0 for any that is free"
        ) from None
