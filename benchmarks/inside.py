"""Measures how quickly the page *Inside* follows the pen: `python benchmarks/inside.py [--update]`.

Trains LeNet and `cnn-four` on `mnist-5k`, opens each on the page in headless Chromium, and draws circles, first with
nothing else to do, then while another training runs. It measures also, in this process, one live answer of each
architecture (the pool that answers drawings must never compute long) and the map of the data. Takes about four minutes.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script gets its own folder there, not the repository's

import numpy as np  # noqa: E402  the path comes first

from benchmarks.pages import FEW, MANY, START, Figures, add, opened, pause, waits_table  # noqa: E402
from benchmarks.results import machine, say, spread, tell  # noqa: E402
from core import settings, store  # noqa: E402
from core.spec import checked  # noqa: E402
from tests.browser import CHROMIUM, ONE, SEVEN, chromium, draw, serve  # noqa: E402

FOLLOWED = ("lenet", "cnn-four")
ROUNDS = 5  # circles of the pen, two seconds each
ANSWERS = 100  # in this process
EPOCHS = 2
# Records the time of each set of maps, and whether it differs from the one before; `window.lifted` is the pen's.
WATCH_MAPS = """() => {
  window.sets = [];
  let before = "";
  document.addEventListener("bancada-layers", ({ detail }) => {
    const now = JSON.stringify(detail);
    const layers = Object.keys(detail).length;
    const moment = performance.now();
    const isNew = now !== before;
    requestAnimationFrame(() => window.sets.push({ moment, shown: performance.now(), isNew, layers }));
    before = now;
  });
  addEventListener("pointerup", (event) => (window.lifted = event.timeStamp), { capture: true });
}"""


def main() -> None:
    """Measure, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure how quickly the page Inside follows the pen.")
    parser.add_argument("--update", action="store_true", help="write the section into RESULTS.md")
    options = parser.parse_args()
    if not CHROMIUM:
        parser.exit(1, "There is no Chromium on this machine: apt install chromium\n")
    settings.wait_passively()
    waits: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {f"BANCADA_{name}": f"{folder}/{name.lower()}" for name in ("STORE", "CACHE")}
        os.environ.update(environment)
        runs = {name: trained(name) for name in FOLLOWED}
        with chromium() as browser, serve("app.py", ROOT, environment) as address:
            where = machine(f"Chromium {browser.version}, headless")
            follow(browser, address, runs, waits, "idle")
            with opened(browser, f"{address}/?architecture=cnn&epochs=1000") as page:
                page.get_by_role("button", name=START).click()
                page.locator("[data-testid=stVegaLiteChart] svg").first.wait_for()
                follow(browser, address, runs, waits, "while a training runs")
        rows = computed()
    heads = ["| computed in one go | n | ms: median (least to most) |", "|---|---:|---:|"]
    say("inside.py", [where, "", waits_table(waits), "", *heads, *rows], options.update)


def trained(architecture: str) -> store.Run:
    """A finished run of the architecture on the data that come with the app."""
    from core.work import work  # not above: it imports torch

    tell(f"{architecture} is trained")
    run = store.create(checked({"architecture": architecture, "epochs": EPOCHS}))
    assert work(str(run.folder)) == "done"
    return run


def follow(browser, address: str, runs: dict[str, store.Run], waits: Figures, when: str) -> None:
    """Measure how the maps follow the pen, and how soon after its last move they are those of the drawing."""
    for name, run in runs.items():
        tell(f"{name}, {when}")
        with opened(browser, f"{address}/inside?run={run.name}&lang=en") as page:
            page.locator(".strip canvas").first.wait_for()
            page.get_by_text("products as a table").wait_for()  # the page's last element
            page.evaluate(WATCH_MAPS)
            sections = page.locator(".strip section").count() - 1  # but the input
            draw_circles(page)
            sets = page.evaluate("window.sets.filter((one) => one.moment < window.lifted)")
            assert all(one["layers"] >= sections for one in sets), "not all layers are sent"
            moments = [one["shown"] for one in sets]
            waits[f"{name}: one set of maps to the next while the pen is down (15 a second are 67 ms), {when}"] = [
                (later - earlier) / 1000 for earlier, later in itertools.pairwise(moments)
            ]
            for number in range(MANY):
                page.get_by_role("button", name="Clear").click()
                pause(number)
                page.evaluate("() => { window.sets = []; }")
                draw(page, *(SEVEN, ONE)[number % 2])
                time.sleep(1)
                found = page.evaluate("[window.lifted, window.sets.filter((one) => one.isNew).at(-1).shown]")
                add(waits, f"{name}: pen-up to all maps of the drawing, {when}", max(0, found[1] - found[0]) / 1000)


def draw_circles(page) -> None:
    """Draw circles in one stroke."""
    box = page.locator("canvas.sheet").bounding_box()
    begun = time.monotonic()
    turns, down = 0.0, False
    while turns < ROUNDS:
        across, depth = 0.5 + 0.3 * math.cos(math.tau * turns), 0.5 + 0.3 * math.sin(math.tau * turns)
        page.mouse.move(box["x"] + across * box["width"], box["y"] + depth * box["height"])
        if not down:
            page.mouse.down()
            down = True
        turns = (time.monotonic() - begun) / 2
    page.mouse.up()


def computed() -> list[str]:
    """Rows of a table: what is computed in one go for the page, in milliseconds."""
    from core.datasets import dataset
    from core.inside import plane
    from core.networks.architectures import ARCHITECTURES
    from ui.draw.live_answer import answered
    from ui.inside.opened import opened as network_of

    rows = []
    sheet = np.zeros((112, 112), np.uint8)
    sheet[20:92, 50:62] = 255
    for architecture in ARCHITECTURES:
        run = trained(architecture)
        times = timed(partial(answered, sheet.tobytes(), [run.name], (), "en", layer=1), ANSWERS)
        rows.append(row(f"one live answer with the layers of `{architecture}`", times))
    images = dataset("mnist-5k").load().train.images
    for architecture in FOLLOWED:
        network = network_of(trained(architecture)).network
        chosen = images[plane.spread(network, len(images))]
        values = plane.penultimate(network, chosen)
        times = timed(partial(plane.penultimate, network, chosen), FEW)
        rows.append(row(f"activations of {len(chosen):,} images, `{architecture}`", times))
        rows.append(row(f"PCA of these, {values.shape[1]} values each", timed(partial(plane.pca, values), MANY)))
    return rows


def timed(action: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each of so many calls, after one that is not counted."""
    action()
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        found.append(1000 * (time.perf_counter() - begun))
    return found


def row(what: str, times: Sequence[float]) -> str:
    """A row of the second table."""
    return f"| {what} | {len(times)} | {spread(times, 1)} |"


if __name__ == "__main__":
    main()
