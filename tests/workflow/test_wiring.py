"""Which result feeds which, and which folder each rule's command line gives to which role: written out by hand."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from whole_plan import pretend_selected, whole_plan

from pqgan.report import contents
from pqgan.settings import load

ROOT = Path(__file__).parents[2]

ON_VAL = "set-val=data/val reference-val=reference/val"
ON_ALL = (
    "set-val=data/val set-FFHQ=data/microscopy set-LSUN=data/textures "
    "reference-val=reference/val reference-FFHQ=reference/microscopy reference-LSUN=reference/textures"
)
ON_LARGE = (
    "set-val=data/val_large set-double=data/val_double "
    "reference-val=reference/val_large reference-double=reference/val_double"
)

PLANNED = f"""
data/train
data/val
data/train_large
data/val_large
data/val_double
data/microscopy
data/textures

reference/val            data=data/val
reference/microscopy     data=data/microscopy
reference/textures       data=data/textures
reference/val_large      data=data/val_large
reference/val_double     data=data/val_double

tokenizer/f8-d16-S1-K64       data=data/train
tokenizer/f8-d16-S4-K64       data=data/train
tokenizer/f8-d16-S8-K64       data=data/train
tokenizer/f8-d16-S16-K64      data=data/train
tokenizer/f8-d32-S16-K64      data=data/train
tokenizer/f8-d16-S8-K256      data=data/train
tokenizer/f8-d64-S32-K256     data=data/train
tokenizer/f16-d16-S1-K64      data=data/train
tokenizer/f16-d16-S8-K64      data=data/train
tokenizer/f16-d32-S16-K64     data=data/train
tokenizer/f16-d64-S32-K256    data=data/train
tokenizer/f32-d32-S16-K64     data=data/train
tokenizer/kl-f8-d4            data=data/train
tokenizer/vqgan-f16-d32-K128  data=data/train
tokenizer/linear-f8-d64-S32-K256   data=data/train
tokenizer/linear-f16-d64-S32-K256  data=data/train

published/jpeg@1
published/jpeg@3
published/webp@1
published/webp@3

evaluate/f8-d16-S1-K64        model=tokenizer/f8-d16-S1-K64 {ON_VAL}
evaluate/jpeg@1               model=published/jpeg@1 {ON_VAL}
evaluate/jpeg@3               model=published/jpeg@3 {ON_VAL}
evaluate/webp@1               model=published/webp@1 {ON_VAL}
evaluate/webp@3               model=published/webp@3 {ON_VAL}
evaluate/f8-d16-S4-K64        model=tokenizer/f8-d16-S4-K64 {ON_ALL}
evaluate/f8-d16-S8-K64        model=tokenizer/f8-d16-S8-K64 {ON_ALL}
evaluate/f8-d16-S16-K64       model=tokenizer/f8-d16-S16-K64 {ON_ALL}
evaluate/f8-d32-S16-K64       model=tokenizer/f8-d32-S16-K64 {ON_ALL}
evaluate/f8-d16-S8-K256       model=tokenizer/f8-d16-S8-K256 {ON_ALL}
evaluate/f8-d64-S32-K256      model=tokenizer/f8-d64-S32-K256 {ON_ALL}
evaluate/f16-d16-S1-K64       model=tokenizer/f16-d16-S1-K64 {ON_VAL}
evaluate/f16-d16-S8-K64       model=tokenizer/f16-d16-S8-K64 {ON_ALL}
evaluate/f16-d32-S16-K64      model=tokenizer/f16-d32-S16-K64 {ON_ALL}
evaluate/f16-d64-S32-K256     model=tokenizer/f16-d64-S32-K256 {ON_ALL}
evaluate/f32-d32-S16-K64      model=tokenizer/f32-d32-S16-K64 {ON_VAL}
evaluate/kl-f8-d4             model=tokenizer/kl-f8-d4 {ON_ALL}
evaluate/vqgan-f16-d32-K128   model=tokenizer/vqgan-f16-d32-K128 {ON_VAL}
evaluate/linear-f8-d64-S32-K256   model=tokenizer/linear-f8-d64-S32-K256 {ON_ALL}
evaluate/linear-f16-d64-S32-K256  model=tokenizer/linear-f16-d64-S32-K256 {ON_ALL}

