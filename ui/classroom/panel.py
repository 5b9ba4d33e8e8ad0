"""The panels of the page Classroom: opening it, what the class sees, and the teacher's controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from core import settings
from core.classroom import quiz, results
from core.classroom.classroom import Classroom, UnderWay
from core.classroom.figures import accuracy_on_test
from core.classroom.results import Contestant
from core.drawing import collection
from core.drawing.collection import CLASSES, LabelledDrawing
from core.store import Run
from ui import present, server
from ui.choice import choose_runs, data_name, row_of, short_label
from ui.classroom import opened, race
from ui.classroom.activities import ROOM, SHOWN, ending_button, look_popover, quiz_popover, see
from ui.classroom.lesson_plan import fold_plan
from ui.classroom.opened import Opened
from ui.classroom.wall import show_wall
from ui.columns import NARROW
from ui.text import kept_refusal, language, plain, show_refusal, t

MOST_MODELS = 2  # read the drawings: as many as a projector has room for
# Keys in the session state.
REFUSED, ADDRESS, VIEW, ASK, SECONDS = "class.refused", "class-address", "class-view", "class-ask", "class-seconds"
SEEN, STAY = "class.seen", "class-stay"  # of what has begun, and whether this tab stays where it is
KINDS = ("another", "each", "confused", "free")  # of rounds, beside one for each digit
COUNTDOWNS = (0, 10, 20, 30, 60)  # seconds for each digit that is asked; 0: none
STYLE = """<style>
.stMain { --class-height: max(26rem, calc(100vh - 190px)); }
.stVerticalBlock:has(> div > .st-key-class-controls) { row-gap: 0.5rem; }
.st-key-class-controls, .st-key-class-more { row-gap: 0.25rem; }
.st-key-class-next button { min-width: 9rem; }
.st-key-class-freeze button { min-width: 11rem; }
</style>"""
# Below what the class looks at are a row that stays in sight, with what is clicked on during a round, and the rest.
PRESENTED = f"""<style>
.stMain {{ --class-height: calc(100vh / {present.ZOOM} - 80px); }}
.stVerticalBlock:has(> div > .st-key-class-controls) {{ gap: 0.1rem; }}
div:has(> .st-key-class-controls) {{ order: 1; }}
div:has(> .st-key-class-more) {{ order: 2; }}
.st-key-class-controls, .st-key-class-controls .stHorizontalBlock {{ gap: 0.35rem; }}
.st-key-class-controls {{ padding: 2px 0; }}
.st-key-class-controls button {{ min-height: 2rem; padding: 0.1rem 0.5rem; }}
.st-key-class-controls button :is(:has(> [data-testid="stIconMaterial"]), div[aria-hidden="true"]) {{ display: none; }}
.st-key-class-controls [data-testid="stPopoverButton"] > div {{ margin: 0; }}
.st-key-class-next button {{ min-width: 7.75rem; }}
.st-key-class-kind button {{ max-width: 9.5rem; }}
.st-key-class-kind button p {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
[data-testid="stPopoverBody"] {{ max-width: calc(100vw - 2rem) !important; max-height: calc(100vh - 5rem) !important; }}
[data-testid="stPopoverBody"] :is(label, button, p, input) {{ font-size: 1rem; }}
@media (min-width: 701px) {{
  div:has(> .st-key-class-controls) {{ position: sticky; bottom: 0; z-index: 50; }}
  .stApp :has(.st-key-class-controls) {{ background-color: inherit; }}
}}
@media (min-width: {NARROW + 1}px) {{
  .st-key-class-quiz-told, .st-key-class-look-told {{ min-height: 3rem; }}
}}
</style>"""


def panel() -> None:
    """Show the open class, or how to open one."""
    st.html(ROOM + (PRESENTED if present.is_on() else STYLE))
    show_refusal(REFUSED)
    now = opened.current()
    if now:
        _open(now)
    else:
        _closed()


# --- before and after a lesson ----------------------------------------------------------------------------------------


@st.fragment(run_every=2)
def _look() -> None:
    """See whether the class has been opened in another tab."""
    if opened.current():
        st.rerun()


def _closed() -> None:
    _look()
    st.markdown(t("class.about"))
    names = server.offered()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        runs = choose_runs(names, beside=MOST_MODELS - 1)
        addresses = settings.addresses()
        address = st.selectbox(t("class.address"), addresses, key=ADDRESS, width=260)
        can_open = bool(runs and address)
        label, icon = t("class.open"), ":material/qr_code_2:"
        if st.button(label, type="primary", icon=icon, key="class-open", disabled=not can_open) and can_open:
            _open_class(runs, address)
            st.rerun()
    if not names:
        st.info(t("draw.none_yet"))
    st.caption(t("class.trust"))
    fold_plan()
    quizzes = quiz.lessons()
    if lessons := results.lessons():
        with st.container(horizontal=True, vertical_alignment="bottom"):
            say = {
                one: plain("class.lesson", time=results.begun(one), count=len(drawn), quizzes=quizzes.get(one, 0))
                for one, drawn in lessons.items()
            }
            lesson = st.selectbox(
                t("class.lessons"), list(say), format_func=say.__getitem__, key="class-lesson", width=360
            )
            _offer_page(lesson, lambda: lessons[lesson])
            if quiz.kept(lesson):
                with st.popover(t("class.quiz.delete"), icon=":material/delete:"):
                    st.write(t("class.quiz.delete_help"))
                    really = t("class.quiz.delete_really")
                    st.button(really, key="class-quiz-delete", on_click=_delete_answers, args=(lesson,))
    race.old_races()


def _delete_answers(lesson: str) -> None:
    if lesson == st.session_state["class-lesson"]:
        with kept_refusal(REFUSED):
            quiz.delete(lesson)


def _open_class(runs: Sequence[Run], address: str) -> None:
    with kept_refusal(REFUSED):
        opened.open_class([_contestant(run.name) for run in runs], address)


def _contestant(name: str) -> Contestant:
    run = server.find(name)
    data = server.facts(run.folder).data if run else None
    return Contestant(name, short_label(name), data_name(data) if data else "", accuracy_on_test(name))


def _offer_page(
    lesson: str,
    drawn: Callable[[], Sequence[LabelledDrawing]],
    known: Sequence[Contestant] = (),
    *,
    titled: Callable[[], bool] = lambda: False,  # whether names were hidden is not known of an earlier lesson
) -> None:
    """Offer the results of a lesson as a page to save; `known`: those of its models."""
    names = dict.fromkeys(answer.run for one in drawn() if one.in_class for answer in one.in_class.answers)
    by_run, said = {one.run: one for one in known}, language()
    models = [by_run.get(name) or _contestant(name) for name in names]
    st.download_button(
        t("class.save"),
        lambda: results.page(lesson, drawn(), models, said, titles=titled()),
        f"bancada-class-{lesson[:15]}.html",
        "text/html",
        on_click="ignore",
        icon=":material/download:",
        key="class-save",
        help=t("class.save_help"),
    )


# --- a lesson ---------------------------------------------------------------------------------------------------------


def _open(now: Opened) -> None:
    classroom = now.classroom
    drawn = _moment(classroom)  # read first: what begins while the page is drawn is not seen yet
    first = "race" if classroom.shows_board else "wall" if classroom.begun else "join"
    lesson, begun = st.session_state.get(SEEN, ("", 0))
    another = lesson != classroom.lesson  # of which nobody has chosen the view, nor to stay
    if another or (begun != drawn.begun and not st.session_state.get(STAY)):  # something, perhaps in another tab
        st.session_state[SEEN] = classroom.lesson, drawn.begun
        see(first)
    # What comes and goes, or has another name by turns, stands last: no other button moves from below the pointer.
    controls, more = (
        st.container(horizontal=True, vertical_alignment="center", key=f"class-{name}") for name in ("controls", "more")
    )
    with controls:
        views = {one: t(f"class.view.{one}") for one in ("join", "wall", "race")}
        asked, number = st.session_state[SHOWN]
        view = row_of(t("class.view.label"), views, f"{VIEW}-{number}", default=asked, persist_state="session")
        if view != "race":
            _round(now)
        quiz_popover(now)
        look_popover(now)
        with st.popover(t("class.pupils"), icon=":material/group:"):
            _pupils(now)
        if view == "race":
            race.controls(classroom)
    if view != "race":
        with controls if present.is_on() else more:
            _freezing(classroom)
    with more:
        st.toggle(t("class.stay"), key=STAY, help=t("class.stay_help"), persist_state="session")
        ending_button(
            lambda: (classroom.under_way if classroom.asking else None) or classroom.raced,
            t("class.close"),
            ":material/close:",
            "class-close",
            lambda: opened.close_class(now),
        )
        if classroom.kept() or classroom.quizzes or classroom.race:
            _offer_page(
                classroom.lesson,
                lambda: _kept(classroom),
                now.models,
                titled=lambda: not classroom.names_hidden,
            )
        if view != "race":
            _passing(now)
    _follow(now, drawn)
    if view == "race":
        race.panel(classroom, f"http://{now.host}/")
        fold_plan()
        return
    show_wall(now, joining=view == "join", go_on=_go_on, take_off=lambda number: _take_off(now, number))
    if view == "join":
        st.caption(t("class.unreached", port=now.port))
    fold_plan()


def _kept(classroom: Classroom) -> list[LabelledDrawing]:
    """The drawings of the lesson that have not been deleted."""
    classroom.forget_deleted()
    return [one.drawing for one in classroom.kept()]


class _Moment(NamedTuple):
    """How much has begun in a lesson, what would be cut short, and what the next round asks."""

    begun: int
    under_way: UnderWay | None
    quizzed: UnderWay | None
    raced: UnderWay | None
    to_ask: tuple[str, int]


def _moment(classroom: Classroom) -> _Moment:
    return _Moment(classroom.begun, classroom.under_way, classroom.quizzed, classroom.raced, classroom.to_ask)


@st.fragment(run_every=1)
def _follow(now: Opened, drawn: _Moment) -> None:
    """See whether something has begun, ended or been set since the page was drawn, in another tab or by itself."""
    now.classroom.forget_deleted()
    if opened.current() is not now or _moment(now.classroom) != drawn:
        st.rerun()


def _round(now: Opened) -> None:
    """What to ask next: in sight, or on a projector below a button that names it."""
    classroom = now.classroom
    st.session_state[ASK], st.session_state[SECONDS] = classroom.to_ask  # also as another tab has set it
    kinds = {one: plain(f"class.kind.{one}") for one in KINDS}
    kinds |= {str(digit): plain("class.kind.digit", digit=digit) for digit in range(CLASSES)}
    times = {one: plain("class.countdown.each", seconds=one) for one in COUNTDOWNS}
    times[0] = plain("class.countdown.none")
    kind, seconds = classroom.to_ask
    if present.is_on():
        named = f"{kinds[kind]} · {plain('race.each_seconds', seconds=seconds)}" if seconds else kinds[kind]
        asked = st.popover(named, key="class-kind")
    else:
        asked = st.container(horizontal=True, width="content", key="class-settings")
    with asked:
        choices = (t("class.kind.label"), kinds, ASK, 230), (t("class.countdown.label"), times, SECONDS, 190)
        for label, says, key, width in choices:
            st.selectbox(
                label,
                list(says),
                format_func=says.__getitem__,
                label_visibility="collapsed",
                key=key,
                width=width,
                on_change=_choose,
                args=(classroom, key),
            )
    label = t("class.quiz.go_on" if classroom.asking else "class.next")
    st.button(label, type="primary", key="class-next", on_click=_next_as_shown, help=t("class.next_help"))


def _freezing(classroom: Classroom) -> None:
    frozen = classroom.frozen
    st.button(
        t("class.go_on" if frozen else "class.freeze"),
        icon=":material/play_arrow:" if frozen else ":material/ac_unit:",
        key="class-freeze",
        on_click=classroom.freeze,
        args=(not frozen,),
    )


def _passing(now: Opened) -> None:
    """Buttons that are there for a while: the end of a quiz, and what puts the last drawing back on the wall."""
    classroom = now.classroom
    if (asked := classroom.quiz) and classroom.asking:
        ending_button(lambda: classroom.quizzed, t("class.quiz.finish"), ":material/flag:", "class-quiz-end", asked.end)
    if classroom.taken:
        st.button(t("class.put_back"), icon=":material/undo:", key="class-back", on_click=_put_back, args=(now,))


@st.fragment(run_every=2)
def _pupils(now: Opened) -> None:
    """The pupils by name: to hide, rename or send out."""
    classroom = now.classroom
    show_refusal(REFUSED)
    st.toggle(
        t("class.hide"),
        value=classroom.names_hidden,
        key="class-hide",
        on_change=lambda: classroom.hide_names(st.session_state["class-hide"]),
    )
    pupils = {number: pupil.name for number, pupil in list(classroom.pupils.items())}
    number = st.selectbox(
        t("class.joined", count=len(pupils)),
        list(pupils),
        format_func=lambda one: pupils.get(one, ""),
        index=None,
        placeholder=t("class.choose_pupil"),
        key="class-pupil",
    )
    if number in pupils:
        name = f"class-name-{number}"
        st.text_input(t("class.new_name"), pupils[number], max_chars=collection.LONGEST_NICKNAME, key=name)
        does: dict[str, Callable[[], None]] = {
            "rename": lambda: classroom.rename(number, st.session_state[name]),
            "remove": lambda: classroom.remove(number),
        }
        with st.container(horizontal=True):
            for key, act in does.items():
                st.button(t(f"class.{key}"), key=f"class-{key}", on_click=_with_chosen, args=(number, act))
        _remove_together(now, number)
    st.button(t("class.new_code"), key="class-new-code", on_click=classroom.change_code, help=t("class.new_code_help"))


def _remove_together(now: Opened, number: int) -> None:
    """Let all be sent out who have joined from the address of this pupil: they may be a single person."""
    those = now.classroom.from_address_of(number)
    if len(those) < 2:
        return
    key = f"class-together-{'-'.join(map(str, those))}-agree"  # whoever has agreed to others has not agreed to these
    agreed = st.checkbox(t("class.together.agree", count=len(those)), key=key)
    st.button(
        t("class.together.remove", count=len(those)),
        key="class-together",
        disabled=not agreed,
        on_click=_with_chosen,
        args=(number, lambda: now.classroom.remove_all(those)),
        help=t("class.together.help"),
    )


def _go_on() -> None:
    """Go on as the button does, but leave what everybody looks at in sight, and a race alone."""
    now = opened.current()
    if (
        now
        and not now.classroom.showing
        and not now.classroom.racing
        and not (now.classroom.quiz and now.classroom.quiz.stage == "end")
    ):
        _next()


def _choose(classroom: Classroom, *keys: str) -> None:
    """Set what the next round asks at these keys, and leave the rest as it is set, perhaps in another tab."""
    kind, seconds = classroom.to_ask
    if ASK in keys:
        kind = st.session_state[ASK]
    if SECONDS in keys:
        seconds = st.session_state[SECONDS]
    classroom.to_ask = kind, seconds


def _next_as_shown() -> None:
    """Go on with what this tab shows at the click, which may be newer than the page's last run."""
    if now := opened.current():
        _choose(now.classroom, ASK, SECONDS)
        _next()


def _next() -> None:
    """Go on in the quiz, or ask the next round, as the teacher has set it in any tab."""
    now = opened.current()
    if not now:
        return
    if (asked := now.classroom.quiz) and asked.stage != "end":
        asked.go_on()
        see("wall")
        return
    kind, seconds = now.classroom.to_ask
    asked = _digits(now, kind)
    now.classroom.begin(asked, seconds * len(asked) or None)
    see("wall")


def _digits(now: Opened, kind: str) -> list[int]:
    """The digits of the next round."""
    chance = np.random.default_rng()
    if kind == "free":
        return []
    if kind == "each":
        return chance.permutation(CLASSES).tolist()
    if kind == "confused":
        return list(_confused(now)) or chance.permutation(CLASSES).tolist()
    if kind == "another":
        alone = [one.asked[0] for one in now.classroom.rounds if len(one.asked) == 1]
        others = [digit for digit in range(CLASSES) if alone[-1:] != [digit]]
        least = min(map(alone.count, others))
        return [int(chance.choice([digit for digit in others if alone.count(digit) == least]))]
    return [int(kind)]


def _confused(now: Opened) -> tuple[int, ...]:
    """The digits that the models confuse: in what this class has drawn, else in their test images."""
    of_class = sum(now.classroom.results().matrix.values(), np.zeros((CLASSES, CLASSES), np.int64))
    if digits := results.confused(of_class):
        return digits
    reports = [run.report() for one in now.models if (run := server.find(one.run))]
    return results.confused(
        sum((np.array(one.confusion_matrix) for one in reports if one), np.zeros((CLASSES, CLASSES)))
    )


def _take_off(now: Opened, number: int) -> None:
    with kept_refusal(REFUSED):
        now.classroom.take_off(number)


def _put_back(now: Opened) -> None:
    with kept_refusal(REFUSED):
        now.classroom.put_back()


def _with_chosen(number: int, act: Callable[[], None]) -> None:
    """Do something with a pupil, if nobody else is chosen at the click."""
    if number == st.session_state["class-pupil"]:
        with kept_refusal(REFUSED):
            act()
