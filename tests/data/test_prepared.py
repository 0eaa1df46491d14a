import json
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from pqgan.data.prepared import PreparedSet
from pqgan.errors import DataError
from pqgan.storage.manifest import sha256


@pytest.fixture
def copy(folder_set, tmp_path):
    """The folder of a copy of the set, to damage."""
    return shutil.copytree(folder_set.folder, tmp_path / "copy")


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_what_a_set_knows(folder_set):
    assert (folder_set.name, folder_set.size, len(folder_set)) == ("mixed", 16, 10)
    assert folder_set.classes == ["class0", "class1"]
    assert len(folder_set.digest) == 64
    assert [folder_set.label(i) for i in range(10)] == [0] * 5 + [1] * 5
    assert folder_set.caption(7) == "class1"
    # 40x20, 20x33, 24x24, 16x30 with their shortest sides at 16
    assert [folder_set.image(i).shape for i in range(5)] == [
        (16, 16, 3),
        (16, 32, 3),
        (26, 16, 3),
        (16, 16, 3),
        (30, 16, 3),
    ]
    assert folder_set.image(0).dtype == np.uint8
    folder_set.verify()


@pytest.mark.parametrize("index", [-1, 10])
def test_outside_the_set(folder_set, index):
    for read in (folder_set.image, folder_set.label, folder_set.caption):
        with pytest.raises(IndexError, match="of 10"):
            read(index)


def _sums(indices):
    return [int(OPEN.image(i).sum()) for i in indices]


def test_forked_processes_and_threads_share_an_open_set(smoke_sets):
    global OPEN
    OPEN = smoke_sets["train"]
    expected = _sums(range(len(OPEN)))  # opens the shard before the fork
    orders = [np.random.default_rng(i).permutation(len(OPEN)).tolist() for i in range(4)]
    for pool in (ProcessPoolExecutor(4), ThreadPoolExecutor(4)):
        with pool:
            for order, found in zip(orders, pool.map(_sums, orders), strict=True):
                assert found == [expected[i] for i in order]


def test_pickled_it_opens_anew(folder_set):
    folder_set.image(0)
    again = pickle.loads(pickle.dumps(folder_set))
    assert np.array_equal(again.image(3), folder_set.image(3))


def test_no_set(tmp_path):
    with pytest.raises(DataError, match=r"manifest\.json: no such file; expected the manifest .* of a prepared set"):
        PreparedSet(tmp_path / "nothing")


@pytest.mark.parametrize("content", ["", "[]", '{"schema_version": 2}', "\xff"])
def test_no_manifest(copy, content):
    (copy / "manifest.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=r"manifest\.json: .*expected the manifest of schema 1"):
        PreparedSet(copy)


@pytest.mark.parametrize("name", ["index.csv", "images-00000.zip"])
def test_missing_or_cut_files_are_seen_on_opening(copy, name):
    path = copy / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{name}: has \d+ bytes; manifest\.json lists \d+"):
        PreparedSet(copy)
    path.unlink()
    with pytest.raises(DataError, match=rf"{name}: is missing"):
        PreparedSet(copy)


@pytest.mark.parametrize("name", ["index.csv", "images-00000.zip"])
def test_verify_names_the_file_and_both_hashes(copy, name):
    flip(copy / name, 200)
    expected = json.loads((copy / "manifest.json").read_text())["files"][name]
    with pytest.raises(DataError, match=rf"{name}: sha256 is [0-9a-f]{{64}}; manifest\.json lists {expected}"):
        PreparedSet(copy).verify()


def test_verify_checks_the_digest_itself(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "digest": "0" * 64}))
    with pytest.raises(DataError, match="digest of the content"):
        PreparedSet(copy).verify()


def test_a_flipped_bit_is_seen_on_reading(copy):
    flip(copy / "images-00000.zip", 120)  # inside the first image
    damaged = PreparedSet(copy)
    with pytest.raises(DataError, match=r"00000000\.png is damaged"):
        damaged.image(0)
    damaged.image(1)


def test_a_shard_that_is_no_zip(copy):
    path = copy / "images-00000.zip"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(DataError, match=r"images-00000\.zip: cannot be read"):
        PreparedSet(copy).image(0)


def relisted(copy):
    """The manifest, brought to what index.csv is now."""
    manifest, index = json.loads((copy / "manifest.json").read_text()), copy / "index.csv"
    manifest["bytes"]["index.csv"], manifest["files"]["index.csv"] = index.stat().st_size, sha256(index)
    (copy / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "9 rows"),
        (lambda lines: [lines[0], *lines[2:], lines[1]], "row 0 is '00000001'"),
        (lambda lines: lines[1:], "has other columns than key, shard"),
        (lambda lines: [lines[0], lines[1].replace(",", "", 1), *lines[2:]], "row 0 has more or fewer columns"),
        (lambda lines: [lines[0], lines[1].replace(",0,class0", ",2,class0"), *lines[2:]], "has the label '2'"),
        (lambda lines: [lines[0], lines[1].replace(",0,class0", ",x,class0"), *lines[2:]], "has the label 'x'"),
        (lambda lines: [lines[0], lines[1].replace("class0", '"class0'), *lines[2:]], "damaged"),
    ],
)
def test_an_index_that_does_not_fit(copy, change, message):
    index = copy / "index.csv"
    index.write_text("".join(change(index.read_text().splitlines(keepends=True))))
    relisted(copy)
    with pytest.raises(DataError, match=message):
        PreparedSet(copy).label(0)


def test_an_index_with_a_changed_byte_is_not_used(copy):
    flip(copy / "index.csv", 200)
    with pytest.raises(DataError, match=r"index\.csv: sha256 is [0-9a-f]{64}; manifest\.json lists"):
        PreparedSet(copy).caption(0)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 10**15},
        {"n": -1},
        {"size": 0},
        {"files": {}},
        {"bytes": {}},
        {"bytes": {"../index.csv": 1}},
        {"n": 10_001},
    ],
)
def test_a_manifest_of_other_files_than_its_images_need(copy, changes):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | changes))
    with pytest.raises(DataError, match=r"manifest\.json: .*expected the manifest"):
        PreparedSet(copy)


def test_a_manifest_from_before_profiles_were_counted_is_read(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    assert (manifest.pop("converted"), manifest.pop("profiles_ignored")) == (0, 0)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    again = PreparedSet(copy)
    again.verify()
    assert (again.manifest.converted, again.manifest.profiles_ignored) == (0, 0)
