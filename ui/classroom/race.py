"""The teacher's side of a race: what the class may choose, the board on the projector, and the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import streamlit as st

from core import settings
from core.classroom import board
from core.classroom.classroom import Classroom
from core.classroom.race import START, Race, Record, delete, progress, records
from core.classroom.results import begun
from core.classroom.rules import (
    MOST_CHOICES,
    MOST_EPOCHS,
    MOST_SECONDS,
    MOST_VALUES,
    SUGGESTED,
    Rules,
    can_choose,
    label,
    read,
    rules,
    written,
)
from core.datasets import dataset, datasets
from core.networks.architectures import ARCHITECTURES
from core.recipes import PUBLISHED, RECIPES
from core.refusal import Refusal
from core.spec import RunSpec, checked, default
from core.training.ready import ready
from ui import estimate, present, server
from ui.choice import data_name
from ui.classroom.activities import agrees, ending_button
from ui.text import kept_refusal, language, percent, plain, refused, show_refusal, t

REFUSED, TEST_REFUSED, ASKED = "race.refused", "race.test-refused", "race.estimate"  # keys in the session state
FIRST = ("learning_rate", "batch_size", "optimizer")  # choices that are offered first
ATTEMPTS = (1, 2, 3, 5)
SECONDS = (5, 10, 20, 30, 60, MOST_SECONDS)
EPOCHS = (1, 2, 3, 5, 10, 20, MOST_EPOCHS)
STYLE = f"""<style>{board.STYLE}
.stHtml:has(.race) {{ overflow-x: auto; }}
.stHtml:has(.race) p {{ margin: 0.25rem 0; line-height: 1.25; }}
div:has(> .st-key-race-test-box:not(:has(button))) {{ display: none; }}
</style>"""


def controls(classroom: Classroom) -> None:
    """Buttons of a race that is on, or over."""
    race = classroom.race
    if not race:
        return
    if race.record.ended:
        with st.container(width="content", key="race-test-box"):
            st.fragment(_offer_test, run_every=1.0, key="race-test-fragment")(race)
        st.button(t("race.again"), icon=":material/replay:", key="race-again", on_click=_set_up_again, args=(True,))
    else:
        ending_button(
            lambda: classroom.raced,
            t("race.end"),
            ":material/flag:",
            "race-end",
            partial(_end, race),
            help=t("race.end_help"),
        )
    if not classroom.racing:  # last, since its click takes it away
        ending_button(
            lambda: classroom.under_way,
            t("race.watch"),
            ":material/phone_iphone:",
            "race-watch",
            classroom.watch_race,
        )


def _offer_test(race: Race) -> None:
    """A button that has the test split read for the best, of which there are others while trainings end."""
    best = _untested(race)
    if best:
        st.button(
            t("race.read_test"),
            icon=":material/visibility:",
            key="race-test",
            on_click=_read_test,
            args=(race,),
            disabled=any(run in race.at_work() for run in best),
            help=t("race.read_test_help"),
        )
        show_refusal(TEST_REFUSED, once=False)  # the button is looked at each second


def _untested(race: Race) -> list[str]:
    """The runs whose test split is to be read."""
    return [row.run for row in board.winners(board.of(race)) if not row.test]


def panel(classroom: Classroom, address: str) -> None:
    """The board of the race, or what the class may choose in the next one; `address`: at which pupils join."""
    show_refusal(REFUSED)
    race = classroom.race
    if race and not (race.record.ended and st.session_state.get("race.again")):
        st.html(STYLE)
        st.fragment(_board, run_every=1.0, key="race-fragment")(classroom, race, address)
    else:
        _set_up(classroom, address)


def _instruction(classroom: Classroom, address: str) -> list[str]:
    """What a race is, and how pupils join."""
    return [plain("race.about"), plain("race.join", address=address, code=classroom.door.code)]


def _board(classroom: Classroom, race: Race, address: str) -> None:
    rows, shows = board.of(race), not classroom.names_hidden
    brief = board.MOST_ROWS if present.is_on() else 0
    with st.container(key="race-board"):
        said = [] if rows or race.record.ended else _instruction(classroom, address)
        told = "".join(f"<p>{escape(one)}</p>" for one in said)
        shown = _shown(race.record, rows, nicknames=shows, titles=shows, brief=brief)
        st.html(f"{told}<p>{_at_work(race, titled=shows)}</p>{shown}")
    if race.record.attempts and not present.is_on():
        _take_off(race)


def _shown(record: Record, rows: Sequence[board.Row], *, nicknames: bool, titles: bool, brief: int = 0) -> str:
    """The board, and below it what was read of test, and what the places mean."""
    said = board.notes(rows, language(), titles=titles)
    table = board.table(record, rows, language(), nicknames=nicknames, titles=titles, brief=brief)
    return table + "".join(f"<p>{escape(one)}</p>" for one in said)


def _at_work(race: Race, *, titled: bool) -> str:
    """What trains now, and how many wait."""
    handed, waiting = race.at_work(), race.waiting()
    running = {one.run: one for one in reversed(race.record.attempts) if one.run in handed}
    if not running:
        return plain("race.over" if race.record.ended else "race.at_rest")
    if not race.record.ended and race.is_held_up():
        return escape(plain("race.behind", waiting=len(waiting) + len(running)))
    titles = [one.title if titled and one.title else f"#{one.number}" for one in running.values()]
    share = percent(max(progress(name).share for name in running), 0)
    seconds = race.seconds_to(len(waiting) + 1)
    said = plain("race.at_work", title=", ".join(titles), share=share, waiting=len(waiting), seconds=round(seconds))
    return escape(said)


def _take_off(race: Race) -> None:
    """Let the teacher delete an attempt: its name may be what no name should be."""
    says = {
        one.number: " · ".join(filter(None, [f"#{one.number}", one.title, one.nickname]))
        for one in race.record.attempts
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox(
            t("race.take_off"),
            list(says),
            format_func=lambda one: says.get(one, ""),
            index=None,
            placeholder=t("race.take_off"),
            label_visibility="collapsed",
            key="race-attempt",
            width=360,
        )
        if number in says:
            st.button(t("race.take_off_do"), key="race-take-off", on_click=_delete_attempt, args=(race, number))


# --- before a race ----------------------------------------------------------------------------------------------------


def _set_up(classroom: Classroom, address: str) -> None:
    st.text(" ".join(_instruction(classroom, address)))
    found, begin = None, None
    try:
        spec = _spec()
        source = dataset(spec.data)
        if source.state()[0] != "ready":
            raise Refusal("race.no_data")
        names = can_choose(spec)
        says = {name: label(name).say(language()) for name in names}
        left, right = st.columns([2, 1], gap="large")
        with left:
            chosen = st.multiselect(
                t("race.choose", most=MOST_CHOICES),
                names,
                default=[name for name in FIRST if name in names],
                format_func=says.__getitem__,
                max_selections=MOST_CHOICES,
                key="race-choose",
                persist_state="session",
            )
            lists = {name: _values(name) for name in chosen}
        with right:
            times = {one: plain("race.each_seconds", seconds=one) for one in SECONDS}
            seconds = st.selectbox(
                t("race.seconds"),
                SECONDS,
                index=2,
                format_func=times.__getitem__,
                key="race-seconds",
                persist_state="session",
            )
            attempts = st.selectbox(t("race.attempts"), ATTEMPTS, index=2, key="race-attempts", persist_state="session")
            begin = st.container()  # filled once all is known to be possible
        found = rules(spec, lists, float(seconds), attempts)
        slowest = found.slowest()
        ready(slowest, language())
        _worst(found, slowest, max(1, len(classroom.pupils)))
    except Refusal as refusal:
        refused(refusal, st.warning)
    with begin or st.container():
        can_start = agrees(classroom.under_way, "race-start") and found is not None
        button: dict[str, Any] = {"type": "primary", "icon": ":material/flag:", "key": "race-start", "width": "stretch"}
        if st.button(t("race.start"), **button, disabled=not can_start) and found and can_start:
            _start(classroom, found)
            st.rerun()


def _spec() -> RunSpec:
    """The spec from which all runs of the race start. Raises: Refusal."""
    ours = [name for name in RECIPES if name not in PUBLISHED]
    says = {"": t("recipe.none")} | {name: t(f"recipe.{name}.title") for name in ours}
    columns = st.columns(4)
    name = columns[0].selectbox(
        t("race.data"), list(says), format_func=says.__getitem__, key="race-recipe", persist_state="session"
    )
    if name:
        spec = RECIPES[name].spec()
        return spec.model_copy(update={"epochs": min(spec.epochs, MOST_EPOCHS)})
    data = columns[1].selectbox(
        t("spec.data.label"),
        list(datasets()),
        index=list(datasets()).index("mnist-5k"),
        format_func=data_name,
        key="race-data",
        persist_state="session",
    )
    networks = {one: t(f"architecture.{one}") for one in ARCHITECTURES}
    architecture = columns[2].selectbox(
        t("spec.architecture.label"),
        list(networks),
        index=list(networks).index(default("architecture")),
        format_func=networks.__getitem__,
        key="race-architecture",
        persist_state="session",
    )
    epochs = columns[3].selectbox(t("spec.epochs.label"), EPOCHS, index=2, key="race-epochs", persist_state="session")
    return checked({"data": data, "architecture": architecture, "epochs": epochs})


def _values(name: str) -> list[Any]:
    """The values of a choice, as the teacher leaves or writes them. Raises: Refusal."""
    offered = [written(name, value, language()) for value in SUGGESTED[name]]
    words = st.multiselect(
        t("race.values", name=label(name)),
        offered,
        default=offered,
        accept_new_options=name != "optimizer",
        max_selections=MOST_VALUES,
        key=f"race-values-{name}-{language()}",  # the numbers are written in the language
        persist_state="session",
    )
    return [read(name, one, language()) for one in words]


def _worst(found: Rules, slowest: RunSpec, people: int) -> None:
    """Say how long the class may wait for all its trainings, `slowest` being that which takes longest."""
    at_once = settings.runs_at_once()
    runs, total = found.worst(people, at_once, found.seconds + START)
    st.info(t("race.worst", runs=runs, seconds=found.seconds, total=round(total), count=people))
    lasting = estimate.is_lasting(slowest, ASKED)

    def say(measured: Mapping[str, Any]) -> str:
        seconds = measured["seconds"]
        return t("race.estimated", seconds=seconds, total=round(found.worst(people, at_once, seconds + START)[1]))

    def answer() -> None:
        estimate.offer(slowest, ASKED, say, lasting=lasting, key="race-estimate")

    st.fragment(answer, run_every=1.0 if lasting else None, key="race-how-long")()


# --- clicks -----------------------------------------------------------------------------------------------------------


def _start(classroom: Classroom, found: Rules) -> None:
    with kept_refusal(REFUSED):
        classroom.begin_race(found, server.workers())
        _set_up_again(False)


def _set_up_again(again: bool) -> None:
    st.session_state["race.again"] = again


def _end(race: Race) -> None:
    with kept_refusal(REFUSED):
        race.end()


def _read_test(race: Race) -> None:
    with kept_refusal(TEST_REFUSED):
        race.read_test(_untested(race))


def _delete_attempt(race: Race, number: int) -> None:
    if number == st.session_state["race-attempt"]:
        with kept_refusal(REFUSED):
            race.take_off(number)


def old_races() -> None:
    """The races that are stored: the board of one, and a button that deletes it with its runs."""
    stored = {f"{one.lesson}-{one.number}": one for one in reversed(records())}
    if not stored:
        return
    show_refusal(REFUSED)
    with st.expander(t("race.view"), icon=":material/flag:"):
        says = {name: plain("race.old", time=begun(one.lesson), number=one.number) for name, one in stored.items()}
        name = st.selectbox(
            t("race.view"),
            list(says),
            format_func=says.__getitem__,
            label_visibility="collapsed",
            key="race-old",
            width=360,
        )
        record = stored[name]
        st.html(STYLE + _shown(record, board.rows(record), nicknames=True, titles=True))
        with st.popover(t("race.delete"), icon=":material/delete:"):
            count = len({one.run for one in record.attempts if one.run})
            really = t("race.delete_really", count=count)
            st.button(really, key="race-delete", on_click=_delete, args=(name, record))


def _delete(name: str, record: Record) -> None:
    if name == st.session_state["race-old"]:
        with kept_refusal(REFUSED):
            delete(record)
