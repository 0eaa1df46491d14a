"""Files in the place of a published tokenizer that are another one, and the right file after them."""

import pytest
from safetensors.torch import save_file

from pqgan.baselines import PUBLISHED
from pqgan.errors import DataError
from pqgan.tokenizer.load import load_tokenizer
from pqgan.weights import locate, recorded

NAME, OTHER = "pqgan-f16", "pqgan-f8"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the file of NAME is looked for."""
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "weights" / PUBLISHED[NAME].weights.name
    path.parent.mkdir(parents=True)
    return path


def write(originals, name, path, seed=0):
    save_file({key: value.contiguous() for key, value in originals.seeded(name, seed).items()}, path)


def refused() -> str:
    with pytest.raises(DataError) as error:
        load_tokenizer(NAME)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_another_tokenizer_and_garbage_are_refused_and_the_right_file_is_taken_after_them(place, originals):
    record = recorded.place_of(locate.cache(), PUBLISHED[NAME].weights.name)
    narrow = {name: originals.configurations[name].reduced(None) for name in (NAME, OTHER)}
    write(originals, narrow[OTHER], place)
    assert (
        "is another tokenizer, kind=pq, F=8, d=128, S=64, K=512; expected kind=pq, F=16, d=128, S=64, K=128"
        in refused()
    )
    assert not record.exists()
    place.write_bytes(b"no tensors")
    assert "cannot be read" in refused()
    assert not record.exists()
    write(originals, narrow[NAME], place)
    subject = load_tokenizer(NAME).subject()
    assert (subject["F"], subject["S"], subject["K"], subject["published"]) == (16, 64, 128, NAME)
    assert record.exists()
    # what was seen and opened stays the one
    write(originals, narrow[NAME], place, seed=1)
    assert "seen first on" in refused()
    assert record.exists()
