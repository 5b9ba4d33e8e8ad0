"""The plan of a lesson with a class, to read and to print."""

from __future__ import annotations

import streamlit as st

from core.lessons.lesson import Words, filled
from core.lessons.plan import plan, plan_page
from ui.text import Markdown, language, t


def fold_plan() -> None:
    """Show the plan, folded."""
    minutes = t("lessons.minutes", minutes=plan().minutes)
    with st.expander(f"{t('lessons.plan.title')}: {minutes}", icon=":material/schedule:", key="class-plan"):
        show_plan()


def show_plan() -> None:
    """Show the plan, and a button that prints it."""
    now, code = plan(), language()
    st.markdown(f"#### {now.title[code]}")
    st.markdown(f"**{t('lessons.learn_label')}:** {now.learn[code]}")
    for part in now.parts:
        time = f"{t('lessons.plan.minutes', time=part.time)} " if part.time else ""
        st.markdown(f"##### {time}{part.title[code]}")
        lines = [f"- **{t(f'lessons.plan.{key}')}:** {_markdown(words)}" for key, words in part.says.items()]
        st.markdown("\n".join(lines))
    st.download_button(
        t("lessons.plan.print"),
        lambda: plan_page(code),
        "bancada-class-plan.html",
        "text/html",
        icon=":material/print:",
        on_click="ignore",
        key="class-plan-print",
    )


def _markdown(words: Words) -> str:
    return Markdown(filled(words, language(), lambda _, shown: shown))
