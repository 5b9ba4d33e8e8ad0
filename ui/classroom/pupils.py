"""What the pupils' server answers: one page, its script and style, and two WebSockets. Nothing else of this machine.

A pupil joins with the code and a name and gets a cookie. `/class` tells what is asked and takes drawings and answers;
`/answers` answers while the pen is down; `/race` takes what a pupil wants to train. Each checks the address that was
opened, the page that asks, and the cookie; each message of the first two has an exact size. A pupil has one connection
of each: the newest.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from html import escape
from string import Template
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from core import words
from core.classroom.classroom import Classroom, Pupil
from core.classroom.door import LONGEST, SHORTEST
from core.classroom.quiz import MOST_CLASSES, MOST_IMAGES
from core.classroom.results import Contestant
from core.drawing import SHEET
from core.drawing.collection import CLASSES, LONGEST_NICKNAME
from core.models.model import Model
from core.refusal import Refusal
from ui.classroom import phone_race
from ui.classroom.look import Look, look_script, look_style
from ui.classroom.quiz_words import for_phone
from ui.classroom.strangers import Strangers
from ui.draw import live_answer
from ui.draw.pad import MOST_CHARACTERS, PAD, PAD_LABELS, pad_script, pad_style
from ui.files import beside
from ui.headers import HEADERS, SecurityHeaders

COOKIE = "bancada_class"
MOST_BODY = 400  # bytes of a message that joins
HEAD = 3  # bytes before a drawing that is handed in, round, place and label; or of an answer: quiz, place and class
KEPT_FOR = 12 * 3600  # seconds that the browser keeps the cookie: a phone that closed it has its seat still
MOST_ANSWERS = 25  # answers a second to one pupil while the pen is down
MOST_WHERE_BUSY = 6  # the same, while others' drawings wait for an answer
THREADS = 2  # that answer drawings
MOST_TAKEN = 4  # drawings a second that one pupil hands in, also of those that are refused
MOST_A_MINUTE = 30  # messages of one pupil to a race
TICK = 0.1  # seconds between two looks at whether there is something to tell
LAST = 5  # seconds after the end of a round in which a pupil may send what is finished; less than `GRACE`
SLOWEST = 5  # seconds for a request to be complete, or its farewell to be taken

# WebSocket close codes: policy violation (RFC 6455), and our own for the end of the class, for somebody who was sent
# out, for a pupil who has the page open elsewhere, and for somebody whom this class does not know: who has not joined,
# or did so in a class before.
VIOLATION, ENDED, OUTSIDE, ELSEWHERE, UNKNOWN = 1008, 4000, 4001, 4002, 4003

# No inline style or script is allowed. Older Safari does not take a WebSocket of the same host for one of 'self'.
POLICY = "default-src 'self'; connect-src 'self' ws://{host}; img-src data:; object-src 'none'; base-uri 'none'; "
POLICY += "form-action 'none'; frame-ancestors 'none'"
# The texts that the script needs.
SAID = ("again", "anew", "closed", "elsewhere", "lost", "over", "finished", "out", "send", "unsent", "what", "left")


class OnlyHere:
    """ASGI middleware that refuses whatever was not sent to the address that was opened."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self.host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if HTTPConnection(scope).headers.get("host") == self.host:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close(VIOLATION)
        else:
            await Response(status_code=421)(scope, receive, send)


