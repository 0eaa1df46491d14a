"""metrics.json: what is written is read back; what is no record is refused in one line."""

import math

import pytest

from pqgan.errors import DataError
from pqgan.records import Measurement, Record, read_record, write_record


def record(*measurements: Measurement) -> Record:
    about = {"kind": "reconstruction", "name": "f8-d16-S8-K64", "scale": "smoke", "subject": {"F": 8}, "provenance": {}}
    return Record(**about, measurements=list(measurements))


def psnr(value: float, **about) -> Measurement:
    return Measurement(metric="psnr", value=value, n=48, protocol="mean over images", on="val", **about)


def test_a_record_survives_the_disk_with_infinite_and_undefined_values(tmp_path):
    written = record(psnr(20.5), psnr(math.inf, headline=False), psnr(math.nan, headline=False))
    write_record(tmp_path, written)
    again = read_record(tmp_path)
    assert again.model_copy(update={"measurements": []}) == written.model_copy(update={"measurements": []})
    assert [item.value for item in again.measurements[:2]] == [20.5, math.inf]
    assert math.isnan(again.measurements[2].value)


def test_get_returns_the_headline_of_the_set():
    rows = record(psnr(21.0, headline=False), psnr(20.5), psnr(18.0).model_copy(update={"on": "FFHQ"}))
    assert rows.get("psnr", on="val").value == 20.5
    assert rows.get("psnr", on="FFHQ").value == 18.0
    assert rows.get("rfid", on="val") is None


def test_a_measurement_must_say_how_many_and_how():
    for missing in ("n", "protocol"):
        about = {"metric": "psnr", "value": 1.0, "n": 1, "protocol": "p"}
        del about[missing]
        with pytest.raises(ValueError, match=missing):
            Measurement(**about)


def test_what_is_no_record_is_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match=r"metrics\.json: no such file"):
        read_record(tmp_path)
    for content in ("", "{}", '{"schema_version": 2}', "<html>"):
        (tmp_path / "metrics.json").write_text(content)
        with pytest.raises(DataError, match="expected a record of schema 1") as caught:
            read_record(tmp_path)
        assert "\n" not in str(caught.value)
