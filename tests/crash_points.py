"""Simulates a crash and a power cut at each file-system call of a scenario.

`python -m tests.crash_points STORE OUT SCENARIO...` copies STORE to OUT/SCENARIO/<k>/crash for k = 1, 2, ... and runs
the scenario there in a forked process that dies at its k-th call (a write is cut in half). OUT/SCENARIO/<k>/power holds
what had been synced by then: files as of their last fsync, names as of the last fsync of their folder. The last k, for
which the scenario completes, is printed for each scenario. Method: SQLite's crash tests.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import shutil
import sys
from pathlib import Path

import torch

from core import events, store
from core.spec import RunSpec

DIED, THROUGH = 9, 0
CHECKPOINT = {"weights": torch.arange(600.0)}


class Disk:
    """The state that a power cut would leave, and a counter that ends the process at the chosen call."""

    def __init__(self, root: Path, power: Path, crash_at: int):
        self.root, self.power, self.left = root, power, crash_at
        self.contents: dict[int, bytes] = {}  # by inode
        self.names: dict[int, dict[str, tuple[int, bool]]] = {}  # by a folder's inode: names to (inode, is a folder)
        for folder, _, files in os.walk(root):
            self.sync_folder(Path(folder))
            for file in files:
                self.contents[self.keep(os.open(Path(folder) / file, os.O_RDONLY))] = (Path(folder) / file).read_bytes()

    def keep(self, descriptor: int) -> int:
        """The inode of an open descriptor, which is left open so that the inode is not reused."""
        return os.fstat(descriptor).st_ino

    def sync_folder(self, folder: Path) -> None:
        self.names[folder.stat().st_ino] = {e.name: (e.inode(), e.is_dir()) for e in os.scandir(folder)}

    def count(self) -> bool:
        """Count a call; returns whether the process has to die at it."""
        self.left -= 1
        return self.left == 0

    def end(self, code: int) -> None:
        self.left = 0  # no further call ends the process
        self._restore(self.root.stat().st_ino, self.power)
        os._exit(code)

    def _restore(self, inode: int, place: Path) -> None:
        place.mkdir()
        for name, (child, is_folder) in self.names.get(inode, {}).items():
            if is_folder:
                self._restore(child, place / name)
            else:
                (place / name).write_bytes(self.contents.get(child, b""))

    def install(self) -> None:
        """Count every call by which core.store changes the disk, before it is made."""
        disk = self
        real_open, real_fsync = io.open, os.fsync

        class File(io.FileIO):
            def write(self, data):  # pyright: ignore
                if disk.count():
                    super().write(bytes(data)[: len(data) // 2])
                    disk.end(DIED)
                return super().write(data)

        def counted_open(file, mode="r", *more, **named):
            if mode not in ("wb", "a+b"):
                return real_open(file, mode, *more, **named)
            if disk.count():
                disk.end(DIED)
            raw = File(file, mode)
            disk.keep(os.dup(raw.fileno()))
            return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

        def counted_fsync(descriptor):
            if disk.count():
                disk.end(DIED)
            real_fsync(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.is_dir():
                disk.sync_folder(path)
            else:
                disk.contents[os.fstat(descriptor).st_ino] = path.read_bytes()

        def counted(call):
            def do(*arguments, **named):
                if disk.count():
                    disk.end(DIED)
                return call(*arguments, **named)

            return do

        io.open = builtins.open = counted_open  # pyright: ignore
        os.fsync = counted_fsync  # pyright: ignore
        for name in ("replace", "rename", "unlink", "mkdir", "rmdir"):
            setattr(os, name, counted(getattr(os, name)))


def spec() -> RunSpec:
    return RunSpec(data="tiny", split="official", architecture="mlp", epochs=7)


def commit(run: store.Run, epoch: int) -> None:
    """Save a checkpoint and a snapshot and commit them, as a worker does at an epoch's end; keep two of each."""
    name, snapshot = store.file_name(epoch, epoch * 5), store.snapshot_name(epoch)
    run.append(
        events.Snapshot(
            epoch=epoch,
            step=epoch * 5,
            val_loss=0.5,
            val_accuracy=0.5,
            file=snapshot,
            sha256=run.save(snapshot, CHECKPOINT),
            dropped=(epoch - 2,) if epoch > 2 else (),
        )
    )
    sha256 = run.save(name, CHECKPOINT, {"epoch": epoch})
    numbers = dict.fromkeys(
        ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"), 0.5
    )
    run.append(events.Epoch(epoch=epoch, step=epoch * 5, best_epoch=1, checkpoint=name, sha256=sha256, **numbers))
    files = {event.checkpoint for event in run.checkpoints()[-2:]} | {one.file for one in run.snapshots()}
    run.tidy(keep=files)


def started(step: int) -> events.Started:
    return events.Started(
        run="a",
        at="2026-01-01T00:00:00+00:00",
        pid=1,
        step=step,
        epoch=step // 5,
        device="cpu",
        device_name="",
        threads=1,
        versions={},
        shape=(1, 28, 28),
        class_names={"en": ("0", "1")},
        counts={"train": 1},
        parameters=1,
        steps_per_epoch=5,
    )


def report(run: store.Run) -> None:
    """Save the files that a Report names and append the Report, as a worker does at the end."""
    run.append(
        events.Report(
            run=run.name,
            best_epoch=1,
            best_by="last",
            epochs=2,
            stop="epochs",
            n=2,
            accuracy=0.5,
            accuracy_interval=(0.1, 0.9),
            balanced_accuracy=0.5,
            loss=0.5,
            confusion_matrix=((1, 0), (1, 0)),
            seconds=1.0,
            model=store.MODEL,
            model_sha256=run.save(store.MODEL, CHECKPOINT),
            predictions=store.PREDICTIONS,
            predictions_sha256=run.save(store.PREDICTIONS, CHECKPOINT),
        )
    )
    run.tidy(keep={one.file for one in run.snapshots()})


def do(scenario: str, folder: Path) -> None:
    if scenario == "create":
        store.create(spec(), folder)
        return
    run = store.runs(folder)[0]
    if scenario == "append":
        run.append(started(10))
    if scenario == "commit":
        commit(run, 3)
    if scenario == "report":
        report(run)
    if scenario == "ask":
        run.ask("pause")
    if scenario == "relabel":
        run.relabel(note="a second look", tags=["kept"])


def main(scenario: str, origin: Path, out: Path) -> int:
    for k in range(1, 1000):
        place = out / str(k)
        shutil.copytree(origin, place / "crash")
        pid = os.fork()
        if not pid:
            try:
                disk = Disk(place / "crash", place / "power", k)
                disk.install()
                do(scenario, place / "crash")
                disk.end(THROUGH)
            except BaseException as error:
                sys.excepthook(type(error), error, error.__traceback__)
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code == THROUGH:
            return k
        if code != DIED:
            sys.exit(f"{scenario}: call {k} ended with {code}")
    sys.exit(f"{scenario} does not get through")


if __name__ == "__main__":
    store_, out_ = map(Path, sys.argv[1:3])
    print(json.dumps({name: main(name, store_, out_ / name) for name in sys.argv[3:]}))
