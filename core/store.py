"""Run: the folder that holds all data of one run; no other module knows the names of the files in it.

The log, `events.jsonl` and for each `Run.take` a part of its own, is only appended to; every other file is replaced
atomically. A checkpoint or another safetensors file is valid only once an event names it with its sha256, so a crash at
any moment leaves either the old state or the new one.

A store may come from a stranger: whatever is read is checked here, once, and refused with the file's name. So that one
bad run delays no list of runs, only regular files of a bounded size are opened, and of a long log only what is needed
is kept in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import os
import re
import secrets
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, TypeVar, cast, get_args, overload

from filelock import FileLock, Timeout
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from core import settings
from core.events import (
    Checkpoint,
    Epoch,
    Event,
    Failure,
    Inside,
    Report,
    Snapshot,
    Started,
    Step,
    begins_as,
    continued,
    from_line,
    is_intact,
    kept_snapshots,
    may_hold,
    to_line,
)
from core.files import content, locked, opened, sync, written_aside
from core.networks.layers import table
from core.refusal import Refusal, writing
from core.spec import RunSpec
from core.words import InWords, text

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

MODEL = "model.safetensors"
PREDICTIONS = "predictions.safetensors"
START = "start.safetensors"
CHECKPOINT, SNAPSHOT = "checkpoint-", "snapshot-"  # with which the names of their files begin
FORMAT = 1  # version of the folder's format; a newer one is refused
Status = Literal["queued", "running", "paused", "stopped", "interrupted", "failed", "pruned", "trained", "done"]
_Event = TypeVar("_Event", bound=Event)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,150}")
_SHORT_TAIL = 1 << 16  # bytes at a log's end: enough for a Report of ten classes and the events after it
_TAIL = 1 << 23  # bytes at a log's end: enough for any Report; the confusion matrix of 1,000 classes takes 2 MiB
_BLOCK = 1 << 20  # bytes of a log that are read at once
_LOG = 1 << 28  # largest log that is read, in bytes; a day of training, four Steps a second, takes 60 MiB
_STEPS = 1 << 23  # bytes of a log's Steps that are kept when it is read whole: if there are more, every n-th Step
_SPEC = 1 << 20  # largest spec file that is read, in bytes; ours take a kilobyte
_CONTROL = 1 << 12  # largest control file that is read, in bytes
_LABEL = 1 << 16  # most bytes of a label file that are read; the longest valid label takes 30 KiB
_ARRAYS = 1 << 32  # largest file of arrays that is read, in bytes
_HEADER = 1 << 20  # largest safetensors header that is parsed, in bytes; ours take a few kilobytes


Wanted = Literal["run", "pause", "batch", "epoch", "stop", "finish"]


@dataclass(frozen=True)
class Control:
    """The user's latest request to the worker. `serial` is unique.

    `batch` and `epoch`: pause after one more. `finish`: end the training, once it has an epoch, and read the test
    split.
    """

    wanted: Wanted = "run"
    serial: int = 0
    test: bool = True  # False: the run ends as `trained`, and its test split is not read until that is asked for
    snapshots: bool = True  # whether the weights of past epochs are kept, see `Run.snapshots`


_TRAINING = (
    Started | Step | Inside | Snapshot | Epoch | Checkpoint | Failure
)  # events that are only logged before a Report


def _printable(text: str) -> str:
    """The text, if a terminal can print each of its lines as it is. Raises: ValueError."""
    if not all(line.isprintable() for line in text.split("\n")):
        raise ValueError("control characters")
    return text


Word = Annotated[str, Field(max_length=60, pattern=r"^[^\n]*$"), AfterValidator(_printable)]


class Label(BaseModel):
    """Changeable notes about a run; they are not part of its spec, so they do not affect which runs count as equal."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    name: Word = ""  # what people call the run, beside the name of its folder
    owner: Word = ""  # the user to whom the run belongs
    study: Word = ""  # the search to which the run belongs ...
    trial: Annotated[int, Field(ge=0, le=1_000_000)] | None = None  # ... and the run's number in that search
    plan: Annotated[str, Field(max_length=2_000), AfterValidator(_printable)] = ""  # of that search, see `search.study`
    note: Annotated[str, Field(max_length=2_000), AfterValidator(_printable)] = ""
    tags: Annotated[tuple[Annotated[Word, Field(min_length=1)], ...], Field(max_length=20)] = ()


class OvertakenError(Exception):
    """Another worker has taken the run or written to its log: this one has lost the run, and with it the lock."""


