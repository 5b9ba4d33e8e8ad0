"""The panels of the page Check: impossible published figures, a confusion matrix as text, stored parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from core.datasets import dataset
from core.measures.claims import Claim, Doubt, Figure, doubt_parameters, doubts, figure, figures, read_matrix
from core.measures.measures import measures
from core.networks.layers import shape_text
from core.networks.state_dict import Parameter, parameters_of, read_state_dict, used
from core.recipes.reported import reported
from core.refusal import Refusal
from core.spec import checked
from ui import form, measured
from ui.text import language, number, refused, t

FIGURES = (("accuracy", "loss", "n", "classes"), ("larger", "smaller", "ratio"))
COLUMNS = ("precision", "recall")
PRINT_SHAPES = """import torch

for name, value in torch.load("model.pt", weights_only=True).items():
    print(name, *value.shape)"""
# The published figures, matrices and parameters of these recipes are the examples.
IMPOSSIBLE, COUNTED = "003-b", "002-b"
STORED = """conv1.weight 6 1 5 5
conv1.bias 6
conv2.weight 16 6 5 5
conv2.bias 16
conv3.weight 120 16 5 5
conv3.bias 120
fc1.weight 120 400
fc1.bias 120
fc2.weight 84 120
fc2.bias 84
fc3.weight 10 84
fc3.bias 10"""  # of report 001


def figures_panel() -> None:
    """Show fields for published figures, and a warning for each contradiction between them."""
    _offer("figures", _impossible)
    result = st.container()  # above the fields, of which a phone shows few at a time
    written: dict[str, str] = {}
    for names in FIGURES:
        for column, name in zip(st.columns(len(names)), names, strict=True):
            written[name] = column.text_input(t(f"check.{name}"), key=f"check-{name}", persist_state="session") or ""
    for column, name in zip(st.columns(3), (*COLUMNS, "balanced_accuracy"), strict=True):
        hint = t("check.column_help") if name in COLUMNS else None
        written[name] = (
            column.text_input(t(f"check.{name}"), key=f"check-{name}", help=hint, persist_state="session") or ""
        )
    try:
        found = doubts(_claim(written))
    except Refusal as refusal:
        refused(refusal, result.error)
        return
    if found is None:
        result.info(t("check.too_few"))
    elif not found:
        result.success(t("check.no_doubt"), icon=":material/check:")
    for doubt in found or ():
        result.warning(_said(doubt), icon=":material/warning:")


def matrix_panel() -> None:
    """Show a field for a confusion matrix as text, and all measures that follow from it."""
    counted = reported(COUNTED)
    assert counted
    assert counted.confusion_matrix
    rows = "\n".join(" ".join(map(str, row)) for row in counted.confusion_matrix)
    _offer("matrix", lambda: {"check-matrix": rows})
    written = st.text_area(
        t("check.matrix"),
        key="check-matrix",
        height=200,
        max_chars=60_000,
        placeholder="177 3 0\n1 613 0\n4 1 264",
        help=t("check.matrix_help"),
        persist_state="session",
    )
    if not (written or "").strip():
        return
    try:
        matrix = read_matrix(written or "")
    except Refusal as refusal:
        refused(refusal)
        return
    _say(matrix)


def parameters_panel() -> None:
    """Compare a stated number of parameters, or a list of stored parameters, with those of the form's network."""
    _offer(
        "parameters", lambda: {"check-parameters": STORED}, data="mnist", image_size="", architecture="lenet", recipe=""
    )
    left, right = st.columns([2, 1], gap="large")  # on a phone the result comes before the network
    with right:
        values = form.fields(["data", "image_size", "architecture", "layers"])
    with left:
        written = st.text_area(
            t("check.parameters"),
            key="check-parameters",
            height=200,
            max_chars=60_000,
            placeholder="conv1.weight 6 1 5 5\nconv1.bias 6",
            help=t("check.parameters_help"),
            persist_state="session",
        )
        words = (written or "").split()
        if not words:
            st.caption(t("check.parameters_how"))
            st.code(PRINT_SHAPES, language="python")
            return
        try:
            if len(words) == 1:
                _say_count(figure(words[0], language()), _own(values))
            else:
                _say_parameters(read_state_dict(written or ""), _own(values))
        except Refusal as refusal:
            refused(refusal)


