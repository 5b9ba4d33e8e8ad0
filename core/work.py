"""The worker: starts or resumes a run, trains it, logs its events, saves its state, evaluates the test split once.

`python -m core.work` is the worker process: it imports what it needs, then reads from standard input, as a line of JSON
each, a run's folder and the number of its taking, null if it was not taken. It says `ready` after each run, or ends if
that did not go as it should: whatever a run may have damaged, the next one gets a new process. When the input is
closed, the server is gone, and the worker saves the state and ends.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import itertools
import json
import math
import os
import platform
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
import psutil
import torch

from core import settings, store, words
from core.datasets import Dataset, Split, Splits, dataset
from core.drawing.picture import ground
from core.events import Checkpoint, Epoch, Event, Failure, Report, Slot, Snapshot, Started, died_at
from core.images.splits import choose, counts_in, digest
from core.measures.answers import Answers
from core.measures.measures import balanced_accuracy, proportion
from core.refusal import Refusal
from core.search.rules import is_used_up, verdict
from core.search.trainings import rungs
from core.spec import RunSpec
from core.store import Control, OvertakenError, Run
from core.training.engine import first_layers, useful_threads, weights_of
from core.training.kernels.compiled import prepare
from core.training.ready import check
from core.training.snapshots import Twin, dropped, precision_of, size_of
from core.training.train import Data, State, ValAnswers, below, quality, sums_of, train
from core.training.transfer import take_over
from core.training.watch import watch
from core.workers import READY

# On a CPU, an error of torch, of its library oneDNN or of Python's threads has no type of its own.
NO_MEMORY = ("memory", "could not create a primitive", "can't start new thread")
# A snapshot leaves this many bytes a parameter of the disk free: three checkpoints of weights with two moments each.
ROOM = 3 * 3 * 4
MOST_IDLE = 2**30  # bytes of memory that a worker may keep while it waits for the next run
JUDGING = 1.0  # seconds between two looks at the other runs of a study, where epochs are shorter than that
PAUSE_LOOKS = 0.05  # seconds between two checks of `control` while paused


def work(
    folder: str,
    leaving: Callable[[], bool] = lambda: False,
    tell: Callable[[Event], None] = lambda _: None,
    taking: int | None = None,
) -> str:
    """Start or resume the run in `folder`; returns its status when the training ends or is left.

    A run that is done, held by another worker or requested to stop is not touched. When `leaving` returns True, the
    worker saves the state and returns. `tell` is called with every event after it has been logged. `taking`: the number
    of the `Run.take` that was made for this worker; a run that was taken since is not touched.
    Raises: Refusal, if the run does not exist, is damaged, has a newer format or cannot be written to.
    """
    run = Run(Path(folder))
    _leave_in_order(run, leaving, tell, taking)
    return run.status()


def _leave_in_order(
    run: Run, leaving: Callable[[], bool], tell: Callable[[Event], None], taking: int | None = None
) -> bool:
    """See `work`; returns whether the run is left without an error, and to no other worker."""
    _ = run.spec
    number = run.taken() if taking is None else taking
    with run.hold(number) as held, contextlib.suppress(OvertakenError):  # the run is another worker's now
        run.check_taking(number)
        if held and not run.report():
            worker = _Worker(run, leaving, tell, number)
            try:
                worker.work()
            except OvertakenError:
                raise
            except Exception as error:  # the one place where any error is turned into an event
                failure = _failure(run, error)
                with contextlib.suppress(OSError):  # on a full disk the event is lost too: the run is then interrupted
                    if not run.report():  # a run with a report is done, whatever fails afterwards
                        run.append(failure, taking=number)
                tell(failure)
                return False
            finally:
                worker.writer.shutdown(wait=False)
        return held
    return False


class _Worker:
    """Holds what one worker needs while it trains one run."""

    def __init__(self, run: Run, leaving: Callable[[], bool], tell: Callable[[Event], None], taking: int = 0):
        self.run, self.leaving, self.tell, self.taking = run, leaving, tell, taking
        self.control_mark: object = ()
        self.control: Control | None = None
        self.wanted = run.control().wanted
        self.pause_at_step = self.pause_at_epoch = math.inf
        self.saved: tuple[int, int] | None = None  # (epoch, step) of the newest checkpoint
        self.start_sha256 = ""  # of the file with the first layers that were taken over or stay frozen
        self.log_length = run.log_length(taking)  # of its own part, as this worker has left it
        self.keeps_snapshots = run.control().snapshots
        self.snapshots: dict[int, Snapshot] = {}  # that are kept, by epoch
        self.twin: Twin | None = None
        self.judged = -math.inf  # when this worker last looked at the other runs of its study
        self.writer = ThreadPoolExecutor(1)
        self.begun: Future[Snapshot] | None = None  # the snapshot that is not in the log yet

    def work(self) -> None:
        """Load the data, train and report; returns early on a request to stop or when the worker has to leave.

        A run whose test split is not to be read ends without a report. It keeps its checkpoints, so that a worker which
        is asked for the report later only has to evaluate the best of them.
        """
        run, spec = self.run, self.run.spec
        if self.wanted == "stop" or (run.is_trained() and not run.control().test):
            return
        if not run.is_trained() and is_used_up(run):
            self._end_for_study()
            return
        started, latest = run.last(Started), run.latest()
        source = dataset(spec.data)
        threads = started.threads if started else useful_threads(spec.layers, settings.threads())
        if started:  # resumed: keep the precision, whatever the machine
            spec = spec.model_copy(update={"precision": started.precision})
        splits = choose(spec, source.load())
        counts = {name: len(split.labels) for name, split in splits.parts().items()}
        shape, classes = spec.input_shape(source.shape), source.class_count
        if started and (started.counts, started.shape, started.class_count) != (counts, shape, classes):
            # The file has changed, or the rule by which it is split.
            raise Refusal("error.other_splits", data=spec.data, run=run.name)
        check(spec, counts_in(splits, classes), spec.table(source.shape, classes))
        device = torch.device(settings.device())
        state = State.new(spec, splits.train, classes, device, threads, started.computed_by if started else None)
        if reason := state.engine.slower_because:
            said = words.text("en", f"train.slower.{reason}", where="computed by PyTorch")
            print(f"{run.name}: {said}", file=sys.stderr, flush=True)
            prepare()
        if started:
            self.start_sha256 = started.start_sha256
            self._restore(state)
        else:
            self.start_sha256 = self._take_over(state)
        event = _started(run, source, splits, state, threads, self.start_sha256)
        # A run that began with PyTorch stays with it, for the reason that it had then.
        reason = state.engine.slower_because or (started.slower_because if started else "")
        self._say(event.model_copy(update={"died_at": died_at(latest), "slower_because": reason}))
        if not self._may_go_on(state):
            return
        data = Data.of(splits, device)
        self.snapshots = {one.epoch: one for one in run.snapshots()}
        if not state.step:
            self._snapshot_at_start(state, data)
        try:
            for event in () if self._is_finished(state) else train(spec, data, state, lambda: self.wanted == "batch"):
                if isinstance(event, Epoch):
                    why = self._verdict(event)
                    if why == "pruned":
                        state.stop = "pruned"
                        event = event.model_copy(update={"stop": "pruned"})
                    self._begin_snapshot(state, data, event)
                    self._say(watch(state, data.val_images, event))
                    name, sha256 = self._save(state)
                    self._commit_snapshot()
                    self._say(event.model_copy(update={"checkpoint": name, "sha256": sha256}))
                    self._tidy(event.best_epoch)
                    if why == "spent":
                        self._end_for_study()
                elif event:
                    self._say(event)
                if not self._may_go_on(state):
                    return
                if self._is_finished(state):
                    break
            by_hand = self._is_finished(state)  # a request that comes while the test is read changes nothing
        except Refusal as refusal:
            if refusal.key == "error.lost":  # resumed, the run goes on from here and not from an earlier epoch,
                self._checkpoint(state)  # from which it would come to the same
            raise
        if not run.control().test:
            return
        if report := self._report(splits, state, by_hand=by_hand):
            self._say(report)
            run.tidy(self._snapshot_files(), self.taking)

    def _take_over(self, state: State) -> str:
        """Copy the layers taken over from another run into the model.

        They, or the random ones that stay frozen, are kept in this run's folder, so that it depends on no other run and
        what is frozen can be compared at the end. Returns the file's sha256, or "" if there is none. Raises: Refusal.
        """
        spec = self.run.spec
        kept = take_over(spec, state.model)
        return self._write(store.START, kept)[1] if spec.taken or spec.frozen else ""

    def _restore(self, state: State) -> None:
        """Restore the newest undamaged checkpoint; without one, load the first layers that were kept at the start."""
        if newest := self.run.newest():
            state.restore(*newest[1:])
            self.saved = (state.epoch, state.step)
        elif self.start_sha256:
            state.model.load_state_dict(self.run.load(store.START, self.start_sha256)[0], strict=False)

    def _may_go_on(self, state: State) -> bool:
        """Follow the requests in `control`, saving the state before a pause and before leaving.

        Returns whether to continue training; False means that the worker has to leave the run.
        """
        self._commit_snapshot(wait=False)
        self._look(state)
        self._check()
        while not self.leaving() and self.wanted != "stop":
            if state.step < self.pause_at_step and state.epoch < self.pause_at_epoch:
                return True
            self._checkpoint(state)
            time.sleep(PAUSE_LOOKS)
            self._look(state)
            self._check()
        self._checkpoint(state)
        return False

    def _verdict(self, event: Epoch) -> Literal["pruned", "spent"] | None:
        """Why a study ends the run after this epoch, see `core.search.rules`; None if it does not."""
        if event.stop or (event.epoch not in rungs(self.run.spec.epochs) and time.monotonic() < self.judged + JUDGING):
            return None
        self.judged = time.monotonic()
        return verdict(self.run, event)

    def _end_for_study(self) -> None:
        """Request a stop, since the run's study has used up its minutes; not of the worker that has the run now."""
        self._check()
        self.run.ask("stop")

    def _is_finished(self, state: State) -> bool:
        """Whether the training ends here because somebody asked for that; not before its first epoch."""
        return self.wanted == "finish" and state.epoch > 0

    def _look(self, state: State) -> None:
        mark = self.run.control_changed()
        if mark == self.control_mark:
            return
        self.control_mark = mark
        control = self.run.control()
        if control == self.control:  # read already, since it was written between mark and reading: do not count twice
            return
        self.control, self.wanted = control, control.wanted
        self.pause_at_step = {"pause": state.step, "batch": state.step + 1}.get(self.wanted, math.inf)
        self.pause_at_epoch = state.epoch + 1 if self.wanted == "epoch" else math.inf

    def _checkpoint(self, state: State) -> None:
        """Save the state in the middle of an epoch, unless that state is saved already."""
        if self.saved != (state.epoch, state.step):
            self._commit_snapshot()
            name, sha256 = self._save(state)
            self._say(Checkpoint(epoch=state.epoch, step=state.step, checkpoint=name, sha256=sha256))
            self._tidy(state.best_epoch)

    def _save(self, state: State) -> tuple[str, str]:
        named = self._write(store.file_name(state.epoch, state.step), state.tensors(), state.numbers())
        self.saved = (state.epoch, state.step)
        return named

    def _tidy(self, best_epoch: int) -> None:
        """Remove all checkpoints but the newest two and the best epoch's."""
        saved = self.run.checkpoints()
        best = [event for event in saved if isinstance(event, Epoch) and event.epoch == best_epoch]
        self.run.tidy({event.checkpoint for event in saved[-2:] + best} | self._snapshot_files(), self.taking)

    def _snapshot_at_start(self, state: State, data: Data) -> None:
        """Keep the initial weights, with what they answer; not if the worker has to leave meanwhile."""
        kept = self.snapshots.get(0)
        if not self.keeps_snapshots or (kept and (self.run.folder / kept.file).exists()):
            return
        parts = []
        for logits in state.engine.evaluated(data.val_images):
            if parts:
                self._look(state)
                if self.leaving() or self.wanted == "stop":
                    return
            parts.append(logits)
        loss, right = (value / len(data.val_labels) for value in sums_of(torch.cat(parts), data.val_labels).tolist())
        state.answers = ValAnswers.of(parts)
        if math.isfinite(loss):
            self._begin_snapshot(state, data, Snapshot(epoch=0, step=0, val_loss=loss, val_accuracy=right))
            self._commit_snapshot(wait=state.sums.is_cuda)  # no other thread may compute while a step is captured

    def _begin_snapshot(self, state: State, data: Data, at: Epoch | Snapshot) -> None:
        """Begin to keep the weights and the answers on val at an epoch's end, in a thread.

        A file is on the disk only after some milliseconds, in which a small network makes ten steps; the histograms and
        the checkpoint are made meanwhile.
        """
        if not self.keeps_snapshots or not state.answers:
            return
        self._commit_snapshot()  # of epoch 0, if the first epoch was as short as that
        self._check()
        with self._without_if_no_memory():
            self.twin = self.twin or Twin(state.model)
            # The next step changes them.
            weights = {name: value.clone() for name, value in state.model.state_dict().items()}
            answers, best = state.answers, state.best_epoch
            self.begun = self.writer.submit(self._write_snapshot, self.twin, weights, data, answers, at, best)

    @contextlib.contextmanager
    def _without_if_no_memory(self) -> Iterator[None]:
        """Keep no further snapshots if there is no memory for one: the training needs none."""
        try:
            yield
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            self.keeps_snapshots = False

    def _write_snapshot(
        self,
        twin: Twin,
        weights: dict[str, torch.Tensor],
        data: Data,
        answers: ValAnswers,
        at: Epoch | Snapshot,
        best_epoch: int,
    ) -> Snapshot:
        """Write a snapshot; returns its event, without a file if there is no room: that is for checkpoints."""
        arrays = twin.arrays_of(weights, data, answers)
        size, name, sha256 = size_of(arrays), store.of_taking(store.snapshot_name(at.epoch), self.taking), ""
        gone = dropped({one.epoch: one.size for one in self.snapshots.values()} | {at.epoch: size}, best_epoch)
        parameters = sum(value.numel() for value in weights.values())
        if at.epoch not in gone and shutil.disk_usage(self.run.folder).free > size + ROOM * parameters:
            with contextlib.suppress(OSError):
                sha256 = self.run.save(name, arrays)
        return Snapshot(
            epoch=at.epoch,
            step=at.step,
            val_loss=at.val_loss,
            val_accuracy=at.val_accuracy,
            precision=precision_of(arrays),
            file=name if sha256 else "",
            sha256=sha256,
            size=size,
            dropped=tuple(gone) if sha256 else (),
        )

    def _commit_snapshot(self, *, wait: bool = True) -> None:
        """Name the snapshot begun last in the log, once it is on disk."""
        if self.begun and (wait or self.begun.done()):
            begun, self.begun = self.begun, None
            with self._without_if_no_memory():
                snapshot = begun.result()
                self._say(snapshot)
                if snapshot.file:
                    kept = {**self.snapshots, snapshot.epoch: snapshot}
                    self.snapshots = {epoch: one for epoch, one in kept.items() if epoch not in snapshot.dropped}

    def _snapshot_files(self) -> set[str]:
        return {one.file for one in self.snapshots.values()}

    def _report(self, splits: Splits, state: State, *, by_hand: bool) -> Report | None:
        """Evaluate the best weights on the test split; None if the worker has to leave.

        Unless val is the test split itself, the predictions on val are saved too: they allow calibrating the model's
        confidence without using test.
        """
        run, spec, model = self.run, self.run.spec, state.model
        best_epoch = self._take_best(state)
        predictions, loss = {}, math.nan
        looks = [("val_", splits.val), ("", splits.test)]
        for prefix, split in looks[1:] if spec.split == "test" else looks:
            assert split is not None
            answered = self._answers(split, state)
            if not answered:
                return None
            probabilities, loss = answered
            labels = torch.tensor(split.labels, dtype=torch.int16)  # enough for the most classes that are allowed
            predictions |= {f"{prefix}probabilities": probabilities, f"{prefix}labels": labels}
        matrix = Answers(splits.test.labels, predictions["probabilities"].numpy()).confusion_matrix
        accuracy = proportion(int(matrix.trace()), int(matrix.sum()))
        model_name, model_sha256 = self._write(store.MODEL, model.state_dict())
        predictions_name, predictions_sha256 = self._write(store.PREDICTIONS, predictions)
        return Report(
            run=run.name,
            best_epoch=best_epoch,
            lost_epoch=state.best_epoch if best_epoch != state.best_epoch else 0,
            best_by=spec.best_by,
            epochs=state.epoch,
            stop=state.stop or ("by_hand" if by_hand else ""),
            n=len(splits.test.labels),
            test_use=spec.test_use,
            accuracy=accuracy.value,
            accuracy_interval=(accuracy.low, accuracy.high),
            balanced_accuracy=balanced_accuracy(matrix),
            loss=loss,
            confusion_matrix=tuple(map(tuple, matrix.tolist())),
            seconds=state.seconds,
            processor_seconds=state.processor_seconds,
            model=model_name,
            model_sha256=model_sha256,
            predictions=predictions_name,
            predictions_sha256=predictions_sha256,
            images=digest(splits.test),
            frozen_before=self.start_sha256 if spec.frozen else "",
            frozen_after=store.digest(weights_of(first_layers(model, spec.frozen))) if spec.frozen else "",
        )

    def _take_best(self, state: State) -> int:
        """Put the best epoch's weights into the model; returns that epoch.

        If its checkpoint is damaged, the best of the other epochs is taken whose checkpoint is there and undamaged. The
        last epoch's weights are in the model already, unless the training was ended in the middle of the next one.
        Raises: Refusal, if it was, and no epoch's checkpoint can be read.
        """
        by, saved = self.run.spec.best_by, self.run.checkpoints()

        def rank(event: Epoch) -> tuple[bool, float, int]:
            value = quality(by, event.epoch, event.val_accuracy, event.val_loss)
            return event.epoch == state.best_epoch, value, event.epoch

        for event in sorted((one for one in saved if isinstance(one, Epoch)), key=rank, reverse=True):
            if event.epoch == state.epoch and not state.images:
                return state.epoch
            with contextlib.suppress(Refusal):
                state.model.load_state_dict(below("model.", self.run.load(event.checkpoint, event.sha256)[0]))
                return event.epoch
        if state.images:
            raise self.run.damaged(store.file_name(state.best_epoch, state.step))
        return state.epoch

    def _answers(self, split: Split, state: State) -> tuple[torch.Tensor, float] | None:
        """Probabilities float32 (N, K) and mean loss (nats) on a split; None if the worker has to leave.

        Raises: Refusal, if the loss is not finite.
        """
        device, parts = state.sums.device, []
        images, labels = torch.tensor(split.images, device=device), torch.tensor(split.labels, device=device)
        for logits in state.engine.evaluated(images):
            parts.append(logits)
            self._look(state)
            if self.leaving() or self.wanted == "stop":
                return None
        logits = torch.cat(parts)
        loss = sums_of(logits, labels)[0].item() / len(labels)
        if not math.isfinite(loss):
            raise Refusal("error.diverged", step=state.step, epoch=state.epoch, loss=str(loss))
        return logits.softmax(dim=1).cpu(), loss

    def _say(self, event: Event) -> None:
        self.log_length = self.run.append(event, self.log_length, self.taking)
        self.tell(event)

    def _write(
        self, name: str, tensors: dict[str, torch.Tensor], numbers: dict[str, Any] | None = None
    ) -> tuple[str, str]:
        """Save a file of the run, see `Run.save`; returns its name in this taking and its sha256.

        What stays as it was at the start is the same in every taking, and keeps its name.
        """
        self._check()
        named = name if name == store.START else store.of_taking(name, self.taking)
        return named, self.run.save(named, tensors, numbers)

    def _check(self) -> None:
        """Raise an OvertakenError if the run has been taken, or another worker has written to this part of the log.

        The lock excludes the latter, except where it is lost: its file was deleted, or a network drive gave it to
        another machine while this process stood still.
        """
        self.run.check_taking(self.taking)
        if self.run.log_length(self.taking) != self.log_length:
            raise OvertakenError


