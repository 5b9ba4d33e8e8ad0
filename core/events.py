"""The events of a run's log, one JSON object per line: Started | Step | Inside | Epoch | Checkpoint | Report | Failure.

`Epoch` commits the state saved at the end of an epoch; `Checkpoint` commits the state saved in the middle of an epoch,
when the run is paused or stopped or its server is lost.

A log may come from a stranger. An event that is read therefore has no value out of its bounds, such as an infinite loss
or a confusion matrix that does not fit its number of images, and every line carries a checksum of its own.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

BestBy = Literal["val_accuracy", "val_loss", "last"]
"""By what the epoch whose weights are kept is chosen."""
Stop = Literal["epochs", "target_accuracy", "patience", "time_limit", "pruned", "by_hand"]
"""Why a training has ended. `pruned`: it fell behind the other runs of its study, see `core.search.rules`. `by_hand`:
somebody asked for its end; only a Report says so, no Epoch."""

ComputedBy = Literal["kernels", "torch"]
"""By what training steps and evaluation are computed: our own kernels or PyTorch's operations."""
SlowerBecause = Literal["", "compiling", "numba"]
"""Why PyTorch computes what the kernels would compute faster: they are being compiled, or Numba fails; else ""."""

MOST_IMAGES = 2_000_000  # of a data set, all splits together
MOST_CLASSES = 1_000
MOST_RIGHT = 60_000  # val images whose answers an Epoch holds: of more, chance adds little that could be told
LONGEST_NAME = 80  # letters of a class name

TestUse = Literal["once", "watched", "selected"]
"""How a run uses the test split. `once`: evaluated once, at the end. `watched`: used as val after each epoch, without
choosing anything. `selected`: used to choose the epoch that is kept, or when to stop training, which biases the test
accuracy upwards."""


