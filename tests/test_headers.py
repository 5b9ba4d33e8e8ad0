import asyncio
import base64
import hashlib
import re
from pathlib import Path

import streamlit
from starlette.responses import PlainTextResponse

from ui.headers import HEADERS, POLICY, SecurityHeaders


async def answer(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        response = PlainTextResponse("hello", headers={"X-Frame-Options": "ALLOWALL", "X-Own": "kept"})
        await response(scope, receive, send)


def messages(scope):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(SecurityHeaders(answer)(scope, receive, send))
    return sent


def test_every_http_answer_carries_each_header_once():
    start, body = messages({"type": "http", "method": "GET", "path": "/", "headers": []})
    headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
    for name, value in HEADERS.items():
        assert [found for key, found in headers if key == name.lower()] == [value]
    assert ("x-own", "kept") in headers
    assert body["body"] == b"hello"


def test_a_websocket_passes_untouched():
    assert messages({"type": "websocket", "path": "/", "headers": []}) == [{"type": "websocket.accept"}]


def test_nothing_may_come_from_another_host_nor_be_evaluated_from_text():
    sources = " ".join(POLICY.values())
    assert "unsafe-eval" not in sources
    assert "unsafe-inline" not in POLICY["script-src"]
    assert not re.search(r"https?:|\*", sources)
    assert POLICY["frame-ancestors"] == POLICY["object-src"] == "'none'"


def test_the_script_in_streamlits_own_page_is_allowed_by_its_hash():
    page = (Path(streamlit.__file__).parent / "static/index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, flags=re.DOTALL)
    assert scripts
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in POLICY["script-src"]
