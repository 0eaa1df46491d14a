"""Names that people give: what is one, and which collide."""

import pytest
import yaml
from whole_plan import whole_plan

from pqgan.errors import SettingsError
from pqgan.settings import load

HOSTILE = [
    "tex$(touch PWNED)",
    "a b",
    "a'b",
    'a"b',
    "a;b",
    "a/b",
    "../up",
    ".hidden",
    "-rf",
    "_x",
    "x.",
    "x-",
    "x_",
    "a{b}",
    "a*",
    "a\nb",
    "a\x1b[31m",
    "é",
    "",
    "n" * 101,
    "n" * 100_000,
]
"""No names, wherever one is given."""
PLACES = {
    "scales": "scales",
    "readings": "readings",
    "set": "scales.smoke.data.sets",
    "photograph": "scales.smoke.data.sets.textures.photos",
    "role": "scales.smoke.evaluation.transfer",
    "variant": "scales.smoke.adapt.variants",
    "latent": "scales.smoke.ldm.latents",
}


@pytest.fixture
def renamed(changed_params, params_path):
    """params.yaml with more names in a mapping, whose values are that of another."""

    def rename(place: str, *names: str):
        value = yaml.safe_load(params_path.read_text())
        for part in place.split("."):
            value = value[part]
        return changed_params(place, {**value, **dict.fromkeys(names, next(iter(value.values())))})

    return rename


def refused(path, *expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        whole_plan(load(path, "smoke"))
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600
    for part in expected:
        assert part in message, message


@pytest.mark.parametrize("name", HOSTILE)
def test_what_could_not_be_a_folder_everywhere_or_a_word_of_a_shell_is_no_name(renamed, name):
    refused(renamed("scales.smoke.data.sets", name), "scales.smoke.data.sets", "letters a to z, digits and _ . + -")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_every_mapping_by_name_checks_its_names(renamed, place):
    refused(renamed(place, "a$b"), f"{place}.a$b: got 'a$b'; allowed: a name of letters")


@pytest.mark.parametrize("place", sorted(set(PLACES.values()) - {PLACES["photograph"]}))
def test_names_of_every_allowed_character_are_names(renamed, place):
    load(renamed(place, "0aZ_b.c+d-e+"), "smoke")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_names_that_differ_in_capitals_alone_are_refused(renamed, place):
    refused(renamed(place, "Twin", "tWIN"), place, "Twin and tWIN are one folder where capitals make no difference")


@pytest.mark.parametrize(
    ("text", "kind"), [("on", "bool"), ("2024-01-01", "date"), ("1.5", "float"), ("12", "int"), ("null", "NoneType")]
)
def test_what_yaml_takes_for_another_value_is_to_stand_in_quotes(renamed, text, kind):
    path = renamed("scales.smoke.evaluation.transfer", "placeholder")
    plain = path.read_text()
    path.write_text(plain.replace("placeholder:", f"{text}:"))
    refused(path, "scales.smoke.evaluation.transfer", f"value of type {kind}", "quotes")
    path.write_text(plain.replace("placeholder:", f"'{text}':"))
    load(path, "smoke")


@pytest.mark.parametrize(
    ("place", "name", "expected"),
    [
        ("set", "val-128", ["val-128", "what val is called at ldm.resolution 128"]),
        ("variant", "SDv2.1", ["variants.SDv2.1", "which the backbone has in Table 3"]),
        ("variant", "sdV2.1", ["variants.sdV2.1", "which the backbone has in Table 3"]),
        ("variant", "PQSD-Quick-stage1", ["variants.PQSD-Quick-stage1", "-stage1 or -stage2"]),
        ("role", "val", ["transfer.val", "which the validation set has"]),
        ("role", "Val", ["transfer.Val", "which the validation set has"]),
        ("latent", "kl-f8-d4", ["ldm.latents has kl-f8-d4, the name of a tokenizer"]),
        ("latent", "backbone-vae", ["ldm.latents has backbone-vae, the name of a tokenizer"]),
    ],
)
def test_a_name_that_another_result_has_is_refused(renamed, place, name, expected):
    path = renamed(PLACES[place], name)
    if place == "set":
        text = path.read_text()
        load(path, "smoke")  # nothing is called so at the set's own side
        path.write_text(text.replace("    resolution: 64\n      ema_decay", "    resolution: 128\n      ema_decay"))
        assert path.read_text() != text
    refused(path, *expected)


def test_a_set_at_another_side_is_no_set_of_that_name(changed_params):
    plan = whole_plan(load(changed_params("scales.smoke.ldm.resolution", 128), "smoke"))
    assert plan.job("reference", "val-128").spec["size"] == 128


def test_a_variant_may_be_called_anything_else(changed_params, params_path):
    path = changed_params("scale", "smoke")
    path.write_text(path.read_text().replace("PQSD-Quick:", "My-Quick:"))
    plan = whole_plan(load(path))
    assert list(plan.chapter("samples")) == ["PQSD-Precise", "My-Quick", "PQSD-HR"]
    assert {"My-Quick-stage1", "My-Quick-stage2"} < set(plan.chapter("adapt"))


def test_an_empty_scale_on_the_command_line_is_not_the_default(params_path):
    with pytest.raises(SettingsError, match=r"scale: got ''; allowed: smoke, mini"):
        load(params_path, "")


@pytest.mark.parametrize("key", ["path", "captions.table"])
def test_a_path_that_no_system_takes_is_refused(changed_params, key):
    with pytest.raises(SettingsError, match=rf"scales\.paper\.data\.sets\.unsplash\.{key}: got 'a\\x00b'"):
        load(changed_params(f"scales.paper.data.sets.unsplash.{key}", "a\0b"), "paper")
