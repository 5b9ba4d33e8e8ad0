"""One step of a training of the run's network, walked through with its numbers: forward, loss, backward, update."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st
from torch import nn

from core import words
from core.inside.step import Check, Practice, Step, Update, Weight
from core.networks.layers import Row, in_words
from core.refusal import Refusal
from core.spec import RunSpec
from ui import server
from ui.choice import row_of
from ui.gallery import gallery
from ui.text import language, number, percent, plain, refused, t

IMAGES = 8  # of a batch: as many as can be looked at
STAGES = ("forward", "loss", "backward", "update")
DIGITS = 6  # significant, of a weight and its change
BAR = " "  # the title of a column of bars, and the text beside each: Streamlit writes it in the browser's language
PRACTICE = "inside.practice"  # key in the session state: a `Start.key`, and the `Practice` of these weights


@dataclass(frozen=True)
class Start:
    """A network with the weights from which the steps begin."""

    spec: RunSpec
    module: nn.Module
    rows: Sequence[Row]  # of its layers
    names: Sequence[str]  # of the K classes
    key: str  # tells these weights from others
    said: str = "inside.step_said"  # text key: from which weights the step is made, and what it does to the loss


def panel(start: Start) -> None:
    """Let the reader walk through a step on some train images, and make the next one."""
    spec = start.spec
    try:
        train = server.splits(spec).train
    except Refusal as refusal:
        refused(refusal, st.warning)
        return
    practice, rate = _practice(start), spec.learning_rate
    places = _places(len(train.labels), practice.number, spec.seed)
    images, labels = train.images[places], train.labels[places]

    def go_on() -> None:
        practice.step(images, labels, rate)

    with st.container(horizontal=True, vertical_alignment="center"):
        stages = {name: t(f"inside.stage_{name}") for name in STAGES}
        stage = row_of(t("inside.step_stage"), stages, "inside-step-stage", persist_state="session")
        st.button(t("inside.step_next"), key="inside-step-next", icon=":material/skip_next:", on_click=go_on)
        if practice.number:
            again = partial(st.session_state.pop, PRACTICE, None)
            st.button(t("inside.step_again"), key="inside-step-again", icon=":material/replay:", on_click=again)
    found = copy.deepcopy(practice).step(images, labels, rate)
    slots = {"number": found.number, "count": len(images), "before": number(found.loss, 4)}
    st.markdown(t(start.said, **slots, after=number(found.loss_after, 4)))
    if stage == "forward":
        _forward(found, images, labels, start.names)
    elif stage == "loss":
        _loss(found, labels, start.names)
    elif stage == "backward":
        _backward(found, start.rows, practice.check(images, labels, found.followed.weight))
    else:
        _update(found, start.rows, practice, images, labels)


def _practice(start: Start) -> Practice:
    """The network and its optimizer before the step that is shown; of other weights than the last, a new one."""
    weights, practice = st.session_state.get(PRACTICE, ("", None))
    if practice is None or weights != start.key:
        practice = Practice(start.spec, start.module)
        st.session_state[PRACTICE] = start.key, practice
    return practice


def _places(count: int, step: int, seed: int) -> np.ndarray:
    """The places of a step's images in the train split of `count`, in an order drawn by the seed."""
    order = np.random.default_rng(seed).permutation(count)
    return order[np.arange(step * IMAGES, (step + 1) * IMAGES) % count]


