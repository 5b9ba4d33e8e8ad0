"""Measures a class: `python benchmarks/classroom.py [--pupils N] [--rounds N] [--times N] [--update]`.

Starts the server that the README starts, with a store of its own, and opens a class by a click in headless
Chromium. The pupils are WebSockets of this process, each with a cookie of its own; they draw the digits that the rounds
ask as real people's strokes (Pen digits, in the folder that `BANCADA_DATA` names), at the speed of a hand, and send the
sheet again once the last answer has arrived and the rest that it asks for is over, as the pad does. Three teacher's
pages are open, and a training runs. Fails if a drawing is lost.

Then as many people open the app itself at the same moment, on a server of its own without a training: each is a
WebSocket that speaks Streamlit's protocol, so that the time is the server's, not that of forty browsers on its
machine. Each is timed from the moment at which all begin until its page is complete. A click is one on the other
language, which draws the whole page again: once each at a moment of its own, and once all at the same one.

Before that one training is waited for, so that the kernels are compiled. All takes about six minutes.

Prints a section of Markdown; `--update` writes it into `RESULTS.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script gets its own folder there, not the repository's

from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: E402, TID251  its protocol alone, for visitors
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: E402, TID251

from benchmarks.results import machine, tell, update  # noqa: E402
from core import settings  # noqa: E402
from core.datasets.pen_digits import FILE, PenDigit, pen_digits  # noqa: E402
from core.drawing import collection  # noqa: E402
from core.drawing.strokes import PENS, inked  # noqa: E402
from tests.browser import CHROMIUM, chromium, serve  # noqa: E402

POINTS = 50  # points of a stroke a second: a digit takes about a second
STEP = 2  # points between two sheets that are rendered beforehand
WALLS = 3  # teacher's pages
LATEST = 3.0  # seconds until the slowest pupil begins to draw
UNSEEN = 20.0  # seconds after the last drawing, after which one that no wall has shown is not waited for
PAUSE = 4.0  # seconds from then until the next round
# To be followed by the epochs.
TRAINING = [sys.executable, "-m", "core", "train", "--data", "mnist-5k", "--architecture", "lenet", "--epochs"]
VISITED = ("draw", "evaluate", "train")  # pages that all open at the same moment
CLICKING = 10.0  # seconds within which each clicks once, at a moment of its own
WARM = 8.0  # seconds until a server has imported what it imports after its start
WATCH = """(tiles) => {
  window.arrived = [];
  new MutationObserver((changes) => {
    for (const change of changes) for (const tile of change.addedNodes)
      window.arrived.push([tile.getAttribute("aria-label"), Date.now() / 1000]);
  }).observe(tiles, { childList: true });
}"""


@dataclass
class Figures:
    """What was measured."""

    answers: list[float] = field(default_factory=list)  # seconds from a sheet to its answer, while the pen is down
    kept: list[float] = field(default_factory=list)  # seconds from pen-up until the pupil is told that it is kept
    sent: dict[tuple[int, str], float] = field(default_factory=dict)  # round, name -> time of pen-up
    shown: list[float] = field(default_factory=list)  # seconds from pen-up until a wall shows the drawing
    processor: float = 0.0  # processor seconds of the server a second
    memory: float = 0.0  # MiB, the most


def main() -> None:
    """Measure, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure a lesson with a class.")
    parser.add_argument("--pupils", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--times", type=int, default=5, help="that all open each page")
    parser.add_argument("--models", type=int, default=1, choices=(1, 2), help="that answer each drawing")
    parser.add_argument("--idle", action="store_true", help="no training runs")
    parser.add_argument("--update", action="store_true", help="write the section into RESULTS.md")
    options = parser.parse_args()
    if not CHROMIUM:
        parser.exit(1, "There is no Chromium on this machine: apt install chromium\n")
    strokes = next((folder / FILE for folder in settings.data_folders() if (folder / FILE).exists()), None)
    if not strokes:
        parser.exit(1, "The pen digits are in no folder that BANCADA_DATA names.\n")
    with tempfile.TemporaryDirectory() as folder:
        tell("training once, so that the kernels are compiled")
        waits = {**os.environ, **own(Path(folder)), "BANCADA_KERNELS": "1"}
        subprocess.run([*TRAINING, "1"], cwd=ROOT, env=waits, check=True, stdout=subprocess.DEVNULL)
    tell("rendering the strokes")
    sheets = rendered(pen_digits(strokes), options.pupils)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        figures = lesson(browser, Path(folder), sheets, options)
        kept = collection.kept(Path(folder) / "store")
        there = {(one.in_class.round % 256, one.nickname) for one in kept if one.in_class}
        if lost := set(figures.sent) - there:
            parser.exit(1, f"Lost are the drawings of these rounds and pupils: {sorted(lost)}\n")
    with tempfile.TemporaryDirectory() as folder:
        section = "\n\n".join([table(figures, options), visits_table(visits(Path(folder), options), options)])
    print(section)
    if options.update:
        update("classroom.py", section)


def rendered(digits: Sequence[PenDigit], pupils: int) -> list[dict[int, list[bytes]]]:
    """For each pupil and digit, the sheet as it is while one writer draws it, every `STEP` points."""
    by_writer: dict[int, dict[int, PenDigit]] = defaultdict(dict)
    for one in digits:
        by_writer[one.writer][one.digit] = one
    writers = [theirs for theirs in by_writer.values() if len(theirs) == collection.CLASSES]
    drawn = [{digit: list(_growing(one)) for digit, one in theirs.items()} for theirs in writers[:pupils]]
    return [drawn[pupil % len(drawn)] for pupil in range(pupils)]


def _growing(digit: PenDigit) -> Iterator[bytes]:
    count = sum(map(len, digit.strokes))
    for points in [*range(STEP, count, STEP), count]:
        left, drawn = points, []
        for stroke in digit.strokes:
            if left > 0:
                drawn.append(stroke[:left])
            left -= len(stroke)
        yield inked(drawn, PENS[2]).tobytes()


def lesson(browser, folder: Path, sheets: Sequence[dict[int, list[bytes]]], options) -> Figures:
    """Hold the lesson; returns what was measured."""
    environment = own(folder)
    figures = Figures()
    with contextlib.ExitStack() as stack:
        at = stack.enter_context(serve("app.py", ROOT, environment))
        server = streamlit()
        teacher = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-US").new_page()
        teacher.goto(f"{at}/classroom")
        if options.models > 1:
            teacher.get_by_role("button", name="Models").click()
            teacher.get_by_role("combobox", name="Other models").click()
            teacher.keyboard.press("Enter")
            teacher.keyboard.press("Escape")
        teacher.get_by_role("combobox", name="Address of this machine").click()
        teacher.get_by_role("option", name="127.0.0.1").click()
        teacher.get_by_role("button", name="Open to the pupils").click()
        teacher.locator(".code", has_text=re.compile(r"\d{4}")).wait_for()
        address, code = (teacher.locator(f".{name}").inner_text() for name in ("address", "code"))
        walls = [teacher]
        for _ in range(WALLS - 1):
            walls.append(teacher.context.new_page())
            walls[-1].goto(f"{at}/classroom?present=1")
            walls[-1].locator(".tiles").wait_for(state="attached")
        for wall in walls:
            wall.locator(".tiles").evaluate(WATCH)
        if not options.idle:
            run = subprocess.Popen([*TRAINING, "1000"], cwd=ROOT, env={**os.environ, **environment})
            stack.callback(run.wait)
            stack.callback(run.terminate)
        tell(f"{len(sheets)} pupils join")
        pupils = [Pupil(f"p{k:02d}", address, code, mine, figures) for k, mine in enumerate(sheets)]

        def go_on() -> None:
            teacher.get_by_role("button", name="Next round").click()

        hold(pupils, go_on, server, figures, options.rounds)
        end = time.monotonic() + UNSEEN
        while time.monotonic() < end and any(
            wall.evaluate("window.arrived.length") < len(figures.sent) for wall in walls
        ):
            time.sleep(0.1)
        for wall in walls:
            for label, when in wall.evaluate("window.arrived"):
                name = label.split()[-1]
                begun = [sent for (_, whose), sent in figures.sent.items() if whose == name and sent <= when]
                figures.shown.append(when - max(begun))
        assert len(figures.shown) == WALLS * len(figures.sent), "a wall did not show each drawing"
    return figures


def own(folder: Path) -> dict[str, str]:
    """The environment of a server with a store of its own, in which are the models that come with the app."""
    shutil.copytree(ROOT / "models_store", folder / "store")
    return {"BANCADA_STORE": str(folder / "store"), "BANCADA_CLASS_PORT": "0"}


def streamlit() -> psutil.Process:
    """The server's process."""
    return next(one for one in psutil.Process().children() if "streamlit" in " ".join(one.cmdline()))


class Pupil:
    """One pupil: joins, and draws what is asked."""

    def __init__(self, name: str, address: str, code: str, sheets: dict[int, list[bytes]], figures: Figures) -> None:
        self.name = name
        self.sheets = sheets
        self.figures = figures
        self.address = address.rstrip("/")
        body = json.dumps({"code": code, "name": name}).encode()
        asked = urllib.request.Request(f"{self.address}/join", body, {"Origin": self.address})  # noqa: S310
        with urllib.request.urlopen(asked) as answer:  # noqa: S310  our own loopback address
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def _connect(self, path: str) -> connect:
        url = self.address.replace("http", "ws", 1) + path
        return connect(url, origin=self.address, additional_headers={"Cookie": self.cookie}, proxy=None)  # pyright: ignore[reportArgumentType]

    async def attend(self, rounds: int) -> None:
        """Draw what each of so many rounds asks."""
        async with self._connect("/class?lang=en") as told, self._connect("/answers?lang=en") as live:
            await live.send(self.sheets[0][0])
            await live.recv()  # the models are open
            done = 0
            while done < rounds:
                state = json.loads(await told.recv())
                if state["ask"] is None:
                    continue
                await asyncio.sleep(random.uniform(0.3, LATEST))  # noqa: S311
                sheet = await self.draw(live, self.sheets[state["ask"]])
                begun = time.time()
                self.figures.sent[state["round"], self.name] = begun
                await told.send(bytes([state["round"], state["place"], state["ask"]]) + sheet)
                while (state := json.loads(await told.recv()))["said"] is None:
                    pass
                assert state["place"] == 1, state["said"]
                self.figures.kept.append(time.time() - begun)
                done += 1

    async def draw(self, live: ClientConnection, sheets: Sequence[bytes]) -> bytes:
        """Draw one digit, asking as the pad does; returns the sheet at the end."""
        begun, at = time.perf_counter(), -1
        while at < len(sheets) - 1:
            asked = time.perf_counter()
            at = min(len(sheets) - 1, int((asked - begun) * POINTS / STEP))
            await live.send(sheets[at])
            answer = json.loads(await live.recv())
            assert "rows" in answer
            self.figures.answers.append(time.perf_counter() - asked)
            await asyncio.sleep(answer["rest"] / 1000)
        return sheets[-1]


def hold(
    pupils: Sequence[Pupil], go_on: Callable[[], None], server: psutil.Process, figures: Figures, rounds: int
) -> None:
    """Ask the rounds, and watch the server."""

    async def attend() -> None:
        await asyncio.wait_for(asyncio.gather(*(pupil.attend(rounds) for pupil in pupils)), 60 + 15 * rounds)

    with ThreadPoolExecutor(1) as thread:  # playwright's own loop runs in this one
        attending = thread.submit(asyncio.run, attend())
        before, begun = server.cpu_times(), time.monotonic()
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}")
            go_on()
            end = time.monotonic() + LATEST + PAUSE
            while not attending.done() and (
                time.monotonic() < end or len(figures.kept) < len(pupils) * (number + 1)  # the slowest is waited for
            ):
                figures.memory = max(figures.memory, server.memory_info().rss / 2**20)
                time.sleep(0.25)
        attending.result()
        after = server.cpu_times()
        used = after.user + after.system - before.user - before.system
        figures.processor = used / (time.monotonic() - begun)


