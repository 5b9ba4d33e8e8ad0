"""A lesson with a class: who gets in, what is kept and counted, and what the pupils' server lets nobody do."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import psutil
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette.starlette_app import create_streamlit_routes
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import app
from core import store, words
from core.classroom import results
from core.classroom.classroom import (
    GRACE,
    HOUR,
    MOST_AN_HOUR,
    MOST_FROM,
    MOST_PUPILS,
    UNUSED,
    Chart,
    Classroom,
    UnderWay,
)
from core.classroom.door import Door
from core.classroom.figures import accuracy_on_test, accuracy_text
from core.classroom.results import Contestant
from core.drawing import SHEET, collection
from core.drawing.collection import Reading
from core.measures.measures import by_writer, proportion
from core.refusal import Refusal
from core.workers import Workers
from tests.browser import CHROMIUM, ROOT, draw
from tests.browser import SEVEN as STROKES
from tests.conftest import wait_for
from tests.disk import CannotMountError, read_only
from tests.page import LANGUAGES, component, views
from tests.test_live_answer import SHIPPED, seven
from ui import inside, server
from ui.classroom import feature_maps, live_wall, opened, panel, wall
from ui.classroom.look import look_style
from ui.classroom.pupils import (
    COOKIE,
    ENDED,
    HEAD,
    KEPT_FOR,
    MOST_ANSWERS,
    MOST_BODY,
    MOST_TAKEN,
    MOST_WHERE_BUSY,
    OUTSIDE,
    THREADS,
    UNKNOWN,
    page,
    script,
    style,
)
from ui.classroom.strangers import MOST_STRANGERS
from ui.draw import live_answer
from ui.files import beside

SEVEN = seven()
MODEL = next(run for run in SHIPPED if "mlp" in run.name)


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def reads_one(pixels: np.ndarray, label: int) -> list[Reading]:
    return [Reading("one", 1, 0.75 if label == 1 else 0.25)]


@pytest.fixture
def lesson(home, monkeypatch) -> SimpleNamespace:
    """A lesson without a server: its clock, its classroom with a model that always reads a one, and two pupils."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # which takes most of the time of hundreds of drawings
    clock = Clock()
    classroom = Classroom(reads_one, clock)
    ana, rui = (classroom.join(classroom.door.code, name, name) for name in ("Ana", "Rui"))
    return SimpleNamespace(clock=clock, classroom=classroom, ana=ana, rui=rui)


# --- the door ---------------------------------------------------------------------------------------------------------


def test_five_wrong_codes_from_an_address_cost_a_minute_then_longer_and_nobody_else():
    clock = Clock()
    door = Door(clock)
    wrong = f"{(int(door.code) + 1) % 10_000:04d}"
    for minutes in (1, 2, 4):
        assert not any(door.admits(wrong, "10.0.0.9") for _ in range(5))
        clock.now += 60 * minutes - 1
        for code in (wrong, door.code):
            with pytest.raises(Refusal, match=r"class.wait seconds=1$"):
                door.admits(code, "10.0.0.9")
        assert door.admits(door.code, "10.0.0.8")
        clock.now += 1
    assert door.admits(door.code, "10.0.0.9")


