"""Every setting of the smoke scale, changed in turn: whose addresses it moves, as this table says."""

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest
from pydantic import BaseModel
from whole_plan import whole_plan

from pqgan.settings import Settings

AFTER_FINETUNE = "finetune evaluate_finetuned adapt samples speed"
AFTER_CHOICE = f"{AFTER_FINETUNE} ldm generation"
"""What is made from the tokenizer that was selected; which one it is does not change here."""
AFTER_TOKENIZER = f"tokenizer evaluate select {AFTER_CHOICE}"
MEASURED = "evaluate select evaluate_finetuned"
"""What images are measured with: selections are made anew, and what follows from them stays."""
NAMES = "-"
"""Of something else in the plan: another name there may be none of."""

MOVES = {
    "scale.*.log_every": "",  # how often a training says how it goes
    # the reading
    "reading.data.normalisation": AFTER_TOKENIZER,
    "reading.data.geometry": f"data reference {AFTER_TOKENIZER}",
    "reading.training.*": AFTER_TOKENIZER,
    "reading.finetune.*": AFTER_FINETUNE,
    "reading.metrics.fid": f"reference generation {MEASURED}",
    "reading.metrics.*": MEASURED,
    "reading.adaptation.latent": "adapt samples speed ldm generation",
    "reading.adaptation.precision": "adapt samples speed ldm generation",
    "reading.adaptation.guidance": "samples speed",
    "reading.adaptation.sampler_steps": "samples",
    "reading.adaptation.*": "adapt samples speed",
    "reading.generation.*": "generation",
    "reading.speed.*": "speed",
    "reading.best*": "",  # of a selection that is measured
    # of the code
    "versions.data": f"data reference {AFTER_TOKENIZER}",
    "versions.tokenizer": AFTER_TOKENIZER,
    "versions.finetune": AFTER_FINETUNE,
    "versions.adapt": "backbone adapt samples speed evaluate_finetuned",
    "versions.ldm": "ldm generation",
    "versions.evaluation": f"reference published generation {MEASURED}",
    "versions.matching": "matching",
    "versions.speed": "speed",
    # what is in the reading already, and what is no part of a result
    "second_reading": "",
    "scale.reading": "",
    "scale.overrides.*": "",
    "scale.hardware.*": "",
    "scale.upkeep.*": "",
    "scale.data.disjoint": "",
    "scale.seed": f"data reference backbone matching {AFTER_TOKENIZER}",
    "scale.data.raw": f"data reference {AFTER_TOKENIZER}",
    "scale.data.sets.train.*": f"data {AFTER_TOKENIZER}",
    "scale.data.sets.val.*": "data reference evaluate select generation",
    "scale.data.sets.microscopy.*": "data reference evaluate select",
    "scale.data.sets.textures.*": "data reference evaluate select",
    "scale.data.sets.train_large.*": f"data {AFTER_FINETUNE}",
    "scale.data.sets.val_large.*": "data reference evaluate_finetuned",
    "scale.data.sets.val_double.*": "data reference evaluate_finetuned",
    "scale.tokenizer.data": NAMES,
    "scale.tokenizer.trunks.8.shortcut": AFTER_TOKENIZER,  # matching is measured without
    "scale.tokenizer.trunks.8.refinement*": AFTER_TOKENIZER,
    "scale.tokenizer.trunks.8.*": f"{AFTER_TOKENIZER} matching",
    "scale.tokenizer.trunks.16.*": AFTER_TOKENIZER,
    "scale.tokenizer.trunks.32.*": "tokenizer evaluate",  # takes no part in a selection
    "scale.tokenizer.with_shortcut": NAMES,  # smoke has none; tests/settings/test_with_shortcut.py says what one moves
    "scale.tokenizer.discriminator.*": AFTER_TOKENIZER,
    "scale.tokenizer.training.*": AFTER_TOKENIZER,
    "scale.tokenizer.codebook.revive_after": AFTER_TOKENIZER,
    "scale.tokenizer.codebook.kmeans_images": AFTER_TOKENIZER,
    "scale.tokenizer.codebook.kmeans_*": "",  # of no k-means
    "scale.tokenizer.linear.*": AFTER_TOKENIZER,
    "scale.tokenizer.grid": NAMES,
    "scale.tokenizer.sweep.*": NAMES,
    "scale.tokenizer.baselines.*": NAMES,
    "scale.selection.mode": "select",
    "scale.selection.metrics": "select",
    "scale.selection.factors": NAMES,
    "scale.finetune.data": NAMES,
    "scale.finetune.*": AFTER_FINETUNE,
    "scale.adapt.data": NAMES,
    "scale.adapt.backbone.*": "backbone adapt samples speed evaluate_finetuned",
    "scale.adapt.variants.*.F": NAMES,
    "scale.adapt.variants.*.sample_size": "speed",
    "scale.adapt.variants.*.samples": "samples",
    "scale.adapt.variants.*": "adapt samples speed",
    "scale.adapt.prompts": "samples",
    "scale.ldm.data": NAMES,
    "scale.ldm.reference": NAMES,
    "scale.ldm.latents.*.tokenizer": NAMES,
    "scale.ldm.latents.*.method": "generation",
    "scale.ldm.sample_batch": "",
    "scale.ldm.grid": "generation",
    "scale.ldm.resolution": "ldm reference generation",
    "scale.ldm.*": "ldm generation",
    "scale.evaluation.data": NAMES,
    "scale.evaluation.second": NAMES,
    "scale.evaluation.high_resolution.*": NAMES,
    "scale.evaluation.continuous": NAMES,
    "scale.evaluation.transfer.*": NAMES,
    "scale.evaluation.transfer_apart": NAMES,
    "scale.evaluation.published": NAMES,
    "scale.evaluation.codecs": NAMES,
    "scale.evaluation.batch": "",
    "scale.evaluation.showcase": "evaluate evaluate_finetuned",
    "scale.evaluation.features.weights": f"reference {AFTER_TOKENIZER}",
    "scale.evaluation.features.seed": f"reference {AFTER_TOKENIZER}",
    "scale.evaluation.features.perceptual": AFTER_TOKENIZER,
    "scale.evaluation.features.lpips": MEASURED,
    "scale.evaluation.features.*": f"reference generation {MEASURED}",
    "scale.matching.F": NAMES,
    "scale.matching.configs.*.seed": NAMES,
    "scale.matching.configs.*.path": NAMES,
    "scale.matching.*": "matching",
    "scale.speed.*": "speed",
}
"""Setting -> chapters whose addresses move; the first pattern that fits."""


