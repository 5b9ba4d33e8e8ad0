"""The WebSocket that answers while the pen is down, at a real server: what it says, and to whom it says nothing."""

import asyncio
import contextlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from socket import create_connection
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image, ImageDraw
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core import store
from core.drawing import SHEET
from core.drawing.prepare import prepare
from core.models.model import can_be_drawn_for, open_model
from core.spec import RunSpec, checked
from core.work import work
from tests.browser import ROOT, serve
from ui.draw import live_answer
from ui.draw.agreement import message
from ui.draw.live_answer import MOST_ANSWERS, MOST_CLIENTS, MOST_MODELS

STARTER = next(run for run in reversed(store.runs(ROOT / "models_store")) if can_be_drawn_for(run))


SHIPPED = [run for run in store.runs(ROOT / "models_store") if can_be_drawn_for(run)]


def seven() -> np.ndarray:
    image = Image.new("L", (SHEET, SHEET))
    ImageDraw.Draw(image).line([(34, 28), (78, 28), (50, 90)], fill=255, width=9, joint="curve")
    return np.asarray(image)


DRAWING = seven().tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_data):
    """A store with the starter model, one of other images, one without weights and a damaged one; a run beside it."""
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as environment:
        for name in ("STORE", "CACHE"):
            environment.setenv(f"BANCADA_{name}", str(folder / name.lower()))
        environment.setenv("BANCADA_DATA", str(tiny_data))
        no_digits = store.create(checked({"data": "tiny", "architecture": "mlp", "epochs": 1}))
        assert work(str(no_digits.folder)) == "done"
        no_digits.folder.rename(folder / "store" / "no-digits")
        store.create(RunSpec(data="mnist-5k", architecture="mlp")).folder.rename(folder / "store" / "no-weights")
    shutil.copytree(STARTER.folder, folder / "store" / "starter")
    for run in SHIPPED:
        shutil.copytree(run.folder, folder / "store" / run.name)
    shutil.copytree(STARTER.folder, folder / "outside")
    shutil.copytree(STARTER.folder, folder / "store" / "damaged")
    (folder / "store" / "damaged" / "model.safetensors").write_bytes(b"no weights")
    (folder / "store" / "link").symlink_to(folder / "outside")
    return folder


@pytest.fixture(scope="module")
def server(folder, tiny_data) -> Iterator[str]:
    environment = {f"BANCADA_{name}": str(folder / name.lower()) for name in ("STORE", "CACHE")}
    with serve("app.py", ROOT, {**environment, "BANCADA_DATA": str(tiny_data)}) as at:
        yield at


def socket(server: str, query: str = "run=starter", **other: str | None) -> ClientConnection:
    """A client's connection, by default as a page of this server makes it; `host` and `origin` say otherwise."""
    address = urlsplit(server)
    url = f"ws://{other.get('host', address.netloc)}/live?{query}"
    tcp = create_connection((address.hostname, address.port))
    return connect(url, sock=tcp, origin=other.get("origin", server), proxy=None, close_timeout=0.5)


def ask(client: ClientConnection, sheet: bytes = DRAWING) -> dict:
    client.send(sheet)
    return json.loads(client.recv(timeout=30))


def closed_with(client: ClientConnection) -> int:
    """The code with which the server closes the connection; nothing else may come before."""
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=30)
    assert client.close_code is not None
    return client.close_code


# --- what it says -----------------------------------------------------------------------------------------------------


def test_the_answer_is_the_models_in_the_readers_language(server):
    model = open_model(STARTER)
    image = model.image(seven())
    assert image is not None
    with socket(server, "run=starter&lang=pt-BR") as client:
        answer = ask(client)
    values = model.probabilities(image[None])[0]
    np.testing.assert_allclose(answer["rows"][0]["shares"], values, atol=1e-4)
    assert answer["rows"][0]["best"] == 7
    assert "7 · Sete" in answer["sentence"]
    assert answer["side"] == 28
    assert answer["seen"]


def test_all_chosen_models_answer_one_drawing_in_one_message_as_the_page_does(server):
    models = [open_model(run) for run in SHIPPED]
    with socket(server, "&".join(f"run={run.name}" for run in SHIPPED)) as client:
        answer = ask(client)
    drawing = prepare(seven())
    assert 0 <= answer.pop("rest") <= 1000 / MOST_ANSWERS
    assert answer == message([found for model in models if (found := model.answer(drawing))], "en")
    assert len(answer["rows"]) == len(SHIPPED) > 1


@pytest.mark.parametrize("count", [0, MOST_MODELS + 1])
def test_more_models_than_a_page_asks_are_refused_and_so_are_none(server, count):
    with socket(server, "&".join(["lang=en", *["run=starter"] * count])) as client:
        assert closed_with(client) == 1008


