"""The launcher: `streamlit run app.py`.

The screen begins in `ui/frame.py`, not here: beside a folder `pages/`, an entry script would open a link to a page
without its frame.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import threading
from collections.abc import AsyncIterator

import streamlit as st
from starlette.middleware import Middleware

from ui.draw import live_answer
from ui.headers import SecurityHeaders


def warm() -> None:
    """Import what the first training or drawing would wait for, then keep it out of every later garbage collection."""
    for module in ("pandas", "altair", "torch", "sklearn.calibration"):
        with contextlib.suppress(ImportError, OSError, RuntimeError):  # a broken torch is told where it is used
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # Streamlit collects after every run of a script: 0.3 s with all this in the way


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """From the server's start to its end: its workers, and the heavy imports once the first page has been served."""
    from ui.server import workers

    carriers = workers()
    warming = threading.Timer(1.5, warm)
    warming.daemon = True  # so that a server that ends does not wait for its imports
    warming.start()
    try:
        yield
    finally:
        warming.cancel()
        carriers.close()


app = st.App("ui/frame.py", routes=[live_answer.route], lifespan=lifespan, middleware=[Middleware(SecurityHeaders)])
