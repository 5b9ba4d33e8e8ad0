"""You or the model: which images are asked, who answers, what it shows, what is kept, and looking at the projector."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core import store, words
from core.charts.pictures import enlarge
from core.classroom import quiz, results
from core.classroom.classroom import Chart, Classroom
from core.classroom.figures import accuracy_on_test, accuracy_text
from core.classroom.quiz import LATE, LOOK, MOST_IMAGES, Given, chosen, outcome, sign_flip
from core.classroom.results import Contestant
from core.drawing import collection
from core.measures.answers import Answers, stored_answers
from core.measures.measures import by_writer, proportion
from core.refusal import Refusal
from tests.conftest import wait_for
from tests.page import LANGUAGES, component, views
from tests.test_classroom import (
    SEVEN,
    Clock,
    client,
    closed_with,
    cookie,
    hear,
    opened_aside,
    opened_by_teacher,
    reads_one,
    wait_until_arrived,
)
from ui.classroom import live_wall, opened
from ui.classroom.pupils import HEAD
from ui.data_card import answered_images

CLASSES = ("cat", "<b>dog</b>", "owl")
TEST = proportion(90, 100)


def answers_of(labels: np.ndarray, predicted: np.ndarray) -> Answers:
    return Answers(labels, np.eye(3, dtype=np.float32)[predicted])


def stranger(chance: np.random.Generator, wrong: int, n: int = 100) -> Answers:
    """Answers of a model that gets `wrong` of `n` images wrong."""
    labels = chance.integers(3, size=n)
    return answers_of(labels, (labels + (chance.permutation(n) < wrong)) % 3)


def asked(count: int = 4, lesson: str = "20261129-130500-000000") -> quiz.Asked:
    """A quiz of noise, of which the model gets every second image wrong: 0, 0, 0 ... as 1, 0, 1 ..."""
    chance = np.random.default_rng(0)
    answers = answers_of(np.zeros(count, np.int64), np.arange(1, count + 1) % 2)
    return quiz.asked(
        lesson=lesson,
        run="one",
        model="<i>model",
        data="MNIST",
        test=TEST,
        seed=7,
        classes={"en": CLASSES, "pt_BR": ("gato", "<b>cão</b>", "coruja")},
        answers=answers,
        places=range(count),
        pictures=[enlarge(chance.integers(256, size=(1, 28, 28), dtype=np.uint8), 1) for _ in range(count)],
    )


def give(game: quiz.Quiz, pupil: int, place: int, answer: int, arrived: float | None = None) -> bool:
    """Answer an image, as the pupils' server does; whether the answer is the first."""
    one = game.take(pupil, place, answer, arrived)
    if one:
        game.keep(one)
    return one is not None


@pytest.fixture
def lesson(home) -> SimpleNamespace:
    """A lesson without a server, with two pupils and a quiz of four images with 20 seconds to answer each."""
    clock = Clock()
    classroom = Classroom(reads_one, clock)
    ana, rui = (classroom.join(classroom.door.code, name, name) for name in ("Ana", "Rui"))
    game = classroom.begin_quiz(asked(lesson=classroom.lesson), 20)
    return SimpleNamespace(clock=clock, classroom=classroom, quiz=game, ana=ana.number, rui=rui.number)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc, which names the files that are synced")
def test_each_drawing_and_each_answer_is_on_the_disk_before_it_counts(lesson, home, monkeypatch):
    synced, real = [], os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    lesson.clock.now += quiz.LOOK
    for pupil in (lesson.ana, lesson.rui):
        give(lesson.quiz, pupil, 0, 1)
    file = home / quiz.FOLDER / f"{lesson.classroom.lesson}-1.jsonl"
    assert [synced[0].suffix, *synced[1:]] == [".part", file.parent, file], "the new file and its name, and a line more"
    synced.clear()
    ana = lesson.classroom.pupils[lesson.ana]
    assert lesson.classroom.hand_in(ana, 1, 0, 7, SEVEN)
    assert [synced[0].suffix, *synced[1:]] == [".part", home / collection.FOLDER]
    for place in (1, 2):
        assert lesson.classroom.hand_in(ana, 1, place, 7, SEVEN)
    synced.clear()
    lesson.classroom.rename(lesson.ana, "Bea")
    assert [one.suffix for one in synced[:-1]] == [".part"] * 3, "of each drawing"
    assert synced[-1] == home / collection.FOLDER, "and the names of all at once"