@dataclass
class Visits:
    """What was measured of all who open one page at the same moment."""

    first: list[float] = field(default_factory=list)  # seconds until the page is complete
    click: list[float] = field(default_factory=list)  # seconds until it is drawn again, each at a moment of its own
    together: list[float] = field(default_factory=list)  # the same, all at the same moment
    processor: list[float] = field(default_factory=list)  # processor seconds of the server for one to open the page


class Visitor:
    """Somebody who opens a page of the app."""

    def __init__(self, at: str, page: str) -> None:
        self.at = at
        self.page = page
        self.languages: tuple[str, list[str]] = "", []  # the control, and its options

    async def opened(self) -> float:
        """Open the page; returns the seconds until it is complete."""
        begun = time.perf_counter()
        url = f"{self.at.replace('http', 'ws', 1)}/_stcore/stream"
        self.socket = await connect(  # pyright: ignore[reportCallIssue]
            url,
            origin=self.at,  # pyright: ignore[reportArgumentType]
            subprotocols=["streamlit"],  # pyright: ignore[reportArgumentType]
            proxy=None,
            max_size=None,
        )
        await self.drawn()
        return time.perf_counter() - begun

    async def clicked(self, language: int, within: float = 0.0) -> float:
        """Click on a language, at a random moment of so many seconds; returns the seconds until all is drawn."""
        await asyncio.sleep(random.uniform(0, within))  # noqa: S311
        return await self.drawn(language)

    async def drawn(self, language: int | None = None) -> float:
        """Have the page drawn, in one of its languages if one is chosen; returns the seconds until it is complete."""
        message = BackMsg()
        asked = message.rerun_script
        asked.page_name, asked.context_info.locale, asked.context_info.timezone = self.page, "en-US", "UTC"
        asked.context_info.url = f"{self.at}/{self.page}"
        if language is not None:
            control, options = self.languages
            chosen = asked.widget_states.widgets.add()
            chosen.id = control
            chosen.string_array_value.data.append(options[language])
        begun = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        while True:
            told = ForwardMsg.FromString(bytes(await self.socket.recv()))  # pyright: ignore[reportArgumentType]
            kind = told.WhichOneof("type")
            if kind == "delta" and told.delta.new_element.WhichOneof("type") == "button_group":
                group = told.delta.new_element.button_group
                if group.id.endswith("-lang"):
                    self.languages = group.id, [one.content for one in group.options]
            assert kind != "delta" or told.delta.new_element.WhichOneof("type") != "exception", told
            if kind == "script_finished" and told.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return time.perf_counter() - begun


