"""The page Lessons: lessons for a class, one step at a time, the plan of a lesson with phones, and the glossary."""

import streamlit as st

from core.refusal import Refusal
from ui.choice import row_of
from ui.classroom.lesson_plan import show_plan
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
    say = {"list": t("lessons.list"), "plan": t("lessons.plan.title"), "glossary": t("lessons.glossary")}
    asked = "glossary" if glossary.TERM in st.query_params else "list"
    shown = row_of(t("lessons.show"), say, "lessons", default=asked)
    {"list": steps.cards, "plan": show_plan, "glossary": glossary.panel}[shown]()