def test_a_step_that_is_switched_off_is_left_out(server):
    with socket(server) as one, socket(server, "run=starter&without=crop&without=nonsense") as other:
        assert ask(one)["seen"] != ask(other)["seen"]


def test_an_empty_sheet_has_no_answer(server):
    with socket(server) as client:
        assert ask(client, bytes(SHEET * SHEET)).items() >= {"sentence": "", "rows": []}.items()
        assert ask(client)["rows"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing", "There is no run “nothing”"),
        ("&run=starter", "There is no run"),
        ("../outside", "There is no run"),
        ("..%2Foutside", "There is no run"),
        ("link", "There is no run"),
        ("..", "There is no run"),
        ("starter%00", "There is no run"),
        ("a" * 4000, "There is no run"),
        ("no-weights", "has no weights yet"),
        ("no-digits", "was not trained on handwritten digits"),
        ("damaged", "is damaged"),
    ],
)
def test_a_model_that_cannot_be_asked_is_told_in_a_sentence(server, name, sentence):
    with socket(server, f"run={name}") as client:
        answer = ask(client)
        assert sentence in answer["sentence"]
        assert "rows" not in answer
        assert closed_with(client) == 1000


# --- to whom it says nothing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": None},
        {"origin": "http://127.0.0.1:1"},  # another server of this machine
        {"origin": "http://evil.example", "host": "evil.example"},  # a name that was made to point here
    ],
    ids=str,
)
def test_a_page_of_another_server_is_refused(server, other):
    with pytest.raises(InvalidStatus) as refusal, socket(server, **other):
        pass
    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize(
    "message",
    [b"", DRAWING[:-1], DRAWING + b"0", bytes(1_000_000), "text", "0" * SHEET * SHEET],
    ids=["nothing", "one-less", "one-more", "a-million", "text", "text-of-the-size"],
)
def test_whatever_is_not_a_sheet_closes_the_connection(server, message):
    with socket(server) as client:
        assert ask(client)["rows"]
        client.send(message)
        assert closed_with(client) == 1008
    with socket(server) as client:
        assert ask(client)["rows"]


# --- for everybody ----------------------------------------------------------------------------------------------------


def test_who_floods_the_server_does_not_hold_up_another(server):
    seconds, flooded = 2.0, 0
    with socket(server) as flooding, socket(server) as patient:
        ask(flooding)
        ask(patient)
        end = time.monotonic() + seconds

        def flood() -> None:
            while time.monotonic() < end:
                flooding.send(DRAWING)

        def count() -> None:
            nonlocal flooded
            while time.monotonic() < end:
                flooding.recv()
                flooded += 1

        threads = [threading.Thread(target=one, daemon=True) for one in (flood, count)]
        for thread in threads:
            thread.start()
        answers = 0
        while time.monotonic() < end:
            assert ask(patient)["rows"]
            answers += 1
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
    print(f"{answers / seconds:.0f} answers a second beside a flood, which got {flooded / seconds:.0f}")
    assert answers > 10 * seconds
    assert flooded <= MOST_ANSWERS * seconds + 1


def test_who_only_connects_pushes_out_nobody_who_draws(server):
    with contextlib.ExitStack() as room:
        drawing = room.enter_context(socket(server))
        assert ask(drawing)["rows"]
        idle = [room.enter_context(socket(server)) for _ in range(MOST_CLIENTS + 8)]
        assert ask(drawing)["rows"]
        assert closed_with(idle[-2]) == 1013  # by the last


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "is-pushed-out"])
def test_who_does_not_read_its_answers_is_left(monkeypatch, leaves):
    monkeypatch.setattr(live_answer, "SLOWEST", 0.05)
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    scope = {"type": "websocket", "path": "/live", "query_string": b"run=none", "headers": headers}
    came = asyncio.Queue()
    came.put_nowait({"type": "websocket.connect"})
    if not leaves:
        came.put_nowait({"type": "websocket.receive", "bytes": DRAWING})

    async def send(message):
        if message["type"] != "websocket.accept":
            await asyncio.Event().wait()  # as uvicorn does while the client's buffers are full

    async def serve_it():
        task = asyncio.create_task(live_answer.live_answer(WebSocket(scope, came.get, send)))
        await asyncio.sleep(0.02)
        if leaves:
            task.cancel()
        await asyncio.wait_for(task, 20)

    asyncio.run(serve_it())
    assert not live_answer._clients


def test_who_has_been_silent_for_longest_makes_room_for_who_comes_last(server):
    with contextlib.ExitStack() as room:
        clients = [room.enter_context(socket(server)) for _ in range(MOST_CLIENTS)]
        for client in (*clients, clients[0]):
            assert ask(client)["rows"]
        late = room.enter_context(socket(server))
        assert ask(late)["rows"]
        assert closed_with(clients[1]) == 1013
        for client in (clients[0], *clients[2:], late):
            assert ask(client)["rows"]