def test_guesses_from_many_addresses_meet_a_longer_code_that_the_class_can_read_and_enter(lesson):
    classroom, door = lesson.classroom, lesson.classroom.door

    def guess(count: int) -> None:
        for k in range(count):
            with pytest.raises(Refusal, match="wrong_code"):
                classroom.join("guess", "x", f"10.0.{k // 5}")

    for digits, codes in ((4, 10**4), (6, 10**6)):
        assert len(door.code) == digits
        seen = classroom.version
        guess(codes // 200 - 1)
        with pytest.raises(Refusal, match="wait"):
            classroom.join(door.code, "Eva", "10.0.0")
        guess_by_one_more = f"10.9.{digits}"
        with pytest.raises(Refusal, match="wrong_code"):
            classroom.join("guess", "x", guess_by_one_more)
        assert classroom.version > seen, "the wall shows the code of now"
        assert classroom.join(door.code, "Eva", "10.0.0"), "where somebody guessed, an honest one gets in"
    assert len(door.code) == 8
    guess(400)
    assert len(door.code) == 8


def test_five_wrong_codes_cost_a_wait_also_where_many_have_joined_and_a_new_code_ends_it():
    door = Door(Clock())
    for _ in range(30):
        assert door.admits(door.code, "school")
    for _ in range(5):
        assert not door.admits("wrong", "school")
    with pytest.raises(Refusal, match="wait"):
        door.admits(door.code, "school")
    door.change()
    assert door.admits(door.code, "school")


def test_nothing_but_a_comparison_in_constant_time_says_whether_a_code_is_right(monkeypatch):
    door, compared = Door(), []

    def compare(*both: bytes) -> bool:
        compared.append(both)
        return said

    monkeypatch.setattr(secrets, "compare_digest", compare)
    codes = door.code, "", door.code[:3], "ação\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
    for said in (True, False):
        assert [door.admits(code, f"10.0.0.{k}") for k, code in enumerate(codes)] == [said] * len(codes)
    assert compared == [(code.encode(errors="replace"), codes[0].encode()) for code in codes] * 2


def test_each_lesson_has_a_code_of_its_own_and_a_changed_one_is_another(lesson, monkeypatch):
    monkeypatch.setenv("BANCADA_CLASS_PORT", "0")
    codes = []
    for _ in range(4):
        codes.append(opened.open_class([], "127.0.0.1").classroom.door.code)
        opened.close_class()
    assert len(set(codes)) > 1
    assert all(re.fullmatch(r"\d{4}", code) for code in codes)
    before = lesson.classroom.door.code
    lesson.classroom.change_code()
    assert lesson.classroom.door.code != before
    assert lesson.classroom.pupil(lesson.ana.token) is lesson.ana, "who has joined stays"


def test_names_are_cleaned_and_told_apart_and_the_class_has_an_end(lesson):
    join = lesson.classroom.join
    code = lesson.classroom.door.code
    assert join(code, "  Zoë\u202e\n<b>  ", "x").name == "Zoë <b>"
    assert join(code, "Ana", "x").name == "Ana 2"
    with pytest.raises(Refusal, match="no_name"):
        join(code, "\u200b \n", "x")


def test_a_class_behind_one_address_gets_in_and_cannot_keep_out_those_of_others(lesson):
    classroom, clock, code = lesson.classroom, lesson.clock, lesson.classroom.door.code
    there = [classroom.join(code, "pupil", "school") for _ in range(MOST_FROM)]
    assert len({one.name for one in there}) == MOST_FROM
    with pytest.raises(Refusal, match=f"full_here most={MOST_FROM}"):
        classroom.join(code, "one more", "school")
    for k in range(MOST_PUPILS - MOST_FROM - 2):
        classroom.join(code, "pupil", f"10.0.0.{k}")
    with pytest.raises(Refusal, match=f"full most={MOST_PUPILS}"):
        classroom.join(code, "one more", "10.0.0.200")
    classroom.connected(there[0], 1)
    classroom.hand_in(there[1], 1, 0, 1, SEVEN)
    clock.now += UNUSED
    for one in (lesson.ana, lesson.rui):
        classroom.connected(one, 1)
    assert classroom.join(code, "one more", "school")
    assert classroom.pupil(there[2].token) is None, "a seat that nobody uses"
    assert all(classroom.pupil(one.token) for one in (*there[:2], *there[3:]))


# --- rounds and drawings ----------------------------------------------------------------------------------------------


def test_a_round_takes_what_it_asks_once_from_each_and_late_only_within_the_grace(lesson):
    classroom, ana, clock = lesson.classroom, lesson.ana, lesson.clock
    classroom.begin([1, 7])
    assert classroom.hand_in(ana, 2, 0, 1, SEVEN)
    assert classroom.hand_in(ana, 2, 0, 1, SEVEN) is None, "sent again over a new connection"
    with pytest.raises(Refusal, match="over"):
        classroom.hand_in(ana, 2, 1, 3, SEVEN)
    with pytest.raises(Refusal, match="drawing_empty"):
        classroom.hand_in(ana, 2, 1, 7, np.zeros_like(SEVEN))
    assert classroom.hand_in(ana, 2, 1, 7, SEVEN), "what was refused does not count"
    with pytest.raises(Refusal, match="over"):
        classroom.hand_in(ana, 2, 2, 7, SEVEN)
    classroom.begin([3], 20)
    assert classroom.left() == 20
    clock.now += GRACE
    assert classroom.hand_in(lesson.rui, 2, 0, 1, SEVEN), "drawn in time"
    came = clock.now
    clock.now += 20.1
    with pytest.raises(Refusal, match="over"):
        classroom.hand_in(ana, 3, 0, 3, SEVEN)
    assert classroom.hand_in(ana, 3, 0, 3, SEVEN, came), "it has waited for its turn"
    assert [one.drawing.label for one in classroom.drawn()] == [1, 7, 1, 3]


def test_a_drawing_that_came_in_time_is_kept_with_its_round_however_many_have_begun_since(lesson):
    classroom, ana, clock = lesson.classroom, lesson.ana, lesson.clock
    classroom.begin([7])
    clock.now += 1
    came = clock.now
    for asked in range(3):
        classroom.begin([asked])
    drawn = classroom.hand_in(ana, 2, 0, 7, SEVEN)
    assert drawn
    assert drawn.in_class.round == 2
    assert classroom.hand_in(ana, 2, 0, 7, SEVEN) is None, "once"
    clock.now += GRACE + 0.1
    for number in (2, 6):
        with pytest.raises(Refusal, match="over"):
            classroom.hand_in(lesson.rui, number, 0, 7, SEVEN)
    assert classroom.hand_in(lesson.rui, 2, 0, 7, SEVEN, came), "it has waited for its turn"
    for _ in range(255):
        classroom.begin([7])
    late = classroom.hand_in(ana, classroom.round.number % 256, 0, 7, SEVEN)
    assert late
    assert late.in_class.round == classroom.round.number == 260, "of those with the same number, the newest"


def test_a_round_is_under_way_while_somebody_who_is_there_can_still_send(lesson):
    classroom, ana, clock = lesson.classroom, lesson.ana, lesson.clock
    assert classroom.under_way is None, "any digits, as many as one likes"
    classroom.begin([1, 7])
    assert classroom.under_way is None, "nobody is there"
    classroom.connected(ana, 1)
    assert classroom.under_way == UnderWay("round", 2)
    classroom.show(Chart("results"))
    assert classroom.under_way is None
    classroom.begin([1], 20)
    assert classroom.under_way == UnderWay("round", 3)
    clock.now += 20
    assert classroom.under_way is None, "its time is up"
    classroom.begin([1])
    assert classroom.hand_in(ana, 4, 0, 1, SEVEN)
    assert classroom.under_way is None, "all have sent all"


def test_a_pupil_hands_in_no_more_than_so_many_an_hour_and_others_still_can(lesson, monkeypatch):
    monkeypatch.setattr("core.classroom.classroom.MOST_AN_HOUR", 3)
    classroom, ana = lesson.classroom, lesson.ana
    for place in range(3):
        assert classroom.hand_in(ana, 1, place, 7, SEVEN)
    with pytest.raises(Refusal, match="too_many"):
        classroom.hand_in(ana, 1, 3, 7, SEVEN)
    assert classroom.hand_in(lesson.rui, 1, 0, 7, SEVEN)
    lesson.clock.now += HOUR
    assert classroom.hand_in(ana, 1, 3, 7, SEVEN)
    assert MOST_AN_HOUR == 300


def test_many_seats_fill_no_disk_and_who_has_drawn_little_goes_on(lesson, monkeypatch):
    monkeypatch.setattr("core.classroom.classroom.MOST_OF_CLASS", 6)
    monkeypatch.setattr("core.classroom.classroom.MOST_PUPILS", 3)
    classroom, ana, rui = lesson.classroom, lesson.ana, lesson.rui
    for place in range(6):
        assert classroom.hand_in(ana, 1, place, 7, SEVEN)
    with pytest.raises(Refusal, match="too_many_of_all most=6"):
        classroom.hand_in(ana, 1, 6, 7, SEVEN)
    for place in range(2):
        assert classroom.hand_in(rui, 1, place, 7, SEVEN)
    with pytest.raises(Refusal, match="too_many_of_all"):
        classroom.hand_in(rui, 1, 2, 7, SEVEN)
    lesson.clock.now += HOUR
    assert classroom.hand_in(ana, 1, 6, 7, SEVEN)


def test_a_drawing_sent_again_waits_for_what_becomes_of_the_first(lesson, monkeypatch):
    classroom, ana, reading, fail = lesson.classroom, lesson.ana, threading.Event(), threading.Event()

    def reads_once_too_late(pixels: np.ndarray, label: int) -> list[Reading]:
        if not reading.is_set():
            reading.set()
            fail.wait(30)
            raise RuntimeError
        return reads_one(pixels, label)

    monkeypatch.setattr(classroom, "_read", reads_once_too_late)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(classroom.hand_in, ana, 1, 0, 7, SEVEN)
        reading.wait(30)
        assert classroom.place(ana)[1] == 0, "not kept yet"
        again = threads.submit(classroom.hand_in, ana, 1, 0, 7, SEVEN)
        time.sleep(0.05)
        fail.set()
        assert isinstance(first.exception(), RuntimeError)
        assert again.result()
    assert len(collection.kept()) == 1


def test_of_any_digits_what_a_page_that_was_loaded_anew_sends_is_a_drawing_of_its_own(lesson):
    classroom, ana = lesson.classroom, lesson.ana
    assert classroom.hand_in(ana, 1, 0, 3, SEVEN)
    assert classroom.hand_in(ana, 1, 0, 3, SEVEN) is None, "sent again"
    assert classroom.hand_in(ana, 1, 0, 8, SEVEN), "the page knew nothing of the 3"
    assert [one.label for one in collection.kept()] == [3, 8]
    assert classroom.place(ana)[1] == 2


def test_a_drawing_that_a_model_failed_on_can_be_handed_in_again(lesson, monkeypatch):
    classroom, ana = lesson.classroom, lesson.ana

    def fails(pixels: np.ndarray, label: int) -> list[Reading]:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(classroom, "_read", fails)
        with pytest.raises(RuntimeError):
            classroom.hand_in(ana, 1, 0, 7, SEVEN)
    assert classroom.place(ana)[1] == 0
    assert classroom.hand_in(ana, 1, 0, 7, SEVEN)


def test_a_drawing_is_kept_with_its_round_and_the_answers(lesson):
    classroom = lesson.classroom
    classroom.begin([7])
    classroom.hand_in(lesson.ana, 2, 0, 7, SEVEN)
    (kept,) = collection.kept()
    assert (kept.label, kept.nickname) == (7, "Ana")
    assert kept.in_class == collection.InClass(classroom.lesson, 2, (Reading("one", 1, 0.25),), lesson.ana.number)
    assert results.lessons() == {classroom.lesson: [kept]}
    collection.keep(SEVEN, 7)
    assert len(results.lessons()[classroom.lesson]) == 1, "what was kept outside a lesson is none of it"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[",
        "[]",
        "null",
        '{"lesson": "../x", "round": 1, "answers": []}',
        '{"lesson": "20261129-130500-000000", "round": 1e999, "answers": []}',
        '{"lesson": "20261129-130500-000000", "round": 1, "answers": [{"run": "a", "predicted": 10, "of_label": 0}]}',
        '{"lesson": "20261129-130500-000000", "round": 1, "answers": [{"run": "a", "predicted": 1, "of_label": NaN}]}',
        '{"lesson": 7, "round": 1, "answers": []}',
    ],
)
def test_what_a_stranger_writes_about_a_lesson_is_not_believed(home, said):
    from PIL import Image, PngImagePlugin

    name = collection.keep(SEVEN, 7, "Ana")
    text = PngImagePlugin.PngInfo()
    text.add_itxt("class", said)
    Image.fromarray(SEVEN).save(home / collection.FOLDER / name, pnginfo=text)
    (kept,) = collection.kept()
    assert kept.in_class is None


def test_renaming_hiding_and_sending_out_reach_what_is_kept_and_shown(lesson):
    classroom = lesson.classroom
    for pupil in (lesson.ana, lesson.rui):
        classroom.hand_in(pupil, 1, 0, 7, SEVEN)
    classroom.rename(lesson.ana.number, "Bea")
    classroom.remove(lesson.rui.number)
    assert sorted(one.nickname for one in collection.kept()) == ["", "Bea"]
    assert classroom.names() == {lesson.ana.number: "Bea", lesson.rui.number: ""}
    assert classroom.pupil(lesson.rui.token) is None
    assert len(classroom.drawn()) == 2, "the drawings stay"
    classroom.hide_names(True)
    assert classroom.names() == {}