def _class_names(by_language: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The names, if each language, English included, has the same number of different ones. Raises: ValueError."""
    if "en" not in by_language or len({len(names) for names in by_language.values()}) > 1:
        raise ValueError("not the same number of class names in each language")
    if any(len(set(names)) < len(names) for names in by_language.values()):
        raise ValueError("two classes of the same name")
    return by_language


Count = Annotated[int, Field(ge=0, le=10**12)]  # of steps, epochs, images, parameters
Images = Annotated[int, Field(ge=0, le=MOST_IMAGES)]  # of a split
Amount = Annotated[float, Field(ge=0)]  # of nats, seconds, images per second
Share = Annotated[float, Field(ge=0, le=1)]
Word = Annotated[str, Field(max_length=200)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
FileName = Annotated[str, Field(max_length=100, pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")]
Bits = Annotated[str, Field(max_length=20_000, pattern=r"^[A-Za-z0-9+/=]*$")]  # one an image, packed
Side = Annotated[int, Field(ge=1, le=4096)]
ClassName = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Names = Annotated[tuple[ClassName, ...], Field(min_length=2, max_length=MOST_CLASSES)]
Slot = bool | Annotated[int, Field(ge=-(10**18), le=10**18)] | float | Annotated[str, Field(max_length=2_000)] | None
Row = Annotated[tuple[Count, ...], Field(min_length=2, max_length=MOST_CLASSES)]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Started(_Event):
    """A worker has started the run or resumed it, at `step`."""

    event: Literal["started"] = "started"
    run: Word
    at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:+Z-]{0,16}$")]  # UTC, ISO 8601
    pid: Count
    step: Count  # steps done so far; 0 for a new run
    epoch: Count  # epochs finished so far
    died_at: Count | None = None  # step at which the worker before ended without saving; None if it saved
    device: Word  # "cpu", "cuda", "mps"
    device_name: Word
    threads: Annotated[Count, Field(ge=1)]  # most that the run computes with; a small batch is divided among fewer
    precision: Literal["float32", "bfloat16"] = "float32"  # of training steps; evaluation is always in float32
    computed_by: ComputedBy = "torch"  # as everything was in the logs of earlier versions
    slower_because: SlowerBecause = ""
    versions: Annotated[dict[Word, Word], Field(max_length=20)]
    shape: tuple[Side, Side, Side]  # (C, H, W) of the network's input images
    class_names: Annotated[dict[Word, Names], Field(max_length=20), AfterValidator(_class_names)]  # by language
    digits: bool = False  # the images are handwritten digits, see `Dataset.digits`; False in logs of earlier versions
    ground: Literal["dark", "light", ""] = ""  # of the train images; "" if neither, and in logs of earlier versions
    counts: Annotated[dict[Word, Images], Field(max_length=20)]  # number of images in train, val and test
    parameters: Count  # number of parameters, frozen ones included
    frozen: Count = 0  # number of frozen parameters
    # File with the run's own copy of the first layers as they were at the start, if they were taken over from another
    # run or stay frozen; else "".
    start: FileName = ""
    start_sha256: Sha256 = ""
    steps_per_epoch: Annotated[Count, Field(ge=1)]

    @property
    def class_count(self) -> int:
        """K, the number of classes."""
        return len(self.class_names["en"])


class Step(_Event):
    """Train loss and accuracy over the images since the last Step, each batch measured before its own update."""

    event: Literal["step"] = "step"
    epoch: Count
    step: Count
    loss: Amount  # nats
    accuracy: Share
    seconds: Amount  # training time so far, without pauses
    images_per_second: Amount


class Epoch(_Event):
    """An epoch is finished and its checkpoint is on disk."""

    event: Literal["epoch"] = "epoch"
    epoch: Annotated[Count, Field(ge=1)]
    step: Count
    train_loss: Amount  # train values are means over the epoch's batches, during which the weights change
    train_accuracy: Share
    val_loss: Amount
    val_accuracy: Share
    learning_rate: Amount
    seconds: Amount  # training time so far, without pauses
    # The processor's time in these seconds, of all threads: it grows less than they do on a machine that is shared.
    # None in the logs of earlier versions, and in what was resumed from them.
    processor_seconds: Amount | None = None
    # Which val images are answered rightly, see `answers.packed`; "" in logs of earlier versions, and if they are more
    # than `MOST_RIGHT`.
    val_right: Bits = ""
    best_epoch: Count  # best epoch so far by the spec's `best_by`; of equally good ones the last
    stop: Stop | None = None
    checkpoint: FileName = ""
    sha256: Sha256 = ""


class Histogram(BaseModel):
    """A histogram of one layer's weights, biases or weight gradients; no activations, so it depends on no image."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    layer: Annotated[int, Field(ge=1, le=100)]  # number, from 1
    what: Word  # "weight", "bias", or "gradient": the weights' gradient in the last step
    low: float
    high: float
    # Number of values in each bin; bins of equal width from `low` to `high`.
    counts: Annotated[tuple[Count, ...], Field(min_length=1, max_length=1_000)]


class Activity(BaseModel):
    """The fraction (0 to 1) of an activation function's output that is dead or saturated, see `watch._stuck`."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    layer: Annotated[int, Field(ge=1, le=100)]
    function: Word  # "relu", "sigmoid", "tanh"
    stuck: Share


class Inside(_Event):
    """Weights, gradients and activations of the network at the end of an epoch; logged before that epoch's Epoch."""

    event: Literal["inside"] = "inside"
    epoch: Count
    step: Count
    histograms: Annotated[tuple[Histogram, ...], Field(max_length=20_000)]
    activities: Annotated[tuple[Activity, ...], Field(max_length=20_000)]


class Snapshot(_Event):
    """An epoch's weights and answers on val are on disk, to be looked into; its Epoch, which follows, commits them.

    Epoch 0 has the initial weights; no Epoch follows its Snapshot, which needs none.
    """

    event: Literal["snapshot"] = "snapshot"
    epoch: Count
    step: Count
    val_loss: Amount
    val_accuracy: Share
    precision: Literal["float16", "float32"] = "float32"  # of the stored weights
    file: FileName = ""  # "" if it is not kept: there is not enough room on the disk, or it alone is too large
    sha256: Sha256 = ""
    size: Count = 0  # bytes of its arrays
    # Epochs whose files are removed then, so that there are not too many.
    dropped: Annotated[tuple[Count, ...], Field(max_length=1_000)] = ()


class Checkpoint(_Event):
    """A state in the middle of an epoch is on disk: the run is paused, is stopping or has lost its server."""

    event: Literal["checkpoint"] = "checkpoint"
    epoch: Count
    step: Count
    checkpoint: FileName
    sha256: Sha256


class Report(_Event):
    """The best epoch's results on the test split, which is used only here unless the spec's split is `test`."""

    event: Literal["report"] = "report"
    run: Word
    best_epoch: Count  # whose weights `model` has
    lost_epoch: Count = 0  # the best epoch, where its checkpoint was damaged and `best_epoch` is the next best; else 0
    best_by: BestBy
    epochs: Count
    stop: Stop | Literal[""]  # why the training ended, as in the last Epoch unless it was ended by hand
    n: Annotated[Count, Field(ge=1)]
    test_use: TestUse = "once"
    accuracy: Share
    accuracy_interval: tuple[Share, Share]  # Wilson, 95 %
    balanced_accuracy: Share
    loss: Amount
    confusion_matrix: Annotated[tuple[Row, ...], Field(min_length=2, max_length=MOST_CLASSES)]  # [true][predicted]
    seconds: Amount  # training time, without pauses
    processor_seconds: Amount | None = None  # as in `Epoch`
    model: FileName
    model_sha256: Sha256
    predictions: FileName
    predictions_sha256: Sha256
    images: Word = ""  # identifier of the test images, see `splits.digest`; "" in runs of the first versions
    frozen_before: Sha256 = ""  # of the frozen layers as they were at the start, in the file `Started.start` ...
    frozen_after: Sha256 = ""  # ... and of the same layers in `model`; both "" if no layer is frozen

    @model_validator(mode="after")
    def _agrees_with_its_matrix(self) -> Self:
        matrix, n = self.confusion_matrix, self.n
        if any(len(row) != len(matrix) for row in matrix) or sum(map(sum, matrix)) != n:
            raise ValueError("not a square matrix of n images")
        if abs(sum(row[k] for k, row in enumerate(matrix)) / n - self.accuracy) > 1e-6:
            raise ValueError("not the accuracy of the matrix")
        return self

    @property
    def is_by_hand(self) -> bool:
        """Whether somebody ended the training before its time, so that the run does not repeat its spec in full."""
        return self.stop == "by_hand"

    @property
    def frozen_unchanged(self) -> bool | None:
        """Whether training left the frozen layers bit-identical; None if no layer is frozen."""
        return self.frozen_before == self.frozen_after if self.frozen_before else None


class Failure(_Event):
    """An error in the worker: the text key of its message, the values of the slots, and the Python traceback."""

    event: Literal["failure"] = "failure"
    step: Count
    error: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9_.-]+$")]
    slots: Annotated[dict[Word, Slot], Field(max_length=20)]
    trace: Annotated[str, Field(max_length=100_000)]


