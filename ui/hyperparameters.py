"""How a run is computed: its hyperparameters, those in which it differs from the form or another run, and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.events import Started
from core.networks.architectures import ARCHITECTURES
from core.spec import CUSTOM, RunSpec, constant_text, differing, hyperparameters, value_text
from ui import form
from ui.choice import data_name, run_label
from ui.text import language, literal, t


def panel(spec: RunSpec, *, on_train: bool = False) -> None:
    """Show, collapsed, all hyperparameters that a run uses, and a button that opens Train with them in the form.

    Those that differ from the defaults come first, under a heading of their own and beside the default.
    """
    given = hyperparameters(spec)
    changed, rest = [one for one in given if one.differs], [one for one in given if not one.differs]
    title = t("hyper.title", count=len(changed))
    folded = st.expander(title, icon=":material/tune:", key="hyper", on_change="rerun")
    if not folded.open:  # most visitors leave it so, and the tables take longer than most of the page
        return
    with folded:
        left, right = st.columns([1, 1], gap="large")
        with left:
            st.markdown(f"**{t('hyper.changed')}**")
            if changed:
                values = [_value(one.name, one.value) for one in changed]
                defaults = [_value(one.name, one.default) or "–" for one in changed]  # own layers have no default
                _table([one.name for one in changed], {"value": values, "default": defaults})
            else:
                st.caption(t("hyper.all_default"))
            st.markdown(f"**{t('hyper.constants', library=t(f'option.{spec.defaults}'))}**")
            constants = spec.constants
            cells = {"": [t(f"constant.{name}") for name in constants]}
            cells[t("hyper.value")] = [constant_text(value, language()) for value in constants.values()]
            st.table(cells, hide_index=True)
            if spec.taken:
                st.caption(t("hyper.taken", count=spec.taken))
        with right:
            st.markdown(f"**{t('hyper.rest')}**")
            _table([one.name for one in rest], {"value": [_value(one.name, one.value) for one in rest]})
        form.to_train(spec, on_train=on_train)


def beside_form(spec: RunSpec, in_form: RunSpec, note: DeltaGenerator) -> None:
    """Say, in `note`, that the form is not the run's, and here in which hyperparameters the two differ."""
    differ = differing(spec, in_form)
    note.caption(t("hyper.form", count=len(differ)))
    if differ:
        names = ", ".join(t(f"spec.{name}.label") for name, _, _ in differ)
        st.caption(t("hyper.form_differs", names=names))


def differences(this: RunSpec, other: RunSpec) -> None:
    """Show in which hyperparameters this run and the other differ."""
    differ = differing(this, other)
    if not differ:
        st.caption(t("hyper.same"))
        return
    st.markdown(f"**{t('hyper.differ')}**")
    names = [name for name, _, _ in differ]
    sides = {"this": [value for _, value, _ in differ], "other": [value for _, _, value in differ]}
    columns = {t(f"compare.column_{side}"): values for side, values in sides.items()}
    cells = {title: list(map(_value, names, values)) for title, values in columns.items()}
    st.table({"": [t(f"spec.{name}.label") for name in names], **cells}, hide_index=True)


def computed(started: Started) -> str:
    """On which device, with how many threads, in which precision and by what a run is computed, and why not faster."""
    words = {name: t(f"option.{getattr(started, name)}") for name in ("precision", "computed_by")}
    where = t("train.where", device=started.device, name=started.device_name, threads=started.threads, **words)
    return t(f"train.slower.{started.slower_because}", where=where) if started.slower_because else where


def _table(names: Iterable[str], columns: dict[str, list[str]]) -> None:
    cells = {"": [t(f"spec.{name}.label") for name in names]}
    st.table(cells | {t(f"hyper.{column}"): words for column, words in columns.items()}, hide_index=True)


def _value(name: str, value: Any) -> str:
    """A field's value as Markdown: titles in place of the names of data, runs and our architectures."""
    if name == "data":
        return literal(data_name(value))
    if name == "architecture" and (value in ARCHITECTURES or value == CUSTOM):
        return t(f"architecture.{value}")
    if name == "weights_from" and value:
        return literal(run_label(value))
    words = value_text(name, value, language())
    return literal(words) if name in ("data", "layers", "architecture", "weights_from") else words