class Pupils:
    """The pupils' server of one lesson."""

    def __init__(
        self,
        classroom: Classroom,
        models: Sequence[Contestant],
        readers: Sequence[Model],  # the models themselves
        host: str,
        strangers: Strangers,
    ) -> None:
        self.classroom = classroom
        self.models = models
        self.readers = readers
        self.host = host
        self.strangers = strangers
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="class")
        self._keeping = ThreadPoolExecutor(THREADS, thread_name_prefix="class keeps")  # which waits for the disk
        self._asked = 0  # drawings that wait for an answer, or are answered now
        self._look = Look(classroom, models)
        self._sent: dict[int, deque[float]] = {}  # pupil -> times of the latest messages to a race
        self._connected: dict[tuple[str, int], asyncio.Task] = {}  # kind of connection, pupil

    def application(self) -> Starlette:
        """The ASGI application."""
        headers = {**HEADERS, "Content-Security-Policy": POLICY.format(host=self.host), "Cache-Control": "no-store"}
        headers["Connection"] = "close"  # so that none stays open after its answer, see `strangers.py`
        routes = [
            Route("/", self._page),
            Route("/pupil.js", lambda _: Response(script(), media_type="text/javascript")),
            Route("/pupil.css", lambda _: Response(style(), media_type="text/css")),
            Route("/join", self._join, methods=["POST"]),
            Route("/race", self._race, methods=["POST"]),
            WebSocketRoute("/class", self._class),
            WebSocketRoute("/answers", self._answers),
        ]
        middleware = [Middleware(SecurityHeaders, headers=headers), Middleware(OnlyHere, host=self.host)]
        return Starlette(routes=routes, middleware=middleware)

    def close(self) -> None:
        """Let the threads go; what is to be kept is kept still."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._keeping.shutdown(wait=False)

    # --- the page ---

    async def _page(self, request: Request) -> Response:
        joined = self.classroom.pupil(request.cookies.get(COOKIE)) is not None
        return Response(page(language_of(request), self.models, joined=joined), media_type="text/html")

    async def _join(self, request: Request) -> Response:
        if request.headers.get("origin") != f"http://{self.host}":
            return Response(status_code=403)
        try:
            async with asyncio.timeout(SLOWEST):
                code, name = await _asked(request)
        except (ValueError, TypeError, TimeoutError, RecursionError, ClientDisconnect):
            return Response(status_code=400)
        if pupil := self.classroom.pupil(request.cookies.get(COOKIE)):  # has a seat already
            return JSONResponse({"name": pupil.name})
        try:
            pupil = self.classroom.join(code, name, request.client.host if request.client else "")
        except Refusal as refusal:
            sentence = words.text(language_of(request), refusal.key, **refusal.slots)
            return JSONResponse({"sentence": sentence}, status_code=403)
        answer = JSONResponse({"name": pupil.name})
        answer.set_cookie(COOKIE, pupil.token, max_age=KEPT_FOR, httponly=True, samesite="strict")
        return answer

    async def _race(self, request: Request) -> Response:
        """What a pupil sends to the race, or takes back: one message, see `phone_race.take`."""
        pupil = self.classroom.pupil(request.cookies.get(COOKIE))
        if request.headers.get("origin") != f"http://{self.host}" or not pupil:
            return Response(status_code=403)
        try:
            self._count(pupil)
            async with asyncio.timeout(SLOWEST):
                said = json.loads(await _body(request))
            take = partial(phone_race.take, self.classroom, pupil, said)
            await asyncio.get_running_loop().run_in_executor(self._keeping, take)
        except Refusal as refusal:
            sentence = words.text(language_of(request), refusal.key, **refusal.slots)
            return JSONResponse({"sentence": sentence}, status_code=403)
        except (ValueError, TypeError, TimeoutError, RecursionError, ClientDisconnect):
            return Response(status_code=400)
        return JSONResponse({"sentence": ""})

    def _count(self, pupil: Pupil) -> None:
        """Count a message to a race, each of which is written to disk. Raises: Refusal, for too many in a minute."""
        now = self.classroom.clock()
        times = self._sent.setdefault(pupil.number, deque(maxlen=MOST_A_MINUTE))
        if len(times) == MOST_A_MINUTE and times[0] > now - 60:
            raise Refusal("race.too_often", most=MOST_A_MINUTE)
        times.append(now)

    # --- the connections ---

    async def _admitted(self, socket: WebSocket, kind: str) -> Pupil | None:
        """The pupil who connects, whose older connection of this kind ends; None if the connection is closed."""
        if socket.headers.get("origin") != f"http://{self.host}":
            await socket.close(VIOLATION)
            return None
        await socket.accept()
        pupil = self.classroom.pupil(socket.cookies.get(COOKIE))
        if not pupil:
            await socket.close(self._nobody(socket.cookies.get(COOKIE)))
            return None
        task = asyncio.current_task()
        assert task
        if older := self._connected.get((kind, pupil.number)):
            older.cancel()
        self._connected[kind, pupil.number] = task
        return pupil

    async def _served(self, socket: WebSocket, kind: str, serve: Callable) -> None:
        """Serve one pupil's connection until it ends, and close it with the code that `serve` returns."""
        pupil = await self._admitted(socket, kind)
        if not pupil:
            return
        code = None
        client = (socket.client.host, socket.client.port) if socket.client else ("", 0)
        self.strangers.known(client)
        self.classroom.connected(pupil, 1)
        try:
            code = await serve(socket, pupil)
        except asyncio.CancelledError:  # a newer connection, or the server's end
            code = ELSEWHERE
        except (WebSocketDisconnect, TimeoutError, RuntimeError):  # it has left, or does not read
            pass
        finally:
            self.strangers.unknown(client)
            self.classroom.connected(pupil, -1)
            if self._connected.get((kind, pupil.number)) is asyncio.current_task():
                del self._connected[kind, pupil.number]
        await live_answer.farewell(socket, code)

    async def _class(self, socket: WebSocket) -> None:
        await self._served(socket, "class", self._tell)

    async def _answers(self, socket: WebSocket) -> None:
        await self._served(socket, "answers", self._answer)

    def _end(self, pupil: Pupil) -> int | None:
        """The code with which the pupil's connections end; None as long as they go on."""
        if self.classroom.closed.is_set():
            return ENDED
        return None if self.classroom.pupil(pupil.token) else self._nobody(pupil.token)

    def _nobody(self, token: str | None) -> int:
        """The code with which a connection ends whose token is nobody's."""
        return OUTSIDE if self.classroom.was_sent_out(token) else UNKNOWN

    async def _tell(self, socket: WebSocket, pupil: Pupil) -> int:
        """Tell what is asked whenever it changes, and take drawings; returns the code to close with."""
        language = words.closest(socket.query_params.get("lang")) or words.FALLBACK
        loop = asyncio.get_running_loop()
        moment, told, sentence = None, {}, None  # `sentence`: what came of a drawing or an answer, told once
        look = seen = None  # what the page shows of the projector, and what it has
        receiving = asyncio.create_task(self._receive(socket, loop.time()))
        try:
            while True:
                end = self._end(pupil)
                # At the end of the class, what has arrived is still taken, and told what came of it.
                if end == ENDED and sentence is None:
                    await asyncio.wait({receiving}, timeout=TICK)  # it may be on its way to here
                if end is not None and (end != ENDED or (sentence is None and not receiving.done())):
                    return end
                if self._is_looking(pupil) and (look := self._look.fresh(language)) is None:
                    look = await loop.run_in_executor(self._pool, self._look.now, language)
                if moment != self.classroom.moment or look is not seen:
                    moment = self.classroom.moment
                    state, left = self._state(pupil, language)
                    new = {} if look is seen else {"look": look}
                    if new or state != told or sentence is not None:  # most changes are those of others
                        await live_answer.send(socket, {**state, **new, "left": left, "said": sentence})
                        told, sentence, seen = state, None, look
                done, _ = await asyncio.wait({receiving}, timeout=TICK if end is None else 0)
                if not done:
                    continue
                message, arrived = receiving.result()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message.get("code", 1006))
                content = message.get("bytes")
                if content is None or not _is_possible(content):
                    return VIOLATION
                begun = loop.time()
                sentence = await self._take(pupil, content, arrived, language)
                moment = None
                receiving = asyncio.create_task(self._receive(socket, begun + 1 / MOST_TAKEN))
        finally:
            receiving.cancel()

    async def _receive(self, socket: WebSocket, earliest: float) -> tuple[Any, float]:
        """The next message, and when it has come, seconds of the class's clock.

        Not before `earliest`, a time of the loop: who sends faster is not answered faster.
        """
        await asyncio.sleep(earliest - asyncio.get_running_loop().time())
        return await socket.receive(), self.classroom.clock()

    async def _take(self, pupil: Pupil, content: bytes, arrived: float, language: str) -> str:
        """Keep a drawing or an answer of a quiz; returns what to say of it, if anything.

        What waits for the disk is kept also if the connection ends meanwhile, as that of a page that is loaded anew.
        """

        async def run(keep: Callable, *arguments: Any) -> Any:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._keeping, keep, *arguments))

        try:
            if len(content) > HEAD:
                return await run(self._hand_in, pupil, content, arrived, language)
            number, place, answer = content
            quiz = self.classroom.quiz
            if not quiz or quiz.asked.number % 256 != number:
                raise Refusal("class.quiz.over")
            # Taken here, and not where others wait for the disk: so all that have come are written at once.
            if one := quiz.take(pupil.number, place, answer, arrived):
                pupil.took_part = True  # also if the connection ends while the answer is written
                await run(quiz.keep, one)
        except Refusal as refusal:
            return words.text(language, refusal.key, **refusal.slots)
        return ""

    def _hand_in(self, pupil: Pupil, content: bytes, arrived: float, language: str) -> str:
        """Keep a drawing; returns what to say of it. Raises: Refusal."""
        number, place, label = content[:HEAD]
        pixels = np.frombuffer(content, np.uint8, offset=HEAD).reshape(SHEET, SHEET)
        drawn = self.classroom.hand_in(pupil, number, place, label, pixels, arrived)
        if not drawn:
            return ""
        said = [answer.predicted for answer in drawn.in_class.answers]
        if not said:
            return words.text(language, "class.sent_unread", digit=label)
        right = sum(one == label for one in said)
        return words.text(language, "class.sent", digit=label, right=right, count=len(said), first=said[0])

    def _state(self, pupil: Pupil, language: str) -> tuple[dict[str, Any], float | None]:
        """What the page shows, and the seconds left: the round, how many drawings are handed in, what is asked."""
        (current, place, left), quiz = self.classroom.place(pupil), self.classroom.quiz
        ask = current.asked[place] if place < len(current.asked) else None
        key = "class.ask" if ask is not None else "class.all_done" if current.asked else "class.free"
        slots = {"digit": ask, "place": place + 1, "count": len(current.asked)}
        if ask is not None and len(current.asked) == 1:
            key = "class.ask_one"
        state: dict[str, Any] = {
            "round": current.number % 256,
            "place": place % 256,
            "ask": ask,
            "free": not current.asked,
            "sentence": words.text(language, key, **slots),
            "name": pupil.name,
            "race": phone_race.state(self.classroom, pupil, language),
            "quiz": quiz and for_phone(quiz, pupil.number, language),
            "looking": self._is_looking(pupil),
        }
        if quiz or self.classroom.showing:
            state |= {"ask": None, "free": False}
            left = quiz.left() if quiz else None
        if self.classroom.showing:
            state["sentence"] = words.text(language, "class.look.now")
        return state, left

    def _is_looking(self, pupil: Pupil) -> bool:
        """Whether the pupil sees what the projector shows: where the teacher says so, or nothing is left to do."""
        quiz = self.classroom.quiz
        if self.classroom.racing:
            return phone_race.is_done(self.classroom, pupil)
        if quiz or self.classroom.showing:
            return not quiz or quiz.stage in ("told", "end")
        current, place, _ = self.classroom.place(pupil)
        return bool(current.asked) and place >= len(current.asked)

    async def _answer(self, socket: WebSocket, pupil: Pupil) -> int:
        """Answer drawings, uint8 (SHEET, SHEET); returns the code to close with."""
        language = words.closest(socket.query_params.get("lang")) or words.FALLBACK
        loop = asyncio.get_running_loop()
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1006))
            if (end := self._end(pupil)) is not None:
                return end
            content = message.get("bytes")
            if content is None or len(content) != SHEET * SHEET:
                return VIOLATION
            begun = loop.time()
            read = partial(live_answer.answered_by, self.readers, content, (), language)
            self._asked += 1
            try:
                answer = await loop.run_in_executor(self._pool, read)
            finally:
                self._asked -= 1
            most = MOST_ANSWERS if self._asked < THREADS else MOST_WHERE_BUSY
            await live_answer.send_and_rest(socket, answer, begun + 1 / most - loop.time())


