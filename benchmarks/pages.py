"""Measures how long a visitor waits: `python benchmarks/pages.py [--update]`.

Starts the server that the README starts, with a store and a cache of its own, opens it in headless Chromium, trains on
`mnist-5k` and, if MNIST is in the data folder, also on MNIST from the command line. Prints a section of Markdown;
`--update` writes it into `RESULTS.md`, between its two markers. Takes about six minutes; its progress goes to standard
error.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script gets its own folder there, not the repository's

from benchmarks.results import machine, say, tell  # noqa: E402
from core import settings  # noqa: E402
from core.datasets import dataset  # noqa: E402
from tests.browser import CHROMIUM, ONE, SEVEN, chromium, draw, serve  # noqa: E402

FEW, MANY = 5, 20  # repetitions for waits of seconds and of milliseconds (even, so that the last language is English)
ROUNDS = 3  # circles drawn by the pen, two seconds each
SEEDS = (0, 1, 2)
TRAINING = ("-m", "core", "train", "--data", "mnist", "--architecture", "lenet", "--epochs", "3", "--json")
MINUTE = 60_000  # milliseconds
TRAIN, EVALUATE = "Train", "Evaluate"  # titles of pages
START = "Start training"
TITLE, ANSWERS, CURVE = "h1", ".answers", "[data-testid=stVegaLiteChart] svg"

# The time from the pointer's release to the frame that shows another text in the first element that the selector finds,
# in milliseconds of the browser's own clock.
STOPWATCH = """(selector) => {
  const text = () => document.querySelector(selector)?.textContent;
  const before = text();
  let begun;
  addEventListener("pointerup", (event) => (begun = event.timeStamp), { capture: true, once: true });
  window.elapsed = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (begun === undefined || !text() || text() === before) return;
      observer.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - begun));
    });
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
  });
}"""

# The time from the pointer's release to the frame that shows the answers to the drawing as it is then, milliseconds.
UNTIL_ANSWERED = """(answers) => {
  let begun;
  addEventListener("pointerup", (event) => (begun = event.timeStamp), { capture: true, once: true });
  window.elapsed = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (begun === undefined || answers.getAttribute("aria-busy") === "true") return;
      observer.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - begun));
    });
    observer.observe(answers, { attributes: true, attributeFilter: ["aria-busy"] });
  });
}"""

# Records the time of each live answer.
WATCH_ANSWERS = """(all) => {
  window.answers = [];
  window.watching?.disconnect();
  window.watching = new MutationObserver(() => window.answers.push(performance.now()));
  window.watching.observe(all, { subtree: true, childList: true });
}"""

SIZES = {"projector": (1280, 720), "tablet": (768, 1024), "phone": (390, 844)}
# The main thing of each page, with a run that is done.
MAIN = {
    "lessons": "[class*=st-key-lesson-cards]",
    "recipes": "[data-testid=stDataFrame]",
    "data": ".picture-rows",
    "": ".st-key-live-curves",
    "evaluate": ".st-key-matrix table",
    "check": "[data-testid=stTabs]",
    "draw": "canvas.sheet",
    "drawings": ".pictures",
}

Figures = dict[str, list[float]]  # what was measured -> seconds, or bytes


def main() -> None:
    """Measure, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure how long a visitor waits.")
    parser.add_argument("--update", action="store_true", help="write the section into RESULTS.md")
    options = parser.parse_args()
    if not CHROMIUM:
        parser.exit(1, "There is no Chromium on this machine: apt install chromium\n")
    with chromium() as browser:
        where = machine(f"Chromium {browser.version}, headless")
        waits, memory = visit(browser)
        places, moved = arrangement(browser)
    parts = [where, waits_table(waits), places_table(places, moved), memory_table(memory)]
    parts += [trainings_table(trainings())]
    say("pages.py", parts, options.update, between="\n\n")


# --- the pages --------------------------------------------------------------------------------------------------------


