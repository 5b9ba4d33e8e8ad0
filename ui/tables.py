"""A table folded below its chart, one to take away, and one whose words sort by the numbers behind them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from ui.text import t

if TYPE_CHECKING:  # pandas: only where there is a table
    import pandas as pd
    from pandas.io.formats.style import Styler
    from streamlit.delta_generator import DeltaGenerator

Said = tuple[float | None, str]  # a number, and how it is shown


def folded_table(table: pd.DataFrame | Mapping[str, Sequence[object]], *, index: bool = False) -> DeltaGenerator:
    """Show a chart's numbers as a table, with its `index` if that says something, folded; more can be put into it."""
    folded = st.expander(t("chart.as_table"))
    folded.dataframe(table, hide_index=None if index else True, width="stretch")
    return folded


def offer_csv(table: pd.DataFrame, name: str) -> None:
    """A button that saves the table as `name`.csv: numbers as they are, with a decimal point, for other programs."""
    st.download_button(
        t("evaluate.download"),
        table.to_csv(index=False),
        f"{name}.csv",
        "text/csv",
        on_click="ignore",
        key=f"csv-{name}",
    )


def sortable(columns: Mapping[str, Sequence[str | Said]]) -> Styler:
    """A table of words by column; where each has a number behind it, the column sorts by the numbers.

    A column's own format would write its numbers in the browser's language, not in the page's. Where the number is None
    the browser shows the `placeholder` of `st.dataframe`, not the words, and sorts it as 0.
    """
    import pandas as pd

    table, formats = {}, {}
    for name, column in columns.items():
        pairs = [cell if isinstance(cell, tuple) else (cell, cell) for cell in column]
        table[name] = [value for value, _ in pairs]
        words = itertools.cycle([said for _, said in pairs])
        formats[name] = lambda _, words=words: next(words)  # which is asked row by row
    shown = pd.DataFrame(table).style
    shown.format(formats)
    return shown
