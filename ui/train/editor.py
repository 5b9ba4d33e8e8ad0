"""The layer editor: changes a network a layer at a time, with widgets instead of text.

It edits a draft, stored as text in the session state; the widgets are set from the draft each time they are drawn, and
change it. The draft has no effect until *Apply* puts it into the form's own field.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import streamlit as st

from core.networks import layers
from core.networks.layers import KINDS, MOST_LAYERS, Layer, Row, Shape, shape_text
from core.refusal import Refusal
from ui import form
from ui.numbers import whole_number
from ui.text import number, refused, t

DRAFT = "editor.draft"
IN_FORCE = "editor.in_force"  # the form's layers from which the draft began: if they change, a new draft begins
CHOSEN = "editor.layer"  # the chosen layer's place, from 0
KIND = "editor.kind"
SHOWN_AT_ONCE = 10  # layers; more can be scrolled


def editor(in_force: layers.Layers, shape: Shape, classes: int) -> None:
    """Let the reader edit a copy of the layers in force, for images of `shape` (C, H, W) and K = `classes`."""
    st.fragment(_editor, key="editor")(layers.text(in_force), shape, classes)


def _editor(in_force: str, shape: Shape, classes: int) -> None:
    if st.session_state.get(IN_FORCE) != in_force:
        st.session_state[DRAFT] = st.session_state[IN_FORCE] = in_force
    draft = _draft()
    place = st.session_state[CHOSEN] = min(st.session_state.get(CHOSEN) or 0, len(draft) - 1)
    rows, refusal = _as_far_as_they_fit(draft, shape, classes)
    changed, fits = layers.text(draft) != in_force, refusal is None
    with st.container(horizontal=True, vertical_alignment="center"):
        words, icon, able = t("editor.apply"), ":material/check:", changed and fits
        if st.button(words, icon=icon, type="primary", disabled=not able, on_click=_apply, help=t("editor.apply_help")):
            st.rerun()  # the whole page, not only this part of it
        st.button(t("editor.discard"), icon=":material/undo:", disabled=not changed, on_click=_discard)
        if fits:
            before, unfit = _as_far_as_they_fit(layers.parse(in_force), shape, classes)
            words = _cost(before, rows, compared=unfit is None) if changed else t("editor.unchanged")
            st.markdown(words, width="stretch")
    if refusal:
        refused(refusal)
    left, right = st.columns([5, 4], gap="medium")
    with left:
        with st.container(height=260 if len(draft) > SHOWN_AT_ONCE else "content", border=False):
            lines = [_line(at, layer, rows) for at, layer in enumerate(draft)]
            st.radio(t("editor.layers"), range(len(draft)), format_func=lines.__getitem__, key=CHOSEN)
        _tools(place, len(draft))
    with right:
        _fields(draft[place], place)


def _cost(before: list[Row], after: list[Row], *, compared: bool) -> str:
    """A sentence: the parameters and operations after the edits, if `compared` beside those before."""
    slots = {}
    for what in ("parameters", "macs"):
        old, new = (sum(getattr(row, what) for row in rows) for rows in (before, after))
        change = ("+" if new >= old else "-") + number(abs(new - old))
        slots |= {what: new, f"{what}_before": old, f"{what}_change": change}
    return t("editor.change" if compared else "editor.cost", **slots)


def _as_far_as_they_fit(draft: layers.Layers, shape: Shape, classes: int) -> tuple[list[Row], Refusal | None]:
    rows = []
    try:
        for row in layers.rows(draft, shape, classes):
            rows.append(row)
    except Refusal as refusal:
        return rows, refusal
    return rows, None


def _line(place: int, layer: Layer, rows: list[Row]) -> str:
    """A layer in one line: its number, its text, its output shape; `?` for the shape if the layer does not fit."""
    shape = f" → {shape_text(rows[place].shape)}" if place < len(rows) else " → ?"
    return f"**{place + 1}** · {layer}{shape}"


def _tools(place: int, count: int) -> None:
    """Show the buttons that move or remove the chosen layer, and the choice of a layer to add after it."""
    with st.container(horizontal=True, gap="small"):
        for what, icon, able, act, by in (
            ("up", ":material/arrow_upward:", place > 0, _move, (-1,)),
            ("down", ":material/arrow_downward:", place < count - 1, _move, (1,)),
            ("remove", ":material/delete:", count > 1, _remove, ()),
        ):
            st.button(t(f"editor.{what}"), key=f"editor.{what}", icon=icon, disabled=not able, on_click=act, args=by)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kinds = {kind: t(f"layer.{kind}.label") for kind in KINDS}
        st.selectbox(t("editor.new"), list(kinds), format_func=kinds.__getitem__, key=KIND)
        full = count >= MOST_LAYERS
        st.button(t("editor.add"), key="editor.add", icon=":material/add:", disabled=full, on_click=_insert)


def _fields(layer: Layer, place: int) -> None:
    """Show the chosen layer's own fields, as its Pydantic model declares them."""
    words = t("editor.chosen", number=place + 1, kind=t(f"layer.{layer.kind}.label"))
    st.markdown(words, help=t(f"layer.{layer.kind}.help"))
    values = {name: value for name, value in layer if name != "kind"}
    columns = st.columns(2, gap="small")
    for at, (name, value) in enumerate(values.items()):
        with columns[at % 2]:
            _field(layer.kind, name, value)


