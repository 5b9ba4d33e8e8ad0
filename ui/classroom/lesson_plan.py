"""The plan of a lesson with a class, to read before it is opened, and to print."""

from __future__ import annotations

import streamlit as st

from core.lessons.lesson import Words, filled
from core.lessons.plan import plan, plan_page
from ui.text import Markdown, language, t


def show_plan() -> None:
    """Show the plan, folded."""
    now, code = plan(), language()
    minutes = t("lessons.minutes", minutes=now.minutes)
    with st.expander(f"{t('lessons.plan.title')}: {minutes}", icon=":material/schedule:", key="class-plan"):
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
