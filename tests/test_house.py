"""The house keeps its shape: imports go down only, the screen stays upstairs, heavy things stay asleep, words exist."""

import ast
import os
import pkgutil
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import core
from core.words import languages, words

ROOT = Path(__file__).resolve().parents[1]
# One row a room, with its floor. A room may import from the floors below its own; what is on its own floor it may not
# import, unless `BESIDE` names the pair.
ROOMS: dict[str, int] = {
    "app": 13,
    "pages": 13,
    "ui": 12,
    "core.__main__": 11,
    "core.commands": 10,
    "core.exports": 9,
    "core.work": 8,
    "core.models": 8,
    "core.inside": 8,
    "core.training": 7,
    "core.recipes": 6,
    "core.lessons": 6,
    "core.classroom": 6,
    "core.charts": 6,
    "core.images": 6,
    "core.search": 5,
    "core.workers": 5,
    "core.measures": 5,
    "core.store": 4,
    "core.spec": 3,
    "core.datasets": 3,
    "core.networks": 2,
    "core.drawing": 2,
    "core.words": 1,
    "core.events": 1,
    "core.settings": 1,
    "core.refusal": 1,
    "core.files": 1,
}
BESIDE: set[tuple[str, str]] = set()
WITHOUT_TORCH = [
    *("core.spec", "core.store", "core.datasets", "core.networks.layers", "core.models.model", "core.words"),
    "core.training.transfer",
    *("core.images.exploration", "core.images.preprocessing"),
]