def visits(folder: Path, options) -> dict[str, Visits]:
    """Have all open each page at the same moment, and click; returns what was measured by page."""
    found = {page: Visits() for page in VISITED}

    async def visit(at: str, page: str, people: int, measured: Visits, server: psutil.Process) -> None:
        those = [Visitor(at, page) for _ in range(people)]
        before = server.cpu_times()
        first = await asyncio.gather(*(one.opened() for one in those))
        after = server.cpu_times()
        measured.first += first
        await asyncio.sleep(1)
        measured.click += await asyncio.gather(*(one.clicked(1, CLICKING) for one in those))
        await asyncio.sleep(1)
        measured.together += await asyncio.gather(*(one.clicked(0) for one in those))
        measured.processor.append((after.user + after.system - before.user - before.system) / people)
        for one in those:
            await one.socket.close()

    with serve("app.py", ROOT, own(folder)) as at:
        server = streamlit()
        time.sleep(WARM)
        for page in VISITED:
            asyncio.run(visit(at, page, 1, Visits(), server))  # its modules are imported
        for time_ in range(options.times):
            tell(f"{options.pupils} people open the app at the same moment, {time_ + 1} of {options.times}")
            for page, measured in found.items():
                asyncio.run(visit(at, page, options.pupils, measured, server))
                time.sleep(1)
    return found


