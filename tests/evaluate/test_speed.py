"""The sampling bench on the real pipeline at the smallest size."""

import pytest

from pqgan.diffusion.backbone import run as make_backbone
from pqgan.evaluate.speed import run
from pqgan.plan import Plan
from pqgan.records import read_record


@pytest.fixture(scope="module")
def record(smoke, tmp_path_factory):
    folder, plan = tmp_path_factory.mktemp("speed"), Plan(smoke)
    make_backbone(smoke, plan.job("backbone", "backbone"), out=folder / "backbone")
    run(smoke, plan.job("speed", "SDv2.1"), backbone=folder / "backbone", unet=None, tokenizer=None, out=folder / "out")
    return read_record(folder / "out")


def test_record_names_the_generator(record):
    assert record.kind == "speed"
    assert record.subject == {"generator": "SDv2.1", "F": 8, "d": 4, "image_size": 96, "latent_size": 12}


def test_parts_are_within_the_whole(record):
    value = {m.metric: m.value for m in record.measurements}
    assert set(value) == {"images_per_second", "unet_seconds", "decode_seconds", "memory_gb"}
    assert min(value.values()) > 0
    assert value["unet_seconds"] + value["decode_seconds"] < 1 / value["images_per_second"]
    assert value["memory_gb"] > 0.1
    assert {m.n for m in record.measurements} == {3}


def test_protocol_says_how(record):
    protocol = record.get("images_per_second").protocol
    for part in ("batch 1", "5 steps", "guidance 7.5", "decode included", "fp32", "CPU"):
        assert part in protocol
    assert "5 U-Net passes" in record.get("unet_seconds").protocol
    assert "resident" in record.get("memory_gb").protocol
