"""The route of the live answers under attack, beside a client that draws as a pupil does.

`python -m tests.faults.live ATTACK ADDRESS SECONDS` is one attack, in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as connect_at_once
from websockets.typing import Origin

from core import store
from core.drawing import SHEET
from core.models.model import can_be_drawn_for
from tests.browser import ROOT, serve
from tests.faults.fault import Fault, Outcome
from ui.draw.live_answer import MOST_CLIENTS

STARTER = next(run for run in reversed(store.runs(ROOT / "models_store")) if can_be_drawn_for(run))
CLIENTS = 500
MIB = 2**20
PAUSE = 0.025  # seconds between two drawings of the client that draws well: 40 a second, as a mouse gives
SLOWEST_P95, MOST_GROWTH = 0.5, 256  # seconds, MiB

sheet = np.zeros((SHEET, SHEET), np.uint8)
sheet[20:90, 50:60] = 255
DRAWING = sheet.tobytes()


# --- the attacks: each gives the number of hostile connections, and of those that fared as they should ----------------


@contextlib.asynccontextmanager
async def client(address: str, **other: str) -> AsyncIterator[ClientConnection]:
    """A connection as a page of this server makes it; `host` and `origin` say otherwise."""
    at = urlsplit(address)
    url = f"ws://{other.get('host', at.netloc)}/live?run=starter"
    tcp = socket.create_connection((at.hostname, at.port))
    options = {"origin": other.get("origin", address), "proxy": None, "close_timeout": 1, "open_timeout": 30}
    async with connect(url, sock=tcp, **options) as one:
        yield one


async def until_closed(one: ClientConnection) -> int | None:
    """The code with which the server closes the connection within a few seconds."""
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(20):
            while True:
                await one.recv()
    return one.close_code


async def floods(address: str, seconds: float) -> tuple[int, int]:
    """Sixteen clients that send without waiting: all are answered, none faster than is allowed."""

    async def flood() -> bool:
        async with client(address) as one:
            end = time.monotonic() + seconds

            async def send() -> None:
                while time.monotonic() < end:
                    await one.send(DRAWING)

            sending = asyncio.create_task(send())
            answers = 0
            while time.monotonic() < end:
                await one.recv()
                answers += 1
            sending.cancel()
            return 0 < answers <= 41 * seconds + 1

    fared = await asyncio.gather(*(flood() for _ in range(16)))
    return len(fared), sum(fared)


async def slow_readers(address: str, seconds: float) -> tuple[int, int]:
    """Clients that draw and never read; that the server lets go of them shows in its memory."""
    at = urlsplit(address)
    lines = ("GET /live?run=starter HTTP/1.1", f"Host: {at.netloc}", f"Origin: {address}", "Connection: Upgrade")
    lines += ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "")
    frame = bytes((0x82, 0x80 | 126)) + len(DRAWING).to_bytes(2) + bytes(4) + DRAWING  # masked with zeros

    async def send() -> bool:
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        tcp.connect((at.hostname, at.port))
        tcp.setblocking(False)
        loop = asyncio.get_running_loop()
        with tcp, contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                await loop.sock_sendall(tcp, "\r\n".join(lines).encode())
                while True:
                    await loop.sock_sendall(tcp, frame)
        return True

    fared = await asyncio.gather(*(send() for _ in range(MOST_CLIENTS)))
    return len(fared), sum(fared)


async def wrong_sizes(address: str, seconds: float) -> tuple[int, int]:
    """Messages of sizes that no drawing has, of bytes and of text: each connection is closed as a violation."""
    n = right = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for size in (0, 1, SHEET * SHEET - 1, SHEET * SHEET + 1, MIB, 49 * MIB, 64 * MIB):
            for message in (bytes(size), "0" * size):
                async with client(address) as one:
                    with contextlib.suppress(ConnectionClosed):
                        await one.send(message)
                    n += 1
                    right += await until_closed(one) == (1009 if size > 50 * 10**6 else 1008)
        async with client(address) as one:
            await one.send("0" * SHEET * SHEET)  # of the size, and yet no drawing
            n += 1
            right += await until_closed(one) == 1008
    return n, right


async def strangers(address: str, seconds: float) -> tuple[int, int]:
    """Connections from pages of other servers, or to another name: each is refused with 403."""
    n = right = 0
    end = time.monotonic() + seconds
    evil = "http://evil.example"
    while time.monotonic() < end:
        for other in (
            {"origin": evil},
            {"origin": "null"},
            {"origin": address.replace("http", "ftp")},
            {"origin": f"{address}.evil.example"},
            {"origin": evil, "host": "evil.example"},
            {"origin": address, "host": "evil.example"},
        ):
            n += 1
            try:
                async with client(address, **other):
                    pass
            except InvalidStatus as refusal:
                right += refusal.response.status_code == 403
    return n, right


async def many(address: str, seconds: float) -> tuple[int, int]:
    """Five hundred clients, which all draw once and stay: all but the last few are closed to make room."""
    async with contextlib.AsyncExitStack() as room:

        async def come() -> ClientConnection:
            one = await room.enter_async_context(client(address))
            with contextlib.suppress(ConnectionClosed):
                await one.send(DRAWING)
            return one

        clients = [await come() for _ in range(CLIENTS)]
        await asyncio.sleep(seconds)
        codes = [one.close_code for one in clients]
    left = sum(code is None for code in codes)
    return CLIENTS, codes.count(1013) + left if left <= MOST_CLIENTS else codes.count(1013)


async def half_open(address: str, seconds: float) -> tuple[int, int]:
    """Five hundred connections that never end their first line."""
    at = urlsplit(address)
    with contextlib.ExitStack() as room:
        for _ in range(CLIENTS):
            tcp = room.enter_context(socket.create_connection((at.hostname, at.port)))
            tcp.sendall(b"GET /live?run=starter HT")
        await asyncio.sleep(seconds)
    return CLIENTS, CLIENTS


ATTACKS = {one.__name__: one for one in (floods, slow_readers, wrong_sizes, strangers, many, half_open)}


# --- beside a client that draws well ----------------------------------------------------------------------------------


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The app's server with the starter model in its store: the address, and the process."""
    shutil.copytree(STARTER.folder, folder / "store" / "starter")
    with serve("app.py", ROOT, {}) as address:
        yield address, next(child for child in psutil.Process().children() if "streamlit" in child.cmdline())