select/f8   model-f8-d16-S4-K64=tokenizer/f8-d16-S4-K64     metrics-f8-d16-S4-K64=evaluate/f8-d16-S4-K64
select/f8   model-f8-d16-S8-K64=tokenizer/f8-d16-S8-K64     metrics-f8-d16-S8-K64=evaluate/f8-d16-S8-K64
select/f8   model-f8-d16-S16-K64=tokenizer/f8-d16-S16-K64   metrics-f8-d16-S16-K64=evaluate/f8-d16-S16-K64
select/f8   model-f8-d32-S16-K64=tokenizer/f8-d32-S16-K64   metrics-f8-d32-S16-K64=evaluate/f8-d32-S16-K64
select/f8   model-f8-d16-S8-K256=tokenizer/f8-d16-S8-K256   metrics-f8-d16-S8-K256=evaluate/f8-d16-S8-K256
select/f8   model-f8-d64-S32-K256=tokenizer/f8-d64-S32-K256   metrics-f8-d64-S32-K256=evaluate/f8-d64-S32-K256
select/f16  model-f16-d16-S8-K64=tokenizer/f16-d16-S8-K64   metrics-f16-d16-S8-K64=evaluate/f16-d16-S8-K64
select/f16  model-f16-d32-S16-K64=tokenizer/f16-d32-S16-K64 metrics-f16-d32-S16-K64=evaluate/f16-d32-S16-K64
select/f16  model-f16-d64-S32-K256=tokenizer/f16-d64-S32-K256 metrics-f16-d64-S32-K256=evaluate/f16-d64-S32-K256

finetune/f8    model=tokenizer/f8-d64-S32-K256   data=data/train_large
finetune/f16   model=tokenizer/f16-d64-S32-K256  data=data/train_large
evaluate_finetuned/selected-f8    model=tokenizer/f8-d64-S32-K256     {ON_LARGE}
evaluate_finetuned/finetuned-f8   model=finetune/f8   {ON_LARGE}
evaluate_finetuned/selected-f16   model=tokenizer/f16-d64-S32-K256    {ON_LARGE}
evaluate_finetuned/finetuned-f16  model=finetune/f16  {ON_LARGE}
evaluate_finetuned/backbone-vae    model=backbone/backbone   {ON_LARGE}
evaluate_finetuned/kl-f8-d4        model=tokenizer/kl-f8-d4  {ON_LARGE}

backbone/backbone
adapt/PQSD-Precise-stage1
    unet=backbone/backbone         backbone=backbone/backbone tokenizer=finetune/f8  data=data/train_large
adapt/PQSD-Precise-stage2
    unet=adapt/PQSD-Precise-stage1 backbone=backbone/backbone tokenizer=finetune/f8  data=data/train_large
adapt/PQSD-Quick-stage1
    unet=backbone/backbone         backbone=backbone/backbone tokenizer=finetune/f16 data=data/train_large
adapt/PQSD-Quick-stage2
    unet=adapt/PQSD-Quick-stage1   backbone=backbone/backbone tokenizer=finetune/f16 data=data/train_large
adapt/PQSD-HR-stage1
    unet=backbone/backbone         backbone=backbone/backbone tokenizer=finetune/f16 data=data/train_large
adapt/PQSD-HR-stage2
    unet=adapt/PQSD-HR-stage1      backbone=backbone/backbone tokenizer=finetune/f16 data=data/train_large
samples/PQSD-Precise  unet=adapt/PQSD-Precise-stage2 backbone=backbone/backbone tokenizer=finetune/f8
samples/PQSD-Quick    unet=adapt/PQSD-Quick-stage2   backbone=backbone/backbone tokenizer=finetune/f16
samples/PQSD-HR       unet=adapt/PQSD-HR-stage2      backbone=backbone/backbone tokenizer=finetune/f16
speed/SDv2.1          backbone=backbone/backbone
speed/PQSD-Precise    unet=adapt/PQSD-Precise-stage2 backbone=backbone/backbone tokenizer=finetune/f8
speed/PQSD-Quick      unet=adapt/PQSD-Quick-stage2   backbone=backbone/backbone tokenizer=finetune/f16
speed/PQSD-HR         unet=adapt/PQSD-HR-stage2      backbone=backbone/backbone tokenizer=finetune/f16