def test_no_name_stays_on_a_drawing_of_whoever_was_sent_out(lesson, monkeypatch):
    classroom, ana = lesson.classroom, lesson.ana
    drawn = [classroom.hand_in(ana, 1, place, 7, SEVEN) for place in range(3)]
    collection.delete([drawn[0].drawing.name])  # among *Our drawings*
    classroom.take_off(drawn[1].number)
    reading, go_on = threading.Event(), threading.Event()

    def reads_late(pixels: np.ndarray, label: int) -> list[Reading]:
        reading.set()
        go_on.wait(30)
        return []

    monkeypatch.setattr(classroom, "_read", reads_late)
    with ThreadPoolExecutor(2) as threads:
        late = threads.submit(classroom.hand_in, ana, 1, 3, 7, SEVEN)
        reading.wait(30)
        removed = threads.submit(classroom.remove, ana.number)
        wait_for(lambda: classroom.pupil(ana.token) is None)
        go_on.set()
        removed.result()
        assert late.result()
    classroom.put_back()
    assert [one.nickname for one in collection.kept()] == [""] * 3
    assert ana.number not in classroom.pupils
    with pytest.raises(Refusal, match="out"):
        classroom.hand_in(ana, 1, 4, 7, SEVEN)


def test_a_name_that_cannot_be_taken_off_is_said_and_can_be_tried_again(home):
    with contextlib.ExitStack() as stack:
        try:
            (home / collection.FOLDER).mkdir(parents=True)
            classroom = Classroom(reads_one, Clock())
            ana = classroom.join(classroom.door.code, "Ana", "x")
            classroom.hand_in(ana, 1, 0, 7, SEVEN)
            stack.enter_context(read_only(home / collection.FOLDER))
        except CannotMountError as error:
            pytest.skip(str(error))
        with pytest.raises(Refusal, match="store_write"):
            classroom.remove(ana.number)
        assert classroom.pupil(ana.token) is None, "out all the same"
        assert ana.number in classroom.pupils
        stack.close()
        classroom.remove(ana.number)
        assert ana.number not in classroom.pupils
        assert [one.nickname for one in collection.kept()] == [""]


def test_all_who_have_joined_from_one_address_are_sent_out_at_once_and_stay_out(frame, trained, monkeypatch):
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    classroom, door = now.classroom, now.classroom.door
    try:
        prankster = [classroom.join(door.code, "x", "10.0.0.9") for _ in range(3)]
        other = classroom.join(door.code, "Ana", "10.0.0.1")
        before = door.code
        app.run()
        app.selectbox(key="class-pupil").set_value(other.number).run()
        assert not [one for one in app.button if one.key == "class-together"], "nobody else is there"
        app.selectbox(key="class-pupil").set_value(prankster[1].number).run()
        assert app.button(key="class-together").disabled, "it needs two clicks"
        agree = "class-together-{}-agree"
        app.checkbox(key=agree.format("1-2-3")).check().run()
        assert not app.button(key="class-together").disabled
        prankster.append(classroom.join(door.code, "x", "10.0.0.9"))
        app.run()
        assert app.button(key="class-together").disabled, "nobody has agreed to one more"
        app.checkbox(key=agree.format("1-2-3-5")).check().run()
        app.button(key="class-together").click().run()
        assert not app.exception
        assert list(classroom.pupils) == [other.number]
        assert all(classroom.was_sent_out(one.token) for one in prankster)
        assert door.code != before
    finally:
        opened.close_class()


def test_a_pupil_is_called_as_no_other_is(lesson):
    lesson.classroom.rename(lesson.rui.number, "Ana")
    assert lesson.rui.name == "Ana 2"
    lesson.classroom.rename(lesson.rui.number, "Ana 2")
    assert lesson.rui.name == "Ana 2"


def test_the_page_counts_people_as_the_wall_does_whatever_their_names_are_by_now(lesson):
    classroom = lesson.classroom
    for place in range(5):
        classroom.hand_in(lesson.ana, 1, place, 1, SEVEN)
        classroom.hand_in(lesson.rui, 1, place, place, SEVEN)
    classroom.remove(lesson.ana.number)
    (kept,) = results.lessons().values()
    saved = results.page(classroom.lesson, kept, [Contestant("one", "one", "MNIST", None)], "en", titles=True)
    assert words.text("en", "class.saved.facts", count=10, people=2) in saved
    assert accuracy_text(classroom.results().accuracy["one"], "en") in saved
    assert len({one.writer for one in kept}) == 2, "also among *Our drawings*"


def test_figures_and_drawings_of_the_wall_belong_together_while_drawings_come_and_go(lesson):
    classroom, ana = lesson.classroom, lesson.ana

    def come_and_go() -> None:
        for place in range(150):
            drawn = classroom.hand_in(ana, 1, place, 7, SEVEN)
            if drawn and place % 3:
                classroom.take_off(drawn.number)

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(come_and_go)
        while not coming.done():
            drawn, found = classroom.shown()
            assert sum(matrix.sum() for matrix in found.matrix.values()) == len(drawn)
            assert found.hardest is None or found.hardest < len(drawn)
        coming.result()


def test_nobody_waits_at_the_door_while_names_are_written(lesson):
    classroom, ana = lesson.classroom, lesson.ana
    for place in range(120):
        classroom.hand_in(ana, 1, place, 7, SEVEN)
    waits = []
    with ThreadPoolExecutor(1) as thread:
        begun = time.monotonic()
        renaming = thread.submit(classroom.rename, ana.number, "Bea")
        while not renaming.done():
            asked = time.monotonic()
            with pytest.raises(Refusal, match="no_name"):
                classroom.join(classroom.door.code, "", "x")
            waits.append(time.monotonic() - asked)
        whole = time.monotonic() - begun
    print(f"{max(waits):.4f} of {whole:.4f} s")
    assert max(waits) < whole / 2


def test_what_is_taken_off_the_wall_is_not_kept_until_it_is_put_back(lesson):
    classroom = lesson.classroom
    first, second = (classroom.hand_in(pupil, 1, 0, 7, SEVEN) for pupil in (lesson.ana, lesson.rui))
    classroom.take_off(first.number)
    assert [one.number for one in classroom.drawn()] == [second.number]
    assert classroom.off() == [first.number]
    assert [one.nickname for one in collection.kept()] == ["Rui"]
    assert classroom.results().accuracy["one"].n == 1
    classroom.put_back()
    assert [one.number for one in classroom.drawn()] == [first.number, second.number]
    assert classroom.off() == []
    assert {one.nickname for one in collection.kept()} == {"Ana", "Rui"}
    assert all(one.in_class for one in collection.kept())


def test_a_frozen_wall_stays_as_it_is_while_drawings_are_kept(lesson):
    classroom = lesson.classroom
    classroom.hand_in(lesson.ana, 1, 0, 7, SEVEN)
    classroom.freeze(True)
    classroom.hand_in(lesson.rui, 1, 0, 1, SEVEN)
    assert len(classroom.drawn()) == classroom.results().accuracy["one"].n == 1
    assert len(collection.kept()) == 2
    assert len(classroom.kept()) == 2
    classroom.freeze(False)
    assert len(classroom.drawn()) == classroom.results().accuracy["one"].n == 2


def test_what_is_deleted_among_all_drawings_goes_from_the_wall_and_its_figures_and_nothing_else(lesson, home):
    classroom = lesson.classroom
    drawn = [classroom.hand_in(lesson.ana, 1, place, 7, SEVEN) for place in range(3)]
    classroom.forget_deleted()
    assert len(classroom.drawn()) == 3
    seen = classroom.version
    collection.delete([drawn[1].drawing.name])
    classroom.forget_deleted()
    assert classroom.version > seen
    assert classroom.drawn() == [drawn[0], drawn[2]]
    assert classroom.results().accuracy["one"].n == 2
    shutil.rmtree(home / collection.FOLDER)
    (home / collection.FOLDER).touch()
    classroom.forget_deleted()
    assert len(classroom.drawn()) == 2, "a folder that cannot be read has not been emptied"
    (home / collection.FOLDER).unlink()
    away = home.rename(home.with_name("away"))
    classroom.forget_deleted()
    assert len(classroom.drawn()) == 2, "a disk that is away has lost nothing"
    away.rename(home)
    classroom.forget_deleted()
    assert classroom.drawn() == []


