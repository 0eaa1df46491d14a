"""What one more configuration costs under Snakemake and under DVC, where a short command stands for each of pqgan."""

import collections
import os
import shlex
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough
LOSER = {"F": 8, "d": 32, "S": 4, "K": 256}
WINNER, NAME = {"F": 8, "d": 32, "S": 8, "K": 256}, "f8-d32-S8-K256"
USUAL = "f8-d16-S4-K64"
ITS_OWN = {"train-tokenizer": 1, "evaluate-tokenizer": 1, "select-tokenizer": 1}
FOLLOWS = {"finetune-tokenizer": 1, "evaluate-finetuned": 2, "adapt": 2, "sample": 1, "bench": 1}
FOLLOWS |= {"train-ldm": 1, "evaluate-generation": 1}

SELECT = """
import os, sys
from pathlib import Path
from pqgan.settings import load
from whole_plan import pretend_selected
settings, factor = load("params.yaml"), int(sys.argv[1].removeprefix("f"))
best = os.environ["BEST"] if factor == 8 else settings.expected(factor).name
pretend_selected(settings, Path(), {factor: best})
"""
COMMAND = """#!/bin/sh
echo "$1" >> {log}
[ "$1" = select-tokenizer ] && exec {python} {select} "$2"
verb=$1; all="$*"
while [ "$1" != --out ]; do shift; done
case "$verb" in
render) for suffix in tex pdf png json; do echo "{{}}" > "${{2%.*}}.$suffix"; done ;;
report | summary) echo "{{}}" > "$2" ;;
*) mkdir -p "$2"; echo "$all" > "$2/said" ;;
esac
"""


class Run:
    """A checkout, in which rules and stages run commands that write a line and make a folder."""

    def __init__(self, checkout, tmp_path: Path):
        self.checkout, self.log = checkout, tmp_path / "log"
        (tmp_path / "bin").mkdir()
        (tmp_path / "pretend_selection.py").write_text(SELECT)
        words = {"log": self.log, "python": sys.executable, "select": tmp_path / "pretend_selection.py"}
        command = tmp_path / "bin" / "pqgan"
        command.write_text(COMMAND.format_map({key: shlex.quote(str(value)) for key, value in words.items()}))
        command.chmod(0o755)
        environment = checkout.environment
        environment["PATH"] = os.pathsep.join([str(tmp_path / "bin"), environment["PATH"]])
        support = Path(__file__).parents[1] / "support"
        environment["PYTHONPATH"] = os.pathsep.join([str(support), os.environ.get("PYTHONPATH", "")])
        environment["BEST"] = USUAL
        self.rendered = 0
        """Tables and figures that the last command made."""
        self.latents({"vae": "backbone-vae", "pqgan": "selected-8"})

    def latents(self, named: dict[str, str]) -> None:
        latents = {name: {"method": name, "tokenizer": tokenizer} for name, tokenizer in named.items()}
        self.checkout.change("scales.smoke.ldm.latents", latents)

    def commands(self, *command: str) -> dict[str, int]:
        """Verb -> how often it ran, without the rendering."""
        self.log.write_text("")
        self.checkout.run(*command)
        ran = collections.Counter(self.log.read_text().split())
        self.rendered = ran["render"]
        return {verb: count for verb, count in ran.items() if verb not in ("render", "report", "summary")}

    def sweep(self, *more: dict) -> None:
        usual = [{"F": 8, "d": 16, "S": 4, "K": 64}, {"F": 16, "d": 16, "S": 8, "K": 64}]
        self.checkout.change("scales.smoke.tokenizer.sweep", [*usual, *more])


@pytest.mark.parametrize("command", [("snakemake", "--cores", "2"), ("dvc", "repro")], ids=["snakemake", "dvc"])
def test_a_configuration_more_costs_its_own_jobs_and_what_follows_if_it_wins(checkout, tmp_path, command):
    run = Run(checkout, tmp_path)
    first = run.commands(*command)
    assert first["finetune-tokenizer"] == 2
    assert first["select-tokenizer"] == 2
    assert run.commands(*command) == {}
    run.sweep(LOSER)
    assert run.commands(*command) == ITS_OWN
    run.sweep(LOSER, WINNER)
    checkout.environment["BEST"] = NAME
    assert run.commands(*command) == {**ITS_OWN, **FOLLOWS}
    assert run.rendered > 0
    # every selection stays, and so do the old results: they are found again, and the report is made of them
    run.sweep()
    assert run.commands(*command) == {}
    assert run.rendered > 0
    assert run.commands(*command) == {}
