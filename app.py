"""Launches the server: `streamlit run app.py`.

The page script is `ui/frame.py`, not this file: for a script next to a folder `pages/`, Streamlit would open a link to
a page without the frame around it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import threading
from collections.abc import AsyncIterator

import streamlit as st
from starlette.middleware import Middleware

from ui.classroom import live_wall
from ui.draw import live_answer
from ui.headers import SecurityHeaders

# Objects that are made until the youngest are searched for garbage. With Python's 700, each page of a class that opens
# the app at the same moment has twenty such searches and a part of those through all sessions: an eighth of its time.
MADE = 20_000


def warm() -> None:
    """Import the modules that the first training or drawing needs, and exclude them from later garbage collections."""
    for module in ("pandas", "altair", "torch", "sklearn.calibration"):
        with contextlib.suppress(ImportError, OSError, RuntimeError):  # a broken torch is reported where it is used
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # else every full collection takes up to 0.3 s longer
    gc.set_threshold(MADE, *gc.get_threshold()[1:])


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Hold the workers while the server runs, and import the heavy modules once the first page has been served."""
    from ui.server import workers

    carriers = workers()
    warming = threading.Timer(1.5, warm)
    warming.daemon = True  # so that a stopping server does not wait for the imports
    warming.start()
    try:
        yield
    finally:
        warming.cancel()
        from ui.classroom.opened import close_class

        close_class()
        carriers.close()


app = st.App(
    "ui/frame.py",
    routes=[live_answer.route, live_wall.route],
    lifespan=lifespan,
    middleware=[Middleware(SecurityHeaders)],
)
