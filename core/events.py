"""The events of a run's log, one JSON object per line: Started | Step | Inside | Epoch | Checkpoint | Report | Failure.

`Epoch` commits the state saved at the end of an epoch; `Checkpoint` commits the state saved in the middle of an epoch,
when the run is paused or stopped or its server is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

TestUse = Literal["once", "watched", "selected"]
"""How a run uses the test split. `once`: evaluated once, at the end. `watched`: used as val after each epoch, without
choosing anything. `selected`: used to choose the epoch that is kept, or when to stop training, which biases the test
accuracy upwards."""


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class Started(_Event):
    """A worker has started the run or resumed it, at `step`."""

    event: Literal["started"] = "started"
    run: str
    at: str  # date and time, UTC, ISO 8601
    pid: int
    step: int  # steps done so far; 0 for a new run
    epoch: int  # epochs finished so far
    device: str  # "cpu", "cuda", "mps"
    device_name: str
    threads: int  # most threads that the run computes with; a small batch is divided among fewer
    precision: Literal["float32", "bfloat16"] = "float32"  # of training steps; evaluation is always in float32
    versions: dict[str, str]
    shape: tuple[int, int, int]  # (C, H, W) of the network's input images
    class_names: dict[str, tuple[str, ...]]  # by language
    counts: dict[str, int]  # number of images in train, val and test
    parameters: int  # number of parameters, frozen ones included
    frozen: int = 0  # number of frozen parameters
    start: str = ""  # file with the run's own copy of the layers taken over from another run; "" if none were
    start_sha256: str = ""
    steps_per_epoch: int

    @property
    def class_count(self) -> int:
        """K, the number of classes."""
        return len(self.class_names["en"])


class Step(_Event):
    """Train loss and accuracy over the images since the last Step, each batch measured before its own update."""

    event: Literal["step"] = "step"
    epoch: int
    step: int
    loss: float  # nats
    accuracy: float  # 0 to 1
    seconds: float  # training time so far, without pauses
    images_per_second: float


class Epoch(_Event):
    """An epoch is finished and its checkpoint is on disk."""

    event: Literal["epoch"] = "epoch"
    epoch: int
    step: int
    train_loss: float  # train values are means over the epoch's batches, during which the weights change
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float  # training time so far, without pauses
    # The processor's time in these seconds, of all threads: it grows less than they do on a machine that is shared.
    # None in the logs of earlier versions, and in what was resumed from them.
    processor_seconds: float | None = None
    best_epoch: int  # best epoch so far by the spec's `best_by`
    stop: Literal["epochs", "target_accuracy", "patience", "time_limit"] | None = None
    checkpoint: str = ""
    sha256: str = ""


class Histogram(BaseModel):
    """A histogram of one layer's weights, biases or weight gradients; no activations, so it depends on no image."""

    model_config = ConfigDict(frozen=True)

    layer: int  # number, from 1
    what: str  # "weight", "bias", or "gradient": the weights' gradient in the last step
    low: float
    high: float
    counts: tuple[int, ...]  # number of values in each bin; bins of equal width from `low` to `high`


class Activity(BaseModel):
    """The fraction (0 to 1) of an activation function's output that is dead or saturated, see `watch._stuck`."""

    model_config = ConfigDict(frozen=True)

    layer: int
    function: str  # "relu", "sigmoid", "tanh"
    stuck: float


class Inside(_Event):
    """Weights, gradients and activations of the network at the end of an epoch; logged before that epoch's Epoch."""

    event: Literal["inside"] = "inside"
    epoch: int
    step: int
    histograms: tuple[Histogram, ...]
    activities: tuple[Activity, ...]


class Checkpoint(_Event):
    """A state in the middle of an epoch is on disk: the run is paused, is stopping or has lost its server."""

    event: Literal["checkpoint"] = "checkpoint"
    epoch: int
    step: int
    checkpoint: str
    sha256: str


class Report(_Event):
    """The best epoch's results on the test split, which is used only here unless the spec's split is `test`."""

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
    seconds: float  # training time, without pauses
    processor_seconds: float | None = None  # as in `Epoch`
    model: str
    model_sha256: str
    predictions: str
    predictions_sha256: str
    images: str = ""  # identifier of the test images, see `splits.digest`; "" in runs of the first versions
    frozen_before: str = ""  # sha256 of the frozen layers as they were taken over, in the file `Started.start` ...
    frozen_after: str = ""  # ... and of the same layers in `model`; both "" if no layer is frozen

    @property
    def frozen_unchanged(self) -> bool | None:
        """Whether training left the frozen layers bit-identical; None if no layer is frozen."""
        return self.frozen_before == self.frozen_after if self.frozen_before else None


class Failure(_Event):
    """An error in the worker: the text key of its message, the values of the slots, and the Python traceback."""

    event: Literal["failure"] = "failure"
    step: int
    error: str
    slots: dict[str, Any]
    trace: str


Event = Started | Step | Inside | Epoch | Checkpoint | Report | Failure
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def to_line(event: Event) -> str:
    """The event as one line of JSON, without a line break."""
    return event.model_dump_json()


def from_line(line: str | bytes) -> Event | None:
    """The event of a log line; None for a line that holds no event, such as one truncated by a crash."""
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


def continued(events: Iterable[Event]) -> list[Event]:
    """The events without those that a resumed run has superseded, which came after the checkpoint it resumed from."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Started):
            kept = [old for old in kept if not (isinstance(old, Step | Epoch | Checkpoint) and old.step > event.step)]
            # A state saved after an epoch's last step but before its end: the validation is repeated.
            kept = [old for old in kept if not (isinstance(old, Inside | Epoch) and old.epoch > event.epoch)]
            kept = [old for old in kept if not isinstance(old, Failure)]
        kept.append(event)
    return kept


def seconds_left(events: Sequence[Event], epochs: int) -> float | None:
    """The remaining training seconds until `epochs` are done, at the pace so far; None before the second step."""
    started = next((event for event in reversed(events) if isinstance(event, Started)), None)
    told = [event for event in events if isinstance(event, Step | Epoch)]
    if not started or not told:
        return None
    now, done = told[-1], [event for event in told if isinstance(event, Epoch)]
    if done:  # the time of whole epochs includes validation
        an_epoch = done[-1].seconds / done[-1].epoch
        return max(0.0, an_epoch * (epochs - done[-1].epoch) - (now.seconds - done[-1].seconds))
    if now.step < 2:  # the first step is slower than the others
        return None
    return now.seconds / now.step * (started.steps_per_epoch * epochs - now.step)
