"""The panels of the page Our drawings: models' accuracy and errors on the saved drawings, and the drawings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from core.charts import bars
from core.datasets.mnist_5k import MNIST_5K
from core.drawing import collection
from core.drawing.collection import LabelledDrawing
from core.images.splits import resized
from core.measures.answers import Answers, Measure
from core.measures.measures import Measures, by_writer, measures, proportion
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run
from ui import server
from ui.choice import one_of, short_label
from ui.columns import beside_or_below, in_sight
from ui.gallery import clicked_picture, gallery
from ui.matrix import Cell
from ui.measured import classes_table, matrix_panel, measures_table
from ui.tables import folded_table, offer_csv
from ui.text import interval, kept_refusal, language, percent, refused, show_refusal, t

VIEWS = ("right", "fails", "numbers", "all")
PICTURES = 36  # on one page of the gallery
SIDE = 84  # px, width of a drawing on the page
REFUSED = "drawings.refused"
STYLE = """<style>
.st-key-drawings-begin button { min-height: 4rem; padding: 0 2rem; }
.st-key-drawings-begin p { font-size: 1.5rem; }
</style>"""
CELL = "drawings.cell"  # in the session state: the cell of the matrix that was clicked
DIGIT, NICKNAME = "drawings-digit", "drawings-nickname"  # in the session state: the filters of the gallery
ONE = "drawings.one"  # in the session state: the name of the drawing that was clicked


def empty(runs: Sequence[Run]) -> None:
    """Show, where there is no drawing yet, the way to one, and an example with the answers of the first run's model."""
    st.info(t("drawings.none_yet"))
    st.html(STYLE)
    if st.button(t("drawings.begin"), type="primary", icon=":material/draw:", key="drawings-begin"):
        st.switch_page(server.PAGES / "draw.py", query_params={})
    _offer_sheets()
    test = server.official(RunSpec(data=MNIST_5K.name)).test
    first = [int(np.flatnonzero(test.labels == digit)[0]) for digit in range(collection.CLASSES)]
    images, labels = test.images[first], test.labels[first]
    captions, said = [str(label) for label in labels], ""
    try:
        if model := server.model(runs[0]) if runs else None:
            predicted = model.probabilities(resized(images, model.shape[1])).argmax(axis=1)
            captions = [f"{label} → {answer}" for label, answer in zip(labels, predicted, strict=True)]
            right = proportion(int((predicted == labels).sum()), len(labels))
            said = t(
                "drawings.example_said",
                run=short_label(model.run),
                right=round(right.value * right.n),
                n=right.n,
                interval=interval(right.low, right.high),
            )
    except Refusal as refusal:
        refused(refusal)
    st.markdown(f"{t('drawings.example', data=t('dataset.mnist-5k'))} {said}")
    gallery(images, captions, side=SIDE)


def _offer_sheets() -> None:
    """Show a button that leads to the page Draw, where pictures of sheets are read."""
    if st.button(t("drawings.sheet"), icon=":material/photo_camera:", key="drawings-sheet"):
        st.session_state["mode"] = "sheet"
        st.switch_page(server.PAGES / "draw.py", query_params={})


def panel(runs: Sequence[Run], kept: list[LabelledDrawing]) -> None:
    """Show how the runs' models classify the drawings `kept` (at least one); details are of the first usable model."""
    answered = {}
    for run in runs:
        try:
            answered[run] = server.drawn_answers(run, kept)
        except Refusal as refusal:
            refused(refusal)
    first = next(iter(answered.items()), None)
    view = one_of("drawn", VIEWS) if first else "all"
    if view == "all" or not first:
        _pictures(kept, first)
        return
    run, answers = first
    names = server.class_names(run, language())
    measured = measures(answers.confusion_matrix)
    if view == "right":
        _beside_the_test(answered, [one.writer for one in kept], names)
        return
    if view == "fails":
        _fails(answers, measured, names, kept)
    else:
        measures_table(measured, answers.loss(), accuracy=t("drawings.accuracy"))
    st.caption(t("drawings.independent"))


def _beside_the_test(answered: Mapping[Run, Answers], writers: Sequence[str], names: tuple[str, ...]) -> None:
    """Show each model's accuracy on the drawings and on its test images, and the first model's for each digit."""
    several = len(set(writers)) > 1

    def share(right: np.ndarray, whose: Sequence[str]) -> Measure:
        return by_writer(right, whose) if several else proportion(int(right.sum()), len(right))

    tests = {run: server.measured(run) if run.is_done() else None for run in answered}
    drawn = {run: share(answers.is_right, writers) for run, answers in answered.items()}
    run, answers = next(iter(answered.items()))
    digits = [answers.labels == k for k in range(len(names))]
    of_digits = [share(answers.is_right[which], np.array(writers)[which].tolist()) for which in digits]
    st.markdown(_said(drawn[run], tests[run]))
    left, right = st.columns([6, 5], gap="large")
    with left:
        nothing = Measure(math.nan, math.nan, math.nan, 0)
        of_tests = [one.accuracy if one else nothing for one in tests.values()]
        _chart("models", list(drawn.values()), of_tests, [short_label(one.name) for one in answered], t("draw.model"))
    with right:
        of_test = tests[run]
        of_classes = [one.recall for one in of_test.classes] if of_test else []
        _chart("digits", of_digits, of_classes, names, t("chart.class"))
    st.caption(t("drawings.by_writer" if several else "drawings.one_writer") + " " + t("drawings.intervals_help"))


