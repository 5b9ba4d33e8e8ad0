"""Streamlit's own words: the installed Streamlit still says all that we replace, and each language has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import streamlit

from core.words import FALLBACK, languages
from ui.streamlit_words import WORDS

SCRIPTS = Path(streamlit.__file__).parent / "static/static/js"


@pytest.fixture(scope="module")
def script():
    """All that Streamlit says is in these of its scripts; the others draw charts of kinds that no page has."""
    other = "Plotly|DeckGl|ECharts|GraphViz|elk|cytoscape|katex|protobuf|mermaid|.*[dD]iagram|Audio|Chat"
    return "\n".join(file.read_text() for file in SCRIPTS.glob("*.js") if not re.match(other, file.name))


@pytest.mark.parametrize("english", WORDS)
def test_streamlit_still_says_what_we_replace(script, english):
    for part in filter(str.strip, english.split("{}")):
        before, after = ("`" if english.startswith(part) else ""), ("`" if english.endswith(part) else "")
        quoted = before + part + after in script or f'"{part}"' in script
        assert quoted or re.search(rf"` ?{re.escape(part)}(\$|`)", script)


def test_each_is_said_in_every_language_with_its_slots():
    for english, ours in WORDS.items():
        assert set(ours) == set(languages()) - {FALLBACK}, english
        assert all(said and said.count("{}") == english.count("{}") for said in ours.values()), english
