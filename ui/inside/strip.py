"""The network as a strip: the output of each layer as pictures, beside its row of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.inside.network import Network
from core.inside.pictures import ABOVE, BELOW, MIDDLE
from core.networks.layers import Row, in_words, shape_text
from ui.files import beside
from ui.inside import message
from ui.text import language, plain

_strip = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.strip",
    html='<div class="strip"></div>',
    css=beside(__file__, "strip.css"),
    js=beside(__file__, "maps.js") + beside(__file__, "strip.js"),
)


def strip(
    network: Network,
    maps: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    chosen: tuple[int, int],
    dead: Sequence[np.ndarray] | None,
    on_click: Callable[[int, int], None],
) -> None:
    """Show the output of each layer, float32 of its row's shape, and the softmax.

    Args:
        network: the network.
        maps: of each layer, its output for one image.
        names: of the K classes.
        chosen: the layer, from 1, and the channel, from 0, that are marked.
        dead: whether each channel of each layer is always 0; None while that is not known.
        on_click: called with the layer and the channel that are clicked.
    """
    code = language()
    silent = dead or [np.zeros(row.shape[0], bool) for row in network.rows]
    of_row = [[]] * (len(maps) - 1) + [names]
    layers = [_layer(*each) for each in zip(network.rows, maps, of_row, silent, strict=True)]
    last = _about(0, plain("inside.softmax"), [], maps[-1], names, np.zeros(len(names), bool))
    messages = {str(row.number): message.of_layer(output, code) for row, output in zip(network.rows, maps, strict=True)}

    def called() -> None:
        at = st.session_state["strip"].get("place")  # a client can send anything
        if isinstance(at, list) and len(at) == 2 and all(isinstance(one, int) for one in at):
            number, channel = at
            if 1 <= number <= len(network.rows) and 0 <= channel < network.rows[number - 1].shape[0]:
                on_click(number, channel)

    data = {
        "layers": [*layers, last],
        "messages": messages | {"0": message.of_softmax(maps[-1], code)},
        "colours": [BELOW, MIDDLE, ABOVE],
        "chosen": list(chosen),
        "label": plain("inside.strip_alt"),
        "words": {kind: plain(f"inside.one_{kind}", layer="{layer}", channel="{channel}") for kind in ("map", "value")},
        "dead": plain("inside.dead_mark"),
    }
    _strip(key="strip", data=data, on_place_change=called)


def _layer(row: Row, output: np.ndarray, names: Sequence[str], dead: np.ndarray) -> dict[str, Any]:
    name = in_words(row.layer).say(language())
    facts = [shape_text(row.shape)]
    if row.parameters:
        facts.append(plain("inside.parameters", count=row.parameters))
    count, some = len(output), message.shown(output)
    if some < count:
        facts.append(plain("inside.some", shown=some, count=count))
    title = plain("inside.layer_title", number=row.number, layer=name)
    return _about(row.number, title, facts, output, names, dead)


def _about(
    number: int, title: str, facts: Sequence[str], output: np.ndarray, names: Sequence[str], dead: np.ndarray
) -> dict[str, Any]:
    """What does not depend on the image: `names` are those of the values, if they have any."""
    some = message.shown(output)
    return {
        "number": number,
        "title": title,
        "facts": list(facts),
        "count": some,
        "shape": list(output.shape[1:]),
        "names": list(names[:some]) if len(names) <= message.WRITTEN else [],
        "written": output.ndim == 1 and len(output) <= message.WRITTEN,
        "dead": np.flatnonzero(dead[:some]).tolist(),
    }
