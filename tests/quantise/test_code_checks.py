"""Codes that no codebook has, and images that a code file has already, are never stored or read."""

import numpy as np
import pytest

from pqgan.quantise.code_format import Header
from pqgan.quantise.codes import CodeFile, new_code_file
from pqgan.quantise.packing import pack, unpack


@pytest.mark.parametrize(("K", "code"), [(5, 5), (5, 7), (600, 600), (600, 1023)])
def test_a_stored_code_outside_its_codebook_is_refused(K, code):
    """One that its bits can say, so that only the comparison with K finds it."""
    packed = pack(np.array([0, code, K - 1]), 2 ** (K - 1).bit_length())
    with pytest.raises(ValueError, match=rf"code {code} at \(.*\); allowed: 0 to {K - 1}"):
        unpack(packed, (3,), K)
    assert unpack(pack(np.array([0, K - 1]), K), (2,), K).tolist() == [0, K - 1]


@pytest.mark.parametrize("count", [1, 2, 200])
def test_one_code_too_large_among_any_number_is_refused(count):
    codes = np.zeros(count, np.int64)
    codes[-1] = 5
    with pytest.raises(ValueError, match=r"code 5 at \(.*\); allowed: 0 to 4"):
        pack(codes, 5)
    codes[-1] = -1
    with pytest.raises(ValueError, match=r"code -1 at \(.*\); allowed: 0 to 4"):
        pack(codes, 5)


def test_an_image_is_stored_once(tmp_path):
    header = Header(F=8, K=5, S=2, bits=3, d=4, model="PQModel", network="0" * 64)
    codes = np.zeros((2, 2, 3), np.int64)
    with new_code_file(tmp_path / "file.pqc", header) as writer:
        writer.add("a.png", codes, 24, 16)
        with pytest.raises(ValueError, match="do not fit"):
            writer.add("a.png", codes, 24, 16)
        writer.add("b.png", codes, 24, 16)
    with CodeFile(tmp_path / "file.pqc") as file:
        assert [entry.name for entry in file.entries] == ["a.png", "b.png"]
