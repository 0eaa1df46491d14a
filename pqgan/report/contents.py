"""What the report holds, and which results each table and figure reads."""

from collections import Counter
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from pqgan.errors import SettingsError
from pqgan.job import Job
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.settings.configurations import OTHER_QUANTISERS
from pqgan.settings.evaluation import is_of_the_authors, published_factor
from pqgan.settings.names import BACKBONE_VAE, selected_factor
from pqgan.settings.scale import Scale

from . import generators

ITEMS: dict[str, str] = {
    "table_claims": "The paper's claims, measured",
    "table1": "Reconstruction on the validation set",
    "table2": "Reconstruction on other sets",
    "table3": "Sampling speed and memory",
    "table4": "Training schedule",
    "table5": "Class-conditional generation from scratch",
    "table_sweep": "Every configuration of the sweep; not in the paper",
    "figure1": "Reconstructions at high resolution and their details",
    "figure2": "Vector quantisation and product quantisation",
    "figure3": "Reconstruction quality and use of the codebooks",
    "figure4": "Generated examples",
    "figure5": "What matching costs",
    "figure6": "All metrics of reconstruction over the sweep",
    "figure7": "More reconstructions at high resolution",
    "figure8": "Samples at the smallest F",
    "figure9": "Square samples at a larger F",
    "figure10": "Samples of every size at a larger F",
    "figure_bits": "What the bits buy",
    "figure_factors": "The sweep at further factors F",
    "figure_finetuned": "High resolution, before and after fine-tuning",
    "figure_peers": "The search for codewords beside other libraries",
    "figure_ldm": "Samples of the class-conditional models",
}
"""Title of each table and figure, in the order of the page."""

SAMPLES = (generators.OVERVIEW, *generators.GRIDS)
"""Figures of an adapted generator's samples."""
PICTURED = ("figure1", "figure7", *SAMPLES, "figure_finetuned", "figure_ldm")
"""Items that show images of results, and not their numbers alone."""

MODULES = {
    "table_claims": "tables.claims",
    "table1": "tables.reconstruction",
    "table2": "tables.transfer",
    "table3": "tables.speed",
    "table4": "tables.schedule",
    "table5": "tables.generation",
    "table_sweep": "tables.sweep",
    "figure1": "figures.showcase",
    "figure2": "figures.schematic",
    "figure3": "figures.sweep",
    "figure4": "figures.samples",
    "figure5": "figures.matching",
    "figure6": "figures.sweep",
    "figure7": "figures.showcase",
    "figure_bits": "figures.bits",
    "figure_factors": "figures.sweep",
    "figure_finetuned": "figures.showcase",
    "figure_peers": "figures.peers",
    "figure_ldm": "figures.samples",
}
"""Item -> module below pqgan.report with the function of its name, which makes it; SAMPLES are drawn alike."""

_SHOWS: dict[str, Callable[[Scale], Any]] = {
    "table2": lambda scale: scale.evaluation.transfer,
    "table3": lambda scale: scale.speed,
    "table4": lambda scale: scale.finetune or scale.adapt,
    "table5": lambda scale: scale.ldm,
    "figure5": lambda scale: scale.matching,
    "figure_peers": lambda scale: scale.matching,
    "figure_finetuned": lambda scale: scale.finetune,
    "figure_ldm": lambda scale: scale.ldm,
    **dict.fromkeys(("figure3", "figure6", "figure_factors", "table_sweep"), lambda scale: scale.tokenizer.training),
    **dict.fromkeys(SAMPLES, lambda scale: scale.adapt),
}
"""Item -> the part of a scale that it shows; items of a part that is null are left out."""

MAY_LACK = {"table_claims": ("evaluate_finetuned", "generation", "speed")}
"""Item -> chapters that a collected run need not have come to; the item says so where it would show them."""


