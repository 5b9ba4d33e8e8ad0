"""A store and data whose every word is a stranger's: names and reasons that a page could take for markup.

The runs have been trained, evaluated and drawn for by our own code; only words were put into their files.
"""

from __future__ import annotations

import numpy as np

from core import settings, store
from core.drawing import collection
from core.events import Epoch, Failure, Report, Started, from_line, to_line
from core.recipes import RECIPES
from core.spec import checked
from core.store import Run
from core.work import work

# Markup of each kind that Streamlit renders: links and pictures, emphasis, colours, icons, formulas, blocks, emoji,
# arrows, HTML; and words that our own tables use.
NAMES = (
    "![](http://evil.example/x.png)",
    "[a](http://evil.example)",
    "http://evil.example",
    "www.evil.example",
    "a@evil.example",
    "<script>alert(1)</script>",
    "<img src=http://evil.example/y.png>",
    "*star*",
    "_under_score_",
    "~~gone~~",
    "`code`",
    ":red[x]",
    ":material/delete:",
    ":material_delete:",
    ":smile:",
    "$x^2$",
    "# head",
    "1. one",
    "> quote",
    "a|b",
    "\\",
    "&amp;",
    "a -> b",
    "[^1]",
    "True class",
    "שלום",
)
DATA = "*own* :red[data] $x^2$ <b>"
TURNED = "\u202eevil *turned*"  # no file of data may have it as a class name, but a log may
TERMINAL = "\x1b[2J\x1b]0;title\x07*red*"
PEOPLE = ("*Ana* <b>", "![](http://evil.example/n)", "a@evil.example")
REASON = f"{NAMES[0]} {NAMES[5]} {NAMES[7]}\n# head\n{TERMINAL}"


def write_data() -> None:
    """Images 28 x 28 of a class for each of `NAMES`, a bright line at a place of its own; the file is called `DATA`."""
    generator, arrays, folder = np.random.default_rng(0), {}, settings.data_folders()[0]
    folder.mkdir(parents=True, exist_ok=True)
    for part, each in (("train", 4), ("val", 1), ("test", 3)):
        labels = np.repeat(np.arange(len(NAMES), dtype=np.uint8), each)
        images = generator.integers(0, 200, (len(labels), 28, 28), dtype=np.uint8)
        images[np.arange(len(labels)), labels] = 255
        arrays |= {f"{part}_images": images, f"{part}_labels": labels}
    np.savez(folder / f"{DATA}.npz", class_names=np.array(NAMES), **arrays)


def write_store() -> dict[str, Run]:
    """Runs in the store that the settings name, on the data that `write_data` has put into the data folder."""
    own = {"data": DATA, "architecture": "mlp", "split": "official", "batch_size": 32}
    digits = {"architecture": "mlp", "epochs": 1, "batch_size": 256, "learning_rate": 0.0001}
    runs = {
        "own": store.create(checked(own | {"epochs": 3})),
        "other": store.create(checked(own | {"epochs": 1})),
        "digits": store.create(
            checked({"architecture": "mlp", "epochs": 1, "batch_size": 256, "learning_rate": 0.0001})
        ),
        "digits too": store.create(checked(digits | {"seed": 1})),
        "failed": store.create(checked(own)),
        "unknown": store.create(checked(own | {"seed": 1})),
        "recipe": store.create(RECIPES["000-b"].spec("faithful", seed=7)),
    }
    for name in ("own", "other", "digits", "digits too"):
        assert work(str(runs[name].folder)) == "done"
    for name in ("digits", "digits too"):
        _put(runs[name], class_names={"en": (*NAMES[:9], TURNED), "pt_BR": (*NAMES[:9], TURNED)})
    runs["failed"].append(Failure(step=0, error="error.unexpected", slots={"reason": REASON}, trace=REASON))
    runs["unknown"].append(
        Failure(step=0, error="no.such_text", slots={"key": NAMES[1], "language": NAMES[2]}, trace="")
    )
    told = [event for event in runs["digits"].events() if isinstance(event, Started | Epoch | Report)]
    for event in told:
        runs["recipe"].append(event)
    _put(runs["recipe"], device_name=NAMES[0], versions={NAMES[1]: NAMES[7]})
    ink = np.zeros((112, 112), np.uint8)
    ink[20:92, 52:60] = 255
    for label, nickname in enumerate(PEOPLE):
        collection.keep(ink, label, nickname)
    return runs


def _put(run: Run, **words: object) -> None:
    """Put a stranger's words into the `Started` events of a run's log."""
    log = run.folder / "events.jsonl"
    events = [event for line in log.read_bytes().splitlines() if (event := from_line(line))]
    changed = [event.model_copy(update=words) if isinstance(event, Started) else event for event in events]
    log.write_text("".join(f"{to_line(event)}\n" for event in changed), encoding="utf-8")
