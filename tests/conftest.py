"""Fixtures that tests share: folders for each test alone, a small data set, and worker processes that can be killed."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, local_script_runner

from core import store
from core.datasets import dataset
from core.settings import wait_passively
from core.spec import checked
from tests.browser import ROOT, chromium
from tests.driver import Driver
from tests.small_data import write_small_data
from ui import text

wait_passively()  # has to come before the first import of torch
os.environ.setdefault("BANCADA_KERNELS", "0")  # the tests repeat to the last bit whether or not something is compiled
settings.register_profile("any machine", deadline=None)  # a first call may have to import modules
settings.load_profile("any machine")
# Streamlit scans all installed packages for each page under test, which took a third of the time of these tests.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)
# It also compiles each page anew whenever that is run, which a server does once, and looks each millisecond whether it
# has ended: together a fifth of a page's processor time.
COMPILED, get_bytecode = ScriptCache(), ScriptCache.get_bytecode
ScriptCache.get_bytecode = lambda _, path: get_bytecode(COMPILED, path)


def wait_for_its_end(runner: local_script_runner.LocalScriptRunner, timeout: float = 3) -> None:
    assert runner._script_thread
    runner._script_thread.join(timeout)
    if not runner.script_stopped():
        runner.request_stop()
        runner.join()
        raise RuntimeError(f"the page ran for more than {timeout} s")


local_script_runner.require_widgets_deltas = wait_for_its_end


# Those that take longest begin first, so that two processes end at nearly the same time.
LONGEST = (
    *("test_journey", "test_workers", "test_exported_page", "test_kernels", "test_command_line", "test_draw"),
    *("test_exported_script", "test_arrangement", "test_strangers", "test_search", "test_worker_faults"),
    *("test_hostile_store", "test_inside_journey", "test_lessons", "test_pad", "test_search_journey", "test_cluster"),
    *("test_store", "test_page_recipes"),
)


# All of these files' tests take long, as do those in a browser and those that walk all lessons.
SLOW = (
    *("test_beside", "test_camera", "test_cluster", "test_estimate", "test_exported_script", "test_kernels"),
    *("test_live_answer", "test_pad", "test_workers"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long, and put the files that take longest first; the order within a file stays."""
    for item in items:
        takes_long = isinstance(item, pytest.Function) and {"browser", "walked"} & set(item.fixturenames)
        if takes_long or item.path.stem in SLOW or item.path.parent.name == "faults":
            item.add_marker(pytest.mark.slow)
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    """Exclude what has been imported from later garbage collections: a twelfth of a page's processor time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def every_text_is_there() -> Iterator[None]:
    """Fail every test in which a page uses a text key that has no text (the page then shows the key)."""
    text.missing.clear()
    yield
    assert not text.missing, "keys without a text, or texts with a slot that nobody fills"


@pytest.fixture(autouse=True)
def our_own_main() -> Iterator[None]:
    """A page that is run becomes `__main__`, which every process that a later test spawns would run as well."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> Path:
    """A folder with the data sets of `tests/small_data.py`."""
    folder = tmp_path_factory.mktemp("data")
    write_small_data(folder)
    return folder


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory) -> Path:
    """A cache folder for tests that read the real data, since drawing the pen digits takes many seconds.

    All processes of one run of the tests share it.
    """
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-cache"


@pytest.fixture(scope="session")
def read_digits(tmp_path_factory) -> Path:
    """A cache folder with MNIST-5k, whose text takes more time to read than most tests."""
    folder = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANCADA_CACHE", str(folder))
        dataset("mnist-5k").load()
    return folder


@pytest.fixture
def cache(tmp_path, read_digits, monkeypatch) -> Path:
    """The cache folder of one test, in which MNIST-5k has been read already."""
    folder = tmp_path / "cache"
    shutil.copytree(read_digits, folder, copy_function=os.link)
    monkeypatch.setenv("BANCADA_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def trained_store(tmp_path_factory, read_digits) -> Path:
    """A store with one finished run on the data set that comes with the app."""
    from core.work import work  # not above: it imports torch

    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANCADA_CACHE", str(read_digits))
        patch.setenv("BANCADA_STORE", str(folder))
        run = store.create(checked({"architecture": "mlp", "epochs": 2, "batch_size": 128}))
        assert work(str(run.folder)) == "done"
    return folder


@pytest.fixture(autouse=True)
def english_terminal(monkeypatch) -> None:
    """The command line speaks English, whatever the language of the machine."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def home(tmp_path, cache, tiny_data, monkeypatch) -> Path:
    """The store of one test; the settings also name a cache of its own and the tests' data."""
    monkeypatch.setenv("BANCADA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("BANCADA_DATA", str(tiny_data))
    monkeypatch.setenv("BANCADA_DEVICE", "cpu")
    monkeypatch.setenv("BANCADA_THREADS", "1")
    return tmp_path / "store"


@pytest.fixture
def frame(tmp_path, cache, monkeypatch):
    """A function that opens a page of the app in a language, with a store of the test's own."""
    monkeypatch.setenv("BANCADA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path / "data"))

    def visit(page: str = "train", language: str = "en", **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "ui" / "frame.py"), default_timeout=30)
        app.query_params["lang"] = language.replace("_", "-")
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        if page != "train":
            app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
        assert not app.exception
        return app

    return visit


@pytest.fixture
def trained(tmp_path, frame, trained_store):
    """A finished run on the data set that comes with the app, in the store of the test's own."""
    shutil.copytree(trained_store, tmp_path / "store", dirs_exist_ok=True)
    return store.runs()[0]


@pytest.fixture(scope="module")  # not of all modules: an open playwright keeps asyncio from running another loop
def browser() -> Iterator:
    """A headless Chromium, see `tests.browser.chromium`."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """Worker processes that start in a hundredth of a second and can be killed at a chosen moment."""
    with Driver() as one:
        yield one


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    """Check the condition every 10 ms until it holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
