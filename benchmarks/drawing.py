"""Measures models on people's pen strokes: by step of the drawing pipeline, digit and writer, and with abstention.

`python benchmarks/drawing.py [--update] [RUN...]` draws the pen digits as the page's pad would and classifies them with
the models of the named runs, by default the starter models; `--update` writes the tables into RESULTS.md. It needs
MNIST, Fashion-MNIST and the pen digits in a data folder, and about six minutes.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.no_digits import KINDS, logo  # noqa: E402  the path comes first
from benchmarks.results import machine, say  # noqa: E402
from core import settings, store  # noqa: E402
from core.datasets import Split, dataset  # noqa: E402
from core.datasets.pen_digits import FILE, WRITERS, PenDigit, pen_digits  # noqa: E402
from core.drawing import SHEET  # noqa: E402
from core.drawing.prepare import Prepared, prepare  # noqa: E402
from core.drawing.strokes import inked  # noqa: E402
from core.images import paper  # noqa: E402
from core.measures.measures import by_writer, proportion  # noqa: E402
from core.models.doubt import FAMILIAR, FAMILIAR_KNOWING_NONE, SURE, SURE_KNOWING_NONE, doubt  # noqa: E402
from core.models.model import DRAWN, POLARITY, Model, open_model  # noqa: E402

PIPELINES: dict[str, tuple[str, ...]] = {
    "resized only": ("crop", "width", "fit", "centre"),
    "box": ("width", "centre"),
    "box, centre of mass": ("width",),
    "box, centre of mass, stroke width": (),
}
PENS = {8: 3.2, 20: 8, 40: 16}  # px of a sheet of 280: the thinnest, the default and the thickest pen; px of `SHEET`
USUAL = 20  # the pad's default pen
HEAD = [f"pen {pen}" for pen in PENS]
TIMES = 10  # factor by which MNIST's images are enlarged
ENLARGED = "MNIST's test images, prepared again"
MADE = 1_000  # pictures of each kind that is not a digit
REASONS = ("empty", "several", "blot", "no_digit", "unsure")


def percent(right: np.ndarray, writers: np.ndarray | None = None) -> str:
    """The share of true values in `right`, bool (N,), with its 95 % interval, by writer (N,) if given."""
    measure = proportion(int(right.sum()), len(right)) if writers is None else by_writer(right, writers.tolist())
    if math.isnan(measure.low):
        return f"{measure.value:.2%}"
    return f"{measure.value:.2%} ({measure.low:.2%} to {measure.high:.2%})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["", *(f"| {' | '.join(row)} |" for row in lines)]


def prepared(sheets: Iterable[np.ndarray], without: Sequence[str] = ()) -> np.ndarray:
    """The images that the models get of the sheets, uint8 (N, 1, 28, 28)."""
    images = [prepare(sheet, without=without).image for sheet in sheets]
    return np.stack([image for image in images if image is not None])[:, None]


def _facts(digits: Sequence[PenDigit]) -> tuple[np.ndarray, np.ndarray]:
    """The labels (N,) and the writers (N,)."""
    return np.array([one.digit for one in digits]), np.array([one.writer for one in digits])


def answers(model: Model, images: np.ndarray) -> np.ndarray:
    """The classes (N,) that the model predicts."""
    return model.probabilities(images).argmax(axis=1)


def pipeline(models: Sequence[Model], digits: Sequence[PenDigit]) -> list[str]:
    """A table with a row for each model and pen: the accuracy with each of the pipelines."""
    labels, writers, rows, seen = *_facts(digits), [], {}
    for pen, width in PENS.items():
        sheets = [inked(one.strokes, width) for one in digits]
        seen[pen] = [prepared(sheets, without) for without in PIPELINES.values()]
    for model in models:
        for pen, ways in seen.items():
            rows.append(
                [f"`{model.run}`", f"{pen}", *(percent(answers(model, images) == labels, writers) for images in ways)]
            )
    return table(["model", "pen, px of 280", *PIPELINES], rows)


def each(models: Sequence[Model], digits: Sequence[PenDigit], what: str) -> list[str]:
    """A table with a row for each digit, or each writer: the accuracy of each model with the usual pen."""
    labels, writers = _facts(digits)
    groups, whose = (labels, writers) if what == "digit" else (writers, None)
    images = prepared(inked(one.strokes, PENS[USUAL]) for one in digits)
    right = [answers(model, images) == labels for model in models]
    rows = [
        [
            str(group),
            str((groups == group).sum()),
            *(
                percent(of_model[groups == group], whose if whose is None else whose[groups == group])
                for of_model in right
            ),
        ]
        for group in np.unique(groups)
    ]
    spread = [[np.mean(of_model[groups == group]) for group in np.unique(groups)] for of_model in right]
    rows.append(["least to most", "", *(f"{min(shares):.2%} to {max(shares):.2%}" for shares in spread)])
    return table([what, "n", *(f"`{model.run}`" for model in models)], rows)


def each_pen(model: Model, digits: Sequence[PenDigit]) -> list[str]:
    """A table with a row for each writer: the model's accuracy with each pen; below a line that says so."""
    labels, writers = _facts(digits)
    right = [answers(model, prepared(inked(one.strokes, width) for one in digits)) == labels for width in PENS.values()]
    rows = [
        [str(writer), str((writers == writer).sum()), *(percent(of_pen[writers == writer]) for of_pen in right)]
        for writer in np.unique(writers)
    ]
    return [f"Each writer with each pen, px of 280, by `{model.run}`:", *table(["writer", "n", *HEAD], rows), ""]


