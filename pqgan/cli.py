"""The command line: one verb a rule. Every rule's shell line can be pasted into a terminal.

Exit codes: 0 done, 2 settings or command line, 3 data, 4 numerical, 5 resources, 75 a training stopped on request and
saved, 143 any other command ended by SIGTERM (129 by SIGHUP), 141 nobody reads what it prints any longer, 1 anything
unforeseen.
"""

import argparse
import signal
import sys
from pathlib import Path

from pqgan.commands import bench, cost, demo, images, plan, report, rule
from pqgan.commands.types import Parser
from pqgan.engine.stop import is_ignored
from pqgan.errors import PqganError, ResourceError, one_line, told
from pqgan.streams import is_unread, quiet_when_unread


def _parser() -> argparse.ArgumentParser:
    parser = Parser("pqgan", description="Product-quantised tokenizers, from raw images to tables.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings file (default: params.yaml)")
    common.add_argument("--scale", help="scale to run (default: the file's own)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    sub = verbs.add_parser("bench", help="measure speed: train, sampling, generators, matching, evaluation")
    benches = sub.add_subparsers(dest="bench", required=True, metavar="WHAT")
    rule.add(verbs, benches, common)
    bench.add(benches, common)
    images.add(verbs)
    demo.add(verbs)
    report.add(verbs, common)
    cost.add(verbs, common)
    plan.add(verbs, common)
    return parser


@quiet_when_unread
def main(argv: list[str] | None = None) -> int:
    """Run one verb; errors a user can act on end in one line on stderr and their exit code."""
    arguments = _parser().parse_args(argv)
    # as an exception, so that half-made folders are removed; a training has its own way to stop
    for number in (signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGTERM or not is_ignored(number):  # as nohup has it
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        arguments.command(arguments)
        sys.stdout.flush()  # here, where a full disk is told in one line
    except PqganError as error:
        print(f"pqgan {arguments.verb}: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # of the machine, whichever it is
        if isinstance(error, BrokenPipeError) and is_unread():
            raise  # nobody is there to be told
        print(f"pqgan {arguments.verb}: {one_line(told(error))}", file=sys.stderr)
        return ResourceError.exit_code
    except KeyboardInterrupt:
        print(f"pqgan {arguments.verb}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
