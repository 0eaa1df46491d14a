"""The sampling bench under a clock that only doubles move: what is asked of the pipeline, and what becomes of it."""

import math

import pytest
import torch
from diffusers import StableDiffusionPipeline
from whole_plan import whole_plan

from pqgan.bench import sampling
from pqgan.diffusion.sample import untrained_pipeline
from pqgan.engine import timing
from pqgan.settings import Settings

PROMPTS = ["a first prompt", "a second one"]


@pytest.fixture(scope="module")
def settings(smoke) -> Settings:
    raw = smoke.model_dump()
    raw["scale"]["seed"] = 3
    raw["scale"]["adapt"]["prompts"] = PROMPTS
    raw["scale"]["speed"] |= {"warmup": 3, "repeats": 5, "baseline_size": 128}
    raw["reading"]["speed"] |= {"batch": 2, "steps": 4}
    raw["reading"]["adaptation"] |= {"guidance": 2.25, "sampler_steps": 9}
    return Settings.model_validate(raw)


@pytest.fixture
def measured(settings, monkeypatch):
    """(settings, generator) -> record of a pipeline that takes 10 s a call, and what each call was."""
    calls, clock = [], [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def call(self, **named):
        calls.append(named | {"generator": named["generator"].initial_seed()})
        for _ in range(named["num_inference_steps"]):
            self.unet.forward(1.5)
        if named["output_type"] == "pt":
            self.vae.decode(0.75)
        clock[0] += 10 - 1.5 * named["num_inference_steps"] - 0.75 * (named["output_type"] == "pt")

    monkeypatch.setattr(StableDiffusionPipeline, "__call__", call)

    def measure(changed: Settings = settings, name: str = "PQSD-Quick"):
        pipeline = untrained_pipeline(changed, 16 if name == "PQSD-Quick" else None)

        def take(seconds: float) -> None:
            clock[0] += seconds

        pipeline.unet.forward = pipeline.vae.decode = take
        return sampling.measure(changed, whole_plan(changed).job("speed", name), pipeline), calls

    return measure


def test_each_call_is_what_the_settings_say(measured):
    _, calls = measured()
    assert len(calls) == 2 + 3  # 3 images to warm up and 5 to time, two at a time
    for call in calls:
        assert {key: value for key, value in call.items() if key != "generator"} == {
            "prompt": ["a first prompt"] * 2,
            "height": 96,
            "width": 96,
            "num_inference_steps": 4,
            "guidance_scale": 2.25,
            "output_type": "pt",
        }
    seeds = [call["generator"] for call in calls]
    assert seeds[:2] == seeds[2:4]  # the clock's first images are those of the warm-up
    assert len(set(seeds)) == 3


def test_numbers_are_an_image_s_share_of_the_seconds(measured):
    record, _ = measured()
    value = {item.metric: item.value for item in record.measurements}
    assert value["images_per_second"] == pytest.approx(2 / 10)
    assert value["unet_seconds"] == pytest.approx(4 * 1.5 / 2)
    assert value["decode_seconds"] == pytest.approx(0.75 / 2)
    assert {item.n for item in record.measurements} == {6}
    protocol = record.get("images_per_second").protocol
    assert "batch 2, 4 steps, guidance 2.25, decode included" in protocol
    assert record.get("unet_seconds").protocol.startswith("4 U-Net passes alone, an image")
    subject = record.subject
    assert (subject["F"], subject["image_size"], subject["latent_size"]) == (16, 96, 6)


def test_without_decoding_latents_are_asked_for_and_no_decoder_is_timed(measured, settings):
    reading = settings.reading.speed.model_copy(update={"decode": False})
    record, calls = measured(
        settings.model_copy(update={"reading": settings.reading.model_copy(update={"speed": reading})})
    )
    assert {call["output_type"] for call in calls} == {"latent"}
    assert record.get("decode_seconds") is None
    assert "without decode" in record.get("images_per_second").protocol


def test_the_backbone_alone_makes_images_of_its_own_size(measured):
    record, calls = measured(name="SDv2.1")
    assert {(call["height"], call["width"]) for call in calls} == {(128, 128)}
    assert (record.subject["image_size"], record.subject["latent_size"], record.subject["d"]) == (128, 16, 4)


def test_guidance_doubles_what_the_network_is_given(settings):
    """The real pipeline at both: one pass of two halves with guidance, of one without."""
    for guidance, rows in ((2.25, 4), (1.0, 2)):
        adaptation = settings.reading.adaptation.model_copy(update={"guidance": guidance})
        changed = settings.model_copy(
            update={"reading": settings.reading.model_copy(update={"adaptation": adaptation})}
        )
        pipeline, seen = untrained_pipeline(changed, 16), []
        pipeline.unet.register_forward_pre_hook(lambda module, inputs, seen=seen: seen.append(len(inputs[0])))
        forward = pipeline.unet.forward
        pipeline.unet.forward = lambda sample, *rest, forward=forward, seen=seen, **named: (
            seen.append(len(sample)),
            forward(sample, *rest, **named),
        )[1]
        with torch.inference_mode():
            sampling.measure(changed, whole_plan(changed).job("speed", "PQSD-Quick"), pipeline)
        assert set(seen) == {rows}
        assert len(seen) % (math.ceil(3 / 2) + math.ceil(5 / 2)) == 0
