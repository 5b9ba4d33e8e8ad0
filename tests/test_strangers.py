"""Words of strangers on every page and in the terminal: shown as they are, never taken for markup or a command."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from google.protobuf.json_format import MessageToDict

from core.__main__ import main
from tests import strangers
from tests.browser import CHROMIUM, ROOT, chromium, serve
from tests.page import control
from tests.strangers import DATA, NAMES, PEOPLE, TERMINAL, TURNED
from ui import text
from ui.text import literal

# Fields of Streamlit's messages that it shows as they are; it reads all others as Markdown.
AS_THEY_ARE = {"codeText", "options", "rawValue", "rawValues", "placeholder", "spec", "alt"}
# More of what Streamlit takes for markup, and what only looks like it.
MORE = (
    *("https://evil.example/a?b=c&d", "WWW.evil.example/x", "mailto:a@evil.example", "xmpp:a@b.example", "http:"),
    *("<http://evil.example>", "<a@evil.example>", "[x]: http://evil.example", "![x][y]", "[x](javascript:alert(1))"),
    *("http://evil.example:80/a_b*c*", "e@x.example, www.z.example http://k.example", "[^1]: note", "<b>bold</b>"),
    *(":streamlit:", ":+1:", ":red-badge[x]", ":help[x]", ":color[a]{foreground=red}", ":small[]", "::small[x]"),
    *("<-> x", "a <- b", "x -- y", ">= 1", "a <= b", "~= z", "->", "--", "---", "===", "***", "___", "~gone~", "~~~"),
    *("- item", "+ item", "* item", "1) one", "123456. x", "```", "| a | b |", "$$x$$", "\\(x\\)", "{#id}", "a$b$c"),
    *(
        "&lt;",
        "&#42;",
        "x_y_z",
        "__init__",
        "**",
        ":",
        "::",
        ":::x",
        ":a",
        "a:",
        "@",
        "www",
        "\\*a\\*",
        "\\\\",
        "!",
        "$",
    ),
    *("line\nbreak", "a\n\n# b", "\ttab", "a\u2028b", "a  b", "= =", "a = b", "{x}", "1.", "-", "+", "-1"),
    *("\u2069\u202ex", "名前 😀", "!", "$"),
)
# A page that shows each name in each kind of place that takes Markdown, among marks of our own.
SCRIPT = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import streamlit as st
from tests.strangers import NAMES, TURNED
from tests.test_strangers import MORE
from ui.text import literal
for place, name in enumerate((*NAMES, TURNED, *MORE)):
    words = literal(name)
    with st.container(key=f"words-{{place}}"):
        st.markdown(words)
        st.markdown(f"It is **{{words}}**: {{words}} $y$ :smile: 12:30 :material/check:\\n{{words}}: x")
        st.error(f"x\\n\\n{{words}}, {{words}}")
        st.button(words, key=f"button-{{place}}")
        st.metric(words, words)
        st.table({{"x": [words]}})
"""
MARKUP = (
    "img:not([src^='data:']), script, [data-testid=stMarkdownContainer] "
    ":is(a[href*=evil], a[href*='@'], em, del, code, sup, h1:not(.stHeading *), ol, ul, hr, blockquote, [class*=Color])"
)
NO_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strangers")
    here = {f"BANCADA_{name}": str(folder / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    return here | {"BANCADA_DEVICE": "cpu", "BANCADA_THREADS": "1"}


@pytest.fixture(scope="module")
def runs(environment):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        strangers.write_data()
        return strangers.write_store()


@pytest.fixture
def visit(frame, runs, environment, monkeypatch):
    """Opens a page, as `frame`, over the strangers' store."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return frame


def said(app) -> list[tuple[str, str, str]]:
    """All text of a page: the kind of its element, the field of the element's message, the text."""
    found = []

    def collect(kind: str, field: str, value: object) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                collect(kind, name, part)
        elif isinstance(value, list):
            for part in value:
                collect(kind, field, part)
        elif isinstance(value, str) and field == "json":  # for a component of ours
            collect("component", "", json.loads(value))
        elif isinstance(value, str):
            found.append((kind, field, value))

    for element in app.main:
        if getattr(element, "proto", None) is not None:
            collect(element.type, "", MessageToDict(element.proto))
    return found


def test_pages_escape_them_where_markdown_is_read_and_nowhere_else(visit, runs):
    names = {name: literal(name) for name in (*NAMES, DATA, TURNED, *PEOPLE) if literal(name) != name != "\\"}
    read, as_they_are = set(), set()  # the names seen in either kind of place

    def look(app) -> None:
        assert not app.exception
        for kind, field, words in said(app):
            if kind in ("html", "component") or field in AS_THEY_ARE:
                words = html.unescape(words)
                as_they_are.update(name for name in names if name in words)
                marked = [name for name, escaped in names.items() if "\\" in escaped.replace(name, "")]
                assert not [name for name in marked if names[name] in words], (kind, field, words)
            elif field not in ("icon", "id"):
                read.update(name for name, escaped in names.items() if escaped in words)
                assert not [name for name, as_text in names.items() if name in words.replace(as_text, "")], words
        for table in app.dataframe:
            cells = table.value.reset_index(allow_duplicates=True).to_csv()
            assert not [name for name, escaped in names.items() if len(name) > 2 and escaped in cells]

    for name, other in (("own", "other"), ("digits", "digits too")):
        app = visit("evaluate", run=runs[name].name)
        look(app)
        for view in ("image", "sure", "numbers", "beside"):
            look(control(app, "view").set_value(view).run())
        look(app.selectbox(key="other").select(runs[other].name).run())
    app = visit("data", data=DATA)
    look(app)
    for view in ("minibatch", "balance", "means", "image"):
        look(control(app, "explore").set_value(view).run())
    for name in ("failed", "unknown", "own", "recipe"):
        look(visit(run=runs[name].name, data=DATA))
    assert text.missing == {"no.such_text"}, "what the failure of `unknown` says"
    text.missing.clear()
    app = visit("draw", run=runs["digits"].name)
    look(app.multiselect(key="others").select(runs["digits too"].name).run())
    look(control(app, "mode").set_value("image").run())
    app = visit("drawings", run=runs["digits"].name)
    for view in ("right", "fails", "numbers", "all"):
        look(control(app, "drawn").set_value(view).run())
    look(visit("recipes", recipe="000-b"))
    assert names.keys() - read == {*PEOPLE} - {*NAMES}
    assert names.keys() - as_they_are == set()


@pytest.mark.slow
@NO_BROWSER
def test_a_browser_shows_every_one_as_it_is_wherever_markdown_is_read(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    names = (*NAMES, TURNED, *MORE)
    with serve("script.py", tmp_path, {}) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        last = page.locator(f".st-key-words-{len(names) - 1}")
        last.locator("table").wait_for()
        last.locator(".katex").wait_for()  # the last of our own marks to appear
        for place, name in enumerate(names):
            box, wanted = page.locator(f".st-key-words-{place}"), _one_line(name)
            found = box.get_by_test_id("stMarkdownContainer").all_text_contents()
            shown = [words for words in map(_one_line, found) if words != "x"]  # the table's head
            assert all(wanted in words for words in shown), (name, shown)
            assert shown.count(wanted) == 5, (name, shown)
            assert box.locator(MARKUP).count() == 0, (name, shown)
            assert (box.locator("strong").count(), box.locator(".katex").count()) == (1, 1), "our own marks"


def _one_line(words: str) -> str:
    """Words as a browser shows them, without the marks that keep their direction to themselves."""
    return " ".join(words.replace("\u2068", "").replace("\u2069", "").split())


@pytest.mark.slow
@NO_BROWSER
def test_pages_in_a_browser_load_nothing_link_nothing_and_show_all_names(runs, environment):
    asked, seen = [], []
    with serve("app.py", ROOT, environment) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.on("request", lambda request: asked.append(request.url))

        def look(path: str, *views: str) -> None:
            page.goto(address + path)
            for view in (None, *views):
                if view:
                    page.get_by_role("radio", name=view, exact=True).click()
                page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
                page.wait_for_timeout(300)  # until the browser has drawn what it got
                main = page.get_by_test_id("stMain")
                folded = page.locator(".st-key-matrix-table summary")
                if not view and folded.count():  # the table is made when it is unfolded; in other views it goes
                    folded.click()
                    table = page.locator(".st-key-matrix-table table")
                    table.wait_for(state="attached")  # its text, of which the page shows a drawing
                    seen.append(table.text_content() or "")
                assert main.locator(MARKUP).count() == 0, (path, view)
                seen.append(main.inner_text())

        look(f"/evaluate?run={runs['own'].name}", "One image")
        look(f"/data?data={quote(DATA)}", "Minibatch")
        look(f"/?run={runs['failed'].name}")
        look(f"/draw?run={runs['digits'].name}", "Test image")
        look(f"/drawings?run={runs['digits'].name}", "The drawings")
    words = "\n".join(seen)
    assert [url for url in asked if "evil" in url] == []
    assert [name for name in (*NAMES, TURNED, *PEOPLE, "# head", "*red*") if name not in words] == []
    assert [name for name in (*NAMES, *PEOPLE) if "\\" in literal(name) and literal(name) in words] == []


def test_the_terminal_gets_no_control_character_of_theirs(visit, runs, capfd, tmp_path):
    for arguments, code in (
        (["evaluate", runs["digits"].name], 0),
        (["evaluate", runs["own"].name], 0),
        (["runs"], 0),
        (["data"], 0),
        (["recipes", "run", TERMINAL], 1),
        (["predict", runs["digits"].name, f"{tmp_path}/{TERMINAL}.png"], 1),
    ):
        assert main(arguments) == code
    said = "".join(capfd.readouterr())
    assert NAMES[0] in said
    assert "\\u202eevil *turned*" in said
    assert "\\x1b[2J\\x1b]0;title\\x07*red*" in said
    assert not [letter for letter in said if letter != "\n" and not letter.isprintable()]
