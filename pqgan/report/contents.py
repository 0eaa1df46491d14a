"""What the report holds, and which results each table and figure reads."""

from collections import Counter
from collections.abc import Callable, Iterable

from pqgan.errors import SettingsError
from pqgan.job import Job
from pqgan.plan import Plan

ITEMS: dict[str, str] = {
    "table_claims": "The paper's claims, measured",
    "table1": "Reconstruction on the validation set",
    "table2": "Reconstruction on other sets",
    "table3": "Sampling speed and memory",
    "table4": "Training schedule",
    "table5": "Class-conditional generation from scratch",
    "figure1": "Reconstructions and their details",
    "figure2": "PQGAN",
    "figure3": "Reconstruction quality over the sweep",
    "figure4": "One prompt, three generators",
    "figure5": "What matching costs",
    "figure6": "How the codebooks are used",
    "figure7": "High resolution, before and after fine-tuning",
    "figure8": "Samples of PQSD-Precise",
    "figure9": "Samples of PQSD-Quick",
    "figure10": "Samples of PQSD-HR",
    "figure_ldm": "Samples of the class-conditional models",
}
"""Title of each table and figure, in the order of the page."""

SAMPLE_GRIDS = {"figure8": "PQSD-Precise", "figure9": "PQSD-Quick", "figure10": "PQSD-HR"}
PICTURED = ("figure1", "figure4", "figure7", *SAMPLE_GRIDS, "figure_ldm")
"""Items that show images of results, and not their numbers alone."""


def inputs(plan: Plan, item: str) -> list[Job]:
    """The results that a table or figure reads, each once.

    Raises:
        SettingsError: there is no such item.
    """
    if item not in ITEMS:
        raise SettingsError(f"render: got {item!r}; allowed: {', '.join(ITEMS)}")
    if item in SAMPLE_GRIDS:
        jobs: Iterable[Job] = [plan.job("samples", SAMPLE_GRIDS[item])]
    else:
        jobs = _READS[item](plan)
    return list({job.path: job for job in jobs}.values())


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


def compared_factors(plan: Plan) -> list[int]:
    """Factors F with more than one configuration, smallest first: the panels of the sweep's figures."""
    configs = plan.settings.scale.tokenizer.configs
    counts = Counter(configs[name].F for name in product_quantised(plan))
    return sorted(factor for factor, count in counts.items() if count > 1)


def continuous(plan: Plan) -> list[str]:
    """The KL baselines, without replicates."""
    return [name for name, config in plan.settings.scale.tokenizer.designs.items() if config.kind == "kl"]


def published(plan: Plan) -> list[str]:
    """Published tokenizers that are measured too."""
    return list(plan.chapter("published"))


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


def _evaluations(plan: Plan, names: Iterable[str]) -> list[Job]:
    return [plan.job("evaluate", name) for name in names]


def _table5(plan: Plan) -> list[Job]:
    jobs = list(plan.chapter("generation").values())
    for latent in plan.settings.scale.ldm.latents.values():
        if latent.tokenizer.startswith("selected-"):
            factor = int(latent.tokenizer.removeprefix("selected-"))
            jobs += [plan.job("select", f"f{factor}"), *_evaluations(plan, candidates(plan, factor))]
        else:
            jobs.append(plan.job("evaluate", latent.tokenizer))
    return jobs


_READS: dict[str, Callable[[Plan], Iterable[Job]]] = {
    "table_claims": lambda plan: [
        *plan.chapter("select").values(),
        *_evaluations(plan, plan.chapter("tokenizer")),
        *plan.chapter("matching").values(),
    ],
    "table1": lambda plan: [*plan.chapter("select").values(), *_evaluations(plan, [*swept(plan), *published(plan)])],
    "table2": lambda plan: [*_evaluations(plan, [*continuous(plan), *published(plan)]), *selected_tokenizers(plan)],
    "table3": lambda plan: plan.chapter("speed").values(),
    "table4": lambda plan: [
        job for chapter in ("select", "finetune", "adapt") for job in plan.chapter(chapter).values()
    ],
    "table5": _table5,
    "figure1": lambda plan: [*_evaluations(plan, continuous(plan)), *selected_tokenizers(plan)],
    "figure2": lambda plan: [],
    "figure3": lambda plan: _evaluations(
        plan, [name for factor in compared_factors(plan) for name in product_quantised(plan, factor)]
    ),
    "figure4": lambda plan: plan.chapter("samples").values(),
    "figure5": lambda plan: plan.chapter("matching").values(),
    "figure6": lambda plan: _evaluations(
        plan, [name for factor in compared_factors(plan) for name in product_quantised(plan, factor)]
    ),
    "figure7": lambda plan: plan.chapter("evaluate_finetuned").values(),
    "figure_ldm": lambda plan: plan.chapter("generation").values(),
}
