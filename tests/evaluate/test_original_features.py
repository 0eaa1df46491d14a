"""Features of originals on disk: verified, and refused where another comparison made them."""

import json
import shutil

import pytest
import torch
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.errors import DataError
from pqgan.evaluate import original_features
from pqgan.evaluate.networks.set_features import Networks
from pqgan.settings import load


@pytest.fixture(scope="module")
def settings(params_path, tmp_path_factory):
    import yaml

    raw = yaml.safe_load(params_path.read_text())
    raw["scales"]["smoke"]["data"]["sets"]["val"]["crops"] = 5
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return load(path, "smoke")


@pytest.fixture(scope="module")
def networks(settings):
    metrics = settings.reading.metrics
    return Networks(settings.scale.evaluation.features, metrics, torch.device("cpu"), without=("lpips",))


@pytest.fixture(scope="module")
def made(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    prepare(settings, whole_plan(settings).job("data", "val"), out=folder / "val")
    original_features.run(
        settings, whole_plan(settings).job("reference", "val"), data=folder / "val", out=folder / "out"
    )
    return folder / "out"


@pytest.fixture
def copied(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def test_what_is_written_is_read(made, networks):
    found = original_features.read(made)
    assert found.n == 5
    assert found.rows.shape == (5, 2048)
    assert {way: tuple(rows.shape) for way, rows in found.embeddings.items()} == {True: (5, 32), False: (5, 32)}
    torch.testing.assert_close(found.moments["clean-fid"].mean, found.rows.double().mean(0))
    assert not torch.equal(found.moments["clean-fid"].mean, found.moments["torchmetrics"].mean)
    assert found.embeddings[True].norm(dim=1).sub(1).abs().max() < 1e-6
    found.check(networks.of_sets(), n=5, digest=found.about.digest)
    provenance = json.loads((made / "provenance.json").read_text())
    assert provenance["job"]["chapter"] == "reference"


def test_making_it_again_gives_the_same_bytes(settings, made, tmp_path):
    data = made.parent / "val"
    original_features.run(settings, whole_plan(settings).job("reference", "val"), data=data, out=tmp_path / "again")
    for name in (original_features.FEATURES, original_features.ABOUT):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes()


@pytest.mark.parametrize("position", [9, -1])
def test_a_flipped_byte_is_noticed_and_both_hashes_are_named(copied, position):
    path = copied / original_features.FEATURES
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"sha256 is [0-9a-f]{64}; reference.json lists [0-9a-f]{64}; delete") as caught:
        original_features.read(copied)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("reference.json", None, "no such file; expected that of a folder made by pqgan reference"),
        ("reference.json", "{}", "name: Field required; expected that of a folder made by pqgan reference"),
        ("features.safetensors", None, "sha256 is missing"),
    ],
)
def test_a_damaged_folder_is_one_line(copied, name, content, message):
    (copied / name).unlink()
    if content is not None:
        (copied / name).write_text(content)
    with pytest.raises(DataError, match=message):
        original_features.read(copied)


@pytest.mark.parametrize("changes", [{"n": 6}, {"rows": "torchmetrics"}, {"name": "another"}])
def test_a_description_that_was_changed_is_refused(copied, changes):
    """By the hashes of the result; and without them, where the features themselves say otherwise."""
    about = json.loads((copied / original_features.ABOUT).read_text())
    assert about["rows"] != "torchmetrics"
    (copied / original_features.ABOUT).write_text(json.dumps(about | changes))
    with pytest.raises(DataError, match=r"reference\.json: sha256 is [0-9a-f]{64}; SHA256SUMS lists"):
        original_features.read(copied)
    (copied / "SHA256SUMS").unlink()
    if "name" not in changes:
        with pytest.raises(DataError, match=r"reference\.json: says other images or rows than features\.safetensors"):
            original_features.read(copied)


def test_another_set_is_refused(made, networks):
    found = original_features.read(made)
    with pytest.raises(DataError, match="features of a set with images 5; expected 6"):
        found.check(networks.of_sets(), n=6)
    with pytest.raises(DataError, match=r"with content digest [0-9a-f]{64}; expected abc"):
        found.check(networks.of_sets(), n=5, digest="abc")


def test_other_networks_are_refused(made, settings):
    features = settings.scale.evaluation.features.model_copy(update={"seed": 1})
    others = Networks(features, settings.reading.metrics, torch.device("cpu"), without=("lpips",))
    with pytest.raises(DataError, match=r"made through .*seed 0.*; expected .*seed 1") as caught:
        original_features.read(made).check(others.of_sets())
    assert "\n" not in str(caught.value)