ldm/vae        tokenizer=tokenizer/kl-f8-d4 data=data/train
ldm/pqgan-f8   tokenizer=tokenizer/f8-d64-S32-K256          data=data/train
ldm/pqgan-f16  tokenizer=tokenizer/f16-d64-S32-K256         data=data/train
generation/vae        model=ldm/vae       tokenizer=tokenizer/kl-f8-d4 reference=reference/val
generation/pqgan-f8   model=ldm/pqgan-f8  tokenizer=tokenizer/f8-d64-S32-K256          reference=reference/val
generation/pqgan-f16  model=ldm/pqgan-f16 tokenizer=tokenizer/f16-d64-S32-K256         reference=reference/val
matching/matching
"""

SETS = "--sets val=data/val FFHQ=data/microscopy LSUN=data/textures"
REFERENCES = "--references val=reference/val FFHQ=reference/microscopy LSUN=reference/textures"
VAL = "--sets val=data/val --references val=reference/val"
LARGE = (
    "--sets val=data/val_large double=data/val_double --references val=reference/val_large double=reference/val_double"
)

COMMANDS = f"""
data/train        prepare-data train
data/val          prepare-data val
data/train_large  prepare-data train_large
data/val_large    prepare-data val_large
data/val_double   prepare-data val_double
data/microscopy   prepare-data microscopy
data/textures     prepare-data textures
reference/val         reference val         --data data/val
reference/microscopy  reference microscopy  --data data/microscopy
reference/textures    reference textures    --data data/textures
reference/val_large   reference val_large   --data data/val_large
reference/val_double  reference val_double  --data data/val_double

tokenizer/f8-d16-S1-K64       train-tokenizer f8-d16-S1-K64       --data data/train
tokenizer/f8-d16-S4-K64       train-tokenizer f8-d16-S4-K64       --data data/train
tokenizer/f8-d16-S8-K64       train-tokenizer f8-d16-S8-K64       --data data/train
tokenizer/f8-d16-S16-K64      train-tokenizer f8-d16-S16-K64      --data data/train
tokenizer/f8-d32-S16-K64      train-tokenizer f8-d32-S16-K64      --data data/train
tokenizer/f8-d16-S8-K256      train-tokenizer f8-d16-S8-K256      --data data/train
tokenizer/f8-d64-S32-K256     train-tokenizer f8-d64-S32-K256     --data data/train
tokenizer/f16-d16-S1-K64      train-tokenizer f16-d16-S1-K64      --data data/train
tokenizer/f16-d16-S8-K64      train-tokenizer f16-d16-S8-K64      --data data/train
tokenizer/f16-d32-S16-K64     train-tokenizer f16-d32-S16-K64     --data data/train
tokenizer/f16-d64-S32-K256    train-tokenizer f16-d64-S32-K256    --data data/train
tokenizer/f32-d32-S16-K64     train-tokenizer f32-d32-S16-K64     --data data/train
tokenizer/kl-f8-d4            train-tokenizer kl-f8-d4            --data data/train
tokenizer/vqgan-f16-d32-K128  train-tokenizer vqgan-f16-d32-K128  --data data/train
tokenizer/linear-f8-d64-S32-K256   train-tokenizer linear-f8-d64-S32-K256   --data data/train
tokenizer/linear-f16-d64-S32-K256  train-tokenizer linear-f16-d64-S32-K256  --data data/train

published/jpeg@1  fetch-baseline jpeg@1
published/jpeg@3  fetch-baseline jpeg@3
published/webp@1  fetch-baseline webp@1
published/webp@3  fetch-baseline webp@3