# --- which images -----------------------------------------------------------------------------------------------------


def test_half_of_the_images_are_errors_drawn_with_a_seed_and_none_has_a_label_known_to_be_wrong():
    chance = np.random.default_rng(1)
    answers = stranger(chance, 30)
    bad = np.flatnonzero(~answers.is_right)[:20].tolist()
    seen = set()
    for seed in range(40):
        places = chosen(answers, 10, seed, bad)
        assert len(set(places)) == 10
        assert (~answers.is_right[places]).sum() == 5
        assert not set(places) & set(bad)
        seen |= set(places)
    assert {place for place in np.flatnonzero(~answers.is_right).tolist() if place not in bad} <= seen
    assert chosen(answers, 10, 3) == chosen(answers, 10, 3)
    assert chosen(answers, 10, 3) != chosen(answers, 10, 4)
    firsts = [bool(answers.is_right[chosen(answers, 10, seed)[0]]) for seed in range(40)]
    assert 5 < sum(firsts) < 35, "the order tells nothing"


@pytest.mark.parametrize(
    ("wrong", "n", "count", "of_wrong", "of_all"), [(2, 100, 10, 2, 10), (0, 9, 10, 0, 9), (9, 9, 10, 9, 9)]
)
def test_where_there_are_not_enough_errors_all_are_asked(wrong, n, count, of_wrong, of_all):
    answers = stranger(np.random.default_rng(2), wrong, n)
    places = chosen(answers, count, 0)
    assert (len(places), int((~answers.is_right[places]).sum())) == (of_all, of_wrong)


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_the_bars_are_the_pupils_accuracy_by_pupil_and_the_models_on_the_images_that_were_answered():
    what = asked(4)  # the model is right on the second and the fourth
    given = [Given(pupil=1, place=k, answer=0) for k in range(3)] + [
        Given(pupil=2, place=k, answer=k % 2) for k in range(3)
    ]
    again = [Given(pupil=1, place=0, answer=2), Given(pupil=1, place=9, answer=0), Given(pupil=3, place=9, answer=0)]
    found = outcome(what, [*given, *again])
    assert found.people == 2
    assert found.pupils == by_writer(np.array([1, 1, 1, 1, 0, 1], bool), [1, 1, 1, 2, 2, 2])
    assert (found.model.value, found.model.n) == (1 / 3, 3)
    assert math.isnan(found.model.low), "the choice of the images fixes it"
    assert (found.of_wrong.value, found.of_wrong.n) == (1, 4)
    assert (found.of_right.value, found.of_right.n) == (0.5, 2)
    assert found.verdict == "none", "two people show nothing"
    alone = outcome(what, given[:3])
    assert alone.pupils == proportion(3, 3)
    assert alone.p == 1
    empty = outcome(what, [])
    assert (empty.people, empty.pupils.n, empty.model.n, empty.p) == (0, 0, 0, 1)


def test_a_line_that_a_full_disk_has_cut_off_spoils_no_later_answer(lesson):
    lesson.clock.now += LOOK
    give(lesson.quiz, lesson.ana, 0, 0)
    (path,) = (store.settings.store_folder() / quiz.FOLDER).iterdir()
    with path.open("ab") as file:
        file.write(b'{"pupil":7,"pla')
    give(lesson.quiz, lesson.rui, 0, 1)
    (kept,) = quiz.kept(lesson.classroom.lesson)
    assert [(one.pupil, one.answer) for one in kept.given] == [(1, 0), (2, 1)]


def test_a_file_whose_name_is_no_time_is_no_quiz(lesson):
    folder = store.settings.store_folder() / quiz.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "99999999-999999-000000-1.jsonl").write_text("{}", encoding="utf-8")
    assert "99999999-999999-000000" not in results.lessons()


