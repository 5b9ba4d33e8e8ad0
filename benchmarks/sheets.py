"""Measures how many digits are found on photographs of sheets, and how many things that are none.

`python benchmarks/sheets.py [--n N] [--update] [--tune]` writes the pen digits of the last ten writers onto paper,
printed sheets and blank ones, photographs them at 12 megapixels (`tests/sheets.py`), and reads the files as the page
does; `--tune` takes the other twenty writers. `--class` measures in a browser how long a whole class's printed sheets
take. Both need the pen digits in a data folder; the first takes about twenty minutes, the other five, and Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.settings import wait_passively  # noqa: E402  the path comes first

wait_passively()

from benchmarks.drawing import percent, table  # noqa: E402
from benchmarks.results import machine, say, tell  # noqa: E402
from core import settings, store, words  # noqa: E402
from core.datasets.pen_digits import FILE, WRITERS, PenDigit, pen_digits  # noqa: E402
from core.drawing import collection  # noqa: E402
from core.drawing.decoder import LONGEST_SHEET  # noqa: E402
from core.drawing.picture import open_picture  # noqa: E402
from core.images.printed_sheet import through  # noqa: E402
from core.models.model import Model, open_model  # noqa: E402
from core.models.sheets import ReadSheet, read_sheet  # noqa: E402
from core.refusal import Refusal  # noqa: E402
from tests import sheets  # noqa: E402
from tests.browser import chromium, faultless, projector, serve  # noqa: E402

MODEL = "20261129-135155-mnist-and-drawings-cnn-four-4072"
KINDS = (
    "printed",
    "rows",
    "grid",
    "scattered",
    "ruled",
    "squared",
    "creased, printed",
    "creased, in rows",
    "few digits",
)
RULED = {"ruled": 8, "squared": 5}  # mm between the lines
PLACES = {"grid": "grid", "scattered": "scattered", "few digits": "scattered"}  # where digits stand, else in rows
CLASS = 40  # printed sheets
MINUTES = 10  # at most, for a class's sheets
INKS = ((35, 35, 60), (120, 120, 120), (30, 60, 160))  # black, pencil, ballpoint
PIXELS = (4032, 3024)  # px of a photograph


def is_printed(kind: str) -> bool:
    """Whether the sheet is the printed one with its boxes."""
    return "printed" in kind


def written(kind: str, own: Sequence[PenDigit], random: np.random.Generator) -> sheets.Paper:
    """One writer's digits on a sheet, with one of the pens."""
    pen = {"pen": float(random.uniform(0.4, 1.2)), "colour": INKS[int(random.integers(len(INKS)))]}
    if is_printed(kind):
        by_digit = {digit: [one for one in own if one.digit == digit] for digit in range(10)}
        boxes = [(row, column) for row in range(10) for column in range(10) if random.random() < 0.8]
        chosen = {(row, column): by_digit[row][random.integers(len(by_digit[row]))].strokes for row, column in boxes}
        return sheets.filled_in(chosen, height=float(random.uniform(8, 14)), **pen)
    paper = sheets.Paper()
    if kind in RULED:
        paper.rule(RULED[kind], squared=kind == "squared")
    count = int(random.integers(3, 9) if kind == "few digits" else random.integers(20, 70))
    for left, top, height in sheets.places(PLACES.get(kind, "rows"), count, random):
        one = own[int(random.integers(len(own)))]
        paper.write(one.digit, one.strokes, left, top, height, **pen)
    return paper