def leaves(section: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Every value and where it is."""
    if isinstance(section, BaseModel):
        inside = {name: getattr(section, name) for name in type(section).model_fields}
    elif isinstance(section, dict):
        inside = section
    elif isinstance(section, tuple) and section and isinstance(section[0], BaseModel):
        inside = dict(enumerate(section))
    else:
        yield path, section
        return
    for key, value in inside.items():
        yield from leaves(value, (*path, key))


def another(value: Any) -> Any:
    """One of the same kind; whether the settings would allow it is no matter to the plan."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, tuple | list):
        return value[::-1] if len(set(value)) > 1 else value + value
    return 3 if value is None else f"{value} "


def changed(section: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    key, *rest = path
    if isinstance(section, BaseModel):
        return section.model_copy(update={key: changed(getattr(section, key), rest, value)})
    if isinstance(section, dict):
        return {**section, key: changed(section[key], rest, value)}
    return tuple(changed(item, rest, value) if place == key else item for place, item in enumerate(section))


def paths(settings: Settings) -> dict[tuple[str, str], str]:
    return {(job.chapter, job.name): job.path for job in whole_plan(settings).all()}


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydantic's, of values that no file could have
def test_every_setting_moves_the_addresses_that_the_table_says_and_no_others(smoke):
    before, used, wrong = paths(smoke), set(), []
    for path, value in leaves(smoke):
        name = ".".join(map(str, path))
        if name in ("name", "reading_name"):
            continue
        pattern = next((pattern for pattern in MOVES if fnmatch(name, pattern)), None)
        assert pattern, f"{name}: is not in the table: what does it move?"
        used.add(pattern)
        if MOVES[pattern] == NAMES:
            continue
        after = paths(changed(smoke, path, another(value)))
        moved = {chapter for (chapter, job), place in after.items() if before.get((chapter, job)) != place}
        if moved != set(MOVES[pattern].split()):
            wrong.append(f"{name} moves {sorted(moved)}; the table says {sorted(MOVES[pattern].split())}")
    assert wrong == []
    assert set(MOVES) - used == set()


def test_a_selection_goes_on_from_another_metric_s_choice_at_another_address(smoke):
    one, other = (
        whole_plan(changed(smoke, ("scale", "selection", "metrics"), metrics)).job("select", "f8")
        for metrics in (("psnr",), ("lpips", "cmmd"))
    )
    assert one.spec == {"mode": "measured", "metrics": ["psnr"]}
    assert one.path != other.path