def test_an_image_that_a_pupil_leaves_out_counts_as_wrong_and_those_before_the_first_answer_do_not_count():
    what = asked(4)
    found = outcome(what, [Given(pupil=1, place=0, answer=0), Given(pupil=2, place=2, answer=0)], told=4)
    assert (found.pupils.value, found.pupils.n) == (2 / 6, 6)
    easy = [Given(pupil=p, place=k, answer=0) for p in range(1, 20) for k in (1, 3)]  # only what the model knows, too
    assert outcome(what, easy, told=4).verdict != "better"


def test_a_sign_flip_test_is_exact_and_calls_no_more_than_one_in_twenty_equal_classes_different():
    assert sign_flip(np.array([3, 3, 3])) == 2 / 8
    assert sign_flip(np.array([1, -2, 4, 4, 4])) == pytest.approx(6 / 32)  # 11 and more, of all 32 signs, both sides
    assert sign_flip(np.array([2, -2])) == sign_flip(np.zeros(0, np.int64)) == 1
    assert sign_flip(np.full(40, -5)) < 1e-9
    chance, called, lessons = np.random.default_rng(3), 0, 1000
    model = np.arange(10) % 2
    for _ in range(lessons):  # twelve pupils who are as good as the model, each by an ability of their own
        able = np.where(model == 1, 0.6, 0.4) + chance.normal(0, 0.15, (12, 1))
        called += sign_flip(((chance.random((12, 10)) < able) - model).sum(axis=1)) < 0.05
    print(f"{called} of {lessons}")
    assert called / lessons < 0.065


def test_a_class_that_is_better_is_called_so():
    what = asked(10)
    better = outcome(what, [Given(pupil=p, place=k, answer=0) for p in range(1, 9) for k in range(10)])
    assert (better.verdict, better.p) == ("better", 2 / 256)
    worse = outcome(what, [Given(pupil=p, place=k, answer=2) for p in range(1, 9) for k in range(10)])
    assert worse.verdict == "worse"


# --- one image after the other ----------------------------------------------------------------------------------------


def test_two_quizzes_that_were_prepared_at_the_same_time_have_two_numbers_and_files(lesson, monkeypatch):
    monkeypatch.setattr(quiz, "LOOK", 0.0)
    for _ in range(2):
        assert give(lesson.classroom.begin_quiz(asked(), None), 1, 0, 0)
    assert [one.asked.number for one in quiz.kept(asked().lesson)] == [2, 3], "the lesson begins with another"


