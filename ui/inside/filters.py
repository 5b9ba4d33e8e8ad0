"""The filters of a network's first layer as pictures, and the val images that excite a channel most."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.images.exploration import mean_images
from core.inside.network import Excitement, reach
from core.inside.pictures import diverging
from core.inside.sums import Field, first_filters, receptive_field
from core.networks.layers import in_words, shape_text
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run
from ui import server
from ui.gallery import gallery
from ui.inside.images import images
from ui.inside.opened import Opened, asked, exciting
from ui.inside.waiting import is_ready
from ui.tables import unfolded
from ui.text import language, number, plain, refused, t

MOST = 128  # filters shown
SIDE = 64  # px
FRAME = np.array([255, 120, 0], np.uint8)  # around what a place sees


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=server.BY_SPEC)
def _means(spec: RunSpec, classes: int) -> np.ndarray:
    return mean_images(server.splits(spec).train, classes)


def panel(run: Run, one: Opened) -> None:
    """Show the filters of the first layer that has any; of an MLP beside the mean image of each class."""
    found = first_filters(one.network)
    if not found:
        st.info(t("inside.no_filters"))
        return
    layer, weights = found
    row = one.network.row(layer)
    st.markdown(f"**{t('inside.layer_title', number=layer, layer=in_words(row.layer))}**")
    if weights.ndim != 4:
        st.info(t("inside.no_pictures"))
        return
    count, channels, *size = weights.shape
    end = reach(weights)
    slots = {"count": count, "size": shape_text(tuple(size)), "reach": number(end, 3)}
    st.markdown(t("inside.filters", **slots))
    shown = weights[:MOST]
    of_dense = row.layer.kind == "dense"
    pictures = [diverging(np.concatenate(list(filter_), axis=1), end) for filter_ in shown]
    captions = [str(place) for place in range(1, len(shown) + 1)]
    left, right = st.columns([3, 1], gap="large") if of_dense else (st.container(), None)
    with left:
        if len(shown) < count:
            st.caption(t("inside.some", shown=len(shown), count=count))
        gallery(pictures, captions, side=SIDE * min(3, channels))
        st.caption(t("inside.filters_help") + (" " + t("inside.channels_help") if channels > 1 else ""))
    if right:
        with right:
            _class_means(run, one)
    _table(weights)


def _class_means(run: Run, one: Opened) -> None:
    names = one.model.names(language())
    st.markdown(f"**{t('inside.means')}**")
    try:
        gallery(_means(run.spec, len(names)), names, side=SIDE)
        st.caption(t("inside.means_help"))
    except Refusal as refusal:
        refused(refusal, st.warning)


def _table(weights: np.ndarray) -> None:
    """Offer the weights as a table, which is made once it is unfolded."""
    folded = unfolded("inside-filters")
    if not folded:
        return
    flat = weights[:MOST].reshape(-1, weights.shape[2] * weights.shape[3])
    numbers, channels, width = np.arange(1, len(weights[:MOST]) + 1), weights.shape[1], weights.shape[3]
    table = {t("inside.filter_number"): np.repeat(numbers, channels)}
    table |= {t("inside.channel"): np.tile(np.arange(1, channels + 1), len(numbers))}
    table |= {f"{place // width}, {place % width}": flat[:, place] for place in range(flat.shape[1])}
    folded.dataframe(table, hide_index=True, width="stretch")


def most_exciting(one: Opened, layer: int, channel: int) -> None:
    """Show the val images with the largest value in a channel, and what the place of that value sees of them."""
    try:
        val = images(one.run, "val")
        work = asked(exciting, one, layer, channel)
    except Refusal as refusal:
        refused(refusal, st.warning)
        return
    words = t("inside.looking_for_exciting")
    if not is_ready(work, words, lambda: exciting.clear(one, layer, channel)):
        return
    found: list[Excitement] = work.found.result()
    names = one.model.names(language())
    st.markdown(t("inside.exciting", layer=layer, channel=channel + 1, count=len(found)))
    pictures = [_framed(val.images[each.image], _field(one, layer, channel, each)) for each in found]
    captions = [
        plain("inside.excited", index=each.image, label=names[val.labels[each.image]], value=number(each.value, 2))
        for each in found
    ]
    gallery(pictures, captions, side=112)
    st.caption(t("inside.exciting_help"))


def _field(one: Opened, layer: int, channel: int, found: Excitement) -> Field:
    return receptive_field(one.network.rows, layer, (channel, *found.place))


def _framed(image: np.ndarray, field: Field, scale: int = 4) -> np.ndarray:
    """An image uint8 (C, H, W) as colours, each pixel `scale` wide, with a frame around a part of it."""
    colours = np.broadcast_to(image if len(image) == 3 else image[:1], (3, *image.shape[1:]))
    large = colours.repeat(scale, axis=1).repeat(scale, axis=2).copy()
    _, height, width = image.shape
    if field.is_empty or (field.top, field.left, field.bottom, field.right) == (0, 0, height, width):
        return large
    top, left, bottom, right = (scale * side for side in (field.top, field.left, field.bottom, field.right))
    for lines in (slice(top, top + 2), slice(bottom - 2, bottom)):
        large[:, lines, left:right] = FRAME[:, None, None]
    for lines in (slice(left, left + 2), slice(right - 2, right)):
        large[:, top:bottom, lines] = FRAME[:, None, None]
    return large