Event = Started | Step | Inside | Snapshot | Epoch | Checkpoint | Report | Failure
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


_BEGIN = b'{"event":"'  # of every line that `to_line` writes
_CHECKSUM = re.compile(rb',"crc32":"([0-9a-f]{8})"}\n?')  # the end of a line; no line of the first versions has it


def to_line(event: Event) -> str:
    """The event as one line of JSON, without a line break; its last member is the checksum of what is before it."""
    line = event.model_dump_json()
    return f'{line[:-1]},"crc32":"{zlib.crc32(line.encode()):08x}"}}'


def from_line(line: str | bytes) -> Event | None:
    """The event of a log line; None for a line that holds no event or whose checksum is not that of its content."""
    line = line.encode(errors="replace") if isinstance(line, str) else line
    if not line.startswith(b'{"event"') or _is_checked(line) is False:
        return None  # garbage without the time that parsing takes
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


def begins_as(line: bytes, *kinds: type[Event]) -> bool:
    """Whether a line begins as `to_line` begins an event of these kinds; nothing is parsed."""
    return line.startswith(tuple(map(_begin, kinds)))


def may_hold(line: bytes, *kinds: type[Event]) -> bool:
    """Whether a line may hold an event of these kinds; nothing is parsed."""
    return begins_as(line, *kinds) or not line.startswith(_BEGIN)


@functools.cache
def _begin(kind: type[Event]) -> bytes:
    return _BEGIN + kind.__name__.lower().encode()


def died_at(latest: Event | None) -> int | None:
    """The step at which a worker that is gone ended without saving, by its last event; None if it saved or failed.

    One that leaves logs a Checkpoint or an Epoch before, and one that fails a Failure, if it can still write.
    """
    if isinstance(latest, Step | Inside | Snapshot) or (isinstance(latest, Started) and not latest.step):
        return latest.step
    return None


def is_intact(line: bytes) -> bool:
    """Whether a complete line has its checksum or, without one, holds an event or what a crash left, ended by `#`."""
    is_checked = _is_checked(line)
    return (line.endswith(b"#") or from_line(line) is not None) if is_checked is None else is_checked


def _is_checked(line: bytes) -> bool | None:
    """Whether the line's checksum is that of its content; None if it has none."""
    found = _CHECKSUM.fullmatch(line, max(0, line.rfind(b",")))
    return found and zlib.crc32(b"}", zlib.crc32(line[: found.start()])) == int(found[1], 16)


def continued(events: Iterable[Event]) -> list[Event]:
    """The events without those that a resumed run has superseded, which came after the checkpoint it resumed from."""
    kept: list[tuple[int, Event]] = []  # with their places
    starts: list[tuple[int, Event]] = []
    for place, event in enumerate(events):
        if not isinstance(event, Started):
            kept.append((place, event))
            continue
        starts.append((place, event))
        while kept and _is_superseded(kept[-1][1], event):  # what came after the checkpoint is at the end
            kept.pop()
    return [event for _, event in sorted(kept + starts, key=lambda pair: pair[0])]


def _is_superseded(event: Event, by: Started) -> bool:
    if isinstance(event, Inside | Snapshot | Epoch) and event.epoch > by.epoch:
        return True  # also a state saved after an epoch's last step but before its end: the validation is repeated
    return isinstance(event, Failure) or (isinstance(event, Step | Epoch | Checkpoint) and event.step > by.step)


def kept_snapshots(events: Iterable[Event]) -> list[Snapshot]:
    """The snapshots that are kept, by epoch, of *all* events of a log, in which those of a resumed run replace others.

    `continued` events would not do: the files that a superseded event has dropped are gone.
    """
    kept: dict[int, Snapshot] = {}  # in the order of the log
    latest: Snapshot | None = None  # not committed yet
    for event in events:
        if isinstance(event, Started):
            latest = None
            while kept and next(reversed(kept)) > event.epoch:
                kept.popitem()
        elif isinstance(event, Snapshot):
            latest = event
        if latest and (not latest.epoch or (isinstance(event, Epoch) and event.epoch == latest.epoch)):
            for epoch in (latest.epoch, *latest.dropped):
                kept.pop(epoch, None)
            if latest.file:
                kept[latest.epoch] = latest
            latest = None
    return sorted(kept.values(), key=lambda one: one.epoch)


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