def test_an_image_is_looked_at_then_answered_once_and_late_only_within_a_second(lesson):
    game, clock = lesson.quiz, lesson.clock
    moments = {lesson.classroom.moment}
    with pytest.raises(Refusal, match="over"):
        give(game, lesson.ana, 0, 0)
    game.go_on()
    assert (game.stage, game.left()) == ("look", LOOK), "nobody goes on by accident"
    clock.now += LOOK
    moments.add(lesson.classroom.moment)
    assert len(moments) == 2, "time alone is a change that is told"
    assert (game.stage, game.left()) == ("answer", 20)
    assert give(game, lesson.ana, 0, 1)
    assert not give(game, lesson.ana, 0, 0), "nobody answers twice"
    assert game.given(lesson.ana) == 1
    for place, answer in ((1, 0), (0, 3)):
        with pytest.raises(Refusal, match="over"):
            give(game, lesson.rui, place, answer)
    clock.now += 20 + LATE
    assert game.stage == "late"
    assert give(game, lesson.rui, 0, 0), "given in time"
    clock.now += 0.1
    with pytest.raises(Refusal, match="over"):
        give(game, 3, 0, 0)
    assert game.outcome().pupils.n == 0, "nothing before the truth is told"
    game.go_on()
    assert game.stage == "told"
    assert game.counts().tolist() == [1, 1, 0]
    assert game.outcome().pupils.n == 2
    game.go_on()
    assert (game.place, game.stage, game.given(lesson.ana), game.answered()) == (1, "look", None, 0)
    for _ in range(3):
        clock.now += LOOK
        game.go_on()
        game.go_on()
    assert game.stage == "end"
    game.go_on()
    assert lesson.classroom.quiz is game, "the results stay"
    lesson.classroom.begin([7])
    assert lesson.classroom.quiz is None


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_are_kept_without_names_and_saved_in_the_lessons_page_and_deleted(lesson, language):
    lesson.clock.now += LOOK
    give(lesson.quiz, lesson.ana, 0, 0)
    give(lesson.quiz, lesson.rui, 0, 1)
    (kept,) = quiz.kept(lesson.classroom.lesson)
    assert kept.asked == lesson.quiz.asked
    assert [(one.pupil, one.answer) for one in kept.given] == [(1, 0), (2, 1)]
    assert "Ana" not in (store.settings.store_folder() / quiz.FOLDER / kept.name).read_text(encoding="utf-8")
    assert store.runs() == []
    saved = results.page(lesson.classroom.lesson, [], [], language, titles=True)
    assert "<i>" not in saved
    assert "<b>" not in saved
    assert "Ana" not in saved
    assert saved.count("<img") == 4
    found = kept.outcome()
    for of in (found.pupils, found.model):
        assert accuracy_text(of, language) in saved
    assert accuracy_text(TEST, language, 2) in saved, "what the model's accuracy on its test images is"
    assert quiz.lessons() == {lesson.classroom.lesson: 1}
    quiz.delete(lesson.classroom.lesson)
    assert not quiz.lessons()
    assert not quiz.kept(lesson.classroom.lesson)


def test_a_quiz_without_answers_is_not_kept_and_a_full_store_is_told(lesson, monkeypatch):
    assert not quiz.lessons()
    monkeypatch.setattr(quiz, "MOST", 0)
    with pytest.raises(Refusal, match="store_full"):
        lesson.classroom.begin_quiz(asked())
    assert lesson.classroom.quiz is lesson.quiz


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head | {"lesson": "../x"},
        lambda head: head | {"number": 2},
        lambda head: head | {"classes": {"en": ["a"]}},
        lambda head: head | {"classes": {"en": ["a", "b", "c"], "pt_BR": ["a", "b"]}},
        lambda head: head | {"classes": {"pt_BR": ["a", "b", "c"]}},
        lambda head: head | {"images": []},
        lambda head: head | {"images": [head["images"][0] | {"label": 3}]},
        lambda head: head | {"images": [head["images"][0] | {"picture": 'data:image/png;base64,A" onerror="x'}]},
        lambda head: head | {"images": [head["images"][0] | {"picture": "https://evil.example/x.png"}]},
        lambda head: head | {"images": head["images"] * MOST_IMAGES},
        lambda head: head | {"test": head["test"] | {"value": 2}},
        lambda head: [head],
    ],
)
def test_what_a_stranger_writes_as_a_quiz_is_not_believed(lesson, change):
    lesson.clock.now += LOOK
    give(lesson.quiz, lesson.ana, 0, 0)
    (path,) = (store.settings.store_folder() / quiz.FOLDER).iterdir()
    head, answer = path.read_text(encoding="utf-8").splitlines()
    path.write_text(json.dumps(json.loads(head)) + "\n" + answer + "\n", encoding="utf-8")
    assert quiz.kept(lesson.classroom.lesson)
    path.write_text(json.dumps(change(json.loads(head))) + "\n" + answer + "\n", encoding="utf-8")
    assert quiz.kept(lesson.classroom.lesson) == []


def test_answers_that_are_damaged_or_cut_off_are_left_out_and_a_link_is_not_followed(lesson, tmp_path):
    lesson.clock.now += LOOK
    give(lesson.quiz, lesson.ana, 0, 0)
    (path,) = (store.settings.store_folder() / quiz.FOLDER).iterdir()
    with path.open("ab") as file:
        file.write(b'\xff\n{"pupil":2,"place":99,"answer":0}\n[]\n{"pupil":2,"pla')
    (kept,) = quiz.kept(lesson.classroom.lesson)
    assert len(kept.given) == 1
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert quiz.kept(lesson.classroom.lesson) == []