def _is_possible(content: bytes) -> bool:
    """Whether a pupil's message is a drawing with what it is of, or an answer: quiz, place and class."""
    drawing = len(content) == HEAD + SHEET * SHEET and content[2] < CLASSES
    return drawing or (len(content) == HEAD and content[1] < MOST_IMAGES and content[2] < MOST_CLASSES)


async def _body(request: Request) -> bytes:
    """The request's content. Raises: ValueError, if it is too long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            raise ValueError(len(body))
    return bytes(body)


async def _asked(request: Request) -> tuple[str, str]:
    """Code and name. Raises: ValueError or TypeError, if the message is too long or anything else."""
    said = json.loads(await _body(request))
    if (
        not isinstance(said, dict)
        or set(said) != {"code", "name"}
        or not all(isinstance(x, str) for x in said.values())
    ):
        raise TypeError
    return said["code"], said["name"]


def language_of(request: HTTPConnection) -> str:
    """The first language of the browser that we have; else English."""
    tags = (part.partition(";")[0].strip() for part in request.headers.get("accept-language", "")[:200].split(","))
    return next((code for tag in tags if (code := words.closest(tag))), words.FALLBACK)


@cache
def script() -> str:
    """The page's one script: that of the pad, those of charts and races, and our own."""
    return pad_script() + look_script() + beside(__file__, "phone_race.js") + beside(__file__, "pupil.js")


