"""Run: one folder that holds all there is of a run; the only file that knows the folder's file names.

Every file is written once, under another name, and moved into its place, or only appended to. A file counts when a line
of `events.jsonl` names it with its sha256: whatever moment a crash chooses, the folder holds the old state or the new.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core import settings
from core.events import Checkpoint, Epoch, Event, Failure, Report, Started, Step, continued, from_line, to_line
from core.files import sync, written_aside
from core.refusal import Refusal
from core.spec import RunSpec

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

if TYPE_CHECKING:
    from torch import Tensor

MODEL = "model.safetensors"
PREDICTIONS = "predictions.safetensors"
START = "start.safetensors"
FORMAT = 1  # of the folder; a reader refuses a newer one
Status = Literal["queued", "running", "paused", "stopped", "interrupted", "failed", "done"]
_Event = TypeVar("_Event", bound=Event)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,150}")
_SHORT_TAIL = 1 << 16  # bytes of a log's end that hold the report of ten classes and whatever follows it
_TAIL = 1 << 23  # bytes of a log's end that hold any Report: a matrix of 1,000 classes is a line of 2 MiB
_LABEL = 1 << 16  # bytes of a label that are read; the longest one has 16 KiB
_HEADER = 1 << 20  # bytes of a safetensors header that we are willing to parse; ours have some kilobytes


Wanted = Literal["run", "pause", "batch", "epoch", "stop"]


@dataclass(frozen=True)
class Control:
    """What the visitor asks of the worker; `batch` and `epoch`: pause after one more. Each asking has its `serial`."""

    wanted: Wanted = "run"
    serial: int = 0


Word = Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Label(BaseModel):
    """Facts about a run that are not its spec and may change: runs of equal specs stay equal, whatever is noted."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    owner: Word = ""  # whose run it is
    study: Word = ""  # the search that it belongs to ...
    trial: Annotated[int, Field(ge=0, le=1_000_000)] | None = None  # ... and its number there
    note: Annotated[str, Field(max_length=2_000)] = ""
    tags: Annotated[tuple[Annotated[Word, Field(min_length=1)], ...], Field(max_length=20)] = ()


