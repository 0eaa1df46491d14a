"""Prompts, names of methods and captions are text: no mathematics, no mark-up, no commands, whatever stands in them."""

import contextlib
import html
import json
import re
import shutil
import subprocess
import warnings
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import yaml
from matplotlib.text import Text

from pqgan.report import collect, contents, page
from pqgan.report.figures import make
from pqgan.report.figures.style import drawable, files, style, wrapped
from pqgan.report.latex import latex
from pqgan.report.latex_text import escape
from pqgan.report.results import Results
from pqgan.report.tables.table import Column, Group, Table, row
from pqgan.report.text import markdown, one_line
from pqgan.settings import load

HOSTILE = [
    "a $5 bill and a $10 bill",
    r"$\foo{$ \input{/etc/passwd} \\ 100% #1 a_b^c ~ & {",
    "[3] kittens",
    "* a starred prompt",
    "漢字の猫 👩\u200d🚀 e\u0301 q\u0301\u0323 \u0645\u0631\u062d\u0628\u0627",
    "first line\r\nsecond\tand\nthird \x1b[31mred\x00 \u202eturned\u202c",
    "<script>alert(1)</script> &amp; \"quoted\" 'single'",
    "![x](http://example.org/x.png) [a](b) `code` **bold** <b>b</b> | bar",
    "a--b ``c'' ?`d |e|",
    "1. a list",
    "# a title",
    "- an item",
]
METHODS = [HOSTILE[1], HOSTILE[2], HOSTILE[5]]
SHOWN = {
    "a $5 bill and a $10 bill": "a $5 bill and a $10 bill",
    "first\r\nsecond\tthird\nfourth\u2028fifth": "first second third fourth fifth",
    "e\u0301": "é",
    "\x1b[31m\x00": "�[31m�",
    "\u202eturned": "�turned",
    "\ud800": "�",
    "👩\u200d🚀": "👩\u200d🚀",
}
ITEMS = ("table2", "table5", "figure4", *contents.generators.GRIDS, "figure_ldm")


@pytest.mark.parametrize(("text", "shown"), SHOWN.items(), ids=map(repr, SHOWN))
def test_a_text_is_one_line_that_acts_on_nothing(text, shown):
    assert one_line(text) == shown


@pytest.fixture(scope="module")
def hostile(params_path, tmp_path_factory, synthetic):
    """A run whose prompts and methods are such texts."""
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    root = tmp_path_factory.mktemp("hostile")
    (root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    settings = load(root / "params.yaml", "smoke")
    latents = {
        name: latent.model_copy(update={"method": text})
        for (name, latent), text in zip(
            settings.scale.ldm.latents.items(), [HOSTILE[1], HOSTILE[2], HOSTILE[5]], strict=True
        )
    }
    scale = settings.scale.model_copy(
        update={
            "adapt": settings.scale.adapt.model_copy(update={"prompts": tuple(HOSTILE)}),
            "ldm": settings.scale.ldm.model_copy(update={"latents": latents}),
        }
    )
    return type(synthetic)(settings.model_copy(update={"scale": scale}), root, ITEMS)


@pytest.fixture(scope="module")
def rendered(hostile):
    """All of it, in a folder, with what it warned of."""
    folder = hostile.root / "reports"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for item in ITEMS:
            hostile.render(item, folder)
    assert [str(warning.message) for warning in said if "lyph" in str(warning.message)] == []
    return folder


def test_texts_reach_the_page_and_the_record_of_an_item_as_they_are(rendered):
    alt = json.loads((rendered / "figure8.json").read_text())["alt"]
    for text in HOSTILE:
        assert one_line(text) in alt
    rows = json.loads((rendered / "table5.json").read_text())["rows"]
    methods = [row["cells"]["latent"]["text"] for row in rows if row["source"] == "measured"]
    assert methods == list(map(one_line, METHODS))


def test_a_figure_draws_dollars_and_blanks_and_no_box(hostile, rendered):
    with contextlib.chdir(hostile.root):
        jobs = [hostile.plan.job("samples", "PQSD-Precise")]
        picture = make(hostile.settings, hostile.plan, "figure8", Results(jobs))
    files(picture)
    drawn = [text.get_text() for text in picture.figure.findobj(Text) if text.get_text()]
    assert all(text.get_parse_math() is False for text in picture.figure.findobj(Text))
    words = {" ".join(text.split()) for text in drawn}
    assert HOSTILE[0] in words
    assert any("[U+6F22 U+5B57" in text for text in words)
    assert all(drawable(text) == text for text in drawn)


def test_a_text_of_a_whole_book_does_not_make_a_figure_of_that_height():
    lines = wrapped("word " * 100_000, 2.0, 7).splitlines()
    assert len(lines) == 12
    assert lines[-1].endswith("word …")


def test_mathematics_of_our_own_stays_mathematics(synthetic):
    jobs = [synthetic.plan.job(job.chapter, job.name) for job in synthetic.plan.chapter("evaluate").values()]
    with contextlib.chdir(synthetic.root):
        for item, formula in (("figure3", "$H_n$"), ("figure2", r"$\hat{x}$")):
            picture = make(synthetic.settings, synthetic.plan, item, Results(jobs))
            texts = {text.get_text(): text.get_parse_math() for text in picture.figure.findobj(Text)}
            assert texts[formula] is True
            assert not any("$" in text and not parsed for text, parsed in texts.items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a $5 bill", r"a \$5 bill"),
        ("[3] kittens", "{}[3] kittens"),
        ("* star", "{}* star"),
        ("  [3]", "{}  [3]"),
        ("x [3] *", "x [3] *"),
        ("é Å ï ş ő ß", r"\'{e} \r{A} " + '\\"{\\i}' + r" \c{s} \H{o} \ss{}"),
        ("漢字 x", "{}[U+6F22 U+5B57] x"),
        ("q\u0301", "q[U+0301]"),
        ("a\r\nb\tc\n\nd", "a b c  d"),
        ("\x1b", "{}[U+FFFD]"),
        ("--- ``a'' ?`", "-{}-{}- `{}`a'{}' ?{}`"),
        ("a|b", "a$|$b"),
        ("10⁻³ m² 10²³", "10$^{-3}$ m$^2$ 10$^{23}$"),
    ],
)
def test_latex_of_a_text(text, expected):
    assert escape(text) == expected