def test_the_figures_are_those_of_other_people_and_the_hardest_is_the_least_likely_of_those_misread(lesson):
    classroom = lesson.classroom
    for place, label in enumerate((1, 1, 7)):
        classroom.hand_in(lesson.ana, 1, place, label, SEVEN)
    found = classroom.results()
    assert found.accuracy["one"] == proportion(2, 3)
    classroom.hand_in(lesson.rui, 1, 0, 1, SEVEN)
    found = classroom.results()
    assert found.accuracy["one"] == by_writer(np.array([True, True, False, True]), [1, 1, 1, 2])
    assert found.matrix["one"][1, 1] == 3
    assert found.matrix["one"][7, 1] == 1
    assert found.matrix["one"].sum() == 4
    assert found.hardest == 2
    assert results.confused(found.matrix["one"]) == (7, 1)
    assert results.confused(np.diag(np.arange(10))) == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lesson_is_saved_as_one_page_without_nicknames(lesson, language):
    classroom = lesson.classroom
    classroom.rename(lesson.ana.number, "<b>Ana</b>")
    classroom.hand_in(lesson.ana, 1, 0, 7, SEVEN)
    classroom.begin([1])
    classroom.hand_in(lesson.rui, 2, 0, 1, SEVEN)
    models = [Contestant("one", "<i>model", "MNIST", proportion(990, 1000))]
    saved = results.page(classroom.lesson, results.lessons()[classroom.lesson], models, language, titles=True)
    assert "Ana" not in saved
    assert "Rui" not in saved
    assert "<i>" not in saved
    assert not re.search(r"<script|(?:src|href)=(?!\"data:)", saved)
    of, test = classroom.results().accuracy["one"], models[0].test
    assert accuracy_text(of, language) in saved
    assert test
    assert accuracy_text(test, language, 2) in saved
    assert saved.count("<img") == 3, "two drawings, and the hardest again"
    for number in (1, 2):
        assert words.text(language, "class.saved.round", number=number) in saved


# --- the pupils' server -----------------------------------------------------------------------------------------------


@pytest.fixture
def room(home, monkeypatch) -> Iterator[opened.Opened]:
    """An open class with a model that comes with the app."""
    shutil.copytree(MODEL.folder, home / MODEL.name)
    monkeypatch.setenv("BANCADA_CLASS_PORT", "0")
    now = opened.open_class([Contestant(MODEL.name, "MLP", "MNIST", accuracy_on_test(MODEL.name))], "127.0.0.1")
    yield now
    opened.close_class()


