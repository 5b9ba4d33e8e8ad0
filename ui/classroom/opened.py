"""The class that is open: a second server, on an address of its own, which the page *Classroom* opens and closes.

It runs in a thread of the app's process and ends with it. Nothing of Streamlit can be reached through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import uvicorn

from core import settings, store
from core.classroom import race
from core.classroom.classroom import Classroom
from core.classroom.results import Contestant
from core.drawing import SHEET
from core.drawing.collection import Reading
from core.drawing.prepare import prepare
from core.models.model import Model
from core.refusal import Refusal
from ui import server
from ui.classroom import strangers
from ui.classroom.pupils import HEAD, Pupils

PORTS = 10  # ports that are tried, one after the other
THREAD = "class"  # name of the server's thread
FAREWELL = 0.5  # seconds in which the pupils' pages are told of the end


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Break off the connections that are left, instead of waiting for those who do not answer."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # until they know it
        await super().shutdown(sockets)


@dataclass
class Opened:
    """An open class."""

    classroom: Classroom
    models: Sequence[Contestant]
    host: str  # address and port, as a browser sends it
    server: uvicorn.Server
    pupils: Pupils
    failed: set[str]  # runs whose models could not read a drawing
    thread: _Thread = field(init=False)

    @property
    def port(self) -> int:
        """The port of the pupils' server."""
        return int(self.host.rpartition(":")[2])


class _Thread(threading.Thread):
    opened: Opened


_lock = threading.Lock()


def current() -> Opened | None:
    """The class that is open now: the one whose thread runs, which no hot reload and no *Clear cache* forgets."""
    running = (getattr(one, "opened", None) for one in threading.enumerate() if one.name == THREAD)
    return next((one for one in running if one and not one.classroom.closed.is_set()), None)


def open_class(models: Sequence[Contestant], address: str) -> Opened:
    """Open a class at an IPv4 address of this machine, unless one is open.

    The models are opened once, and stay as they are whatever becomes of their runs. Raises: Refusal, also if one of
    them cannot be opened.
    """
    with _lock:
        if opened := current():
            return opened
        with contextlib.suppress(Refusal):  # on a full disk they stay as they are
            race.end_left()
        readers = [server.model(store.find(one.run)) for one in models]
        listener = _listener(address)
        host = f"{address}:{listener.getsockname()[1]}"
        failed: set[str] = set()
        classroom = Classroom(functools.partial(_read, readers, failed))
        known = strangers.Strangers()
        pupils = Pupils(classroom, models, readers, host, known)
        config = uvicorn.Config(
            pupils.application(),
            http=functools.partial(strangers.Http, known),  # pyright: ignore[reportArgumentType]
            ws=functools.partial(strangers.WebSocket, known),  # pyright: ignore[reportArgumentType]
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws_max_size=HEAD + SHEET * SHEET,
        )
        opened = Opened(classroom, models, host, _Server(config), pupils, failed)
        opened.thread = _Thread(target=opened.server.run, kwargs={"sockets": [listener]}, name=THREAD, daemon=True)
        opened.thread.opened = opened
        opened.thread.start()
        return opened


def close_class() -> None:
    """Close the class, if one is open: every connection ends within a second."""
    with _lock:
        opened = current()
        if not opened:
            return
        opened.classroom.closed.set()
        end = time.monotonic() + FAREWELL
        while opened.server.server_state.connections and time.monotonic() < end:
            time.sleep(0.02)
        opened.server.should_exit = True
        opened.thread.join(FAREWELL)
        opened.server.force_exit = True  # does not wait for whoever is being answered still
        opened.pupils.close()
        if opened.classroom.race:
            opened.classroom.race.close()


def _listener(address: str) -> socket.socket:
    """A socket that listens at the first free of a few ports. Raises: Refusal."""
    first = settings.class_port()
    for port in range(first, first + PORTS):
        # With its protocol named: else asyncio does not know that it is TCP, and each answer waits 40 ms for the next.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # On Windows the option of the usual name lets two servers listen on one port.
        alone = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        listener.setsockopt(socket.SOL_SOCKET, alone, 1)
        try:
            listener.bind((address, port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, *([errno.EACCES] if os.name == "nt" else [])):
                raise Refusal("class.no_address", address=address, reason=error.strerror) from error
        else:
            return listener
    raise Refusal("class.no_port", first=first, last=first + PORTS - 1)


def _read(models: Sequence[Model], failed: set[str], pixels: np.ndarray, label: int) -> list[Reading]:
    """What the models answer to a drawing; those that fail are added to `failed`, and the others go on.

    Raises: Refusal, if nothing is drawn.
    """
    drawing, found = prepare(pixels), []
    if drawing.image is None:
        raise Refusal("error.drawing_empty")
    for model in models:
        try:
            answer = model.answer(drawing)
        except RuntimeError:  # as PyTorch says that memory is short
            failed.add(model.run)
            continue
        if answer:
            found.append(Reading(model.run, int(answer.values.argmax()), float(answer.values[label])))
    return found