def test_latex_holds_no_character_beyond_ascii(rendered):
    for item in ("table2", "table5"):
        assert (rendered / f"{item}.tex").read_text().isascii()


@pytest.fixture
def compiles(tmp_path):
    """Makes a document of LaTeX; skips where it is not installed."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")

    def compiles(body: str) -> None:
        lines = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}", body, r"\end{document}"]
        (tmp_path / "all.tex").write_text("\n".join(lines))
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert run.returncode == 0, run.stdout.decode(errors="replace")[-2000:]

    return compiles


@pytest.mark.parametrize("wide", [0, 0.4])
@pytest.mark.parametrize("bold", [False, True])
def test_latex_of_any_text_compiles(compiles, wide, bold):
    columns = [Column("a", "[x]", numeric=False, wide=wide), Column("b", "* y", unit="%$", numeric=False)]
    rows = [row("measured", a=text, b=text) for text in [*HOSTILE, "".join(map(chr, range(0x20, 0x250)))]]
    rows = [replace(line, cells={key: replace(cell, bold=bold) for key, cell in line.cells.items()}) for line in rows]
    table = Table("table9", HOSTILE[1], HOSTILE[2], columns, [Group("[g]", rows), Group("", rows)], HOSTILE)
    compiles(latex(table))


def test_latex_of_the_report_compiles(compiles, rendered):
    compiles("\n".join((rendered / f"{item}.tex").read_text() for item in ("table2", "table5")))


def test_the_page_shows_texts_and_runs_none(hostile, rendered, reports, tmp_path):
    shutil.copytree(reports, tmp_path, dirs_exist_ok=True)
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True)
    for item in contents.ITEMS:
        file = tmp_path / f"{item}.json"
        content = json.loads(file.read_text())
        # as if the others too were made from these results
        content["provenance"] = [
            made | {"path": job.path}
            for made, job in zip(content["provenance"], contents.inputs(hostile.plan, item), strict=True)
        ]
        file.write_text(json.dumps(content))
    out = tmp_path / "report.html"
    page.run(hostile.settings, hostile.plan, tmp_path, None, out)
    text = out.read_text()
    escaped = html.escape(one_line(HOSTILE[6]), quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    assert escaped in text
    tags = Tags()
    tags.feed(text)
    assert tags.found.isdisjoint({"script", "b"})
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)


class Tags(HTMLParser):
    """Collects names of elements."""

    def __init__(self):
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag, attributes):
        self.found.add(tag)
        assert not any(name.startswith("on") for name, _ in attributes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a $5 bill and a $10 bill", "a <span>$</span>5 bill and a <span>$</span>10 bill"),
        ("<script>x</script> &amp; a & b", "&lt;script>x&lt;/script> &amp;amp; a & b"),
        ("![x](y) [a]: z [b][c]", r"![x\](y) [a\]: z [b\][c]"),
        ("`code` **bold** ~~gone~~ _thin_ f8_d16 H_n", r"\`code\` \*\*bold\*\* \~\~gone\~\~ \_thin\_ f8_d16 H_n"),
        (r"a\b", r"a\\b"),
        ("1. a list", r"1\. a list"),
        ("# a title", r"\# a title"),
        ("- an item", r"\- an item"),
        ("---", r"\---"),
        ("> said", r"\> said"),
        ("-3.2 and 1.5", "-3.2 and 1.5"),
        ("a\n\n# b", "a  # b"),
    ],
)
def test_markdown_of_a_text(text, expected):
    assert markdown(text) == expected


def test_the_page_of_a_collection_shows_texts_as_they_are(hostile, tmp_path):
    with contextlib.chdir(hostile.root):
        collect.run(hostile.settings, hostile.plan, ["table5"], tmp_path / "kept")
    said = (tmp_path / "kept" / "README.md").read_text()
    rows = [line for line in said.splitlines() if line.startswith("|")]
    width = len(json.loads((tmp_path / "kept" / "table5.json").read_text())["columns"]) + 1
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {width}
    assert any(line.startswith(f"| {markdown(HOSTILE[1])} ") for line in rows)


def test_texts_without_anything_to_escape_are_left_alone():
    with style():
        for text in ("scale ‘smoke’, n = 48 · 64 px", "PSNR [dB] ↑", "Σ µ ± √"):
            assert drawable(text) == one_line(text) == markdown(text) == text
