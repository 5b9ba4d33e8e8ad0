"""A race of a class: whose turn it is, what is refused, what the board says, and what a killed server leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from html import escape
from typing import Any

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some

from core import store, words
from core.classroom import board, results
from core.classroom import race as races
from core.classroom.classroom import UNUSED, Chart, Classroom
from core.classroom.race import MOST_WAITING, Attempt, Race, Record, in_turn
from core.classroom.rules import MOST_EPOCHS, Rules, applied, can_choose, read, rules, written
from core.drawing import collection
from core.measures.measures import proportion
from core.networks.layers import text as layers_text
from core.refusal import Refusal
from core.spec import checked
from core.work import work
from core.workers import Workers
from tests.browser import CHROMIUM
from tests.conftest import wait_for
from tests.page import LANGUAGES, views
from tests.test_classroom import SEVEN, Clock, ask, client, cookie, hear, opened_aside, opened_by_teacher, reads_one
from tests.test_classroom import room as room  # the fixture
from tests.test_classroom_quiz import asked
from ui import server
from ui.classroom import live_wall, look, opened, phone_race
from ui.classroom import race as race_page
from ui.classroom.pupils import MOST_A_MINUTE

LESSON = "20261129-130500-000000"
TINY = {"data": "tiny", "split": "official", "architecture": "mlp", "batch_size": 16, "epochs": 1}
OFFER = {"learning_rate": (0.001, 0.01), "units": (4, 8, 16)}
LONG = {"epochs": (MOST_EPOCHS - 1, MOST_EPOCHS)}


class Idle(Executor):
    """An executor that takes runs and never begins."""

    def __init__(self) -> None:
        self.futures: list[Future] = []

    def submit(self, fn, /, *args, **kwargs) -> Future:
        del fn, args, kwargs
        self.futures.append(Future())
        return self.futures[-1]

    def end(self) -> None:
        """Be done with the latest run."""
        self.futures[-1].set_result("")


@pytest.fixture
def idle() -> Idle:
    return Idle()


@pytest.fixture
def queue(home, idle) -> Workers:
    return Workers(idle)


def offered(choices: Mapping[str, Any] = OFFER, attempts: int = 5) -> Rules:
    return rules(checked(TINY), choices, 30, attempts)


def raced(queue: Workers, clock: Clock | None = None, attempts: int = 5) -> Race:
    return Race(offered(attempts=attempts), LESSON, queue, clock=clock or Clock())


@pytest.fixture
def trains(home) -> Iterator[Workers]:
    """Workers that train in a thread of this process."""
    with ThreadPoolExecutor(1) as executor:
        workers = Workers(executor, work)
        yield workers
        workers.close()


# --- turns ------------------------------------------------------------------------------------------------------------

actions = some.lists(some.one_of(some.integers(1, 5), some.just("turn"), some.just("withdraw")), max_size=60)


@given(actions)
def test_nobody_has_a_turn_while_somebody_waits_who_has_had_fewer_and_who_came_first_goes_first(acts):
    attempts: list[Attempt] = []
    for number, act in enumerate(acts, start=1):
        order = in_turn(attempts)
        if act == "turn" and order:
            first, had = order[0], Counter(one.pupil for one in attempts if one.took_turn)
            assert had[first.pupil] == min(had[one.pupil] for one in order)
            alike = [one for one in order if had[one.pupil] == had[first.pupil]]
            assert first.number == min(one.number for one in alike)
            attempts[attempts.index(first)] = first.model_copy(update={"run": "a", "took_turn": True})
        elif act == "withdraw" and order:
            attempts.remove(order[-1])
        elif isinstance(act, int):
            new = Attempt(number=number, pupil=act, nickname="", title="x", places=(0,))
            attempts.append(new)
    order = in_turn(attempts)
    assert {one.number for one in order} == {one.number for one in attempts if not one.run}
    had, seen = Counter(one.pupil for one in attempts if one.took_turn), Counter()
    turns = []
    for one in order:
        seen[one.pupil] += 1
        turns.append(had[one.pupil] + seen[one.pupil])
    assert turns == sorted(turns), "everybody's first before anybody's second"


def test_the_app_has_one_run_of_the_race_at_a_time_and_equal_choices_share_it(queue, idle):
    race = raced(queue)
    for pupil, place in ((1, 0), (1, 1), (2, 0), (3, 2)):
        race.send(pupil, f"p{pupil}", "x", [0, place])
    race.step()
    race.step()
    (run,) = store.runs()
    assert run.spec.time_limit == 30
    assert [one.run == run.name for one in race.record.attempts] == [True, False, True, False]
    assert [one.pupil for one in race.waiting()] == [3, 1], "two others have not had a turn yet"
    assert "race" in run.label().tags
    assert run.control().test is False
    assert race.send(4, "p4", "x", [0, 0]).run == run.name, "it is at work"
    idle.end()  # its worker has died
    assert race.send(5, "p5", "x", [0, 0]).run == ""
    race.step()
    assert race.state(race.record.attempts[0]) == "lost"


def test_the_time_left_is_that_of_the_turns_before(queue, idle):
    clock = Clock()
    race = raced(queue, clock)
    for pupil in (1, 2, 3):
        race.send(pupil, "", "x", [0, pupil - 1])
    race.step()
    clock.now = 8
    assert race.seconds_to(1) == 30 + races.START - 8
    idle.end()
    race.step()
    assert (race.seconds_to(1), race.seconds_to(3)) == (8, 24)


def test_a_training_of_the_teachers_that_goes_first_is_spoken_of_and_takes_no_time_of_the_turn(queue, idle):
    queue.submit(store.create(checked(TINY)))
    clock, classroom = Clock(), Classroom(reads_one)
    ana = classroom.join(classroom.door.code, "Ana", "x")
    classroom.race, classroom.racing = race, _ = raced(queue, clock), True
    for place in (0, 1):
        race.send(ana.number, "Ana", "x", [0, place])
    race.step()
    clock.now = 100
    race.step()

    def said() -> list[str]:
        shown = phone_race.state(classroom, ana, "en")
        assert shown
        return [one["sentence"] for one in shown["own"]]

    behind = [words.text("en", f"race.state.{key}_behind", place=1) for key in ("waiting", "next")]
    assert said() == behind
    assert race_page._at_work(race, titled=True) == escape(words.text("en", "race.behind", waiting=2))
    idle.end()
    clock.now = 108
    assert race.seconds_to(1) == 30 + races.START - 8
    assert not set(said()) & set(behind)


def test_a_disk_that_is_slow_keeps_no_phone_waiting(queue, monkeypatch):
    classroom = Classroom(reads_one)
    ana = classroom.join(classroom.door.code, "Ana", "x")
    classroom.race, classroom.racing = raced(queue), True
    race = classroom.race
    for place in range(2):
        race.send(ana.number, "Ana", "x", [0, place])
    race.step()
    begun, ready = threading.Event(), threading.Event()

    def sync(_: int) -> None:
        begun.set()
        assert ready.wait(30)

    monkeypatch.setattr(os, "fsync", sync)
    with ThreadPoolExecutor(2) as threads:
        sending = threads.submit(race.send, ana.number, "Ana", "y", [1, 2])
        try:
            assert begun.wait(30)
            said = threads.submit(phone_race.state, classroom, ana, "en").result(10)
            assert said
            assert [one["state"] for one in said["own"]] == ["waiting", "training"]
            assert str(round(30 + races.START)) in said["own"][0]["sentence"]
        finally:
            ready.set()
        sending.result()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "places", [(0,), (0, 0, 0), (0, 3), (-1, 0), (0, True), (0, 1.0), (0, "1"), (0, None), "00", None, {}]
)
def test_what_is_not_on_the_list_is_refused(queue, places):
    race = raced(queue)
    with pytest.raises(Refusal, match="not_offered"):
        race.send(1, "", "x", places)
    assert race.record.attempts == ()


def test_one_person_cannot_fill_the_queue_nor_the_race(queue, monkeypatch):
    monkeypatch.setattr(races, "MOST_IN_ALL", 4)
    race = raced(queue, attempts=3)
    for place in range(MOST_WAITING):
        race.send(1, "", "x", [0, place])
    with pytest.raises(Refusal, match="waits"):
        race.send(1, "", "x", [0, 2])
    race.step()
    race.send(1, "", "x", [0, 2])
    with pytest.raises(Refusal, match="enough"):
        race.send(1, "", "x", [1, 2])
    race.send(2, "", "x", [1, 0])
    with pytest.raises(Refusal, match="full"):
        race.send(3, "", "x", [1, 1])
    with pytest.raises(Refusal, match="no_title"):
        raced(queue).send(1, "", "\u200b \n", [0, 0])
    race.end()
    with pytest.raises(Refusal, match="over"):
        race.send(3, "", "x", [0, 0])
    assert [bool(one.run) for one in race.record.attempts] == [True], "what waited is forgotten"


def test_only_ones_own_is_stopped_and_a_shared_training_goes_on(queue):
    race = raced(queue)
    for pupil, place in ((1, 0), (2, 0), (3, 1)):
        race.send(pupil, "", "x", [0, place])
    race.step()
    (run,) = store.runs()
    for pupil, number in ((1, 2), (3, 1), (1, 9), (9, 1)):
        with pytest.raises(Refusal, match="not_yours"):
            race.stop(pupil, number)
    race.stop(1, 1)
    assert run.control().wanted == "run", "the other shares it"
    with pytest.raises(Refusal, match="not_yours"):
        race.stop(1, 1)
    race.stop(2, 2)
    assert run.control().wanted == "stop"
    race.stop(3, 3)
    assert [one.number for one in race.record.attempts] == [1, 2], "what had no turn is forgotten"
    assert race.send(4, "", "x", [0, 0]).run == "", "a stopped run is shared no more"


@pytest.mark.parametrize(
    ("fields", "choices", "seconds", "why"),
    [
        ({"split": "test"}, OFFER, 30, "test_split"),
        ({}, {}, 30, "how_many"),
        ({}, OFFER | {"batch_size": (8, 16), "epochs": (1, 2)}, 30, "how_many"),
        ({}, {"units": (4,)}, 30, "how_many_values"),
        ({}, {"units": (4, 4)}, 30, "how_many_values"),
        ({}, {"units": (1, 2, 3, 4, 5, 6, 7)}, 30, "how_many_values"),
        ({}, {"filters": (4, 8)}, 30, "no_such"),
        ({}, {"data": ("tiny", "mnist")}, 30, "no_such"),
        ({}, {"seed": (1, 2)}, 30, "no_such"),
        ({}, {"units": (4, 0)}, 30, "race.value"),
        ({}, {"dropout": (0.5, 1.0)}, 30, "race.value"),
        ({}, {"units": (4, 8.5)}, 30, "race.value"),
        ({}, {"learning_rate": (0.1, -1)}, 30, "field_value"),
        ({}, {"optimizer": ("sgd", "magic")}, 30, "field_value"),
        ({}, {"epochs": (1, MOST_EPOCHS + 1)}, 30, "too_many_epochs"),
        ({}, OFFER, 1e9, "too_long"),
        ({}, OFFER, 0, "too_long"),
    ],
)
def test_a_race_whose_choices_cannot_be_trained_is_refused(home, fields, choices, seconds, why):
    with pytest.raises(Refusal, match=why):
        rules(checked(TINY | fields), choices, seconds, 3)


def test_a_choice_changes_what_it_names_and_nothing_else(home):
    spec = checked(TINY | {"architecture": "lenet"})
    found = applied(spec, {"units": 32, "filters": 3, "dropout": 0.5, "learning_rate": 0.1})
    said = layers_text(found.layers)
    assert said.count("dropout(0.5)") == 2
    assert [int(one) for one in re.findall(r"conv\((\d+)", said)] == [3, 8], "6 and 16 in proportion"
    assert said.count("dense(32") == 2
    assert found.learning_rate == 0.1
    assert (found.seed, found.batch_size, found.epochs) == (spec.seed, spec.batch_size, spec.epochs)
    assert layers_text(applied(found, {"dropout": 0.0}).layers).count("dropout") == 0
    assert "filters" not in can_choose(checked(TINY))
    sgd = checked(TINY | {"optimizer": "sgd", "momentum": 0.9})
    assert applied(sgd, {"optimizer": "adam"}).momentum == 0, "which Adam does not use"


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_are_read_as_they_are_written(language):
    for name, value in (("learning_rate", 0.003), ("dropout", 0.25), ("units", 64), ("optimizer", "adam")):
        assert read(name, written(name, value, language), language) == value
    for name in ("dropout", "learning_rate"):
        with pytest.raises(Refusal, match="no_number"):
            read(name, "much", language)


def test_the_worst_case_counts_people_or_choices_whichever_are_fewer(home):
    found = offered(attempts=3)
    assert found.worst(1, 1, 10) == (3, 30)
    assert found.worst(40, 1, 10) == (6, 60), "two learning rates and three widths"
    assert found.worst(40, 4, 10) == (6, 20)
    assert layers_text(found.slowest().layers).count("dense(16") == 1


# --- real trainings ---------------------------------------------------------------------------------------------------


def test_a_real_race_ends_with_a_board_and_one_look_at_test(trains):
    changes = []
    race = Race(offered(), LESSON, trains, lambda: changes.append(1))
    race.start()
    for pupil, places in ((1, (1, 2)), (2, (0, 0)), (3, (1, 2))):
        race.send(pupil, f"pupil {pupil}", f"<b>{pupil}</b>", places)
    wait_for(lambda: len(board.of(race)) == 2 and not race.at_work())
    rows = board.of(race)
    assert [len(row.attempts) for row in rows] in ([2, 1], [1, 2])
    for row in rows:
        run = store.find(row.run)
        best = run.events()[-1]
        assert best.event == "epoch"
        assert row.accuracy == proportion(round(best.val_accuracy * 20), 20, 2)
        assert run.report() is None, "the test split is not read"
    with pytest.raises(Refusal, match="not_over"):
        race.read_test([rows[0].run])
    assert all(row.test is None for row in rows)
    race.end()
    race.read_test([rows[0].run])
    wait_for(lambda: board.of(race)[0].test and not race.at_work())
    report = store.find(rows[0].run).report()
    assert report
    assert board.of(race)[0].test == proportion(int(sum(report.confusion_matrix[k][k] for k in range(4))), 30)
    assert board.of(race)[1].test is None
    assert changes
    race.close()
    for language in LANGUAGES:
        hidden, saved = (results.page(LESSON, [], [], language, titles=titles) for titles in (False, True))
        assert "&lt;b&gt;" not in hidden, "a title may be a name"
        assert "#1" in hidden
        assert "&lt;b&gt;1&lt;/b&gt;" in saved
        assert "<b>1</b>" not in saved
        assert "pupil 1" not in saved, "no nicknames"
        assert words.percent(rows[0].accuracy.value, 1, language=language) in saved
        below = board.notes(board.of(race), language, titles=True)
        assert below[1] == words.text(language, "race.how", count=2)
        assert words.percent(report.accuracy, 1, language=language) in below[0]
        assert 0 < saved.index(escape(below[0])) < saved.index(escape(below[1])), "in the order of the screen"
    assert list(results.lessons()) == [LESSON]
    races.delete(race.record)
    assert store.runs() == []
    assert races.records() == []


def test_a_training_that_fails_says_why_on_the_phone(trains):
    race = Race(
        offered({"learning_rate": (0.001, 1e7), "optimizer": ("sgd", "adam"), "epochs": (20, 21)}), LESSON, trains
    )
    race.start()
    classroom = Classroom(reads_one)
    classroom.race, classroom.racing = race, True
    ana = classroom.join(classroom.door.code, "Ana", "x")
    phone_race.take(classroom, ana, {"race": 1, "title": "fast", "places": [1, 0, 0]})
    wait_for(lambda: race.record.attempts[0].run and not race.at_work())
    said = phone_race.state(classroom, ana, "en")
    assert said
    (own,) = said["own"]
    assert (own["state"], own["stops"]) == ("failed", False)
    assert own["sentence"].startswith("✗ ")
    assert len(own["sentence"]) > 20
    assert board.of(race) == []
    race.close()


def test_a_training_that_has_just_ended_goes_on_for_the_phone_until_the_board_has_it(queue):
    race, classroom = raced(queue), Classroom(reads_one)
    classroom.race, classroom.racing = race, True
    ana = classroom.join(classroom.door.code, "Ana", "x")
    race.send(ana.number, "Ana", "mine", [0, 0])
    race.step()

    def said() -> str:
        found = phone_race.state(classroom, ana, "en")
        assert found
        return found["own"][0]["state"]

    assert said() == "training"
    work(str(store.find(race.record.attempts[0].run).folder))
    assert said() == "training"
    assert len(board.rows(race.record)) == 1, "but not of this board yet"


def test_a_sent_out_pupil_leaves_no_name_and_no_training(queue):
    classroom = Classroom(reads_one)
    ana, rui = (classroom.join(classroom.door.code, name, name) for name in ("Ana", "Rui"))
    race = classroom.begin_race(offered(), queue)
    race._closed.set()  # the test gives the turns
    race.send(ana.number, "Ana", "Ana's", [0, 0])
    race.send(rui.number, "Rui", "mine", [0, 1])
    race.step()
    classroom.rename(rui.number, "Bea")
    classroom.remove(ana.number)
    (kept,) = races.records()
    assert [(one.nickname, one.title, one.stopped) for one in kept.attempts] == [("", "", True), ("Bea", "mine", False)]
    assert store.runs()[0].control().wanted == "stop"
    race.take_off(2)
    assert [one.number for one in races.records()[0].attempts] == [1]


def test_nothing_of_a_sent_out_pupil_is_kept_whose_message_comes_late(queue):
    race = raced(queue)
    race.remove(1)
    with pytest.raises(Refusal, match=r"class\.pupil\.out"):
        race.send(1, "Ana", "x", [0, 0])
    assert race.record.attempts == ()


def test_a_run_that_was_taken_off_is_deleted_also_when_its_worker_ends_after_the_race(queue, idle):
    race = raced(queue)
    race.start()
    race.send(1, "Ana", "x", [0, 0])
    wait_for(lambda: race.at_work())
    race.take_off(1)
    race.close()
    assert len(store.runs()) == 1, "its worker holds it still"
    idle.end()
    wait_for(lambda: not store.runs())


def test_a_run_that_was_taken_off_before_the_server_was_killed_is_deleted_when_the_next_class_opens(queue):
    race = raced(queue)
    for pupil, place in ((1, 0), (2, 1)):
        race.send(pupil, "Ana", "x", [0, place])
    race.step()
    race.take_off(1)
    (run,) = store.runs()
    with run.hold():  # by its worker, which ends last
        races.end_left()
    assert races.records()[0].taken_off == (run.name,)
    assert store.runs() == [run]
    races.end_left()
    assert store.runs() == []
    (record,) = races.records()
    assert (record.taken_off, record.attempts) == ((), ())


def test_a_file_of_a_stranger_deletes_no_run_that_is_of_no_race(queue):
    race = raced(queue)
    other = store.create(checked({"data": "tiny", "split": "official"}))
    races._write(race.record.model_copy(update={"taken_off": (other.name, "gone")}))
    races.end_left()
    assert store.runs() == [other]
    assert races.records()[0].taken_off == ()


def test_a_race_that_a_killed_server_has_left_is_over_when_the_next_class_opens(queue, monkeypatch):
    race = raced(queue)
    race.send(1, "Ana", "trained", [0, 0])
    race.step()
    race.send(1, "Ana", "waits", [0, 1])
    monkeypatch.setenv("BANCADA_CLASS_PORT", "0")
    try:
        opened.open_class([], "127.0.0.1")
    finally:
        opened.close_class()
    (record,) = races.records()
    assert record.ended
    assert [one.title for one in record.attempts] == ["trained"]


def test_names_go_from_the_earlier_races_of_the_session_too(queue):
    classroom = Classroom(reads_one)
    ana = classroom.join(classroom.door.code, "Ana", "Ana")
    first = classroom.begin_race(offered(), queue)
    first._closed.set()
    first.send(ana.number, "Ana", "Ana's", [0, 0])
    first.step()  # it has had its turn
    classroom.begin_race(offered(), queue)._closed.set()
    classroom.rename(ana.number, "Eva")
    assert [one.nickname for one in races.records()[0].attempts] == ["Eva"]
    classroom.remove(ana.number)
    assert [(one.nickname, one.title) for one in races.records()[0].attempts] == [("", "")]


def test_deleting_a_race_deletes_no_run_that_is_none_of_its_own(queue):
    race = raced(queue)
    race.send(1, "Ana", "mine", [0, 0])
    race.step()
    race.end()
    other = store.create(checked({"data": "tiny", "split": "official"}))
    (attempt,) = race.record.attempts
    races.delete(race.record.model_copy(update={"attempts": (attempt.model_copy(update={"run": other.name}),)}))
    assert store.find(other.name).name == other.name


def test_places_of_runs_that_overlap_are_shared(home, monkeypatch):
    given = {"a": 90, "b": 80, "c": 66, "d": 10}
    monkeypatch.setattr(board, "_outcome_of", lambda name: board._Outcome(given[name], 100, 1, 1.0))
    attempts = tuple(
        Attempt(number=k, pupil=k, nickname="", title=name, places=(0, 0), run=name)
        for k, name in enumerate(given, start=1)
    )
    rows = board.rows(Record(lesson=LESSON, number=1, rules=offered(), attempts=attempts))
    assert [(row.first, row.last) for row in rows] == [(1, 2), (1, 3), (2, 3), (4, 4)], "b ties with a and with c"
    assert [row.leads for row in rows] == [True, True, False, False]
    for one in rows:
        for other in rows:
            overlap = one.accuracy.low <= other.accuracy.high and other.accuracy.low <= one.accuracy.high
            shared = max(one.first, other.first) <= min(one.last, other.last)
            assert shared or not overlap


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.98])
def test_the_intervals_of_forty_equal_runs_hold_together_and_hardly_a_race_tells_two_of_them_apart(accuracy):
    n, runs, many = 1000, 40, 2000
    correct = np.random.default_rng(0).binomial(n, accuracy, (many, runs))
    shares = {together: [proportion(k, n, together) for k in range(n + 1)] for together in (1, runs)}
    holds, apart = Counter(), Counter()
    for race in correct.tolist():
        for together, of in shares.items():
            holds[together] += all(of[k].low <= accuracy <= of[k].high for k in race)
            apart[together] += max(of[k].low for k in race) > min(of[k].high for k in race)
    assert holds[runs] / many > 0.93
    assert apart[runs] / many < 0.01
    assert holds[1] / many < 0.2, "each interval by itself"
    assert apart[1] / many > 0.6


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_pupils_are_never_html(home, monkeypatch, language):
    monkeypatch.setattr(board, "_outcome_of", lambda _: board._Outcome(9, 10, 1, 1.0))
    one = Attempt(number=1, pupil=1, nickname="<i>Ana", title="<script>x", places=(0, 0), run="a")
    record = Record(lesson=LESSON, number=1, rules=offered(), attempts=(one,))
    shown = board.table(record, board.rows(record), language, nicknames=True, titles=True)
    assert "&lt;script&gt;x" in shown
    assert "<script" not in shown
    assert "<i>Ana" not in shown
    hidden = board.table(record, board.rows(record), language, nicknames=False, titles=False)
    assert "Ana" not in hidden
    assert "#1" in hidden


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "{",
        lambda _: "[]",
        lambda said: json.dumps(said | {"lesson": "../x"}),
        lambda said: json.dumps(said | {"number": 0}),
        lambda said: json.dumps(said | {"attempts": [said["attempts"][0] | {"run": "../../etc"}]}),
        lambda said: json.dumps(said | {"attempts": [said["attempts"][0] | {"places": [0, 99]}]}),
        lambda said: json.dumps(said | {"rules": said["rules"] | {"choices": []}}),
    ],
)
def test_a_file_that_no_race_has_written_is_no_race(queue, home, damage):
    race = raced(queue)
    race.send(1, "Ana", "x", [0, 0])
    (path,) = (home / races.FOLDER).glob("*.json")
    assert len(races.records()) == 1
    path.write_text(damage(json.loads(path.read_text())))
    assert races.records() == []


# --- the teacher's page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_teacher_sets_up_a_race_watches_ends_it_and_deletes_it(frame, trained, monkeypatch, language):
    monkeypatch.setattr(server, "workers", lambda: Workers(Idle()))
    app, now = opened_by_teacher(frame, monkeypatch, language)
    try:
        views(app).set_value("race").run()
        app.selectbox(key="race-architecture").set_value("cnn-small").run()
        app.multiselect(key="race-choose").set_value(["learning_rate", "filters"]).run()
        app.multiselect(key=f"race-values-filters-{language}").set_value(["4"]).run()
        assert app.button(key="race-start").disabled
        why = words.text(
            language, "race.how_many_values", name=words.text(language, "race.of_layers.filters"), least=2, most=6
        )
        assert why in app.warning[0].value
        app.multiselect(key=f"race-values-filters-{language}").set_value(["4", "8"]).run()
        one_person = {"runs": 3, "seconds": 20.0, "total": 69, "count": 1}
        assert app.info[0].value == words.text(language, "race.worst", **one_person)
        code = now.classroom.door.code
        instruction = [words.text(language, "race.join", address=f"http://{now.host}/", code=code)]
        instruction.append(words.text(language, "race.about"))
        assert all(one in app.text[0].value for one in instruction)
        app.button(key="race-start").click().run()
        said = "".join(one.proto.body for one in app.main.get("html"))
        assert all(escape(one) in said for one in instruction), "also on the board, until a training has ended"
        race = now.classroom.race
        assert race
        assert now.classroom.racing
        assert [one.name for one in race.record.rules.choices] == ["learning_rate", "filters"]
        assert race.record.rules.spec.architecture == "cnn-small"
        ana = now.classroom.join(now.classroom.door.code, "Ana", "x")
        race.send(ana.number, "Ana", "<b>fast", [0, 0])
        wait_for(lambda: race.record.attempts[0].run)
        app.run()
        said = "".join(one.proto.body for one in app.main.get("html"))
        assert "&lt;b&gt;fast" in said
        assert "<b>fast" not in said
        app.selectbox(key="race-attempt").set_value(1).run()
        app.button(key="race-take-off").click().run()
        assert race.record.attempts == ()
        app.selectbox(key="class-look-kind").set_value("board").run()
        app.button(key="class-look-show").click().run()
        assert now.classroom.showing == Chart("board")
        assert views(app).value == "race", "the projector shows the board itself"
        keys = [getattr(one, "key", None) for one in app.main]
        assert keys.index("race-watch") > keys.index("race-end"), "what goes at its click leaves no other below it"
        now.classroom.begin([7])  # in another tab, which this page has not heard of
        now.classroom.connected(ana, 1)
        app.button(key="race-watch").click().run()
        assert not now.classroom.racing, "Ana is drawing"
        views(app).set_value("race").run()
        app.button(key="race-watch").click().run()  # below the sentence that says what it ends
        assert now.classroom.racing
        app.button(key="race-end").click().run()
        assert race.record.ended
        app.button(key="class-close").click().run()
        app.button(key="race-delete").click().run()
        assert races.records() == []
        assert not app.exception
    finally:
        opened.close_class()


def test_saved_are_all_drawings_also_of_a_frozen_wall_but_no_deleted_ones_and_no_hidden_titles(
    frame, trained, queue, monkeypatch
):
    buttons = {}
    monkeypatch.setattr(st, "download_button", lambda _, data, *__, key, **___: buttons.update({key: data}))
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    classroom = now.classroom
    try:
        ana = classroom.join(classroom.door.code, "Ana", "x")
        deleted = classroom.hand_in(ana, 1, 0, 7, SEVEN)
        assert deleted
        classroom.freeze(True)
        for place in (1, 2):
            classroom.hand_in(ana, 1, place, 7, SEVEN)
        collection.delete([deleted.drawing.name])
        race = classroom.begin_race(offered(), queue)
        race.send(ana.number, "Ana", "The title", [0, 0])
        monkeypatch.setattr(board, "_outcome_of", lambda _: board._Outcome(9, 10, 1, 1.0))
        wait_for(lambda: race.record.attempts[0].run)
        app.run()
        shown = buttons["class-save"]()
        assert "Drawings: 2." in shown
        assert "The title" in shown
        classroom.hide_names(True)
        assert "The title" not in buttons["class-save"]()
        assert [one.number for one in classroom.kept()] == [2, 3]
        assert classroom.drawn() == [], "the wall is frozen still"
    finally:
        opened.close_class()


def test_a_race_in_which_attempts_wait_ends_only_where_the_page_has_said_so(frame, trained, monkeypatch):
    workers = Workers(Idle())
    monkeypatch.setattr(server, "workers", lambda: workers)
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    what = rules(checked({"architecture": "mlp"}), OFFER, 30, 5)
    try:
        race = now.classroom.begin_race(what, workers)
        views(app).set_value("race").run()
        assert not app.warning
        app.button(key="race-end").click().run()
        assert race.record.ended, "nobody has sent anything"
        race, ends = now.classroom.begin_race(what, workers), words.text("en", "class.race.ends")
        app.run()
        race.send(1, "Ana", "x", [0, 0])
        app.button(key="race-end").click().run()
        assert not race.record.ended, "the page had not said yet what it ends"
        assert [one.value for one in app.warning] == [ends] * 2, "the race alone, or with the lesson"
        app.button(key="race-end").click().run()
        assert race.record.ended
        assert not app.warning
    finally:
        opened.close_class()


def test_the_test_split_is_read_for_the_best_run_of_the_click_and_not_of_the_pages_last_look(
    frame, trained, monkeypatch
):
    goes_on = threading.Event()

    def carry(folder: str) -> str:
        assert race.record.attempts[0].run in folder or goes_on.wait(60)
        return work(folder)

    app, now = opened_by_teacher(frame, monkeypatch, "en")
    with ThreadPoolExecutor(1) as executor:
        workers = Workers(executor, carry)
        found = rules(trained.spec, {"learning_rate": (1e-6, 0.01), "epochs": (1, 2)}, 30, 1)
        race = now.classroom.begin_race(found, workers)
        try:
            for pupil in (1, 2):
                race.send(pupil, f"pupil {pupil}", "x", [pupil - 1, pupil - 1])
            wait_for(lambda: race.record.attempts[1].run)
            race.end()
            views(app).set_value("race").run()
            assert [row.run for row in board.of(race)] == [race.record.attempts[0].run]
            goes_on.set()
            wait_for(lambda: len(board.of(race)) == 2 and not race.at_work())
            first, second = board.of(race)
            assert first.run == race.record.attempts[1].run
            app.button(key="race-test").click().run()
            wait_for(lambda: store.find(first.run).report())
            assert store.find(second.run).report() is None
            assert not app.exception
        finally:
            goes_on.set()
            opened.close_class()
            workers.close()


# --- the pupils' server -----------------------------------------------------------------------------------------------


def post(room, said: str, message: object, **headers: str):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    status, _, content = ask(room.host, "POST", "/race", body, Cookie=said, **headers)
    return status, json.loads(content)["sentence"] if content else None


def test_a_phone_sends_sees_and_stops_its_own_and_nothing_else(room, queue):
    said, other = cookie(room), cookie(room, "Rui")
    message = {"race": 1, "title": " <b>Ana's\u202e ", "places": [0, 1]}
    assert post(room, said, message) == (403, words.text("en", "race.over")), "there is no race"
    race = room.classroom.begin_race(offered(LONG), queue)
    message["places"] = [1]
    with client(room, "/class?lang=pt-BR", said) as pupil:
        state = hear(pupil)["race"]
        assert state["own"] == []
        assert state["choices"] == [{"name": "Épocas", "values": [str(one) for one in LONG["epochs"]]}]
        assert post(room, said, message) == (200, "")
        while not state["own"] or state["own"][0]["state"] == "waiting":
            state = hear(pupil)["race"]
    assert state["own"][0]["title"] == "<b>Ana's"
    assert state["own"][0]["stops"]
    with client(room, "/class", other) as pupil:
        assert hear(pupil)["race"]["own"] == []
    assert post(room, other, {"race": 1, "stop": 1}) == (403, words.text("en", "race.not_yours"))
    assert post(room, other, {"race": 2, "stop": 1}) == (403, words.text("en", "race.over"))
    refused = words.text("pt_BR", "race.not_offered")
    assert post(room, said, message | {"places": [2]}, Accept_Language="pt") == (403, refused)
    strange = [b"", b"{", b"null", b"[1]", {"race": 1}, {"race": "1", "stop": 1}, {"race": 1, "stop": True}]
    strange += [{"race": 1, "stop": "1"}, message | {"title": 7}, message | {"more": 1}, b" " * 401]
    for one in strange:
        assert post(room, said, one)[0] == 400, one
    assert post(room, said, message, Origin="http://evil.example")[0] == 403
    assert post(room, "", message)[0] == 403
    assert len(race.record.attempts) == 1
    assert post(room, said, {"race": 1, "stop": 1}) == (200, "")
    assert store.find(race.record.attempts[0].run).control().wanted == "stop"
    answers = [post(room, other, {"race": 1, "stop": 1}) for _ in range(MOST_A_MINUTE)]
    assert answers[-1] == (403, words.text("en", "race.too_often", most=MOST_A_MINUTE))
    room.classroom.begin([7])
    with client(room, said=said) as pupil:
        assert hear(pupil)["race"] is None


def test_the_seat_of_one_who_only_quizzes_or_races_is_not_given_away(room, queue, monkeypatch):
    monkeypatch.setattr("core.classroom.quiz.LOOK", 0.0)
    monkeypatch.setattr("core.classroom.classroom.MOST_FROM", 3)
    names = ("quizzes", "races", "sleeps")
    quizzes, races_, _ = said = [cookie(room, name) for name in names]
    room.classroom.begin_quiz(asked(2, room.classroom.lesson), None)
    with client(room, said=quizzes) as pupil:
        pupil.send(bytes([1, 0, 0]))
        while hear(pupil)["quiz"]["given"] is None:
            pass
    room.classroom.begin_race(offered(), queue)
    assert post(room, races_, {"race": 1, "title": "x", "places": [0, 0]}) == (200, "")
    wait_for(lambda: not any(one.here for one in room.classroom.pupils.values()))
    room.classroom.clock = lambda: time.monotonic() + UNUSED
    assert cookie(room, "comes later")
    seats = [room.classroom.pupil(one.partition("=")[2]) for one in said]
    assert [one and one.name for one in seats] == ["quizzes", "races", None]


@pytest.fixture
def raced_room(room, queue, monkeypatch) -> opened.Opened:
    """An open class with a race of which fourteen runs are trained, one of them far behind."""
    monkeypatch.setattr(
        board, "_outcome_of", lambda name: board._Outcome(20 if name == "r14" else 99 - int(name[1:]), 100, 1, 3.0)
    )
    race = room.classroom.begin_race(offered(attempts=1), queue)
    race._closed.set()
    attempts = [
        Attempt(number=k, pupil=k, nickname="<i>Ana", title=f"t{k}", places=(0, 2), run=f"r{k}") for k in range(1, 15)
    ]
    race.record = race.record.model_copy(update={"attempts": tuple(attempts)})
    race.version += 1
    return room


def test_a_phone_looks_at_the_board_as_it_is_on_the_projector_and_at_no_hidden_name(raced_room):
    classroom, race = raced_room.classroom, raced_room.classroom.race
    said = cookie(raced_room, "Rui")
    with client(raced_room, "/class?lang=pt-BR", said) as pupil:
        state = hear(pupil)
        assert state["looking"], "pupil 1 has sent the one attempt"
        seen = state["look"]
        classroom.show(Chart("board"))
        while (state := hear(pupil))["race"]:
            pass
        assert state["looking"]
        assert "look" not in state, "it is sent once"
        assert seen == json.loads(json.dumps(live_wall.wall(raced_room, "pt_BR")["look"]))
        rows, (low, high) = board.of(race), board.axis_of(board.of(race))
        assert len(seen["bars"]) == board.MOST_ROWS < len(rows)
        first, of = seen["bars"][0], rows[0].accuracy
        assert (first["place"], first["name"]) == ("1–13 ★", "t1 <i>Ana")
        assert first["text"] == f"98,0% ({words.interval(of.low, of.high, 1, language='pt_BR')})"
        assert first["test_text"] == "3 s · Taxa de aprendizado 0,001 · Unidades ocultas 16"
        for name in ("low", "value", "high"):
            assert first[name] == pytest.approx((getattr(of, name) - low) / (high - low))
        assert seen["ends"] == [words.percent(low, 0, language="pt_BR"), "Val., n = 100", "100%"]
        assert seen["notes"] == ["… e mais 3", words.text("pt_BR", "race.how", count=14)]
        table = board.table(race.record, rows, "pt_BR", nicknames=True, titles=True)
        assert all(escape(one[part]) in table for one in seen["bars"] for part in ("place", "text"))
        classroom.hide_names(True)
        while not (state := hear(pupil)).get("look"):
            pass
    assert [one["name"] for one in state["look"]["bars"][:2]] == ["#1", "#2"]
    assert "Ana" not in json.dumps(state["look"])
    assert "t1" not in json.dumps(state["look"])


def test_a_run_far_behind_has_an_arrow_on_the_phone_as_on_the_board(raced_room):
    race = raced_room.classroom.race
    race.record = race.record.model_copy(update={"attempts": race.record.attempts[-5:]})
    race.version += 1
    last = look.of_race(race, "en", named=True)["bars"][-1]
    assert (last["value"], last["low"], last["high"]) == (None, None, None)
    assert last["text"].startswith("◀ 20.0% (")
    assert "◀" in board.table(race.record, board.of(race), "en", nicknames=True, titles=True)


def test_who_can_still_send_sees_no_board_below_the_choices_until_the_race_is_over(room, queue):
    race = room.classroom.begin_race(offered(attempts=2), queue)
    with client(room, said=cookie(room)) as pupil:
        assert not hear(pupil)["looking"]
        race.end()
        while not (state := hear(pupil)).get("look"):
            pass
    assert (state["looking"], state["race"]["open"]) == (True, False)
    assert state["look"]["notes"] == [words.text("en", "race.none_yet")]


CLASS = """
import sys, time
from core.classroom.rules import rules
from core.spec import checked
from core.workers import Workers
from ui.classroom import opened
now = opened.open_class([], "127.0.0.1")
offered = {"learning_rate": (0.001, 0.01), "epochs": (1, 50)}
spec = checked({"data": "tiny", "split": "official", "architecture": "mlp", "batch_size": 1, "epochs": 1})
if __name__ == "__main__":
    race = now.classroom.begin_race(rules(spec, offered, 120, 3), Workers(spare_after=0))
    print(now.host, now.classroom.door.code, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_a_server_that_is_killed_in_a_race_has_lost_no_training_that_had_ended(home):
    with opened_aside(CLASS) as (server, room):
        ana, rui = cookie(room), cookie(room, "Rui")
        assert post(room, ana, {"race": 1, "title": "one", "places": [0, 0]})[0] == 200
        assert post(room, rui, {"race": 1, "title": "two", "places": [1, 1]})[0] == 200
        with client(room, said=rui) as pupil:
            while (state := hear(pupil)["race"]["own"][0])["state"] != "training" or not state["curve"]:
                pass
        assert 0 < state["share"] <= 1
        server.send_signal(signal.SIGKILL)
    (record,) = races.records()
    assert [(one.nickname, one.title) for one in record.attempts] == [("Ana", "one"), ("Rui", "two")]
    (row,) = board.rows(record)
    assert row.attempts[0].title == "one"
    wait_for(lambda: store.find(record.attempts[1].run).status() == "interrupted")
    assert opened.current() is None


# --- in a browser: last, since playwright's loop stays in this thread ---


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
@pytest.mark.parametrize("during", ["quiz", "race"])
def test_a_phone_says_that_the_session_is_over_also_in_a_quiz_and_a_race(room, queue, browser, during):
    page = browser.new_context(locale="en-US", viewport={"width": 390, "height": 844}).new_page()
    refused = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"http://{room.host}/")
    page.locator("#code").fill(room.classroom.door.code)
    page.locator("#nickname").fill("Ana")
    page.locator("#enter").click()
    page.locator("#ask").wait_for()
    assert page.get_by_text(words.text("en", "class.pupil.what")).is_visible(), "what the digits below are for"
    if during == "quiz":
        room.classroom.begin_quiz(asked(2, room.classroom.lesson), None)
    else:
        room.classroom.begin_race(offered(), queue)
    page.locator(f"#{during}").wait_for()
    opened.close_class()
    page.locator("#ask", has_text=words.text("en", "class.pupil.closed")).wait_for()
    assert page.locator(f"#{during}").is_hidden()
    assert page.locator("#board").is_hidden(), "there is nothing to draw for any more"
    assert refused == []
    page.context.close()
