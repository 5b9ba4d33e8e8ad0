"""Links to the glossary, the second part of the page Lessons."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from core.lessons.glossary import term_of, terms
from ui.text import Markdown, language, t


def address(name: str) -> str:
    """The address of a term, from any page; a link in text opens it in a tab of its own."""
    given = {"lang": st.query_params["lang"]} if "lang" in st.query_params else {}
    return f"lessons?{urlencode({'term': name, **given})}"


def explained(key: str, words: str = "") -> str:
    """The words of a tooltip, followed by a link to the term that explains the screen's text of this key, if any."""
    name = term_of().get(key)
    if not name:
        return words
    return Markdown(f"{words} [{t('glossary.link', term=terms()[name].word[language()])}]({address(name)})".strip())


def terms_of(keys: Sequence[str]) -> None:
    """Show a line with a link to the term of each of these text keys of the screen, where no tooltip has room."""
    names = dict.fromkeys(term_of()[key] for key in keys if key in term_of())
    links = " · ".join(f"[{terms()[name].word[language()]}]({address(name)})" for name in names)
    st.caption(f"{t('glossary.words')} {links}")
