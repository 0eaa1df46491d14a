"""A published tokenizer becomes a folder that says where it is from, the same bytes each time."""

import json
import shutil
import zipfile
from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch

from pqgan.baselines import PUBLISHED
from pqgan.errors import DataError, SettingsError
from pqgan.evaluate.baselines import fetch
from pqgan.evaluate.baselines.open import open_model
from pqgan.job import Job
from pqgan.records import FeatureNetwork
from pqgan.storage.manifest import sha256
from pqgan.weights import locate

NAME = "vqgan-lc-f8"
SOURCE = FeatureNetwork(origin="a page of its authors", files={"vqgan-lc.pth": "0" * 64})
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def state(originals, monkeypatch):
    """Of a checkpoint that pqgan.weights.catalogue has."""
    state = originals.seeded(originals.configurations[NAME].reduced(None))
    monkeypatch.setattr(locate, "read", {NAME: state}.__getitem__)
    monkeypatch.setattr(locate, "source", {NAME: SOURCE}.__getitem__)
    return state


@pytest.fixture
def fetched(smoke, state, tmp_path):
    def run(folder: str):
        job = Job("smoke", "published", NAME, {"version": 1})
        fetch.run(smoke, job, out=tmp_path / folder)
        return tmp_path / folder

    return run


@torch.inference_mode()
def test_the_folder_is_the_published_model(fetched, photos):
    folder = fetched("out")
    names = {"config.json", WEIGHTS, "source.json", "provenance.json", "SHA256SUMS"}
    assert {path.name for path in folder.iterdir()} == names
    published, opened = open_model(NAME), open_model(folder)
    assert opened.subject() == published.subject()
    assert opened.subject()["published"] == NAME
    assert opened.source == published.source == SOURCE
    images = photos[:1, :, 96:160, 96:160]
    assert torch.equal(opened.reconstruct(images), published.reconstruct(images))
    assert json.loads((folder / "provenance.json").read_text())["job"]["name"] == NAME


@pytest.mark.parametrize("name", ["ldm-kl-f16", "ldm-vq-f4", "vqgan-f16-1024", "vqgan-lc-f16"])
def test_files_as_their_authors_packed_them(name, smoke, originals, tmp_path, monkeypatch):
    state = originals.seeded(originals.configurations[name].reduced(None))
    entry = locate.CATALOGUE[name]
    places = {"own": tmp_path / "weights", "unpacked": tmp_path / "unpacked"}
    for place in places.values():
        place.mkdir()
    nested = {"state_dict": state} | ({"args": Namespace(embed_dim=8)} if name.startswith("vqgan-lc") else {})
    torch.save(nested, places["unpacked"] / "model.ckpt")
    if entry.member:
        with zipfile.ZipFile(places["own"] / entry.name, "w") as archive:
            archive.write(places["unpacked"] / "model.ckpt", entry.member)
    else:
        shutil.copy(places["unpacked"] / "model.ckpt", places["own"] / entry.name)
    monkeypatch.setenv(locate.VARIABLE, str(places["own"]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fetch.run(smoke, Job("smoke", "published", name, {}), out=tmp_path / "out")
    opened = open_model(tmp_path / "out")
    assert opened.source.origin == entry.origin
    assert opened.source.files == {entry.name: sha256(places["own"] / entry.name)}
    assert torch.equal(opened.model.post_quant_conv.weight, state["post_quant_conv.weight"])
    assert opened.subject()["method"] == PUBLISHED[name].method


def test_converting_twice_gives_the_same_bytes(fetched):
    one, two = fetched("one"), fetched("two")
    for name in ("config.json", WEIGHTS, "source.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert json.loads((one / "source.json").read_text())["weights"] == {WEIGHTS: sha256(one / WEIGHTS)}


def test_changed_weights_are_not_passed_off_as_published(fetched):
    folder = fetched("out")
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(DataError, match=r"weights are not those that source.json lists; delete the folder"):
        open_model(folder)


@pytest.mark.parametrize("change", [lambda about: [], lambda about: {}, lambda about: about | {"published": "another"}])
def test_a_source_that_says_nothing_is_one_line(fetched, change):
    folder = fetched("out")
    about = json.loads((folder / "source.json").read_text())
    (folder / "source.json").write_text(json.dumps(change(about)))
    with pytest.raises(DataError, match=r"source\.json: .*which published weights these are; delete"):
        open_model(folder)


def test_what_is_not_published_lists_what_is(smoke, tmp_path):
    job = SimpleNamespace(name="vqgan-f8")
    with pytest.raises(SettingsError, match=r"got 'vqgan-f8'; allowed: pqgan-f8, .*taesd3"):
        fetch.run(smoke, job, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_checkpoint_leaves_no_folder(fetched, state, tmp_path):
    del state["decoder.norm_out.bias"]
    with pytest.raises(DataError, match=r"lacks decoder.norm_out.bias"):
        fetched("out")
    assert not (tmp_path / "out").exists()
