"""What a run says: lines that are read back as they were, and what a resumed run has overtaken."""

import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import (
    Activity,
    Checkpoint,
    Epoch,
    Event,
    Failure,
    Histogram,
    Started,
    Step,
    continued,
    from_line,
    to_line,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SLOTS = st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | FINITE)


def a_field(annotation: Any) -> st.SearchStrategy:
    known = {float: FINITE, tuple[float, float]: st.tuples(FINITE, FINITE), dict[str, Any]: SLOTS}
    known |= {float | None: st.none() | FINITE}
    return known.get(annotation, st.from_type(annotation))


def any_event(kind: type) -> st.SearchStrategy:
    fields = {name: a_field(field.annotation) for name, field in kind.model_fields.items()}
    return st.builds(kind, **fields)


for part in (Histogram, Activity):
    st.register_type_strategy(part, any_event(part))


@pytest.mark.parametrize("kind", get_args(Event))
@given(data=st.data())
def test_every_event_is_read_back_from_its_line_as_it_was(kind, data):
    event = data.draw(any_event(kind))
    line = to_line(event)
    assert line.encode().splitlines() == [line.encode()]
    assert from_line(line) == from_line(line.encode()) == event


@given(st.binary() | st.text().map(str.encode))
def test_a_line_that_is_no_event_is_none(line):
    assert from_line(line) is None


@given(any_event(Step), st.data())
def test_no_part_of_a_line_is_an_event(event, data):
    line = to_line(event).encode()
    assert from_line(line[: data.draw(st.integers(0, len(line) - 1))]) is None
    assert from_line(line + b"#") is None


def test_a_loss_that_is_no_number_makes_a_line_that_is_json():
    failure = Failure(step=3, error="error.diverged", slots={"loss": math.nan, "step": 3}, trace="")
    assert "NaN" not in to_line(failure)
    assert from_line(to_line(failure)) == failure.model_copy(update={"slots": {"loss": None, "step": 3}})


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
