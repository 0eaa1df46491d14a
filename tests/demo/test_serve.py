"""`pqgan demo` before there is a page: what it refuses, in one line."""

import importlib.util
import socket
import subprocess
import sys

import pytest
import torch

from pqgan.cli import main
from pqgan.demo import serve


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def refused(capsys, *arguments):
    """Exit code and the only line of `pqgan demo`."""
    code = main(["demo", *map(str, arguments)])
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return code, line


def test_a_port_in_use_is_one_line(capsys, taken):
    code, line = refused(capsys, "--port", taken)
    assert code == 2
    assert line == (
        f"pqgan demo: --port: cannot listen on 127.0.0.1:{taken}: Address already in use; give another, or 0 for any "
        "that is free"
    )


def test_an_address_of_another_machine_is_one_line(capsys):
    code, line = refused(capsys, "--host", "192.0.2.1", "--port", 0)
    assert code == 2
    assert "cannot listen on 192.0.2.1:0: Cannot assign requested address" in line


def test_without_gradio_a_line_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(serve, "find_spec", lambda _: None)
    code, line = refused(capsys)
    assert code == 5
    assert line.endswith("is not installed: pip install '.[demo]'")


def test_a_gradio_that_cannot_be_imported_is_one_line(capsys, tiny_pq, monkeypatch):
    monkeypatch.setattr(serve, "find_spec", lambda _: True)
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr(serve.os, "environ", dict(serve.os.environ))
    code, line = refused(capsys, "--models", tiny_pq.parent, "--port", 0)
    assert code == 5
    assert "gradio cannot be imported: " in line
    assert line.endswith("pip install '.[demo]'")


def test_without_a_model_a_line_says_where_it_looked(capsys, tmp_path):
    pytest.importorskip("gradio")
    code, line = refused(capsys, "--models", tmp_path, "--port", 0)
    assert code == 3
    assert f"--models: {tmp_path}: no trained tokenizer below it" in line


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_cuda_is_refused(capsys):
    pytest.importorskip("gradio")
    code, line = refused(capsys, "--device", "cuda", "--port", 0)
    assert code == 5
    assert "torch sees no CUDA device" in line


def test_zero_is_any_free_port(taken):
    port = serve.free_port("127.0.0.1", 0)
    assert port not in (0, taken)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_the_command_line_brings_no_gradio():
    assert importlib.util.find_spec("pqgan.demo.page") is not None
    program = "import sys; from pqgan import cli; cli._parser(); print('gradio' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split()[0] == "False", done.stderr
