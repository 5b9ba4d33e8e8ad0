"""Tells the teacher's pages what has changed on the wall, over a WebSocket of the app's own server.

Each message says everything but the pictures, which are sent once. The launcher imports this file; the modules of the
class are imported with the first page that asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from core import words
from ui.draw.live_answer import LATER, NORMAL, VIOLATION, comes_from_our_page, farewell, send

if TYPE_CHECKING:
    from core.classroom.classroom import Drawn
    from ui.classroom.opened import Opened

PATH = "/wall"
MOST_WALLS = 16  # pages at the same time
TICK = 0.1  # seconds between two looks at whether something has changed

_walls: set[asyncio.Task] = set()


def wall_address(lesson: str, language: str) -> str:
    """The path and query of the wall of a lesson in a language; of the next one it is another."""
    return f"{PATH}?{urlencode({'lesson': lesson, 'lang': language})}"


async def live_wall(socket: WebSocket) -> None:
    """Tell one page of the open class until it leaves or the class ends."""
    if not comes_from_our_page(socket):
        await socket.close(VIOLATION)
        return
    await socket.accept()
    task = asyncio.current_task()
    assert task
    code = LATER
    if len(_walls) < MOST_WALLS:
        _walls.add(task)
        try:
            code = await _tell(socket)
        except (WebSocketDisconnect, TimeoutError, RuntimeError):  # it has left, or does not read
            return
        finally:
            _walls.discard(task)
    await farewell(socket, code)


async def _tell(socket: WebSocket) -> int:
    from ui.classroom import opened

    language = words.closest(socket.query_params.get("lang")) or words.FALLBACK
    now = opened.current()
    told, sent = None, set()
    leaving = asyncio.create_task(socket.receive())  # a wall sends nothing
    try:
        while now and now is opened.current() and now.classroom.lesson == socket.query_params.get("lesson"):
            if told != now.classroom.moment:
                told = now.classroom.moment
                message = await asyncio.to_thread(wall, now, language, frozenset(sent))
                sent = {entry["number"] for entry in message["on"]}
                await send(socket, message)
            done, _ = await asyncio.wait({leaving}, timeout=TICK)
            if done:
                raise WebSocketDisconnect
    finally:
        leaving.cancel()
    return NORMAL


def wall(opened: Opened, language: str, sent: frozenset[int] = frozenset()) -> dict[str, Any]:
    """What `wall.js` shows; `sent`: the numbers of the drawings whose pictures it has."""
    from core.classroom import results
    from core.classroom.classroom import MOST_SHOWN
    from core.classroom.door import SHORTEST
    from ui.classroom.look import of_model, seen
    from ui.classroom.quiz_words import for_wall

    classroom = opened.classroom
    current, names, (drawn, found) = classroom.round, classroom.names(), classroom.shown()
    theirs = [one for one in drawn if one.in_class.round == current.number]
    entries = []
    for one in theirs[-MOST_SHOWN:]:
        entry = _entry(one, names, opened, language)
        if one.number not in sent:
            entry["picture"] = results.png(one.drawing)
        entries.append(entry)
    people = len({one.pupil for one in theirs})
    hardest = drawn[found.hardest] if found.hardest is not None else None
    first = opened.models[0].run
    failed = [one.name for one in opened.models if one.run in opened.failed]
    return {
        "round": current.number,
        "question": _question(current.asked, language),
        "left": classroom.left(),
        "arrived": words.text(
            language, "class.arrived", drawings=len(theirs), people=people, joined=len(classroom.pupils)
        ),
        "joined": words.text(language, "class.joined", count=len(classroom.pupils)),
        "nobody": not classroom.pupils,
        "names": [name for number in list(classroom.pupils) if (name := names.get(number))],
        "code": (code := classroom.door.code),
        "longer": words.text(language, "class.longer") if len(code) > SHORTEST else "",
        "frozen": classroom.frozen,
        "failed": words.text(language, "class.failed", models=", ".join(failed)) if failed else "",
        "on": entries,
        "off": classroom.off(),
        "models": [of_model(model, found, language) for model in opened.models],
        "caption": words.text(language, "class.bars"),
        "matrix": found.matrix[first].tolist() if first in found.matrix else None,
        "hardest": hardest and {**_entry(hardest, names, opened, language), "picture": results.png(hardest.drawing)},
        "look": seen(classroom, opened.models, language) if classroom.showing else None,
        "quiz": classroom.quiz and for_wall(classroom.quiz, len(classroom.pupils), language),
    }


def _entry(one: Drawn, names: Mapping[int, str], opened: Opened, language: str) -> dict[str, Any]:
    """What the wall says of a drawing."""
    answers = one.in_class.answers
    said = [(model.name, answer) for model in opened.models for answer in answers if answer.run == model.run]
    return {
        "number": one.number,
        "name": names.get(one.pupil, ""),
        "label": one.drawing.label,
        "read": answers[0].predicted if answers else "?",
        "right": answers[0].predicted == one.drawing.label if answers else None,
        "answers": [words.text(language, "class.read", model=name, digit=answer.predicted) for name, answer in said],
    }


def _question(asked: tuple[int, ...], language: str) -> str:
    if not asked:
        return words.text(language, "class.free")
    if len(asked) == 1:
        return words.text(language, "class.ask_one", digit=asked[0])
    return words.text(language, "class.ask_these", digits=" ".join(map(str, asked)))


route = WebSocketRoute(PATH, live_wall)