def items(plan: Plan) -> list[str]:
    """The tables and figures of a scale, in the order of the page."""
    scale = plan.settings.scale
    return [item for item in ITEMS if item not in _SHOWS or _SHOWS[item](scale)]


def inputs(plan: Plan, item: str, collected: Path | None = None) -> list[Job]:
    """The results that a table or figure reads, each once.

    Args:
        collected: results/ of a collection that it is made from; whole chapters of MAY_LACK that are not there are
            left out.

    Raises:
        SettingsError: there is no such item.
    """
    if item not in items(plan):
        which = f"; scale {plan.settings.name!r} plans nothing that it shows" if item in ITEMS else ""
        raise SettingsError(f"render: got {item!r}{which}; allowed: {', '.join(items(plan))}")
    if item in SAMPLES:
        names = generators.variants(plan.settings, item)
        jobs: Iterable[Job] = [plan.job("samples", name) for name in names]
    else:
        jobs = _READS[item](plan)
    lacking = () if collected is None else MAY_LACK.get(item, ())
    left_out = [chapter for chapter in lacking if not (collected / chapter).exists()]
    # runs of before there were codecs, linear tokenizers and linear paths have none
    later = () if collected is None else (*codecs(plan), *linear(plan), *paths(plan))
    without = [name for name in later if not (collected / "evaluate" / name).exists()]
    read = (job for job in jobs if job.chapter not in left_out and job.name not in without)
    return list({(job.chapter, job.name): job for job in read}.values())


def shortcuts(jobs: Iterable[Job]) -> dict[int, str]:
    """F -> shortcut of the product-quantised tokenizers behind results, where they have one."""
    found: dict[int, str] = {}
    waiting, seen = list(jobs), set()
    while waiting:
        job = waiting.pop()
        if (job.chapter, job.name) in seen:
            continue
        seen.add((job.chapter, job.name))
        waiting += job.inputs.values()
        trunk = job.spec.get("trunk", {})
        # only product quantisers have it in their settings, and a bench of one; claims say themselves what they set
        # beside the trunk alone
        if "shortcut" in trunk and not job.spec.get("config", {}).get("path"):
            found[2 ** (len(trunk["multipliers"]) - 1)] = trunk["shortcut"]
    return dict(sorted(found.items()))


def title(settings: Settings, item: str) -> str:
    """What stands above an item, with the names of its variants where it is a grid of their samples."""
    named = item in generators.GRIDS and generators.variants(settings, item)
    return generators.title(settings, item) if named else ITEMS[item]


def maker(item: str) -> Callable[..., Any]:
    """The function that makes a table or figure; imported here, as a table must not wait for matplotlib."""
    return getattr(import_module(f"pqgan.report.{MODULES[item]}"), item)


def label(item: str) -> str:
    """What a reader calls an item: Table 1, Figure 10, Claims; an extra one has no number in the paper."""
    if item == "table_claims":
        return "Claims"
    kind = "table" if item.startswith("table") else "figure"
    number = item.removeprefix(kind)
    return f"{kind.capitalize()} {number}" if number.isdigit() else f"Extra {kind}"


def swept(plan: Plan) -> list[str]:
    """Configurations that are trained and evaluated: the sweep and its baselines, without replicates."""
    return list(plan.settings.scale.tokenizer.designs)


def product_quantised(plan: Plan, factor: int | None = None) -> list[str]:
    """Configurations of the sweep that are no baseline and no replicate, of one factor F or of all."""
    configs = plan.settings.scale.tokenizer.designs
    return [name for name, config in configs.items() if config.kind == "pq" and factor in (None, config.F)]


def linear(plan: Plan, factor: int | None = None) -> list[str]:
    """Linear tokenizers, without replicates, of one factor F or of all; they are not in the paper."""
    configs = plan.settings.scale.tokenizer.designs
    return [name for name, config in configs.items() if config.kind == "linear" and factor in (None, config.F)]


