"""The form for a spec, made from the fields of `RunSpec`: bounds, units and defaults come from their declarations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, get_args

import streamlit as st

from core.datasets import datasets
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import Layers, parse
from core.recipes import PUBLISHED, RECIPES
from core.refusal import Refusal
from core.spec import (
    CUSTOM,
    RunSpec,
    checked,
    default,
    group,
    is_number,
    is_used,
    only_if,
    read_field,
    unit,
    value_text,
    write_number,
)
from ui import server
from ui.choice import asked, data_name, run_label
from ui.terms import explained
from ui.text import Markdown, language, refused, t

LINK = "form.link"  # in the session state: the refusals of a link's values, shown until the reader changes a field
OPENED = "form.opened"  # in the session state, once the form has been filled from the link
SNAPSHOTS = "form.snapshots"  # in the session state: whether a run is to keep the weights of past epochs
LANGUAGE = "form.language"  # in the session state: the language in which the form's numbers are written
LONGEST = 10_000  # characters of written layers
GROUPS = ("data", "network", "training", "augmentation", "stop")
FIRST = (
    ("data",),
    ("architecture",),
    ("optimizer", "learning_rate"),
    ("batch_size", "epochs"),
)  # one tuple a line; the other fields are collapsed


def first_fields() -> dict[str, Any]:
    """Draw the choice of a recipe, which fills in the form, and the fields of `FIRST`; returns the fields' values."""
    _rewrite_numbers()
    ours = [name for name in RECIPES if name not in PUBLISHED]  # published recipes have a page of their own
    titles = {"": t("recipe.none")} | {name: t(f"recipe.{name}.title") for name in ours}
    common = {"key": "recipe", "help": t("recipe.help"), "persist_state": "session", "on_change": _fill}
    chosen = _select(t("recipe.label"), titles, "", common)
    if chosen in RECIPES:
        st.caption(t(f"recipe.{chosen}.help"))
    values: dict[str, Any] = {}
    for names in FIRST:
        for column, name in zip(st.columns(len(names)), names, strict=True):
            with column:
                _draw(name, values)
    return values