# --- the phones and the wall ------------------------------------------------------------------------------------------


@pytest.fixture
def room(home, trained_store, monkeypatch) -> Iterator[opened.Opened]:
    """An open class with a run trained on the data that come with the app."""
    shutil.copytree(trained_store, home)
    monkeypatch.setenv("BANCADA_CLASS_PORT", "0")
    (run,) = store.runs()
    now = opened.open_class([Contestant(run.name, "MLP", "MNIST-5k", accuracy_on_test(run.name))], "127.0.0.1")
    yield now
    opened.close_class()


def until(pupil, stage: str) -> dict:
    while not (state := hear(pupil))["quiz"] or state["quiz"]["stage"] != stage:
        pass
    return state


def answer(state: dict, k: int) -> bytes:
    return bytes([state["quiz"]["number"], state["quiz"]["place"], k])


def test_a_pupil_looks_answers_once_and_hears_the_truth_and_the_wall_says_how_many_have_answered(room, monkeypatch):
    monkeypatch.setattr(quiz, "LOOK", 0.3)
    said = cookie(room)
    with client(room, "/class?lang=pt-BR", said) as pupil:
        assert not hear(pupil)["quiz"]
        room.classroom.begin_quiz(asked(2, room.classroom.lesson), None)
        state = until(pupil, "look")
        assert state["quiz"]["picture"].startswith("data:image/png;base64,")
        assert 0 < state["left"] <= 0.3
        assert state["ask"] is None
        assert live_wall.wall(room, "en")["quiz"]["picture"]
        pupil.send(answer(state, 0))
        assert hear(pupil)["said"] == words.text("pt_BR", "class.quiz.over"), "while it is looked at"
        state = until(pupil, "answer")
        assert state["quiz"]["picture"] is None
        assert list(state["quiz"]["classes"]) == ["gato", "<b>cão</b>", "coruja"]
        assert "label" not in state["quiz"]
        wall = live_wall.wall(room, "en")["quiz"]
        assert not wall["picture"]
        assert wall["answered"] == words.text("en", "class.quiz.answered", count=0, joined=1)
        pupil.send(answer(state, 0))
        while (state := hear(pupil))["quiz"]["given"] is None:
            pass
        pupil.send(answer(state, 1))
        while "sentence" not in (state := hear(pupil)):
            pass
        assert room.classroom.quiz.counts().tolist() == [1, 0, 0]
        wall = live_wall.wall(room, "en")["quiz"]
        assert wall["answered"] == words.text("en", "class.quiz.answered", count=1, joined=1)
        assert "bars" not in wall, "nothing of the truth before it is told"
        assert wall["counts"] is None
        room.classroom.quiz.go_on()
        state = until(pupil, "told")
        assert state["quiz"]["sentence"] == words.text("pt_BR", "class.quiz.phone.told_right", label="gato")
        assert state["looking"]
        bars = state["look"]["bars"]
    wall = live_wall.wall(room, "pt_BR")["quiz"]
    assert bars == wall["bars"], "the phone shows what the projector shows"
    assert [bar["text"] for bar in bars] == [accuracy_text(proportion(1, 1), "pt_BR"), "0,0%, n = 1"]
    assert (bars[1]["low"], bars[1]["high"]) == (None, None)
    assert wall["counts"] == [["gato", 1, True]]
    assert "✗" in wall["says"]
    assert wall["bars"][1]["test"] == TEST.value
    assert "n = 100" in wall["bars"][1]["test_text"]
    assert wall["notes"] == [], "a test that is looked at after each image finds too many differences"
    room.classroom.quiz.end()
    verdict, where, why = live_wall.wall(room, "pt_BR")["quiz"]["notes"]
    assert verdict == words.text("pt_BR", "class.quiz.verdict.few", p="")
    assert accuracy_text(proportion(1, 1), "pt_BR") in where
    assert accuracy_text(TEST, "pt_BR", 2) in why
    assert json.dumps(live_wall.wall(room, "en"), allow_nan=False)


