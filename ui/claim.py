"""Figures that somebody has published, checked: what they rule out, and what a confusion matrix alone says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from core.claims import Claim, Doubt, Figure, doubts, figure, figures, read_matrix
from core.evaluate import measures
from core.refusal import Refusal
from ui import result
from ui.text import language, number, t

FIGURES = (("accuracy", "loss", "n"), ("larger", "smaller", "ratio"))
COLUMNS = ("precision", "recall")


def figures_panel() -> None:
    """Fields for what was published, and what cannot be so."""
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
        st.error(t(refusal.key, **refusal.slots))
        return
    if found is None:
        st.info(t("check.too_few"))
    elif not found:
        st.success(t("check.no_doubt"), icon=":material/check:")
    for doubt in found or ():
        st.warning(_said(doubt), icon=":material/warning:")


def matrix_panel() -> None:
    """A confusion matrix as text, and all that it says."""
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
        st.error(t(refusal.key, **refusal.slots))
        return
    _say(matrix)


def _say(matrix: np.ndarray) -> None:
    names = tuple(str(k) for k in range(len(matrix)))
    measured = measures(matrix)
    result.measures_table(measured)
    left, right = st.columns(2, gap="large")
    with left:
        result.matrix_chart(matrix, names, key="check-cells")
    with right:
        result.classes_table(measured.classes, names)
    result.confusions(matrix, names)


def _claim(written: Mapping[str, str]) -> Claim:
    one: dict[str, Figure | None] = {
        name: figure(text.strip().replace(" %", "%"), language()) if text.strip() else None
        for name, text in written.items()
        if name not in COLUMNS
    }
    return Claim(**one, **{name: figures(written[name], language()) for name in COLUMNS})  # pyright: ignore[reportArgumentType]


def _said(doubt: Doubt) -> str:
    return t(doubt.key, **{name: number(value) for name, value in doubt.slots.items()})
