"""The layer editor: changes a network a layer at a time, with widgets instead of text.

It edits the form's own layers, at once, so that no network is shown but the one that *Start* trains. Layers that do not
fit stay in the form too, which then says why and starts nothing.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import streamlit as st

from core.networks import layers
from core.networks.layers import KINDS, MOST_LAYERS, Layer, Row, Shape, shape_text
from core.refusal import Refusal
from core.spec import CUSTOM, RunSpec
from ui import form
from ui.numbers import whole_number
from ui.text import language, literal, number, refused, t

# These are not called `editor.`, as the fields of a layer are. For the callbacks, the form's layers as text ...
LAYERS = "editing.layers"
ARCHITECTURE = "editing.architecture"  # ... and the architecture's name
BEFORE = "editing.before"  # the architecture and layers before each of the edits made here
DRAWN, EDITED = "editing.drawn", "editing.edited"  # what the form said when it was drawn, and after the last edit
CHOSEN = "editor.layer"  # the chosen layer's place, from 0
KIND = "editor.kind"
SHOWN_AT_ONCE = 10  # layers; more can be scrolled


def editor(spec: RunSpec, shape: Shape, classes: int) -> None:
    """Let the reader edit the form's layers, those of `spec`, for images of `shape` (C, H, W) and K = `classes`."""
    words = layers.text(spec.layers)
    if words != st.session_state.get(LAYERS):  # the form has got other layers than those edited here
        st.session_state[BEFORE] = []
    st.session_state[LAYERS], st.session_state[ARCHITECTURE] = words, spec.architecture
    st.session_state[DRAWN] = _of_form()
    before = st.session_state[BEFORE]
    place = st.session_state[CHOSEN] = min(st.session_state.get(CHOSEN) or 0, len(spec.layers) - 1)
    rows, refusal = _as_far_as_they_fit(spec.layers, shape, classes)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(t("editor.undo"), icon=":material/undo:", disabled=not before, on_click=_undo)
        if refusal:
            refused(refusal)
        else:
            first, unfit = _as_far_as_they_fit(layers.parse(before[0][1]), shape, classes) if before else (rows, None)
            words = _cost(first, rows, compared=unfit is None) if before else t("editor.unchanged")
            st.markdown(words, width="stretch")
    left, right = st.columns([5, 4], gap="medium")
    with left:
        with st.container(height=260 if len(spec.layers) > SHOWN_AT_ONCE else "content", border=False):
            lines = [_line(at, layer, rows) for at, layer in enumerate(spec.layers)]
            st.radio(t("editor.layers"), range(len(lines)), format_func=lines.__getitem__, key=CHOSEN)
        _tools(place, len(lines))
    with right:
        _fields(spec.layers[place], place)


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
    """A layer in one line: its number, its words, its output shape; `?` for the shape if the layer does not fit."""
    shape = f" → {shape_text(rows[place].shape)}" if place < len(rows) else " → ?"
    return f"**{place + 1}** · {literal(layers.in_words(layer).say(language()))}{shape}"


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
            _field(layer.kind, name, value, place)


def _field(kind: str, name: str, value: Any, place: int) -> None:
    """Show a field: a list if it takes words only, else a number field, with a checkbox for each word that it takes."""
    rule, words = _takes(kind, name)
    key, label, which = f"editor.{name}", t(f"layer.field.{name}"), (kind, place, name)
    common: dict[str, Any] = {"key": key, "on_change": _change, "args": which}
    if not rule:
        st.session_state[key] = value
        titles = {word: t(f"layer.word.{word}") for word in words}
        st.selectbox(label, words, format_func=titles.__getitem__, **common)
        return
    low = rule["minimum"]
    is_number = not isinstance(value, str)
    st.session_state[key] = value if is_number else low
    if rule["type"] == "integer":
        then = partial(_change, *which)
        whole_number(label, low, rule["maximum"], key=key, then=then, disabled=not is_number)
    else:  # a share, 0 to 1
        st.slider(label, float(low), rule["exclusiveMaximum"] - 0.01, step=0.01, format="percent", **common)
    for word in words:
        st.session_state[f"{key}.{word}"] = value == word
        st.checkbox(t(f"layer.word.{word}"), key=f"{key}.{word}", on_change=_tick, args=(*which, word))


@cache
def _takes(kind: str, name: str) -> tuple[dict[str, Any] | None, list[str]]:
    """The JSON schema of the numbers that a layer's field takes, None if it takes none, and the words that it takes."""
    schema = layers.field_schema(kind, name)
    parts = schema.get("anyOf", [schema])
    words = [word for part in parts for word in part.get("enum", [part["const"]] if "const" in part else [])]
    return next((part for part in parts if part["type"] != "string"), None), words


# Callbacks of the widgets; Streamlit calls them before it draws the page, also for a second click at a button that the
# first one has disabled.


def _draft() -> tuple[list[Any], int]:
    """The layers as they are at the click, and the chosen one's place."""
    draft = [*layers.parse(st.session_state[LAYERS])]
    return draft, min(st.session_state[CHOSEN], len(draft) - 1)


def _of_form() -> tuple[str, str | None]:
    """What the form says of the layers."""
    name = st.session_state["architecture"]
    return name, st.session_state["layers"] if name == CUSTOM else None


def _can_edit() -> bool:
    """Whether the form is as it was drawn or edited last: the reader may have put other layers into it since."""
    return _of_form() in (st.session_state[DRAWN], st.session_state.get(EDITED))


def _keep(draft: list[Any], place: int) -> None:
    if _can_edit():
        st.session_state[BEFORE].append((st.session_state[ARCHITECTURE], st.session_state[LAYERS]))
        _use(tuple(draft), CUSTOM)
        st.session_state[CHOSEN] = place


def _undo() -> None:
    if st.session_state[BEFORE] and _can_edit():
        architecture, words = st.session_state[BEFORE].pop()
        _use(layers.parse(words), architecture)


def _use(draft: layers.Layers, architecture: str) -> None:
    # So that the edits made here are known from others.
    st.session_state[LAYERS], st.session_state[ARCHITECTURE] = layers.text(draft), architecture
    form.use_layers(draft, architecture)
    st.session_state[EDITED] = _of_form()


def _change(kind: str, place: int, name: str) -> None:
    _set(kind, place, name, st.session_state[f"editor.{name}"])


def _tick(kind: str, place: int, name: str, word: str) -> None:
    """Set the field to the word if its checkbox is now ticked, else to a first number."""
    first = getattr(layers.new_layer(kind), name)
    default = KINDS[kind].model_fields[name].default
    a_number = next(one for one in (default, first, 1) if isinstance(one, int))
    _set(kind, place, name, word if st.session_state[f"editor.{name}.{word}"] else a_number)


def _set(kind: str, place: int, name: str, value: Any) -> None:
    """Set a field of the layer that it was shown for: the click that leaves the field may choose another layer."""
    draft, chosen = _draft()
    if place < len(draft) and draft[place].kind == kind:
        draft[place] = type(draft[place]).model_validate(draft[place].model_dump() | {name: value})
        _keep(draft, chosen)


def _move(by: int) -> None:
    draft, place = _draft()
    if 0 <= place + by < len(draft):
        draft.insert(place + by, draft.pop(place))
        _keep(draft, place + by)


def _remove() -> None:
    draft, place = _draft()
    if len(draft) > 1:
        del draft[place]
        _keep(draft, min(place, len(draft) - 1))


def _insert() -> None:
    draft, place = _draft()
    if len(draft) < MOST_LAYERS:
        draft.insert(place + 1, layers.new_layer(st.session_state[KIND]))
        _keep(draft, place + 1)
