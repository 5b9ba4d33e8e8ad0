"""Many visitors at once: sessions as a browser opens them at Streamlit's WebSocket, without the browser."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from core import store
from tests.browser import ROOT, serve
from tests.faults.fault import Fault, Outcome

PUPILS = 30
START = "Start training"


class Session:
    """One visitor's page: what the server has said of it."""

    def __init__(self, socket: ClientConnection, page: str, query: str):
        self.socket, self.page, self.query = socket, page, query
        self.buttons: dict[str, str] = {}  # identifiers by label
        self.polled: set[str] = set()  # fragments that the browser asks for again and again
        self.text = ""  # of all that was shown
        self.failed = 0  # elements that report an exception

    async def run(self, *, press: str | None = None, fragment: str = "", wait: bool = True) -> float:
        """Have the page's script run, with a button pressed or only a fragment; the seconds until it has ended."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_name, state.fragment_id = self.query, self.page, fragment
        state.is_auto_rerun = bool(fragment)
        state.context_info.locale, state.context_info.timezone = "en-US", "UTC"
        if press:
            pressed = state.widget_states.widgets.add()
            pressed.id, pressed.trigger_value = self.buttons[press], True
        begun = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        while wait and not await self.hear():
            pass
        return time.perf_counter() - begun

    async def hear(self) -> bool:
        """Take in one message; whether it says that a script has ended."""
        content = await asyncio.wait_for(self.socket.recv(), 120)
        message = ForwardMsg()
        message.ParseFromString(content if isinstance(content, bytes) else content.encode())
        kind = message.WhichOneof("type")
        if kind == "delta":
            element = message.delta.new_element
            shown = element.WhichOneof("type")
            self.text += str(element)
            self.failed += shown == "exception"
            if shown == "button":
                self.buttons[element.button.label] = element.button.id
        elif kind == "auto_rerun":
            self.polled.add(message.auto_rerun.fragment_id)
        elif kind == "stop_auto_rerun":
            self.polled.clear()
        return kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN


@contextlib.asynccontextmanager
async def session(address: str, page: str = "", query: str = "") -> AsyncIterator[Session]:
    """A visitor who opens a page; its script runs with the first `run`."""
    url = f"ws://{urlsplit(address).netloc}/_stcore/stream"
    options: dict[str, Any] = {"subprotocols": ["streamlit"], "origin": address, "max_size": None, "proxy": None}
    options |= {"ping_interval": None, "open_timeout": 60}
    async with connect(url, **options) as socket:
        yield Session(socket, page, query)


async def opened(address: str, page: str, count: int) -> list[float]:
    """As many visitors open a page at the same time: the seconds until it is there for each."""

    async def one() -> float:
        async with session(address, page) as visitor:
            seconds = await visitor.run()
            assert not visitor.failed, visitor.text[-500:]
            return seconds

    return await asyncio.gather(*(one() for _ in range(count)))


# --- what happens -----------------------------------------------------------------------------------------------------

QUICK = "data=tiny&architecture=mlp&epochs=2&batch_size=16"
LONG = "data=tiny&architecture=mlp&epochs=5000&batch_size=16"


@contextlib.contextmanager
def server(environment: Mapping[str, str] | None = None) -> Iterator[tuple[str, psutil.Process]]:
    """The app's server: its address and its process."""
    with serve("app.py", ROOT, environment or {}) as address:
        yield address, next(child for child in psutil.Process().children() if "streamlit" in child.cmdline())


async def started(visitor: Session, *, clicks: int = 1) -> None:
    """Click on *Start* so many times within a quarter of a second, and wait until the page has been drawn again."""
    for _ in range(clicks - 1):
        await visitor.run(press=START, wait=False)
        await asyncio.sleep(0.25 / clicks)
    await visitor.run(press=START)


def opened_at_once(folder: Path, times: int) -> Outcome:
    """Forty visitors open a page at the same moment, with the watcher of files and without."""
    del folder
    page, pupils, figures, slowest = "draw", 40, [], 0.0
    for watcher in ("auto", "none"):
        with serve("app.py", ROOT, {}, f"--server.fileWatcherType={watcher}") as address:
            for _ in range(2):
                asyncio.run(opened(address, page, 1))  # what is imported for the first visitor
            waits = [max(asyncio.run(opened(address, page, pupils))) for _ in range(times)]
        slowest = max(waits)
        figures.append(f"{np.median(waits):.1f} s ({min(waits):.1f} to {slowest:.1f}) with fileWatcherType {watcher}")
    return Outcome(times * pupils, f"until the page is there for all: {'; '.join(figures)}", slowest <= MOST_TO_OPEN)


def class_at_work(folder: Path, times: int) -> Outcome:
    """Thirty pupils double-click on *Start* at the same moment, and then watch their runs for so many seconds."""

    async def pupil(address: str, waits: list[float]) -> int:
        async with session(address, query=QUICK) as visitor:
            await visitor.run()
            await started(visitor, clicks=2)
            end = time.monotonic() + times
            while time.monotonic() < end:
                for fragment in list(visitor.polled):
                    waits.append(await visitor.run(fragment=fragment))
                await asyncio.sleep(0.5)
            return visitor.failed

    async def all_of_them(address: str, waits: list[float]) -> int:
        return sum(await asyncio.gather(*(pupil(address, waits) for _ in range(PUPILS))))

    waits: list[float] = []
    with server() as (address, _):
        asyncio.run(opened(address, "", 1))
        failed = asyncio.run(all_of_them(address, waits))
        made = len(store.runs(folder / "store"))
    median, p95 = np.percentile(waits, [50, 95])
    figure = f"failed submissions {max(0, PUPILS - made)}, duplicates {max(0, made - PUPILS)}; exceptions {failed}"
    figure += f"; refresh {1000 * median:.0f} ms (95 %: {1000 * p95:.0f}, n = {len(waits):,})"
    return Outcome(PUPILS, figure, made == PUPILS and not failed and bool(p95 <= 1))