def _forward(found: Step, images: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    """Show the images with what the network answers."""
    captions = [
        plain(
            "inside.step_answer", label=names[label], answer=names[int(shares.argmax())], share=percent(shares[label])
        )
        for shares, label in zip(found.probabilities, labels.tolist(), strict=True)
    ]
    gallery(images, captions, side=112)
    st.caption(t("inside.step_forward_help"))


def _loss(found: Step, labels: np.ndarray, names: Sequence[str]) -> None:
    """Show the loss of each image, and their mean."""
    shares = found.probabilities[np.arange(len(labels)), labels]
    st.dataframe(
        {
            t("inside.step_image"): range(1, len(labels) + 1),
            t("inside.step_label"): [names[label] for label in labels.tolist()],
            t("inside.step_share"): [number(float(share), 4) for share in shares],
            t("inside.step_loss_of"): [number(float(loss), 4) for loss in found.losses],
        },
        hide_index=True,
        width="stretch",
    )
    st.markdown(t("inside.step_mean", loss=number(found.loss, 4)))
    st.caption(t("inside.step_loss_help"))


def _backward(found: Step, layers: Sequence[Row], check: Check) -> None:
    """Show the norm of each layer's gradient, and check one derivative."""
    rows = [row for row in layers if found.gradient_norms[row.number - 1] is not None]
    norms = [found.gradient_norms[row.number - 1] or 0.0 for row in rows]
    largest = max(filter(math.isfinite, norms), default=0.0) or 1.0
    bars = [norm if math.isfinite(norm) else largest for norm in norms]  # of a step that diverges, full
    st.dataframe(
        {
            t("network.layer"): [f"{row.number}. {in_words(row.layer).say(language())}" for row in rows],
            t("inside.step_norm"): [number(norm) for norm in norms],
            BAR: bars,
        },
        column_config={BAR: st.column_config.ProgressColumn(format=BAR, min_value=0.0, max_value=largest)},
        hide_index=True,
        width="stretch",
    )
    st.caption(t("inside.step_backward_help"))
    slots = {"weight": _named(check.weight), "step": number(check.step), "backward": number(check.by_backward, 8)}
    slots |= {"differences": number(check.by_differences, 8), "difference": number(check.difference)}
    st.markdown(t("inside.step_check", **slots))


def _update(found: Step, rows: Sequence[Row], before: Practice, images: np.ndarray, labels: np.ndarray) -> None:
    """Show the weights that changed most, and follow one of them by hand."""
    weights = [update.weight for update in found.largest]
    chosen = st.selectbox(
        t("inside.step_follow"),
        range(len(weights)),
        format_func=[_named(weight) for weight in weights].__getitem__,
        key=f"inside-step-weight-{found.number}",
        width=360,
    )
    if chosen:
        found = copy.deepcopy(before).step(images, labels, found.learning_rate, weights[chosen])
    decimal = words.number_marks(language())["decimal"]
    st.dataframe(
        {
            t("inside.step_formula"): [f"{line.name} = {line.formula}" for line in found.lines],
            t("inside.step_numbers"): [line.numbers.replace(".", decimal) for line in found.lines],
            t("inside.step_value"): [_exact(line.value) for line in found.lines],
        },
        hide_index=True,
        width="stretch",
    )
    slots = {"weight": _named(found.followed.weight), "value": _exact(found.followed.after)}
    st.markdown(t("inside.step_followed", **slots))
    _largest(found.largest, rows)


def _largest(updates: list[Update], rows: Sequence[Row]) -> None:
    layers = [in_words(rows[each.weight.layer - 1].layer).say(language()) for each in updates]
    st.markdown(f"**{t('inside.step_largest')}**")
    st.dataframe(
        {
            t("inside.step_weight"): [_named(each.weight) for each in updates],
            t("network.layer"): layers,
            t("inside.step_before"): [_exact(each.before) for each in updates],
            t("inside.step_gradient"): [_exact(each.gradient) for each in updates],
            t("inside.step_change"): ["+" * (each.change >= 0) + _exact(each.change) for each in updates],
        },
        hide_index=True,
        width="stretch",
    )


def _exact(value: float) -> str:
    return number(value, significant=DIGITS)


def _named(weight: Weight) -> str:
    """A weight's name, as `layer 1, weight [4, 0, 2, 1]`."""
    key = "inside.step_bias_named" if weight.parameter.endswith("bias") else "inside.step_weight_named"
    return plain(key, layer=weight.layer, place=", ".join(map(str, weight.place)))
