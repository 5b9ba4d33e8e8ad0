"""`python -m core`: the same work without a browser, for scripts, servers and tests.

With `--json` every line printed is one JSON object. Exit code 0 only when it did what was asked; otherwise one sentence
on standard error says why.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from core import settings
from core.commands import data, recipes, runs, training
from core.commands.terminal import BROKEN_OFF, mute, sentence
from core.recipes import VARIANTS
from core.recipes.results import RESULTS
from core.refusal import Refusal
from core.spec import RunSpec, allowed


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; returns the exit code."""
    settings.wait_passively()
    parser = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        parser.print_help()
        return 2
    options = parser.parse_args(given)
    try:
        return options.command(options)
    except Refusal as refusal:
        print(sentence(refusal.key, refusal.slots), file=sys.stderr)
        return 1
    except BrokenPipeError:
        mute()
        return 1
    except OSError as error:
        print(sentence("error.unexpected", {"reason": str(error)}), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return BROKEN_OFF


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, as for all other errors; `--help` says the rest."""
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m core", description="Bancada without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        made.add_argument("--json", action="store_true", help="print one JSON object a line")
        made.set_defaults(command=function)
        return made

    made = command("data", data.data)
    made.add_argument("action", nargs="?", choices=["list", "get"], default="list")
    made.add_argument("name", nargs="?", help="the data set to fetch")
    for made in (command("train", training.train), command("estimate", training.estimate)):
        for name in RunSpec.model_fields:
            flags = sorted({f"--{name.replace('_', '-')}", f"--{name}"})
            made.add_argument(*flags, dest=name, metavar="VALUE", help=allowed(name).replace("%", "%%"))
    made = command("recipes", recipes.recipes)
    made.add_argument("action", nargs="?", choices=["list", "run", "table"], default="list")
    made.add_argument("name", nargs="?", help="the recipe to run")
    made.add_argument("--variant", default=VARIANTS[0], metavar="VALUE", help=" | ".join(VARIANTS))
    made.add_argument("--seed", metavar="VALUE", help=allowed("seed"))
    made.add_argument("--seeds", type=int, default=1, metavar="COUNT", help="run so many seeds, from --seed on")
    made.add_argument("--data", metavar="NAME", help="run it on other data, which makes it not comparable")
    made.add_argument("--weights-from", metavar="RUN", help="take the first layers of 002-e from this run")
    made.add_argument(
        "--store-results",
        nargs="?",
        type=Path,
        const=RESULTS,
        metavar="FILE",
        help="keep what was measured (not of the variant short) beside the recipes or in FILE; with `table`: read FILE",
    )
    command("work", training.work).add_argument("folder", help="a run's folder, its name, or its name's last part")
    command("runs", runs.list_runs)
    command("evaluate", runs.evaluate).add_argument("run", help="a run's name, or its last part")
    made = command("tensorboard", runs.tensorboard)
    made.add_argument("run", help="a run's name, or its last part")
    made.add_argument("--out", type=Path, default=Path("tensorboard"), metavar="FOLDER", help="default: tensorboard")
    made = command("predict", runs.predict)
    made.add_argument("run", help="a run's name, or its last part")
    made.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, WEBP or BMP files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
