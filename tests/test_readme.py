"""What the README tells a stranger to type works."""

import re
from pathlib import Path

from PIL import Image

from pqgan.cli import VERBS
from pqgan.plan import Plan
from pqgan.settings import load
from pqgan.tokenizer.build import build

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(smoke, tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    config = smoke.scale.tokenizer.configs["f8-d16-S8-K64"]
    model = build(config, smoke.scale.tokenizer.trunks[8], smoke.reading, seed=0)
    model.save_pretrained(tmp_path / "results/smoke/select/f8-00000000")
    Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 50).convert("RGB").save("photo.jpg")
    exec(example, {})
    assert Image.open("again.png").size == (256, 256)


def test_the_line_that_adds_a_configuration_is_one(params_path, tmp_path):
    (line,) = re.findall(r"^    - \{F: .*\}$", README, re.MULTILINE)
    text = params_path.read_text().replace("      sweep:\n", f"      sweep:\n    {line}\n", 1)
    (tmp_path / "params.yaml").write_text(text)
    before, after = (Plan(load(path, "smoke")) for path in (params_path, tmp_path / "params.yaml"))
    assert set(after.chapter("tokenizer")) - set(before.chapter("tokenizer")) == {"f8-d32-S8-K256"}
    kept = before.chapter("tokenizer").items()
    assert all(after.job("tokenizer", name).path == job.path for name, job in kept)


def test_every_place_in_the_tree_exists():
    (tree,) = re.findall(r"## What is where\n\n(.*?)\n\n##", README, re.DOTALL)
    for line in tree.splitlines():
        places = [place.strip() for place in line[:32].split(",")]
        for place in places:
            made = place.startswith(("data/", "results/", "reports/", "runs/"))
            assert made or (ROOT / place).exists() or (ROOT / "pqgan" / place).exists(), place


def test_the_sweep_has_the_size_that_is_told(params_path):
    jobs = Plan(load(params_path, "paper")).chapter("tokenizer")
    factors = [job.spec["config"]["F"] for job in jobs.values()]
    assert re.search(r"\| sweep, F=8 \| (\d+) \|", README)[1] == str(factors.count(8))
    assert re.search(r"\| sweep, F=16 \| (\d+) \|", README)[1] == str(factors.count(16))


def test_every_verb_is_used_by_a_rule():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    for verb in VERBS:
        assert f"pqgan {verb} " in rules
