"""Where published weights are looked for, and what they must be. Nothing leaves this machine."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from pqgan.errors import DataError, ResourceError
from pqgan.weights import locate
from pqgan.weights.catalogue import CATALOGUE, Weights

STATE = {"weight": torch.arange(6.0).view(2, 3)}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def served(tmp_path):
    """A folder that a server on this machine gives, with its `address` and the paths that were `asked` of it."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *arguments):
            pass

    asked, folder = [], tmp_path / "origin"
    folder.mkdir()
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield SimpleNamespace(folder=folder, asked=asked, address=f"http://127.0.0.1:{http.server_port}")
    http.shutdown()
    http.server_close()


@pytest.fixture
def places(tmp_path, monkeypatch, served):
    """(own folder, cache folder, entry of a published file that is in neither yet)."""
    own, cache = tmp_path / "own", tmp_path / "cache"
    own.mkdir()
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(own))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    for name in ("HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(locate, "_said", set())
    published = served.folder / "net.pth"
    torch.save(STATE, published)
    save_file(STATE, tmp_path / "copy.safetensors")
    entry = Weights(
        f"{served.address}/net.pth",
        published.stat().st_size,
        sha256(published),
        copies={"net.safetensors": sha256(tmp_path / "copy.safetensors")},
    )
    monkeypatch.setitem(CATALOGUE, "net", entry)
    return own, cache / "pqgan", entry


def test_own_folder_then_cache_then_download(places, served, tmp_path):
    own, cache, _ = places
    assert locate.find("net") == cache / "net.pth"
    assert locate.find("net") == cache / "net.pth"
    assert served.asked == ["/net.pth"]
    (tmp_path / "copy.safetensors").rename(own / "net.safetensors")
    assert locate.find("net") == own / "net.safetensors"
    (cache / "net.pth").rename(own / "net.pth")
    assert locate.find("net") == own / "net.pth"


def test_what_is_here_is_known_without_a_download(places, served):
    own, _, entry = places
    assert not locate.is_here(entry)
    assert served.asked == []
    locate.find(entry)  # downloads into the cache
    assert locate.is_here(entry)
    (own / entry.name).write_bytes(locate.find(entry).read_bytes())
    shutil.rmtree(locate.cache())
    assert locate.is_here(entry)
    assert len(served.asked) == 1


def test_read_gives_float32_from_every_format(places, tmp_path):
    own, _, entry = places
    assert torch.equal(locate.read("net")["weight"], STATE["weight"])
    half = {"weight": STATE["weight"].half(), "count": torch.tensor(3)}
    save_file(half, own / "half.safetensors")
    found = locate.read(Weights(entry.origin, copies={"half.safetensors": None}))
    assert found["weight"].dtype == torch.float32
    assert found["count"].dtype == torch.int64
    assert torch.equal(found["weight"], STATE["weight"])


def test_source_has_origin_and_hash(places):
    *_, entry = places
    found = locate.source("net")
    assert found.origin == entry.origin
    assert found.files == {"net.pth": entry.sha256}


def wrong(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("where", ["own", "cache", "copy"])
def test_file_with_another_hash_is_refused_with_both(places, where):
    own, cache, entry = places
    path = {"own": own / "net.pth", "cache": cache / "net.pth", "copy": own / "net.safetensors"}[where]
    found = wrong(path, b"x" * entry.size)
    expected = entry.copies["net.safetensors"] if where == "copy" else entry.sha256
    with pytest.raises(DataError) as caught:
        locate.find("net")
    message = str(caught.value)
    assert message.startswith(f"{path}: sha256 is {found}; expected {expected}, that of {entry.origin}")
    assert message.endswith("; delete it, or replace it")
    assert "\n" not in message
    assert path.exists()


def test_cut_file_and_folder_are_refused(places):
    own, _, entry = places
    wrong(own / "net.pth", b"x" * 10)
    with pytest.raises(DataError, match=rf"net\.pth: has 10 bytes; expected {entry.size} bytes of http"):
        locate.find("net")
    (own / "net.pth").unlink()
    (own / "net.pth").mkdir()
    with pytest.raises(DataError, match=r"net\.pth: is no file; expected"):
        locate.find("net")


def test_download_of_another_file_is_refused_and_not_kept(places, served):
    _, cache, entry = places
    (served.folder / "net.pth").write_bytes(b"x" * entry.size)
    with pytest.raises(DataError, match=r"sha256 is \w{64}; expected \w{64}"):
        locate.find("net")
    assert not list(cache.glob("net*"))


def test_folder_of_one_s_own_that_is_none_is_refused(places, monkeypatch, tmp_path):
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"PQGAN_WEIGHTS_DIR: .*nowhere is no folder"):
        locate.find("net")


def test_unknown_name_is_refused():
    with pytest.raises(DataError, match="resnet: no published network of that name; expected one of inception, alex"):
        locate.find("resnet")


@pytest.mark.parametrize("offline", [False, True])
def test_missing_says_which_where_and_how(places, served, monkeypatch, offline):
    own, cache, entry = places
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (served.folder / "net.pth").unlink()
    with pytest.raises(ResourceError) as caught:
        locate.find("net")
    message = str(caught.value)
    why = "HF_HUB_OFFLINE is set" if offline else "cannot be downloaded: HTTP error 404"
    for part in (
        "1 network is missing",
        "net.pth (0.0 MB, ",
        entry.origin,
        str(own),
        str(cache),
        why,
        "features.weights",
    ):
        assert part in message
    assert "\n" not in message
    assert len(served.asked) == (0 if offline else 1)


def test_require_names_all_that_is_missing_at_once(places, served, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    own, *_ = places
    shutil.copy(served.folder / "net.pth", own)
    locate.require(["net"])
    with pytest.raises(ResourceError) as caught:
        locate.require(["inception", "net", "alex", "vqgan-lc-f8"])
    message = str(caught.value)
    assert message.startswith("3 networks are missing")
    for name in ("inception", "alex", "vqgan-lc-f8"):
        assert f"{CATALOGUE[name].name} (" in message
        assert str(CATALOGUE[name].origin) in message
    assert "net.pth (" not in message.replace("weights-inception", "")
    assert "95.6 MB" in message
    assert "\n" not in message


def test_file_without_a_known_hash_is_taken_from_one_s_own_folder_alone(places, served, capsys):
    own, cache, entry = places
    unknown = Weights(entry.origin)
    with pytest.raises(ResourceError, match="not downloaded, as no sha256 of it is known"):
        locate.find(unknown)
    assert served.asked == []
    cache.mkdir(parents=True)
    shutil.copy(served.folder / "net.pth", cache)
    with pytest.raises(ResourceError, match="not downloaded, as no sha256 of it is known"):
        locate.find(unknown)
    (cache / "net.pth").rename(own / "net.pth")
    for _ in range(2):
        assert locate.source(unknown).files == {"net.pth": entry.sha256}
    said = capsys.readouterr().err
    assert said.count(entry.sha256) == 1
    assert "none to compare it with" in said


def test_another_file_than_the_first_one_without_a_known_hash_is_refused(places, served):
    own, cache, entry = places
    unknown = Weights(entry.origin)
    shutil.copy(served.folder / "net.pth", own)
    locate.find(unknown)
    record = cache / "recorded" / "net.pth.json"
    found = wrong(own / "net.pth", b"x" * 10)
    with pytest.raises(DataError) as caught:
        locate.find(unknown)
    message = str(caught.value)
    assert message.startswith(f"{own / 'net.pth'}: sha256 is {found}; expected {entry.sha256}, seen first on 20")
    assert f"delete {record} to take this one from now on" in message
    assert "\n" not in message
    record.unlink()
    assert locate.source(unknown).files == {"net.pth": found}


def test_a_record_that_cannot_be_written_is_said(places, served, monkeypatch, tmp_path, capsys):
    own, _, entry = places
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    shutil.copy(served.folder / "net.pth", own)
    for _ in range(2):
        assert locate.source(Weights(entry.origin)).files == {"net.pth": entry.sha256}
    assert capsys.readouterr().err.count("so it cannot be recorded for the next time (") == 1


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_file_that_wants_to_run_code_is_refused_and_nothing_is_run(places, tmp_path):
    own, *_ = places
    torch.save({"state_dict": STATE, "callbacks": Payload(tmp_path / "trap")}, own / CATALOGUE["vqgan-lc-f8"].name)
    with pytest.raises(
        DataError, match=r"vqgan-lc-100K-f8-dim4\.pth: asks to run \w+\.mkdir when it is read"
    ) as caught:
        locate.read("vqgan-lc-f8")
    assert not (tmp_path / "trap").exists()
    assert "\n" not in str(caught.value)


def test_cache_that_cannot_be_written_does_not_matter_to_one_s_own_files(places, served, monkeypatch, tmp_path):
    own, *_ = places
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    shutil.copy(served.folder / "net.pth", own)
    assert locate.find("net") == own / "net.pth"
    (own / "net.pth").unlink()
    with pytest.raises(ResourceError, match=r"net\.pth: cannot be written: .*XDG_CACHE_HOME"):
        locate.find("net")


def test_load_is_strict(places):
    with pytest.raises(DataError, match=r"net\.pth: is not net\.pth \(.*Missing key.*bias.*\); replace it"):
        locate.load(torch.nn.Linear(3, 2), locate.read("net"), "net")
    layer = torch.nn.Linear(3, 2, bias=False)
    locate.load(layer, locate.read("net"), "net")
    assert torch.equal(layer.weight, STATE["weight"])


def test_starts_without_torch():
    heavy = ("torch", "huggingface_hub")
    program = f"import pqgan.weights.locate, sys; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_real_copies_are_what_the_catalogue_says(name):
    """Where PQGAN_WEIGHTS_DIR has them."""
    entry, own = CATALOGUE[name], locate.folder()
    if own is None or not any((own / file).is_file() for file in (entry.name, *entry.copies)):
        pytest.skip(f"{entry.name} is not in PQGAN_WEIGHTS_DIR")
    state = locate.read(name)
    assert all(tensor.dtype == torch.float32 for tensor in state.values() if tensor.is_floating_point())
    assert all(tensor.isfinite().all() for tensor in state.values())
    (digest,) = locate.source(name).files.values()
    assert digest in (entry.sha256, *entry.copies.values())
