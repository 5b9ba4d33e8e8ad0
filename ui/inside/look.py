"""One channel of a layer, enlarged: what one place sees of the image, the filter, and the sum with its numbers."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.inside.network import Network, reach
from core.inside.pictures import ABOVE, BELOW, MIDDLE, diverging
from core.inside.sums import Place, Sum, explained, filters, receptive_field
from core.networks.layers import Row, in_words, shape_text
from ui.files import beside
from ui.gallery import gallery
from ui.inside.message import STEPS
from ui.text import Markdown, literal, number, plain, t

CHOSEN = "inside.chosen"  # key in the session state: layer (from 1), channel (from 0), row and column
SIDE = 168  # px, about that of the enlarged map, and of the image beside it
FULL = 3  # channels whose numbers are shown in full; of the others only their share of the sum
LARGEST = 8  # inputs of a dense layer, those that add most
MOST_SQUARE = 7  # cells a side of a window whose numbers are shown in full

_place = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.place",
    html='<div class="looks"><figure class="input"><canvas></canvas><figcaption></figcaption></figure>'
    '<figure class="map"><canvas tabindex="0" role="img"></canvas><figcaption></figcaption></figure></div>'
    '<p class="said" role="status"></p>',
    css=beside(__file__, "place.css"),
    js=beside(__file__, "maps.js") + beside(__file__, "place.js"),
)
STYLE = """<style>
.bancada-sum { display: flex; flex-wrap: wrap; gap: 0.4rem; align-items: center; }
.bancada-sum table { border-collapse: collapse; font-size: 0.8rem; font-variant-numeric: tabular-nums; }
.bancada-sum td { border: 1px solid #808080; padding: 1px 2px; text-align: right; min-width: 2.1rem; }
.bancada-sum td.used { outline: 3px solid currentcolor; outline-offset: -3px; font-weight: 700; }
.bancada-sum caption { text-align: left; }
</style>"""


def chosen(rows: Sequence[Row]) -> tuple[int, int]:
    """The layer, from 1, and the channel, from 0, that the reader has chosen; at first the first of the first."""
    number, channel, *_ = st.session_state.get(CHOSEN, (1, 0))
    if number > len(rows) or channel >= rows[number - 1].shape[0]:  # chosen in another network
        return 1, 0
    return number, channel


def choose(number: int, channel: int) -> None:
    """Choose a channel of a layer; within a layer the place stays."""
    before = st.session_state.get(CHOSEN, (1, 0))
    st.session_state[CHOSEN] = (number, channel, *(before[2:] if before[0] == number else ()))


def panel(network: Network, image: np.ndarray, maps: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """Show the chosen channel for an image uint8 (C, H, W); `maps`: each layer's output; `names`: of the classes."""
    layer, channel = chosen(network.rows)
    row, output = network.row(layer), maps[layer - 1]
    place = _chosen_place(row, channel, output)
    words = t("inside.layer_title", number=layer, layer=in_words(row.layer))
    key = "inside.look_map" if output.ndim == 3 else "inside.look_value"
    name = f" ({names[channel]})" if layer == len(network.rows) else ""
    st.markdown(f"**{words}** · {t(key, channel=channel + 1, count=len(output))}{literal(name)}")
    field = receptive_field(network.rows, layer, place)
    looks: dict[str, Any] = {
        "image": _grey(image),
        "shape": list(image.shape[1:]),
        "field": [field.top, field.left, field.bottom, field.right],
        "side": SIDE,
        "colours": [BELOW, MIDDLE, ABOVE],
        "captions": [plain("inside.sees"), plain("inside.enlarged")],
        "label": plain("inside.enlarged_alt"),
        "map": None,
    }
    size = shape_text((field.bottom - field.top, field.right - field.left))
    where = {"value": number(float(output[place]), 4), "size": size}
    if output.ndim == 3:
        end = reach(output)
        steps = np.rint(output[channel] * (STEPS / end)) if end > 0 else np.zeros(output.shape[1:])
        looks["map"] = base64.b64encode(steps.astype(np.int8).tobytes()).decode()
        looks["map_shape"], looks["place"] = list(output.shape[1:]), list(place[1:])
        looks["said"] = plain("inside.place_said", row=place[1], column=place[2], **where)
    else:
        looks["said"] = plain("inside.value_said", **where)
    _place(key="place", data=looks, on_place_change=_choose_place)
    if field.is_empty:
        st.caption(t("inside.only_padding"))
    _filter(network, layer, channel)
    _sum(explained(network, image, layer, place))


def _chosen_place(row: Row, channel: int, output: np.ndarray) -> Place:
    """The chosen place in the chosen channel; at first that of the map's largest absolute value."""
    if output.ndim == 1:
        return (channel,)
    _, height, width = row.shape
    kept = st.session_state.get(CHOSEN, ())[2:]
    if len(kept) == 2 and kept[0] < height and kept[1] < width:
        return channel, *kept
    top, left = np.unravel_index(np.abs(output[channel]).argmax(), (height, width))
    return channel, int(top), int(left)


def _choose_place() -> None:
    at = st.session_state["place"].get("place")  # a client can send anything
    if isinstance(at, list) and len(at) == 2 and all(isinstance(one, int) and 0 <= one < 10_000 for one in at):
        st.session_state[CHOSEN] = (*st.session_state.get(CHOSEN, (1, 0))[:2], *at)


def _grey(image: np.ndarray) -> str:
    """An image uint8 (C, H, W) as RGBA bytes in base64."""
    colours = np.broadcast_to(image if len(image) == 3 else image[:1], (3, *image.shape[1:]))
    pixels = np.concatenate([colours, np.full((1, *image.shape[1:]), 255, np.uint8)])
    return base64.b64encode(pixels.transpose(1, 2, 0).tobytes()).decode()


# --- the filter, and the sum ------------------------------------------------------------------------------------------


def _filter(network: Network, layer: int, channel: int) -> None:
    """Show the weights of the channel's filter as pictures, one for each channel that it sees."""
    weights = filters(network, layer)
    if weights is None or weights.ndim != 4:
        return
    if network.row(layer).layer.kind == "dense_block":
        channel -= network.row(layer).shape_before[0]
        if channel < 0:  # a channel of the block's input, which is passed on
            return
    own = weights[channel]
    end = reach(own)
    shown = [diverging(one, end) for one in own[:16]]
    key = "inside.filter_some" if len(own) > len(shown) else "inside.filter"
    st.markdown(t(key, shown=len(shown), count=len(own), size=shape_text(own.shape[1:]), reach=number(end)))
    gallery(shown, [str(place) for place in range(1, len(shown) + 1)] if len(own) > 1 else [""], side=60)


def _sum(one: Sum) -> None:
    """Show how the value came about, with its numbers."""
    st.markdown(t(f"inside.sum_{one.kind}"))
    if one.kind == "sum" and one.weights is not None:
        shares = (one.inputs * one.weights).reshape(len(one.inputs), -1).sum(axis=1)
        if one.inputs.ndim == 3:
            _windows(one, shares)
        else:
            _inputs(one, shares)
        _calculation(one, float(shares.sum()))
        _all_products(one)
    elif one.inputs.ndim == 2:
        st.html(STYLE + _tables({plain("inside.inputs"): one.inputs}, largest=one.kind == "largest"))
        st.markdown(t("inside.gives", value=number(one.value, 4)))
    elif one.kind == "normalised" and one.statistics:
        mean, variance, weight, bias, epsilon = (number(value) for value in one.statistics)
        slots = {"mean": mean, "variance": variance, "weight": weight, "bias": bias, "epsilon": epsilon}
        st.markdown(t("inside.normalised", input=number(float(one.inputs), 4), value=number(one.value, 4), **slots))
    elif one.kind == "mean":  # of a whole map
        st.markdown(t("inside.mean_of", count=one.inputs.size, value=number(one.value, 4)))
    else:
        function = t(f"layer.word.{one.activation}") if one.kind == "activation" else ""
        key = "inside.activated" if function else "inside.unchanged"
        st.markdown(t(key, function=function, before=number(one.before, 4), value=number(one.value, 4)))


def _windows(one: Sum, shares: np.ndarray) -> None:
    """Show the patches of the channels that add most, each beside the filter's weights."""
    assert one.weights is not None
    channels = len(one.inputs)
    order = np.argsort(-np.abs(shares), kind="stable")
    for place in order[: FULL if one.inputs.shape[1] <= MOST_SQUARE else 0]:
        patch, kernel = one.inputs[place], one.weights[place]
        if channels > 1:
            st.markdown(t("inside.channel_adds", channel=int(place) + 1, share=number(float(shares[place]), 4)))
        st.html(STYLE + _tables({plain("inside.inputs"): patch, plain("inside.weights"): kernel}, between="×"))
    if one.inputs.shape[1] > MOST_SQUARE:
        st.markdown(t("inside.large_window", count=one.inputs.size, share=number(float(shares.sum()), 4)))
    elif channels > FULL:
        rest = float(shares[order[FULL:]].sum())
        st.markdown(t("inside.others_add", count=channels - FULL, share=number(rest, 4)))


def _inputs(one: Sum, shares: np.ndarray) -> None:
    """Show the inputs of a dense layer that add most."""
    assert one.weights is not None
    order = np.argsort(-np.abs(shares), kind="stable")
    columns: Mapping[str, Sequence[str]] = {
        t("inside.input"): [number(int(place) + 1) for place in order[:LARGEST]],
        t("inside.inputs"): [number(float(one.inputs[place]), 4) for place in order[:LARGEST]],
        t("inside.weights"): [number(float(one.weights[place]), 4) for place in order[:LARGEST]],
        t("inside.product"): [number(float(shares[place]), 4) for place in order[:LARGEST]],
    }
    st.table(columns, hide_index=True)
    if len(order) > LARGEST:
        rest = float(shares[order[LARGEST:]].sum())
        st.markdown(t("inside.other_inputs", count=len(order) - LARGEST, share=number(rest, 4)))


def _calculation(one: Sum, total: float) -> None:
    sign = "+" if one.bias >= 0 else "−"
    said = f"{number(total, 4)} {sign} {number(abs(one.bias), 4)} = {number(one.before, 4)}"
    if one.activation != "none":
        said += f" → {t(f'layer.word.{one.activation}')} → **{number(one.value, 4)}**"
    st.markdown(t("inside.calculation", said=Markdown(said)))


def _all_products(one: Sum) -> None:
    """Offer all products as a table, which is made once it is unfolded."""
    assert one.weights is not None
    folded = st.expander(t("inside.products", count=one.inputs.size), key="inside-products", on_change="rerun")
    if not folded.open:
        return
    places = np.indices(one.inputs.shape).reshape(one.inputs.ndim, -1) + 1
    titles = ["inside.channel", "inside.row", "inside.column"] if len(places) == 3 else ["inside.input"]
    table = {t(title): place for title, place in zip(titles, places, strict=True)}
    inputs, weights = one.inputs.ravel(), one.weights.ravel()
    table |= {t("inside.inputs"): inputs, t("inside.weights"): weights, t("inside.product"): inputs * weights}
    folded.dataframe(table, hide_index=True, width="stretch")


def _tables(grids: Mapping[str, np.ndarray], *, between: str = "", largest: bool = False) -> str:
    """Numbers (h, w) as tables side by side, each with its name; `largest`: the largest one is marked."""
    tables = []
    for name, values in grids.items():
        used = np.unravel_index(values.argmax(), values.shape) if largest else None
        lines = []
        for i, line in enumerate(values):
            marks = [" class=used" if (i, j) == used else "" for j in range(len(line))]
            cells = (f"<td{mark}>{number(value, 2)}</td>" for mark, value in zip(marks, line, strict=True))
            lines.append(f"<tr>{''.join(cells)}</tr>")
        tables.append(f"<table><caption>{html.escape(name)}</caption>{''.join(lines)}</table>")
    return f'<div class="bancada-sum">{f"<span>{between}</span>".join(tables)}</div>'
