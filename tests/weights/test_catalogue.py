"""The catalogue of published networks is consistent in itself."""

import pytest

from pqgan.weights.catalogue import CATALOGUE, Hub

SEEN_FIRST = {"pqgan-f8", "pqgan-f16"}
"""Files of the hub of which no commit and no sha256 is public."""


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_catalogue_is_well_formed(name):
    entry = CATALOGUE[name]
    digests = [digest for digest in (entry.sha256, *entry.copies.values()) if digest is not None]
    for digest in digests:
        assert len(digest) == 64
        assert int(digest, 16) >= 0
    assert len(set(digests)) == len(digests)
    if name in SEEN_FIRST:
        assert (entry.origin.revision, entry.sha256, entry.size) == ("main", None, None)
        assert entry.fetched
    elif isinstance(entry.origin, Hub):
        assert len(entry.origin.revision) == 40
        assert entry.sha256
        assert entry.size
    else:
        assert entry.origin.startswith("https://")
    assert entry.name
    assert (entry.sha256 is None) == (entry.size is None)
    assert entry.member is None or entry.name.endswith(".zip")
    digits = entry.name.rpartition("-")[2].removesuffix(".pth")
    if len(digits) == 8 and entry.name.endswith(".pth"):  # torch.hub's way
        assert entry.sha256.startswith(digits)
    # no two networks under one name in one folder
    names = [file for other in CATALOGUE.values() for file in (other.name, *other.copies)]
    assert len(set(names)) == len(names)
