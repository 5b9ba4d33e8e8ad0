"""The images behind a run's measures: its errors, the images of a matrix cell, and a single image in detail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.datasets import Split, dataset, datasets
from core.measures.answers import Answers
from core.refusal import Refusal
from core.store import Run
from ui.choice import data_name
from ui.columns import beside_or_below
from ui.data_card import answered_images, data_are_here, known_error
from ui.gallery import clicked_picture, gallery
from ui.inside.link import to_inside
from ui.matrix import Cell
from ui.measured import probability_bars
from ui.numbers import whole_number
from ui.tables import folded_table
from ui.text import literal, number, percent, plain, refused, t

PICTURES = 10  # on one page of the gallery: as high as a projector, so that they remain beside the matrix
SIDE = 96  # px, width of a picture: five in a row
BOXES = ("true_class", "predicted_class")
ORDERS = ("confidence", "loss", "index")
INDEX = "image-index"  # key in the session state: the place in the test split of the image that is shown


def cell(answers: Answers) -> tuple[int | None, int | None]:
    """The true and the predicted class that the reader has chosen, by a click on the matrix or in the boxes."""
    classes = answers.probabilities.shape[1]
    found = (st.session_state.get(f"cell-{what}") for what in BOXES)
    true, predicted = (one if isinstance(one, int) and one < classes else None for one in found)
    return true, predicted


def choose_cell(clicked: Cell) -> None:
    """Choose the cell that is clicked; if it is the chosen one, choose none."""
    keys = [f"cell-{what}" for what in BOXES]
    again = tuple(st.session_state.get(key) for key in keys) == clicked
    st.session_state.update(dict.fromkeys(keys) if again else dict(zip(keys, clicked, strict=True)))


def gallery_of(run: Run, answers: Answers, names: tuple[str, ...]) -> None:
    """Show the images of all errors, or of the chosen cell or class, a page at a time."""
    chosen, order = _boxes(answers, names)  # drawn even without images, so that the boxes stay in place
    test = test_images(run, answers)
    if not test:
        return
    places = answers.errors(order, *chosen)
    st.write(_shown(chosen, names, len(places), len(answers.labels)))
    pages = max(1, math.ceil(len(places) / PICTURES))
    page = st.pagination(pages, key=f"errors-{run.name}-{chosen}-{order}", persist_state="session") if pages > 1 else 1
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
    gallery(test.images[places], captions, side=SIDE, numbers=[int(i) for i in places])
    clicked_picture(_look_at)


def one_image(run: Run, answers: Answers, names: tuple[str, ...]) -> None:
    """Show a test image by its number, typical images of its true and predicted classes, and all probabilities."""
    test = test_images(run, answers)
    if not test:
        return
    index = choose_image(answers)
    if (chosen := cell(answers)) != (None, None):
        st.caption(_shown(chosen, names, len(answers.errors("index", *chosen)), len(answers.labels)))
    true, predicted = int(answers.labels[index]), int(answers.predicted[index])
    with beside_or_below("one-image"):
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
        to_inside(run, f"test:{index}")
    with right:
        folded_table(probability_bars(answers.probabilities[index], true, names, key="image-probabilities"))


def choose_image(answers: Answers) -> int:
    """Let the reader choose a test image by its number, as the one before or after, or at random; returns its index.

    Before and after are those of the gallery: of all errors, or of the chosen cell or class, in its order. It is the
    same image in every view; at first the gallery's first.
    """
    places, n = _places(answers), len(answers.labels)
    if not 0 <= st.session_state.get(INDEX, -1) < n:
        st.session_state[INDEX] = places[0] if places else 0
    first, *columns = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    index = whole_number(t("image.index", last=n - 1), 0, n - 1, key=INDEX, where=first)
    said = "error" if cell(answers) == (None, None) else "image"
    for column, (name, place) in zip(columns, _around(index, places, n).items(), strict=True):
        column.button(
            t(f"image.{name}" if name == "random" else f"image.{name}_{said}"),
            on_click=_go,
            args=(answers, name),
            disabled=place is None,
            width="stretch",
            key=f"image-{name}",
            shortcut={"previous": "B", "next": "N"}.get(name),
        )
    return index


def _places(answers: Answers) -> list[int]:
    """The test images that the reader goes through, in the gallery's order: all errors, or the chosen cell or class."""
    return answers.errors(st.session_state.get("order") or ORDERS[0], *cell(answers)).tolist()


def _around(index: int, places: Sequence[int], n: int) -> dict[str, int | None]:
    """The image of `places` before the image `index`, the one after it, and any other of all `n`; None for none."""
    at = places.index(index) if index in places else None
    after = (places[0] if places else None) if at is None else places[at + 1] if at + 1 < len(places) else None
    other = (index + 1 + int(np.random.default_rng().integers(n - 1))) % n if n > 1 else None  # never the same again
    return {"previous": places[at - 1] if at else None, "next": after, "random": other}


def test_images(run: Run, answers: Answers) -> Split | None:
    """The run's test split; None, with a message, if its data are not on this machine or have changed since."""
    try:
        with st.spinner(t("evaluate.reading", data=data_name(run.spec.data))):
            return answered_images(run, answers)
    except Refusal as refusal:
        refused(refusal, st.warning)
        if source := datasets().get(run.spec.data):  # a file of one's own may be gone
            data_are_here(source)
        return None


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


def _boxes(answers: Answers, names: tuple[str, ...]) -> tuple[tuple[int | None, int | None], Any]:
    """The true and the predicted class chosen in two boxes, None while a box is empty, and the order."""
    for what, value in zip(BOXES, cell(answers), strict=True):
        st.session_state[f"cell-{what}"] = value  # a class that another run has is not one of this
    *columns, last = st.columns([3, 3, 4])
    for column, what in zip(columns, BOXES, strict=True):
        column.selectbox(
            t(f"chart.{what}"),
            range(len(names)),
            index=None,
            format_func=names.__getitem__,
            key=f"cell-{what}",
            placeholder=t(f"chart.{what}"),
            label_visibility="collapsed",
            persist_state="session",
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
    return cell(answers), order


def _shown(chosen: tuple[int | None, int | None], names: tuple[str, ...], count: int, n: int) -> str:
    """A sentence: which images the gallery shows, and how many there are."""
    true, predicted = chosen
    if true is not None and predicted is not None:
        return t("evaluate.cell", true=names[true], predicted=names[predicted], count=count)
    if true is not None:
        return t("evaluate.errors_of_true", true=names[true], count=count)
    if predicted is not None:
        return t("evaluate.errors_as_predicted", predicted=names[predicted], count=count)
    return t("evaluate.all_errors", count=count, n=n) if count else t("evaluate.no_errors", n=n)


def _look_at(index: int) -> None:
    """Show a single image. Called when its picture is clicked."""
    st.session_state["view"], st.session_state[INDEX] = "image", index


def _go(answers: Answers, to: str) -> None:
    """Go on from the image that is chosen, to another one of `_around`."""
    place = _around(st.session_state[INDEX], _places(answers), len(answers.labels))[to]
    if place is not None:
        st.session_state[INDEX] = place
