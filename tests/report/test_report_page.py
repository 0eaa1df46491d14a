"""report.html: complete, self-contained, and honest about what it shows."""

import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from whole_plan import whole_plan

from pqgan.errors import DataError
from pqgan.report import contents, page, times
from pqgan.settings import load


@pytest.fixture(scope="module")
def text(reports) -> str:
    return (reports / "report.html").read_text()


class Balance(HTMLParser):
    """Collects tags that are not closed in order."""

    VOID = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.ids += [value for key, value in attributes if key == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_page_refers_to_nothing_outside_itself(text):
    without_pictures = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "data:", text)
    assert not re.search(r"https?:|//[a-z]|url\((?!#)|@import|<script|<link", without_pictures)
    targets = re.findall(r"(?:src|href|action|srcset|poster)=\"([^\"]*)\"", without_pictures)
    assert all(target.startswith(("#", "data:")) for target in targets)


def test_page_is_well_formed_and_its_links_land(text):
    parser = Balance()
    parser.feed(text)
    assert parser.wrong == []
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(parser.ids)


def test_every_item_is_shown_with_its_caption(text, reports):
    for item in contents.ITEMS:
        content = json.loads((reports / f"{item}.json").read_text())
        assert f'id="{item}"' in text
        assert html.escape(content["caption"], quote=True).replace("&#x27;", "&#39;") in text, item
    assert text.count("data:image/png;base64,") == sum(item.startswith("figure") for item in contents.ITEMS)
    assert text.count("<table>") >= 5
    assert text.index('id="table_claims"') < text.index('id="table1"')
    # the samples of the class-conditional models belong to Table 5
    assert text.index('id="table5"') < text.index('id="figure_ldm"') < text.index('id="figure1"')


def test_headings_over_columns_span_them_and_f_4_is_grey(text):
    table2 = text.partition('id="table2"')[2].partition("</thead>")[0]
    assert re.findall(r'colspan="(\d+)">([^<]*)<', table2) == [
        ("3", ""),
        ("5", "FFHQ; here the set microscopy"),
        ("5", "LSUN; here the set textures"),
        ("2", ""),
    ]
    table1 = text.partition('id="table1"')[2].partition("</thead>")[0]
    assert re.findall(r'colspan="(\d+)">([^<]*)<', table1) == [("11", ""), ("2", "Bits a pixel"), ("3", "")]
    assert text.partition('id="table3"')[2].partition("</thead>")[0].count("<tr") == 1
    table1 = text.partition('id="table1"')[2].partition("</tbody>")[0]
    assert len(re.findall(r'<tr class="reported grey( ruled)?">', table1)) == 2
    assert "tr.grey td { color: var(--grey); }" in text


def test_a_long_table_is_folded_up(synthetic, reports, tmp_path, text, monkeypatch):
    rows = len(json.loads((reports / "table_sweep.json").read_text())["rows"])
    assert f"All {rows} rows" not in text
    monkeypatch.setattr(page, "LONG", rows)
    page.run(synthetic.settings, synthetic.plan, reports, None, tmp_path / "report.html")
    changed = (tmp_path / "report.html").read_text()
    sweep = changed.partition('id="table_sweep"')[2].partition("</section>")[0]
    assert re.search(rf"<details>\s*<summary>All {rows} rows</summary>\s*<div class=\"scroll\"", sweep)
    assert re.search(r"</div>\s*</details>\s*<ul", sweep)
    parser = Balance()
    parser.feed(changed)
    assert (parser.wrong, parser.open) == ([], [])


def test_page_warns_of_random_networks_and_of_the_backbone(text):
    assert "<strong>The feature networks have random weights.</strong>" in text
    assert "InceptionV3 2048 (75 px), random weights (seed 0)" in text
    assert "is not the published Stable Diffusion" in text


def test_pictures_have_alternative_texts(text):
    pictures = re.findall(r"<img [^>]*>", text)
    assert all(re.search(r'alt="[^"]{30,}"', picture) for picture in pictures)


def test_page_works_on_a_phone_and_in_the_dark(text):
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text
    assert "max-width: 100%" in text
    # tables may be wider than a phone
    assert text.count('<div class="scroll"') == text.count("<table>")


def test_page_shows_settings_readings_and_provenance(text, synthetic):
    assert "discriminator_start" in text
    for group in ("data.geometry", "metrics.fid", "adaptation.widening"):
        assert f"<code>{group}</code>" in text
    assert '<td class="text">–</td>' not in text.partition('id="readings"')[2]  # each parameter says what it means
    assert "test processor" in text
    assert synthetic.plan.job("select", "f8").path in text
    assert (
        synthetic.origin["packages"]["matplotlib" if "matplotlib" in synthetic.origin["packages"] else "numpy"] in text
    )


