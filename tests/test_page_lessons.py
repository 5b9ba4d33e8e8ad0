"""The page Lessons: its list, a lesson step by step, the line on the other pages while it is open, the glossary."""

from __future__ import annotations

import pytest

from core import store, words
from core.lessons.glossary import terms
from core.lessons.lesson import lesson, lessons
from core.lessons.plan import plan
from core.work import work
from tests.browser import ROOT
from tests.page import LANGUAGES, button, control, texts


def place(app) -> tuple[str, str]:
    return app.query_params["lesson"], app.query_params["step"]


def click(app, key: str, page: str) -> None:
    """Click a button that leaves for another page; for the test, Streamlit itself has to be told that it has left."""
    app.button(key=key).click().run()
    assert not app.exception
    app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()


def line(app) -> str:
    """What the line of the open lesson says; "" if there is none."""
    said = [one.value for one in app.main.markdown if one.value.startswith(":material/")]
    return said[0] if said else ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_list_has_every_lesson_with_its_minutes_and_what_one_learns(frame, language):
    said = texts(frame("lessons", language))
    for one in lessons():
        assert one.title[language] in said
        assert one.learn[language] in said
        assert words.text(language, "lessons.minutes", minutes=one.minutes) in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_plan_of_a_lesson_with_phones_is_a_view_of_its_own(frame, language):
    app = frame("lessons", language)
    control(app, "lessons").set_value("plan").run()
    assert not app.exception
    said = texts(app)
    assert plan().title[language] in said
    for part in plan().parts:
        assert part.title[language] in said
    assert words.text(language, "race.read_test") in said, "with a race in it"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lesson_begins_goes_on_and_back_and_its_step_is_in_the_link(frame, language):
    app = frame("lessons", language)
    app.button(key="begin-faster").click().run()
    assert place(app) == ("faster", "1")
    assert words.text(language, "lessons.step", number=1, count=5) in texts(app)
    assert app.button(key="lesson-back").disabled
    app.button(key="lesson-next").click().run()
    assert place(app) == ("faster", "2")
    app.button(key="lesson-back").click().run()
    assert place(app) == ("faster", "1")
    app.button(key="lesson-step-5").click().run()
    assert app.button(key="lesson-next").disabled
    app.button(key="all-lessons").click().run()
    assert "lesson" not in app.query_params
    assert app.button(key="begin-faster")


def test_a_step_sets_the_form_and_the_line_there_confirms_what_is_seen(frame):
    app = frame("lessons", lesson="sigmoid", step="2")
    wanted = lesson("sigmoid").runs["hidden"]
    click(app, "lesson-open", "train")
    assert app.selectbox(key="optimizer").value == "sgd"
    assert (app.text_input(key="learning_rate").value, app.text_input(key="epochs").value) == ("0.1", "8")
    assert place(app) == ("sigmoid", "2")
    assert "Not yet" in line(app)
    run = store.create(wanted.model_copy(update={"seed": 3}))
    assert work(str(run.folder)) == "done"
    app.run()
    assert "check_circle" in line(app)
    assert "above 75.0%" in line(app)
    assert button(app, "Start training")
    click(app, "lesson-on", "lessons")
    assert place(app) == ("sigmoid", "3")
    assert app.button(key="lesson-step-2").icon == ":material/check_circle:"
    click(app, "lesson-open", "train")
    assert app.text_input(key="seed").value == "1"
    app.button(key="lesson-close").click().run()
    assert not line(app)
    assert "lesson" not in app.query_params


def test_an_answer_is_held_against_the_run_and_kept(frame):
    frame()  # the store of this test
    asked = lesson("errors")
    run = store.create(asked.runs["wide"])
    assert work(str(run.folder)) == "done"
    app = frame("lessons", lesson="errors", step="3")
    click(app, "lesson-open", "evaluate")
    assert app.selectbox(key="run").value == run.name
    assert "answer in the lesson" in line(app)
    click(app, "lesson-to", "lessons")
    report = run.report()
    assert report
    recalls = [row[k] for k, row in enumerate(report.confusion_matrix)]
    lowest, highest = (str(recalls.index(value)) for value in (min(recalls), max(recalls)))
    pills = next(one for one in app.get("button_group") if one.key == "lesson.answer.errors.3")
    pills.set_value(highest).run()
    assert "look again" in app.info[0].value
    next(one for one in app.get("button_group") if one.key == "lesson.answer.errors.3").set_value(lowest).run()
    assert "Right" in app.success[0].value
    app.button(key="lesson-back").click().run()
    app.button(key="lesson-next").click().run()
    assert "Right" in app.success[0].value


def test_a_step_about_runs_that_are_not_there_sets_up_the_training_of_the_first_that_is_missing(frame):
    app = frame("lessons", lesson="honest", step="2")
    runs = lesson("honest").runs
    for name, rate in (("middle", "0.001"), ("low", "0.0001"), ("high", "0.01")):
        click(app, "lesson-open", "train")
        assert app.text_input(key="learning_rate").value == rate
        assert work(str(store.create(runs[name]).folder)) == "done"
        click(app, "lesson-to", "lessons")
    pills = next(one for one in app.get("button_group") if one.key == "lesson.answer.honest.2")
    assert len(pills.options) == 3


def test_the_open_lesson_stays_open_when_the_visitor_goes_to_another_page(frame):
    app = frame("lessons", lesson="wider", step="2")
    app.switch_page(str(ROOT / "pages" / "data.py")).run()
    assert place(app) == ("wider", "2")
    assert "Wider or deeper?" in line(app)


def test_a_link_to_a_lesson_or_step_that_does_not_exist_says_so_or_opens_the_nearest(frame):
    app = frame("lessons", lesson="../../etc", step="x")
    assert "There is no lesson" in app.warning[0].value
    assert app.button(key="begin-sigmoid")
    assert not frame("data", lesson="nothing").exception
    for step, shown in (("99", "5"), ("x", "1"), ("-3", "1")):
        assert place(frame("lessons", lesson="faster", step=step)) == ("faster", shown)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_glossary_shows_the_term_of_the_link_first_and_finds_others(frame, language):
    app = frame("lessons", language, term="precision")
    term = terms()["precision"]
    assert term.says[language] in app.main.markdown[0].value
    app.text_input(key="term-search").set_value("adam").run()
    assert terms()["adam"].says[language] in texts(app)
    assert terms()["seed"].says[language] not in texts(app)


def test_the_tooltips_of_the_form_link_to_their_terms(frame):
    app = frame(lang="pt-BR", language="pt_BR")
    help = app.selectbox(key="optimizer").help
    assert help.startswith(words.text("pt_BR", "spec.optimizer.help"))
    assert "[Glossário: otimizador](lessons?term=optimizer&lang=pt-BR)" in help