def _field(kind: str, name: str, value: Any) -> None:
    """Show a field: a list if it takes words only, else a number field, with a checkbox for each word that it takes."""
    rule, words = _takes(kind, name)
    key, label = f"editor.{name}", t(f"layer.field.{name}")
    common: dict[str, Any] = {"key": key, "on_change": _change, "args": (name,)}
    if not rule:
        st.session_state[key] = value
        titles = {word: t(f"layer.word.{word}") for word in words}
        st.selectbox(label, words, format_func=titles.__getitem__, **common)
        return
    low = rule["minimum"]
    is_number = not isinstance(value, str)
    st.session_state[key] = value if is_number else low
    if rule["type"] == "integer":
        then = partial(_change, name)
        whole_number(label, low, rule["maximum"], key=key, then=then, disabled=not is_number)
    else:  # a share, 0 to 1
        st.slider(label, float(low), rule["exclusiveMaximum"] - 0.01, step=0.01, format="percent", **common)
    for word in words:
        st.session_state[f"{key}.{word}"] = value == word
        st.checkbox(t(f"layer.word.{word}"), key=f"{key}.{word}", on_change=_tick, args=(name, word))


@cache
def _takes(kind: str, name: str) -> tuple[dict[str, Any] | None, list[str]]:
    """The JSON schema of the numbers that a layer's field takes, None if it takes none, and the words that it takes."""
    schema = KINDS[kind].model_json_schema()["properties"][name]
    parts = schema.get("anyOf", [schema])
    words = [word for part in parts for word in part.get("enum", [part["const"]] if "const" in part else [])]
    return next((part for part in parts if part["type"] != "string"), None), words


# Callbacks of the widgets; Streamlit calls them before it draws the page.


def _draft() -> layers.Layers:
    return layers.parse(st.session_state[DRAFT])


def _keep(draft: list[Any], place: int) -> None:
    st.session_state[DRAFT] = layers.text(draft)
    st.session_state[CHOSEN] = place


def _change(name: str) -> None:
    _set(name, st.session_state[f"editor.{name}"])


def _tick(name: str, word: str) -> None:
    """Set the field to the word if its checkbox is now ticked, else to a first number."""
    place = st.session_state[CHOSEN]
    kind = _draft()[place].kind
    first = getattr(layers.new_layer(kind), name)
    default = KINDS[kind].model_fields[name].default
    a_number = next(one for one in (default, first, 1) if isinstance(one, int))
    _set(name, word if st.session_state[f"editor.{name}.{word}"] else a_number)


def _set(name: str, value: Any) -> None:
    draft, place = [*_draft()], st.session_state[CHOSEN]
    draft[place] = type(draft[place]).model_validate(draft[place].model_dump() | {name: value})
    _keep(draft, place)


def _move(by: int) -> None:
    draft, place = [*_draft()], st.session_state[CHOSEN]
    draft.insert(place + by, draft.pop(place))
    _keep(draft, place + by)


def _remove() -> None:
    draft, place = [*_draft()], st.session_state[CHOSEN]
    del draft[place]
    _keep(draft, min(place, len(draft) - 1))


def _insert() -> None:
    draft, place = [*_draft()], st.session_state[CHOSEN] + 1
    draft.insert(place, layers.new_layer(st.session_state[KIND]))
    _keep(draft, place)


def _apply() -> None:
    form.use_layers(_draft())


def _discard() -> None:
    st.session_state[DRAFT] = st.session_state[IN_FORCE]