evaluate/f8-d16-S1-K64   evaluate-tokenizer f8-d16-S1-K64 --model tokenizer/f8-d16-S1-K64 {VAL}
evaluate/jpeg@1          evaluate-tokenizer jpeg@1 --model published/jpeg@1 {VAL}
evaluate/jpeg@3          evaluate-tokenizer jpeg@3 --model published/jpeg@3 {VAL}
evaluate/webp@1          evaluate-tokenizer webp@1 --model published/webp@1 {VAL}
evaluate/webp@3          evaluate-tokenizer webp@3 --model published/webp@3 {VAL}
evaluate/f8-d16-S4-K64   evaluate-tokenizer f8-d16-S4-K64 --model tokenizer/f8-d16-S4-K64 {SETS} {REFERENCES}
evaluate/f8-d16-S8-K64   evaluate-tokenizer f8-d16-S8-K64 --model tokenizer/f8-d16-S8-K64 {SETS} {REFERENCES}
evaluate/f8-d16-S16-K64  evaluate-tokenizer f8-d16-S16-K64 --model tokenizer/f8-d16-S16-K64 {SETS} {REFERENCES}
evaluate/f8-d32-S16-K64  evaluate-tokenizer f8-d32-S16-K64 --model tokenizer/f8-d32-S16-K64 {SETS} {REFERENCES}
evaluate/f8-d16-S8-K256  evaluate-tokenizer f8-d16-S8-K256 --model tokenizer/f8-d16-S8-K256 {SETS} {REFERENCES}
evaluate/f8-d64-S32-K256  evaluate-tokenizer f8-d64-S32-K256 --model tokenizer/f8-d64-S32-K256 {SETS} {REFERENCES}
evaluate/f16-d16-S1-K64  evaluate-tokenizer f16-d16-S1-K64 --model tokenizer/f16-d16-S1-K64 {VAL}
evaluate/f16-d16-S8-K64  evaluate-tokenizer f16-d16-S8-K64 --model tokenizer/f16-d16-S8-K64 {SETS} {REFERENCES}
evaluate/f16-d32-S16-K64 evaluate-tokenizer f16-d32-S16-K64 --model tokenizer/f16-d32-S16-K64 {SETS} {REFERENCES}
evaluate/f16-d64-S32-K256 evaluate-tokenizer f16-d64-S32-K256 --model tokenizer/f16-d64-S32-K256 {SETS} {REFERENCES}
evaluate/f32-d32-S16-K64 evaluate-tokenizer f32-d32-S16-K64 --model tokenizer/f32-d32-S16-K64 {VAL}
evaluate/kl-f8-d4        evaluate-tokenizer kl-f8-d4 --model tokenizer/kl-f8-d4 {SETS} {REFERENCES}
evaluate/vqgan-f16-d32-K128  evaluate-tokenizer vqgan-f16-d32-K128 --model tokenizer/vqgan-f16-d32-K128 {VAL}
evaluate/linear-f8-d64-S32-K256 evaluate-tokenizer linear-f8-d64-S32-K256 \
    --model tokenizer/linear-f8-d64-S32-K256 {SETS} {REFERENCES}
evaluate/linear-f16-d64-S32-K256 evaluate-tokenizer linear-f16-d64-S32-K256 \
    --model tokenizer/linear-f16-d64-S32-K256 {SETS} {REFERENCES}
select/f8     select-tokenizer f8
select/f16    select-tokenizer f16
finetune/f8   finetune-tokenizer f8   --model tokenizer/f8-d64-S32-K256   --data data/train_large
finetune/f16  finetune-tokenizer f16  --model tokenizer/f16-d64-S32-K256  --data data/train_large
evaluate_finetuned/selected-f8    evaluate-finetuned selected-f8    --model tokenizer/f8-d64-S32-K256     {LARGE}
evaluate_finetuned/finetuned-f8   evaluate-finetuned finetuned-f8   --model finetune/f8   {LARGE}
evaluate_finetuned/selected-f16   evaluate-finetuned selected-f16   --model tokenizer/f16-d64-S32-K256    {LARGE}
evaluate_finetuned/finetuned-f16  evaluate-finetuned finetuned-f16  --model finetune/f16  {LARGE}
evaluate_finetuned/backbone-vae    evaluate-finetuned backbone-vae   --model backbone/backbone/vae {LARGE}
evaluate_finetuned/kl-f8-d4        evaluate-finetuned kl-f8-d4       --model tokenizer/kl-f8-d4    {LARGE}

backbone/backbone  make-backbone backbone
adapt/PQSD-Precise-stage1  adapt PQSD-Precise-stage1
    --unet backbone/backbone          --backbone backbone/backbone --tokenizer finetune/f8  --data data/train_large
adapt/PQSD-Precise-stage2  adapt PQSD-Precise-stage2
    --unet adapt/PQSD-Precise-stage1  --backbone backbone/backbone --tokenizer finetune/f8  --data data/train_large
adapt/PQSD-Quick-stage1    adapt PQSD-Quick-stage1
    --unet backbone/backbone          --backbone backbone/backbone --tokenizer finetune/f16 --data data/train_large
adapt/PQSD-Quick-stage2    adapt PQSD-Quick-stage2
    --unet adapt/PQSD-Quick-stage1    --backbone backbone/backbone --tokenizer finetune/f16 --data data/train_large
adapt/PQSD-HR-stage1       adapt PQSD-HR-stage1
    --unet backbone/backbone          --backbone backbone/backbone --tokenizer finetune/f16 --data data/train_large
adapt/PQSD-HR-stage2       adapt PQSD-HR-stage2
    --unet adapt/PQSD-HR-stage1       --backbone backbone/backbone --tokenizer finetune/f16 --data data/train_large
