"""A process that imports torch once and forks a worker for each request: real processes, which tests can kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from core.store import Run

ROOT = Path(__file__).resolve().parents[1]
KILLED = -signal.SIGKILL if os.name == "posix" else 1


class Driver:
    """The tests' interface to the process."""

    def __enter__(self) -> Driver:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.driver"],
            cwd=ROOT,
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # it is idle between requests; a regular exit with torch takes a second
        self.process.communicate()

    def work(
        self, run: Run, acts: dict[int, str] | None = None, times: int = 1, kill_after: float | None = None, **env: str
    ) -> list[int]:
        """Work at the run in `times` processes at once; returns their exit codes.

        `acts` maps n to what happens when a worker checks for the n-th time whether it should leave. It checks once
        before the first step and once after every step and every part of val or test, and 20 times a second while it is
        paused. `kill` sends SIGKILL; `leave` reports that the server is gone; anything else is a visitor's request to
        the run. `kill_after`: seconds after which the first process is killed.
        """
        settings = {name: value for name, value in os.environ.items() if name.startswith("BANCADA_")} | env
        order = {"folder": str(run.folder), "acts": acts or {}, "times": times, "after": kill_after, "env": settings}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def outcome(run: Run) -> dict[str, object]:
    """All that must be equal in two runs of the same spec: weights, predictions and every number except seconds."""
    events = [event.model_dump() for event in run.events() if event.event in ("epoch", "report")]
    for event in events:
        for of_one_run in ("seconds", "processor_seconds", "sha256", "run"):
            event.pop(of_one_run, None)
    assert run.status() == "done"
    for name, sha256 in (("model", "model_sha256"), ("predictions", "predictions_sha256")):
        run.load(events[-1][name], events[-1][sha256])  # refuses a file whose sha256 is not the Report's
    snapshots = [(one.epoch, one.val_loss, one.sha256) for one in run.snapshots()]
    for one in run.snapshots():
        run.load(one.file, one.sha256)
    return {"events": events, "snapshots": snapshots}


def _work(order: dict) -> None:
    from core.work import work

    run, looks, gone = Run(Path(order["folder"])), 0, False

    def leaving() -> bool:
        nonlocal looks, gone
        looks += 1
        act = order["acts"].get(str(looks))
        if act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif act == "leave":
            gone = True
        elif act:
            run.ask(act)
        return gone

    work(order["folder"], leaving)


def _fork(order: dict) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.environ.update(order["env"])
        _work(order)
        os._exit(0)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)


def _main() -> None:
    import torch

    from core.work import _touch

    torch.set_num_threads(1)  # a process that has computed with several threads cannot be forked
    _touch()
    for line in sys.stdin:
        order = json.loads(line)
        pids = [_fork(order) for _ in range(order["times"])]
        if order["after"] is not None:
            time.sleep(order["after"])
            os.kill(pids[0], signal.SIGKILL)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(codes), flush=True)


if __name__ == "__main__":
    _main()