def _started(run: Run, source: Dataset, splits: Splits, state: State, threads: int, start_sha256: str) -> Started:
    device, spec, images = state.sums.device, run.spec, splits.train.images
    counts = {name: len(split.labels) for name, split in splits.parts().items()}
    return Started(
        run=run.name,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        pid=os.getpid(),
        step=state.step,
        epoch=state.epoch,
        device=device.type,
        device_name=torch.cuda.get_device_name() if device.type == "cuda" else settings.processor(),
        threads=threads,
        precision=state.engine.precision,
        computed_by=state.engine.computed_by,
        versions={"python": platform.python_version(), "torch": torch.__version__},
        shape=spec.input_shape(source.shape),
        class_names={language: tuple(names) for language, names in source.class_names.items()},
        digits=source.digits,
        ground=ground(images[:: math.ceil(len(images) / 1000)]),
        counts=counts,
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        frozen=sum(parameter.numel() for parameter in state.engine.frozen.parameters()),
        start=store.START if start_sha256 else "",
        start_sha256=start_sha256,
        steps_per_epoch=math.ceil(counts["train"] / spec.batch_size),
    )


def _failure(run: Run, error: Exception) -> Failure:
    """The Failure event of an error: a text key, which every language translates, with its slots, and the traceback."""
    key, slots = "error.unexpected", {"reason": f"{type(error).__name__}: {error}"[:500]}
    if isinstance(error, Refusal):
        key, slots = error.key, error.slots
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
        key, slots = "error.disk_full", {"folder": str(run.folder)}
    elif isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        key, slots = "error.store_write", {"folder": str(run.folder), "reason": error.strerror}
    elif _is_out_of_memory(error):
        key, slots = "error.out_of_memory", {"batch_size": run.spec.batch_size}
    said: dict[str, Slot] = {
        name: value if isinstance(value, int | float) else _storable(str(value)[:2_000])
        for name, value in slots.items()
    }
    steps = [event.step for event in run.events() if not isinstance(event, Report)]
    return Failure(step=max(steps, default=0), error=key, slots=said, trace=_storable(traceback.format_exc()[-20_000:]))


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in NO_MEMORY)