def _offer(tab: str, example: Callable[[], Mapping[str, str]], **fields: str) -> None:
    """Offer to fill a tab's fields with a published example, and say where it is from while they hold it.

    `example`: returns the text of each field by its key, in the reader's language; `fields`: what has to be chosen in
    the form as well.
    """

    def fill() -> None:
        for key, text in {**fields, **example()}.items():
            st.session_state[key] = text

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(t("check.try"), icon=":material/lightbulb:", on_click=fill, key=f"try-{tab}")
        if all((st.session_state.get(key) or "") == text for key, text in example().items()):
            st.markdown(t(f"check.{tab}_example"))


def _impossible() -> dict[str, str]:
    """The fields with the figures of `IMPOSSIBLE` as its report prints them, in the reader's language."""
    found = reported(IMPOSSIBLE)
    assert found
    accuracy, loss, n = (found.figures[name].value for name in ("accuracy", "loss", "n"))
    told = {"accuracy": number(accuracy, 4), "loss": number(loss, 4), "n": number(n), "classes": "10"}
    return {f"check-{name}": told.get(name, "") for name in (*sum(FIGURES, ()), *COLUMNS, "balanced_accuracy")}


def _own(values: dict[str, Any]) -> list[Parameter]:
    """The parameters of the network that the form's values describe. Raises: Refusal."""
    spec, source = checked(values), dataset(values["data"])
    return parameters_of(spec.layers, spec.input_shape(source.shape), source.class_count)


def _say_count(stated: Figure, own: list[Parameter]) -> None:
    doubt = doubt_parameters(stated, _count(own))
    if doubt:
        st.warning(_said(doubt), icon=":material/warning:")
    else:
        st.success(t("check.all_used", count=_count(own)), icon=":material/check:")


def _say_parameters(stored: list[Parameter], own: list[Parameter]) -> None:
    """Show the stored parameters that are never used, the network's that are not stored, and each one's layer."""
    found = used(stored, own)
    never, absent = [one for one in stored if one not in found], [one for one in own if one not in found.values()]
    if never:
        names = ", ".join(dict.fromkeys(one.module or one.name for one in never))
        words = t("check.never_used", count=_count(never), stored=_count(stored), names=names)
        st.warning(words, icon=":material/warning:")
    if absent:
        st.warning(t("check.not_stored", count=_count(absent), own=_count(own)), icon=":material/warning:")
    if not never and not absent:
        st.success(t("check.all_used", count=_count(own)), icon=":material/check:")
    st.dataframe(
        {
            t("check.stored"): [one.name for one in stored],
            t("check.shape"): [shape_text(one.shape) for one in stored],
            t("network.parameters"): [number(one.count) for one in stored],
            t("check.layer"): [_layer(found[one]) if one in found else t("check.never") for one in stored],
        },
        hide_index=True,
        width="stretch",
    )


def _layer(own: Parameter) -> str:
    """The layer of our network that holds a parameter, as in `3 conv`."""
    return own.module.partition(".")[0].replace("_", " ")


def _count(parameters: Iterable[Parameter]) -> int:
    return sum(one.count for one in parameters)


def _say(matrix: np.ndarray) -> None:
    names = tuple(str(k) for k in range(len(matrix)))
    found = measures(matrix)
    measured.measures_table(found, accuracy=t("chart.accuracy"))
    left, right = st.columns(2, gap="large")
    with left:
        measured.matrix_panel(matrix, names, key="check-cells")
    with right:
        measured.classes_table(found.classes, names)
    measured.confusions(matrix, names)


def _claim(written: Mapping[str, str]) -> Claim:
    one: dict[str, Figure | None] = {
        name: figure(text.strip().replace(" %", "%"), language()) if text.strip() else None
        for name, text in written.items()
        if name not in COLUMNS
    }
    return Claim(**one, **{name: figures(written[name], language()) for name in COLUMNS})  # pyright: ignore[reportArgumentType]


def _said(doubt: Doubt) -> str:
    return t(doubt.key, **{name: number(value) for name, value in doubt.slots.items()})
