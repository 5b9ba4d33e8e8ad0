"""`python -m core`: the same work without a browser, for scripts, servers and tests.

It speaks the language of the terminal, see `core.commands.terminal`. With `--json` every line printed is one JSON
object, the same in every language. Exit code 0 only when it did what was asked; otherwise one sentence on standard
error says why.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from core import settings
from core.commands import data, inside, lessons, recipes, runs, searches, training
from core.commands.terminal import BROKEN_OFF, argparse_text, mute, t
from core.exports import EXPORTS
from core.recipes import VARIANTS
from core.recipes.results import RESULTS
from core.refusal import Refusal
from core.search.study import WAYS
from core.spec import RunSpec, allowed, unit
from core.words import languages


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; returns the exit code."""
    settings.wait_passively()
    argparse._ = argparse_text  # pyright: ignore[reportAttributeAccessIssue] -- where it looks its texts up
    parser = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        parser.print_help()
        return 2
    options = parser.parse_args(given)
    try:
        return options.command(options)
    except Refusal as refusal:
        print(t(refusal.key, **refusal.slots), file=sys.stderr)
        return 1
    except BrokenPipeError:
        mute()
        return 1
    except OSError as error:
        print(t("error.unexpected", reason=str(error)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return BROKEN_OFF


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, as for all other errors; `--help` says the rest."""
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m core", description=_help("about"))
    commands = parser.add_subparsers(required=True, metavar=t("cli.slot.command"))

    def command(name: str, function: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=_help(name), description=_help(name))
        made.add_argument("--json", action="store_true", help=_help("json"))
        made.set_defaults(command=function)
        return made

    made = command("data", data.data)
    _add_action(made, "list", "get", "import", says=_help("data_action"))
    _add(made, "names", slot="name", says=_help("data_name"), nargs="*")
    _add(made, "--name", slot="name", says=_help("import_name"))
    _add(made, "--side", slot="value", says=_help("import_side"), type=int)
    _add(made, "--seed", slot="value", says=_help("import_seed"), type=int, default=0)
    for flag, key in (("--colour", "colour"), ("--grey", "grey")):
        made.add_argument(
            flag, dest="colour", action="store_const", const=flag == "--colour", help=_help(f"import_{key}")
        )
    made.add_argument("--digits", action="store_true", help=_help("import_digits"))
    for flag, key in (("--turned", "turned"), ("--by-pixel", "by_pixel")):
        made.add_argument(flag, action=argparse.BooleanOptionalAction, help=_help(f"import_{key}"))
    made.add_argument("--look", action="store_true", help=_help("import_look"))
    for name in ("train", "estimate", "rates"):
        made = command(name, getattr(training, name))
        _add_fields(made)
        if name == "train":
            made.add_argument("--explain", action="store_true", help=_help("explain"))
            made.add_argument("--no-snapshots", action="store_true", help=_help("no_snapshots"))
    made = command("search", searches.search)
    _add_fields(made)
    _add(made, "--vary", slot="varied", says=_help("vary"), action="append")
    _add(made, "--way", slot="value", says=_help("way"), choices=WAYS, default=WAYS[0])
    _add(made, "--runs", slot="count", says=_help("search_runs"), type=int)
    _add(made, "--minutes", slot="count", says=_help("search_minutes"), type=float)
    made.add_argument("--prune", action="store_true", help=_help("prune"))
    _add(made, "--study", slot="name", says=_help("search_study"))
    _add(made, "--continue", slot="study", says=_help("continue"), dest="continue_study")
    made = command("recipes", recipes.recipes)
    _add_action(made, "list", "run", "table", says=_help("recipes_action"))
    _add(made, "name", slot="name", says=_help("recipes_name"), nargs="?")
    _add(made, "--variant", slot="value", says=_help("variant", values=" | ".join(VARIANTS)), default=VARIANTS[0])
    _add(made, "--seed", slot="value", says=_field("seed"))
    _add(made, "--seeds", slot="count", says=_help("seeds"), type=int, default=1)
    _add(made, "--data", slot="name", says=_help("other_data"))
    _add(made, "--weights-from", slot="run", says=_help("weights_from"))
    _add(made, "--store-results", slot="file", says=_help("store_results"), nargs="?", type=Path, const=RESULTS)
    made = command("lessons", lessons.list_lessons)
    _add(made, "name", slot="name", says=_help("lessons_name"), nargs="?")
    _add(made, "--html", slot="file", says=_help("lessons_html"), type=Path)
    _add(command("work", training.work), "folder", slot="run", says=_help("folder"))
    _add(command("finish", training.finish), "folder", slot="run", says=_help("folder"))
    made = command("runs", runs.list_runs)
    _add(made, "--where", slot="condition", says=_help("where"), nargs="+")
    _add(made, "--sort", slot="column", says=_help("sort"))
    made.add_argument("--reverse", action="store_true", help=_help("reverse"))
    made = command("compare", runs.compare_runs)
    _add(made, "one", slot="run", says=_help("run"))
    _add(made, "other", slot="run", says=_help("run"))
    made = command("label", runs.label)
    _add(made, "run", slot="run", says=_help("run"))
    for name in ("name", "owner", "study", "trial", "note"):
        _add(made, f"--{name}", slot="value", says=_help(name))
    _add(made, "--tags", slot="name", says=_help("tags"), nargs="*")
    _add(command("evaluate", runs.evaluate), "run", slot="run", says=_help("run"))
    made = command("export", runs.take_out)
    _add(made, "run", slot="run", says=_help("run"))
    _add(
        made,
        "--as",
        slot="name",
        says=_help("export_as", names=" | ".join(EXPORTS)),
        choices=EXPORTS,
        required=True,
        dest="kind",
    )
    _add(made, "--out", slot="file", says=_help("export_out"), type=Path)
    _add(made, "--compare", slot="run", says=_help("export_compare"), dest="other")
    _add(
        made,
        "--language",
        slot="value",
        says=_help("export_language"),
        choices=[code.replace("_", "-") for code in languages()],
    )
    _add(command("import", runs.take_in), "file", slot="file", says=_help("import_file"), type=Path)
    made = command("codes", runs.codes)
    _add(made, "run", slot="run", says=_help("run"))
    _add(made, "--split", slot="value", says=_help("codes_split"), choices=("test", "val"), default="test")
    _add(made, "--out", slot="file", says=_help("codes_out"), type=Path)
    made = command("predict", runs.predict)
    _add(made, "run", slot="run", says=_help("run"))
    _add(made, "images", slot="image", says=_help("images"), nargs="+")
    made.add_argument("--sheet", action="store_true", help=_help("predict_sheet"))
    made, folder = command("inside", inside.inside), Path("inside")
    _add(made, "run", slot="run", says=_help("run"))
    _add(made, "image", slot="image", says=_help("inside_image"))
    _add(made, "--layer", slot="count", says=_help("inside_layer"), type=int)
    _add(made, "--class", slot="count", says=_help("inside_class"), type=int, dest="k")
    _add(made, "--epoch", slot="count", says=_help("inside_epoch"), type=int)
    _add(made, "--out", slot="folder", says=_help("inside_out", folder=folder), type=Path, default=folder)
    made = command("sheet", runs.print_sheet)
    _add(made, "html", slot="file", says=_help("sheet_html"), type=Path)
    return parser


def _add(made: argparse.ArgumentParser, *flags: str, slot: str, says: str, **more: Any) -> None:
    """Add an argument: what stands for its value in the help, and what the help says of it."""
    made.add_argument(*flags, metavar=t(f"cli.slot.{slot}"), help=says, **more)


def _add_fields(made: argparse.ArgumentParser) -> None:
    """Add a flag for each field of a spec."""
    for name in RunSpec.model_fields:
        flags = sorted({f"--{name.replace('_', '-')}", f"--{name}"})
        _add(made, *flags, slot="value", says=_field(name), dest=name)


def _add_action(made: argparse.ArgumentParser, *actions: str, says: str) -> None:
    """Add what a command is to do, the first of the actions unless another one is named."""
    shown = f"{{{','.join(actions)}}}"
    made.add_argument("action", nargs="?", choices=actions, default=actions[0], metavar=shown, help=says)


def _help(name: str, **slots: object) -> str:
    return _literal(t(f"cli.help.{name}", **slots))


def _field(name: str) -> str:
    """The sentence of a field of the spec, the values that it takes and their unit."""
    of = " " + t(f"unit.{unit(name)}") if unit(name) else ""
    values = "" if allowed(name) == "string" else f" ({allowed(name)!s}{of})"
    return _literal(t(f"spec.{name}.help") + values)


def _literal(words: str) -> str:
    return words.replace("%", "%%")  # argparse fills slots of its own


if __name__ == "__main__":
    sys.exit(main())
