"""What a run says: lines that are read back as they were, and what a resumed run has overtaken."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.events import (
    Activity,
    Checkpoint,
    Epoch,
    Event,
    Failure,
    Histogram,
    Report,
    Started,
    Step,
    continued,
    from_line,
    is_intact,
    to_line,
)
from core.measures.answers import packed

FINITE = st.floats(allow_nan=False, allow_infinity=False)
AMOUNTS, SHARES = st.floats(0, allow_nan=False, allow_infinity=False), st.floats(0, 1)
WORDS = st.text(max_size=20)
COUNTS = st.integers(1, 10**12)
FILES = st.sampled_from(["model.safetensors", "checkpoint-0001-00000005.safetensors"])
SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
SLOTS = st.dictionaries(WORDS, WORDS | st.integers(-(2**53), 2**53) | FINITE | st.booleans() | st.none(), max_size=5)
NAMES = st.lists(st.text(min_size=1, max_size=80), min_size=3, max_size=3, unique=True).map(tuple)
# By the type of a field, and by its name where the type does not say it all.
OF_TYPE = {int: COUNTS, str: WORDS, float: AMOUNTS}
OF_NAME = {
    "at": st.just("2026-11-28T21:39:45+00:00"),
    "versions": st.dictionaries(WORDS, WORDS, max_size=3),
    "shape": st.tuples(*[st.integers(1, 4096)] * 3),
    "class_names": st.fixed_dictionaries({"en": NAMES}, optional={"pt_BR": NAMES}),
    "counts": st.dictionaries(WORDS, st.integers(0, 2_000_000), max_size=3),
    "slots": SLOTS,
    "died_at": st.none() | COUNTS,
    "processor_seconds": st.none() | AMOUNTS,
    "val_right": st.just("") | arrays(bool, st.integers(1, 50)).map(packed),
    "file": FILES,
    "dropped": st.lists(COUNTS, max_size=3).map(tuple),
    "error": st.sampled_from(["error.diverged", "data.npz_labels"]),
    **dict.fromkeys(("low", "high"), FINITE),
    **dict.fromkeys(("accuracy", "train_accuracy", "val_accuracy", "balanced_accuracy"), SHARES),
    "accuracy_interval": st.tuples(SHARES, SHARES),
    **dict.fromkeys(("checkpoint", "start", "model", "predictions"), FILES),
    **dict.fromkeys(("sha256", "start_sha256", "model_sha256", "predictions_sha256"), SHA256),
    **dict.fromkeys(("frozen_before", "frozen_after"), SHA256),
    "histograms": st.just((Histogram(layer=1, what="bias", low=-0.5, high=0.5, counts=(1, 2)),)),
    "activities": st.just((Activity(layer=2, function="relu", stuck=0.25),)),
}


def any_event(kind: type) -> st.SearchStrategy:
    fields = {
        name: OF_NAME[name] if name in OF_NAME else OF_TYPE.get(field.annotation, st.from_type(field.annotation))
        for name, field in kind.model_fields.items()
    }
    if kind is not Report:
        return st.builds(kind, **fields)
    rows = st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
    return st.tuples(st.fixed_dictionaries(fields), st.tuples(rows, rows, rows)).map(lambda pair: a_report(*pair))


def a_report(fields: dict[str, Any], matrix: tuple[tuple[int, ...], ...]) -> Report:
    n = sum(map(sum, matrix))
    right = sum(row[k] for k, row in enumerate(matrix))
    return Report(**fields | {"confusion_matrix": matrix, "n": n, "accuracy": right / n})


@pytest.mark.parametrize("kind", get_args(Event))
@given(data=st.data())
def test_every_event_is_read_back_from_its_line_as_it_was(kind, data):
    event = data.draw(any_event(kind))
    line = to_line(event)
    assert line.encode().splitlines() == [line.encode()]
    assert from_line(line) == from_line(line.encode()) == event
    assert from_line(event.model_dump_json()) == event  # as the first versions wrote it


@given(st.binary() | st.text().map(str.encode))
def test_a_line_that_is_no_event_is_none(line):
    assert from_line(line) is None


@given(any_event(Step), st.data())
def test_no_part_of_a_line_is_an_event(event, data):
    line = to_line(event).encode()
    assert from_line(line[: data.draw(st.integers(0, len(line) - 1))]) is None
    assert from_line(line + b"#") is None


@pytest.mark.parametrize("kind", get_args(Event))
@given(data=st.data())
def test_a_flipped_bit_is_noticed(kind, data):
    event = data.draw(any_event(kind))
    line = bytearray(to_line(event).encode())
    bit = data.draw(st.integers(0, 8 * len(line) - 1))
    line[bit // 8] ^= 1 << bit % 8
    read = from_line(bytes(line))
    assert read == event or (read is None and not is_intact(bytes(line)))  # equal: it was in the checksum's name


# --- what a resumed run has overtaken ---------------------------------------------------------------------------------

STEPS_AN_EPOCH = 4


def made(kind: type, step: int, epoch: int = 0) -> Any:
    """An event that says only when it was."""
    return kind.model_construct(event=kind.__name__.lower(), step=step, epoch=epoch)


@st.composite
def a_life(draw) -> list[list]:
    """The stays of workers at one run: each begins at a state that was saved before it, and ends anywhere."""
    stays: list[list] = []
    saved = [(0, 0)]
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(max(0, len(saved) - 3), len(saved) - 1))  # mostly the newest; if damaged, one before
        saved = saved[: at + 1]
        step, epoch = saved[-1]
        stay = [made(Started, step, epoch)]
        for _ in range(draw(st.integers(0, 12))):
            if step and step == (epoch + 1) * STEPS_AN_EPOCH:
                epoch += 1
                stay.append(made(Epoch, step, epoch))
                saved.append((step, epoch))
                continue
            step += 1
            stay.append(made(Step, step, epoch + 1))
            if draw(st.booleans()) and step % STEPS_AN_EPOCH:
                stay.append(made(Checkpoint, step, epoch))
                saved.append((step, epoch))
        if draw(st.booleans()):
            stay.append(made(Failure, step))
        stays.append(stay)
    return stays


@given(a_life())
def test_exactly_the_events_that_a_later_worker_went_back_behind_are_dropped(life):
    expected = []
    for number, stay in enumerate(life):
        later = [other[0].step for other in life[number + 1 :]]
        for event in stay:
            overtaken = later and (isinstance(event, Failure) or event.step > min(later))
            if isinstance(event, Started) or not overtaken:
                expected.append(event)
    assert continued(event for stay in life for event in stay) == expected


def test_a_worker_that_went_back_into_the_look_at_val_has_overtaken_that_epoch():
    first = [made(Started, 0), made(Step, 4, 1), made(Checkpoint, 4, 0), made(Epoch, 4, 1)]
    again = [made(Started, 4, 0), made(Epoch, 4, 1)]  # the epoch's own checkpoint was damaged
    assert continued(first + again) == [*first[:3], *again]
