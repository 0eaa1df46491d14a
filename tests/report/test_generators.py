"""Which variants and sizes each figure of samples shows: by F, sample_size and shape, whatever their names."""

from whole_plan import whole_plan

from pqgan.report import contents, figures, generators
from pqgan.report.figures.style import Picture
from pqgan.report.results import Results
from pqgan.settings import Settings

FIGURES = ("figure4", *generators.GRIDS)


def with_variants(smoke: Settings, **variants: dict) -> Settings:
    """Each as PQSD-Quick, but for what is given."""
    raw = smoke.model_dump()
    quick = raw["scale"]["adapt"]["variants"]["PQSD-Quick"]
    raw["scale"]["adapt"]["variants"] = {name: quick | changes for name, changes in variants.items()}
    return Settings.model_validate(raw)


def shown(settings: Settings) -> dict[str, list[str]]:
    """Of each figure that has something to show."""
    found = {}
    for item in FIGURES:
        names = generators.variants(settings, item)
        jobs = contents.inputs(whole_plan(settings), item)
        assert [(job.chapter, job.name) for job in jobs] == [("samples", name) for name in names]
        if names:
            found[item] = names
    return found


def drawn(settings: Settings, item: str) -> Picture:
    return figures.make(settings, whole_plan(settings), item, Results(contents.inputs(whole_plan(settings), item)))


def test_the_papers_figures_show_the_papers_variants(smoke):
    assert shown(smoke) == {
        "figure4": ["PQSD-HR", "PQSD-Precise", "PQSD-Quick"],
        "figure8": ["PQSD-Precise"],
        "figure9": ["PQSD-HR", "PQSD-Quick"],
        "figure10": ["PQSD-HR", "PQSD-Quick"],
    }


def test_a_single_variant_has_two_figures_and_the_others_say_why_they_have_none(smoke):
    settings = with_variants(smoke, only={})
    assert shown(settings) == {"figure4": ["only"], "figure8": ["only"]}
    for item, what in (("figure9", "square samples of variants"), ("figure10", "variants")):
        said = f"This figure shows {what} whose F is not the smallest; adapt.variants has none at scale 'smoke'."
        picture = drawn(settings, item)
        assert picture.alt == said
        assert picture.caption.startswith(f"{said} Nothing was drawn: ")


def test_without_variants_each_figure_says_so(smoke):
    settings = with_variants(smoke)
    for item in FIGURES:
        assert "; adapt.variants has none at scale 'smoke'." in drawn(settings, item).alt


def test_variants_of_one_f_are_all_in_figure_8(smoke):
    settings = with_variants(smoke, small={}, large={"sample_size": 192}, other={})
    assert shown(settings) == {"figure4": ["large", "small", "other"], "figure8": ["large", "small", "other"]}


def test_only_what_has_square_samples_is_in_figure_9(smoke):
    settings = with_variants(
        smoke, fine={"F": 8}, wide={"samples": [[96, 192]]}, both={"samples": [[192, 96], [96, 96]]}
    )
    assert shown(settings)["figure9"] == ["both"]
    assert shown(settings)["figure10"] == ["wide", "both"]
    none = with_variants(smoke, fine={"F": 8}, wide={"samples": [[96, 192]]})
    assert shown(none) == {"figure4": ["fine", "wide"], "figure8": ["fine"], "figure10": ["wide"]}


def test_sizes_of_each_figure(smoke):
    made = [(96, 96), (192, 96), (64, 64), (96, 192)]
    assert generators.sizes("figure4", made) == [(96, 96)]
    assert generators.sizes("figure8", made) == made
    assert generators.sizes("figure9", made) == [(96, 96), (64, 64)]
    assert generators.sizes("figure10", made) == [(192, 96), (96, 192), (96, 96), (64, 64)]