def draw_for(address: str, attack: subprocess.Popen | None, seconds: float) -> list[float]:
    """Draw until the attack is over, or for some seconds; the seconds to each answer, connecting again included."""
    waits: list[float] = []
    url = f"ws{address.removeprefix('http')}/live?run=starter"
    begun = asked = time.monotonic()
    while attack.poll() is None if attack else time.monotonic() < begun + seconds:
        with (
            contextlib.suppress(ConnectionClosed, TimeoutError),
            connect_at_once(url, origin=Origin(address), proxy=None) as one,
        ):
            while attack.poll() is None if attack else time.monotonic() < begun + seconds:
                one.send(DRAWING)
                assert json.loads(one.recv(30))["bars"]
                waits.append(time.monotonic() - asked)
                time.sleep(PAUSE)
                asked = time.monotonic()
    return waits


def peak(process: psutil.Process) -> int:
    """Bytes that the process has had in memory at most; where that is not known, those that it has now."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").split()
        return int(status[status.index("VmHWM:") + 1]) * 1024
    return process.memory_info().rss


def told(waits: list[float]) -> str:
    median, p95 = np.percentile(waits, [50, 95])
    return f"{1000 * median:.0f} ms (95 %: {1000 * p95:.0f})"


def attacked(folder: Path, times: int) -> Outcome:
    """Each attack for that many seconds."""
    with server(folder) as (address, process):
        draw_for(address, None, 2)  # what is imported with the first answer
        figures = [f"answers without an attack {told(draw_for(address, None, times))}"]
        hostile = fared = 0
        slowest = 0.0
        before = process.memory_info().rss
        for name in ATTACKS:
            command = [sys.executable, "-m", "tests.faults.live", name, address, str(times)]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=os.environ) as attack:
                waits = draw_for(address, attack, times)
                assert attack.stdout
                n, right = json.loads(attack.stdout.read())
            hostile, fared = hostile + n, fared + right
            slowest = max(slowest, float(np.percentile(waits, 95)))
            figures.append(f"{name.replace('_', ' ')} {told(waits)}, {right} of {n}")
        growth = (peak(process) - before) / MIB
    figures.append(f"memory at its peak {growth:+.0f} MiB")
    return Outcome(hostile, "; ".join(figures), fared == hostile and slowest <= SLOWEST_P95 and growth <= MOST_GROWTH)


FAULTS = (
    Fault(
        "F23",
        "the live route is flooded, not read, sent wrong sizes, asked by strangers, opened 500 times, and half opened",
        f"connections that fared as they should n of n; answers to another client in {1000 * SLOWEST_P95:.0f} ms (95 %)"
        f"; memory +{MOST_GROWTH} MiB",
        attacked,
        0,
        20,
    ),
)

if __name__ == "__main__":
    print(json.dumps(asyncio.run(ATTACKS[sys.argv[1]](sys.argv[2], float(sys.argv[3])))))
