"""GPUs of each training chapter, and batches that the devices of a chapter share equally."""

import copy
import subprocess
import sys

import pytest
from pydantic import ValidationError

from pqgan.errors import SettingsError
from pqgan.settings import Settings, load
from pqgan.settings.hardware import TrainingGPUs
from pqgan.settings.load import one_line
from pqgan.settings.shares import share

CHAPTERS = ("tokenizer", "finetune", "adapt", "ldm")


@pytest.fixture(scope="module")
def plain(smoke) -> dict:
    return smoke.model_dump()


@pytest.fixture
def on(plain):
    """The smoke scale on other hardware and with other values; their keys are dotted paths."""

    def change(hardware: dict, **values) -> Settings:
        raw = copy.deepcopy(plain)
        raw["scale"]["hardware"] |= hardware
        for key, value in values.items():
            *above, last = [int(part) if part.isdigit() else part for part in key.split("__")]
            place = raw
            for part in above:
                place = place[part]
            place[last] = value
        return Settings.model_validate(raw)

    return change


def test_one_number_is_that_of_every_chapter(on):
    hardware = on({"accelerator": "cuda", "gpus": 2}).scale.hardware
    assert [hardware.gpus.of(chapter) for chapter in CHAPTERS] == [2, 2, 2, 2]
    assert hardware.gpus == TrainingGPUs(tokenizer=2, finetune=2, adapt=2, ldm=2)
    assert type(hardware).model_validate(hardware.model_dump()) == hardware


def test_each_chapter_has_a_number_of_its_own(on):
    gpus = {"tokenizer": 4, "finetune": 2, "adapt": 1, "ldm": 0}
    hardware = on({"accelerator": "auto", "gpus": gpus, "processes": 2}).scale.hardware
    assert [hardware.training_devices(chapter, "cuda") for chapter in CHAPTERS] == [4, 2, 1, 1]
    assert [hardware.training_devices(chapter, "cpu") for chapter in CHAPTERS] == [2, 2, 2, 2]
    # a chapter that asks for no GPU gets none from a scheduler
    assert [hardware.scheduled_devices(chapter) for chapter in CHAPTERS] == [4, 2, 1, 2]


@pytest.mark.parametrize(
    ("accelerator", "gpus", "expected"), [("cpu", 4, 3), ("cuda", 4, 4), ("cuda", 0, 1), ("auto", 4, 4), ("auto", 0, 3)]
)
def test_a_scheduler_is_asked_for_a_task_a_device(on, accelerator, gpus, expected):
    hardware = on({"accelerator": accelerator, "gpus": {**dict.fromkeys(CHAPTERS, 1), "ldm": gpus}}).scale.hardware
    hardware = hardware.model_copy(update={"processes": 3})
    assert hardware.scheduled_devices("ldm") == expected


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ({"tokenizer": 4, "finetune": 3, "adapt": 4}, "hardware.gpus.ldm: Field required"),
        (
            {**dict.fromkeys(CHAPTERS, 1), "tokenizers": 1},
            "hardware.gpus: unknown key 'tokenizers'; allowed: tokenizer, finetune, adapt, ldm; did you mean",
        ),
        ({**dict.fromkeys(CHAPTERS, 1), "ldm": -1}, "hardware.gpus.ldm: got -1; Input should be greater than or equal"),
        ("four", "hardware.gpus: got 'four'; Input should be a valid integer"),
        (True, "hardware.gpus: got True; Input should be a valid integer"),
        (None, "hardware.gpus: got None; Input should be a valid integer"),
    ],
)
def test_gpus_that_cannot_be_used(on, gpus, expected):
    with pytest.raises(ValidationError) as caught:
        on({"gpus": gpus})
    assert one_line(caught.value, "params.yaml").startswith(f"params.yaml: scale.{expected}")


def test_the_paper_trains_on_the_gpus_that_it_names(params_path):
    """Appendix A.1: 4 for all configurations and 3 for fine-tuning; A.2: 4 for the adaptation."""
    settings = load(params_path, "paper")
    assert [settings.scale.hardware.gpus.of(chapter) for chapter in CHAPTERS] == [4, 3, 4, 4]
    assert settings.scale.finetune.batch == 15


VARIANT = "scale__adapt__variants__PQSD-HR"


@pytest.mark.parametrize(
    ("chapter", "key", "batch", "expected"),
    [
        ("tokenizer", "reading__training__total_batch", 5, "reading.training.total_batch is 5"),
        ("finetune", "scale__finetune__batch", 5, "finetune.batch is 5"),
        ("adapt", f"{VARIANT}__stage1__batch", 5, "adapt.variants.PQSD-HR.stage1.batch is 5"),
        ("adapt", f"{VARIANT}__stage2__1__batch", 5, "adapt.variants.PQSD-HR.stage2.1.batch is 5"),
        ("ldm", "scale__ldm__batch", 5, "ldm.batch is 5"),
    ],
)
@pytest.mark.parametrize(
    "hardware",
    [
        {"accelerator": "cuda", "gpus": "this chapter's"},
        {"accelerator": "auto", "gpus": "this chapter's"},
        {"accelerator": "auto", "gpus": 0, "processes": 4},
        {"accelerator": "auto", "gpus": 1, "processes": 4},  # on a machine without GPUs
        {"accelerator": "cpu", "gpus": 1, "processes": 4},
    ],
)
def test_a_batch_that_its_devices_do_not_divide_is_refused_at_once(on, hardware, chapter, key, batch, expected):
    if hardware["gpus"] == "this chapter's":
        hardware = hardware | {"gpus": {**dict.fromkeys(CHAPTERS, 1), chapter: 4}}
    # of the smoke scale's batches all are multiples of four
    on(hardware)
    with pytest.raises(ValidationError) as caught:
        on(hardware, **{key: batch})
    assert f"{expected} on 4 devices; allowed: such as 4 or 8" in one_line(caught.value, "params.yaml")


def test_a_batch_meets_the_devices_of_its_own_chapter_alone(on):
    gpus = {"tokenizer": 1, "finetune": 5, "adapt": 1, "ldm": 1}
    on({"accelerator": "cuda", "gpus": gpus}, scale__finetune__batch=5)
    # and on a CPU no GPUs count
    on({"accelerator": "cpu", "gpus": 7}, scale__finetune__batch=5)


def test_a_reading_s_own_batch_is_checked_where_the_scale_changes_nothing(changed_params):
    path = changed_params("scales.paper.reading", "released")  # 30, of one GPU
    with pytest.raises(SettingsError, match=r"total_batch is 30 on 4 devices; allowed: such as 28 or 32"):
        load(path, "paper")


def test_the_command_line_ends_with_two_before_any_job(changed_params):
    path = changed_params("scales.paper.hardware.gpus", 4)
    command = [sys.executable, "-m", "pqgan.cli", "plan", "--scale", "paper", "--params", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "finetune.batch is 15 on 4 devices; allowed: such as 12 or 16" in done.stderr


@pytest.mark.parametrize(
    ("batch", "devices", "near"), [(15, 4, "12 or 16"), (1, 4, "4"), (7, 2, "6 or 8"), (1001, 1000, "1000 or 2000")]
)
def test_the_nearest_batches_are_told(batch, devices, near):
    with pytest.raises(ValueError, match=f"key is {batch} on {devices} devices; allowed: such as {near}$"):
        share("key", batch, devices)


def test_a_share_is_what_each_device_has():
    assert [share("key", batch, devices) for batch, devices in ((15, 3), (20, 4), (7, 1))] == [5, 5, 7]
