"""Which feature maps the wall shows beside a drawing that is enlarged.

They are those that the page *Inside* shows while the pen is down: the wall sends the drawing to the same address.
"""

from __future__ import annotations

import contextlib
from typing import Any

from core import words
from core.drawing.collection import CLASSES
from core.inside.pictures import ABOVE, BELOW, MIDDLE
from core.refusal import Refusal
from ui import server
from ui.classroom.opened import Opened
from ui.draw.live_answer import live_address

MOST_LAYERS = 2  # beside one drawing: as many as a projector has room for
COLOURS = [BELOW, MIDDLE, ABOVE]


def inside(opened: Opened, language: str) -> list[dict[str, Any]]:
    """For each model that has convolutions: the address that answers with its maps, and which layers are shown.

    Not for a model whose run trains on: there other weights would answer than those that have read the drawing.
    """
    from ui.inside.message import MOST_MAPS  # not above: it imports torch

    found = []
    for of, reader in zip(opened.models, opened.pupils.readers, strict=True):
        run = server.find(of.run)
        if not run or not reader.done:
            continue
        with contextlib.suppress(Refusal):  # it was deleted, and its models read on
            rows = [row for row in run.spec.table(reader.shape, CLASSES) if row.layer.kind == "conv"]
            if rows:
                found.append((of.name if len(opened.models) > 1 else "", run, rows))
    return [
        {
            "model": name,
            "live": live_address([run], language=language, layer=rows[0].number),
            "layers": [
                {
                    "number": row.number,
                    "shape": list(row.shape[1:]),
                    "said": _said(row.number, row.shape[0], MOST_MAPS, language),
                }
                for row in rows[: MOST_LAYERS // len(found)]
            ],
        }
        for name, run, rows in found
    ]


def _said(number: int, count: int, most: int, language: str) -> str:
    if count > most:
        return words.text(language, "class.wall.some_maps", number=number, shown=most, count=count)
    return words.text(language, "class.wall.maps", number=number, count=count)
