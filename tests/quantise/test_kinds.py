"""Quantisers by kind: which there are, and what is refused."""

import pytest
from quantiser_laws import QuantiserLaws

from pqgan.quantise.kinds import QUANTISERS, make_quantiser


class TestLawsOfTheProductQuantiser(QuantiserLaws):
    def options(self):
        return {"kind": "pq", "S": 3, "K": 11, "init": "normal"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "kind is None; expected pq"),
        ({"kind": "lfq"}, f"kind is 'lfq'; expected {', '.join(QUANTISERS)}"),
        ({"kind": "rq", "D": 2.5, "K": 4}, "D is 2.5; expected a whole number from 1 to 65536"),
        ({"kind": "fsq"}, "quantiser fsq: .*missing .* 'levels'"),
        ({"kind": "fsq", "levels": [5] * 6, "K": 3}, "quantiser fsq: .*unexpected .* 'K'"),
    ],
)
def test_another_kind_or_option_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_quantiser(6, options)


def test_how_codebooks_start_and_learn_is_passed_on_to_a_quantiser_that_has_any():
    training = {"init": "normal", "beta": 0.7, "beta_on": "commitment"}
    for options in ({"kind": "pq", "S": 2, "K": 300}, {"kind": "rq", "D": 2, "K": 300}):
        quantiser = make_quantiser(6, options, **training)
        assert (quantiser.beta, quantiser.beta_on) == (0.7, "commitment")
        assert next(quantiser.parameters()).std().item() == pytest.approx(1, abs=0.1)
    assert not list(make_quantiser(6, {"kind": "fsq", "levels": [5] * 6}, **training).parameters())


def test_the_model_s_own_options_are_none_of_its_quantiser_s():
    with pytest.raises(ValueError, match="quantiser rq: got beta; these are the model's own"):
        make_quantiser(8, {"kind": "rq", "D": 2, "K": 4, "beta": "x"}, init="uniform", beta=0.25, beta_on="codebook")


def test_every_quantiser_of_the_settings_has_a_layer():
    from pqgan.settings.configurations import OTHER_QUANTISERS, kind_of

    assert set(QUANTISERS) == {"pq", *map(kind_of, OTHER_QUANTISERS)}