def other_quantisers(plan: Plan) -> list[str]:
    """What is trained with another quantiser than the product quantiser on the same trunk, without replicates."""
    designs = plan.settings.scale.tokenizer.designs
    return [name for name, config in designs.items() if isinstance(config, tuple(OTHER_QUANTISERS))]


def paths(plan: Plan) -> list[str]:
    """Product quantisers around the linear path of tokenizer.with_shortcut, with replicates; not in the paper."""
    configs = plan.settings.scale.tokenizer.configs
    return [name for name, config in configs.items() if config.kind == "pq" and config.path]


def compared_factors(plan: Plan) -> list[int]:
    """Factors F with more than one configuration, smallest first."""
    configs = plan.settings.scale.tokenizer.configs
    counts = Counter(configs[name].F for name in product_quantised(plan))
    return sorted(factor for factor, count in counts.items() if count > 1)


def shown_factor(plan: Plan, item: str) -> int:
    """The factor F whose sweep Figures 3 and 6 show: that with most configurations, the smallest of equals.

    Raises:
        SettingsError: the scale has no product-quantised configuration.
    """
    configs = plan.settings.scale.tokenizer.designs
    counts = Counter(configs[name].F for name in product_quantised(plan))
    if not counts:
        raise SettingsError(
            f"{item}: shows product-quantised configurations of tokenizer.sweep and tokenizer.grid, which have none at "
            f"scale {plan.settings.name!r}; add one, or leave the item out"
        )
    return min(counts, key=lambda factor: (-counts[factor], factor))


def further_factors(plan: Plan) -> list[int]:
    """Factors F with more than one configuration, besides that of Figures 3 and 6, smallest first."""
    return [factor for factor in compared_factors(plan) if factor != shown_factor(plan, "figure_factors")]


def continuous(plan: Plan) -> list[str]:
    """The KL baselines, without replicates."""
    return plan.settings.scale.tokenizer.continuous


def published(plan: Plan) -> list[str]:
    """Published tokenizers that are measured too."""
    return list(plan.settings.scale.evaluation.published)


def of_the_authors(plan: Plan) -> list[str]:
    """Of these, the paper's own."""
    return list(filter(is_of_the_authors, published(plan)))


def codecs(plan: Plan) -> list[str]:
    """Image codecs at bits a pixel that are measured too."""
    return list(plan.settings.scale.evaluation.codecs)


def unadapted(plan: Plan) -> list[str]:
    """The backbone's own tokenizer, where it is measured."""
    return [name for name in (BACKBONE_VAE,) if name in plan.chapter("evaluate")]


def alternatives(plan: Plan) -> list[str]:
    """Configurations that the paper calls best in another place (reading 1), where they are trained and a factor F has
    a selection.
    """
    settings = plan.settings
    named = [settings.reading.best_alternatives.get(factor) for factor in settings.scale.selection.factors]
    return [name for name in named if name in settings.scale.tokenizer.designs]


def candidates(plan: Plan, factor: int) -> list[str]:
    """Configurations that the selection of a factor chooses from; one where the reading names it."""
    job = plan.job("select", f"f{factor}")
    return [role.removeprefix("model-") for role in job.inputs if role.startswith("model-")]


def selected_tokenizers(plan: Plan) -> list[Job]:
    """What says which tokenizer is selected for each factor, and the evaluations among which it is."""
    jobs = []
    for factor in plan.settings.scale.selection.factors:
        jobs.append(plan.job("select", f"f{factor}"))
        jobs += [plan.job("evaluate", name) for name in candidates(plan, factor)]
    return jobs


def beside_the_vae(plan: Plan) -> list[str]:
    """Evaluations that Figures 1 and 7 show from left to right: what plays the Stable Diffusion VAE, then PQGAN.

    PQGAN is what was fine-tuned, largest F first; where nothing is, the published ones.
    """
    scale = plan.settings.scale
    factors = sorted(scale.selection.factors, reverse=True)
    published = sorted(scale.compared_as_published, key=lambda name: -published_factor(name))
    return [scale.evaluation.continuous[0], *(f"finetuned-f{factor}" for factor in factors), *published]


