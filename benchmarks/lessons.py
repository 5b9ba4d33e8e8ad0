"""Counts with how many seeds each step of a lesson shows what it expects: real runs on MNIST-5k, a store for each seed.

`python benchmarks/lessons.py [SEEDS]`, by default 20; about a quarter of a minute a seed on two cores. The drawings of
the lesson on drawings are pen digits, if they are on this machine: ten of one writer who is in no training, a writer a
seed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core import settings, store  # noqa: E402  the path comes first
from core.datasets.pen_digits import FILE, WRITERS, PenDigit, pen_digits  # noqa: E402
from core.drawing.collection import LabelledDrawing  # noqa: E402
from core.drawing.strokes import PENS, inked  # noqa: E402
from core.lessons.checks import Evidence, look, options  # noqa: E402
from core.lessons.lesson import Lesson, lessons  # noqa: E402
from core.models.model import answers_to, open_model  # noqa: E402
from core.work import work  # noqa: E402


def train(lesson: Lesson, seed: int) -> None:
    """Train all runs of a lesson that the store lacks, with this seed and, where a step asks for it, the next one."""
    more = {step.run: step.seed for step in lesson.steps if step.seed is not None}
    for name, spec in lesson.runs.items():
        for one in [seed, seed + 1000] if name in more else [seed]:
            wanted = spec.model_copy(update={"seed": one})
            if wanted not in [run.spec for run in store.runs()]:
                assert work(str(store.create(wanted).folder)) == "done"


def drawings(digits: list[PenDigit], writer: int) -> list[LabelledDrawing]:
    """The first drawing of each digit by a writer."""
    first = {one.digit: one for one in reversed(digits) if one.writer == writer}
    now = datetime.now()
    return [LabelledDrawing(f"{k}", k, now, "", inked(first[k].strokes, PENS[2])) for k in sorted(first)]


def main() -> None:
    """Train all runs with each seed, look at every check, and print how often it holds."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    files = [folder / FILE for folder in settings.data_folders() if (folder / FILE).exists()]
    digits = pen_digits(files[0]) if files else []
    seen: Counter[tuple[str, int]] = Counter()
    said: dict[tuple[str, int], str] = {}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["BANCADA_STORE"] = folder
            drawn = drawings(digits, WRITERS["test"][seed % len(WRITERS["test"])])
            evidence = Evidence(lambda run, kept: answers_to(open_model(run), kept), drawings=lambda d=drawn: d)
            for lesson in lessons():
                train(lesson, seed)
                for number, step in enumerate(lesson.steps, 1):
                    tried = [look(evidence, lesson, step, given) for given in options(evidence, lesson, step) or [None]]
                    place = lesson.name, number
                    seen[place] += any(one.holds for one in tried)
                    if step.check.get("what") == "verdict":
                        seen[lesson.name, -number] += tried[0].holds  # the first option: the difference is real
                    said[place] = next((one for one in tried if one.holds), tried[0]).sentence("en")
    for place, sentence in said.items():
        print(*place, f"{seen[place]} of {seeds}", sentence, sep="\t")
    for (name, number), count in seen.items():
        if number < 0:
            print(name, -number, f"real: {count} of {seeds}", sep="\t")


if __name__ == "__main__":
    main()
