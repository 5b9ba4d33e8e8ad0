"""The command of the lessons: listed, one printed, or the teacher's sheet written as a page."""

from __future__ import annotations

import argparse

from core.commands.terminal import language, say, t
from core.files import written_aside
from core.lessons.lesson import Lesson, Words, filled, lesson, lessons
from core.lessons.sheet import sheet
from core.refusal import Refusal, writing
from core.words import FALLBACK


def list_lessons(options: argparse.Namespace) -> int:
    """The lessons, a line for each, or the steps of one; with `--html` their sheets as one page."""
    chosen = [lesson(options.name)] if options.name else lessons()
    if options.html:
        if options.html.exists():
            raise Refusal("error.file_taken", file=str(options.html))
        with writing(options.html.parent, "error.output_unwritable"), written_aside(options.html) as file:
            file.write(sheet(chosen, language()).encode())
        say(options, {"html": str(options.html)}, t("cli.sheet", file=options.html))
        return 0
    for one in chosen:
        facts = {"name": one.name, "minutes": one.minutes, "title": one.title[FALLBACK], "learn": one.learn[FALLBACK]}
        facts["steps"] = [_plain(step.say, FALLBACK) for step in one.steps]
        minutes = t("lessons.minutes", minutes=one.minutes)
        say(options, facts, _steps(one) if options.name else f"{one.name:13} {minutes:8} {one.title[language()]}")
    return 0


def _steps(one: Lesson) -> str:
    """A lesson's title and, for each step, what to do, the question and its answer."""
    lines = [f"{one.title[language()]} ({t('lessons.minutes', minutes=one.minutes)})", one.learn[language()]]
    for number, step in enumerate(one.steps, 1):
        page = t(f"page.{step.opens}")
        lines += ["", t("lessons.step", number=number, count=len(one.steps)) + f" ({page})"]
        lines += [_plain(words, language()) for words in (step.say, step.ask, step.answer)]
    return "\n".join(lines)


def _plain(words: Words, code: str) -> str:
    return filled(words, code, lambda _, shown: shown)
