"""A table to take away."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ui.text import t


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
