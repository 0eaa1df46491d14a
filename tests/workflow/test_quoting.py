"""Shell lines of rules say what was meant, whatever a name or the folder of the checkout holds."""

import re
import subprocess
import sys
from pathlib import Path

from whole_plan import pretend_selected

from pqgan.report import contents
from pqgan.settings import load, names

ROOT = Path(__file__).parents[2]
ANY_NAME = re.compile("[^/]+")
HOSTILE = {
    "scale": "sc$(touch PWNED)",
    "set": "it's; touch PWNED #",
    "role": "ro&touch PWNED&'le",
    "variant": 'My "Quick" `touch PWNED`',
    "latent": "la tent|touch PWNED",
}
"""Such names are refused; the lines are to be safe without that."""
WITHOUT_CHECK = f"""
import re, sys
from pqgan.settings import names
names.NAME = re.compile({ANY_NAME.pattern!r})
from snakemake.cli import main
main(sys.argv[1:])
"""
RECORD = """
pqgan() { printf '%s\\0' "$@" '' >> calls; }
"""


def hostile(raw: dict) -> dict:
    """Give what smoke has these names."""
    smoke = raw["scales"]["smoke"]
    smoke["data"]["sets"][HOSTILE["set"]] = smoke["data"]["sets"].pop("val")
    smoke["data"]["disjoint"] = []
    smoke["evaluation"] |= {"data": HOSTILE["set"], "transfer": {HOSTILE["role"]: "val_large"}}
    smoke["ldm"] |= {"reference": HOSTILE["set"], "resolution": 64}  # a reference at another side
    smoke["ldm"]["latents"][HOSTILE["latent"]] = smoke["ldm"]["latents"].pop("pqgan")
    variants = smoke["adapt"]["variants"]
    smoke["adapt"]["variants"] = {
        HOSTILE["variant"] if name == "PQSD-Quick" else name: variants[name] for name in variants
    }
    return raw | {"scale": HOSTILE["scale"], "scales": {HOSTILE["scale"]: smoke}}


def test_no_shell_line_runs_what_stands_in_a_name(named_checkout, monkeypatch):
    monkeypatch.setattr(names, "NAME", ANY_NAME)
    checkout = named_checkout("checkout", hostile)
    plan, scale = checkout.plan, HOSTILE["scale"]
    command = [sys.executable, "-c", WITHOUT_CHECK, "--cores", "1", "-n", "-p"]
    targets = ("all", "references", "adapted", "evaluated", "ldms")
    said = checkout.run(*command, "--", *targets)
    # what follows from a selection is planned once it is made
    pretend_selected(load(checkout.folder / "params.yaml"), checkout.folder)
    said += checkout.run(*command, "--", *targets)
    lines = sorted({line for line in re.findall(r"Shell command: (.*)", said) if line != "None"})
    assert len(lines) >= len(plan.all()) + len(contents.ITEMS) + 2
    for chapter in [*{job.chapter for job in plan.all()}, "report"]:
        (checkout.folder / "logs" / scale / chapter).mkdir(parents=True)
    for line in lines:
        run = subprocess.run(["bash", "-c", RECORD + line], cwd=checkout.folder, capture_output=True, check=False)
        assert run.returncode == 0, f"{line}: {run.stderr.decode()}"
    assert not list(checkout.folder.rglob("*PWNED")), "a name was run"
    calls = [call.split("\0") for call in (checkout.folder / "calls").read_text().removesuffix("\0\0").split("\0\0")]
    for job in plan.all():
        (call,) = (call for call in calls if call[-1] == job.path)
        words = call[call.index("--scale") - 1 :]
        assert words[:3] == [job.name, "--scale", scale]
        assert (checkout.folder / "logs" / scale / job.chapter / f"{job.id}.log").is_file()
        given = set(call)
        for role, used in job.inputs.items():
            path = plan.model_path(used) if role in ("model", "tokenizer") else used.path
            if role.startswith(("set-", "reference-")) and job.chapter.startswith("evaluate"):
                assert f"{role.partition('-')[2]}={path}" in given
            elif job.chapter not in ("select",):
                assert path in given
    assert [HOSTILE["scale"]] * len(contents.ITEMS) == [
        call[call.index("--scale") + 1] for call in calls if call[0] == "render"
    ]


def test_every_value_in_a_shell_line_is_quoted():
    """Of rules that no test above plans too."""
    found = []
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for block in re.findall(r'^    shell:\n((?:        ".*"\n)+)', file.read_text(), re.MULTILINE):
            found += re.findall(r"\{([^{}]+)\}", block)
    assert len(found) > 60
    # shell code of numbers alone
    assert {value for value in found if not value.endswith(":q")} == {"resources.launcher"}


def test_a_checkout_may_lie_in_any_folder(named_checkout, tmp_path):
    checkout = named_checkout('it\'s a "checkout" $(touch PWNED)')
    job = checkout.plan.job("data", "val")
    checkout.run("snakemake", "--cores", "1", job.path)
    assert (checkout.folder / job.path / "provenance.json").is_file()
    assert not list(tmp_path.rglob("*PWNED"))