def fine_tuned(plan: Plan) -> list[str]:
    """Evaluations of the selected tokenizers at high resolution, before and after fine-tuning."""
    compared = plan.settings.scale.evaluation.continuous
    return [name for name in plan.chapter("evaluate_finetuned") if name not in compared]


def _high_resolution(plan: Plan, names: Iterable[str]) -> list[Job]:
    return [plan.job("evaluate_finetuned", name) for name in names]


def _evaluations(plan: Plan, names: Iterable[str]) -> list[Job]:
    return [plan.job("evaluate", name) for name in names]


def _with_transfers(plan: Plan, jobs: Iterable[Job]) -> list[Job]:
    """Evaluations, and those of the same tokenizers that were measured apart on the sets of Table 2."""
    evaluations = list(jobs)
    names = {job.name for job in evaluations}
    return evaluations + [job for job in plan.chapter("evaluate_transfer").values() if job.shown["of"] in names]


def _over_sweep(plan: Plan, factors: Iterable[int]) -> list[str]:
    return [name for factor in factors for name in (*product_quantised(plan, factor), *linear(plan, factor))]


def _table5(plan: Plan) -> list[Job]:
    jobs = list(plan.chapter("generation").values())
    for latent in plan.settings.scale.ldm.latents.values():
        if factor := selected_factor(latent.tokenizer):
            jobs += [plan.job("select", f"f{factor}"), *_evaluations(plan, candidates(plan, factor))]
        else:
            jobs.append(plan.job("evaluate", latent.tokenizer))
    return jobs


_READS: dict[str, Callable[[Plan], Iterable[Job]]] = {
    "table_claims": lambda plan: [
        job
        for chapter in (
            "select",
            "evaluate",
            "evaluate_transfer",
            "matching",
            "evaluate_finetuned",
            "generation",
            "speed",
        )
        for job in plan.chapter(chapter).values()
    ],
    "table1": lambda plan: [
        *plan.chapter("select").values(),
        *_evaluations(plan, [*swept(plan), *unadapted(plan), *published(plan), *codecs(plan)]),
    ],
    "table2": lambda plan: _with_transfers(
        plan,
        [
            *_evaluations(plan, [*continuous(plan), *unadapted(plan), *published(plan), *alternatives(plan)]),
            *_evaluations(plan, plan.settings.linear_beside),
            *selected_tokenizers(plan),
        ],
    ),
    "table3": lambda plan: plan.chapter("speed").values(),
    "table4": lambda plan: [
        job for chapter in ("select", "finetune", "adapt") for job in plan.chapter(chapter).values()
    ],
    "table5": _table5,
    "table_sweep": lambda plan: _evaluations(plan, [*product_quantised(plan), *linear(plan), *other_quantisers(plan)]),
    "figure1": lambda plan: _high_resolution(plan, beside_the_vae(plan)),
    "figure2": lambda plan: [],
    "figure3": lambda plan: _evaluations(plan, _over_sweep(plan, [shown_factor(plan, "figure3")])),
    "figure5": lambda plan: plan.chapter("matching").values(),
    "figure6": lambda plan: _evaluations(plan, _over_sweep(plan, [shown_factor(plan, "figure6")])),
    "figure7": lambda plan: _high_resolution(plan, beside_the_vae(plan)),
    "figure_bits": lambda plan: _evaluations(plan, [*swept(plan), *published(plan), *codecs(plan)]),
    "figure_factors": lambda plan: _evaluations(plan, _over_sweep(plan, further_factors(plan))),
    "figure_finetuned": lambda plan: _high_resolution(plan, fine_tuned(plan)),
    "figure_peers": lambda plan: plan.chapter("matching").values(),
    "figure_ldm": lambda plan: plan.chapter("generation").values(),
}
