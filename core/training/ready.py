"""What is known of a training before it starts: whether it can make sense, and which classes its splits lack."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np

from core.datasets import dataset
from core.images.splits import class_counts
from core.networks.layers import Row
from core.refusal import Refusal
from core.spec import RunSpec, label, option_words
from core.training.transfer import fits

Remark = tuple[str, dict[str, object]]  # a text key and its slots
# Outside of these a network mostly learns nothing. Within them lie all published and all own recipes.
USUAL_RATES = {"sgd": (1e-5, 10.0), "adam": (1e-6, 0.1), "adamw": (1e-6, 0.1)}  # learning rates
MOST_DECAY = 1.0
MOST_MOVED = 0.25  # of an image's side, by `shift` or `elastic`
MOST_ZOOM = 0.5
NAMED = 5  # most classes that a remark names; it also says their number


def ready(spec: RunSpec, language: str) -> list[Remark]:
    """Check that a spec can be trained on this machine; returns the remarks on its values and splits, in a language.

    Raises: Refusal, as `fits` and `check`, or if the data are not on this machine.
    """
    source, rows, _ = fits(spec)
    if source.state()[0] != "ready":
        raise Refusal("error.data_not_ready", data=spec.data, python=sys.executable)
    counts = class_counts(spec, source)
    check(spec, counts, rows)
    names = source.class_names.get(language, source.class_names["en"])
    return [*unusual(spec, int(counts["train"].sum()), rows), *remarks(spec, counts, names)]


def check(spec: RunSpec, counts: Mapping[str, np.ndarray], rows: Sequence[Row]) -> None:
    """Check that a network of these rows can be trained on splits with so many images of each class, int64 (K,).

    Raises: Refusal, if train has one image or one class, or if its last batch is one image, of which a batch norm would
    get a single value.
    """
    train = counts["train"]
    if train.sum() < 2:
        raise Refusal("error.one_train_image", data=spec.data)
    if (train > 0).sum() < 2:
        raise Refusal("error.one_class", data=spec.data)
    # On larger feature maps batch norm has several values of one image; a frozen one uses the values it has learned.
    pools = any(row.layer.mixes_images and max(row.shape_before[1:], default=1) == 1 for row in rows[spec.frozen :])
    if pools and (spec.batch_size == 1 or train.sum() % spec.batch_size == 1):
        raise Refusal("error.batch_of_one", batch_size=spec.batch_size, count=int(train.sum()))


def unusual(spec: RunSpec, count: int, rows: Sequence[Row]) -> list[Remark]:
    """Values with which a training is possible and makes little sense, for `count` train images and these rows."""
    low, high = USUAL_RATES[spec.optimizer]
    side = max(rows[0].shape_before[1:])
    found: list[Remark] = []
    if not low <= spec.learning_rate <= high:
        slots = {"value": spec.learning_rate, "low": low, "high": high, "optimizer": option_words([spec.optimizer])}
        found.append(("unusual.learning_rate", slots))
    if spec.weight_decay > MOST_DECAY:
        found.append(("unusual.weight_decay", {"value": spec.weight_decay}))
    if spec.batch_size > count:
        found.append(("unusual.batch_size", {"value": spec.batch_size, "train": count}))
    if spec.patience and spec.patience >= spec.epochs:
        found.append(("unusual.patience", {"value": spec.patience, "epochs": spec.epochs}))
    moved = [name for name in ("shift", "elastic") if getattr(spec, name) > MOST_MOVED * side]
    found += [("unusual.moved", {"field": label(name), "value": getattr(spec, name), "side": side}) for name in moved]
    if spec.zoom > MOST_ZOOM:
        found.append(("unusual.zoom", {"value": spec.zoom}))
    if spec.flip and dataset(spec.data).digits:
        found.append(("unusual.flip", {"value": spec.flip}))
    return found


def remarks(spec: RunSpec, counts: Mapping[str, np.ndarray], names: Sequence[str]) -> list[Remark]:
    """What the reader has to know of the splits before training, in the order of how much it matters.

    Args:
        spec: tells by which rule val was chosen.
        counts: the images of each class, int64 (K,), in `train`, `val` and `test`.
        names: of the K classes, in the reader's language.
    """
    train, val, test = (counts[name] > 0 for name in ("train", "val", "test"))
    single = train & ~val & (counts["train"] == 1) if spec.split == "stratified" else np.zeros_like(train)
    lacking = {
        "nowhere": ~(train | val | test),
        "train": ~train & (val | test),
        "single": single,
        "val": ~val & train & ~single,
        "test": ~test & (train | val),
    }
    if spec.split == "test":  # val is the same images
        del lacking["val"]
    return [(f"remark.{where}", _slots(classes, names)) for where, classes in lacking.items() if classes.any()]


def _slots(classes: np.ndarray, names: Sequence[str]) -> dict[str, object]:
    places: list[int] = np.flatnonzero(classes).tolist()
    named = [names[k] for k in places[:NAMED]] + ["…"] * (len(places) > NAMED)
    return {"names": ", ".join(named), "count": len(places), "classes": len(names)}
