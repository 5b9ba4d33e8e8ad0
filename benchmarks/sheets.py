"""Measures how many digits are found on photographs of sheets, and how many things that are none.

`python benchmarks/sheets.py [--update] [--tune]` writes the pen digits of the last ten writers onto paper, printed
sheets and blank ones, photographs them at 12 megapixels (`tests/sheets.py`), and reads the files as the page does;
`--tune` takes the other twenty writers. It needs the pen digits in a data folder, and about ten minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.settings import wait_passively  # noqa: E402  the path comes first

wait_passively()

from benchmarks.drawing import percent, say, table  # noqa: E402
from benchmarks.results import machine  # noqa: E402
from core import settings, store  # noqa: E402
from core.datasets.pen_digits import FILE, WRITERS, PenDigit, pen_digits  # noqa: E402
from core.drawing.decoder import LONGEST_SHEET  # noqa: E402
from core.drawing.picture import open_picture  # noqa: E402
from core.images.printed_sheet import through  # noqa: E402
from core.models.model import Model, open_model  # noqa: E402
from core.models.sheets import ReadSheet, read_sheet  # noqa: E402
from core.refusal import Refusal  # noqa: E402
from tests import sheets  # noqa: E402

MODEL = "20261129-135155-mnist-and-drawings-cnn-four-4072"
KINDS = {"printed": 12, "rows": 8, "grid": 8, "scattered": 8, "ruled": 8, "squared": 8}  # pictures of each kind
RULED = {"ruled": 8, "squared": 5}  # mm between the lines
INKS = ((35, 35, 60), (120, 120, 120), (30, 60, 160))  # black, pencil, ballpoint
PIXELS = (4032, 3024)  # px of a photograph


def written(kind: str, own: Sequence[PenDigit], random: np.random.Generator) -> sheets.Paper:
    """One writer's digits on a sheet, with one of the pens."""
    pen = {"pen": float(random.uniform(0.4, 1.2)), "colour": INKS[int(random.integers(len(INKS)))]}
    if kind == "printed":
        by_digit = {digit: [one for one in own if one.digit == digit] for digit in range(10)}
        boxes = [(row, column) for row in range(10) for column in range(10) if random.random() < 0.8]
        chosen = {(row, column): by_digit[row][random.integers(len(by_digit[row]))].strokes for row, column in boxes}
        return sheets.filled_in(chosen, height=float(random.uniform(8, 14)), **pen)
    paper = sheets.Paper()
    if kind in RULED:
        paper.rule(RULED[kind], squared=kind == "squared")
    for left, top, height in sheets.places("rows" if kind in RULED else kind, int(random.integers(20, 70)), random):
        one = own[int(random.integers(len(own)))]
        paper.write(one.digit, one.strokes, left, top, height, **pen)
    return paper


def view(random: np.random.Generator) -> sheets.View:
    """A photographer: up to 25 degrees from above, turned by any quarter and up to 15 degrees more."""
    return sheets.View(
        size=PIXELS if random.random() < 0.5 else (PIXELS[1], PIXELS[0]),
        tilt=float(random.uniform(0, 25)),
        tilt_towards=float(random.uniform(0, 360)),
        turn=float(random.choice([0, 90, 180, 270]) + random.uniform(-15, 15)),
        fill=float(random.uniform(0.8, 0.95)),
        fall_off=float(random.uniform(0, 0.35)),
        shadow=float(random.choice([0, 0.45])),
        noise=4,
        blur=1,
        table=((110, 80, 60), (60, 60, 65), (190, 170, 140))[int(random.integers(3))],
    )


def compared(read: ReadSheet, paper: sheets.Paper, seen: sheets.View) -> dict[str, np.ndarray]:
    """Which written digits are found, which found ones are digits, and of these the labels and answers that are right.

    A digit is found if the middle of a box lies within the digit, and the box is not 1.5 times as large.
    """
    scale = LONGEST_SHEET / max(seen.size)
    ends = np.array([corners for _, corners in paper.ends])
    outline = ends[:, [[0, 0], [1, 0], [1, 1], [0, 1]], [0, 1]]
    on_picture = scale * through(sheets.homography(paper.size, seen), outline.reshape(-1, 2)).reshape(-1, 4, 2)
    middles, sizes = on_picture.mean(axis=1), np.ptp(on_picture, axis=1).max(axis=1)
    found, true, right, labels = np.zeros(len(ends), bool), [], [], []
    for digit in read.digits:
        away = np.hypot(*(middles - digit.found.corners.mean(axis=0)).T)
        place = int(away.argmin())
        size = np.ptp(digit.found.corners, axis=0).max()
        fits = away[place] < 0.5 * sizes[place] and 0.5 < size / sizes[place] < 1.5 and not found[place]
        true.append(fits)
        if fits:
            found[place] = True
            right.append(int(digit.answers[0].values.argmax()) == paper.ends[place][0])
            labels.append(digit.found.written in (None, paper.ends[place][0]))
    return {
        name: np.array(some, bool)
        for name, some in (("found", found), ("true", true), ("right", right), ("labels", labels))
    }


