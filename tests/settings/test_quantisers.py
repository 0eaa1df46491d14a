"""Lines of the sweep that name another quantiser: what they are called, what they change, and what is refused."""

import pytest
from whole_plan import whole_plan

from pqgan.errors import SettingsError
from pqgan.settings import FSQConfig, RQConfig, load
from pqgan.settings.configurations import BY_KIND, kind_of
from pqgan.subjects import bits_per_pixel

RQ = {"kind": "rq", "F": 16, "d": 32, "D": 4, "K": 64}
FSQ = {"kind": "fsq", "F": 8, "levels": [8, 5, 5, 5]}


@pytest.fixture
def with_lines(changed_params, smoke):
    """Smoke's settings with further lines in a part of the tokenizers."""

    def with_lines(*lines, part="sweep"):
        known = [config.model_dump(mode="json") for config in getattr(smoke.scale.tokenizer, part)]
        return load(changed_params(f"scales.smoke.tokenizer.{part}", [*known, *lines]), "smoke")

    return with_lines


@pytest.mark.parametrize("part", ["sweep", "baselines"])
def test_a_line_adds_its_training_and_its_evaluation_and_moves_no_address(smoke, with_lines, part):
    wider = with_lines(RQ, FSQ, RQ | {"seed": 3}, part=part)
    before, after = (whole_plan(settings).all() for settings in (smoke, wider))
    known = {job.path for job in before}
    added = [f"{job.chapter}/{job.name}" for job in after if job.path not in known]
    names = ["rq-f16-d32-D4-K64", "fsq-f8-L8x5x5x5", "rq-f16-d32-D4-K64-seed3"]
    assert sorted(added) == sorted(f"{chapter}/{name}" for chapter in ("tokenizer", "evaluate") for name in names)
    assert len(after) == len(before) + 6


def test_a_line_without_a_kind_is_the_product_quantiser(with_lines, smoke):
    plain, told = {"F": 8, "d": 16, "S": 2, "K": 16}, {"kind": "pq", "F": 8, "d": 16, "S": 2, "K": 32}
    configs = with_lines(plain, told).scale.tokenizer.configs
    assert configs["f8-d16-S2-K16"].kind == configs["f8-d16-S2-K32"].kind == "pq"


def test_no_selection_takes_another_quantiser_and_it_has_the_plain_trunk(with_lines):
    settings = with_lines(RQ, FSQ)
    section = settings.scale.tokenizer
    for name in ("rq-f16-d32-D4-K64", "fsq-f8-L8x5x5x5"):
        config = section.configs[name]
        assert section.trunk(config).shortcut == "none"
        assert name not in settings.candidates(config.F)


def test_shapes_of_codes_and_what_they_cost():
    rq, fsq = RQConfig.model_validate(RQ), FSQConfig.model_validate(FSQ)
    assert (rq.S, rq.K, rq.in_codebooks, rq.search_products) == (4, 64, 32 * 64, 4 * 32 * 64)
    assert (fsq.d, fsq.S, fsq.K, fsq.in_codebooks, fsq.search_products) == (4, 1, 1000, 0, 0)
    assert bits_per_pixel(rq.F, rq.S, rq.K) == 24 / 256
    assert bits_per_pixel(fsq.F, fsq.S, fsq.K) == 10 / 64


@pytest.mark.parametrize("kind", sorted({config.network for config in BY_KIND.values()}))
def test_networks_are_those_of_a_kind_of_which_the_smallest_is_counted(kind):
    config = BY_KIND[kind].smallest(8, 4)
    assert (config.kind, kind_of(type(config)), config.F, config.d) == (kind, kind, 8, 4)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (RQ | {"D": 0}, r"sweep\.\d+\.D: got 0;"),
        (RQ | {"S": 4}, r"unknown key 'S'; allowed: F, seed, kind, d, D, K"),
        (RQ | {"K": 1}, r"sweep\.\d+\.K: got 1;"),
        (FSQ | {"levels": []}, r"sweep\.\d+\.levels: got \[\];"),
        (FSQ | {"levels": [8, 1]}, r"sweep\.\d+\.levels\.1: got 1;"),
        (FSQ | {"levels": [4096, 4097]}, r"levels \[4096, 4097\] make 16,781,312 codes; allowed: at most 16,777,216"),
        ({"kind": "lfq", "F": 8, "d": 4}, r"sweep\.\d+: kind: allowed in the sweep: pq, rq, fsq"),
        ({"kind": "kl", "F": 8, "d": 4}, r"sweep\.\d+: kind: .*kl, vqgan and linear are baselines"),
        (7, r"sweep\.\d+: "),
    ],
)
def test_what_is_no_line_of_the_sweep_is_refused_in_one_line(with_lines, line, message):
    with pytest.raises(SettingsError, match=message) as caught:
        with_lines(line)
    assert "\n" not in str(caught.value)