@dataclass(frozen=True)
class Run:
    """A handle around a run's folder; holds nothing that the folder does not."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name, which is the run's."""
        return self.folder.name

    @cached_property
    def spec(self) -> RunSpec:
        """What the run trains. Raises: Refusal, if the file is damaged or of a newer format."""
        try:
            stored = json.loads((self.folder / "spec.json").read_bytes())
            if stored["format"] > FORMAT:
                raise Refusal("error.run_newer", run=self.name)
            return RunSpec.model_validate(stored["spec"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, Refusal) and error.key == "error.run_newer":
                raise
            raise Refusal("error.run_damaged", run=self.name, file="spec.json") from error

    def label(self) -> Label:
        """What is noted about the run; an empty label where there is none, or none that can be read."""
        try:
            with (self.folder / "label.json").open("rb") as file:
                return Label.model_validate_json(file.read(_LABEL))
        except (OSError, ValidationError):
            return Label()

    def relabel(self, **changes: Any) -> Label:
        """Note other facts in the place of those that are given by name; returns the whole label.

        Raises:
            Refusal: a fact is out of its bounds, or the run is gone or cannot be written to.
        """
        label = labelled(self.label(), **changes)
        try:
            _write_label(self.folder, label)
        except OSError as error:
            raise Refusal("error.store_write", folder=str(self.folder), reason=error.strerror or str(error)) from error
        return label

    # --- events -------------------------------------------------------------------------------------------------

    def append(self, event: Event) -> None:
        """Add a line to the log; all but Steps are on the disk when this returns."""
        with (self.folder / "events.jsonl").open("a+b") as log:
            length = log.seek(0, os.SEEK_END)
            if length:
                log.seek(-1, os.SEEK_END)
                if log.read(1) != b"\n":  # cut short by a crash: it must not swallow this line, nor become one itself
                    log.write(b"#\n")
            log.write(to_line(event).encode() + b"\n")
            if event.event != "step":
                log.flush()
                os.fsync(log.fileno())
                if not length:
                    sync(self.folder)

    def read(self, offset: int = 0) -> tuple[list[Event], int]:
        """The events of the complete lines from byte `offset` on, and the offset to go on from. Raises: Refusal."""
        lines = self._log_from(offset)
        lines = lines[: lines.rfind(b"\n") + 1]
        events = [event for line in lines.splitlines() if (event := from_line(line))]
        return events, offset + len(lines)

    def events(self) -> list[Event]:
        """What the run has said, without what a resumed worker has overtaken."""
        return continued(self.read()[0])

    def last(self, kind: type[_Event]) -> _Event | None:
        """The last event of a kind."""
        return next((event for event in reversed(self.events()) if isinstance(event, kind)), None)

    def report(self) -> Report | None:
        """The result, if the run is done, whatever was said after it. Raises: Refusal."""
        said = (from_line(line) for lines in self._ends() for line in reversed(lines) if b'"report"' in line)
        return next((event for event in said if isinstance(event, Report)), None)

    def latest(self) -> Event | None:
        """What the run said last; reads the log's end only. Raises: Refusal."""
        lines = next((lines for lines in self._ends() if lines), [])
        return from_line(lines[-1]) if lines else None

    def _ends(self) -> Iterator[list[bytes]]:
        """The complete lines at the log's end: of a short piece, and then, if the log is longer, of all that may hold a
        report. Nearly always the first is enough, and a list of runs asks each of them. Raises: Refusal.
        """
        for length in (_SHORT_TAIL, _TAIL):
            tail = self._log_from(-length)
            lines = tail[: tail.rfind(b"\n") + 1].splitlines()
            yield lines if len(tail) < length else lines[1:]  # the first one may have been cut
            if len(tail) < length:
                return

    def _log_from(self, offset: int) -> bytes:
        """The log from byte `offset` on, counted from its end if negative; nothing where there is none yet."""
        try:
            with (self.folder / "events.jsonl").open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(offset if offset >= 0 else max(0, size + offset))
                return log.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Refusal("error.run_damaged", run=self.name, file="events.jsonl") from error

    def is_done(self) -> bool:
        """Whether there is a report to look at; a damaged run has none."""
        try:
            return self.report() is not None and bool(self.spec)
        except Refusal:
            return False

    def started(self) -> Started:
        """How a worker last took the run up, of a run that has weights. Raises: Refusal, if that cannot be read."""
        started = self.last(Started)
        if not started:
            raise Refusal("error.run_unreadable", run=self.name)
        return started

    def class_names(self, language: str) -> tuple[str, ...]:
        """The names of the K classes, see `started`; English where the language had none yet."""
        names = self.started().class_names
        return names.get(language, names["en"])

    def facts(self) -> dict[str, Any]:
        """The run in a line: `run`, `data`, `architecture`, `accuracy`, `test_use`, and its `status`."""
        facts: dict[str, Any] = {"run": self.name, "status": "damaged", "data": None, "architecture": None}
        facts |= {"accuracy": None, "test_use": None}
        try:
            facts |= {"data": self.spec.data, "architecture": self.spec.architecture, "status": self.status()}
            if report := self.report():
                facts |= {"accuracy": report.accuracy, "test_use": report.test_use}
        except Refusal as refusal:
            facts["status"] = "newer" if refusal.key == "error.run_newer" else "damaged"
        except OSError:
            facts["status"] = "damaged"
        return facts

    # --- status and control -------------------------------------------------------------------------------------

    def status(self) -> Status:
        """What the files and the operating system's word on the lock say; nothing that could go stale is stored."""
        if self.report():
            return "done"
        latest, wanted = self.latest(), self.control().wanted
        if self.is_held():  # a worker that waits has saved its state just before, and has not made a step since
            return "running" if wanted in ("run", "stop") or isinstance(latest, Step) else "paused"
        if self.report():  # it came while we looked at the lock
            return "done"
        latest = self.latest()
        if isinstance(latest, Failure):
            return "failed"
        if wanted == "stop":
            return "stopped"
        return "interrupted" if latest or self.read()[0] else "queued"

    def control(self) -> Control:
        """What the visitor asks of the worker."""
        try:
            control = Control(**json.loads((self.folder / "control").read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            return Control()
        return control if control.wanted in get_args(Wanted) else Control()

    def ask(self, wanted: Wanted) -> None:
        """Ask the worker for something; it looks before every step."""
        control = {"wanted": wanted, "serial": time.time_ns()}
        with written_aside(self.folder / "control") as file:
            file.write(json.dumps(control).encode())

    def control_changed(self) -> tuple[int, int] | None:
        """A mark that differs when `control` has been written again; cheap enough to look at before every step."""
        try:
            facts = (self.folder / "control").stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_ino

    @contextlib.contextmanager
    def hold(self) -> Iterator[bool]:
        """Hold the run's lock, if no other worker does: True then. The system frees it when the process ends."""
        lock = FileLock(self.folder / "lock")
        try:
            # A page that looks whether the run is held has the lock for an instant; many pages, for many instants.
            lock.acquire(timeout=1, poll_interval=0.002)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def is_held(self) -> bool:
        """Whether a worker is at the run. Those who ask share the lock for an instant: none is taken for a worker."""
        try:
            with (self.folder / "lock").open("rb") as file:
                if fcntl:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return False
            with FileLock(self.folder / "lock", timeout=0.1, poll_interval=0.005):  # Windows shares no lock
                return False
        except (Timeout, BlockingIOError):
            return True
        except OSError:  # there is none, or none that can be opened: nobody holds it
            return False

    # --- arrays -------------------------------------------------------------------------------------------------

    def save(self, name: str, tensors: dict[str, Tensor], numbers: dict[str, Any] | None = None) -> str:
        """Write arrays and numbers to the file `name`; returns its sha256. An event must name both to make it count."""
        data = _packed(tensors, numbers)
        with written_aside(self.folder / name, durable=True) as file:
            file.write(data)
        return hashlib.sha256(data).hexdigest()

    def load(self, name: str, sha256: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The arrays and numbers of the file `name`. Raises: Refusal, if it is not the file that the event named."""
        from safetensors.torch import load

        path = self.folder / name
        if path.parent != self.folder or path.is_symlink() or not path.is_file():  # the log may be a stranger's
            raise Refusal("error.run_damaged", run=self.name, file=name[:80])
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Refusal("error.run_damaged", run=self.name, file=name) from error
        header = int.from_bytes(data[:8], "little")
        if header > _HEADER or hashlib.sha256(data).hexdigest() != sha256:
            raise Refusal("error.run_damaged", run=self.name, file=name)
        metadata = json.loads(data[8 : 8 + header]).get("__metadata__", {})
        return load(data), json.loads(metadata.get("numbers", "{}"))

    def checkpoints(self) -> list[Epoch | Checkpoint]:
        """The events that committed a checkpoint, oldest first."""
        return [event for event in self.events() if isinstance(event, Epoch | Checkpoint)]

    def tidy(self, keep: set[str]) -> None:
        """Remove the checkpoints and the worker's half-written files that no event needs any more."""
        for path in [*self.folder.glob("checkpoint-*.safetensors"), *self.folder.glob("*.safetensors.*.part")]:
            if path.name not in keep:
                with contextlib.suppress(OSError):  # what a reader has open, where that hinders, goes the next time
                    path.unlink()

    def delete(self) -> None:
        """Remove the run from the store. Raises: Refusal, while a worker is at it."""
        with self.hold() as held:
            if not held:
                raise Refusal("error.run_held", run=self.name)
        gone = self.folder.with_name(f".gone-{self.name}-{secrets.token_hex(4)}")
        self.folder.rename(gone)  # out of the list at once, whatever happens while the files go
        shutil.rmtree(gone, ignore_errors=True)


def labelled(label: Label, **changes: Any) -> Label:
    """The label with some of its facts changed. Raises: Refusal, with the fact that is out of its bounds."""
    try:
        return Label.model_validate({**label.model_dump(), **changes})
    except ValidationError as error:
        fault = error.errors()[0]
        field = str(fault["loc"][0]) if fault["loc"] else ""
        raise Refusal("error.label", field=field, value=str(fault["input"])[:60]) from None


def create(spec: RunSpec, store: Path | None = None, label: Label | None = None) -> Run:
    """A new, queued run. Its folder appears whole: it is made under another name and moved. Raises: Refusal."""
    store = store or settings.store_folder()
    stored = {"format": FORMAT, "spec": spec.model_dump(mode="json")}
    data = re.sub(r"[^a-z0-9-]+", "-", spec.data.lower()).strip("-")[:40] or "data"
    new = store / f".new-{secrets.token_hex(8)}"
    try:
        new.mkdir(parents=True)
        with written_aside(new / "spec.json", durable=True) as file:
            file.write(json.dumps(stored, indent=1).encode())
        if label:
            _write_label(new, label)
        while True:
            name = f"{time.strftime('%Y%m%d-%H%M%S')}-{data}-{spec.architecture}-{secrets.token_hex(2)}"
            if not (store / name).exists():
                new.rename(store / name)
                sync(store)
                return Run(store / name)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise Refusal("error.store_write", folder=str(store), reason=error.strerror or str(error)) from error


def find(name: str, store: Path | None = None) -> Run:
    """The run of that name. Raises: Refusal, if there is none or the name is no run's name."""
    folder = (store or settings.store_folder()) / name
    if not _NAME.fullmatch(name) or folder.is_symlink() or not folder.is_dir():
        raise Refusal("error.run_unknown", run=name[:80])
    return Run(folder)


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


def digest(tensors: dict[str, Tensor]) -> str:
    """The sha256 of the file that `Run.save` would make of these arrays: equal for equal bits alone."""
    return hashlib.sha256(_packed(tensors)).hexdigest()


def _write_label(folder: Path, label: Label) -> None:
    with written_aside(folder / "label.json", durable=True) as file:
        file.write(label.model_dump_json(exclude_defaults=True).encode())


def file_name(epoch: int, step: int) -> str:
    """The name of the checkpoint after `step` steps, `epoch` of the epochs being finished."""
    return f"checkpoint-{epoch:04d}-{step:08d}.safetensors"


def _packed(tensors: dict[str, Tensor], numbers: dict[str, Any] | None = None) -> bytes:
    from safetensors.torch import save

    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    return save(contiguous, {"numbers": json.dumps(numbers or {}, allow_nan=False)})