def opened(content: bytes) -> np.ndarray:
    """The picture, decoded in another process; tried again where a busy machine takes too long. Raises: Refusal."""
    for _ in range(9):
        with contextlib.suppress(Refusal):
            return open_picture(content, longest=LONGEST_SHEET)
    return open_picture(content, longest=LONGEST_SHEET)


def measured(kind: str, count: int, digits: Sequence[PenDigit], model: Model, seed: int) -> list[str]:
    """The row of a kind of sheet."""
    random = np.random.default_rng(seed)
    writers = sorted({one.writer for one in digits})
    parts, seconds, processor, refused = [], [], [], 0
    for place in range(count):
        own = [one for one in digits if one.writer == writers[place % len(writers)]]
        paper, seen = written(kind, own, random), view(random)
        content = sheets.encoded(sheets.photograph(paper, seen, random), quality=85)
        picture = opened(content)
        begun, used = time.perf_counter(), time.process_time()
        try:
            read = read_sheet(picture, [model])
        except Refusal as refusal:
            print(kind, place, refusal.key, file=sys.stderr, flush=True)
            refused, nothing = refused + 1, np.zeros(0, bool)
            found = np.zeros(len(paper.ends), bool)
            parts.append({"found": found, "true": nothing, "right": nothing, "labels": nothing})
            continue
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
        parts.append(compared(read, paper, seen))
        print(
            kind,
            place,
            {name: f"{some.mean():.3f}" for name, some in parts[-1].items()},
            f"{seconds[-1]:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    all_of = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    return [
        kind,
        str(count),
        str(refused),
        str(len(all_of["found"])),
        percent(all_of["found"]),
        percent(~all_of["true"]),
        percent(all_of["labels"]) if kind == "printed" else "",
        percent(all_of["right"]),
        *(f"{statistics.median(some):.1f} ({max(some):.1f})" if some else "" for some in (seconds, processor)),
    ]


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure how sheets of digits are read.")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    parser.add_argument("--tune", action="store_true", help="take the writers 1 to 20, and other sheets")
    options = parser.parse_args()
    folder = next((folder for folder in settings.data_folders() if (folder / FILE).is_file()), None)
    if not folder:
        print("pen-digits is in no data folder: python -m core data get pen-digits", file=sys.stderr)
        return 1
    digits = [one for one in pen_digits(folder / FILE) if (one.writer in WRITERS["test"]) != options.tune]
    model = open_model(store.find(MODEL))
    read_sheet(
        sheets.rgba(
            sheets.photograph(sheets.filled_in({(0, 0): digits[0].strokes}), sheets.View(), np.random.default_rng(0))
        ),
        [model],
    )  # what is imported at its first use
    head = [
        "sheet",
        "photographs",
        "refused",
        "digits",
        "found",
        "found that are none",
        "label of its row right",
        "answer right",
        "s, median (most)",
        "s of processor time",
    ]
    rows = [measured(kind, count, digits, model, 100 * options.tune + 1) for kind, count in KINDS.items()]
    text = [
        machine(*(f"{name} {version(name)}" for name in ("numpy", "pillow", "scipy"))),
        "",
        f"Pen digits of {'writers 1 to 20' if options.tune else 'the last ten writers'} on generated paper, in black, "
        "pencil or ballpoint of 0.4 to 1.2 mm, on one of three tables, with light that falls off by up to 35 % and in "
        "half of the pictures a shadow of 45 %, photographed at 12 megapixels, at up to 25 degrees, turned by any "
        "quarter and up to 15 degrees more, and saved as JPEG of quality 85. Digits of refused photographs count as "
        "not found. In brackets: Wilson's 95 "
        "% intervals for independent digits. The time is that of finding and answering, without decoding, on a machine "
        "that had other work.",
        *table(head, rows),
    ]
    say("sheets.py", text, options.update)
    return 0


if __name__ == "__main__":
    sys.exit(main())
