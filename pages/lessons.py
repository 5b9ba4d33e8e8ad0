"""The page Lessons: lessons for a class, one step at a time, and the glossary."""

import streamlit as st

from core.refusal import Refusal
from ui.choice import row_of
from ui.lessons import glossary, steps
from ui.lessons.place import here
from ui.text import refused, t

place = None
try:
    place = here()
except Refusal as refusal:
    refused(refusal, st.warning)
if place and glossary.TERM not in st.query_params:
    steps.panel(place)
else:
    say = {"list": t("lessons.list"), "glossary": t("lessons.glossary")}
    asked = "glossary" if glossary.TERM in st.query_params else "list"
    if row_of(t("lessons.show"), say, "lessons", default=asked) == "glossary":
        glossary.panel()
    else:
        steps.cards()