def _storable(words: str) -> str:
    """The words without what UTF-8 cannot hold, such as a byte of a folder's name that is no text."""
    return words.encode(errors="replace").decode()


def main() -> None:
    """The worker process: prepare, then train the runs that standard input names, one after the other."""
    psutil.Process().nice(10 if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS)
    prepare(waits=True)
    _touch()
    lines: SimpleQueue[str] = SimpleQueue()
    gone = threading.Event()

    def listen() -> None:
        for line in sys.stdin:  # ends when the server closes the pipe or dies
            lines.put(line)
        gone.set()
        lines.put("")

    threading.Thread(target=listen, daemon=True).start()
    with contextlib.suppress(OSError):  # nobody reads any more
        while (line := lines.get()) and _is_fit_after(line, gone):
            print(f"\n{READY}", flush=True)  # after a library's line without an end, too
    os._exit(0)  # all is on disk, and a regular exit of Python and torch would delay the next run by a second or two


def _is_fit_after(line: str, gone: threading.Event) -> bool:
    """Train the run that the line names; returns whether this process is then as good as a new one."""
    folder, taking = json.loads(line)
    try:
        is_in_order = _leave_in_order(Run(Path(folder)), gone.is_set, lambda _: None, taking)
    except (Refusal, OSError) as error:
        print(error, file=sys.stderr, flush=True)
        return False
    gc.collect()  # the data, the model and its threads
    return is_in_order and settings.device() == "cpu" and psutil.Process().memory_info().rss < MOST_IDLE


def _touch() -> None:
    """Train a small network for two steps, so that what torch imports at first use is imported before a run arrives.

    On Windows, importing native code while another thread reads standard input can hang, so the other imports that a
    run needs are made here too.
    """
    importlib.import_module("safetensors.torch")
    importlib.import_module("PIL.Image")
    spec = RunSpec(data="mnist-5k", architecture="lenet")
    images, labels = np.zeros((2, 1, 28, 28), dtype=np.uint8), np.arange(2)
    split = Split(images=images, labels=labels)
    state = State.new(spec, split, 10, torch.device("cpu"))
    list(itertools.islice(train(spec, Data.of(Splits(split, split, split), torch.device("cpu")), state), 2))


if __name__ == "__main__":
    main()
