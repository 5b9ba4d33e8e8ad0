"""The teacher's sheet of a lesson: one HTML page to print, in both languages, without scripts and files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from core.lessons.lesson import Lesson, Step, Words, filled
from core.spec import CUSTOM, RunSpec, hyperparameters, value_text
from core.words import languages, text

ALWAYS = ("optimizer", "learning_rate", "epochs")  # fields that a sheet tells even if they have their default
STYLE = """
body { font: 11pt/1.4 sans-serif; max-width: 48rem; margin: 1rem auto; padding: 0 1rem; color: #000; }
h1 { font-size: 18pt; margin-bottom: 0; } h2 { font-size: 13pt; margin-bottom: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 0.75rem; margin: 0.3rem 0; }
dt { font-weight: bold; } dd { margin: 0; } code { font-size: 10pt; }
article { break-before: page; } article:first-of-type { break-before: auto; } section { break-inside: avoid; }
"""


def sheet(lessons: Sequence[Lesson], first: str) -> str:
    """The page of one or more lessons, each in every language, beginning with the language `first`."""
    order = sorted(languages(), key=lambda code: code != first)
    articles = [_article(one, code) for one in lessons for code in order]
    title = " · ".join(one.title[first] for one in lessons)
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    begin = f'<!DOCTYPE html>\n<html lang="{first.replace("_", "-")}">\n<head>{head}</head>\n<body>'
    return "\n".join([begin, *articles, "</body></html>\n"])


def _article(lesson: Lesson, language: str) -> str:
    def said(key: str, **slots: object) -> str:
        return escape(text(language, key, **slots))

    facts = {
        "minutes_label": said("lessons.minutes", minutes=lesson.minutes),
        "learn_label": escape(lesson.learn[language]),
        "material_label": said("lessons.material"),
    }
    steps = [_step(lesson, step, number, language) for number, step in enumerate(lesson.steps, 1)]
    return (
        f'<article lang="{language.replace("_", "-")}">\n<h1>{escape(lesson.title[language])}</h1>\n'
        + definitions({said(f"lessons.{key}"): value for key, value in facts.items()})
        + "\n".join(steps)
        + "\n</article>"
    )


def _step(lesson: Lesson, step: Step, number: int, language: str) -> str:
    def said(key: str, **slots: object) -> str:
        return escape(text(language, key, **slots))

    def words(which: Words) -> str:
        return escape(filled(which, language, lambda _, shown: shown).replace("*", ""))

    page = text(language, f"page.{step.opens}")
    rows = {
        said("lessons.to_do"): f"{words(step.say)}<br>→ {said('lessons.open', page=page)}",
        said("lessons.form_label"): _form(lesson.runs[step.run], step.seed, language) if step.opens == "train" else "",
        said("lessons.check_label"): said(f"lessons.checked.{_checked(step)}", **step.check),
        said("lessons.question"): words(step.ask),
        said("lessons.answer"): words(step.answer),
    }
    title = said("lessons.step", number=number, count=len(lesson.steps))
    return f"<section><h2>{title}</h2>\n{definitions({key: value for key, value in rows.items() if value})}</section>"


def _checked(step: Step) -> str:
    """The key of what the step's check looks for."""
    if step.check["kind"] != "val_accuracy":
        return step.check["kind"]
    return "above" if "above" in step.check else "early" if "epoch" in step.check else "below"


def _form(spec: RunSpec, seed: int | None, language: str) -> str:
    """The network, the fields of `ALWAYS` and those that differ from the defaults, with their values."""
    network = "layers" if spec.architecture == CUSTOM else "architecture"
    values = {one.name: one.value for one in hyperparameters(spec) if one.differs or one.name in (network, *ALWAYS)}
    others = [name for name in values if name not in ("layers", "architecture")]
    shown = {name: value_text(name, values[name], language) for name in (network, *others)}
    if network == "architecture":
        shown[network] = text(language, f"architecture.{spec.architecture}")
    if seed is not None:
        shown["seed"] = str(seed)
    return escape("; ".join(f"{text(language, f'spec.{name}.label')}: {value}" for name, value in shown.items()))


def definitions(rows: dict[str, str]) -> str:
    """Terms and what they say, both HTML, as a list."""
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items()) + "</dl>\n"
