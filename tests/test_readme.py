"""What the README tells a stranger to type works."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio
from whole_plan import whole_plan

from pqgan.chapters import VERBS
from pqgan.settings import load
from pqgan.storage.manifest import damages
from pqgan.tokenizer.load import load_model

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs_and_gives_the_photograph_back(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    photograph = Image.fromarray(astronaut())  # the tokenizer never saw it
    photograph.save("photo.jpg", quality=95)
    exec(example, {})
    again = np.asarray(Image.open("again.png"))
    assert again.shape == (256, 256, 3)
    assert peak_signal_noise_ratio(np.asarray(photograph.resize((256, 256))), again) > 40


@pytest.mark.parametrize(("name", "least"), [("f8-d128-S64-K512", 42), ("f16-d128-S64-K128", 29)])
def test_a_trained_tokenizer_is_as_it_was_made_and_keeps_a_photograph(name, least):
    folder = ROOT / "models" / name
    assert damages(folder) == []
    assert sum(file.stat().st_size for file in folder.iterdir()) < 10e6
    weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    assert weights["quantiser.codebooks"].dtype == torch.float32
    model = load_model(folder).eval()
    image = torch.from_numpy(np.array(Image.fromarray(astronaut()).resize((256, 256)))).permute(2, 0, 1)[None]
    with torch.inference_mode():
        again = model.decode_from_codes(model.encode_to_codes(image / 127.5 - 1)).clamp(-1, 1)
    levels = again.add(1).mul(127.5).round().byte()
    assert peak_signal_noise_ratio(image.numpy(), levels.numpy()) > least


def test_every_model_is_tested():
    assert {path.name for path in (ROOT / "models").iterdir() if path.is_dir()} == {
        "f8-d128-S64-K512",
        "f16-d128-S64-K128",
    }


def test_the_line_that_adds_a_configuration_is_one(params_path, tmp_path):
    (line,) = re.findall(r"^    - \{F: .*\}$", README, re.MULTILINE)
    text = params_path.read_text().replace("      sweep:\n", f"      sweep:\n    {line}\n", 1)
    (tmp_path / "params.yaml").write_text(text)
    before, after = (whole_plan(load(path, "smoke")) for path in (params_path, tmp_path / "params.yaml"))
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


def test_the_claims_that_hold_are_as_many_as_the_kept_report_says():
    caption = json.loads((ROOT / "findings/mini/table_claims.json").read_text())["caption"]
    told = re.search(r"Of the paper's (\d+) claims, (\d+) hold at that scale, (\d+) do not and (\d+) are not", README)
    counts = [int(number) for number in told.groups()]
    kept = re.match(r"Claims that hold: (\d+); that do not hold: (\d+); not resolved at this scale: (\d+)\.", caption)
    assert counts[1:] == [int(number) for number in kept.groups()]
    assert counts[0] == sum(counts[1:])
    told = re.search(r"(\d+) of the (\d+) that\s+are tested by reconstruction hold and (\d+) do not", README)
    kept = re.search(
        r"of the (\d+) that are tested by reconstruction, claims that hold: (\d+); that do not hold: (\d+)", caption
    )
    assert (told[1], told[2], told[3]) == (kept[2], kept[1], kept[3])


def test_the_sweep_has_the_size_that_is_told(params_path):
    jobs = whole_plan(load(params_path, "paper")).chapter("tokenizer")
    factors = [job.spec["config"]["F"] for job in jobs.values() if job.spec["config"]["kind"] != "linear"]
    assert re.search(r"\| sweep, F=8 \| (\d+) \|", README)[1] == str(factors.count(8))
    assert re.search(r"\| sweep, F=16 \| (\d+) \|", README)[1] == str(factors.count(16))


def test_every_verb_is_used_by_a_rule():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    for verb in VERBS:
        assert f"pqgan {verb} " in rules
