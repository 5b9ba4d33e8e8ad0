"""The lessons: every step can be walked to its end with real trainings, and no check holds without what it asks for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape, unescape

import numpy as np
import pytest

from core import store, words
from core.__main__ import main
from core.drawing import collection
from core.drawing.strokes import inked
from core.events import Epoch
from core.lessons.checks import CHECKS, Evidence, look, options
from core.lessons.glossary import matching, term_of, terms
from core.lessons.lesson import KEY, NAMES, TERM, filled, lesson, lessons
from core.lessons.plan import SAYS, plan, plan_page
from core.lessons.sheet import sheet
from core.models.model import answers_to, open_model
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.store import Run
from core.work import work
from tests.page import LANGUAGES

EVIDENCE = Evidence(lambda run, kept: answers_to(open_model(run), kept))
STEPS = [(one, number) for one in lessons() for number in range(1, len(one.steps) + 1)]
# Seven strokes, among them some that a LeNet of five epochs misreads with any seed: a scribble is no digit at all.
SCRIBBLE = [np.array([[0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8], [0.5, 0.1], [0.5, 0.9]], dtype=np.float32)]
ONE = [np.array([[0.5, 0.2], [0.5, 0.8]], dtype=np.float32)]


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A store with one run of every training of the lessons, and with ten drawings, some of them no digits."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("store", "cache", "data"):
            environment.setenv(f"BANCADA_{name.upper()}", str(tmp_path_factory.mktemp(name)))
        environment.setenv("BANCADA_DEVICE", "cpu")
        environment.setenv("BANCADA_THREADS", "1")
        specs = {spec.model_dump_json(): spec for one in lessons() for spec in one.runs.values()}
        for spec in specs.values():
            assert work(str(store.create(spec).folder)) == "done"
        for one in lessons():
            for step in one.steps:
                if step.seed is not None:
                    assert work(str(store.create(one.runs[step.run].model_copy(update={"seed": step.seed})).folder))
        for k in range(collection.CLASSES):
            collection.keep(inked(ONE if k == 1 else SCRIBBLE, 8), k)
        yield environment


# With how many of 20 seeds each step shows what it expects: `benchmarks/lessons.py`.
@pytest.mark.slow
def test_every_lesson_can_be_walked_to_its_end(walked):
    for one, number in STEPS:
        step = one.step(number)
        possible = options(EVIDENCE, one, step)
        tried = {given: look(EVIDENCE, one, step, given) for given in [None, *possible]}
        held = [given for given, seen in tried.items() if seen.holds]
        assert held, (one.name, number, tried[None].sentence("en"))
        if step.check["kind"] == "asks":
            assert len(possible) > 1
            assert None not in held
            assert len(held) < len(possible), "a question to which every answer is right"
        for language in LANGUAGES:
            assert all(seen.sentence(language) for seen in tried.values())


def test_no_check_holds_in_an_empty_store(walked, tmp_path):
    nothing = replace(EVIDENCE, runs=lambda: store.runs(tmp_path), drawings=list)
    for one, number in STEPS:
        for given in [None, *options(EVIDENCE, one, one.step(number))]:
            seen = look(nothing, one, one.step(number), given)
            assert not seen.holds, (one.name, number)
            assert all(seen.sentence(language) for language in LANGUAGES)


# Each kind of check, and where its lesson is taught the opposite: these runs or drawings in place of those it is about.
OPPOSITE = {
    "val_accuracy": [("sigmoid", 1, {"hidden": "direct"}), ("faster", 4, {"four_sigmoid": "adam"})],
    "seeds": [("sigmoid", 3, {"hidden": "direct"})],
    "apart": [("wider", 2, {"four": "wide"}), ("wider", 2, {"four": "wide", "wide": "four"})],
    "smaller": [("convolution", 3, {"dense": "lenet", "lenet": "dense"})],
    "overfits": [("overfitting", 1, {"by_heart": "stopped"})],
    "stopped": [("overfitting", 3, {"stopped": "by_heart"})],
    "rises_less": [("overfitting", 4, {"by_heart": "moved", "moved": "by_heart"})],
    "test_use": [("honest", 3, {"cheat": "middle"})],
}


@pytest.mark.parametrize("kind", OPPOSITE)
def test_a_check_says_no_where_the_opposite_is_to_be_seen(walked, kind):
    for name, number, others in OPPOSITE[kind]:
        one = lesson(name)
        assert one.step(number).check["kind"] == kind
        changed = replace(one, runs={**one.runs, **{key: one.runs[other] for key, other in others.items()}})
        seen = look(EVIDENCE, changed, one.step(number))
        assert not seen.holds, seen.sentence("en")
        assert seen.run or kind == "seeds", "a run was looked at"


def test_a_check_on_drawings_says_no_while_there_are_too_few_or_all_are_right(walked):
    one, kept = lesson("drawing"), collection.kept()
    assert not look(replace(EVIDENCE, drawings=lambda: kept[:9]), one, one.step(2)).holds
    first = look(EVIDENCE, one, one.step(1)).run
    assert first
    right = [kept[i] for i in np.flatnonzero(EVIDENCE.drawn(first, kept).is_right)]
    assert right
    for number in (3, 4, 5):
        assert not look(replace(EVIDENCE, drawings=lambda: right), one, one.step(number), "1").holds


def test_all_kinds_of_checks_are_used_and_walked():
    used = {one.step(number).check["kind"] for one, number in STEPS}
    assert used - {"asks"} == set(CHECKS)
    assert set(CHECKS) - set(OPPOSITE) == {"errors", "tried", "drawings", "drawn_below_test", "misread"}


def test_a_run_of_another_setting_or_one_that_is_not_finished_does_not_count(walked, tmp_path):
    one = lesson("overfitting")
    store.create(one.runs["by_heart"].model_copy(update={"epochs": 29}), tmp_path)
    seen = look(replace(EVIDENCE, runs=lambda: store.runs(tmp_path)), one, one.step(1))
    assert (seen.holds, seen.key) == (False, "lessons.seen.no_run")
    done = look(EVIDENCE, one, one.step(1)).run
    assert done
    half = store.create(done.spec.model_copy(update={"seed": 5}), tmp_path)
    for event in done.events(Epoch)[:3]:
        half.append(event)
    seen = look(replace(EVIDENCE, runs=lambda: store.runs(tmp_path)), one, one.step(1))
    assert (seen.holds, seen.key, seen.slots["epoch"]) == (False, "lessons.seen.at_work", 3)


def test_a_damaged_run_hides_no_other(walked, tmp_path):
    one = lesson("overfitting")
    done = look(EVIDENCE, one, one.step(1)).run
    broken = store.create(checked({}), tmp_path)
    (broken.folder / "spec.json").write_bytes(b"{")
    runs: list[Run] = [*store.runs(tmp_path), *store.runs()]
    assert look(replace(EVIDENCE, runs=lambda: runs), one, one.step(1)).run == done


# --- words ------------------------------------------------------------------------------------------------------------


def all_words():
    for one in lessons():
        yield from (one.title, one.learn)
        for step in one.steps:
            yield from (step.say, step.ask, step.answer)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_lesson_says_everything_in_every_language_and_links_only_what_exists(language):
    assert len(lessons()) == len(NAMES) == 8
    for said in all_words():
        assert set(said) == set(LANGUAGES)
        assert {found[1] for found in TERM.finditer(said[language])} <= set(terms())
        assert not re.search(r"\[\[|\]\]|\{", filled(said, language, lambda _, shown: shown)), said[language]
        assert len({tuple(KEY.findall(one)) for one in said.values()}) == 1
    for one in lessons():
        assert 10 <= one.minutes <= 50
        assert all(spec.data == "mnist-5k" and spec.seed == 0 for spec in one.runs.values()), "runs offline"


def test_a_lesson_that_does_not_exist_is_refused():
    with pytest.raises(Refusal, match="lesson_unknown"):
        lesson("../locales/en")


# The measures that are no term but a heading.
HEADINGS = {"measure.measure", "measure.value"}


def test_every_measure_and_every_field_of_the_form_has_a_term():
    known = words.words("en")
    measures = {key for key in known if key.startswith("measure.") and not key.endswith("_help")} - HEADINGS
    fields = {f"spec.{name}.label" for name in RunSpec.model_fields}
    assert not (measures | fields) - set(term_of())
    assert set(term_of()) <= set(known)
    explained = [key for one in terms().values() for key in one.explains]
    assert len(explained) == len(set(explained)), "a text with two terms"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_term_is_one_sentence(language):
    for one in terms().values():
        assert set(one.word) == set(one.says) == set(LANGUAGES)
        assert re.fullmatch(r"[^.!?]+\.", re.sub(r"\d[.,]\d", "", one.says[language])), one.name
    assert len({one.word[language] for one in terms().values()}) == len(terms())


def test_a_term_is_found_without_its_accent_and_the_named_ones_come_first():
    found = [one.name for one in matching("ACURACIA", "pt_BR")]
    assert found[:2] == ["accuracy", "balanced_accuracy"]
    assert "precision" in found
    assert not matching("xyzzy", "en")


@pytest.mark.parametrize("name", NAMES)
def test_the_teachers_sheet_has_each_step_in_both_languages_and_loads_nothing(name):
    one = lesson(name)
    page = sheet([one], "pt_BR")
    assert page.index(one.title["pt_BR"]) < page.index(f"<h1>{one.title['en'].replace('&', '&amp;')}")
    assert page.count("<section>") == len(LANGUAGES) * len(one.steps)
    assert not re.search(r"<script|src=|href=|url\(|\[\[|\{train", page)
    for step in one.steps:
        assert escape(filled(step.answer, "en", lambda _, shown: shown)) in page


def test_the_command_lists_the_lessons_prints_one_and_writes_its_sheet_once(tmp_path, capsys):
    assert main(["lessons", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in listed] == list(NAMES)
    assert [len(one["steps"]) for one in listed] == [len(one.steps) for one in lessons()]
    assert main(["lessons", "wider"]) == 0
    assert lesson("wider").title["en"] in capsys.readouterr().out
    file = tmp_path / "sheet.html"
    assert main(["lessons", "--html", str(file)]) == 0
    assert all(one.learn["pt_BR"] in unescape(file.read_text("utf-8")) for one in lessons())
    assert main(["lessons", "wider", "--html", str(file)]) == 1
    assert "already exists" in capsys.readouterr().err
    assert main(["lessons", "nothing"]) == 1


def test_the_plan_of_a_lesson_with_a_class_fills_its_minutes_and_speaks_each_language():
    now, codes = plan(), {*LANGUAGES}
    assert now.parts[-1].ends == now.minutes == 50
    assert all(tuple(part.says) == SAYS for part in now.parts[1:])
    assert all({*said} == codes for part in now.parts for said in (part.title, *part.says.values()))
    for first in LANGUAGES:
        page = plan_page(first).partition("</style>")[2]
        assert all(escape(now.title[code]) in page for code in codes)
        assert all(words.text(code, "class.quiz.begin") in page for code in codes)
        assert not re.search(r"[{}*]|<script|src=", page), "each text of the screen is filled in"
