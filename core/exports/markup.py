"""Parts of an HTML page that is read and printed: sentences, tables, charts and pictures, with all words escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from core.charts.pictures import enlarge

MARGIN = 16  # CSS pixels that a picture's caption may be wider than the picture
BOLD = re.compile(r"\*\*(.+?)\*\*")
ASTERISK = "\0"  # stands for one that makes nothing bold; no text holds this character


def as_is(words: str) -> str:
    """Words from outside, such as a class's name, for a sentence that `rich` is to write: no asterisk is a mark."""
    return words.replace("*", ASTERISK)


def rich(words: str) -> str:
    """Words as HTML, what stands between double asterisks in bold; see `as_is`."""
    return BOLD.sub(r"<strong>\1</strong>", escape(words)).replace(ASTERISK, "*")


def paragraph(words: str, kind: str = "") -> str:
    """A sentence of its own; `kind` is its class in the style sheet."""
    return f'<p class="{kind}">{rich(words)}</p>\n' if kind else f"<p>{rich(words)}</p>\n"


def section(title: str, *parts: str) -> str:
    """A section with its heading; "" if it has nothing to say."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{''.join(parts)}</section>\n" if any(parts) else ""


def heading(title: str) -> str:
    """A heading within a section."""
    return f"<h3>{escape(title)}</h3>\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table; the first cell of a row names it. `kind` is its class in the style sheet."""
    first = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>\n'
        for row in rows
    )
    head = f"<thead><tr>{first}</tr></thead>\n" if any(heads) else ""
    return f'<div class="wide"><table class="{kind}">{head}<tbody>\n{body}</tbody></table></div>\n'


def figure(picture: str, caption: str) -> str:
    """A drawn chart, whose caption also says it to those who do not see it; its numbers stand in a table beside it."""
    drawn = f'<div class="wide" role="img" aria-label="{escape(caption)}">{picture}</div>'
    return f"<figure>{drawn}<figcaption>{rich(caption)}</figcaption></figure>\n"


def pictures(images: Iterable[np.ndarray], captions: Sequence[str], side: int) -> str:
    """Images uint8 (C, H, W), each with its caption, enlarged without interpolation to about `side` pixels."""
    shown = []
    for image, caption in zip(images, captions, strict=True):
        scale = max(1, round(side / max(image.shape[1:])))
        coded = base64.b64encode(enlarge(image, scale)).decode()
        high, wide = (scale * edge for edge in image.shape[1:])
        said = f'width="{wide}" height="{high}" alt="{escape(" ".join(caption.split()))}"'
        words = "<br>".join(map(escape, caption.splitlines()))
        picture = f'<img src="data:image/png;base64,{coded}" {said}><figcaption>{words}</figcaption>'
        shown.append(f'<figure style="width:{max(side, wide) + MARGIN}px">{picture}</figure>')
    return f'<div class="pictures">{"".join(shown)}</div>\n'
