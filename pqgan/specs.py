"""Specs: the settings that a job depends on, as JSON values. What is in a spec is in the job's address."""

from pydantic import BaseModel

from pqgan.errors import SettingsError
from pqgan.settings import LinearConfig, Settings
from pqgan.settings.configurations import AnyConfig, TokenizerConfig
from pqgan.settings.tokenizer import Training

WITHOUT_EFFECT = {"log_every"}
"""Settings that change no result: how often a training says how it goes."""


def plain(*sections: BaseModel | None, **values) -> dict:
    """Settings as JSON values; sections by class name, so that equal fields of two sections do not meet."""
    given = [section for section in sections if section is not None]
    found = {type(section).__name__: section.model_dump(mode="json", exclude=WITHOUT_EFFECT) for section in given}
    return {**found, **values}


def bench(section: BaseModel, version: int) -> dict:
    """Settings of a bench, with the version of its code among them."""
    return {type(section).__name__: {**section.model_dump(mode="json"), "version": version}}


def evaluation(settings: Settings) -> dict:
    """Of measuring images: protocols and feature networks."""
    scale, reading = settings.scale, settings.reading
    return plain(
        reading.metrics,
        scale.evaluation.features,
        version=settings.versions.evaluation,
        geometry=reading.data.geometry,
    )


def training(settings: Settings, section: Training, seed: int | None = None, **values) -> dict:
    """Of a training of a tokenizer, from scratch or not.

    Args:
        section: how it is trained.
        seed: of its own; the scale's if None.
        values: what else it depends on.
    """
    scale, reading = settings.scale, settings.reading
    features = scale.evaluation.features
    return plain(
        section,
        reading.data,
        reading.training,
        scale.tokenizer.discriminator,
        perceptual=[features.weights, features.seed, features.perceptual],
        seed=scale.seed if seed is None else seed,
        **values,
    )


def tokenizer(settings: Settings, config: AnyConfig) -> dict:
    """Of a tokenizer of the sweep or a baseline, trained or fitted."""
    return _linear(settings, config) if isinstance(config, LinearConfig) else _trained(settings, config)


def _trained(settings: Settings, config: TokenizerConfig) -> dict:
    section = settings.scale.tokenizer
    trunk = section.trunk(config)
    # options that are off are left out, so that a new option does not change existing addresses
    more = {}
    if config.kind == "pq" and section.codebook.in_use():
        more |= {"codebook": section.codebook.in_use()}
    if trunk.shortcut != "none":
        more |= {"linear": section.linear.model_dump(mode="json")}
    return training(
        settings,
        section.training_of(config),
        config.seed,
        version=settings.versions.tokenizer,
        config=config.model_dump(mode="json"),
        trunk=trunk.model_dump(mode="json"),
        **more,
    )


def _linear(settings: Settings, config: LinearConfig) -> dict:
    scale, reading = settings.scale, settings.reading
    section = scale.tokenizer
    return {
        "config": config.model_dump(mode="json"),
        "linear": section.linear.model_dump(mode="json"),
        "side": section.fitted_side(section.training),
        "geometry": reading.data.geometry,
        "seed": scale.seed if config.seed is None else config.seed,
        "version": settings.versions.tokenizer,
    }


def check_seeds(settings: Settings) -> None:
    """Refuse a seed that makes no replicate.

    Raises:
        SettingsError: the scale's own seed, or a configuration of the bench that has one.
    """
    scale, where = settings.scale, f"scales.{settings.name}"
    for name, config in scale.tokenizer.configs.items():
        if config.seed == scale.seed:
            raise SettingsError(
                f"{where}.tokenizer: got {name}, whose seed is the scale's; allowed: another seed than {scale.seed}"
            )
    for config in scale.matching.configs if scale.matching else ():
        if config.for_claims:
            raise SettingsError(
                f"{where}.matching.configs: got {config.name}; allowed: configurations without seed and path"
            )