def fields(names: Sequence[str], values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Draw the named fields on another page; returns `values` with theirs.

    The widgets are those of the form, so both pages share the values. A field that has no use with the values of the
    others is left out.
    """
    _rewrite_numbers()
    values = dict(values or {})
    for name in names:
        _draw(name, values)
    return values


def other_fields(values: dict[str, Any], *, snapshots: bool = True) -> dict[str, Any]:
    """Draw the other fields, collapsed by group, except those that other values leave unused; returns all values.

    `snapshots`: whether the reader may choose that a run keeps its snapshots.
    """
    values = dict(values)
    first = [name for names in FIRST for name in names]
    for part in GROUPS:
        own_layers = part == "network" and values["architecture"] == CUSTOM
        with st.expander(t(f"form.{part}"), expanded=own_layers):
            for name in RunSpec.model_fields:
                if group(name) == part and name not in first:
                    _draw(name, values)
            if part == "stop" and snapshots:
                help = t("form.snapshots_help")
                st.toggle(t("form.snapshots"), value=True, key=SNAPSHOTS, help=help, persist_state="session")
    return values


def keeps_snapshots() -> bool:
    """Whether a run of the form is to keep its snapshots: no field of the spec, since it changes no outcome."""
    return st.session_state.get(SNAPSHOTS, True)


def _fill() -> None:
    """Put the chosen recipe's values into the form; with no recipe chosen the form stays as it is.

    The seed stays too: it is the visitor's, and our own recipes, which alone can be chosen here, have none.
    """
    name = st.session_state["recipe"]  # after a change of language, the old language's word for "none"
    if name in RECIPES:
        seed = st.session_state.get("seed", "0")
        fill(RECIPES[name].spec())
        st.session_state["seed"], st.session_state["recipe"] = seed, name


def fill(spec: RunSpec) -> None:
    """Put all of a spec into the form. Must be called before the form is drawn."""
    _rewrite_numbers()
    _leave_recipe()
    for name in RunSpec.model_fields:
        if name != "layers":
            st.session_state[name] = _shown(name, getattr(spec, name))
    if spec.layers != ARCHITECTURES.get(spec.architecture):  # otherwise the architecture's name implies its layers
        use_layers(spec.layers)


def _fill_as_chosen() -> None:
    """Put all of the chosen run's spec into the form."""
    if run := server.find(asked()):
        fill(run.spec)


def put(name: str, value: float) -> None:
    """Put a number into the form. Called by a click, before the page is drawn."""
    st.session_state[name] = _shown(name, value)
    _leave_recipe()


def to_train(spec: RunSpec, *, on_train: bool = False) -> None:
    """Show a button that puts all of a spec into the form and opens Train.

    `on_train`: that is this page, and the spec is that of the run which the reader has chosen.
    """
    button: dict[str, Any] = {"icon": ":material/tune:", "width": "stretch", "key": "to-train"}
    if on_train:  # by a callback, which runs before the page is drawn: the form's widgets are there already
        st.button(t("train.use_settings"), **button, on_click=_fill_as_chosen)
    elif st.button(t("recipes.open_in_train"), **button):
        fill(spec)
        # Without `query_params`, Streamlit refuses to leave a page whose link has the language, which is a widget's.
        st.switch_page(server.PAGES / "train.py", query_params={})


def use_layers(layers: Layers, architecture: str = CUSTOM) -> None:
    """Put layers and their architecture's name into the form. Called by a click, before the page is drawn."""
    st.session_state["architecture"], st.session_state["layers"] = architecture, _lines(layers)
    _leave_recipe()


def _leave_recipe() -> None:
    """Clear the choice of a recipe, since the form's values are no longer the recipe's, and what was said of a link."""
    st.session_state["recipe"], st.session_state[LINK] = "", {}


def _shown(name: str, value: Any) -> Any:
    """A field's value as its widget holds it: a number as text, with the decimal mark of the reader's language."""
    if not is_number(name):
        return value
    return "" if value is None else write_number(value, language())


def _draw(name: str, values: dict[str, Any]) -> None:
    if is_used(name, values):
        values[name] = _widget(name, values)


def _widget(name: str, values: dict[str, Any]) -> Any:
    field, start = RunSpec.model_fields[name], _start(name)
    label = t(f"spec.{name}.label") + (f" ({t(f'unit.{unit(name)}')})" if unit(name) else "")
    help = explained(f"spec.{name}.label", t(f"spec.{name}.help"))
    common: dict[str, Any] = {"key": name, "help": help, "persist_state": "session"}
    if name not in st.session_state and start != _default(name):
        # The link's value: on another page a widget keeps what the session state has, not what it began with.
        st.session_state[name] = _lines(start) if name == "layers" else _shown(name, start)
    if name != "seed":  # which no recipe sets
        common["on_change"] = _leave_recipe
    if name == "data":
        return _select(label, _data_sets(start), start, common)
    if name == "architecture":
        return _select(label, {key: t(f"architecture.{key}") for key in [*ARCHITECTURES, CUSTOM]}, start, common)
    if name == "weights_from":
        return _select(label, _giving_runs(start), start, common)
    if name == "layers":
        return _layers(label, values["architecture"], start, common)
    options = get_args(field.annotation)
    if options and all(isinstance(option, str) for option in options):
        return _select(label, {key: t(f"option.{key}") for key in options}, start, common)
    return _number(name, label, start, common)


def _data_sets(start: str) -> dict[str, str]:
    """The titles of the data sets, and the present choice even if it is not among them: the page then says why."""
    chosen = st.session_state.get("data", start)
    return {name: data_name(name) for name in [*datasets(), chosen]}


def _giving_runs(start: str) -> dict[str, str]:
    """The labels of the finished runs, and the present choice even if it is not among them: the page then says why."""
    done = {name: run_label(name) for name in server.done()}
    chosen = st.session_state.get("weights_from", start)
    return {"": t("form.choose_run"), **done, **({} if chosen in ("", *done) else {chosen: chosen})}


def _select(label: str, options: dict[str, str], start: Any, common: dict[str, Any]) -> str:
    names = list(options)
    index = names.index(start) if start in names else 0
    return st.selectbox(label, names, index=index, format_func=lambda key: options[key], **common)


def _layers(label: str, architecture: str, start: Any, common: dict[str, Any]) -> str | None:
    """Show the layers as text; if the architecture is `custom` the text can be edited and is returned, else None."""
    if architecture == CUSTOM:
        written = st.text_area(label, value=_lines(start), height=220, max_chars=LONGEST, **common)
        try:
            parse(written or "")
        except Refusal as refusal:
            refused(refusal)
        return written
    st.caption(label)
    st.code(_lines(ARCHITECTURES[architecture]), language=None)
    return None


def _lines(layers: Layers | str) -> str:
    return layers if isinstance(layers, str) else "\n".join(map(str, layers))


def _number(name: str, label: str, start: float | None, common: dict[str, Any]) -> float | str | None:
    """Draw a text field for a number, since the browser's own number field reads `1.000` as 1 and `0,002` as 2."""
    hint = value_text(name, None, language()) if default(name) is None else None
    written = (st.text_input(label, value=_shown(name, start), placeholder=hint, **common) or "").strip()
    if not written and default(name) is None:
        return None
    return read_field(name, written, language())


def _rewrite_numbers() -> None:
    """Rewrite the form's numbers after a change of language, in which `1.500` would be a different number."""
    before, now = st.session_state.get(LANGUAGE), language()
    st.session_state[LANGUAGE] = now
    if before is None or before == now:
        return
    for name in RunSpec.model_fields:
        written = st.session_state.get(name)
        if is_number(name) and isinstance(written, str):
            read = read_field(name, written, before)
            if not isinstance(read, str):
                st.session_state[name] = _shown(name, read)


def _start(name: str) -> Any:
    """The value that the link gives to the field, if the spec accepts it; else the default."""
    needed = {name, *(only_if(name) or ())[:1]}
    link = {key: st.query_params[key] for key in needed if key in st.query_params}
    if name == "architecture" and _are_own_layers(link.get(name)):
        return CUSTOM
    if name == "layers" and name in link:
        try:
            return parse(link[name])
        except Refusal:
            return link[name][:LONGEST]  # as written, errors included: the page reports them
    if name in link:
        try:
            return getattr(checked(link), name)
        except Refusal as refusal:
            st.session_state.setdefault(LINK, {})[name] = refusal
    return _default(name)


def _default(name: str) -> Any:
    return ARCHITECTURES[default("architecture")] if name == "layers" else default(name)


def _are_own_layers(architecture: str | None) -> bool:
    """Whether the link asks for layers that are not those of the architecture that it names, or of the default one."""
    if architecture == CUSTOM:
        return True
    if "layers" not in st.query_params:
        return False
    with contextlib.suppress(Refusal):  # as written, errors included: the page reports them
        return parse(st.query_params["layers"]) != ARCHITECTURES.get(architecture or default("architecture"))
    return True


def write_link(values: dict[str, Any]) -> None:
    """Put the values that differ from the defaults into the page's link, so that opening it restores the same form."""
    if OPENED not in st.session_state:
        st.session_state[OPENED] = True
        _refuse_unused(values)
    differ = {name: str(value) for name, value in values.items() if value is not None and value != default(name)}
    for name in RunSpec.model_fields:
        if name in differ and st.query_params.get(name) != differ[name]:
            st.query_params[name] = differ[name]
        elif name not in differ and name in st.query_params:
            del st.query_params[name]


def _refuse_unused(values: dict[str, Any]) -> None:
    """Remember the refusals of what the link says of fields that the values of others leave unused."""
    for name in set(RunSpec.model_fields) & set(st.query_params) - set(values):
        other = (only_if(name) or (name,))[0]
        try:
            checked({name: st.query_params[name], other: values[other]})
        except Refusal as refusal:
            st.session_state.setdefault(LINK, {})[name] = refusal


def link_refused(say: Callable[[str], object] = st.warning) -> None:
    """Say, once all fields are drawn, which values of the link that was opened could not be used."""
    if refusals := st.session_state.get(LINK):
        said = (t(refusal.key, **refusal.slots) for refusal in refusals.values())
        say(t("form.link_refused", reasons=Markdown(" ".join(said))))
