"""Measures what models read of digits on paper: `python benchmarks/paper.py [--n N] [--folder FOLDER] [--update]`.

`--scene NAME` only prints the row of a scene. `--causes` only prints which pictures are read wrongly, and without which
step not: of those with specks, and those on which nobody wrote.

Pen digits of the last ten writers are put onto the papers of `scenes.py`, as files, which stay in the folder. Each file
is read twice: as a drawing whose ground is the colour of its rim, which was the only way before, and by
`core/images/paper.py`. It needs the pen digits in a data folder, and with 250 files a scene three quarters of an hour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.drawing import percent, table  # noqa: E402  the path comes first
from benchmarks.results import machine, say, spread, tell  # noqa: E402
from benchmarks.scenes import FRAMED, SCENES, UNTRIED, without_digit  # noqa: E402
from core import settings, store  # noqa: E402
from core.datasets.pen_digits import FILE, WRITERS, PenDigit, pen_digits  # noqa: E402
from core.drawing.picture import open_picture  # noqa: E402
from core.drawing.prepare import prepare  # noqa: E402
from core.drawing.strokes import inked  # noqa: E402
from core.images.paper import STEPS, prepared  # noqa: E402
from core.models.model import Answer, Model, open_model  # noqa: E402

SEED = 16  # of the scenes that are reported; nothing was adjusted to them
READERS = {"by its rim": prepare, "by `paper.py`": prepared}
HELD, WRONG, RIGHT = range(3)


def files(folder: Path, digits: list[PenDigit], name: str, n: int) -> list[tuple[Path, PenDigit]]:
    """The files of a scene, with their digits; those that are not there are made."""
    every = {**SCENES, **UNTRIED, **FRAMED}
    made = []
    for k in range(n):
        random = np.random.default_rng([SEED, list(every).index(name), k])
        one = digits[random.integers(len(digits))]
        file = folder / f"{name.replace(' ', '-').replace(chr(39), '')}-{k}"
        if not file.exists():
            file.write_bytes(every[name](one.strokes, random))
        made.append((file, one))
    return made


def blank_scene(k: int) -> str:
    """The scene of a file on which nobody wrote: all in turn but the largest, the last."""
    return list(SCENES)[k % (len(SCENES) - 1)]


def blank_files(folder: Path, n: int) -> list[Path]:
    """Files of all scenes in turn on which nobody wrote."""
    made = []
    for k in range(n):
        name = blank_scene(k)
        file = folder / f"blank-{k}"
        if not file.exists():
            file.write_bytes(without_digit(SCENES[name])(np.random.default_rng([SEED, 99, k])))
        made.append(file)
    return made


def read(model: Model, reader: str, file: Path) -> tuple[int | None, float]:
    """The digit that the model reads in a file, None if it abstains, and the seconds for file and preparation."""
    start = time.perf_counter()
    drawing = READERS[reader](open_picture(file))
    taken = time.perf_counter() - start
    answer = model.answer(drawing)
    return answer.best if answer else None, taken


def said(answer: Answer | None) -> str:
    """What a model answers, or why it holds its answer back."""
    if answer is None:
        return "nothing drawn"
    return answer.doubt.removeprefix("doubt.") if answer.doubt else f"{answer.best} ({answer.values.max():.0%})"


def without_a_step(model: Model, file: Path, read: int | None) -> str:
    """The steps without which a picture would not be read so."""
    picture = open_picture(file)
    others = {step: model.answer(prepared(picture, without=[step])) for step in STEPS}
    return ", ".join(f"{step}: {said(one)}" for step, one in others.items() if (one and one.best) != read) or "none"


def causes(model: Model, folder: Path, digits: list[PenDigit], n: int) -> list[str]:
    """Two tables with a row for each picture that is read wrongly: of those with specks, and where nobody wrote."""
    specks, blank = [], []
    for file, one in files(folder, digits, "specks", n):
        answer = model.answer(prepared(open_picture(file)))
        if answer and answer.best not in (None, one.digit):
            drawn = model.answer(prepare(inked(one.strokes)))
            cells = [f"{one.digit}, writer {one.writer}", said(answer), said(drawn)]
            specks.append([*cells, without_a_step(model, file, answer.best)])
            tell(f"{file.name} | {' | '.join(specks[-1])}")
    for k, file in enumerate(blank_files(folder, n)):
        answer = model.answer(prepared(open_picture(file)))
        if answer and answer.best is not None:
            blank.append([blank_scene(k), said(answer), without_a_step(model, file, answer.best)])
            tell(f"{file.name} | {' | '.join(blank[-1])}")
    same = sum(cells[2].partition(" ")[0] == cells[1].partition(" ")[0] for cells in specks)
    last = "without this step"
    return [
        f"With specks, {len(specks)} of {n} are read wrongly; {same} of them so too where the same strokes are drawn "
        f"on the pad. Where nobody wrote, {len(blank)} of {n} are read as a digit.",
        *table(["written among specks", "read", "drawn on the pad", last], specks),
        *table(["scene on which nobody wrote", "read", last], blank),
    ]


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure what is read of digits on paper.")
    parser.add_argument("--n", type=int, default=250, help="files a scene")
    parser.add_argument("--folder", type=Path, help="where the files are kept")
    parser.add_argument("--scene", action="append", help="only print the row of this scene; can be said several times")
    parser.add_argument("--make", action="store_true", help="only make the files")
    parser.add_argument("--causes", action="store_true", help="only look at what is read wrongly, and why")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    source = next(data for data in settings.data_folders() if (data / FILE).is_file())
    digits = [one for one in pen_digits(source / FILE) if one.writer in WRITERS["test"]]
    run = next(run for run in store.runs() if "mnist-and-drawings" in run.name)
    model, rows, taken = open_model(run), [], []
    scenes = options.scene or (*SCENES, *UNTRIED, *FRAMED)
    if options.make:
        for k in range(1, options.n + 1):
            for name in scenes:
                files(folder, digits, name, k)
        return 0
    if options.causes:
        print("\n".join([machine(), "", *causes(model, folder, digits, options.n)]))
        return 0
    for name in scenes:
        made = files(folder, digits, name, options.n)
        cells = [f"*{name}*" if name in UNTRIED else name, str(len(made))]
        for reader in READERS:
            found = [read(model, reader, file) for file, _ in made]
            kinds = np.array(
                [
                    HELD if answer is None else RIGHT if answer == one.digit else WRONG
                    for (answer, _), (_, one) in zip(found, made, strict=True)
                ]
            )
            of_answered = percent(kinds[kinds != HELD] == RIGHT) if (kinds != HELD).any() else "–"
            cells += [of_answered, percent(kinds == HELD), percent(kinds == WRONG)]
            if name == "12 MP" and reader != "by its rim":
                taken = [seconds for _, seconds in found]
        rows.append(cells)
        tell(" | ".join(cells))
    if options.scene:
        return 0
    blank = blank_files(folder, options.n)
    cells = ["nobody wrote (all scenes)", str(len(blank))]
    for reader in READERS:
        held = np.array([read(model, reader, file)[0] is None for file in blank])
        cells += ["–", percent(held), percent(~held)]
    rows.append(cells)
    head = ["scene", "n"]
    head += [f"{what}, {reader}" for reader in READERS for what in ("right of the answered", "held back", "wrong")]
    text = [
        machine(),
        "",
        f"`{model.run}`, pen digits of the last ten writers, {options.n} files a scene; the scenes in italics were "
        "written down beforehand, and nothing was adjusted to them. In brackets: Wilson's 95 % intervals, of "
        "independent files.",
        *table(head, rows),
        "",
        f"A photograph of 12 MP, decoded and prepared: {spread(taken)} s, n = {len(taken)}.",
    ]
    say("paper.py", text, options.update)
    return 0


if __name__ == "__main__":
    sys.exit(main())
