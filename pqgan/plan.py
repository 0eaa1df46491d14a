"""Settings -> every job of the pipeline, and what each is made from."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pqgan import specs
from pqgan.errors import SettingsError
from pqgan.job import Job
from pqgan.settings import Settings
from pqgan.settings.names import BACKBONE_VAE, BASELINE, VALIDATION, selected_factor


class Plan:
    """All jobs of one scale, by chapter and name.

    What follows from a selection is made from the tokenizer that was selected, so that its address is the same whatever
    it was compared with. Until a selection is made, jobs that follow from it have no address (`Job.awaits`).

    Args:
        selected: factor F -> the configuration that its selection chose. The reading says it if it names the choice;
            `pqgan.tokenizer.selected.plan_here` reads it from the selections that are finished.

    Raises:
        SettingsError: a seed that makes no replicate; from `job`, for a chapter or name that is not planned.
    """

    def __init__(self, settings: Settings, selected: Mapping[int, str] = MappingProxyType({})):
        self.settings = settings
        self._chosen = settings.named_selection or selected
        self._jobs: dict[str, dict[str, Job]] = {}
        self._data()
        self._tokenizers()
        self._published()
        self._selections()
        self._finetunes()
        self._adaptations()
        self._continuous()
        self._ldms()
        self._benches()

    def _add(self, chapter: str, name: str, spec: Mapping, shown: Mapping | None = None, /, **inputs: Job) -> Job:
        is_label = chapter in ("data", "reference")  # the name of a set
        job = Job(self.settings.name, chapter, name, spec, inputs, shown or {}, is_label)
        self._jobs.setdefault(chapter, {})[name] = job
        return job

    def chapter(self, chapter: str) -> dict[str, Job]:
        """Jobs of a chapter by name, in the order of params.yaml."""
        return self._jobs.get(chapter, {})

    def job(self, chapter: str, name: str) -> Job:
        jobs = self.chapter(chapter)
        if name not in jobs:
            known = (", ".join(list(jobs)[:12]) + (", ..." if len(jobs) > 12 else "")) or "nothing"
            scale = self.settings.name
            raise SettingsError(f"{chapter}: got {name!r}, which scale {scale!r} does not plan; allowed: {known}")
        return jobs[name]

    def all(self) -> list[Job]:
        return [job for jobs in self._jobs.values() for job in jobs.values()]

    def addressed(self) -> list[Job]:
        """Those whose address is known: all of them once every selection is made."""
        return [job for job in self.all() if not job.awaits]

    def tokenizer_path(self, reference: str) -> str:
        """Folder of the tokenizer that a latent of the LDM chapter names."""
        return self.model_path(self._tokenizer(reference))

    def model_path(self, job: Job) -> str:
        """Folder of the tokenizer that a job made; a sub-folder of the backbone's."""
        return f"{job.path}/vae" if job.chapter == "backbone" else job.path

    def _tokenizer(self, reference: str) -> Job:
        if reference == BACKBONE_VAE:
            return self.job("backbone", "backbone")
        if factor := selected_factor(reference):
            return self._selected(factor)
        return self.job("published" if reference in self.chapter("published") else "tokenizer", reference)

    def _selected(self, factor: int) -> Job:
        """The tokenizer that was selected; before that, the selection."""
        selection = self.job("select", f"f{factor}")
        if factor not in self._chosen:
            return selection
        return replace(self.job("tokenizer", self._chosen[factor]), selection=selection)

    def _data(self) -> None:
        scale, reading, code = self.settings.scale, self.settings.reading, self.settings.versions.data
        # addresses of the first version are those of the time when raw images and code had one number
        later = {"code": code} if code > 1 else {}
        for name, source in scale.data.sets.items():
            # crops are drawn of photographs alone, and their order decides classes
            drawn = {"seed": scale.seed, "photos": list(source.photos)} if source.source == "wheel_photos" else {}
            geometry = scale.geometry_of(name, reading)
            spec = specs.plain(source, version=scale.data.raw, geometry=geometry, **later, **drawn)
            self._add("data", name, spec)

    def _tokenizers(self) -> None:
        scale = self.settings.scale
        section = scale.tokenizer
        specs.check_seeds(self.settings)
        # what Table 2 shows on other sets: what the selection may choose, the paper's other choice (reading 1), and
        # what these are compared with
        alternatives = self.settings.reading.best_alternatives.values()
        elsewhere = {*section.continuous, *self.settings.linear_beside, *alternatives}
        elsewhere |= {name for factor in scale.selection.factors for name in self.settings.candidates(factor)}
        for name, config in section.configs.items():
            spec = specs.tokenizer(self.settings, config)
            model = self._add("tokenizer", name, spec, data=self.job("data", section.data))
            self._evaluate_on_sets(name, model, others=name in elsewhere)

    def _published(self) -> None:
        section = self.settings.scale.evaluation
        spec = {"version": self.settings.versions.evaluation}
        for name in section.published:
            model = self._add("published", name, spec)
            self._evaluate_on_sets(name, model)
        for name in section.codecs:
            codec = self._add("published", name, spec)
            self._evaluate_on_sets(name, codec, others=False)

    def _evaluate_on_sets(self, name: str, model: Job, *, others: bool = True) -> None:
        """Measure a tokenizer on the validation set, by the second reading too, and on those of Table 2 (others)."""
        section = self.settings.scale.evaluation
        sets = {VALIDATION: section.data}
        if section.second:
            sets[section.second.reading] = section.second.data
        elsewhere = section.transfer if others else {}
        if not section.transfer_apart:
            sets |= elsewhere
        self._evaluate("evaluate", name, model, sets)
        if section.transfer_apart:
            for role, prepared in elsewhere.items():
                self._evaluate("evaluate_transfer", f"{name}-on-{role}", model, {role: prepared}, of=name)

    def _reference(self, prepared: str, size: int | None = None) -> Job:
        """Features of the originals of a set, shared by all that are compared with them."""
        scale, reading = self.settings.scale, self.settings.reading
        own = scale.data.sets[prepared].size
        size = size or own
        name = prepared if size == own else f"{prepared}-{size}"
        if name in self.chapter("reference"):
            return self.job("reference", name)
        features = scale.evaluation.features.model_dump(mode="json", exclude={"lpips", "perceptual"})
        spec = {
            "features": features,
            "rows": reading.metrics.fid,
            "size": size,
            "geometry": scale.geometry_of(prepared, reading),
            "version": self.settings.versions.evaluation,
        }
        return self._add("reference", name, spec, data=self.job("data", prepared))

    def _evaluate(self, chapter: str, name: str, model: Job, sets: Mapping[str, str], **more: str) -> Job:
        inputs = {f"set-{role}": self.job("data", prepared) for role, prepared in sets.items()}
        inputs |= {f"reference-{role}": self._reference(prepared) for role, prepared in sets.items()}
        shown = {"showcase": self.settings.scale.evaluation.showcase, "sets": dict(sets), **more}
        spec = specs.evaluation(self.settings)
        if second := [role for role in sets if self.settings.is_second(role)]:
            spec |= {"second": self.settings.metrics_of(*second).model_dump(mode="json")}
        return self._add(chapter, name, spec, shown, model=model, **inputs)

    def _selections(self) -> None:
        selection = self.settings.scale.selection
        for factor in selection.factors:
            names = list(self.settings.candidates(factor))
            inputs = {f"model-{name}": self.job("tokenizer", name) for name in names}
            # a named choice waits for no evaluation, so that fine-tuning can start as soon as its model is there
            if selection.mode == "measured":
                inputs |= {f"metrics-{name}": self.job("evaluate", name) for name in names}
                spec = {"mode": selection.mode, "metrics": list(selection.metrics)}
            else:
                spec = {"mode": selection.mode, "metric": None}  # of old, when one metric decided: keeps its address
            self._add("select", f"f{factor}", spec, **inputs)

    def _finetunes(self) -> None:
        scale, reading = self.settings.scale, self.settings.reading
        section = scale.finetune  # there is one if there are factors
        for factor in scale.selection.factors:
            spec = specs.training(
                self.settings,
                section.training,
                version=self.settings.versions.finetune,
                tokenizer_version=self.settings.versions.tokenizer,
                batch=section.batch,
                finetune=reading.finetune.model_dump(mode="json"),
            )
            name = f"f{factor}"
            selected = self._selected(factor)
            model = self._add("finetune", name, spec, model=selected, data=self.job("data", section.data))
            # the same images through the tokenizer before fine-tuning: what fine-tuning is worth
            for stage, candidate in (("selected", selected), ("finetuned", model)):
                self._evaluate_large(f"{stage}-{name}", candidate)

    def _evaluate_large(self, name: str, model: Job) -> None:
        self._evaluate("evaluate_finetuned", name, model, self.settings.scale.evaluation.high_resolution)

    def _continuous(self) -> None:
        """What the fine-tuned tokenizers are compared with at their resolution and at twice of it."""
        scale = self.settings.scale
        for name in (*scale.evaluation.continuous, *scale.compared_as_published):
            self._evaluate_large(name, self._tokenizer(name))

    def _adaptations(self) -> None:
        scale, reading = self.settings.scale, self.settings.reading
        section, version = scale.adapt, self.settings.versions.adapt
        if section is None:
            return
        backbone = self._add("backbone", "backbone", specs.plain(section.backbone, version=version, seed=scale.seed))
        data = self.job("data", section.data)
        adaptation = reading.adaptation.model_dump(mode="json")
        sampling = {key: adaptation.pop(key) for key in ("guidance", "sampler_steps")}
        shared = {
            "version": version,
            "adaptation": adaptation,
            "geometry": reading.data.geometry,
            "seed": scale.seed,
        }
        if scale.evaluates_backbone:
            self._evaluate_on_sets(BACKBONE_VAE, backbone)
        self._speed(BASELINE, scale.speed.baseline_size, backbone=backbone)
        for name, variant in section.variants.items():
            tokenizer = self.job("finetune", f"f{variant.F}")
            first = self._add(
                "adapt",
                f"{name}-stage1",
                {**shared, **specs.plain(variant.stage1)},
                unet=backbone,
                backbone=backbone,
                tokenizer=tokenizer,
                data=data,
            )
            phases = [phase.model_dump(mode="json") for phase in variant.stage2]
            second = self._add(
                "adapt",
                f"{name}-stage2",
                {**shared, "phases": phases},
                unet=first,
                backbone=backbone,
                tokenizer=tokenizer,
                data=data,
            )
            generator = {"unet": second, "backbone": backbone, "tokenizer": tokenizer}
            spec = {"prompts": section.prompts, "sizes": variant.samples, "seed": scale.seed, **sampling}
            self._add("samples", name, {**spec, "version": version}, **generator)
            self._speed(name, variant.sample_size, **generator)

    def _speed(self, name: str, size: int, **generator: Job) -> None:
        scale, reading = self.settings.scale, self.settings.reading
        bench = specs.bench(scale.speed, self.settings.versions.speed)
        spec = specs.plain(reading.speed, **bench, size=size, guidance=reading.adaptation.guidance)
        self._add("speed", name, spec, **generator)

    def _ldms(self) -> None:
        scale, reading = self.settings.scale, self.settings.reading
        section = scale.ldm
        if section is None:
            return
        elsewhere = {"latents", "data", "reference", "sample_batch", "grid"}
        own = section.model_dump(mode="json", exclude=elsewhere | specs.WITHOUT_EFFECT)
        own["version"] = self.settings.versions.ldm
        for name, latent in section.latents.items():
            tokenizer = self._tokenizer(latent.tokenizer)
            spec = {
                "ldm": own,
                "latent": reading.adaptation.latent,
                "precision": reading.adaptation.precision,
                "geometry": reading.data.geometry,
                "seed": scale.seed,
            }
            model = self._add("ldm", name, spec, tokenizer=tokenizer, data=self.job("data", section.data))
            spec = specs.plain(
                reading.generation,
                fid=reading.metrics.fid,
                version=self.settings.versions.evaluation,
                seed=scale.seed,
            )
            shown = {"method": latent.method, "grid": section.grid, "set": section.reference}
            reference = self._reference(section.reference, section.resolution)
            self._add("generation", name, spec, shown, model=model, tokenizer=tokenizer, reference=reference)

    def _benches(self) -> None:
        scale = self.settings.scale
        if scale.matching is None:
            return
        trunk = scale.tokenizer.trunks[scale.matching.F].plain.model_dump(mode="json")
        bench = specs.bench(scale.matching, self.settings.versions.matching)
        self._add("matching", "matching", specs.plain(**bench, trunk=trunk, seed=scale.seed))