def visit(browser) -> tuple[Figures, Figures]:
    """How long a visitor waits, in seconds, and the memory of server and workers, in bytes."""
    waits: Figures = {}
    memory: Figures = {}
    for last in [False] * (FEW - 1) + [True]:
        tell("a server starts")
        started = time.perf_counter()
        with own_folders() as environment, serve("app.py", ROOT, environment) as address:
            with opened(browser, address) as page:
                arrive(page, started, waits, "`streamlit run app.py`, first page")
                add(waits, "*Start* to the first point on the curve, right after the server's start", start(page))
                finish(page)
            if last:
                server = streamlit()
                settle(server)
                add(memory, "server, after one page and one training", server.memory_info().rss)
                visit_warm(browser, address, server, waits, memory)
                add(memory, "server, at the end of this visit", server.memory_info().rss)
    return waits, memory


def visit_warm(browser, address: str, server: psutil.Process, waits: Figures, memory: Figures) -> None:
    """Measure the same server again, with all imports done and a worker waiting."""
    finished = ""
    for _ in range(FEW):
        tell("a training begins")
        settle(server)
        add(memory, "worker that waits for a run", worker(server).memory_info().rss)
        started = time.perf_counter()
        with opened(browser, address) as page:
            arrive(page, started, waits, "later opening of the page")
            add(waits, "*Start* to the first point on the curve, a worker waiting", start(page))
            finish(page)
            finished = page.url
    done = urlsplit(finished).query  # names the run
    settle(server)
    respond(browser, finished, f"{address}/draw?{done}", waits, "idle")

    tell("a long training begins")
    with opened(browser, f"{address}/?architecture=cnn&epochs=1000") as page:
        start(page)
        working = page.url
    busy = worker(server)  # the next worker is started only when this one has ended
    respond(browser, working, f"{address}/draw?{done}", waits, "while a training runs")
    assert busy.is_running(), "the training ended before the measurements"
    add(memory, "worker that trains the small CNN on mnist-5k", busy.memory_info().rss)