def ask(host: str, method: str = "GET", path: str = "/", body: bytes | None = None, **headers: str):
    """An HTTP answer: status, headers, content. `Host` and `Origin` are the page's unless given; "" leaves one out."""
    address, port = host.split(":")
    connection = http.client.HTTPConnection(address, int(port), timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": host, "Origin": f"http://{host}", **headers}.items():
        if value:
            connection.putheader(name.replace("_", "-"), value)
    if body is not None and "Transfer_Encoding" not in headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer, content = connection.getresponse(), b""
    with contextlib.suppress(ConnectionResetError):  # a refusal may close the connection before it has read the body
        content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def join(room: opened.Opened, name: str = "Ana", code: str | None = None, **headers: str):
    body = json.dumps({"code": code or room.classroom.door.code, "name": name}).encode()
    return ask(room.host, "POST", "/join", body, **headers)


def cookie(room: opened.Opened, name: str = "Ana") -> str:
    return join(room, name)[1]["set-cookie"].partition(";")[0]


def client(
    room: opened.Opened, path: str = "/class", said: str = "", host: str = "", origin: str = ""
) -> ClientConnection:
    tcp = socket.create_connection(room.host.split(":"))
    headers = {"Cookie": said} if said else {}
    url, page = f"ws://{host or room.host}{path}", origin or f"http://{room.host}"
    return connect(url, sock=tcp, origin=page, additional_headers=headers, proxy=None, close_timeout=0.5)


def hear(socket: ClientConnection) -> dict:
    return json.loads(socket.recv(timeout=30))


def wait_until_arrived(pupils: Sequence[ClientConnection]) -> None:
    """Wait until the server has all that was sent."""
    for _ in range(2):
        for pupil in pupils:
            pupil.ping().wait(30)


def closed_with(socket: ClientConnection) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            socket.recv(timeout=30)
    return socket.close_code


def room_state(room: opened.Opened) -> dict:
    """The round of now, for somebody who has handed in nothing."""
    return {"round": room.classroom.round.number, "place": 0}


def handed_in(state: dict, label: int, pixels: np.ndarray = SEVEN) -> bytes:
    return bytes([state["round"], state["place"], label]) + pixels.tobytes()


def test_a_pupil_joins_draws_and_is_answered_and_the_wall_shows_it(room):
    said = cookie(room)
    with client(room, "/answers?lang=pt-BR", said) as live:
        live.send(SEVEN.tobytes())
        assert hear(live)["rows"][0]["best"] == 7
    with client(room, "/class?lang=pt-BR", said) as pupil:
        state = hear(pupil)
        assert (state["free"], state["ask"], state["name"]) == (True, None, "Ana")
        room.classroom.begin([7], 30)
        while not (state := hear(pupil))["ask"]:
            pass
        assert state["sentence"] == words.text("pt_BR", "class.ask_one", digit=7)
        assert 29 < state["left"] <= 30
        pupil.send(handed_in(state, 7))
        while (state := hear(pupil))["said"] is None:
            pass
    assert state["said"] == words.text("pt_BR", "class.sent", digit=7, right=1, count=1, first=7)
    assert (state["place"], state["ask"]) == (1, None)
    (kept,) = collection.kept()
    assert kept.in_class
    assert kept.in_class.answers[0].run == MODEL.name
    wall = live_wall.wall(room, "en")
    (entry,) = wall["on"]
    assert (entry["name"], entry["label"], entry["read"], entry["right"]) == ("Ana", 7, 7, True)
    assert entry["picture"].startswith("data:image/png;base64,")
    assert "picture" not in live_wall.wall(room, "en", frozenset({entry["number"]}))["on"][0], "sent once"
    report = MODEL.report()
    assert report
    assert words.percent(report.accuracy, 1, language="en") in wall["models"][0]["test_text"]
    assert wall["matrix"][7][7] == 1


def test_maps_are_shown_of_convolutions_of_finished_runs_and_of_nothing_else(home, room):
    lenet, cnn = (next(run for run in SHIPPED if name in run.name) for name in ("lenet", "cnn-four-4072"))
    for run in (lenet, cnn):
        shutil.copytree(run.folder, home / run.name)

    def told(*runs: store.Run, **changes: object) -> list[tuple[str, list[tuple[int, str]]]]:
        models = [Contestant(run.name, run.name[-4:], "MNIST", None) for run in runs]
        readers = [replace(server.model(store.find(run.name)), **changes) for run in runs]
        now = replace(room, models=models, pupils=SimpleNamespace(readers=readers))
        return [
            (one["model"], [(layer["number"], layer["said"]) for layer in one["layers"]])
            for one in feature_maps.inside(now, "en")
        ]

    first = (1, "Layer 1: 6 feature maps")
    assert told(MODEL) == []
    assert told(lenet) == [("", [first, (3, "Layer 3: 16 feature maps")])]
    assert told(MODEL, lenet) == [("59ce", [first, (3, "Layer 3: 16 feature maps")])]
    assert told(lenet, cnn) == [("59ce", [first]), ("4072", [(1, "Layer 1: 16 feature maps")])]
    assert told(lenet, done=False) == [], "its weights of now are others than those that have read"
    readers = [server.model(store.find(lenet.name))]
    shutil.rmtree(home / lenet.name)
    models = [Contestant(lenet.name, "LeNet", "MNIST", None)]
    gone = replace(room, models=models, pupils=SimpleNamespace(readers=readers))
    assert feature_maps.inside(gone, "en") == []
    asked = live_answer.answered(SEVEN.tobytes(), [lenet.name], [], "en", 1)
    assert "layers" not in asked, "the wall shows none of a run that is deleted after the page has asked"


def test_the_page_is_light_in_the_browsers_language_and_without_what_is_not_its_own(room):
    size = len(page("pt_BR", room.models, joined=False).encode()) + len(script().encode()) + len(style().encode())
    print(f"{size:,} bytes")
    assert size < 60_000
    for tag, language in (("pt-PT,pt;q=0.9", "pt_BR"), ("fr,en;q=0.5", "en"), ("xx", "en")):
        _, _, content = ask(room.host, Accept_Language=tag)
        assert words.text(language, "class.pupil.title") in content.decode()
    _, _, content = ask(room.host)
    found = re.findall(r'(?:src|href)="([^"]*)"', content.decode())
    assert {one for one in found if not one.startswith("data:")} == {"/pupil.css", "/pupil.js"}
    assert not re.search(r"https?://", script() + style())


def test_a_session_is_a_random_token_of_128_bits_that_no_script_can_read(room):
    found = [join(room, name)[1]["set-cookie"] for name in ("Ana", "Rui")]
    for one in found:
        assert re.match(rf"{COOKIE}=[0-9a-f]{{32}};", one)
        assert "httponly" in one.lower()
        assert "samesite=strict" in one.lower()
    assert found[0] != found[1]
    with client(room, said=f"{COOKIE}={'0' * 32}") as other:
        assert closed_with(other) == UNKNOWN


def test_a_wrong_code_is_told_and_five_cost_a_wait(room):
    wrong = f"{(int(room.classroom.door.code) + 1) % 10_000:04d}"
    for _ in range(5):
        status, headers, content = join(room, code=wrong, Accept_Language="pt-BR")
        assert (status, "set-cookie" in headers) == (403, False)
        assert json.loads(content)["sentence"] == words.text("pt_BR", "class.wrong_code")
    status, headers, content = join(room)
    assert (status, "set-cookie" in headers) == (403, False)
    assert "wrong codes" in json.loads(content)["sentence"]


def test_who_has_a_seat_waits_for_nobody_who_guesses_at_the_same_address(room):
    said = cookie(room)
    for _ in range(5):
        assert join(room, "Rui", "0")[0] == 403
    assert "Too many" in json.loads(join(room, "Rui")[2])["sentence"]
    assert join(room, "Ana", Cookie=said)[0] == 200
    with client(room, said=said) as pupil:
        assert hear(pupil)["name"] == "Ana"


def test_a_code_that_has_become_longer_is_spoken_of_where_the_code_stands(room):
    assert live_wall.wall(room, "en")["longer"] == ""
    for k in range(50):
        room.classroom.door.admits("wrong", f"10.0.0.{k}")
    wall = live_wall.wall(room, "pt_BR")
    assert (len(wall["code"]), wall["longer"]) == (6, words.text("pt_BR", "class.longer"))


def test_a_phone_that_closed_its_browser_has_its_seat_still(room):
    assert f"Max-Age={KEPT_FOR}" in join(room)[1]["set-cookie"]


def test_who_has_a_seat_takes_no_second_one(room):
    said = cookie(room)
    status, headers, content = join(room, "Rui", Cookie=said)
    assert (status, "set-cookie" in headers) == (200, False)
    assert json.loads(content) == {"name": "Ana"}
    assert len(room.classroom.pupils) == 1


def test_a_code_that_is_half_a_letter_is_a_wrong_one(room):
    assert ask(room.host, "POST", "/join", rb'{"code": "\ud800", "name": "Ana"}')[0] == 403


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1", "localhost", "127.0.0.1:1"])
def test_another_host_is_refused(room, host):
    said = cookie(room)
    assert ask(room.host, Host=host)[0] in (400, 421)
    assert join(room, Host=host)[0] in (400, 421)
    assert ask(room.host, "POST", "/race", b"{}", Cookie=said, Host=host)[0] in (400, 421)
    if host:
        for path in ("/class", "/answers"):
            with pytest.raises(InvalidStatus) as refusal, client(room, path, said, host=host):
                pass
            assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["", "null", "http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_a_page_of_another_server_is_refused(room, origin):
    assert join(room, Origin=origin)[0] == 403
    assert not room.classroom.pupils
    said = cookie(room)
    assert ask(room.host, "POST", "/race", b"{}", Cookie=said, Origin=origin)[0] == 403
    if origin:
        for path in ("/class", "/answers"):
            with pytest.raises(InvalidStatus) as refusal, client(room, path, said, origin=origin):
                pass
            assert refusal.value.response.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"9" * MOST_BODY, b"[" * MOST_BODY, b"\xff", b" " * (MOST_BODY + 1)),
        *(b'{"code": 1234, "name": "Ana"}', b'{"code": "1234"}', b'{"code": "1234", "name": "Ana", "more": ""}'),
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_whatever_is_no_code_and_name_is_refused(room, body):
    assert ask(room.host, "POST", "/join", body)[0] == 400
    assert not room.classroom.pupils


def test_a_message_has_one_exact_size(room):
    drawing = SEVEN.tobytes()
    wrong = [
        b"",
        drawing[:-1],
        drawing + b"0" * (HEAD - 1),
        b"\x01\x00\x0a" + drawing,
        "text",
        "0" * (HEAD + SHEET * SHEET),
    ]
    said = cookie(room)
    for message in [*wrong, drawing, bytes(1_000_000)]:
        with client(room, said=said) as pupil:
            hear(pupil)
            pupil.send(message)
            assert closed_with(pupil) in (1008, 1009)
    for message in [*wrong, b"\x01\x00\x07" + drawing, bytes(1_000_000)]:
        with client(room, "/answers", said) as live:
            live.send(message)
            assert closed_with(live) in (1008, 1009)
    assert collection.kept() == []


def test_no_route_of_the_app_and_no_file_of_the_machine_is_reached(room):
    routes = [*create_streamlit_routes(MagicMock()), *app.app._user_routes]
    paths = {re.sub(r"{[^}]*}", "x", getattr(route, "path", "")) or "/index.html" for route in routes}
    assert {"/_stcore/health", "/_stcore/stream", "/wall", "/live"} <= paths
    paths |= {"/app.py", "/pupil.html", "/../app.py", "/%2e%2e/app.py", "//etc/passwd", "/..%2f..%2fetc/passwd"}
    paths |= {"/file:///etc/passwd", "/class", "/answers", "/join", "/static/index.html", "/_stcore/host-config"}
    said = cookie(room)
    for path in paths:
        status, _, content = ask(room.host, path=path, Cookie=said)
        assert status in (404, 405), path
        assert len(content) < 100, path
        if path not in ("/class", "/answers"):
            with pytest.raises(InvalidStatus) as refusal, client(room, path, said):
                pass
            assert refusal.value.response.status_code in (403, 404), path


def test_every_answer_has_the_headers_of_the_app_and_a_stricter_policy(room):
    from ui.headers import HEADERS

    answers = [ask(room.host, path=path) for path in ("/", "/pupil.js", "/pupil.css", "/nothing")]
    for _, headers, _ in [*answers, ask(room.host, Host="evil.example"), join(room, code="x"), join(room)]:
        for name, value in HEADERS.items():
            if name != "Content-Security-Policy":
                assert headers[name] == value
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert f"ws://{room.host};" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_who_is_sent_out_is_out_and_a_newer_connection_ends_the_older(room):
    said = cookie(room)
    with client(room, said=said) as first:
        hear(first)
        with client(room, said=said) as second:
            hear(second)
            assert closed_with(first) == 4002
            room.classroom.remove(1)
            assert closed_with(second) == OUTSIDE
    with client(room, "/answers", said) as live:
        assert closed_with(live) == OUTSIDE


def seconds_of_answers(live, count):
    """How long it takes until so many drawings, sent at once, are answered."""
    begun = time.monotonic()
    for _ in range(count):
        live.send(SEVEN.tobytes())
    for _ in range(count):
        hear(live)
    return time.monotonic() - begun


def test_who_floods_is_answered_no_faster(room):
    with client(room, "/answers", cookie(room)) as live:
        live.send(SEVEN.tobytes())
        hear(live)  # the model is open
        assert seconds_of_answers(live, MOST_ANSWERS) > (MOST_ANSWERS - 1) / MOST_ANSWERS


def test_where_drawings_of_others_wait_each_is_answered_less_often(room, monkeypatch):
    monkeypatch.setattr(live_answer, "answered_by", lambda *_: {})  # at once, so that nothing but the limit takes time
    room.pupils._asked = THREADS  # others'
    with client(room, "/answers", cookie(room)) as live:
        assert seconds_of_answers(live, MOST_WHERE_BUSY) > (MOST_WHERE_BUSY - 1) / MOST_WHERE_BUSY


@pytest.mark.slow  # a bound in seconds for a dozen clients
def test_closing_ends_every_connection_within_a_second(room):
    said = [cookie(room, f"pupil {k}") for k in range(12)]
    address, port = room.host.split(":")
    with contextlib.ExitStack() as stack:
        pupils = [stack.enter_context(client(room, said=one)) for one in said]
        live = stack.enter_context(client(room, "/answers", said[0]))
        idle = stack.enter_context(socket.create_connection((address, int(port))))
        half = stack.enter_context(socket.create_connection((address, int(port))))
        half.sendall(b"POST /join HTTP/1.1\r\nHost: " + room.host.encode() + b"\r\nContent-Length: 9\r\n\r\n{")
        states = [hear(pupil) for pupil in pupils]
        for pupil, state in zip(pupils[:6], states[:6], strict=True):
            pupil.send(handed_in(state, 7))
        begun = time.monotonic()  # while the drawings are handed in
        opened.close_class()
        codes = [closed_with(pupil) for pupil in pupils]
        closed_with(live)
        for one in (idle, half):
            one.settimeout(1)
            with contextlib.suppress(ConnectionError):
                while one.recv(4096):
                    pass
        assert time.monotonic() - begun < 1
    assert codes[6:] == [ENDED] * 6
    assert set(codes) <= {ENDED, 1006}, "a disk that is slow lets nobody stay"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, int(port)), timeout=1)
    assert opened.current() is None


