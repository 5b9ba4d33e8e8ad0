"""The images behind a run's measures: its errors, the images of a matrix cell, and a single image in detail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import streamlit as st

from core.charts import bars
from core.datasets import Split, dataset
from core.measures.answers import Answers
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.choice import data_name
from ui.data_card import data_are_here, known_error
from ui.gallery import clicked_picture, gallery
from ui.numbers import whole_number
from ui.tables import folded_table
from ui.text import language, literal, number, percent, plain, refused, t

PICTURES = 12  # on one page of the gallery: as high as a projector, so that they remain beside the matrix
BOXES = ("true_class", "predicted_class")
ORDERS = ("index", "loss", "confidence")
INDEX = "image-index"  # key in the session state: the place in the test split of the image that is shown


def gallery_of(run: Run, answers: Answers, names: tuple[str, ...], clicked: tuple[int, int] | None) -> None:
    """Show the images of all errors, or of the cell that was clicked or chosen, a page at a time."""
    chosen, order = _chosen(names)  # drawn even without images, so that the boxes stay in place
    test = test_images(run, answers)
    if not test:
        return
    cell = chosen or clicked
    places = answers.errors(order, cell)
    if cell:
        st.write(t("evaluate.cell", true=names[cell[0]], predicted=names[cell[1]], count=len(places)))
    else:
        st.write(t("evaluate.all_errors", count=len(places), n=len(answers.labels)))
    pages = max(1, math.ceil(len(places) / PICTURES))
    page = st.pagination(pages, key=f"errors-{run.name}-{cell}-{order}") if pages > 1 else 1
    places = places[(page - 1) * PICTURES : page * PICTURES]
    source = dataset(run.spec.data)
    captions = [
        plain(
            "evaluate.picture",
            index=int(i),
            true=names[answers.labels[i]],
            predicted=names[answers.predicted[i]],
            probability=percent(float(answers.confidence[i])),
        )
        + known_error(source, int(i), names, before="\n")
        for i in places
    ]
    gallery(test.images[places], captions, numbers=[int(i) for i in places])
    clicked_picture(_look_at)


def one_image(run: Run, answers: Answers, names: tuple[str, ...]) -> None:
    """Show a test image by its number, typical images of its true and predicted classes, and all probabilities."""
    test = test_images(run, answers)
    if not test:
        return
    index = choose_image(answers)
    true, predicted = int(answers.labels[index]), int(answers.predicted[index])
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(_said(answers, index, names))
        if wrong := known_error(dataset(run.spec.data), index, names):
            st.warning(literal(wrong))
        shown = [("image.this", index, true), ("image.looks", answers.representative(true), true)]
        if predicted != true:
            shown.append(("image.looks", answers.representative(predicted), predicted))
        shown = [(key, place, k) for key, place, k in shown if place is not None]
        captions = [plain(key, index=int(place), label=names[k]) for key, place, k in shown]
        gallery(test.images[[place for _, place, _ in shown]], captions, side=200)
        st.caption(t("image.looks_help"))
    with right:
        values = answers.probabilities[index]
        words = {"x_title": t("chart.probability"), "y_title": t("chart.class")}
        marks, rows = marked_rows(true, predicted, names)
        chart = bars.probabilities(values, rows, language=language(), highlight=marks, **words)
        st.altair_chart(chart, width="stretch", alt=t("image.probabilities_alt"), key="image-probabilities")
        folded_table(bars.probabilities_table(values, rows, **words))


def marked_rows(true: int, predicted: int, names: tuple[str, ...]) -> tuple[dict[int, str], list[str]]:
    """Of the bars of an answer: what marks the true and the predicted class, and the words of each class."""
    marks: dict[int, str] = {true: "right"} if true == predicted else {true: "true", predicted: "predicted"}
    return marks, [plain(f"mark.{marks[k]}", label=name) if k in marks else name for k, name in enumerate(names)]


def choose_image(answers: Answers) -> int:
    """Let the reader choose a test image by its number, as the error before or after, or at random; returns its index.

    It is the same image in every view; at first the first error.
    """
    errors = answers.errors("index")
    n = len(answers.labels)
    if not 0 <= st.session_state.get(INDEX, -1) < n:
        st.session_state[INDEX] = int(errors[0]) if len(errors) else 0
    first, *columns = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    index = whole_number(t("image.index", last=n - 1), 0, n - 1, key=INDEX, where=first)
    other = (index + 1 + int(np.random.default_rng().integers(n - 1))) % n if n > 1 else None  # never the same again
    chosen = {"previous": errors[errors < index][-1:], "next": errors[errors > index][:1]}
    places = {name: int(found[0]) if len(found) else None for name, found in chosen.items()} | {"random": other}
    for column, (name, place) in zip(columns, places.items(), strict=True):
        column.button(
            t(f"image.{name}"),
            on_click=_set,
            args=(place,),
            disabled=place is None,
            width="stretch",
            key=f"image-{name}",
        )
    return index


def test_images(run: Run, answers: Answers) -> Split | None:
    """The run's test split; None, with a message, if its data are not on this machine or have changed since."""
    try:
        test = server.splits(run.spec).test
    except Refusal as refusal:
        refused(refusal, st.warning)
        data_are_here(dataset(run.spec.data))
        return None
    same = not answers.images or server.images(run.spec) == answers.images
    if not same or not np.array_equal(test.labels, answers.labels):
        st.warning(t("error.other_data", data=data_name(run.spec.data)))
        return None
    return test


def _said(answers: Answers, index: int, names: tuple[str, ...]) -> str:
    """A sentence: the predicted class and, if it is wrong, the probability and rank of the true one."""
    true, predicted = int(answers.labels[index]), int(answers.predicted[index])
    slots = {
        "true": names[true],
        "predicted": names[predicted],
        "probability": percent(float(answers.confidence[index])),
    }
    if true == predicted:
        return t("image.right", **slots)
    of_truth = percent(float(answers.of_truth[index]))
    return t("image.wrong", **slots, of_truth=of_truth, rank=number(answers.rank_of_truth(index)), classes=len(names))


def _chosen(names: tuple[str, ...]) -> tuple[tuple[int, int] | None, Any]:
    """The cell chosen in two select boxes, as an alternative to clicking, None while one is empty; and the order."""
    *columns, last = st.columns([3, 3, 4])
    true, predicted = (
        column.selectbox(
            t(f"chart.{what}"),
            names,
            index=None,
            key=f"cell-{what}",
            placeholder=t(f"chart.{what}"),
            label_visibility="collapsed",
        )
        for column, what in zip(columns, BOXES, strict=True)
    )
    say = {order: t(f"order.{order}") for order in ORDERS}
    order = last.selectbox(
        t("order.label"),
        ORDERS,
        format_func=say.__getitem__,
        label_visibility="collapsed",
        key="order",
        persist_state="session",
    )
    return (names.index(true), names.index(predicted)) if true and predicted else None, order


def forget_cell() -> None:
    """Empty the select boxes of the cell. Called when a cell is clicked, which replaces the one chosen there."""
    for what in BOXES:
        st.session_state[f"cell-{what}"] = None


def _look_at(index: int) -> None:
    """Show a single image. Called when its picture is clicked."""
    st.session_state["view"] = "image"
    _set(index)


def _set(index: int | None) -> None:
    st.session_state[INDEX] = index