def respond(browser, train: str, drawing: str, waits: Figures, when: str) -> None:
    """Measure clicks on the page Train with a run shown, changes of page, and strokes of the pen."""
    tell(f"clicks, {when}")
    with opened(browser, train) as page:
        page.locator(CURVE).first.wait_for()
        for number in range(MANY):
            pause(number)
            language = page.get_by_role("radio", name=("pt-BR", "en")[number % 2], exact=True)
            add(waits, f"click on a language to the title in it, {when}", watch(page, TITLE, language.click))
        for number in range(MANY // 2):
            for name in (EVALUATE, TRAIN):
                pause(number)
                link = page.get_by_role("link", name=name, exact=True)
                add(waits, f"click on another page to its title, {when}", watch(page, TITLE, link.click))
    tell(f"strokes, {when}")
    with opened(browser, drawing) as page:
        for number in range(MANY):
            pause(number)
            page.locator(ANSWERS).evaluate(UNTIL_ANSWERED)
            draw(page, *(SEVEN, ONE)[number % 2])
            add(waits, f"pen-up to the prediction, {when}", page.evaluate("window.elapsed") / 1000)
            page.get_by_role("button", name="Clear").click()
            page.locator(f"{ANSWERS}:has(td)").get_by_text("Draw a digit").wait_for()
        name = "one answer to the next while the pen is down (20 a second are 50 ms)"
        waits[f"{name}, {when}"] = draw_on(page)
        waits[f"{name}, {choose_all(page)} models, {when}"] = draw_on(page)


def choose_all(page) -> int:
    """Choose all models that the page offers, up to six; returns their number."""
    page.get_by_role("button", name="Models").click()
    page.locator(".st-key-others input").last.click()
    page.get_by_role("option", name="Select all").click()
    page.locator("tbody tr").nth(1).wait_for()
    page.keyboard.press("Escape")  # closes the options
    page.get_by_role("button", name="Models").click()
    page.locator(".st-key-others").wait_for(state="hidden")
    return page.locator("tbody tr").count()


def draw_on(page) -> list[float]:
    """Seconds between successive live answers while the pen draws circles."""
    page.locator(ANSWERS).evaluate(WATCH_ANSWERS)
    box = page.locator("canvas.sheet").bounding_box()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    begun = time.monotonic()
    while (turns := (time.monotonic() - begun) / 2) < ROUNDS:
        across, down = 0.5 + 0.3 * math.cos(math.tau * turns), 0.5 + 0.3 * math.sin(math.tau * turns)
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    moments = page.evaluate("window.answers")
    page.mouse.up()
    return [(later - earlier) / 1000 for earlier, later in itertools.pairwise(moments)]


@contextlib.contextmanager
def opened(browser, address: str) -> Iterator:
    """A page in a new browser context, without cache or cookies."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-US", reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(MINUTE)
    page.goto(address, wait_until="commit")
    yield page
    context.close()


def arrive(page, started: float, waits: Figures, name: str) -> None:
    """Measure the time from `started` to the page's title and to the button that starts a training."""
    page.locator(TITLE).wait_for()
    add(waits, f"{name} to its title", time.perf_counter() - started)
    page.locator("button:enabled", has_text=START).wait_for()
    add(waits, f"{name} to the button *{START}*", time.perf_counter() - started)


def start(page) -> float:
    """Seconds from the click on the button to the curve with its first point."""
    return watch(page, CURVE, page.get_by_role("button", name=START).click)


def finish(page) -> None:
    """Wait until the page shows the result of its run."""
    page.get_by_text("Test accuracy").first.wait_for()


def watch(page, selector: str, act, *arguments) -> float:
    """Seconds from the release of the pen or mouse button in `act` to another text in the element `selector`."""
    page.evaluate(STOPWATCH, selector)
    act(*arguments)
    return page.evaluate("window.elapsed") / 1000


def pause(number: int) -> None:
    """Sleep 0.33 to 1.33 s, depending on `number`, so that clicks come at all phases of a page's polling."""
    time.sleep(0.33 + number * 0.618 % 1)


def streamlit() -> psutil.Process:
    """The process of the running server."""
    return next(child for child in psutil.Process().children() if "streamlit" in child.cmdline())


def worker(server: psutil.Process) -> psutil.Process:
    """The server's one worker process."""
    return next(child for child in server.children() if "core.work" in child.cmdline())


def settle(server: psutil.Process) -> None:
    """Wait until server and worker have been idle for a second: all is imported and the worker waits for a run."""

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in (server, worker(server)))

    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(1)
        with contextlib.suppress(StopIteration, psutil.NoSuchProcess):  # between two workers there is none
            before = used()
            time.sleep(1)
            if abs(used() - before) < 0.1:
                return
    raise TimeoutError("the server does not come to rest")


# --- where things are -------------------------------------------------------------------------------------------------


def arrangement(browser) -> tuple[dict[str, list[float]], list[float]]:
    """The y of each page's main thing at each of `SIZES`, px, and the y of the curves from a training's click on."""
    tell("places")
    moved: list[float] = []
    places: dict[str, list[float]] = {}
    with own_folders() as environment, serve("app.py", ROOT, environment) as address:
        with opened(browser, address) as page:
            page.get_by_role("button", name=START).click()  # the one click to the first curve
            curves = page.locator(MAIN[""])
            curves.wait_for(state="attached")
            while not page.get_by_role("link", name="See the errors").count():
                moved.append(curves.bounding_box()["y"])
            moved.append(curves.bounding_box()["y"])
            run = urlsplit(page.url).query
        with opened(browser, address) as page:
            for name, selector in MAIN.items():
                page.goto(f"{address}/{name}?{run}")
                main_thing = page.locator(selector).first
                main_thing.wait_for()
                page.wait_for_timeout(2_000)
                for width, height in SIZES.values():
                    page.set_viewport_size({"width": width, "height": height})
                    page.wait_for_timeout(500)
                    places.setdefault(name or "train", []).append(main_thing.bounding_box()["y"])
    return places, moved


# --- the command line -------------------------------------------------------------------------------------------------