@cache
def style() -> str:
    """The page's one style sheet."""
    return pad_style() + look_style() + beside(__file__, "pupil.css") + beside(__file__, "phone_race.css")


def page(language: str, models: Sequence[Contestant], *, joined: bool) -> str:
    """The page in a language."""

    def said(key: str) -> str:
        return words.text(language, key)

    told = {
        "lang": language.replace("_", "-"),
        "joined": joined,
        "side": SHEET,
        "last": LAST,
        "most": MOST_CHARACTERS,
        "labels": {name: said(f"pad.{name}") for name in PAD_LABELS},
        "said": {name: words.words(language)[f"class.pupil.{name}"] for name in SAID},
        "answers": {
            "models": [one.name for one in models],
            "classes": [str(digit) for digit in range(CLASSES)],
            "legend": said("draw.table"),
            "table": said("draw.table_alt"),
            "empty": "",
        },
    }
    slots = {name: said(f"class.pupil.{name}") for name in ("title", "code", "nickname", "join", "about")}
    slots |= {"lang": told["lang"], "told": json.dumps(told), "longest": str(LONGEST_NICKNAME)}
    slots |= {"fewest": str(SHORTEST), "most": str(LONGEST)}
    template = Template(beside(__file__, "pupil.html"))
    return template.substitute({name: escape(value) for name, value in slots.items()}, pad=PAD)
