"""`snakemake --report` on a finished checkout: complete, with captions, without a network, rerunning nothing."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from whole_plan import pretend_selected

from pqgan.report import contents
from pqgan.settings import load

ROOT = Path(__file__).parents[2]
NO_NETWORK = ["unshare", "--net", "--map-root-user"]
"""A program in a network of its own, where nothing answers."""


@pytest.fixture(scope="module")
def finished(reports, synthetic, tmp_path_factory) -> Path:
    """A checkout in which everything is there, as `dvc pull` leaves it."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("Snakefile", "params.yaml"):
        shutil.copy(ROOT / name, checkout)
    shutil.copytree(ROOT / "workflow", checkout / "workflow")
    (checkout / "profiles").symlink_to("workflow/profiles")
    pretend_selected(synthetic.plan.settings, checkout)
    for job in synthetic.plan.all():
        (checkout / job.path).mkdir(parents=True, exist_ok=True)
    shutil.copytree(reports, checkout / "reports")
    return checkout


def snakemake(checkout: Path, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [*before, sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def archive(finished) -> zipfile.ZipFile:
    alone = subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False).returncode == 0
    run = snakemake(finished, "--report", "all.zip", before=tuple(NO_NETWORK) if alone else ())
    assert run.returncode == 0, run.stderr
    return zipfile.ZipFile(finished / "all.zip")


def test_marking_outputs_makes_nothing_rerun(finished):
    run = snakemake(finished, "-n", "reports/report.html")
    assert run.returncode == 0, run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr


def test_every_table_and_figure_is_in_the_archive(archive, finished):
    raw = {Path(name).name: name for name in archive.namelist() if "/data/raw/" in name}
    expected = {f"{item}.{'tex' if item.startswith('table') else 'png'}" for item in contents.ITEMS}
    assert set(raw) == expected | {"report.html"}
    for name, place in raw.items():
        assert archive.read(place) == (finished / "reports" / name).read_bytes()


@pytest.fixture(scope="module")
def page(archive) -> str:
    """Snakemake's page, without the marks inside captions."""
    return re.sub(r"</?(span|tt|em)\b[^>]*>", "", archive.read("all/report.html").decode())


def test_every_table_and_figure_has_title_and_caption(page):
    settings = load(ROOT / "params.yaml", "smoke")
    for item in contents.ITEMS:
        title = contents.title(settings, item)
        assert f'"Shows": "{title}"' in page, item
        assert f"{item} at scale smoke" in page
    assert "Every table and figure of the PQGAN paper" in page
    assert "Everything in one file that opens without a network" in page
    for category in ("Tables", "Figures", "All in one page"):
        assert f'"{category}"' in page


def test_captions_name_commands_that_can_be_pasted(page):
    assert set(re.findall(r"pqgan render \w+ --scale \w+ --out reports/\w+\.\w+", page)) == {
        f"pqgan render {item} --scale smoke --out reports/{item}.{'tex' if item.startswith('table') else 'pdf'}"
        for item in contents.ITEMS
    }
