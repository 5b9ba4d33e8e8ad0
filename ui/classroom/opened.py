"""The class that is open: a second server, on an address of its own, which the page *Class* opens and closes.

It runs in a thread of the app's process and ends with it. Nothing of Streamlit can be reached through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
import uvicorn

from core import settings, store
from core.classroom.classroom import Classroom
from core.classroom.results import Contestant
from core.drawing import SHEET
from core.drawing.collection import Reading
from core.drawing.prepare import prepare
from core.refusal import Refusal
from ui import server
from ui.classroom.pupils import HEAD, Pupils

PORTS = 10  # ports that are tried, one after the other
MOST_CONNECTIONS = 400  # at the same time; more are told to come later
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
    thread: threading.Thread = field(init=False)


@dataclass
class _Holder:
    opened: Opened | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@st.cache_resource(show_spinner=False)
def _holder() -> _Holder:
    return _Holder()  # not a global: a hot reload must not forget an open class


def current() -> Opened | None:
    """The class that is open now."""
    return _holder().opened


def open_class(models: Sequence[Contestant], address: str) -> Opened:
    """Open a class at an IPv4 address of this machine, unless one is open. Raises: Refusal."""
    holder = _holder()
    with holder.lock:
        if holder.opened:
            return holder.opened
        listener = _listener(address)
        host = f"{address}:{listener.getsockname()[1]}"
        names = [one.run for one in models]
        classroom = Classroom(lambda pixels, label: _read(names, pixels, label))
        pupils = Pupils(classroom, models, host)
        config = uvicorn.Config(
            pupils.application(),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws="websockets-sansio",  # the other one uses a part of its package that is on its way out
            ws_max_size=HEAD + SHEET * SHEET,
            limit_concurrency=MOST_CONNECTIONS,
        )
        opened = Opened(classroom, models, host, _Server(config), pupils)
        opened.thread = threading.Thread(
            target=opened.server.run, kwargs={"sockets": [listener]}, name="class", daemon=True
        )
        opened.thread.start()
        threading.Thread(target=_warm, args=(names,), name="class models", daemon=True).start()
        holder.opened = opened
        return opened


def close_class() -> None:
    """Close the class, if one is open: every connection ends within a second."""
    holder = _holder()
    with holder.lock:
        opened, holder.opened = holder.opened, None
        if not opened:
            return
        opened.classroom.closed.set()
        end = time.monotonic() + FAREWELL
        while opened.server.server_state.connections and time.monotonic() < end:
            time.sleep(0.02)
        opened.server.should_exit = True
        opened.thread.join(FAREWELL)
        opened.pupils.close()
        if opened.classroom.race:
            opened.classroom.race.close()


def _listener(address: str) -> socket.socket:
    """A socket that listens at the first free of a few ports. Raises: Refusal."""
    first = settings.class_port()
    for port in range(first, first + PORTS):
        # With its protocol named: else asyncio does not know that it is TCP, and each answer waits 40 ms for the next.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise Refusal("class.no_address", address=address, reason=error.strerror) from error
        else:
            return listener
    raise Refusal("class.no_port", first=first, last=first + PORTS - 1)


def _warm(names: Sequence[str]) -> None:
    """Open the models before the first drawing arrives; what is wrong with one is said where it is asked."""
    for name in names:
        with contextlib.suppress(Refusal):
            server.model(store.find(name))


def _read(names: Sequence[str], pixels: np.ndarray, label: int) -> list[Reading]:
    """What the models of these runs answer to a drawing. Raises: Refusal."""
    drawing = prepare(pixels)
    answers = [server.model(store.find(name)).answer(drawing) for name in names]
    if not all(answers):
        raise Refusal("error.drawing_empty")
    return [Reading(one.model.run, int(one.values.argmax()), float(one.values[label])) for one in answers if one]
