"""Many visitors at once: sessions as a browser opens them at Streamlit's WebSocket, without the browser."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

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
    options = {"subprotocols": ["streamlit"], "origin": address, "max_size": None, "proxy": None, "ping_interval": None}
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


FAULTS = ()
