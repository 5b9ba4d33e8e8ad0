"""Reads parts of a page that Streamlit has run without a browser, for the tests of the pages."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from typing import Any

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from core import words

LANGUAGES = sorted(words.languages())


def texts(app: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "info", "success", "warning", "error", "metric")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app.main, kind))


def control(app: AppTest, key: str) -> Any:
    """The row of options with this key."""
    return next(one for one in app.get("button_group") if one.key == key)


def views(app: AppTest) -> Any:
    """The row of views of a class, which gets another key when the app changes the view."""
    return next(one for one in app.get("button_group") if str(one.key).startswith("class-view-"))


def button(app: AppTest, label: str) -> Any:
    return next(one for one in app.button if one.label == label)


def told(app: AppTest) -> Any:
    """What the page Draw tells the browser of the answers to a drawing, see `ui/draw/pad.py`."""
    return component(app, "bancada.answers") or component(app, "bancada.pad")["answers"]


def component(app: AppTest, name: str) -> Any:
    """What the page tells a component of ours in the browser; None if it has no such component."""
    told = (json.loads(one.proto.json) for one in app.main.get("bidi_component") if one.proto.component_name == name)
    return next(told, None)


def sentence(app: AppTest) -> str:
    """What the page Draw says of a drawing."""
    return told(app)["message"]["sentence"]


def captions(app: AppTest) -> list[str]:
    """The captions of the pictures on the page."""
    pieces = [block.proto.body for block in app.main.get("html")]
    found = [words for piece in pieces for words in re.findall(r"<figcaption>(.*?)</figcaption>", piece, re.DOTALL)]
    return [html.unescape(words) for words in found]


def shown_pictures(app: AppTest) -> list[np.ndarray]:
    """The grey pictures with captions on the page, uint8 (H, W)."""
    pieces = "".join(block.proto.body for block in app.main.get("html"))
    found = re.findall(r'<figure [^>]*><img src="data:image/png;base64,([^"]*)"', pieces)
    return [np.array(Image.open(io.BytesIO(base64.b64decode(one))).convert("L")) for one in found]
