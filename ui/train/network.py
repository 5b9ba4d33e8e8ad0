"""The network of a spec before its training: its diagram and table, the layer editor, and the estimated time."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.charts.diagram import diagram
from core.datasets import Dataset
from core.networks.activations import FUNCTIONS
from core.networks.layers import Row, Shape, code_size, in_words, shape_text
from core.refusal import Refusal
from core.spec import RunSpec
from ui import estimate
from ui.choice import row_of
from ui.text import language, number, plain, t
from ui.train import editor

VIEWS = ("overview", "edit", "activations")
ASKED = "estimate.asked"  # key in the session state: the spec for which the visitor requested an estimate


def panel(spec: RunSpec, source: Dataset, *, open: bool) -> None:
    """Show the network as diagram and table, if its layers fit the data, the layer editor, or activation functions."""
    rows: Sequence[Row] = ()
    with contextlib.suppress(Refusal):  # the form reports it
        rows = spec.table(source.shape, source.class_count)
    frozen = sum(row.parameters for row in rows[: spec.frozen])
    parameters = sum(row.parameters for row in rows) - frozen
    title = t("network.title_frozen" if frozen else "network.title", parameters=parameters, frozen=frozen)
    with st.expander(title if rows else t("network.no_title"), expanded=open):
        views = {name: t(f"network.{name}") for name in VIEWS if rows or name != "overview"}
        view = row_of(t("network.view"), views, "network.view")
        shape, classes = spec.input_shape(source.shape), source.class_count
        if view == "overview":
            _overview(spec, rows, shape)
        elif view == "edit":
            editor.editor(spec, shape, classes)
        else:
            _activations()


def _overview(spec: RunSpec, rows: Sequence[Row], shape: Shape) -> None:
    """Show the shape that each layer makes of one image, and each layer's parameters and operations."""
    taken = " · " + t("network.frozen" if spec.frozen else "network.taken")
    marked = max(spec.taken, spec.frozen)
    names = [
        t("network.image"),
        *(in_words(row.layer).say(language()) + (taken if row.number <= marked else "") for row in rows),
    ]
    shapes = [shape, *(row.shape for row in rows)]
    steps = [f"{name} ({shape_text(shape)})" for name, shape in zip(names, shapes, strict=True)]
    st.html(diagram(names, shapes, plain("network.alt", steps=", ".join(steps))))
    code, image = code_size(rows), math.prod(shape)
    if code is not None and code > image:
        st.warning(t("network.widens", code=code, image=image))
    st.dataframe(
        {
            t("network.layer"): names,
            t("network.shape"): [shape_text(shape) for shape in shapes],
            t("network.values"): [number(math.prod(shape)) for shape in shapes],
            t("network.parameters"): ["", *(number(row.parameters) for row in rows)],
            t("network.macs"): ["", *(number(row.macs) for row in rows)],
            t("network.receptive_field"): [1, *(row.receptive_field for row in rows)],
        },
        width="stretch",
        hide_index=True,
    )
    parameters, statistics = sum(row.parameters for row in rows[spec.frozen :]), sum(row.statistics for row in rows)
    words = t("network.totals", parameters=parameters, macs=sum(row.macs for row in rows))
    st.caption(words + (" " + t("network.statistics", count=statistics) if statistics else ""))


def _activations() -> None:
    """Show the activation functions that the visitor chooses, beside their derivatives."""
    from core.charts import base, curves  # altair and pandas are imported only for a curve

    names: dict[Any, str] = {name: t(f"layer.word.{name}") for name in FUNCTIONS if name != "none"}
    chosen = st.multiselect(
        t("network.functions"),
        list(names),
        default=["sigmoid", "tanh", "relu"],
        format_func=names.__getitem__,
        max_selections=len(base.DASHES),
        key="network.functions",
    )
    columns = st.columns(2)
    x = np.linspace(-8, 8, 321)
    for column, what in zip(columns, ("value", "derivative"), strict=True):
        series = {names[name]: getattr(FUNCTIONS[name], what)(x) for name in chosen}
        title = t(f"network.{what}")
        chart = curves.functions(x, series, x_title="x", y_title=title, language=language())
        alt = plain("network.functions_alt", what=title, functions=", ".join(series))
        column.altair_chart(chart, key=f"functions-{what}", width="stretch", alt=alt)
        column.dataframe(curves.functions_table(x, series, x_title="x", language=language()), hide_index=True)


def how_long(spec: RunSpec) -> None:
    """Show a button that has the training of this spec timed, and the estimate."""
    lasting = estimate.is_lasting(spec, ASKED)

    def answer() -> None:
        estimate.offer(spec, ASKED, lambda found: t("estimate.answer", **found), lasting=lasting, width="stretch")

    st.fragment(answer, run_every=1.0 if lasting else None, key="how-long")()
