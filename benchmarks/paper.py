"""Measures what models read of digits on paper: `python benchmarks/paper.py [--n N] [--folder FOLDER] [--update]`.

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

from benchmarks.drawing import percent, say, table  # noqa: E402  the path comes first
from benchmarks.results import machine, spread, tell  # noqa: E402
from benchmarks.scenes import SCENES, UNTRIED, without_digit  # noqa: E402
from core import settings, store  # noqa: E402
from core.datasets.pen_digits import FILE, WRITERS, PenDigit, pen_digits  # noqa: E402
from core.drawing.picture import open_picture  # noqa: E402
from core.drawing.prepare import prepare  # noqa: E402
from core.images.paper import prepared  # noqa: E402
from core.models.model import Model, open_model  # noqa: E402

SEED = 16  # of the scenes that are reported; nothing was adjusted to them
READERS = {"by its rim": prepare, "by `paper.py`": prepared}
HELD, WRONG, RIGHT = range(3)


def files(folder: Path, digits: list[PenDigit], name: str, n: int) -> list[tuple[Path, int]]:
    """The files of a scene, with their digits; those that are not there are made."""
    every = {**SCENES, **UNTRIED}
    made = []
    for k in range(n):
        random = np.random.default_rng([SEED, list(every).index(name), k])
        one = digits[random.integers(len(digits))]
        file = folder / f"{name.replace(' ', '-').replace(chr(39), '')}-{k}"
        if not file.exists():
            file.write_bytes(every[name](one.strokes, random))
        made.append((file, one.digit))
    return made


def blank_files(folder: Path, n: int) -> list[Path]:
    """Files of all scenes in turn on which nobody wrote."""
    made = []
    for k in range(n):
        name = list(SCENES)[k % (len(SCENES) - 1)]  # without the largest, the last
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


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure what is read of digits on paper.")
    parser.add_argument("--n", type=int, default=250, help="files a scene")
    parser.add_argument("--folder", type=Path, help="where the files are kept")
    parser.add_argument("--make", action="store_true", help="only make the files")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    source = next(data for data in settings.data_folders() if (data / FILE).is_file())
    digits = [one for one in pen_digits(source / FILE) if one.writer in WRITERS["test"]]
    run = next(run for run in store.runs() if "mnist-and-drawings" in run.name)
    model, rows, taken = open_model(run), [], []
    if options.make:
        for k in range(1, options.n + 1):
            for name in (*SCENES, *UNTRIED):
                files(folder, digits, name, k)
        return 0
    for name in (*SCENES, *UNTRIED):
        made = files(folder, digits, name, options.n)
        cells = [name if name in SCENES else f"*{name}*", str(len(made))]
        for reader in READERS:
            found = [read(model, reader, file) for file, _ in made]
            kinds = np.array(
                [
                    HELD if answer is None else RIGHT if answer == label else WRONG
                    for (answer, _), (_, label) in zip(found, made, strict=True)
                ]
            )
            of_answered = percent(kinds[kinds != HELD] == RIGHT) if (kinds != HELD).any() else "–"
            cells += [of_answered, percent(kinds == HELD), percent(kinds == WRONG)]
            if name == "12 MP" and reader != "by its rim":
                taken = [seconds for _, seconds in found]
        rows.append(cells)
        tell(" | ".join(cells))
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