samples/PQSD-Precise  sample PQSD-Precise
    --unet adapt/PQSD-Precise-stage2 --backbone backbone/backbone --tokenizer finetune/f8
samples/PQSD-Quick    sample PQSD-Quick
    --unet adapt/PQSD-Quick-stage2 --backbone backbone/backbone --tokenizer finetune/f16
samples/PQSD-HR       sample PQSD-HR
    --unet adapt/PQSD-HR-stage2 --backbone backbone/backbone --tokenizer finetune/f16
speed/SDv2.1        bench sampling SDv2.1 --backbone backbone/backbone
speed/PQSD-Precise  bench sampling PQSD-Precise
    --backbone backbone/backbone --unet adapt/PQSD-Precise-stage2 --tokenizer finetune/f8
speed/PQSD-Quick    bench sampling PQSD-Quick
    --backbone backbone/backbone --unet adapt/PQSD-Quick-stage2 --tokenizer finetune/f16
speed/PQSD-HR       bench sampling PQSD-HR
    --backbone backbone/backbone --unet adapt/PQSD-HR-stage2 --tokenizer finetune/f16

ldm/vae        train-ldm vae        --tokenizer tokenizer/kl-f8-d4 --data data/train
ldm/pqgan-f8   train-ldm pqgan-f8   --tokenizer tokenizer/f8-d64-S32-K256          --data data/train
ldm/pqgan-f16  train-ldm pqgan-f16  --tokenizer tokenizer/f16-d64-S32-K256         --data data/train
generation/vae        evaluate-generation vae
    --model ldm/vae --tokenizer tokenizer/kl-f8-d4 --reference reference/val
generation/pqgan-f8   evaluate-generation pqgan-f8
    --model ldm/pqgan-f8 --tokenizer tokenizer/f8-d64-S32-K256 --reference reference/val
generation/pqgan-f16  evaluate-generation pqgan-f16
    --model ldm/pqgan-f16 --tokenizer tokenizer/f16-d64-S32-K256 --reference reference/val