def opened_again(folder: Path, times: int) -> Outcome:
    """A double click on *Start*; then the page is opened again so many times while the run goes on."""

    async def visit(address: str) -> tuple[list[float], int, int]:
        async with session(address, query=LONG) as visitor:
            await visitor.run()
            await started(visitor, clicks=2)
        (run, *_) = runs = store.runs(folder / "store")
        while not run.checkpoints():  # the first epoch, after which there is a curve
            await asyncio.sleep(0.1)
        waits, seen = [], 0
        for _ in range(times):
            async with session(address, query=f"run={run.name}") as visitor:
                waits.append(await visitor.run())
                seen += run.name[-4:] in visitor.text and "vega" in visitor.text.lower() and not visitor.failed
        run.ask("stop")
        return waits, seen, len({*runs, *store.runs(folder / "store")}) - 1

    with server() as (address, _):
        asyncio.run(opened(address, "", 1))
        waits, seen, more = asyncio.run(visit(address))
    figure = f"duplicates {more}; the run with its curve {seen} of {times}, after {np.median(waits):.2f} s"
    return Outcome(times, f"{figure} (at most {max(waits):.2f})", not more and seen == times and max(waits) <= 1)


def without_network(folder: Path, times: int) -> Outcome:
    """No socket reaches beyond this machine: the server starts, and a visitor opens every page."""
    (folder / "blocked").mkdir()
    (folder / "blocked" / "sitecustomize.py").write_text(BLOCKED, encoding="utf-8")
    seconds: dict[str, list[float]] = {"": [], str(folder / "blocked"): []}
    failed = pages = 0

    async def walk(address: str) -> int:
        found = 0
        for page in PAGES:
            async with session(address, page) as visitor:
                await visitor.run()
                found += visitor.failed
        return found

    for _ in range(times):
        for path, waits in seconds.items():
            begun = time.monotonic()
            with server({"PYTHONPATH": path}) as (address, _):
                asyncio.run(opened(address, "", 1))
                waits.append(time.monotonic() - begun)
                if path:
                    failed += asyncio.run(walk(address))
                    pages += len(PAGES)
    online, offline = map(np.median, seconds.values())
    figure = f"{offline:.2f} s to the first page, {offline - online:+.2f} s; exceptions on {pages} pages: {failed}"
    tried = (folder / "tried").read_text().count("\n") if (folder / "tried").exists() else 0
    return Outcome(times, f"{figure}; connections tried {tried}", bool(offline - online <= 1) and not failed)


def listening(folder: Path, times: int) -> Outcome:
    """The sockets on which the server and its workers listen."""
    del folder
    beyond = listened = 0
    for _ in range(times):
        with server() as (_, process):
            for one in (process, *process.children(recursive=True)):
                for connection in one.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        listened += 1
                        beyond += not ipaddress.ip_address(connection.laddr.ip).is_loopback
    return Outcome(times, f"sockets that listen {listened}, not on loopback {beyond}", listened > 0 and not beyond)


PAGES = ("", *(path.stem for path in sorted((ROOT / "pages").glob("*.py")) if path.stem != "train"))
MOST_TO_OPEN = 4.0  # seconds

# Each attempt is noted in a file.
BLOCKED = """
import ipaddress, pathlib, socket

class Blocked(socket.socket):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
            with pathlib.Path(__file__).parents[1].joinpath("tried").open("a") as file:
                print(address, file=file)
            raise OSError(101, "Network is unreachable")
        return super().connect(address)

    connect_ex = None

def away(host, *arguments, **options):
    if host in ("localhost", None) or host.startswith("127."):
        return found(host, *arguments, **options)
    with pathlib.Path(__file__).parents[1].joinpath("tried").open("a") as file:
        print(host, file=file)
    raise socket.gaierror(-3, "Temporary failure in name resolution")

found, socket.getaddrinfo, socket.socket = socket.getaddrinfo, away, Blocked
"""

FAULTS = (
    Fault("F9", "no network at all", "start at most 1 s later; exceptions 0", without_network, 0, 5),
    Fault("F23", "40 visitors open *Draw* at once", f"{MOST_TO_OPEN:.0f} s", opened_at_once, 0, 5),
    Fault(
        "F23",
        "30 pupils double-click on *Start* at once, and watch",
        "failed submissions 0, duplicates 0; refresh at most 1 s (95 %)",
        class_at_work,
        0,
        60,
    ),
    Fault(
        "F24",
        "a double click on *Start*; the page opened again while the run goes on",
        "duplicates 0; the full curve each time, in 1 s",
        opened_again,
        0,
        20,
    ),
    Fault("F30", "what listens by default", "sockets not on loopback 0", listening, 0, 5),
)
