"""The glossary: all terms, to search, and first the one that the link asks for."""

from __future__ import annotations

import streamlit as st

from core.lessons.glossary import Term, matching, terms
from ui.text import language, t

TERM = "term"  # in the link


def panel() -> None:
    """Show the term of the link, a field to search in, and the terms found."""
    asked = terms().get(st.query_params.get(TERM, ""))
    if asked:
        with st.container(border=True):
            st.markdown(f"#### {asked.word[language()]}\n\n{asked.says[language()]}")
    written = st.text_input(t("glossary.search"), key="term-search", persist_state="session", width=420)
    found = [one for one in matching(written or "", language()) if one is not asked or written]
    if not found:
        st.info(t("glossary.nothing"))
    half = -(-len(found) // 2)
    for column, part in zip(st.columns(2, gap="large"), (found[:half], found[half:]), strict=True):
        column.markdown("\n\n".join(map(_line, part)))


def _line(term: Term) -> str:
    return f"**{term.word[language()]}**  \n{term.says[language()]}"