def test_the_class_ends_with_the_app(room, monkeypatch):
    with ThreadPoolExecutor(1) as executor, client(room, said=cookie(room)) as pupil:
        monkeypatch.setattr(server, "workers", lambda: Workers(executor))
        hear(pupil)

        async def lives() -> None:
            async with app.lifespan(app.app):
                assert opened.current() is room

        executor.submit(asyncio.run, lives()).result()
        assert closed_with(pupil) == ENDED
    assert opened.current() is None


def test_what_has_arrived_before_the_end_is_kept_and_told(room, monkeypatch):
    reading, go_on = threading.Event(), threading.Event()

    def reads_late(pixels: np.ndarray, label: int) -> list[Reading]:
        reading.set()
        go_on.wait(30)
        return reads_one(pixels, label)

    monkeypatch.setattr(room.classroom, "_read", reads_late)
    monkeypatch.setattr(opened, "FAREWELL", 30)
    with client(room, said=cookie(room)) as pupil, ThreadPoolExecutor(1) as thread:
        pupil.send(handed_in(hear(pupil), 7))
        reading.wait(30)
        closing = thread.submit(opened.close_class)
        wait_for(room.classroom.closed.is_set)
        go_on.set()
        while (state := hear(pupil))["said"] is None:
            pass
        assert state["place"] == 1
        assert closed_with(pupil) == ENDED
        closing.result()
    assert len(collection.kept()) == 1


