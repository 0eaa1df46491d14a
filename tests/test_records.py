"""metrics.json: what is written is read back; what is no record is refused in one line."""

import json
import math

import jsonschema
import pytest

from pqgan.errors import DataError
from pqgan.records import FeatureNetwork, Measurement, Record, read_record, write_record


def record(*measurements: Measurement) -> Record:
    about = {"kind": "reconstruction", "name": "f8-d16-S8-K64", "scale": "smoke", "subject": {"F": 8}}
    how = {"device": "CPU, 1 thread", "dtype": "fp32", "seconds": 1.5, "provenance": {}}
    return Record(**about, **how, measurements=list(measurements))


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
        with pytest.raises(DataError, match="expected a record of schema 2") as caught:
            read_record(tmp_path)
        assert "\n" not in str(caught.value)


def test_a_network_that_is_not_told_is_refused():
    seen = psnr(20.5, network="LPIPS AlexNet, pretrained")
    with pytest.raises(ValueError, match="networks: LPIPS AlexNet, pretrained is missing"):
        record(seen)


def test_the_schema_is_what_its_file_promises(tmp_path):
    """The written file against the schema that other tools can be given, by another library."""
    source = FeatureNetwork(origin="https://example.org/a.pth", files={"a.pth": "0" * 64})
    written = record(psnr(20.5, interval=(20.1, 20.9)), psnr(math.inf, headline=False)).model_copy(
        update={"networks": {"LPIPS": source}}
    )
    write_record(tmp_path, written)
    content = json.loads((tmp_path / "metrics.json").read_text())
    schema = Record.model_json_schema(mode="serialization")
    validator = jsonschema.Draft202012Validator(schema)
    assert not list(validator.iter_errors(content))
    for key in ("device", "dtype", "seconds", "measurements", "provenance", "subject"):
        assert key in schema["required"]
        changed = {name: value for name, value in content.items() if name != key}
        assert [error.validator for error in validator.iter_errors(changed)] == ["required"]
    changed = json.loads(json.dumps(content))
    del changed["measurements"][0]["protocol"]
    changed["measurements"][0]["remark"] = "not in the schema"
    assert {error.validator for error in validator.iter_errors(changed)} == {"required", "additionalProperties"}