def modules():
    """Every module of ours by name: `core.spec`, `ui.frame`, `pages.train`, `app`."""
    paths = [ROOT / "app.py", *(path for room in ("core", "ui", "pages") for path in (ROOT / room).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def room(module):
    """The room that a module stands in: the first two parts of a name in core, the first of any other; "" for core."""
    parts = module.split(".")
    name = ".".join(parts[:2] if parts[0] == "core" else parts[:1])
    return "" if name == "core" else name


@cache
def imports_of(path):
    """The modules of ours that a file imports anywhere in it, also inside functions and for the type checker alone."""
    known, found = modules(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else str(node.module) for name in inner}
    return frozenset(name for name in found if name.partition(".")[0] in ("core", "ui", "pages", "app"))


def in_a_fresh_process(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


IMPORT_ALL = "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"


# --- floors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_from_its_own_room_and_from_the_floors_below(module):
    here = room(module)
    used = {room(name) for name in imports_of(modules()[module])} - {here, ""}
    if not here:
        assert not used, "what every room imports imports no room"
        return
    assert here in ROOMS, "no floor"
    assert not {other for other in used if ROOMS[other] >= ROOMS[here] and (here, other) not in BESIDE}


def test_the_readme_the_contributors_page_and_this_file_name_the_same_rooms():
    there = {room(module) for module in modules()} - {""}
    assert set(ROOMS) == there
    paths = {name: Path(*name.split(".")) for name in ROOMS}
    written = {f"{path}/" if (ROOT / path).is_dir() else f"{path}.py": ROOMS[name] for name, path in paths.items()}
    plan = (ROOT / "README.md").read_text(encoding="utf-8").partition("```\napp.py")[2].partition("```")[0]
    assert set(re.findall(r"^(\S+) ", "app.py" + plan, re.MULTILINE)) == set(written)
    floors = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("```text\n")[2].partition("```")[0]
    lines = [line.split() for line in floors.splitlines() if line.strip()]
    assert {path: int(number) for number, *rooms in lines for path in rooms} == written


def test_no_imports_go_in_circles():
    graph = {name: imports_of(path) - {name} for name, path in modules().items()}
    left = dict(graph)
    while free := [name for name, used in left.items() if not used & left.keys()]:
        for name in free:
            del left[name]
    assert not left, "these import each other"


def test_only_the_screen_imports_streamlit():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom) and "streamlit" in ast.unparse(node):
                assert name.partition(".")[0] in ("app", "pages", "ui"), name


@pytest.mark.slow
def test_all_of_core_is_imported_without_streamlit_and_only_the_charts_need_altair():
    names = [one.name for one in pkgutil.walk_packages(core.__path__, "core.")]
    assert len(names) > 40
    names.remove("core.training.kernels.interpreter")  # an import compiles it for seconds, where nobody has done so
    charts = [name for name in names if room(name) == "core.charts"]
    loaded = in_a_fresh_process(f"import sys; sys.argv[1:] = {sorted(set(names) - set(charts))!r}\n{IMPORT_ALL}")
    assert "core.work" in loaded
    assert not {"streamlit", "ui", "altair"} & set(loaded)
    loaded = in_a_fresh_process(f"import sys; sys.argv[1:] = {charts!r}\n{IMPORT_ALL}")
    assert "altair" in loaded
    assert not {"streamlit", "ui"} & set(loaded)


HEAVY = ("torch", "torchvision", "medmnist", "sklearn", "streamlit")
IMPORT_ONE_BY_ONE = f"""
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
    print(name, *[heavy for heavy in {HEAVY} if heavy in sys.modules], sep=",")
"""


@pytest.fixture(scope="module")
def imported():
    """What is loaded once each module of `WITHOUT_TORCH` has been imported, one after the other in one process."""
    lines = in_a_fresh_process(f"import sys; sys.argv[1:] = {WITHOUT_TORCH!r}\n{IMPORT_ONE_BY_ONE}")
    return {name: heavy for name, *heavy in (line.split(",") for line in lines)}


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_what_every_page_needs_is_imported_without_torch(imported, module):
    assert imported[module] == []


FIRST_PAGE = """
import sys
import app
from streamlit.testing.v1 import AppTest

page = AppTest.from_file("ui/frame.py", default_timeout=30).run()
assert not page.exception, page.exception
assert page.main.button or page.main.selectbox, "nothing on the first page"
print(*sys.modules)
"""


def test_the_launcher_and_the_first_page_need_no_torch(tmp_path):
    empty = {f"BANCADA_{name}": str(tmp_path / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    loaded = in_a_fresh_process(FIRST_PAGE, **empty)
    assert "streamlit" in loaded
    assert not {"torch", "torchvision", "medmnist", "sklearn"} & set(loaded)


DATA_PAGE = """
page.switch_page("../pages/data.py").run()
assert not page.exception, page.exception
assert any("<img" in block.proto.body for block in page.get("html")), "no images"
print(*sys.modules)
"""


def test_the_data_page_shows_images_without_torch(tmp_path):
    empty = {f"BANCADA_{name}": str(tmp_path / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    loaded = in_a_fresh_process(FIRST_PAGE + DATA_PAGE, **empty)
    assert "ui.data" in loaded
    assert not {"torch", "torchvision", "medmnist", "sklearn"} & set(loaded)


EVALUATE_PAGE = """
page.switch_page("../pages/evaluate.py").run()
assert not page.exception, page.exception
assert any("<figure" in block.proto.body for block in page.get("html")), "no errors"
print(*sys.modules)
"""


def test_matrix_and_errors_of_a_run_are_shown_without_torch(trained):
    assert trained.report()
    assert not {"torch", "torchvision", "medmnist", "sklearn"} & set(in_a_fresh_process(FIRST_PAGE + EVALUATE_PAGE))


# --- words ------------------------------------------------------------------------------------------------------------


def refusals():
    """Every text key that a Refusal, a Misfit or `writing` is given, with the slots that it gets."""
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in ("Refusal", "Misfit") and (node.func.id, len(node.args)) != ("writing", 2):
                continue
            slots = sorted(str(keyword.arg) for keyword in node.keywords)  # in an order that every process finds
            if node.func.id == "Misfit":  # what `table` gives each
                slots = ["number", "layer", "shape"]
            if node.func.id == "writing":
                slots = ["folder", "reason"]
            key = node.args[node.func.id == "writing"]
            for part in (key.body, key.orelse) if isinstance(key, ast.IfExp) else (key,):
                if isinstance(part, ast.Constant):
                    yield name, str(part.value), slots


def test_there_are_refusals_to_look_at():
    assert len(list(refusals())) > 30


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("module", "key", "slots"), list(refusals()), ids=str)
def test_every_refusal_has_a_sentence_whose_slots_it_fills(language, module, key, slots):
    found = words(language)
    sentences = [found[name] for name in (key, f"{key}.one", f"{key}.other") if name in found]
    assert sentences, f"{module} refuses with {key}, which {language} has no words for"
    for sentence in sentences:
        assert set(re.findall(r"\{(\w+)", sentence)) <= set(slots)


def test_every_key_that_looks_like_an_error_in_core_has_words():
    known = words("en")
    for name, path in modules().items():
        for key in re.findall(r'"(error\.[a-z_0-9]+)"', path.read_text(encoding="utf-8")):
            assert key in known or f"{key}.one" in known, f"{key} in {name}"


# --- habits -----------------------------------------------------------------------------------------------------------


def test_no_file_has_a_name_that_says_nothing():
    vague = {"utils", "helpers", "common", "misc", "manager"}
    assert not [name for name in modules() if vague & set(name.split("."))]


def test_only_the_worker_catches_whatever_goes_wrong():
    catching = [
        name
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or getattr(node.type, "id", "") == "Exception")
    ]
    # Beside the worker: another project's package that is broken may raise anything when it is imported.
    packages = {"core.datasets.torchvision_sets", "core.datasets.medmnist_sets", "core.training.kernels.compiled"}
    assert set(catching) <= {"core.work"} | packages


def test_nothing_reads_a_pickle_unpacks_blindly_or_runs_text_as_code():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "pickle" not in ast.unparse(node), name
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "torch.load"), name
                assert not called.endswith(".extractall"), name
                assert "allow_pickle=True" not in ast.unparse(node), name
