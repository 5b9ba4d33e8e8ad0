"""Started | Step | Inside | Epoch | Checkpoint | Report | Failure: all that a run says, one JSON object a line.

`Checkpoint` is the one that the plan did not have: it commits the state that a pause, a stop or a lost server saves in
the middle of an epoch, as an `Epoch` commits the state at an epoch's end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

TestUse = Literal["once", "watched", "selected"]
"""`once`: looked at once, at the end; `watched`: validated on after each epoch, choosing nothing; `selected`: it chose
the epoch that was kept, or the end of the training, so that its accuracy comes out too high."""


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class Started(_Event):
    """A worker has taken the run up, for the first time or again, at `step`."""

    event: Literal["started"] = "started"
    run: str
    at: str  # date and time, UTC, ISO 8601
    pid: int
    step: int  # steps done so far; 0 for a new run
    epoch: int  # epochs finished so far
    device: str  # "cpu", "cuda", "mps"
    device_name: str
    threads: int  # that it may compute with; a small batch is not worth dividing among all
    precision: Literal["float32", "bfloat16"] = "float32"  # of the training; models are evaluated in float32
    versions: dict[str, str]
    shape: tuple[int, int, int]  # (C, H, W) of the images that the network gets
    class_names: dict[str, tuple[str, ...]]  # by language
    counts: dict[str, int]  # images in train, val, test
    parameters: int
    frozen: int = 0  # of the parameters, those that do not train
    start: str = ""  # the run's own copy of the layers that it took over from another run, if it did
    start_sha256: str = ""
    steps_per_epoch: int

    @property
    def class_count(self) -> int:
        """K, the number of classes."""
        return len(self.class_names["en"])


class Step(_Event):
    """The train loss and accuracy over the images since the last Step, measured before their updates."""

    event: Literal["step"] = "step"
    epoch: int
    step: int
    loss: float  # nats
    accuracy: float  # 0 to 1
    seconds: float  # of training so far, pauses left out
    images_per_second: float


class Epoch(_Event):
    """An epoch is over and its checkpoint is on the disk."""

    event: Literal["epoch"] = "epoch"
    epoch: int
    step: int
    train_loss: float  # means over the epoch, while the weights changed
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float  # of training so far, pauses left out
    best_epoch: int  # the best so far, by the quantity that the spec names
    stop: Literal["epochs", "target_accuracy", "patience", "time_limit"] | None = None
    checkpoint: str = ""
    sha256: str = ""


class Histogram(BaseModel):
    """How the values of one kind in one layer are spread: images have no part in it."""

    model_config = ConfigDict(frozen=True)

    layer: int  # number, from 1
    what: str  # "weight", "bias", or "gradient" of the last step's weights
    low: float
    high: float
    counts: tuple[int, ...]  # values in bins of equal width between both ends


class Activity(BaseModel):
    """How much of an activation function's output is stuck, 0 to 1, see `watch._stuck`."""

    model_config = ConfigDict(frozen=True)

    layer: int
    function: str  # "relu", "sigmoid", "tanh"
    stuck: float


class Inside(_Event):
    """What the network looks like inside at the end of an epoch; said before its Epoch."""

    event: Literal["inside"] = "inside"
    epoch: int
    step: int
    histograms: tuple[Histogram, ...]
    activities: tuple[Activity, ...]


class Checkpoint(_Event):
    """A state in the middle of an epoch is on the disk: the run pauses, stops or has lost its server."""

    event: Literal["checkpoint"] = "checkpoint"
    epoch: int
    step: int
    checkpoint: str
    sha256: str


class Report(_Event):
    """What the best weights make of the test split: an honest spec's only look at it, at the end."""

    event: Literal["report"] = "report"
    run: str
    best_epoch: int
    best_by: str
    epochs: int
    stop: str  # why the training ended, as in the last Epoch
    n: int
    test_use: TestUse = "once"
    accuracy: float
    accuracy_interval: tuple[float, float]  # Wilson, 95 %
    balanced_accuracy: float
    loss: float
    confusion_matrix: tuple[tuple[int, ...], ...]  # [true][predicted]
    seconds: float  # of training
    model: str
    model_sha256: str
    predictions: str
    predictions_sha256: str
    images: str = ""  # what names the test images, see `splits.digest`; runs of the first versions have none
    frozen_before: str = ""  # sha256 of the frozen layers as they were taken over: of the file `Started.start` ...
    frozen_after: str = ""  # ... and of the same layers of `model`; empty where none was frozen

    @property
    def frozen_unchanged(self) -> bool | None:
        """Whether the frozen layers are to the bit what they were before; None where none was frozen."""
        return self.frozen_before == self.frozen_after if self.frozen_before else None


class Failure(_Event):
    """Something went wrong in the worker: a text key, its slots, and the trace for those who can read it."""

    event: Literal["failure"] = "failure"
    step: int
    error: str
    slots: dict[str, Any]
    trace: str


Event = Started | Step | Inside | Epoch | Checkpoint | Report | Failure
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def to_line(event: Event) -> str:
    """The event as one line of JSON, without its line end."""
    return event.model_dump_json()


def from_line(line: str | bytes) -> Event | None:
    """The event of a line, or None for a line that is none, as one cut short by a crash."""
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


def continued(events: Iterable[Event]) -> list[Event]:
    """The events without those that a resumed run has overtaken: what came after the checkpoint it went on from."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Started):
            kept = [old for old in kept if not (isinstance(old, Step | Epoch | Checkpoint) and old.step > event.step)]
            # The last step of an epoch is done, and its look at val goes again.
            kept = [old for old in kept if not (isinstance(old, Inside | Epoch) and old.epoch > event.epoch)]
            kept = [old for old in kept if not isinstance(old, Failure)]
        kept.append(event)
    return kept


def seconds_left(events: Sequence[Event], epochs: int) -> float | None:
    """The training seconds still to go until `epochs` are done, at the pace so far; None before the first Steps."""
    started = next((event for event in reversed(events) if isinstance(event, Started)), None)
    told = [event for event in events if isinstance(event, Step | Epoch)]
    if not started or not told:
        return None
    now, done = told[-1], [event for event in told if isinstance(event, Epoch)]
    if done:  # whole epochs count their look at val too
        an_epoch = done[-1].seconds / done[-1].epoch
        return max(0.0, an_epoch * (epochs - done[-1].epoch) - (now.seconds - done[-1].seconds))
    if now.step < 2:  # the first step is slower than the others
        return None
    return now.seconds / now.step * (started.steps_per_epoch * epochs - now.step)