def trainings() -> list[tuple[dict, float]]:
    """Train three LeNets on MNIST: each one's Report and the seconds of the whole command; none without MNIST."""
    results = []
    with own_folders() as environment:
        for seed in SEEDS if dataset("mnist").state()[0] == "ready" else ():
            tell(f"LeNet on MNIST, seed {seed}")
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, *TRAINING, "--seed", str(seed)],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            results.append((json.loads(done.stdout.splitlines()[-1]), time.perf_counter() - started))
    return results


@contextlib.contextmanager
def own_folders() -> Iterator[dict[str, str]]:
    """Environment variables that give a program an empty store and cache, and the data of this machine."""
    data = os.pathsep.join(map(str, settings.data_folders()))
    with tempfile.TemporaryDirectory(prefix="bancada-", ignore_cleanup_errors=True) as folder:
        yield {"BANCADA_STORE": f"{folder}/store", "BANCADA_CACHE": f"{folder}/cache", "BANCADA_DATA": data}


# --- tables -----------------------------------------------------------------------------------------------------------


def waits_table(waits: Figures) -> str:
    """A Markdown table with a row for each wait."""
    rows = ["### What a visitor waits for", "", "| from ... to ... | median | p95 | least to most | n |"]
    rows += ["|---|---:|---:|---:|---:|"]
    for name, values in waits.items():
        p95 = seconds(statistics.quantiles(values, n=20, method="inclusive")[18]) if len(values) >= MANY else ""
        least, median, most = map(seconds, (min(values), statistics.median(values), max(values)))
        rows.append(f"| {name} | {median} | {p95} | {least} to {most} | {len(values)} |")
    return "\n".join(rows)


def places_table(places: dict[str, list[float]], moved: Sequence[float]) -> str:
    """A Markdown table with a row for each page, and how far the curves moved during a training."""
    sizes = [f"{name} {width}x{height}" for name, (width, height) in SIZES.items()]
    rows = [
        "### Where the main thing of each page begins",
        "",
        f"| page | {' | '.join(sizes)} |",
        "|---|---:|---:|---:|",
    ]
    rows += [f"| {name} | {' | '.join(f'{y:.0f} px' for y in found)} |" for name, found in places.items()]
    rows += [
        "",
        f"The curves of a training moved by {max(moved) - min(moved):.0f} px from the click on *{START}* to its",
    ]
    rows += [f"test accuracy ({len(moved)} looks). That click is the only one to the first live curve; a stroke is the"]
    rows += ["only one to the first answer."]
    return "\n".join(rows)


def memory_table(memory: Figures) -> str:
    """A Markdown table with a row for each process."""
    rows = ["### Memory (resident set)", "", "| process | median | least to most | n |", "|---|---:|---:|---:|"]
    for name, values in memory.items():
        least, median, most = (
            f"{value / 2**20:.0f}" for value in (min(values), statistics.median(values), max(values))
        )
        rows.append(f"| {name} | {median} MiB | {least} to {most} MiB | {len(values)} |")
    return "\n".join(rows)


def trainings_table(results: Sequence[tuple[dict, float]]) -> str:
    """A Markdown table with a row for each seed."""
    rows = [f"### `python {' '.join(TRAINING)}`", ""]
    if not results:
        return "\n".join([*rows, "skipped: no MNIST in the data folder"])
    rows += ["| seed | test accuracy (95 % interval) | n | training | whole command |", "|---:|---:|---:|---:|---:|"]
    for seed, (report, whole) in zip(SEEDS, results, strict=True):
        low, high = (f"{100 * value:.2f}" for value in report["accuracy_interval"])
        accuracy = f"{100 * report['accuracy']:.2f} % ({low} to {high})"
        rows.append(f"| {seed} | {accuracy} | {report['n']:,} | {seconds(report['seconds'])} | {seconds(whole)} |")
    return "\n".join(rows)


def seconds(value: float) -> str:
    """A time in seconds as text, in s or ms."""
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.0f} ms"


def add(figures: Figures, name: str, value: float) -> None:
    """Add a measurement."""
    figures.setdefault(name, []).append(value)


if __name__ == "__main__":
    main()
