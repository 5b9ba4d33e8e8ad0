"""Tables: collapsed below a chart, for download as CSV, and with text columns that sort by the numbers behind them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from ui.text import t

if TYPE_CHECKING:  # pandas is imported only where a table is shown
    import pandas as pd
    from pandas.io.formats.style import Styler
    from streamlit.delta_generator import DeltaGenerator

Said = tuple[float | None, str]  # a number, and the text that shows it


def folded_table(table: pd.DataFrame | Mapping[str, Sequence[object]], *, index: bool = False) -> DeltaGenerator:
    """Show a chart's numbers as a table in a collapsed expander; returns the expander, so that more can be added.

    `index`: whether the table's index is shown.
    """
    folded = st.expander(t("chart.as_table"))
    folded.dataframe(table, hide_index=None if index else True, width="stretch")
    return folded


def unfolded(key: str) -> DeltaGenerator | None:
    """The expander for a chart's numbers as a table if the reader has unfolded it, so that it need not be made before.

    `key`: of the expander, without its end `-table`.
    """
    folded = st.expander(t("chart.as_table"), key=f"{key}-table", on_change="rerun")
    return folded if folded.open else None


def offer_csv(table: pd.DataFrame | Mapping[str, Sequence[object]], name: str) -> None:
    """Show a button that saves the table as `name`.csv, with unformatted numbers and a decimal point."""

    def written() -> str:  # when it is clicked
        import pandas as pd

        return pd.DataFrame(table).to_csv(index=False)

    st.download_button(
        t("evaluate.download"),
        written,
        f"{name}.csv",
        "text/csv",
        on_click="ignore",
        key=f"csv-{name}",
    )


def wide_table_hint(key: str) -> None:
    """Say, where the window is so narrow that a wide table is cut, that it goes on to the right."""
    st.html(f"<style>@media (min-width: 1100px) {{ .st-key-wide-{key} {{ display: none; }} }}</style>")
    with st.container(key=f"wide-{key}"):
        st.caption(t("chart.goes_on"))


def sortable(columns: Mapping[str, Sequence[str | Said]]) -> Styler:
    """A table of text columns; a column of `Said` cells shows their texts and sorts by their numbers.

    Streamlit's own column formats would write numbers in the browser's language, not in the page's. Where the number is
    None, the browser shows the `placeholder` of `st.dataframe` instead of the text, and sorts the cell as 0.
    """
    import pandas as pd

    table, formats = {}, {}
    for name, column in columns.items():
        pairs = [cell if isinstance(cell, tuple) else (cell, cell) for cell in column]
        table[name] = [value for value, _ in pairs]
        words = itertools.cycle([said for _, said in pairs])
        formats[name] = lambda _, words=words: next(words)  # pandas calls it once a row, in order
    shown = pd.DataFrame(table).style
    shown.format(formats)
    return shown
