"""Export of a run as one HTML page that needs nothing else: a pad or a picture, the network, the answer, the card."""

from __future__ import annotations

import base64
import json
import re
import string
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from core.drawing import SHEET, prepare
from core.drawing.decoder import LONGEST_SIDE
from core.drawing.picture import DARK, LIGHT
from core.exports.facts import facts, title
from core.exports.program import computed, program
from core.models import doubt
from core.models.model import OPEN, Model, open_model
from core.store import Run, no_report
from core.words import FALLBACK, languages, text

PARTS = Path(__file__).with_name("page")
SAID = (
    *("undo", "clear", "pen", "pad", "file", "none", "unreadable", "answer", "sees", "about", "same", "differs"),
    *("step_ink", "step_crop", "step_width", "step_fit", "step_centre"),
)
DOUBTS = ("empty", "several", "blot", "no_digit", "unsure")
PROBES = 8  # made-up images on which the page compares itself with the original when it is opened
MOST_APART = 1e-4  # of a probability; with weights of 16 bits:
MOST_APART_HALF = 0.02


def write(run: Run, path: Path, *, half: bool = False) -> None:
    """Write the page to a new file; `half`: with weights of 16 bits, half as large. Raises: Refusal."""
    if not run.report():
        raise no_report(run)
    model = open_model(run)
    operations, numbers = program(model.module)
    stored = numbers.astype("<f2" if half else "<f4")
    images = probes(model.shape)
    content: dict[str, Any] = {
        "shape": model.shape,
        "operations": operations,
        "half": half,
        "digits": model.digits,
        "ground": model.ground,
        "dark": DARK,
        "light": LIGHT,
        "longest": LONGEST_SIDE,
        "preparation": _preparation(),
        "doubt": _doubt(model),
        "probes": [[round(float(value), 9) for value in row] for row in model.probabilities(images)],
        "most": MOST_APART_HALF if half else MOST_APART,
        "first": FALLBACK,
        "languages": {code: _words(run, model, code, name) for code, name in languages().items()},
    }
    parts = {one.name: one.read_text(encoding="utf-8") for one in PARTS.iterdir()}
    page = string.Template(parts["page.html"]).substitute(
        lang=FALLBACK,
        title=escape(title(run, FALLBACK)),
        style=parts["page.css"],
        told=json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c"),
        numbers=base64.b64encode(stored.tobytes()).decode(),
        script=parts["network.js"] + "\n" + parts["page.js"],
    )
    path.write_text(page, encoding="utf-8")


def answers(path: Path, images: np.ndarray) -> np.ndarray:
    """The probabilities float32 (N, K) that the operations and numbers in a page give images uint8 (N, C, H, W)."""
    page = path.read_text(encoding="utf-8")
    told = json.loads(_between(page, '<script type="application/json" id="told">'))
    stored = base64.b64decode(_between(page, '<script type="text/plain" id="numbers">'))
    numbers = np.frombuffer(stored, "<f2" if told["half"] else "<f4").astype(np.float32)
    return computed(told["operations"], numbers, images)


def probes(shape: Sequence[int]) -> np.ndarray:
    """Made-up images uint8 (`PROBES`, C, H, W) of four brightnesses, the same that `page.js` makes.

    Source: Press et al. 1992, Numerical Recipes (the linear congruential generator).
    """
    images = np.empty((PROBES, int(np.prod(shape))), dtype=np.uint8)
    state = np.arange(1, PROBES + 1, dtype=np.uint64)
    for place in range(images.shape[1]):
        state = (1664525 * state + 1013904223) % 2**32
        images[:, place] = state >> (24 + np.arange(PROBES, dtype=np.uint64) % 4)
    return images.reshape(PROBES, *shape)


def _between(page: str, begin: str) -> str:
    """What is in the script that begins so."""
    found = re.search(re.escape(begin) + "(.*?)</script>", page, re.DOTALL)
    assert found
    return found[1]


def _preparation() -> dict[str, Any]:
    """The constants of `core/drawing/prepare.py`."""
    names = ("side", "box", "centre", "widths", "fine", "faintest", "outline", "narrow", "overlap")
    return {"sheet": SHEET} | {name: getattr(prepare, name.upper()) for name in names}


def _doubt(model: Model) -> dict[str, Any]:
    """The thresholds of `core/models/doubt.py` for this model."""
    return {
        "ink": doubt.MOST_INK,
        "leastLead": model.least_lead,
        "knowsNone": model.knows_none,
        "sure": model.sure,
        "open": OPEN,
        "tiny": float(np.finfo(np.float32).tiny),
    }


def _words(run: Run, model: Model, language: str, name: str) -> dict[str, Any]:
    """All that the page says in a language; what it fills in itself stays in braces."""
    slots = {slot: f"{{{slot}}}" for slot in ("name", "percent", "difference")}
    said = {key: text(language, f"export.page.{key}", **slots) for key in SAID}
    said |= {key: text(language, f"doubt.{key}") for key in DOUBTS}
    return {
        "name": name,
        "title": title(run, language),
        "said": said,
        "classes": model.names(language),
        "facts": list(facts(run, language).items()),
    }