@pytest.mark.parametrize("message", [b"\x01\x00\x14", b"\x01\x1e\x00", b"\x01\x00", b"\x01\x00\x00\x00", "abc"])
def test_an_answer_has_an_exact_form(room, message):
    room.classroom.begin_quiz(asked(2, room.classroom.lesson), None)
    with client(room, said=cookie(room)) as pupil:
        hear(pupil)
        pupil.send(message)
        assert closed_with(pupil) == 1008
    assert HEAD == 3


@contextlib.contextmanager
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, list[int]]]:
    """No sync to disk ends until the event is set, at the latest at the end; also what has been synced since."""
    go_on, syncs, real = threading.Event(), [], os.fsync

    def fsync(descriptor: int) -> None:
        syncs.append(descriptor)
        go_on.wait(30)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    try:
        yield go_on, syncs
    finally:
        go_on.set()


def test_forty_answers_in_the_last_second_cost_few_syncs_and_none_is_refused(room, monkeypatch):
    monkeypatch.setattr(quiz, "LOOK", 0.0)
    room.classroom.clock = clock = Clock()
    game = room.classroom.begin_quiz(asked(2, room.classroom.lesson), 20)
    with contextlib.ExitStack() as stack:
        pupils = [stack.enter_context(client(room, said=cookie(room, f"pupil {k}"))) for k in range(40)]
        states = [until(pupil, "answer") for pupil in pupils]
        go_on, syncs = stack.enter_context(slow_disk(monkeypatch))
        clock.now += 20.5  # less than `LATE` after the end of the time
        for pupil, state in zip(pupils, states, strict=True):
            pupil.send(answer(state, 0))
        wait_until_arrived(pupils)
        clock.now += 10
        game.go_on()
        go_on.set()
        wait_for(lambda: game.counts().tolist() == [40, 0, 0])
        assert all(until(pupil, "told")["quiz"]["given"] == 0 for pupil in pupils)
    assert len(syncs) <= 4, "of the new file and its name, and of all others"
    (kept,) = quiz.kept(room.classroom.lesson)
    assert sorted(one.pupil for one in kept.given) == list(range(1, 41))


@pytest.mark.parametrize("end", ["quiz", "class"])
def test_answers_that_wait_to_be_written_are_kept_when_the_quiz_or_the_class_ends(room, monkeypatch, end):
    monkeypatch.setattr(quiz, "LOOK", 0.0)
    game = room.classroom.begin_quiz(asked(2, room.classroom.lesson), None)
    with contextlib.ExitStack() as stack:
        pupils = [stack.enter_context(client(room, said=cookie(room, f"pupil {k}"))) for k in range(5)]
        states = [until(pupil, "answer") for pupil in pupils]
        go_on, _ = stack.enter_context(slow_disk(monkeypatch))
        for pupil, state in zip(pupils, states, strict=True):
            pupil.send(answer(state, 0))
        wait_until_arrived(pupils)
        if end == "class":
            opened.close_class()
        else:
            game.end()
            room.classroom.begin([7])
        go_on.set()
        wait_for(lambda: game.answered() == 5)
        if end == "quiz":
            for pupil in pupils:
                while (state := hear(pupil))["said"] is None:
                    pass
                assert state["said"] == "", "kept, and not refused"
    (kept,) = quiz.kept(room.classroom.lesson)
    assert len(kept.given) == 5


def test_an_answer_is_judged_by_when_it_came_and_not_by_when_it_is_looked_at(lesson):
    game, clock = lesson.quiz, lesson.clock
    clock.now = LOOK + 1
    came = clock.now
    clock.now += 1
    game.go_on()
    game.go_on()
    assert game.place == 1
    assert give(game, lesson.ana, 0, 0, came), "before the truth was told"
    for place, at in ((0, LOOK + 2.5), (1, came), (1, clock.now), (0, LOOK - 1)):
        with pytest.raises(Refusal, match="over"):
            give(game, lesson.rui, place, 0, at)
    clock.now += LOOK
    came = clock.now
    clock.now += 1
    game.end()
    assert give(game, lesson.rui, 1, 0, came)
    with pytest.raises(Refusal, match="over"):
        give(game, lesson.ana, 1, 0)