def test_page_sums_run_times(text, synthetic):
    # 14 s a job in the benchmark files
    jobs = len(synthetic.plan.chapter("tokenizer"))
    row = f'<td>training</td><td>tokenizer</td><td class="number">{jobs}</td>'
    assert row in text
    assert "outside the own clock" in text
    assert "This scale asks for no GPU" in text


def test_page_counts_gpu_hours(synthetic, reports, changed_params, tmp_path):
    settings = load(changed_params("scales.smoke.hardware.gpus", 2), "smoke")
    plan = whole_plan(settings)
    assert [job.path for job in plan.all()] == [job.path for job in synthetic.plan.all()]
    page.run(settings, plan, reports, synthetic.root / "benchmarks/smoke", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    # 14 s a job: on both GPUs where it trains, on one where it only runs networks
    jobs = {chapter: len(plan.chapter(chapter)) for chapter in {job.chapter for job in plan.all()}}
    trained = sum(jobs[chapter] for chapter in ("tokenizer", "finetune", "adapt", "ldm"))
    measured = ("reference", "evaluate", "evaluate_finetuned", "samples", "generation", "speed", "matching")
    hours = 14 * (2 * trained + sum(jobs[chapter] for chapter in measured)) / 3600
    assert f"<strong>{hours:.1f} GPU hours</strong>" in text
    minutes = f"{14 * jobs['tokenizer'] / 60:.1f} min"
    row = f'<td>tokenizer</td><td class="number">{jobs["tokenizer"]}</td><td class="number">{minutes}</td>'
    assert f'{row}<td class="number">14 s</td><td class="number">2</td><td class="number">0.1</td>' in text


def test_run_times_by_hand(synthetic, tmp_path):
    job = synthetic.plan.job("tokenizer", "kl-f8-d4")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / f"{job.id}.tsv").write_text("s\tmax_rss\n10.5\tNA\n")
    (tmp_path / "tokenizer" / "kl-f8-d4-00000000.tsv").write_text("s\n1000\n")  # of other settings
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "table1.tsv").write_text("s\n2.0\n")
    found = times.run_times(synthetic.plan, tmp_path, {job.path: 7.0})
    assert [(rule.rule, rule.jobs, rule.seconds) for rule in found.rules] == [
        ("tokenizer", 1, 10.5),
        ("report", 1, 2.0),
    ]
    assert found.gpu_hours == 0
    assert found.phases() == {"training": 10.5, "tables and figures": 2.0}
    assert (found.startup_seconds, found.startup_jobs) == (3.5, 1)
    (tmp_path / "report" / "table1.tsv").write_text("seconds\n2.0\n")
    with pytest.raises(DataError, match="no column s"):
        times.run_times(synthetic.plan, tmp_path, {})


def test_page_without_benchmarks(synthetic, reports, tmp_path):
    page.run(synthetic.settings, synthetic.plan, reports, None, tmp_path / "report.html")
    assert "No benchmark files were given." in (tmp_path / "report.html").read_text()


@pytest.fixture
def copied(reports, tmp_path):
    return shutil.copytree(reports, tmp_path / "reports")


def test_page_names_a_missing_item(synthetic, copied):
    (copied / "figure7.json").unlink()
    with pytest.raises(DataError, match=r"figure7\.json: no such file; .*pqgan render figure7"):
        page.run(synthetic.settings, synthetic.plan, copied, None, copied / "report.html")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"scale": "mini"}, "expected table1 of scale 'smoke'"), ({"provenance": []}, "of other settings")],
)
def test_page_refuses_items_of_another_run(synthetic, copied, change, message):
    path = copied / "table1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        page.run(synthetic.settings, synthetic.plan, copied, None, copied / "report.html")


STARTS = """
import sys
import pqgan.report.{module}
heavy = {{"torch", "torchvision", "diffusers", "transformers", "lightning_fabric", "lpips", {more}}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    ("module", "more"),
    [
        ("figures", "'pandas'"),
        ("tables", "'matplotlib', 'pandas'"),
        ("render", "'matplotlib'"),
        ("page", "'matplotlib'"),
    ],
)
def test_report_starts_without_heavy_libraries(module, more):
    subprocess.run([sys.executable, "-c", STARTS.format(module=module, more=more)], check=True)


def test_times_for_a_terminal(synthetic, tmp_path):
    job = synthetic.plan.job("tokenizer", "f8-d32-S16-K64")
    benchmark = tmp_path / "smoke/tokenizer" / f"{job.id}.tsv"
    with pytest.raises(DataError, match="no benchmark of a planned job; run snakemake first"):
        times.show(synthetic.plan, tmp_path)
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\tmax_rss\n12.5\t100\n")
    lines = times.show(synthetic.plan, tmp_path).splitlines()
    assert lines[1].split() == ["training", "tokenizer", "1", "12.5", "12.5"]
    assert lines[2].split() == ["training", "12.5", "100%"]
    assert lines[-2] == f"{'GPU hours, each job times the GPUs it had':47}{0:9.1f}"
    assert lines[-1].split()[-1] == "12.5"
