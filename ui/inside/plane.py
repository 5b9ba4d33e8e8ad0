"""The map of the data: images as points, by what the network's last layer gets of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from core.inside.plane import neighbour_accuracy, penultimate, placed
from core.measures.answers import Measure
from core.models.model import shown_splits
from core.refusal import Refusal
from core.store import Run, not_shown
from ui import server
from ui.choice import row_of
from ui.evaluate import errors
from ui.gallery import gallery
from ui.inside import opened, source
from ui.inside.opened import Opened, Plane
from ui.inside.source import Seen
from ui.inside.waiting import is_ready
from ui.numbers import whole_number
from ui.tables import unfolded
from ui.text import interval, language, percent, plain, refused, t

POINT = "inside-point"  # key in the session state: the place among the points of the image that is looked at
METHODS = ("pca", "tsne")
LEAST = 5  # images of which t-SNE makes a map


def panel(run: Run, one: Opened, seen: Seen | None) -> None:
    """Show the map, the image of a point, and how well neighbours fit; `seen`: the reader's own image."""
    left, right = st.columns([9, 6], gap="medium")
    names = one.model.names(language())
    with left, st.container(horizontal=True):
        kinds = tuple(reversed(shown_splits(run)))
        if not kinds:
            refused(not_shown(run), st.info)
            return
        name = row_of(t("inside.split"), {kind: t(f"inside.{kind}") for kind in kinds}, f"inside-split-{len(kinds)}")
        method = row_of(t("inside.method"), {each: t(f"inside.{each}") for each in METHODS}, "inside-method")
    with left:
        try:
            work = opened.asked(opened.plane, one, name)
        except Refusal as refusal:
            refused(refusal, st.warning)
            return
        if not is_ready(work, t("inside.laying_out"), lambda: opened.plane.clear(one, name)):
            return
        found: Plane = work.found.result()
        points = found.pca.place(found.values)
        if method == "tsne":
            if len(points) < LEAST:
                st.info(t("inside.too_few", least=LEAST))
                return
            asked = opened.asked(opened.tsne_points, one, name, found)
            if not is_ready(asked, t("inside.laying_out_tsne"), lambda: opened.tsne_points.clear(one, name, found)):
                return
            points = asked.found.result()
        st.session_state[POINT] = min(st.session_state.get(POINT, 0), len(points) - 1)
        _chart(found, points, names, one, seen, method)
    with right:
        _point(run, name, found, names)
        _neighbours(found, points, method)


def _chart(
    found: Plane, points: np.ndarray, names: tuple[str, ...], one: Opened, seen: Seen | None, method: str
) -> None:
    from core.charts import points as charts  # altair and pandas are imported only for a chart

    predicted, own = found.probabilities.argmax(axis=1), None
    if seen and not seen.empty:
        values = penultimate(one.network, seen.image[None])
        own = (found.pca.place(values) if method == "pca" else placed(found.values, points, values))[0]
    said = {"image": "inside.number_of", "own": "inside.own_point"}
    words = {name: plain(key) for name, key in said.items()}
    words |= {name: t(f"chart.{name}") for name in ("true_class", "predicted_class")}
    chosen = st.session_state[POINT]
    options = {"words": words, "language": language(), "own": own, "chosen": chosen}
    chart = charts.plane(points, found.labels, predicted, names, images=found.indices, **options)
    key = f"inside-plane-{method}"

    def choose() -> None:
        picked = st.session_state[key]["selection"].get("point")  # a client can send anything
        index = picked[0].get("index") if picked else None
        if isinstance(index, int) and index in found.indices:
            st.session_state[POINT] = int(np.searchsorted(found.indices, index))

    alt = plain("inside.plane_alt", count=len(points))
    st.altair_chart(chart, key=key, width="stretch", alt=alt, on_select=choose, selection_mode="point")
    shares = [percent(share) for share in found.pca.share]
    st.caption(t("inside.pca_help", first=shares[0], second=shares[1]) if method == "pca" else t("inside.tsne_help"))
    if folded := unfolded("inside-plane"):
        titles = {
            "index": plain("inside.number_of"),
            "true": words["true_class"],
            "predicted": words["predicted_class"],
        }
        table = charts.plane_table(points, found.labels, predicted, names, words=titles, images=found.indices)
        folded.dataframe(table, hide_index=True, width="stretch")


def _point(run: Run, name: str, found: Plane, names: tuple[str, ...]) -> None:
    """Let the reader choose a point by the number of its image, and show it."""
    last = len(found.labels) - 1
    point = whole_number(t("inside.point", last=last), 0, last, key=POINT, width=170)
    label, shares, index = int(found.labels[point]), found.probabilities[point], int(found.indices[point])
    best = int(shares.argmax())
    gallery([found.images[point]], [plain("image.this", index=index, label=names[label])], side=112)
    key = "image.right" if best == label else "inside.point_wrong"
    slots = {"true": names[label], "predicted": names[best], "probability": percent(float(shares[best]))}
    st.markdown(t(key, **slots))

    def look() -> None:
        st.session_state.update({source.KIND: name, source.NUMBER: index, "inside-view": "layers"})

    with st.container(horizontal=True):
        # Not in the fragment alone: another view is shown.
        if st.button(t("inside.point_layers"), key="inside-point-layers", on_click=look):
            st.rerun()
        if name == "test" and st.button(t("inside.point_evaluate"), key="inside-point-evaluate"):
            st.session_state.update({"view": "image", errors.INDEX: index})
            st.switch_page(server.PAGES / "evaluate.py", query_params={"run": run.name})


def _neighbours(found: Plane, points: np.ndarray, method: str) -> None:
    """Say how often the ten nearest images name the class: on the map, in the activations, in the raw pixels."""
    if len(points) < 2:
        return
    on_map = neighbour_accuracy(points, found.labels)
    rows: Mapping[str, Measure] = {
        t(f"inside.near_{method}"): on_map,
        t("inside.near_values", count=found.values.shape[1]): found.of_values,
        t("inside.near_pixels"): found.of_pixels,
    }
    st.markdown(f"**{t('inside.near')}**")
    table = {
        "": list(rows),
        t("chart.accuracy"): [percent(each.value) for each in rows.values()],
        t("measure.interval"): [interval(each.low, each.high) for each in rows.values()],
    }
    st.table(table, hide_index=True)
    some = on_map.n < found.total
    st.caption(t("inside.near_some" if some else "inside.near_help", n=on_map.n, total=found.total))