def test_answers_that_a_full_disk_refuses_can_be_given_again(lesson, monkeypatch):
    game = lesson.quiz
    lesson.clock.now += LOOK
    first, second = game.take(lesson.ana, 0, 0), game.take(lesson.rui, 0, 1)
    assert first
    assert second

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Refusal):
            game.keep(first)
    assert game.counts().tolist() == [0, 0, 0]
    assert give(game, lesson.ana, 0, 2)
    game.keep(second)
    assert game.counts().tolist() == [0, 1, 1]
    (kept,) = quiz.kept(lesson.classroom.lesson)
    assert sorted((one.pupil, one.answer) for one in kept.given) == [(lesson.ana, 2), (lesson.rui, 1)]


def test_what_is_answered_without_a_quiz_or_to_another_one_is_told_to_be_too_late(room):
    with client(room, said=cookie(room)) as pupil:
        hear(pupil)
        for number in (1, 2):
            pupil.send(bytes([number, 0, 0]))
            while (state := hear(pupil))["said"] is None:
                pass
            assert state["said"] == words.text("en", "class.quiz.over")
            room.classroom.begin_quiz(asked(2, room.classroom.lesson), None)


def test_phones_look_at_what_the_teacher_shows_and_at_the_wall_when_they_have_sent_all(room):
    (run,) = store.runs()
    report = run.report()
    assert report
    with client(room, said=cookie(room)) as pupil:
        assert not hear(pupil)["looking"]
        for kind in ("curves", "matrix", "results"):
            room.classroom.show(Chart(kind, run.name, "the <i>run"))
            while not (state := hear(pupil)).get("look") or bool(state["look"]["curves"]) != (kind == "curves"):
                pass
            assert state["look"] == json.loads(json.dumps(live_wall.wall(room, "en")["look"]))
            assert state["ask"] is None
            assert kind == "results" or state["look"]["notes"][-1] == "the <i>run"
            if kind == "curves":
                assert [len(one["values"]) for one in state["look"]["curves"]["series"]] == [2, 2]
            if kind == "matrix":
                assert state["look"]["matrix"]["counts"] == [list(row) for row in report.confusion_matrix]
                assert f"n = {report.n:,}" in state["look"]["notes"][0]
        room.classroom.begin([7])
        while not (state := hear(pupil))["ask"]:
            pass
        assert not state["looking"]
        pupil.send(bytes([state["round"], state["place"], 7]) + SEVEN.tobytes())
        while not (state := hear(pupil)).get("look") or not state["look"]["matrix"]:
            pass
        assert sum(map(sum, state["look"]["matrix"]["counts"])) == 1
        assert "n = 1" in state["look"]["bars"][0]["text"]


def test_a_chart_that_there_is_not_is_told_and_nobody_is_thrown_out(room):
    room.classroom.show(Chart("matrix", "20000101-000000-gone"))
    with client(room, said=cookie(room)) as pupil:
        while not (state := hear(pupil)).get("look"):
            pass
    assert state["look"]["notes"] == [words.text("en", "error.run_unknown", run="20000101-000000-gone")]


