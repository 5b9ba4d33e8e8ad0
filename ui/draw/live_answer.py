"""Answers a drawing while the pen is still down, over a WebSocket beside Streamlit's own.

The browser sends the drawing, waits for the answer, and then sends the drawing as it is by then. A client that sends
faster is not answered faster: it has one drawing at a time in the thread pool, queued behind those of the other
clients. A client that connects when there are `MOST_CLIENTS` already replaces the one that has been silent longest,
which connects again with its next stroke; one that has not drawn yet goes before any that has, so that connections
alone push nobody out. A client that does not read its answers is left after `SLOWEST` seconds.

The launcher imports this file. To keep the start quick, an answer's modules are imported with the first answer.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import OrderedDict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from core import words
from core.drawing import SHEET

if TYPE_CHECKING:
    from core.store import Run

PATH = "/live"
MOST_CLIENTS = 64  # at the same time: a class, with some tabs left open
MOST_ANSWERS = 40  # answers a second to one client; the eye needs no more
PATIENCE = 60  # seconds without a drawing until the socket is closed; the browser opens another with the next stroke
SLOWEST = 5  # seconds for an answer or a farewell to be taken by the client

# WebSocket close codes (RFC 6455, IANA): normal closure, policy violation, try again later.
NORMAL, VIOLATION, LATER = 1000, 1008, 1013

_clients: OrderedDict[asyncio.Task, None] = OrderedDict()  # in the order of their latest drawings
_pool = ThreadPoolExecutor(2, thread_name_prefix="live answer")


def live_address(run: Run, *, without: Collection[str], language: str) -> str:
    """The path and query that give this run's answers; `without` names the steps that are switched off."""
    return f"{PATH}?{urlencode({'run': run.name, 'without': list(without), 'lang': language}, doseq=True)}"


async def live_answer(socket: WebSocket) -> None:
    """Answer one client's drawings, uint8 (SHEET, SHEET), 0 ground to 255 ink, until it leaves or sends other data."""
    if not _comes_from_our_page(socket):
        await socket.close(VIOLATION)
        return
    await socket.accept()
    task = asyncio.current_task()
    assert task
    if len(_clients) == MOST_CLIENTS:
        silent, _ = _clients.popitem(last=False)
        silent.cancel()
    _clients[task] = None
    _clients.move_to_end(task, last=False)  # until it draws
    code = None
    try:
        code = await _answer_all(socket, task)
    except asyncio.CancelledError:  # to make room for another client
        code = LATER
    except (WebSocketDisconnect, TimeoutError):  # it has left, or does not read
        pass
    finally:
        _clients.pop(task, None)
    if code and socket.client_state is WebSocketState.CONNECTED:
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(SLOWEST):
                await socket.close(code)


async def _answer_all(socket: WebSocket, task: asyncio.Task) -> int:
    """The code to close with. Raises: WebSocketDisconnect; TimeoutError, if the client does not take an answer."""
    language = words.closest(socket.query_params.get("lang")) or words.FALLBACK
    name, without = socket.query_params.get("run", ""), socket.query_params.getlist("without")
    loop = asyncio.get_running_loop()
    while True:
        try:
            async with asyncio.timeout(PATIENCE):
                content = (await socket.receive()).get("bytes")
        except TimeoutError:
            return NORMAL
        if content is None or len(content) != SHEET * SHEET:
            return VIOLATION
        _clients.move_to_end(task)
        begun = loop.time()
        answer = await loop.run_in_executor(_pool, _answer, content, name, without, language)
        async with asyncio.timeout(SLOWEST):
            await socket.send_json(answer)
        if "sentence" in answer:
            return NORMAL
        await asyncio.sleep(begun + 1 / MOST_ANSWERS - loop.time())


def _answer(content: bytes, name: str, without: Collection[str], language: str) -> dict[str, Any]:
    """The message for `pad.js`: the model's image and a bar for each class; no bars; or the sentence of a refusal."""
    import numpy as np

    from core import store
    from core.drawing.prepare import prepare
    from core.refusal import Refusal
    from ui import server

    try:
        model = server.model(store.find(name))
        if not model.digits:
            raise Refusal("draw.not_offered", run=name)
        drawing = prepare(np.frombuffer(content, np.uint8).reshape(SHEET, SHEET), without=without)
    except Refusal as refusal:
        return {"sentence": words.text(language, refusal.key, **refusal.slots)}
    answer = model.answer(drawing)
    if answer is None:
        return {"bars": []}
    side = answer.image.shape[-1]
    return {
        "side": side,
        "seen": base64.b64encode(answer.image[0].tobytes()).decode(),
        "caption": words.text(language, "draw.seen", side=side),
        "bars": [
            {
                "name": words.text(language, "draw.class", digit=digit, label=name),
                "share": float(value),
                "text": words.percent(value, language=language),
                "best": digit == answer.best,
            }
            for digit, (name, value) in enumerate(zip(model.names(language), answer.values, strict=True))
        ],
    }


def _comes_from_our_page(socket: WebSocket) -> bool:
    """Whether the request comes from a page of this server: browsers send a page's origin, which it cannot forge."""
    host = socket.headers.get("host")
    return is_host_allowed(host) and socket.headers.get("origin") in (f"http://{host}", f"https://{host}")


route = WebSocketRoute(PATH, live_answer)
