"""Published files are read, and nothing in them is run."""

import argparse
import os
import pickle
import random
import re
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pqgan.errors import DataError, ResourceError
from pqgan.weights.tensors import read_tensors

STATE = {"conv.weight": torch.arange(6.0).view(2, 3), "steps": torch.tensor(4)}


def same(found):
    assert list(found) == list(STATE)
    assert all(torch.equal(found[key], value) for key, value in STATE.items())


@pytest.mark.parametrize("legacy", [False, True])
def test_state_dict_in_either_format_of_pytorch(tmp_path, legacy):
    torch.save(STATE, tmp_path / "net.pth", _use_new_zipfile_serialization=not legacy)
    same(read_tensors(tmp_path / "net.pth"))


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "net.safetensors")
    found = read_tensors(tmp_path / "net.safetensors")
    assert torch.equal(found["conv.weight"], STATE["conv.weight"])


@pytest.fixture
def lightning(monkeypatch):
    """A class of the name that PyTorch Lightning 1.x wrote into checkpoints; it fails where it is used."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")

    class ModelCheckpoint:
        def __setstate__(self, state):
            raise AssertionError("the real class was used")

    ModelCheckpoint.__module__, ModelCheckpoint.__qualname__ = module.__name__, "ModelCheckpoint"
    module.ModelCheckpoint = ModelCheckpoint
    monkeypatch.setitem(sys.modules, "pytorch_lightning", types.ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, "pytorch_lightning.callbacks", types.ModuleType("pytorch_lightning.callbacks"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return ModelCheckpoint


@pytest.fixture
def old_number(monkeypatch):
    """A number as numpy 1 pickled it."""

    def scalar(*arguments):
        raise AssertionError("the real function was used")

    module = types.ModuleType("numpy.core.multiarray")
    scalar.__module__, scalar.__qualname__, module.scalar = module.__name__, "scalar", scalar
    monkeypatch.setitem(sys.modules, module.__name__, module)
    number = types.new_class("Number", (), {}, lambda body: body.update(__reduce__=lambda self: reduced))
    reduced = (scalar, (np.dtype("float64"), np.float64(0.3).tobytes()))
    return number()


@pytest.mark.parametrize("legacy", [False, True])
def test_lightning_checkpoint_gives_its_state_dict_alone(tmp_path, lightning, old_number, legacy):
    instance = lightning()
    instance.monitor = "val/rec_loss"
    content = {
        "epoch": 12,
        "pytorch-lightning_version": "1.0.8",
        "callbacks": {lightning: {"monitor": "val/rec_loss", "best_model_score": torch.tensor(0.3)}, "again": instance},
        "best": old_number,
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "state_dict": STATE,
    }
    torch.save(content, tmp_path / "last.ckpt", _use_new_zipfile_serialization=not legacy)
    same(read_tensors(tmp_path / "last.ckpt"))


def test_checkpoint_with_the_options_of_its_training(tmp_path):
    torch.save({"model": STATE, "args": argparse.Namespace(lr=1e-4), "epoch": 3}, tmp_path / "vq.pth")
    same(read_tensors(tmp_path / "vq.pth"))


def test_member_of_a_zip(tmp_path):
    torch.save({"state_dict": STATE}, tmp_path / "model.ckpt")
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "vq-f4.zip", "w", compression) as archive:
            archive.write(tmp_path / "model.ckpt", "model.ckpt")
        same(read_tensors(tmp_path / "vq-f4.zip", "model.ckpt"))
    with pytest.raises(DataError, match=r"vq-f4\.zip: has no other\.ckpt in it"):
        read_tensors(tmp_path / "vq-f4.zip", "other.ckpt")


class Payload:
    """Pickles into a call that makes a file."""

    def __init__(self, path, call):
        self.path, self.call = path, call

    def __reduce__(self):
        calls = {
            "os.system": (os.system, (f"touch {self.path}",)),
            "eval": (eval, (f"open({str(self.path)!r}, 'w')",)),
            "exec": (exec, (f"open({str(self.path)!r}, 'w')",)),
            "open": (open, (str(self.path), "w")),
            "os.mkdir": (os.mkdir, (str(self.path),)),
        }
        return calls[self.call]


@pytest.mark.parametrize("call", ["os.system", "eval", "exec", "open", "os.mkdir"])
@pytest.mark.parametrize("name", ["net.pth", "net.ckpt", "old.pth", "bare.bin", "packed.zip"])
def test_malicious_file_is_refused_in_one_line_and_runs_nothing(tmp_path, name, call):
    trap = tmp_path / "trap"
    content = {"state_dict": {"conv.weight": torch.zeros(2)}, "callbacks": Payload(trap, call)}
    path, member = tmp_path / name, None
    if name == "bare.bin":
        path.write_bytes(pickle.dumps(content["callbacks"]))
    elif name == "packed.zip":
        torch.save(content, tmp_path / "model.ckpt")
        member = "model.ckpt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / member, member)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=name != "old.pth")
    with pytest.raises(DataError) as caught:
        read_tensors(path, member)
    assert not trap.exists()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    if name != "bare.bin":
        assert re.search(r"asks to run \S+ when it is read, and nothing of it was run", message)
    # that the payload works where pickles are run
    pickle.loads(pickle.dumps(content["callbacks"]))
    assert trap.exists()


def test_stand_ins_are_gone_after_reading(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    torch.save(STATE, tmp_path / "net.pth")
    read_tensors(tmp_path / "net.pth")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".zip"])
@pytest.mark.parametrize("kind", ["empty", "page", "noise", "noise_like_a_page", "truncated", "folder"])
def test_damaged_files_are_one_line(tmp_path, suffix, kind):
    path = tmp_path / f"net{suffix}"
    member = "model.ckpt" if suffix == ".zip" else None
    if suffix == ".safetensors":
        save_file({"a": torch.zeros(1000)}, path)
    else:
        torch.save({"a": torch.zeros(1000)}, path)
    whole, noise = path.read_bytes(), random.Random(0).randbytes(3000)
    content = {
        "empty": b"",
        "page": "\n<!DOCTYPE html><html><title>Página não encontrada</title></html>".encode(),
        "noise": noise,
        "noise_like_a_page": b"<" + noise,
        "truncated": whole[: len(whole) // 2],
    }
    path.unlink()
    path.mkdir() if kind == "folder" else path.write_bytes(content[kind])
    with pytest.raises(DataError) as caught:
        read_tensors(path, member)
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be read: ")
    assert message.endswith("; replace it")
    assert "\n" not in message
    expected = {"empty": "it is empty", "page": "it is a web page", "folder": "it is a folder"}
    assert expected.get(kind, "damaged or of another format") in message


@pytest.mark.parametrize("content", [[torch.zeros(2)], {}, {"epoch": 3}, {"state_dict": {"a": 3}}, torch.zeros(2)])
def test_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(DataError, match=r"net\.pth: holds no tensors by name"):
        read_tensors(tmp_path / "net.pth")


def test_no_room_to_unpack_is_a_matter_of_resources(tmp_path, monkeypatch):
    import errno

    torch.save(STATE, tmp_path / "model.ckpt")
    with zipfile.ZipFile(tmp_path / "vq.zip", "w") as archive:
        archive.write(tmp_path / "model.ckpt", "model.ckpt")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(ResourceError, match=r"vq\.zip: no room to unpack it in .*; set TMPDIR"):
        read_tensors(tmp_path / "vq.zip", "model.ckpt")