def view(kind: str, random: np.random.Generator) -> sheets.View:
    """A photographer: up to 25 degrees from above, turned by any quarter and up to 15 degrees more."""
    return sheets.View(
        size=PIXELS if random.random() < 0.5 else (PIXELS[1], PIXELS[0]),
        tilt=float(random.uniform(0, 25)),
        tilt_towards=float(random.uniform(0, 360)),
        turn=float(random.choice([0, 90, 180, 270]) + random.uniform(-15, 15)),
        fill=float(random.uniform(0.8, 0.95)),
        fall_off=float(random.uniform(0, 0.35)),
        shadow=float(random.choice([0, 0.45])),
        creases=int(random.integers(1, 5)) if "creased" in kind else 0,
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
        paper, seen = written(kind, own, random), view(kind, random)
        content = sheets.encoded(sheets.photograph(paper, seen, random), quality=85)
        begun = time.perf_counter()
        picture = opened(content)
        used = time.process_time()
        try:
            read = read_sheet(picture, [model])
        except Refusal as refusal:
            tell(f"{kind} {place} {refusal.key}")
            refused, nothing = refused + 1, np.zeros(0, bool)
            found = np.zeros(len(paper.ends), bool)
            parts.append({"found": found, "true": nothing, "right": nothing, "labels": nothing})
            continue
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
        parts.append(compared(read, paper, seen))
        shares = ", ".join(f"{name} {some.mean():.3f}" for name, some in parts[-1].items() if some.size)
        tell(f"{kind} {place}: {shares}; {seconds[-1]:.1f} s")
    all_of = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    return [
        kind,
        str(count),
        str(refused),
        str(len(all_of["found"])),
        percent(all_of["found"]),
        percent(~all_of["true"]),
        percent(all_of["labels"]) if is_printed(kind) else "",
        percent(all_of["right"]),
        *(f"{statistics.median(some):.1f} ({max(some):.1f})" if some else "" for some in (seconds, processor)),
    ]


def of_class(digits: Sequence[PenDigit], count: int) -> list[str]:
    """How long so many printed sheets take on the page, from the choice of their files until all digits are kept."""
    random = np.random.default_rng(2)
    writers = sorted({one.writer for one in digits})
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        own = {f"BANCADA_{name}": str(Path(folder, name.lower())) for name in ("STORE", "CACHE", "DATA")}
        shutil.copytree(store.find(MODEL).folder, Path(own["BANCADA_STORE"], MODEL))
        files, there = [], 0
        for place in range(count):
            paper = written("printed", [one for one in digits if one.writer == writers[place % len(writers)]], random)
            there += len(paper.ends)
            files.append(Path(folder, f"{place:02}.jpg"))
            files[-1].write_bytes(sheets.encoded(sheets.photograph(paper, view("printed", random), random), quality=85))
        mebibytes = sum(file.stat().st_size for file in files) / 2**20
        waits = MINUTES * 60_000
        with serve("app.py", ROOT, own) as address, faultless(projector(browser), f"{address}/draw", waits) as page:
            page.get_by_role("radio", name=words.text("en", "draw.mode_sheet"), exact=True).click()
            page.locator(".st-key-sheet-print").wait_for()
            begun = time.perf_counter()
            page.locator("input[type=file]").set_input_files(files)
            last = page.locator(".st-key-sheet-keep button:not([disabled])")
            page.locator(".st-key-sheet-stop").wait_for()
            page.locator(".st-key-sheet-stop").wait_for(state="detached")
            last.wait_for()
            read = time.perf_counter() - begun
            refused = page.locator("[data-testid=stAlertContentError]").count()
            begun = time.perf_counter()
            last.click()
            page.locator(".st-key-sheet-take-back").wait_for()
            kept_after = time.perf_counter() - begun
        kept = len(collection.kept(Path(own["BANCADA_STORE"])))
    return [
        f"{count} photographs of printed sheets ({mebibytes:.0f} MiB, {there:,} digits), chosen at once on *Draw*, "
        f"*Sheet* in Chromium {browser.version} on the server's own machine: {read:.0f} s from the choice of the files "
        f"until all are read, {kept_after:.1f} s more from the click on *Keep* until {kept:,} digits are kept; "
        f"{refused} photographs refused. n = 1."
    ]


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure how sheets of digits are read.")
    parser.add_argument("--n", type=int, default=16, help="photographs a kind")
    parser.add_argument(
        "--class", action="store_true", dest="of_class", help="only measure a class's sheets in a browser"
    )
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    parser.add_argument("--tune", action="store_true", help="take the writers 1 to 20, and other sheets")
    options = parser.parse_args()
    folder = next((folder for folder in settings.data_folders() if (folder / FILE).is_file()), None)
    if not folder:
        print("pen-digits is in no data folder: python -m core data get pen-digits", file=sys.stderr)
        return 1
    digits = [one for one in pen_digits(folder / FILE) if (one.writer in WRITERS["test"]) != options.tune]
    if options.of_class:
        say("sheets.py --class", [machine(), "", *of_class(digits, CLASS)], options.update)
        return 0
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
        "s from file to answers, median (most)",
        "of these finding and answering, s of processor time",
    ]
    rows = [measured(kind, options.n, digits, model, 100 * options.tune + 1) for kind in KINDS]
    text = [
        machine(*(f"{name} {version(name)}" for name in ("numpy", "pillow", "scipy"))),
        "",
        f"Pen digits of {'writers 1 to 20' if options.tune else 'the last ten writers'} on generated paper, in black, "
        "pencil or ballpoint of 0.4 to 1.2 mm, on one of three tables, with light that falls off by up to 35 % and in "
        "half of the pictures a shadow of 45 %, photographed at 12 megapixels, at up to 25 degrees, turned by any "
        "quarter and up to 15 degrees more, and saved as JPEG of quality 85. Creased paper has one to four folds; few "
        "digits are three to eight, scattered. Digits of refused photographs count as not found. In brackets: Wilson's "
        "95 % intervals for independent digits. The time includes decoding; the machine had other work.",
        *table(head, rows),
    ]
    say("sheets.py", text, options.update)
    return 0


if __name__ == "__main__":
    sys.exit(main())