matching/matching  bench matching matching --no-figure
"""

PATH = re.compile(r"(?:data/prepared/[a-z]+|results/[a-z]+/([a-z_]+))/([\w.@-]+)-[0-9a-f]{8}(/vae)?")
"""Of a result: its chapter, where it is no data, its name, and a sub-folder."""


def entries(text: str) -> list[list[str]]:
    """Words of each entry; a line that is indented goes on."""
    return [line.split() for line in re.sub(r"\n +", " ", text).splitlines() if line.strip()]


def readable(command: str) -> str:
    """Addresses as chapter/name."""
    return PATH.sub(lambda found: f"{found[1] or 'data'}/{found[2]}{found[3] or ''}", command)


def test_every_result_is_made_from_what_this_table_says(smoke):
    expected: dict[str, dict[str, str]] = {}
    for result, *roles in entries(PLANNED):
        expected.setdefault(result, {}).update(role.split("=") for role in roles)
    plan = whole_plan(smoke)
    found = {
        f"{job.chapter}/{job.name}": {role: f"{other.chapter}/{other.name}" for role, other in job.inputs.items()}
        for job in plan.all()
    }
    assert found == expected


def dry_run(checkout: Path, *arguments: str) -> dict[str, list[str]]:
    """What is made -> the words of the command that makes it, without pqgan itself and the log."""
    for name in ("Snakefile", "params.yaml"):
        shutil.copy(ROOT / name, checkout)
    shutil.copytree(ROOT / "workflow", checkout / "workflow")
    # as many cores as a bench may take, whatever this machine has
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "2", "-n", "-p", *arguments]
    found: dict[str, list[str]] = {}
    # what follows from a selection is planned once it is made
    for _ in range(2):
        run = subprocess.run(snakemake, cwd=checkout, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        for command in re.findall(r"Shell command: (?:\$\S+ )?(pqgan .*)", run.stdout):
            words = shlex.split(readable(command))
            words = words[1 : words.index("&>")]
            assert found.setdefault(words[words.index("--out") + 1], words) == words
        if "checkpoint jobs" not in run.stdout:
            break
        pretend_selected(load(checkout / "params.yaml"), checkout)
    return found


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> dict[str, list[str]]:
    """Those of the smoke scale."""
    return dry_run(tmp_path_factory.mktemp("checkout"))


def test_every_command_line_gives_each_role_its_folder(commands):
    expected = {}
    for out, *words in entries(COMMANDS):
        options = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
        expected[out] = [*words[:options], "--scale", "smoke", *words[options:], "--out", out]
    assert {out: words for out, words in commands.items() if not out.startswith("reports/")} == expected


def test_every_item_is_rendered_into_its_own_file(commands):
    tables = [item for item in contents.ITEMS if item.startswith("table")]
    figures = [item for item in contents.ITEMS if item.startswith("figure")]
    expected = {f"reports/{name}.tex": ["render", name] for name in tables}
    expected |= {f"reports/{name}.pdf": ["render", name] for name in figures}
    expected = {out: [*words, "--scale", "smoke", "--out", out] for out, words in expected.items()}
    page = ["report", "--scale", "smoke", "--items", "reports", "--benchmarks", "benchmarks/smoke"]
    expected["reports/report.html"] = [*page, "--out", "reports/report.html"]
    summary = commands["reports/metrics.json"]
    assert summary[0] == "summary"
    assert sorted(summary[1:-2]) == sorted(f"reports/{name}.json" for name in tables)
    found = {out: words for out, words in commands.items() if out.startswith("reports/")}
    assert found == {**expected, "reports/metrics.json": summary}


def test_a_latent_of_the_backbone_is_its_vae(params_path):
    """At the paper's scale, where a model from scratch is trained on the backbone's own autoencoder."""
    plan = whole_plan(load(params_path, "paper"))
    backbone = plan.job("backbone", "backbone")
    assert plan.job("ldm", "vae").inputs["tokenizer"] is backbone
    assert plan.tokenizer_path("backbone-vae") == f"{backbone.path}/vae"
    assert plan.tokenizer_path("selected-8") == plan.job("tokenizer", "f8-d128-S64-K512").path
    assert plan.tokenizer_path("selected-16") == plan.job("tokenizer", "f16-d128-S64-K128").path
    evaluated = plan.job("evaluate", "backbone-vae").inputs
    assert {role: (job.chapter, job.name) for role, job in evaluated.items() if role in ("model", "set-val")} == {
        "model": ("backbone", "backbone"),
        "set-val": ("data", "val"),
    }


def test_the_command_lines_of_the_backbone_s_latent_name_its_vae(params_path, tmp_path):
    """And fine-tuned models are evaluated on the set of their own size, under the paper's settings too."""
    plan = whole_plan(load(params_path, "paper"))
    # what takes part in it alone, as a launcher stands before commands of several processes
    target = plan.job("evaluate", "backbone-vae").path
    found = dry_run(tmp_path, "--config", "scale=paper", "--", target)["evaluate/backbone-vae"]
    sets = "--sets val=data/val FFHQ=data/ffhq LSUN=data/lsun"
    references = "--references val=reference/val FFHQ=reference/ffhq LSUN=reference/lsun"
    words = f"evaluate-tokenizer backbone-vae --scale paper --model backbone/backbone/vae {sets} {references}"
    assert found == [*words.split(), "--out", "evaluate/backbone-vae"]


def test_every_high_resolution_evaluation_is_on_both_sets_and_beside_the_backbone_s_vae(params_path):
    plan = whole_plan(load(params_path, "paper"))
    jobs = plan.chapter("evaluate_finetuned")
    assert list(jobs) == ["selected-f8", "finetuned-f8", "selected-f16", "finetuned-f16", "backbone-vae"]
    for job in jobs.values():
        sets = {role: other.name for role, other in job.inputs.items() if role.startswith("set-")}
        assert sets == {"set-val": "photographs_large", "set-double": "photographs_double"}
    assert plan.model_path(jobs["backbone-vae"].inputs["model"]) == f"{plan.job('backbone', 'backbone').path}/vae"


def test_a_published_autoencoder_plays_the_backbone_s_vae(params_path):
    plan = whole_plan(load(params_path, "mini"))
    found = {
        name: (job.inputs["model"].chapter, job.inputs["model"].name)
        for name, job in plan.chapter("evaluate_finetuned").items()
        if name in plan.settings.scale.evaluation.continuous
    }
    assert found == {"taesd": ("published", "taesd"), "kl-f8-d4": ("tokenizer", "kl-f8-d4")}


def test_a_named_selection_is_made_from_the_named_one_alone(params_path):
    plan = whole_plan(load(params_path, "paper"))
    for name, best in (("f8", "f8-d128-S64-K512"), ("f16", "f16-d128-S64-K128")):
        inputs = plan.job("select", name).inputs
        assert {role: (job.chapter, job.name) for role, job in inputs.items()} == {f"model-{best}": ("tokenizer", best)}
