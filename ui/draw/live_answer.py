"""Answers a drawing while the pen is still down, over a WebSocket beside Streamlit's own.

The browser sends the drawing, waits for one message with the answers of all chosen models, rests as long as that says,
and then sends the drawing as it is by then. A client that sends faster is not answered faster: it has one drawing at a
time in the thread pool, queued behind those of the other clients. A client that connects when there are `MOST_CLIENTS`
already replaces the one that has been silent longest, which connects again with its next stroke; one that has not drawn
yet goes before any that has, so that connections alone push nobody out. A client that does not read its answers is left
after `SLOWEST` seconds.

The launcher imports this file. To keep the start quick, an answer's modules are imported with the first answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import OrderedDict
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from core import words
from core.drawing import SHEET

if TYPE_CHECKING:
    from core.models.model import Model
    from core.store import Run

PATH = "/live"
MOST_CLIENTS = 64  # at the same time: a class, with some tabs left open
MOST_MODELS = 6  # that answer one client's drawings
MOST_ANSWERS = 40  # answers a second to one client; the eye needs no more
PATIENCE = 60  # seconds without a drawing until the socket is closed; the browser opens another with the next stroke
SLOWEST = 5  # seconds for an answer or a farewell to be taken by the client

# WebSocket close codes (RFC 6455, IANA): normal closure, policy violation, try again later.
NORMAL, VIOLATION, LATER = 1000, 1008, 1013

_clients: OrderedDict[asyncio.Task, None] = OrderedDict()  # in the order of their latest drawings
_pool = ThreadPoolExecutor(2, thread_name_prefix="live answer")


def live_address(
    runs: Sequence[Run],
    *,
    without: Collection[str] = (),
    language: str,
    layer: int | None = None,
    epoch: int | None = None,
) -> str:
    """The path and query that give the answers of these runs; `without` names the steps that are switched off.

    With a `layer`, from 1, the answers also hold the first run's feature maps, those of this layer at least; with an
    `epoch` they are those of its weights then.
    """
    query = {"run": [run.name for run in runs], "without": list(without), "lang": language}
    if layer:
        query["layer"] = [str(layer)]
    if layer and epoch is not None:
        query["epoch"] = [str(epoch)]
    return f"{PATH}?{urlencode(query, doseq=True)}"


async def live_answer(socket: WebSocket) -> None:
    """Answer one client's drawings, uint8 (SHEET, SHEET), 0 ground to 255 ink, until it leaves or sends other data."""
    if not comes_from_our_page(socket):
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
    await farewell(socket, code)


async def farewell(socket: WebSocket, code: int | None) -> None:
    """Close a connection with a code, unless there is none or the other side has left."""
    if code and socket.client_state is WebSocketState.CONNECTED:
        with contextlib.suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
            async with asyncio.timeout(SLOWEST):
                await socket.close(code)


async def _answer_all(socket: WebSocket, task: asyncio.Task) -> int:
    """The code to close with. Raises: WebSocketDisconnect; TimeoutError, if the client does not take an answer."""
    language = words.closest(socket.query_params.get("lang")) or words.FALLBACK
    names, without = socket.query_params.getlist("run"), socket.query_params.getlist("without")
    inside = [socket.query_params.get(name) for name in ("layer", "epoch")]
    if not 0 < len(names) <= MOST_MODELS or not all(re.fullmatch("[0-9]{1,6}", one or "0") for one in inside):
        return VIOLATION
    layer, epoch = (int(one) if one else None for one in inside)
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
        answer = await loop.run_in_executor(_pool, answered, content, names, without, language, layer, epoch)
        await send_and_rest(socket, answer, begun + 1 / MOST_ANSWERS - loop.time())
        if "rows" not in answer:  # it is a refusal
            return NORMAL


async def send_and_rest(socket: WebSocket, answer: dict[str, Any], seconds: float) -> None:
    """Send an answer, and rest for so many seconds, if they are more than 0, before the next drawing is taken.

    The browser is told them, in milliseconds as `rest`, and draws on meanwhile: what it sends then is new. Without that
    a drawing would wait here, and its answer would come late. Raises: TimeoutError, if the answer is not taken.
    """
    seconds = max(0.0, seconds)
    await send(socket, answer | {"rest": 1000 * seconds})
    await asyncio.sleep(seconds)


async def send(socket: WebSocket, message: dict[str, Any]) -> None:
    """Send a message. Raises: TimeoutError, if the client does not take it."""
    async with asyncio.timeout(SLOWEST):
        await socket.send_json(message)


def answered(
    content: bytes,
    names: Sequence[str],
    without: Collection[str],
    language: str,
    layer: int | None = None,
    epoch: int | None = None,
) -> dict[str, Any]:
    """The message for `answers.js`, see `agreement.message`; of a refusal only its sentence.

    With a `layer` it has `layers` for `ui/inside/strip.js`: the feature maps of the first run's model at an `epoch`.
    """
    from core import store
    from core.refusal import Refusal
    from ui import server

    try:
        runs = [store.find(name) for name in names]
        if layer:
            return _with_layers(runs[0], content, without, language, layer, epoch)
        models = [server.model(run) for run in runs]
        if other := next((model for model in models if not model.digits), None):
            raise Refusal("draw.not_offered", run=other.run)
        return answered_by(models, content, without, language)
    except Refusal as refusal:
        return {"sentence": words.text(language, refusal.key, **refusal.slots)}


def _with_layers(
    run: Run, content: bytes, without: Collection[str], language: str, layer: int, epoch: int | None
) -> dict[str, Any]:
    """The answer of one run's model, with what each of its layers makes of the drawing, see `live`. Raises: Refusal."""
    import numpy as np

    from core.drawing.prepare import prepare
    from core.inside.network import feature_maps
    from core.refusal import Refusal
    from ui.draw import agreement
    from ui.inside.message import live
    from ui.inside.opened import opened

    one = opened(run, epoch)
    if not one.model.digits:
        raise Refusal("draw.not_offered", run=run.name)
    one.network.row(layer)
    drawing = prepare(np.frombuffer(content, np.uint8).reshape(SHEET, SHEET), without=without)
    answer, image = one.model.answer(drawing), one.model.seen(drawing)
    message = agreement.message([answer] if answer else [], language)
    empty = np.zeros(one.model.shape, np.uint8)
    return message | {"layers": live(feature_maps(one.network, empty if image is None else image), layer, language)}


def answered_by(models: Sequence[Model], content: bytes, without: Collection[str], language: str) -> dict[str, Any]:
    """The message for `answers.js` of digit models that are open."""
    import numpy as np

    from core.drawing.prepare import prepare
    from ui.draw import agreement

    drawing = prepare(np.frombuffer(content, np.uint8).reshape(SHEET, SHEET), without=without)
    return agreement.message([answer for model in models if (answer := model.answer(drawing))], language)


def comes_from_our_page(socket: WebSocket) -> bool:
    """Whether the request comes from a page of this server: browsers send a page's origin, which it cannot forge."""
    host = socket.headers.get("host")
    return is_host_allowed(host) and socket.headers.get("origin") in (f"http://{host}", f"https://{host}")


route = WebSocketRoute(PATH, live_answer)
