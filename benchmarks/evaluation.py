"""Measures how quickly a report is shown and computed: `python benchmarks/evaluation.py [--update]`.

Trains the recipe `mnist-fast` in a store of its own and opens its report of 10,000 test images in headless Chromium:
the page Evaluate, its views, a cell's images, a single picture. Then times alternately a worker's pass over the test
images and the engine's logits alone. Needs MNIST in a data folder and about three minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script gets its own folder there, not the repository's

from benchmarks.pages import EVALUATE, MANY, TRAIN, Figures, add, opened, own_folders, pause, waits_table, watch  # noqa: E402
from benchmarks.results import machine, say, spread, tell  # noqa: E402
from core import store  # noqa: E402
from core.datasets import dataset  # noqa: E402
from core.store import Run  # noqa: E402
from tests.browser import CHROMIUM, chromium, serve  # noqa: E402

MATRIX, PICTURES, CHART = ".st-key-matrix tbody", ".pictures", "[data-testid=stVegaLiteChart] svg.marks"
PASSES = 10


def main() -> None:
    """Measure, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure how quickly a report is shown, and made.")
    parser.add_argument("--update", action="store_true", help="write the section into RESULTS.md")
    options = parser.parse_args()
    if not CHROMIUM or dataset("mnist").state()[0] != "ready":
        parser.exit(1, "This needs Chromium (apt install chromium) and MNIST (python -m core data get mnist).\n")
    with own_folders() as environment, chromium() as browser:
        where = machine(f"Chromium {browser.version}, headless")
        tell("a run of mnist-fast")
        command = [sys.executable, "-m", "core", "recipes", "run", "mnist-fast"]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True)
        run = store.runs(Path(environment["BANCADA_STORE"]))[0]
        waits: Figures = {}
        with serve("app.py", ROOT, environment) as address:
            time.sleep(5)  # meanwhile the server imports what its pages need
            visit(browser, f"{address}/?run={run.name}", run, waits)
        tables = waits_table(waits), passes_table(*passes(run))
    say("evaluation.py", [where, *tables], options.update, between="\n\n")


def visit(browser, address: str, run: Run, waits: Figures) -> None:
    """Measure how long a visitor of the report waits, in seconds, and add it to `waits`."""
    report = run.report()
    assert report
    wrong = [(i, j) for i, row in enumerate(report.confusion_matrix) for j, n in enumerate(row) if i != j and n]
    with opened(browser, address) as page:
        for number in range(MANY):
            evaluate = page.get_by_role("link", name=EVALUATE, exact=True)
            evaluate.wait_for()
            pause(number)
            add(waits, "click on *Evaluate* to the matrix with its numbers", watch(page, MATRIX, evaluate.click))
            page.locator(f"{PICTURES} figure").first.wait_for()
            page.get_by_role("link", name=TRAIN, exact=True).click()
            page.locator(MATRIX).wait_for(state="detached")
        page.get_by_role("link", name=EVALUATE, exact=True).click()
        for number in range(MANY):
            i, j = wrong[number % len(wrong)]
            cell = page.locator(f"{MATRIX} td").nth(len(report.confusion_matrix) * i + j)
            cell.scroll_into_view_if_needed()
            pause(number)
            add(waits, "click on a cell to its images", watch(page, PICTURES, cell.click))
        for number in range(MANY):
            pause(number)
            picture = page.locator(f"{PICTURES} figure").first
            add(waits, "click on a picture to its probabilities", watch(page, CHART, picture.click))
            page.get_by_role("radio", name="Where it fails").click()
            page.locator(MATRIX).wait_for()
            page.locator(f"{PICTURES} figure").first.wait_for()


def passes(run: Run) -> tuple[list[float], list[float]]:
    """Seconds of the report's pass over the test images, and of the engine's logits alone for the same images."""
    import torch

    from core.images.splits import choose
    from core.settings import threads
    from core.training.train import State
    from core.work import _Worker

    splits, device = choose(run.spec, dataset(run.spec.data).load()), torch.device("cpu")
    state = State.new(run.spec, splits.train, 10, device, threads())
    worker, images = _Worker(run, lambda: False, lambda _: None), torch.tensor(splits.test.images)
    worked: list[float] = []
    alone: list[float] = []
    for number in range(PASSES + 1):
        started = time.perf_counter()
        worker._answers(splits.test, state)
        between = time.perf_counter()
        for _ in state.engine.evaluated(images):
            pass
        if number:  # the first warms up
            worked.append(between - started)
            alone.append(time.perf_counter() - between)
    return worked, alone


def passes_table(worked: list[float], alone: list[float]) -> str:
    """A table of both times in milliseconds, and the speed of the pass as a share of the engine's."""
    shares = [100 * engine / whole for whole, engine in zip(worked, alone, strict=True)]
    rows = [
        "### The look at the test split",
        "",
        "| pass of the report | logits alone | share of the engine's speed | n |",
    ]
    rows += ["|---:|---:|---:|---:|"]
    cells = [f"{spread([1000 * value for value in values], 0)} ms" for values in (worked, alone)]
    return "\n".join([*rows, f"| {cells[0]} | {cells[1]} | {spread(shares, 0)} % | {PASSES} |"])


if __name__ == "__main__":
    main()