def enlarged(models: Sequence[Model], mnist: Split) -> list[str]:
    """A table with a row for each model: accuracy on MNIST's test images, and on them enlarged and prepared again."""
    rows = []
    for how in (Image.Resampling.NEAREST, Image.Resampling.BICUBIC):
        large = (Image.fromarray(image).resize((28 * TIMES, 28 * TIMES), how) for image in mnist.images[:, 0])
        images = prepared(np.asarray(image) for image in large)
        for model in models:
            as_is, through = (answers(model, some) == mnist.labels for some in (mnist.images, images))
            lost = f"{100 * (as_is.mean() - through.mean()):.2f}"
            rows.append([f"`{model.run}`", how.name.lower(), percent(as_is), percent(through), lost])
    return table(["model", f"enlarged {TIMES} times", "as it is", "sent through", "points lost"], rows)


def pair(digits: Sequence[PenDigit], random: np.random.Generator) -> list[np.ndarray]:
    """The strokes of two digits side by side, in the size in which they were written."""
    strokes, left = [], 0.05
    for place in random.integers(0, len(digits), 2):
        points = np.concatenate(digits[place].strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        strokes += [stroke - low + (left, 0.3) for stroke in digits[place].strokes]
        left += high[0] - low[0] + random.uniform(0.08, 0.2)
    return strokes


def no_digits(writers: Iterable[int], part: str, digits: Sequence[PenDigit]) -> dict[str, list[np.ndarray]]:
    """Pictures that are not a digit, by kind, made from the data of one split and its writers, with any of the pens."""
    random, own = np.random.default_rng(0), [one for one in digits if one.writer in writers]
    written = [(one.digit, one.strokes) for one in own]
    fashion, pens = dataset("fashion-mnist").load().parts()[part].images[:MADE, 0], list(PENS.values())
    return {
        "nothing": [np.zeros((SHEET, SHEET), dtype=np.uint8)],
        "a dot": [inked([random.random((1, 2)) * 0.8 + 0.1], pen) for pen in pens for _ in range(MADE // 10)],
        **{kind: [inked(make(random, written), pens[k % 3]) for k in range(MADE)] for kind, make in KINDS.items()},
        "two digits side by side": [inked(pair(own, random)) for _ in range(MADE)],
        "Fashion-MNIST": list(fashion),
    }


def doubts(model: Model, drawings: Sequence[Prepared]) -> tuple[np.ndarray, np.ndarray]:
    """The reason to withhold the model's answer, "" if there is none, str (N,), and the predicted classes (N,)."""
    blank = np.zeros((28, 28), dtype=np.uint8)
    images = np.stack([blank if drawing.image is None else drawing.image for drawing in drawings])[:, None]
    values = model.probabilities(images)
    reasons = [
        doubt(drawing, own, model.least_lead, knows_none=model.knows_none) or ""
        for drawing, own in zip(drawings, values, strict=True)
    ]
    return np.array(reasons), values.argmax(axis=1)


def abstention(models: Sequence[Model], digits: Sequence[PenDigit], mnist: Split) -> list[str]:
    """Two tables: each model's share of digits answered and the accuracy on them; the share of others withheld."""
    test = [one for one in digits if one.writer in WRITERS["test"]]
    written = {
        f"pen digits, pen {pen}, prepared": [prepare(inked(one.strokes, width)) for one in test]
        for pen, width in PENS.items()
    }
    of_test, writers = _facts(test)
    labels, whose = dict.fromkeys(written, of_test), dict.fromkeys(written, writers)
    written[ENLARGED] = [prepare(image) for image in mnist.images[:, 0]]
    labels[ENLARGED] = mnist.labels
    made = {
        kind: [prepare(sheet) for sheet in some] for kind, some in no_digits(WRITERS["test"], "test", digits).items()
    }
    answered, held = [], []
    for model in models:
        for kind, drawings in written.items():
            reasons, named = doubts(model, drawings)
            right, sure = named == labels[kind], reasons == ""
            by = whose.get(kind)
            shares = percent(right, by), percent(sure, by), percent(right[sure], by if by is None else by[sure])
            answered.append([f"`{model.run}`", kind, *shares])
        for kind, drawings in made.items():
            reasons, _ = doubts(model, drawings)
            why = [f"{(reasons == f'doubt.{reason}').mean():.1%}" for reason in REASONS]
            held.append([f"`{model.run}`", kind, str(len(drawings)), percent(reasons != ""), *why])
    return [
        *table(["model", "digits", "accuracy of all", "answered", "accuracy of the answered"], answered),
        *table(["model", "no digit", "n", "held back", *(reason.replace("_", " ") for reason in REASONS)], held),
    ]


def seeds(models: Sequence[Model], digits: Sequence[PenDigit], mnist: Split) -> list[str]:
    """Two tables with a row for each run: accuracy on MNIST's test images and, by pen, on the last ten writers' digits;
    the share of these digits that is refused, of the usual pen, and the shares held back of what is no digit.
    """
    test = [one for one in digits if one.writer in WRITERS["test"]]
    labels, writers = _facts(test)
    drawings = {pen: [prepare(inked(one.strokes, width)) for one in test] for pen, width in PENS.items()}
    made = {
        kind: [prepare(sheet) for sheet in some]
        for kind, some in no_digits(WRITERS["test"], "test", digits).items()
        if kind in KINDS
    }
    rows, held = [], []
    for model in models:
        spec = store.find(model.run).spec
        first = [spec.data, str(spec.seed), f"`{model.run}`"]
        found = {pen: doubts(model, some) for pen, some in drawings.items()}
        right = [percent(named == labels, writers) for _, named in found.values()]
        rows.append([*first, percent(answers(model, mnist.images) == mnist.labels), *right])
        shares = [f"{(doubts(model, some)[0] != '').mean():.1%}" for some in made.values()]
        held.append([*first, percent(found[USUAL][0] != "", writers), *shares])
    head = ["trained on", "seed", "run"]
    return [
        *table([*head, "MNIST's test images, as they are", *(f"{pen}, prepared" for pen in HEAD)], sorted(rows)),
        "",
        f"Refused of the digits, and held back of {MADE:,} drawings of each kind that is no digit:",
        *table([*head, f"refused, pen {USUAL}", *made], sorted(held)),
    ]


def logos(models: Sequence[Model]) -> list[str]:
    """A table with a row for each model: the share of logos that are held back, which come as files with a picture."""
    random = np.random.default_rng(0)
    made, rows = [paper.prepared(logo(random)) for _ in range(MADE)], []
    for model in models:
        reasons, _ = doubts(model, made)
        why = [f"{(reasons == f'doubt.{reason}').mean():.1%}" for reason in REASONS]
        rows.append([f"`{model.run}`", str(MADE), percent(reasons != ""), *why])
    return table(["model", "logos", "held back", *(reason.replace("_", " ") for reason in REASONS)], rows)


def polarity(models: Sequence[Model]) -> list[str]:
    """A table of the accuracy on test images as pictures, and on their negatives, with and without the step `polarity`.

    Of models of other images than digits, whose pictures are only fitted.
    """
    head = [f"{of}, {step}" for of in ("test images", "negatives") for step in ("as read", "without the step")]
    rows = []
    for model in models:
        name = store.find(model.run).spec.data
        test = dataset(name).load().test
        opaque = np.full_like(test.images[:, :1], 255)
        row = [f"`{model.run}`", name, f"{len(test.labels):,}"]
        for images in (test.images, 255 - test.images):
            pictures = np.concatenate([*[images] * (3 // images.shape[1]), opaque], axis=1).transpose(0, 2, 3, 1)
            for without in ((), (POLARITY,)):
                seen = [image for one in pictures if (image := model.image(one, without=without)) is not None]
                row.append(percent(model.probabilities(np.stack(seen)).argmax(axis=1) == test.labels))
        rows.append(row)
    return table(["model", "data", "n", *head], rows)


def seconds(call: Callable[[], object], n: int = 200) -> str:
    """The median, shortest and longest time of `n` calls, ms, as text."""
    taken = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(taken):.2f} ms ({min(taken):.2f} to {max(taken):.2f}, n = {n})"


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure the drawing pipeline on people's pen strokes.")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="by default the starter models")
    parser.add_argument("--seeds", action="store_true", help="only a row a run: one recipe's trainings by their seed")
    parser.add_argument("--logos", action="store_true", help="only how many logos are held back")
    parser.add_argument("--polarity", action="store_true", help="only how the runs, not of digits, read negatives")
    parser.add_argument("--update", action="store_true", help="write the tables into RESULTS.md")
    options = parser.parse_args()
    runs = [store.find(name) for name in options.runs] or [run for run in store.runs() if run.report()]
    models = [open_model(run) for run in sorted(runs, key=lambda run: run.name)]
    if options.logos:
        say("drawing.py --logos", [machine(), *logos(models)], options.update)
        return 0
    if options.polarity:
        say("drawing.py --polarity", [machine(), *polarity(models)], options.update)
        return 0
    for name in ("mnist", "fashion-mnist", "pen-digits"):
        if dataset(name).state()[0] != "ready":
            print(f"{name} is in no data folder: python -m core data get {name}", file=sys.stderr)
            return 1
    folder = next(folder for folder in settings.data_folders() if (folder / FILE).is_file())
    digits = pen_digits(folder / FILE)
    test, mnist = [one for one in digits if one.writer in WRITERS["test"]], dataset("mnist").load().test
    if options.seeds:
        by = "In brackets: 95 % intervals, of the pen digits for other writers."
        say("drawing.py --seeds", [machine(), "", by, *seeds(models, digits, mnist)], options.update)
        return 0
    canvas = inked(digits[0].strokes, 3 * PENS[USUAL], 3 * SHEET)
    rgba = np.dstack([canvas, canvas, canvas, np.full_like(canvas, 255)])
    text = [
        machine(*(f"{name} {version(name)}" for name in ("numpy", "pillow", "scipy"))),
        "",
        f"Pen digits of the last ten writers, n = {len(test):,}: no model has seen them, nothing was chosen by them. "
        "In brackets: 95 % intervals for other writers (see `by_writer` in `core/measures/measures.py`); those of one "
        "writer, of MNIST's images and of what is no digit are Wilson's, for independent images.",
        *pipeline(models, test),
        "",
        f"With the pen of {USUAL} of 280 px, prepared in full:",
        *each(models, test, "digit"),
        *each(models, test, "writer"),
        "",
        *(line for model in models if store.find(model.run).spec.data in DRAWN for line in each_pen(model, test)),
        f"MNIST's test images, n = {len(mnist.labels):,}:",
        *enlarged(models, mnist),
        "",
        f"What is answered, where the probability is {SURE} or more and the answer leads as those of {FAMILIAR:.0%} of "
        f"val's images do ({SURE_KNOWING_NONE} and {FAMILIAR_KNOWING_NONE:.0%} for a model that has learned what is no "
        "digit), and what is held back, and why. No model has learned from drawings of these kinds:",
        *abstention(models, digits, mnist),
        "",
        f"`prepare` of {3 * SHEET} x {3 * SHEET} px of ink: {seconds(lambda: prepare(canvas))}; "
        f"of RGBA: {seconds(lambda: prepare(rgba))}.",
    ]
    say("drawing.py", text, options.update)
    return 0


if __name__ == "__main__":
    sys.exit(main())