QUIZ = """
import sys, time
import core.classroom.quiz as quiz
quiz.LOOK = 0.0
from core.classroom.results import Contestant
from tests.test_classroom_quiz import asked
from ui.classroom import opened
now = opened.open_class([Contestant(sys.argv[1], "MLP", "MNIST", None)], "127.0.0.1")
now.classroom.begin_quiz(asked(4, now.classroom.lesson))
print(now.host, now.classroom.door.code, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_server_that_is_killed_has_lost_no_answer_that_it_said_it_had(home, trained_store):
    shutil.copytree(trained_store, home)
    with opened_aside(QUIZ, store.runs()[0].name) as (server, room):
        for name, k in (("Ana", 0), ("Rui", 2)):
            with client(room, said=cookie(room, name)) as pupil:
                state = until(pupil, "answer")
                pupil.send(answer(state, k))
                while (state := hear(pupil))["quiz"]["given"] is None:
                    pass
        server.send_signal(signal.SIGKILL)
    (lesson,) = quiz.lessons()
    (kept,) = quiz.kept(lesson)
    assert [(one.pupil, one.place, one.answer) for one in kept.given] == [(1, 0, 0), (2, 0, 2)]
    assert kept.outcome().people == 2


# --- the teacher's page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_teacher_begins_a_quiz_goes_on_shows_a_chart_and_deletes_the_answers(frame, trained, monkeypatch, language):
    monkeypatch.setattr(quiz, "LOOK", 0.0)
    app, now = opened_by_teacher(frame, monkeypatch, language)
    try:
        app.selectbox(key="class-quiz-count").set_value(6).run()
        app.text_input(key="class-quiz-seed.written").set_value("12").run()
        app.button(key="class-quiz-begin").click().run()
        assert not app.exception
        game = now.classroom.quiz
        assert game
        answers = store.runs()[0].report()
        assert answers
        assert [one.index for one in game.asked.images] == chosen(quiz_answers := stored(trained), 6, 12), (
            "what the seed says"
        )
        first = game.asked.images[0]
        assert first.picture == picture_of(trained, quiz_answers, first.index), "the image's own pixels"
        assert not component(app, "bancada.wall")["joining"]
        ends = words.text(language, "class.quiz.ends")
        assert [one.value for one in app.warning] == [ends] * 3, "beside another quiz, a chart, and the lesson's end"
        assert app.button(key="class-look-show").disabled
        views(app).set_value("race").run()
        assert [one.value for one in app.warning] == [ends] * 4
        assert app.button(key="race-start").disabled
        app.checkbox(key="race-start-ends-quiz-1").check().run()
        assert not app.button(key="race-start").disabled
        views(app).set_value("wall").run()
        ana = now.classroom.join(now.classroom.door.code, "Ana", "x")
        assert give(game, ana.number, 0, first.label)
        app.button(key="class-next").click().run()
        assert game.stage == "told"
        keys = [one.key for one in app.button]
        assert keys.index("class-quiz-end") > keys.index("class-close") > keys.index("class-freeze"), "it moves none"
        assert [one.value for one in app.warning].count(ends) == 3, "nobody is there"
        now.classroom.connected(ana, 1)
        app.button(key="class-quiz-end").click().run()
        assert game.stage == "told", "the page had not said yet what it ends"
        said = [one.value for one in app.warning].count(ends)
        assert said == 4, "beside another quiz, a chart, the lesson's end, and this one's"
        app.button(key="class-quiz-end").click().run()
        assert game.stage == "end"
        assert not app.warning
        app.selectbox(key="class-look-kind").set_value("curves").run()
        app.button(key="class-look-show").click().run()
        assert now.classroom.showing
        assert (now.classroom.showing.kind, now.classroom.showing.run) == ("curves", trained.name)
        assert not app.exception
        app.button(key="class-close").click().run()
        assert app.selectbox(key="class-lesson").value == now.classroom.lesson
        app.button(key="class-quiz-delete").click().run()
        assert not quiz.lessons()
        assert not app.exception
    finally:
        opened.close_class()


def stored(run: store.Run) -> Answers:
    found = stored_answers(run)
    assert found
    return found


def picture_of(run: store.Run, answers: Answers, index: int) -> str:
    image = answered_images(run, answers, scaled=False).images[index]
    return f"data:image/png;base64,{base64.b64encode(enlarge(image, 1)).decode()}"


def test_data_that_have_changed_since_are_not_asked_about(trained):
    answers = stored(trained)
    with pytest.raises(Refusal, match="other_data"):
        answered_images(trained, Answers(answers.labels[::-1], answers.probabilities), scaled=False)
    with pytest.raises(Refusal, match="other_data"):
        answered_images(trained, Answers(answers.labels, answers.probabilities, "0" * 64), scaled=False)