@contextlib.contextmanager
def reading_late(room: opened.Opened, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The models answer no drawing until the event is set, at the latest at the end."""
    go_on = threading.Event()

    def reads_late(pixels: np.ndarray, label: int) -> list[Reading]:
        go_on.wait(30)
        return reads_one(pixels, label)

    monkeypatch.setattr(room.classroom, "_read", reads_late)
    try:
        yield go_on
    finally:
        go_on.set()


def test_all_forty_drawings_that_have_arrived_are_kept_also_those_still_waiting_when_the_connections_end(
    room, monkeypatch
):
    with contextlib.ExitStack() as stack:
        go_on = stack.enter_context(reading_late(room, monkeypatch))
        pupils = [stack.enter_context(client(room, said=cookie(room, f"pupil {k}"))) for k in range(40)]
        for pupil in pupils:
            pupil.send(handed_in(hear(pupil), 7))
        opened.close_class()
        assert [closed_with(pupil) for pupil in pupils] == [1006] * 40, "none is told, and none waits"
        go_on.set()
        wait_for(lambda: len(collection.kept()) == 40)
        room.thread.join(30)
        assert not room.thread.is_alive()


def test_what_waits_to_be_written_is_kept_also_if_three_rounds_begin_or_the_page_is_loaded_anew(room, monkeypatch):
    monkeypatch.setattr(room.classroom, "clock", clock := Clock())
    room.classroom.begin([7])
    with contextlib.ExitStack() as stack:
        go_on = stack.enter_context(reading_late(room, monkeypatch))
        said = [cookie(room, f"pupil {k}") for k in range(6)]
        pupils = [stack.enter_context(client(room, said=one)) for one in said]
        for pupil in pupils:
            pupil.send(handed_in(hear(pupil), 7))
        wait_until_arrived(pupils)
        again = stack.enter_context(client(room, said=said[-1]))  # which has forgotten that it has sent something
        assert hear(again)["place"] == 0
        for asked in range(3):
            clock.now += GRACE + 1
            room.classroom.begin([asked])
        go_on.set()
        for pupil in pupils[:-1]:
            while not (state := hear(pupil))["said"]:
                pass
            assert state["said"] == words.text("en", "class.sent", digit=7, right=0, count=1, first=1)
        wait_for(lambda: len(collection.kept()) == 6)
    assert {one.in_class and one.in_class.round for one in collection.kept()} == {2}


def test_a_phone_of_a_class_that_was_opened_before_is_not_told_that_it_was_sent_out(room):
    said = cookie(room)
    opened.close_class()
    again = opened.open_class(room.models, "127.0.0.1")
    for path in ("/class", "/answers"):
        with client(again, path, said) as old:
            assert closed_with(old) == UNKNOWN


def idle(room: opened.Opened, count: int, stack: contextlib.ExitStack) -> list[socket.socket]:
    """So many connections that say nothing, and then some that never end their request."""
    found = []
    for k in range(count):
        found.append(stack.enter_context(socket.create_connection(room.host.split(":"), timeout=30)))
        if k % 2:
            found[-1].sendall(b"GET / HTTP/1.1\r\nHost: ")
    return found


def test_a_phone_joins_and_draws_beside_hundreds_of_idle_connections(room):
    with contextlib.ExitStack() as stack:
        said = cookie(room, "Rui")
        with client(room, said=said) as before:  # nobody who is in is sent out for them
            hear(before)
            descriptors = psutil.Process().num_fds() if os.name == "posix" else 0
            idle(room, 450, stack)
            wait_for(lambda: len(room.server.server_state.connections) <= MOST_STRANGERS + 2)
            begun = time.monotonic()
            assert ask(room.host)[0] == 200
            with client(room, said=cookie(room)) as pupil:
                pupil.send(handed_in(hear(pupil), 7))
                while hear(pupil)["said"] is None:
                    pass
            print(f"{time.monotonic() - begun:.2f} s")
            assert time.monotonic() - begun < 2
            before.send(handed_in(room_state(room), 1))
            while hear(before)["said"] is None:
                pass
            if os.name == "posix":  # our ends are in this process too
                assert psutil.Process().num_fds() - descriptors < 450 + MOST_STRANGERS + 20
    assert len(collection.kept()) == 2


def test_who_does_not_say_in_time_what_it_wants_is_left(room, monkeypatch):
    monkeypatch.setattr("ui.classroom.strangers.PATIENCE", 0.5)
    with contextlib.ExitStack() as stack:
        those = idle(room, 2, stack)
        stack.enter_context(client(room))  # a WebSocket of nobody's
        with client(room, said=cookie(room)) as pupil:
            hear(pupil)
            begun = time.monotonic()
            with contextlib.suppress(ConnectionError):
                while time.monotonic() - begun < 10:  # never silent, and never done
                    those[1].sendall(b"x")
                    time.sleep(0.05)
            assert 0.3 < time.monotonic() - begun < 5
            with contextlib.suppress(ConnectionError):
                assert those[0].recv(1) == b""
            wait_for(lambda: len(room.server.server_state.connections) == 1)
            pupil.send(handed_in(room_state(room), 7))
            assert hear(pupil)["said"]
        wait_for(lambda: not room.server.server_state.connections)


def test_who_hands_in_blank_sheets_is_answered_no_faster(room):
    with client(room, said=cookie(room)) as pupil:
        state = hear(pupil)
        begun = time.monotonic()
        for _ in range(MOST_TAKEN):
            pupil.send(handed_in(state, 7, np.zeros_like(SEVEN)))
        for _ in range(MOST_TAKEN):
            while (state := hear(pupil))["said"] is None:
                pass
            assert state["said"] == words.text("en", "error.drawing_empty")
        assert time.monotonic() - begun > (MOST_TAKEN - 1) / MOST_TAKEN


def test_a_lesson_goes_on_with_its_models_when_their_runs_are_deleted(room, home):
    shutil.rmtree(home / MODEL.name)
    with client(room, "/answers", said := cookie(room)) as live:
        live.send(SEVEN.tobytes())
        assert hear(live)["rows"][0]["best"] == 7
    with client(room, said=said) as pupil:
        pupil.send(handed_in(hear(pupil), 7))
        assert hear(pupil)["said"] == words.text("en", "class.sent", digit=7, right=1, count=1, first=7)
    assert live_wall.wall(room, "en")["on"][0]["read"] == 7
    opened.close_class()
    with pytest.raises(Refusal, match="run_unknown"):
        opened.open_class(room.models, "127.0.0.1")
    assert opened.current() is None


def test_where_a_model_fails_the_others_go_on_the_drawing_is_kept_and_the_wall_says_so(room, monkeypatch):
    import torch

    good = room.pupils.readers[0]
    bad = replace(good, run="bad", module=torch.nn.Linear(1, 1))
    read = functools.partial(opened._read, [bad, good], room.failed)
    assert [one.run for one in read(SEVEN, 7)] == [MODEL.name]
    monkeypatch.setattr(room, "models", [Contestant("bad", "A bad one", "MNIST", None), *room.models])
    monkeypatch.setattr(room.classroom, "_read", functools.partial(opened._read, [bad], room.failed))
    with client(room, said=cookie(room)) as pupil:
        pupil.send(handed_in(hear(pupil), 7))
        assert hear(pupil)["said"] == words.text("en", "class.sent_unread", digit=7)
    wall = live_wall.wall(room, "en")
    assert wall["failed"] == words.text("en", "class.failed", models="A bad one")
    assert (wall["on"][0]["read"], wall["on"][0]["right"]) == ("?", None)
    (kept,) = collection.kept()
    assert results.page(room.classroom.lesson, [kept], room.models, "en", titles=True)


def test_clear_cache_forgets_no_open_class(room):
    st.cache_resource.clear()
    assert opened.current() is room
    assert join(room)[0] == 200
    opened.close_class()
    assert opened.current() is None


def test_the_walls_of_two_lessons_have_two_addresses(room):
    before = live_wall.wall_address(room.classroom.lesson, "en")
    opened.close_class()
    again = opened.open_class(room.models, "127.0.0.1")
    assert live_wall.wall_address(again.classroom.lesson, "en") != before


CLASS = """
import sys, time
from core.classroom.results import Contestant
from ui.classroom import opened
now = opened.open_class([Contestant(sys.argv[1], "MLP", "MNIST", None)], "127.0.0.1")
now.classroom.begin(range(10))
print(now.host, now.classroom.door.code, flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def opened_aside(code: str, *arguments: str) -> Iterator[tuple[subprocess.Popen, Any]]:
    """A process that opens a class and prints its address and code, and what `client` and `cookie` ask of a room."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    environment = {**os.environ, "BANCADA_CLASS_PORT": "0"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout
        host, digits = server.stdout.readline().split()
        yield server, SimpleNamespace(host=host, classroom=SimpleNamespace(door=SimpleNamespace(code=digits)))


@pytest.mark.slow
def test_a_server_that_is_killed_in_a_round_has_lost_nothing_that_it_said_it_had(home, monkeypatch):
    shutil.copytree(MODEL.folder, home / MODEL.name)
    with opened_aside(CLASS, MODEL.name) as (server, room), client(room, said=cookie(room)) as pupil:
        state = hear(pupil)
        for label in range(4):
            pupil.send(handed_in(state, label))
            while (state := hear(pupil))["place"] != label + 1:
                pass
        pupil.send(handed_in(state, 4))  # on its way
        server.send_signal(signal.SIGKILL)
    kept = collection.kept()
    assert [one.label for one in kept][:4] == [0, 1, 2, 3]
    (found,) = results.lessons().values()
    assert found == kept
    assert all(one.in_class and one.in_class.round == 2 and one.in_class.answers for one in kept)


# --- the teacher's page -----------------------------------------------------------------------------------------------


def opened_by_teacher(frame, monkeypatch, language: str) -> tuple[AppTest, opened.Opened]:
    """The page *Classroom* after the click that opens a class, and the class, which the caller has to close."""
    monkeypatch.setenv("BANCADA_CLASS_PORT", "0")
    app = frame("classroom", language)
    app.selectbox(key="class-address").set_value("127.0.0.1").run()
    app.button(key="class-open").click().run()
    now = opened.current()
    assert now
    return app, now


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_teacher_opens_asks_freezes_saves_and_closes(frame, trained, monkeypatch, language):
    app, now = opened_by_teacher(frame, monkeypatch, language)
    try:
        assert [one.run for one in now.models] == [trained.name]
        wall = component(app, "bancada.wall")
        assert wall["address"] == f"http://{now.host}/"
        assert wall["joining"]
        assert "<svg" in wall["qr"]
        assert str(now.host.rpartition(":")[2]) in app.caption[0].value
        assert words.text(language, "lessons.plan.title") in app.expander[-1].label, "also while the class is open"
        app.selectbox(key="class-ask").set_value("7").run()
        app.selectbox(key="class-seconds").set_value(20).run()
        app.button(key="class-next").click().run()
        assert now.classroom.round.asked == (7,)
        assert 15 < (now.classroom.left() or 0) <= 20
        assert not component(app, "bancada.wall")["joining"]
        for kind, asked in (("each", 10), ("free", 0), ("another", 1), ("confused", 4)):
            app.selectbox(key="class-ask").set_value(kind).run()
            app.button(key="class-next").click().run()
            assert len(set(now.classroom.round.asked)) == len(now.classroom.round.asked) == asked
        app.button(key="class-freeze").click().run()
        assert now.classroom.frozen
        app.button(key="class-freeze").click().run()
        assert not now.classroom.frozen
        ana = now.classroom.join(now.classroom.door.code, "Ana", "x")
        drawn = now.classroom.hand_in(ana, now.classroom.round.number, 0, now.classroom.round.asked[0], SEVEN)
        assert drawn
        app.run()
        now.classroom.take_off(drawn.number)
        app.run()
        app.button(key="class-back").click().run()
        assert len(now.classroom.drawn()) == 1
        app.selectbox(key="class-pupil").set_value(ana.number).run()
        app.text_input(key=f"class-name-{ana.number}").set_value("Bea").run()
        app.button(key="class-rename").click().run()
        assert collection.kept()[0].nickname == "Bea"
        app.button(key="class-close").click().run()
        assert not app.exception
        assert opened.current() is None
        assert app.selectbox(key="class-lesson").value == now.classroom.lesson
    finally:
        opened.close_class()


def test_a_tab_shows_what_was_begun_last_in_any_tab_unless_it_is_told_to_stay(frame, trained, monkeypatch):
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    classroom = now.classroom

    def view() -> str:
        app.run()
        assert not app.exception
        return views(app).value

    try:
        assert view() == "join"
        row = views(app).key
        classroom.begin([7])
        assert view() == "wall"
        assert views(app).key != row, "a browser that has not heard of it may still send what it showed before"
        views(app).set_value("join").run()
        assert view() == "join", "until something else begins"
        classroom.show(Chart("board"))
        assert view() == "race"
        app.toggle(key="class-stay").set_value(True).run()
        classroom.begin([1])
        assert view() == "race"
        app.button(key="class-look-show").click().run()
        assert view() == "wall", "what is begun in this tab"
        classroom.show(Chart("board"))
        assert view() == "wall"
        app.toggle(key="class-stay").set_value(False).run()
        assert view() == "race", "what is on now"
        opened.close_class()
        other = opened.open_class(now.models, "127.0.0.1").classroom
        assert view() == "join"
        other.show(Chart("board"))
        assert view() == "race"
        app.toggle(key="class-stay").set_value(True).run()
        opened.close_class()
        other = opened.open_class(now.models, "127.0.0.1").classroom
        assert view() == "join", "the code of the next lesson, whatever was on in the one before"
        other.begin([7])
        assert view() == "join", "where it is told to stay"
    finally:
        opened.close_class()


def test_the_next_round_is_what_any_tab_has_set(frame, trained, monkeypatch):
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    try:
        projected = frame("classroom", "en")
        app.selectbox(key="class-ask").set_value("7").run()
        app.selectbox(key="class-seconds").set_value(20).run()
        projected.run()
        assert (projected.selectbox(key="class-ask").value, projected.selectbox(key="class-seconds").value) == ("7", 20)
        panel._go_on()  # the space bar, in a tab that has heard of nothing
        assert now.classroom.round.asked == (7,)
        assert 15 < (now.classroom.left() or 0) <= 20
        now.classroom.to_ask = "free", 20  # set in another tab, of which this one has not heard
        app.selectbox(key="class-seconds").set_value(60).run()
        assert now.classroom.to_ask == ("free", 60)
    finally:
        opened.close_class()


def test_a_page_closes_no_other_class_than_the_one_that_it_shows(frame, trained, monkeypatch):
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    try:
        opened.close_class()  # and opened anew, in another tab
        another = opened.open_class(now.models, "127.0.0.1")
        app.button(key="class-close").click().run()
        assert opened.current() is another
        app.button(key="class-close").click().run()
        assert opened.current() is None
    finally:
        opened.close_class()


def test_a_tab_follows_what_is_begun_in_another_one_while_it_is_drawn(frame, trained, monkeypatch):
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    handles = server.handles

    def meanwhile() -> Any:
        if not now.classroom.showing:
            now.classroom.show(Chart("board"))
        return handles()

    try:
        monkeypatch.setattr(server, "handles", meanwhile)  # read after the view was chosen
        app.run()
        assert not app.exception
        assert views(app).value == "race"
    finally:
        opened.close_class()


def test_a_running_round_is_ended_by_no_single_click_and_by_none_that_was_not_told(frame, trained, monkeypatch):
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    classroom, show = now.classroom, "class-look-show"
    try:
        ana = classroom.join(classroom.door.code, "Ana", "x")
        classroom.connected(ana, 1)
        assert not app.button(key=show).disabled
        assert app.checkbox(key="class-look-ends").disabled, "there is nothing to agree to"
        classroom.begin([7])  # in another tab
        app.button(key=show).click().run()
        assert classroom.showing is None, "the page had not said yet what it ends"
        assert [one.value for one in app.warning] == [words.text("en", "class.round.ends")] * 2, "by a quiz, or a chart"
        assert app.button(key=show).disabled
        assert app.button(key="class-quiz-begin").disabled
        app.checkbox(key="class-look-ends-round-2").check().run()
        assert app.button(key="class-quiz-begin").disabled
        app.button(key=show).click().run()
        assert classroom.showing == Chart("results")
        classroom.begin([1])
        app.run()
        assert app.button(key=show).disabled, "each round is asked about anew"
        classroom.hand_in(ana, 3, 0, 1, SEVEN)
        app.run()
        assert not app.button(key=show).disabled
        assert app.checkbox(key="class-look-ends").disabled, "the box does not go: the button would take its place"
        assert not app.warning
        classroom.begin([1])
        app.run()
        app.button(key="class-close").click().run()
        assert opened.current() is None, "the end of the lesson needs no second click in a round"
    finally:
        opened.close_class()


def test_an_address_that_this_machine_does_not_have_is_told(home):
    with pytest.raises(Refusal, match="no_address"):
        opened.open_class([], "192.0.2.77")
    assert opened.current() is None
    assert store.runs() == []


# --- in a browser: last, since playwright's loop stays in this thread ---


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
def test_when_the_time_is_up_a_drawing_is_sent_only_by_whoever_says_that_it_is_finished(room, browser, monkeypatch):
    monkeypatch.setattr("ui.classroom.pupils.LAST", 2)
    page = browser.new_context(locale="en-US").new_page()
    page.goto(f"http://{room.host}/")
    page.locator("#code").fill(room.classroom.door.code)
    page.locator("#nickname").fill("Ana")
    page.locator("#enter").click()
    page.locator("#ask").wait_for()
    for finished in (True, False):
        room.classroom.begin([7], 4)
        page.locator("#send", has_text="7").wait_for()
        draw(page, *STROKES)
        page.get_by_text("If your 7 is finished, send it now").wait_for()
        assert len(collection.kept()) == (not finished), "nothing is sent by itself"
        assert page.locator("#board").evaluate("board => board.inert"), "nobody draws on"
        if finished:
            page.locator("#send").click()
            page.locator("#said", has_text="Sent!").wait_for()
        else:
            page.get_by_text("Time is up!", exact=True).wait_for()
            assert page.locator("#send").is_disabled()
    page.context.close()
    assert [one.label for one in collection.kept()] == [7]


WALL = """
<script>
  window.fired = [];
  window.WebSocket = class { constructor() { window.socket = this; } close() {} };
</script>
<script type="module">
  import wall from "/wall.js";
  const data = { live: "/wall", joining: false, words: {}, qr: "", inside: [], colours: [] };
  wall({ parentElement: document.body, data, setTriggerValue: (...one) => fired.push(one) });
</script>
"""


def wall_alone(browser, below=""):
    """A page with the wall alone: it hears what `socket.onmessage` is given, and notes in `fired` what it asks for."""
    page = browser.new_page()
    script = wall.look_script() + beside(inside.__file__, "maps.js") + beside(wall.__file__, "wall.js")
    page.route("**/wall.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    page.route("**/", lambda route: route.fulfill(body=wall.HTML + WALL + below, content_type="text/html"))
    page.goto("http://wall.test/")
    page.wait_for_function("window.socket")
    return page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
def test_the_space_bar_goes_on_after_a_click_on_a_button_but_presses_one_that_was_reached_by_a_key(browser):
    page = wall_alone(browser, "<button id=view onclick='fired.push([this.id])'>Wall</button><input id=name>")
    page.locator("#view").click()
    page.keyboard.press("Escape")  # of a popover that a button has opened
    page.keyboard.press(" ")
    assert [one for one, *_ in page.evaluate("fired")] == ["view", "next"]
    page.locator("#name").click()
    page.keyboard.press(" ")
    assert page.locator("#name").input_value() == " "
    page.keyboard.press("Shift+Tab")
    page.keyboard.press(" ")
    assert [one for one, *_ in page.evaluate("fired")] == ["view", "next", "view"]
    page.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
def test_the_hardest_drawing_that_was_opened_stays_when_another_becomes_the_hardest(lesson, browser, monkeypatch):
    classroom, chances = lesson.classroom, iter((0.3, 0.2))
    monkeypatch.setattr(classroom, "_read", lambda *_: [Reading("one", 1, next(chances))])
    shown = SimpleNamespace(classroom=classroom, models=[Contestant("one", "MLP", "MNIST", None)], failed=set())
    page = wall_alone(browser)

    def hear() -> None:
        page.evaluate("message => socket.onmessage({ data: message })", json.dumps(live_wall.wall(shown, "en")))

    first = classroom.hand_in(lesson.ana, 1, 0, 7, SEVEN)
    assert first
    classroom.begin([7])
    hear()
    large = page.locator(".large")
    page.locator(".hardest").click()
    assert classroom.hand_in(lesson.rui, 2, 0, 7, SEVEN)
    hear()
    assert large.is_visible(), "another one is the hardest now"
    page.keyboard.press(" ")  # on *Back to the wall*
    assert large.is_hidden()
    page.locator(".tile").click()
    hear()
    assert large.is_visible()
    classroom.take_off(2)  # in another tab
    hear()
    assert large.is_hidden()
    assert page.evaluate("fired") == [], "no round was begun"
    page.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
@pytest.mark.parametrize("label", [1, 7])  # of drawings that are read as a one
def test_a_share_of_all_or_of_none_is_a_whole_point_and_its_interval_a_line_with_two_ends(lesson, browser, label):
    classroom = lesson.classroom
    shown = SimpleNamespace(classroom=classroom, models=[Contestant("one", "MLP", "MNIST", None)], failed=set())
    page = wall_alone(browser)
    page.add_style_tag(content=look_style() + beside(wall.__file__, "wall.css"))
    for pupil in (lesson.ana, lesson.rui):
        classroom.hand_in(pupil, 1, 0, label, SEVEN)
    told = live_wall.wall(shown, "pt_BR")
    page.evaluate("message => socket.onmessage({ data: message })", json.dumps(told))
    page.get_by_text(words.text("pt_BR", "class.bars")).wait_for()
    figures, point, interval = (page.locator(one).bounding_box() for one in (".figures", ".point", ".range"))
    assert figures
    assert point
    assert interval
    assert figures["x"] <= point["x"] < point["x"] + point["width"] <= figures["x"] + figures["width"]
    assert 2 * interval["height"] < point["height"], "nothing like a bar that is filled"
    middle, end = point["x"] + point["width"] / 2, interval["x"] + interval["width"] * (label == 1)
    assert abs(middle - end) < 1
    page.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
def test_a_phone_held_across_draws_and_sends_without_scrolling(room, browser):
    size = {"width": 844, "height": 390}
    page = browser.new_context(viewport=size, has_touch=True, is_mobile=True, locale="pt-BR").new_page()
    page.goto(f"http://{room.host}/")
    page.locator("#code").fill(room.classroom.door.code)
    page.locator("#nickname").fill("Ana")
    page.locator("#enter").click()

    def in_sight(*places: str) -> bool:
        boxes = [page.locator(place).bounding_box() for place in places]
        return all(box and box["y"] >= 0 and box["y"] + box["height"] <= size["height"] for box in boxes)

    for asked, button in (([], "#digits button:nth-child(8)"), ([7], "#send")):
        room.classroom.begin(asked)
        page.locator(button).wait_for()
        draw(page, *STROKES)
        page.locator(f"{button}:enabled").wait_for()
        page.locator(".best").wait_for()  # the answer may move what is below it
        assert in_sight(button, "canvas.sheet", ".best")
        assert page.evaluate("[scrollY, document.documentElement.scrollWidth]") == [0, size["width"]]
        page.locator(button).tap()
        page.locator("#said", has_text="7").wait_for()
    room.classroom.begin([3])
    page.locator("#send", has_text="3").wait_for()
    touch, box = page.context.new_cdp_session(page), page.locator("canvas.sheet").bounding_box()
    assert box
    for kind, share in (("touchStart", 0.3), ("touchMove", 0.6)):
        at = {"x": box["x"] + share * box["width"], "y": box["y"] + share * box["height"]}
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    room.classroom.begin([4])  # while the finger is down
    page.locator("#send", has_text="4").wait_for()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.locator("#send").is_disabled(), "what was drawn for another digit is gone"
    page.context.close()
    assert [one.label for one in collection.kept()] == [7, 7]
