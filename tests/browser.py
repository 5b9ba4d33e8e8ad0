"""A real server and a real headless Chromium for the tests of pages and journeys, and for the benchmarks."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from core import store
from core.spec import checked

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


@contextlib.contextmanager
def chromium(*options: str) -> Iterator:
    """A headless Chromium, driven by playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS, *options])
        try:
            yield browser
        finally:
            browser.close()


def projector(browser):
    """A browser profile on a projector, whose cache keeps Streamlit's scripts for the pages to come."""
    return browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")


@contextlib.contextmanager
def faultless(profile, address: str, most: int) -> Iterator:
    """A page that waits at most so many milliseconds; no script of it may have raised in the end."""
    complaints: list[str] = []
    page = profile.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(most)
    page.goto(address)
    yield page
    page.close()
    assert not complaints


@contextlib.contextmanager
def serve(script: str, folder: Path, environment: Mapping[str, str], *options: str) -> Iterator[str]:
    """Run `streamlit run script` in `folder` and yield its address; the server gets a SIGINT (Ctrl-C) at the end."""
    with served(script, folder, environment, *options, port=free_port()) as (address, _):
        yield address


@contextlib.contextmanager
def served(
    script: str, folder: Path, environment: Mapping[str, str], *options: str, port: int
) -> Iterator[tuple[str, subprocess.Popen]]:
    """As `serve`, at a port; yields the address and the server's process, which may be killed."""
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.headless=true", f"--server.port={port}"]
    with subprocess.Popen(
        [*command, *options], cwd=folder, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    ) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for_answer(f"{address}/_stcore/health")
            yield address, server
        finally:
            server.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(15)
            server.kill()


@contextlib.contextmanager
def serve_run(folder: Path, **fields: object) -> Iterator[tuple[str, str]]:
    """Run the app on a store in `folder` with one finished run of these fields; yields its address, and the run's name.

    The data are those that come with the app.
    """
    from core.work import work  # not above: it imports torch

    environment = {f"BANCADA_{name}": str(folder / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        run = store.create(checked(fields))
        assert work(str(run.folder)) == "done"
    with serve("app.py", ROOT, environment) as address:
        yield address, run.name


def free_port() -> int:
    """A free TCP port of the loopback address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_answer(url: str, seconds: float = 30) -> None:
    """Request the address every 50 ms until it answers; fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310  our own loopback address
                return
        except OSError:
            assert time.monotonic() < end, f"{url} did not answer"
            time.sleep(0.05)


def draw(page, *strokes: Sequence[tuple[float, float]], sheet: str = "canvas.sheet", steps: int = 8) -> None:
    """Draw strokes with the mouse on the page's pad, or another sheet; points are shares (0 to 1) of its side."""
    box = page.locator(sheet).bounding_box()
    for first, *others in strokes:
        page.mouse.move(box["x"] + first[0] * box["width"], box["y"] + first[1] * box["height"])
        page.mouse.down()
        for x, y in others:
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=steps)
        page.mouse.up()


SEVEN = (((0.3, 0.25), (0.7, 0.25), (0.45, 0.8)),)
ONE = (((0.5, 0.2), (0.5, 0.8)),)
