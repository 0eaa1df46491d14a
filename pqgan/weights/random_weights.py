"""Feature networks whose weights are random: what tables and records say of them."""

from pqgan.records import FeatureNetwork
from pqgan.settings.evaluation import Features


def describe(features: Features) -> str:
    """The weights of a feature network, for the tables."""
    return f"random weights (seed {features.seed})" if features.weights == "random" else "pretrained"


def random_source(seed: int) -> FeatureNetwork:
    """The source of a feature network without files."""
    return FeatureNetwork(origin=f"random weights, seed {seed}", files={})