def _said(drawn: Measure, test: Measures | None) -> str:
    ends = interval(drawn.low, drawn.high)
    said = t("drawings.said", accuracy=percent(drawn.value), interval=ends, count=drawn.n)
    if test is None:
        return said
    of_test = test.accuracy
    ends = interval(of_test.low, of_test.high, 2)
    return f"{said} {t('drawings.said_test', accuracy=percent(of_test.value, 2), interval=ends, n=of_test.n)}"


def _chart(key: str, drawn: Sequence[Measure], test: Sequence[Measure], rows: Sequence[str], y_title: str) -> None:
    st.markdown(f"**{t(f'drawings.{key}')}**")
    series = {t("drawings.drawn"): drawn, t("drawings.test"): test}
    accuracy = t("chart.accuracy")
    chart = bars.intervals(series, rows, x_title=accuracy, y_title=y_title, language=language())
    st.altair_chart(chart, width="stretch", alt=t(f"drawings.{key}_alt"), key=f"drawings-{key}")
    columns = [y_title, t("drawings.on"), accuracy, t("drawings.low"), t("drawings.high"), t("measure.n")]
    table = bars.intervals_table(series, rows, columns)
    with folded_table(table):
        offer_csv(table, f"drawings-{key}")


def _fails(answers: Answers, measured: Measures, names: tuple[str, ...], kept: Sequence[LabelledDrawing]) -> None:
    with beside_or_below("matrix-and-errors"):
        left, right = st.columns(2, gap="large")
    with left:
        cell = st.session_state.get(CELL)
        chosen = cell or (None, None)
        matrix_panel(answers.confusion_matrix, names, key="drawings-matrix", chosen=chosen, on_click=_choose_cell)
    places = answers.errors("confidence", *chosen).tolist()
    shown = places[:PICTURES]
    with right, in_sight("cell"):
        if cell:
            st.markdown(t("evaluate.cell", true=names[cell[0]], predicted=names[cell[1]], count=len(places)))
        else:
            st.markdown(t("drawings.errors" if places else "drawings.no_errors", count=len(places), n=len(kept)))
        gallery([kept[i].pixels[None] for i in shown], _captions(kept, answers, shown), side=SIDE)
    with st.container(key="classes"):  # below both: in one column the images follow the matrix
        classes_table(measured.classes, names)


def _choose_cell(clicked: Cell) -> None:
    st.session_state[CELL] = None if st.session_state.get(CELL) == clicked else clicked


def _pictures(kept: Sequence[LabelledDrawing], first: tuple[Run, Answers] | None) -> None:
    """Show the drawings, newest first, filtered by digit and nickname or to the one clicked, to export or delete."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        digit = st.selectbox(
            t("drawings.digit"),
            range(collection.CLASSES),
            index=None,
            placeholder=t("drawings.every"),
            key=DIGIT,
            width=200,
        )
        nickname = st.selectbox(
            t("keep.nickname"),
            sorted({drawing.nickname for drawing in kept if drawing.nickname}),
            index=None,
            placeholder=t("drawings.every"),
            key=NICKNAME,
            width=260,
        )
        one, places = st.session_state.get(ONE), _chosen(kept)
        if one in {drawing.name for drawing in kept}:
            st.button(t("drawings.show_all"), on_click=_look_at, args=(None,))
        _offer_sheets()
        st.download_button(
            t("drawings.export"),
            lambda: collection.export(kept),
            "drawings.npz",
            "application/octet-stream",
            on_click="ignore",
            help=t("drawings.export_help", share=collection.TEST_SHARE),
        )
        if places:
            with st.popover(t("drawings.delete", count=len(places)), icon=":material/delete:"):
                st.markdown(t("drawings.really", count=len(places)))
                st.button(
                    t("drawings.yes"), key="drawings-yes", on_click=_delete, args=([kept[i].name for i in places],)
                )
    show_refusal(REFUSED)
    pages = max(1, math.ceil(len(places) / PICTURES))
    page = st.pagination(pages, key=f"drawings-page-{digit}-{nickname}-{one}") if pages > 1 else 1
    shown = places[(page - 1) * PICTURES : page * PICTURES]
    captions = _captions(kept, first[1] if first else None, shown)
    gallery([kept[i].pixels[None] for i in shown], captions, side=SIDE, numbers=list(shown))
    clicked_picture(lambda i: _look_at(kept[i].name if 0 <= i < len(kept) else None))


def _chosen(kept: Sequence[LabelledDrawing]) -> list[int]:
    """The places of the drawings that are chosen now, newest first: the one clicked, or those that fit the filters."""
    places, one = range(len(kept))[::-1], st.session_state.get(ONE)
    if alone := [i for i in places if kept[i].name == one]:
        return alone
    digit, nickname = st.session_state.get(DIGIT), st.session_state.get(NICKNAME)
    return [i for i in places if digit in (None, kept[i].label) and nickname in (None, kept[i].nickname)]


def _captions(kept: Sequence[LabelledDrawing], answers: Answers | None, places: Sequence[int]) -> list[str]:
    """The caption of each drawing: its label, the class that the model predicts, and the nickname."""
    answered = [f" → {answers.predicted[i]}" if answers else "" for i in places]
    return [f"{kept[i].label}{k}\n{kept[i].nickname}" for i, k in zip(places, answered, strict=True)]


def _look_at(name: str | None) -> None:
    st.session_state[ONE] = name


def _delete(names: Sequence[str]) -> None:
    """Delete those of the drawings that are still chosen."""
    kept = collection.kept()
    chosen = {kept[i].name for i in _chosen(kept)}
    st.session_state[ONE] = None
    with kept_refusal(REFUSED):
        collection.delete([name for name in names if name in chosen])
