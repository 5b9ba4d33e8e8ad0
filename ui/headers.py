"""Security headers, by which every response of the server restricts what the browser may do."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def inline_scripts() -> str:
    """The hashes that allow the inline scripts of Streamlit's own `index.html`, and no other inline script."""
    page = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


# Only this server is allowed as a source; each exception is one that Chromium reported as blocked on our pages.
POLICY = {
    "default-src": "'self'",
    "script-src": f"'self' blob: {inline_scripts()}",  # blob: the script of a component, such as the drawing pad
    "style-src": "'self' 'unsafe-inline'",  # Streamlit's script creates style sheets at run time
    "img-src": "'self' data: blob:",
    "connect-src": "'self' data:",  # data: the photograph of `st.camera_input`, which Streamlit's script fetches
    "font-src": "'self' data:",  # data: a font embedded in Streamlit's script
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware that adds headers to every HTTP response, by default `HEADERS`; WebSockets pass untouched."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = HEADERS) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        added = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        names = {name for name, _ in added}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
                message = {**message, "headers": [*kept, *added]}
            await send(message)

        await self.app(scope, receive, send_with_headers)