@dataclass(frozen=True)
class Run:
    """A run, identified by its folder; all state is read from the folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the run, which is the name of its folder."""
        return self.folder.name

    @cached_property
    def spec(self) -> RunSpec:
        """The run's spec. Raises: Refusal, if its file is damaged or its format is newer than this program's."""
        try:
            stored = json.loads(content(self.folder / "spec.json", _SPEC))
            if stored["format"] > FORMAT:
                raise Refusal("error.run_newer", run=self.name)
            if "crc32" in stored and stored["crc32"] != _crc32(stored["spec"]):
                raise ValueError("not what was written")
            return RunSpec.model_validate(stored["spec"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, Refusal) and error.key == "error.run_newer":
                raise
            raise self.damaged("spec.json") from error

    def label(self) -> Label:
        """The run's label; an empty label if the run has none or its file cannot be read."""
        try:
            return _labelled(self._stored_label())
        except (OSError, Refusal):
            return Label()

    def _stored_label(self) -> dict[str, Any]:
        """The content of the label's file, also what a newer version wrote.

        Empty if it is absent, no JSON object or not as it was written; earlier versions wrote no checksum.
        """
        try:
            with opened(self.folder / "label.json") as file:
                stored = json.loads(file.read(_LABEL))
            checksum = stored.pop("crc32", None) if isinstance(stored, dict) else ""
            return stored if checksum is None or checksum == _crc32(stored) else {}
        except (FileNotFoundError, ValueError, RecursionError):
            return {}

    def relabel(self, **changes: Any) -> Label:
        """Replace the named fields of the label; returns the new label.

        Two callers may replace different fields at the same time. What a newer version has stored stays.

        Raises:
            Refusal: a value is out of bounds, or the run has been deleted or its folder cannot be read or written.
        """
        with writing(self.folder), locked(self.folder / "label.json"):
            stored = self._stored_label()
            label = _labelled(stored, **changes)
            _write_label(self.folder, label, stored)
        return label

    # --- events -------------------------------------------------------------------------------------------------

    def append(self, event: Event, after: int | None = None, taking: int | None = None) -> int:
        """Append an event to the log, which is synced to disk before this returns.

        That does not hold for a Step, an Inside and a Snapshot, which are lost without harm until an Epoch follows.
        Returns the length of the log, which the writer passes as `after` the next time. It does not ask the system for
        it afterwards: the process may stand still for any time at any line here. Both lengths are those of this
        taking's part of the log.
        Raises: OvertakenError, if that part has another length than `after`, or the run is not in this `taking`;
        nothing is written then.
        """
        line = to_line(event).encode() + b"\n"
        number = self.taken() if taking is None else taking
        self.check_taking(taking)
        with opened(self._part(number), "a+b") as log:
            length = log.seek(0, os.SEEK_END)
            if after not in (None, length):
                raise OvertakenError
            if isinstance(event, Step | Inside) and self.log_length() > _LOG // 2:
                return length  # curves are not worth a log that is too long to read
            if length:
                log.seek(-1, os.SEEK_END)
                if log.read(1) != b"\n":  # a crash truncated the last line: end it, so that it spoils no later line
                    line = b"#\n" + line
            elif number:
                line = b"#\n" + line  # as above: the part before may have been truncated
            log.write(line)
            if not isinstance(event, Step | Inside | Snapshot):
                log.flush()
                os.fsync(log.fileno())
                if not length:
                    sync(self.folder)
        return length + len(line)

    def log_length(self, taking: int | None = None) -> int:
        """The length in bytes of the log, or of one taking's part of it; 0 if there is none.

        Cheap enough to look at before every step.
        """
        length = 0
        for path in self._parts() if taking is None else (self._part(taking),):
            with contextlib.suppress(OSError):
                length += path.stat().st_size
        return length

    def _part(self, taking: int) -> Path:
        """The file with what the worker of this taking has logged."""
        return self.folder / (f"events-{taking}.jsonl" if taking else "events.jsonl")

    def _parts(self) -> list[Path]:
        """The files of the log in their order; not all of them need be there."""
        return [self._part(taking) for taking in range(self.taken() + 1)]

    def read(self, offset: int = 0) -> tuple[list[Event], int]:
        """The events in the complete lines from byte `offset` on, and the offset for the next call.

        Of very many Steps only every n-th is read, so that they fit into memory. Raises: Refusal.
        """
        events: list[Event] = []
        with self._log() as log:
            every = 1 + (log.seek(0, os.SEEK_END) - offset) // _STEPS if log else 1
            for number, line in enumerate(_lines(log, offset)):
                offset += len(line)
                if (number % every == 0 or not may_hold(line, Step)) and (event := from_line(line)):
                    events.append(event)
        return events, offset

    @overload
    def events(self) -> list[Event]: ...

    @overload
    def events(self, *kinds: type[_Event]) -> list[_Event]: ...

    def events(self, *kinds: type[_Event]) -> list[Event] | list[_Event]:
        """The run's events, without those that a resumed run has superseded; only those of some kinds, if given.

        Raises: Refusal.
        """
        with self._log() as log:
            lines = (line for line in _lines(log) if not kinds or may_hold(line, Started, *kinds))
            events = continued(event for line in lines if (event := from_line(line)))
        return [event for event in events if isinstance(event, kinds)] if kinds else events

    def last(self, kind: type[_Event]) -> _Event | None:
        """The last event of type `kind`; None if there is none. Raises: Refusal."""
        return next(reversed(self.events(kind)), None)

    def snapshots(self) -> list[Snapshot]:
        """The epochs whose weights and answers on val are kept, by epoch; none in the runs of earlier versions.

        `models.snapshots` opens one. Raises: Refusal.
        """
        with self._log() as log:
            lines = (line for line in _lines(log) if may_hold(line, Started, Snapshot, Epoch))
            return kept_snapshots(event for line in lines if (event := from_line(line)))

    def damaged_lines(self) -> int:
        """The number of lines in the log that are not as they were written, and are therefore ignored. Raises: Refusal.

        A last line that a crash has cut off is not among them.
        """
        with self._log() as log:
            return sum(not is_intact(line[:-1]) for line in _lines(log))

    def report(self) -> Report | None:
        """The run's Report, also if other events follow it; None if the run is not done. Raises: Refusal."""
        return self._end()[0]

    def latest(self) -> Event | None:
        """The last event in the log, of which only the end is read; None if the log is empty. Raises: Refusal."""
        return self._end()[1]

    def _end(self) -> tuple[Report | None, Event | None]:
        """The Report, if there is one, and the last event; of each part of the log only the end is read.

        Raises: Refusal, if the last line, which may have been the Report, is damaged, or the Report fits no Started.
        """
        latest = None
        for part in reversed(self._parts()):
            report, found = self._end_of(part, is_last=latest is None)
            latest = latest or found
            if report:
                return report, latest
        return None, latest

    def _end_of(self, part: Path, *, is_last: bool) -> tuple[Report | None, Event | None]:
        report, latest, lines, last_line, read = None, None, [], b"#", 0
        for block in self._blocks(part):
            lines = block.splitlines()
            last_line = lines[-1] if lines and not read else last_line
            latest = latest or next(filter(None, map(from_line, reversed(lines))), None)
            reports = (from_line(line) for line in reversed(lines) if b'"report"' in line)
            found = (event for event in itertools.chain([latest], reports) if isinstance(event, Report))
            report = next(found, None)
            read += len(block)
            if report or isinstance(latest, _TRAINING) or read > _TAIL:
                break  # a run that is not done ends with such an event: its whole log need not be read
        harmless = last_line.endswith(b"#") or begins_as(last_line, Step)
        if is_last and not report and from_line(last_line) is None and not harmless:
            raise self.damaged("events.jsonl")
        if report:
            started = next(_starts(lines), None) or self._started()  # the log of most runs is a single block
            if started.class_count != len(report.confusion_matrix):
                raise self.damaged("events.jsonl")
        return report, latest

    def started(self) -> Started:
        """The first Started event: shape, class names and counts are the same in those of a resumed run.

        Raises: Refusal, if there is none or it does not fit the Report.
        """
        self._end()
        return self._started()

    def _started(self) -> Started:
        with self._log() as log:
            if started := next(_starts(_lines(log)), None):
                return started
        raise Refusal("error.run_unreadable", run=self.name)

    def _blocks(self, part: Path) -> Iterator[bytes]:
        """A part's complete lines in blocks, the last block first, each in the log's order. Raises: Refusal."""
        with self._log([part]) as log:
            end, size, rest = log.seek(0, os.SEEK_END) if log else 0, _SHORT_TAIL, b""
            is_last = True
            while log and end > 0:
                begin = max(0, end - size)
                log.seek(begin)
                block = log.read(end - begin) + rest
                first, last = block.find(b"\n") + 1 if begin else 0, block.rfind(b"\n") + 1 if is_last else len(block)
                if begin and not first:  # the block lies within one line
                    rest = block
                else:
                    rest, is_last = block[:first], False
                    yield block[first:last]
                if len(rest) > _TAIL:
                    raise self.damaged("events.jsonl")
                end, size = begin, _BLOCK

    @contextlib.contextmanager
    def _log(self, parts: Sequence[Path] | None = None) -> Iterator[BinaryIO | None]:
        """The log, or some parts of it, opened for reading; None if there is none yet. Raises: Refusal."""
        with contextlib.ExitStack() as stack:
            files: list[BinaryIO] = []
            try:
                for path in self._parts() if parts is None else parts:
                    with contextlib.suppress(FileNotFoundError):
                        files.append(stack.enter_context(opened(path)))
                if sum(os.fstat(file.fileno()).st_size for file in files) > _LOG:
                    raise self.damaged("events.jsonl")
                # The log of a run that was never taken is a single file.
                yield cast("BinaryIO", io.BufferedReader(_Joined(files))) if len(files) > 1 else next(iter(files), None)
            except OSError as error:
                raise self.damaged("events.jsonl") from error

    def check_exists(self) -> None:
        """Raises: Refusal, if it has been deleted."""
        if not self.folder.is_dir():
            raise _unknown(self.name)

    def damaged(self, file: str) -> Refusal:
        """The refusal of a run because of one of its files."""
        return Refusal("error.run_damaged", run=self.name, file=file[:80])

    def is_done(self) -> bool:
        """Whether the run has a report and a readable spec; False for a damaged run."""
        try:
            return self.report() is not None and bool(self.spec)
        except Refusal:
            return False

    def is_trained(self) -> bool:
        """Whether the training has ended, with a report or before the test split is read; False for a damaged run."""
        try:
            report, latest = self._end()
            if isinstance(latest, Started | Failure) and latest.step:  # of a worker that was to read the test split
                latest = self.last(Epoch)
            return bool(self.spec) and (report is not None or ends_training(latest))
        except Refusal:
            return False

    def is_pruned(self) -> bool:
        """Whether the training has ended early, because it fell behind others; False for a damaged run."""
        try:
            report, latest = self._end()
            if not report and isinstance(latest, Started | Failure) and latest.step:  # as in `is_trained`
                latest = self.last(Epoch)
            return (report.stop if report else _stop(latest)) == "pruned"
        except Refusal:
            return False

    def class_names(self, language: str) -> tuple[str, ...]:
        """The names of the K classes in a language, or in English if the run has none in it. Raises: see `started`."""
        names = self.started().class_names
        return names.get(language, names["en"])

    def facts(self) -> dict[str, Any]:
        """A summary for lists: `run`, `data`, `architecture`, `accuracy`, `test_use`, `by_hand` and `status`.

        `status` can also be `damaged` or `newer` (format); values that are not known are None.
        """
        facts: dict[str, Any] = {"run": self.name, "status": "damaged", "data": None, "architecture": None}
        facts |= {"accuracy": None, "test_use": None, "by_hand": None}
        try:
            report, latest = self._end()
            status = self._status(report, latest)
            facts |= {"data": self.spec.data, "architecture": self.spec.architecture, "status": status}
            if report or (status == "done" and (report := self.report())):
                facts |= {"accuracy": report.accuracy, "test_use": report.test_use, "by_hand": report.is_by_hand}
        except Refusal as refusal:
            facts["status"] = "newer" if refusal.key == "error.run_newer" else "damaged"
        except OSError:
            facts["status"] = "damaged"
        return facts

    # --- status and control -------------------------------------------------------------------------------------

    def status(self) -> Status:
        """The status, derived from the files and from whether the lock is held; it is not stored, so never outdated."""
        return self._status(*self._end())

    def _status(self, report: Report | None, latest: Event | None) -> Status:
        if report:
            return "done"
        wanted = self.control().wanted
        if self.is_held():  # a paused worker has logged its checkpoint and no Step since
            return "running" if wanted in ("run", "stop", "finish") or isinstance(latest, Step) else "paused"
        report, latest = self._end()
        if report:  # written between the two checks above
            return "done"
        if isinstance(latest, Failure):
            return "failed"
        if ends_training(latest) and not self.control().test:
            return "pruned" if _stop(latest) == "pruned" else "trained"
        if wanted == "stop":
            return "stopped"
        return "interrupted" if latest else "queued"

    def control(self) -> Control:
        """The user's latest request; the default, `run`, if there is none or its file is invalid."""
        try:
            control = Control(**json.loads(content(self.folder / "control", _CONTROL)))
        except (OSError, ValueError, TypeError, RecursionError):
            return Control()
        is_valid = isinstance(control.test, bool) and isinstance(control.snapshots, bool)
        return control if is_valid and control.wanted in get_args(Wanted) else Control()

    def ask(self, wanted: Wanted, *, test: bool | None = None) -> None:
        """Request something of the worker, which checks for requests before every step.

        `test`: whether the test split is to be read once the training has ended; None leaves that as it is.
        Raises: Refusal, if the request cannot be stored; the former one stays.
        """
        control = self.control()
        with writing(self.folder):
            test = control.test if test is None else test
            _write_control(self.folder, replace(control, wanted=wanted, test=test))

    def finish(self) -> None:
        """Request that the training end with the epochs that it has, and that its test split be read.

        Raises: Refusal, if it has no epoch, or if the request cannot be stored.
        """
        if not self.last(Epoch):
            raise Refusal("error.no_epoch", run=self.name)
        self.ask("finish", test=True)

    def control_changed(self) -> tuple[int, int] | None:
        """A value that changes whenever `control` is rewritten; cheap enough to compute before every step."""
        return self._rewritten("control")

    def label_changed(self) -> tuple[int, int] | None:
        """A value that changes whenever the label is rewritten."""
        return self._rewritten("label.json")

    def log_changed(self) -> tuple[int, int]:
        """A value that changes whenever the log is written: the time of that, in ns, and the log's length in bytes."""
        found = [facts for path in self._parts() if (facts := _facts(path))]
        return max((one.st_mtime_ns for one in found), default=0), sum(one.st_size for one in found)

    def _rewritten(self, name: str) -> tuple[int, int] | None:
        facts = _facts(self.folder / name)
        return facts and (facts.st_mtime_ns, facts.st_ino)

    @contextlib.contextmanager
    def hold(self, taking: int | None = None) -> Iterator[bool]:
        """Try to hold the run's lock, or that of this taking; yields whether it is held.

        The system releases it when the process ends. Raises: Refusal, if the folder is gone or cannot be written.
        """
        lock, held = FileLock(self._lock(self.taken() if taking is None else taking)), True
        with writing(self.folder):
            try:
                # `is_held` holds the lock for an instant, and many pages may call it: retry for a second.
                lock.acquire(timeout=1, poll_interval=0.002)
            except Timeout:
                held = False
        try:
            yield held
        finally:
            lock.release()

    def is_held(self) -> bool:
        """Whether a worker holds the run. The check takes a shared lock, so that concurrent checks see no worker."""
        try:
            path = self._lock(self.taken())
            with opened(path) as file:
                if fcntl:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return False
            with FileLock(path, timeout=0.1, poll_interval=0.005):  # Windows has no shared lock
                return False
        except (Timeout, BlockingIOError):
            return True
        except OSError:  # the lock file does not exist or cannot be opened, so no worker holds it
            return False

    # --- taking a run from a worker that may still hold it --------------------------------------------------------

    def taken(self) -> int:
        """How often the run was taken, see `take`; 0 where one machine alone has worked at it."""
        number = 0
        while _facts(self._lock(number + 1)):  # their numbers have no gaps, see `take`
            number += 1
        return number

    def take(self) -> int:
        """Take the run from whichever worker is at it, one that stands still too; returns the number of this taking.

        On several machines a lock alone does not do: the one whose worker holds it may stand still, and go on later.
        So every taking has a number, a lock, files of arrays and a part of the log of its own. It is taken in one
        step, by making the file of its lock, which can succeed only once; nothing is copied, and no file is replaced.
        So, whoever stands still before or after any instruction, and for however long:

        - The number of the last taking only grows, since no such file is ever removed.
        - Only the worker of a taking writes into its part of the log, and its name holds the number: nobody can undo
          or overwrite what another has logged, and a run that has a report keeps it.
        - A worker that is overtaken finds the greater number before its next event. What it is about to write then is
          read before the part of the worker after it, whose Started supersedes it as it does after a crash. Only a
          Report counts from whatever part, for nothing can supersede it.

        Raises: Refusal, if the folder cannot be written.
        """
        with writing(self.folder):
            number = self.taken() + 1
            while not _is_made(self._lock(number)):  # another machine has just drawn this number
                number += 1
            sync(self.folder)
        return number

    def check_taking(self, number: int | None) -> None:
        """Raises: OvertakenError, if the run has been taken since this taking."""
        if number is not None and _facts(self._lock(number + 1)):
            raise OvertakenError

    def _lock(self, taking: int) -> Path:
        """The file whose lock the worker of this taking holds."""
        return self.folder / (f"lock-{taking}" if taking else "lock")

    # --- arrays -------------------------------------------------------------------------------------------------

    def save(self, name: str, tensors: dict[str, Tensor], numbers: dict[str, Any] | None = None) -> str:
        """Write arrays and numbers to the file `name`; returns its sha256. Valid only once an event names both."""
        data = _packed(tensors, numbers)
        with written_aside(self.folder / name, durable=True) as file:
            file.write(data)
        return hashlib.sha256(data).hexdigest()

    def load(self, name: str, sha256: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The arrays and numbers in the file `name`.

        Raises:
            Refusal: the file is missing, its sha256 differs, it is larger than the run's network and data allow, or it
                is no file of arrays.
        """
        from safetensors.torch import load

        return self._load(name, sha256, load)

    def arrays(self, name: str, sha256: str) -> dict[str, np.ndarray]:
        """The arrays in the file `name`, without importing torch, for which a page would wait. Raises: as `load`."""
        from safetensors.numpy import load

        return self._load(name, sha256, load)[0]

    def _load(
        self, name: str, sha256: str, read: Callable[[bytes], dict[str, Any]]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        from safetensors import SafetensorError

        try:
            data = self._intact(name, sha256)
            header = int.from_bytes(data[:8], "little")
            metadata = json.loads(data[8 : 8 + header]).get("__metadata__", {})
            numbers = json.loads(metadata.get("numbers", "{}"))
            if not isinstance(numbers, dict):
                raise self.damaged(name)
            return read(data), numbers
        except Refusal:
            raise
        except (OSError, ValueError, AttributeError, TypeError, RuntimeError, MemoryError, SafetensorError) as error:
            raise self.damaged(name) from error
        except KeyError as error:  # a type of numbers that numpy does not have
            raise self.damaged(name) from error

    def _intact(self, name: str, sha256: str) -> bytes:
        """The content of a file of arrays. Raises: Refusal, if sha256 or size are not as they should be; OSError."""
        path = self.folder / name
        data = content(path, self._most_bytes(name)) if path.parent == self.folder else b""
        if int.from_bytes(data[:8], "little") > _HEADER or hashlib.sha256(data).hexdigest() != sha256:
            raise self.damaged(name)
        return data

    def portable(self) -> dict[str, bytes]:
        """The files by which a finished run is complete, by name, without what says whose it is and where it was made.

        That is without its label, its failures with their traces, and its weights of other epochs. Raises: Refusal, if
        the run is not done or a file is damaged.
        """
        report, started = self.report(), self.started()
        if not report:
            raise no_report(self)
        arrays = {report.model: report.model_sha256, report.predictions: report.predictions_sha256}
        arrays |= {started.start: started.start_sha256} if started.start else {}
        kept = (Started, Step, Inside, Epoch, Report)
        with self._log() as log:
            lines = [line for line in _lines(log) if may_hold(line, *kept) and isinstance(from_line(line), kept)]
        stored = {"format": FORMAT, "spec": self.spec.model_dump(mode="json")}
        stored["crc32"] = _crc32(stored["spec"])
        try:
            files = {name: self._intact(name, sha256) for name, sha256 in arrays.items()}
        except OSError as error:
            raise self.damaged(report.model) from error
        return {"spec.json": json.dumps(stored, indent=1).encode(), "events.jsonl": b"".join(lines)} | files

    def _most_bytes(self, name: str) -> int:
        """The size in bytes that a file of this run's arrays can have at most. Raises: Refusal."""
        started = self._started()
        if name.partition(".")[0] == PREDICTIONS.partition(".")[0]:
            images, of_one = sum(started.counts.values()), 4 * started.class_count + 8
            return min(2 * _HEADER + images * of_one, _ARRAYS)
        # Each parameter may have a running mean or variance beside it, and each of them two moments of the optimizer.
        parameters = sum(row.parameters for row in table(self.spec.layers, started.shape, started.class_count))
        return min(2 * _HEADER + 4 * 2 * 3 * parameters + 4 * started.counts.get("val", 0), _ARRAYS)

    def checkpoints(self) -> list[Epoch | Checkpoint]:
        """The events that commit a checkpoint, oldest first. Raises: Refusal."""
        return self.events(Epoch, Checkpoint)

    def newest(self) -> tuple[Epoch | Checkpoint, dict[str, Tensor], dict[str, Any]] | None:
        """The newest undamaged checkpoint: its event, its arrays and its numbers; None without one. Raises: Refusal."""
        for event in reversed(self.checkpoints()):
            with contextlib.suppress(Refusal):  # damaged: the one before it
                return event, *self.load(event.checkpoint, event.sha256)
        return None

    def tidy(self, keep: set[str], taking: int = 0) -> None:
        """Remove all checkpoints and snapshots but those in `keep` (names), and the worker's half-written files.

        Those of a later taking stay: they are another worker's.
        """
        for pattern in (f"{CHECKPOINT}*.safetensors", f"{SNAPSHOT}*.safetensors", "*.safetensors.*.part"):
            for path in self.folder.glob(pattern):
                if path.name in keep or _taking_of(path.name) > taking:
                    continue
                with contextlib.suppress(OSError):  # a file that a reader has open (Windows) is removed the next time
                    path.unlink()

    def delete(self) -> None:
        """Remove the run from the store. Raises: Refusal, while a worker holds it, or if it cannot be removed."""
        with self.hold() as held:
            if not held:
                raise Refusal("error.run_held", run=self.name)
        gone = self.folder.with_name(f".gone-{self.name}-{secrets.token_hex(4)}")
        with writing(self.folder.parent):
            self.folder.rename(gone)  # not listed from now on, even if the removal of its files fails
        shutil.rmtree(gone, ignore_errors=True)


def _labelled(stored: Mapping[str, Any], **changes: Any) -> Label:
    """The label stored as these values, the named ones replaced. Raises: Refusal, with the field out of bounds."""
    try:
        return Label.model_validate({**stored, **changes})
    except ValidationError as error:
        fault = error.errors()[0]
        field = str(fault["loc"][0]) if fault["loc"] else ""
        raise Refusal("error.label", field=field, value=str(fault["input"])[:60]) from None


def create(
    spec: RunSpec,
    store: Path | None = None,
    label: Label | None = None,
    *,
    test: bool = True,
    snapshots: bool = True,
) -> Run:
    """Create a run, with status `queued`, in the store; see `Control` for `test` and `snapshots`.

    The folder is created under a hidden name and then renamed, so that it is never seen incomplete.
    Raises: Refusal, if the store is not writable or the disk is full.
    """
    store = store or settings.store_folder()
    stored = {"format": FORMAT, "spec": spec.model_dump(mode="json")}
    stored["crc32"] = _crc32(stored["spec"])
    data = re.sub(r"[^a-z0-9-]+", "-", spec.data.lower()).strip("-")[:40] or "data"
    new = store / f".new-{secrets.token_hex(8)}"
    with writing(store):
        try:
            new.mkdir(parents=True)
            with written_aside(new / "spec.json", durable=True) as file:
                file.write(json.dumps(stored, indent=1).encode())
            if label:
                _write_label(new, label)
            if not (test and snapshots):
                _write_control(new, Control(test=test, snapshots=snapshots))
            while True:
                name = f"{time.strftime('%Y%m%d-%H%M%S')}-{data}-{spec.architecture}-{secrets.token_hex(2)}"
                if not (store / name).exists():
                    new.rename(store / name)
                    sync(store)
                    return Run(store / name)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            raise


@contextlib.contextmanager
def adopted(name: str, store: Path | None = None) -> Iterator[Run]:
    """A hidden run of this name in a new folder, to be filled; it joins the store when the block ends normally.

    Raises: Refusal, if the name is not a valid one, if there is such a run, or if the store cannot be written.
    """
    store = store or settings.store_folder()
    if not _NAME.fullmatch(name):
        raise _unknown(name)
    new = store / f".new-{secrets.token_hex(8)}"
    with writing(store):
        if (store / name).exists():
            raise Refusal("error.run_taken", run=name)
        (new / name).mkdir(parents=True)
        try:
            yield Run(new / name)
            if (store / name).exists():  # meanwhile
                raise Refusal("error.run_taken", run=name)
            (new / name).rename(store / name)
            sync(store)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def no_report(run: Run) -> Refusal:
    """Why a run that is not damaged has no report."""
    if run.status() in ("trained", "pruned"):
        return Refusal("error.test_unread", run=run.name, python=sys.executable)
    return Refusal("error.no_report", run=run.name, next=_next(run))


def not_shown(run: Run) -> Refusal:
    """Why what a run's model makes of its test images is not shown."""
    return Refusal("error.test_not_shown", run=run.name, next=_next(run))


def no_model(run: Run) -> Refusal:
    """Why a run that is not damaged has no weights."""
    return Refusal("error.no_model_yet", run=run.name, next=_next(run))


def _next(run: Run) -> InWords:
    """What the status of a run without a report means for the reader; as a `str` the status."""
    status = run.status()
    status = "running" if status in ("trained", "pruned", "done") else status  # it has ended only just now
    return InWords(status, lambda language: text(language, f"next.{status}"))


def find(name: str, store: Path | None = None) -> Run:
    """The run of that name. Raises: Refusal, if there is none or the name is not a valid one."""
    folder = (store or settings.store_folder()) / name
    if not _NAME.fullmatch(name) or folder.is_symlink() or not folder.is_dir():
        raise _unknown(name)
    return Run(folder)


def _unknown(name: str) -> Refusal:
    return Refusal("error.run_unknown", run=name[:80])


def runs(store: Path | None = None) -> list[Run]:
    """All runs in the store, newest first, damaged ones included."""
    store = store or settings.store_folder()
    try:
        entries = sorted(
            (entry.name for entry in os.scandir(store) if entry.is_dir(follow_symlinks=False)), reverse=True
        )
    except OSError:
        return []
    return [Run(store / name) for name in entries if _NAME.fullmatch(name)]


def _lines(log: BinaryIO | None, offset: int = 0) -> Iterator[bytes]:
    """The complete lines of a log from byte `offset` on, each with its line break."""
    if log:
        log.seek(offset)
        yield from itertools.takewhile(lambda line: line.endswith(b"\n"), iter(lambda: log.readline(_TAIL), b""))


def _starts(lines: Iterable[bytes]) -> Iterator[Started]:
    """The Started events in these lines."""
    events = (from_line(line) for line in lines if b'"started"' in line)
    return (event for event in events if isinstance(event, Started))


def _crc32(stored: object) -> str:
    """The checksum of a JSON object, with its members in their order."""
    return f"{zlib.crc32(json.dumps(stored, allow_nan=False).encode()):08x}"


def digest(tensors: dict[str, Tensor]) -> str:
    """The sha256 of the file that `Run.save` would write for these arrays: equal only if they are bit-identical."""
    return hashlib.sha256(_packed(tensors)).hexdigest()


def ends_training(latest: Event | None) -> bool:
    """Whether this event, the latest of a run, ends its training; a Report may follow it."""
    return _stop(latest) is not None


def _stop(latest: Event | None) -> str | None:
    return latest.stop if isinstance(latest, Epoch) else None


def _write_control(folder: Path, control: Control) -> None:
    stored = {**asdict(control), "serial": time.time_ns()}
    if control.snapshots:  # earlier versions take no field that they do not know
        del stored["snapshots"]
    with written_aside(folder / "control", durable=True) as file:  # without it, the test split would be read
        file.write(json.dumps(stored).encode())


def _write_label(folder: Path, label: Label, stored: Mapping[str, Any] | None = None) -> None:
    unknown = {name: value for name, value in (stored or {}).items() if name not in Label.model_fields}
    known = label.model_dump(mode="json", exclude_defaults=True)
    told = unknown | known
    with written_aside(folder / "label.json", durable=True) as file:
        file.write(json.dumps(told | {"crc32": _crc32(told)}).encode())


def file_name(epoch: int, step: int) -> str:
    """The file name of the checkpoint after `step` steps and `epoch` finished epochs."""
    return f"{CHECKPOINT}{epoch:04d}-{step:08d}.safetensors"


def snapshot_name(epoch: int) -> str:
    """The file name of an epoch's snapshot."""
    return f"{SNAPSHOT}{epoch:05d}.safetensors"


def of_taking(name: str, taking: int) -> str:
    """The name that a file of arrays has in this taking: no worker writes over a file of a later one."""
    return f"{name.removesuffix('.safetensors')}.{taking}.safetensors" if taking else name


def _taking_of(name: str) -> int:
    found = re.search(r"\.(\d+)\.safetensors", name)
    return int(found[1]) if found else 0


class _Joined(io.RawIOBase):
    """Files that are read as if they were one, each as long as it was in the beginning."""

    def __init__(self, files: Sequence[BinaryIO]):
        lengths = [os.fstat(file.fileno()).st_size for file in files]
        self._ends = list(itertools.accumulate(lengths))
        self._files = list(zip(files, [0, *self._ends], self._ends, strict=False))
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte; returns its place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._ends[-1]}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what is left of the file at this place, as far as it fits; returns the number of bytes, 0 at the end."""
        for file, begin, end in self._files:
            if begin <= self._at < end:
                file.seek(self._at - begin)
                data = file.read(min(len(buffer), end - self._at))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
        return 0


def _facts(path: Path) -> os.stat_result | None:
    """What the system knows of a file; None if there is none."""
    try:
        return os.stat(path)  # noqa: PTH116  (a list asks for it several times a run)
    except OSError:
        return None


def _is_made(path: Path) -> bool:
    """Make an empty file; False if there is one already, such as one that another machine has just made."""
    with contextlib.suppress(FileExistsError):
        path.touch(exist_ok=False)
        return True
    return False


def _packed(tensors: dict[str, Tensor], numbers: dict[str, Any] | None = None) -> bytes:
    from safetensors.torch import save

    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    return save(contiguous, {"numbers": json.dumps(numbers or {}, allow_nan=False)})
