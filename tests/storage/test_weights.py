"""Where published weights are looked for, and what a download must be."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from pqgan.errors import DataError, ResourceError
from pqgan.storage import weights


@pytest.fixture
def places(tmp_path, monkeypatch):
    """(own folder, cache folder, published file), each still empty, and an entry `net` that comes from the last."""
    own, origin = tmp_path / "own", tmp_path / "origin"
    own.mkdir()
    origin.mkdir()
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(own))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    published = origin / "net-12345678.pth"
    torch.save({"weight": torch.arange(6.0).view(2, 3)}, published)
    content = published.read_bytes()
    entry = weights.Weights(published.as_uri(), len(content), hashlib.sha256(content).hexdigest(), ("net.safetensors",))
    monkeypatch.setitem(weights.WEIGHTS, "net", entry)
    return own, tmp_path / "cache/pqgan", published


def test_own_folder_then_cache_then_download(places):
    own, cache, published = places
    assert weights.find("net") == cache / published.name
    assert (cache / published.name).read_bytes() == published.read_bytes()
    assert [path.name for path in cache.iterdir()] == [published.name]
    published.unlink()
    assert weights.find("net") == cache / published.name
    (own / "net.safetensors").write_bytes(b"")
    assert weights.find("net") == own / "net.safetensors"


def test_download_with_another_hash_is_refused_and_not_kept(places):
    _, cache, published = places
    published.write_bytes(b"x" + published.read_bytes()[1:])
    with pytest.raises(DataError, match=r"sha256 is \w{64}; expected \w{64}"):
        weights.find("net")
    assert not cache.exists() or not any(cache.iterdir())


def test_absent_everywhere_says_where_it_was_looked_for(places):
    own, cache, published = places
    published.unlink()
    with pytest.raises(ResourceError) as caught:
        weights.find("net")
    message = str(caught.value)
    for part in (published.name, str(own), str(cache), published.as_uri(), "features.weights"):
        assert part in message
    assert "\n" not in message


def test_cut_file_is_refused(places):
    own, _, published = places
    (own / published.name).write_bytes(published.read_bytes()[:-10])
    with pytest.raises(DataError, match="bytes; expected"):
        weights.find("net")


def test_read_gives_float32_from_either_format(places):
    own, *_ = places
    expected = torch.arange(6.0).view(2, 3)
    assert torch.equal(weights.read("net")["weight"], expected)
    save_file({"weight": expected.half()}, own / "net.safetensors")
    state = weights.read("net")
    assert state["weight"].dtype == torch.float32
    assert torch.equal(state["weight"], expected)


def test_damaged_file_is_one_line(places):
    own, *_ = places
    (own / "net.safetensors").write_bytes(b"not a file of tensors")
    with pytest.raises(DataError, match=r"net\.safetensors: cannot be read"):
        weights.read("net")


def test_load_is_strict(places):
    with pytest.raises(DataError, match="Missing key"):
        weights.load(torch.nn.Linear(3, 2), weights.read("net"), "net")


def test_hashes_begin_with_the_digits_in_the_names():
    for entry in weights.WEIGHTS.values():
        digits = entry.file.removesuffix(".pth").rpartition("-")[2]
        assert len(digits) == 8
        assert entry.sha256.startswith(digits)
        assert len(entry.sha256) == 64
