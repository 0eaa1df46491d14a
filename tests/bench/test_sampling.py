"""The sampling bench on the real pipeline at the smallest size."""

import pytest
import torch
from whole_plan import whole_plan

from pqgan.bench.sampling import run, untrained
from pqgan.diffusion.backbone import run as make_backbone
from pqgan.diffusion.sample import untrained_pipeline
from pqgan.records import read_record
from pqgan.settings import load


@pytest.fixture(scope="module")
def record(smoke, tmp_path_factory):
    folder, plan = tmp_path_factory.mktemp("speed"), whole_plan(smoke)
    make_backbone(smoke, plan.job("backbone", "backbone"), out=folder / "backbone")
    run(smoke, plan.job("speed", "SDv2.1"), backbone=folder / "backbone", unet=None, tokenizer=None, out=folder / "out")
    return read_record(folder / "out")


def test_record_names_the_generator(record):
    assert record.kind == "speed"
    about = {"generator": "SDv2.1", "F": 8, "d": 4, "image_size": 96, "latent_size": 12}
    assert record.subject == about | {"unet_parameters": 792964}


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


def test_untrained_generator_has_the_shapes_of_the_adapted_one(smoke):
    record = untrained(smoke, whole_plan(smoke).job("speed", "PQSD-Quick"))
    best = smoke.expected(16)
    assert (record.subject["F"], record.subject["d"]) == (16, best.d)
    assert record.subject["weights"] == "untrained"
    assert {m.metric for m in record.measurements} == {
        "images_per_second",
        "unet_seconds",
        "decode_seconds",
        "memory_gb",
    }


@pytest.mark.parametrize(("factor", "unet", "vae"), [(None, 865.91, 83.65), (8, 866.63, 70.1), (16, 866.63, 71.8)])
def test_untrained_pipeline_of_the_paper_has_stable_diffusion_s_parameters(params_path, factor, unet, vae):
    with torch.device("meta"):
        pipeline = untrained_pipeline(load(params_path, "paper"), factor)
    assert millions(pipeline.unet) == pytest.approx(unet, abs=0.005)
    assert millions(pipeline.text_encoder) == pytest.approx(340.39, abs=0.005)
    assert millions(pipeline.vae) == pytest.approx(vae, abs=0.05)
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


def millions(network) -> float:
    return sum(weights.numel() for weights in network.parameters()) / 1e6