def visits_table(found: dict[str, Visits], options) -> str:
    """The part of the section about those who open the app itself."""
    lines = [
        "| page | n | opened by all at once: median, p95, most, s | a click | a click, all at once | processor, ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for page, one in found.items():
        cells = [page, f"{len(one.first):,}"]
        for values in (one.first, one.click, one.together):
            cells.append(", ".join(f"{float(value):.2f}" for value in (*np.quantile(values, (0.5, 0.95)), max(values))))
        lines.append(f"| {' | '.join(cells)} | {1000 * float(np.median(one.processor)):.0f} |")
    what = (
        f"{options.pupils} people open a page of the app itself at the same moment; then each clicks once within "
        f"{CLICKING:.0f} s on the other language; then all at the same moment. {options.times} times; no training. "
        "Targets, p95: 2 s to open, 0.5 s for a click. The processor time is the server's, for one who opens the page."
    )
    return "\n\n".join([what, "\n".join(lines)])


def table(figures: Figures, options) -> str:
    """The section."""
    rows = {
        "answer while the pen is down": (figures.answers, "150 ms"),
        "pen-up until kept": (figures.kept, ""),
        "pen-up until shown on a wall": (figures.shown, "1,000 ms"),
    }
    lines = ["| wait | n | median, ms | p95, ms | most, ms | target, p95 |", "|---|---:|---:|---:|---:|---:|"]
    for name, (values, target) in rows.items():
        median, high = (1000 * float(np.quantile(values, q)) for q in (0.5, 0.95))
        lines.append(f"| {name} | {len(values):,} | {median:.0f} | {high:.0f} | {1000 * max(values):.0f} | {target} |")
    training = "no training" if options.idle else "a training runs"
    what = (
        f"{options.pupils} pupils, {options.rounds} rounds, models that answer: {options.models}; {WALLS} teacher's "
        f"pages in Chromium; {training}; all on this machine, the pupils too. Drawings handed in: "
        f"{len(figures.sent):,}, lost: none. Server: {figures.processor:.2f} processor seconds a second, "
        f"{figures.memory:.0f} MiB at most."
    )
    return "\n\n".join([machine(), what, "\n".join(lines)])


if __name__ == "__main__":
    main()
