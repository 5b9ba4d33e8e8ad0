"""Tries learning rates for a spec in a process of its own, whose steps can be watched and which can be stopped."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from typing import Any

from core.refusal import Refusal
from core.spec import RunSpec, default
from core.workers import asked

STEPS = 100  # that a sweep makes at most
MOST_SECONDS = 600.0  # after which a sweep is given up, so that the next one has its turn
UNTRIED = ("learning_rate", "schedule", "epochs", "best_by", "target_accuracy", "patience", "time_limit")


def swept(spec: RunSpec) -> RunSpec:
    """The spec with the defaults of all fields that change nothing in what a sweep tries."""
    return spec.model_copy(update={name: default(name) for name in UNTRIED})


class Sweep:
    """`python -m core rates --json` for a spec; `run` is to be called once, in any thread, and the rest in others."""

    def __init__(self, spec: RunSpec):
        self.spec = spec
        self.tried: list[dict[str, Any]] = []  # as `Tried`, grows while it runs
        self.found: dict[str, Any] | None = None  # as `Suggestion`, once done; empty if there is none
        self.refusal: Refusal | None = None
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()
        self._over = threading.Event()

    def is_over(self) -> bool:
        """Whether it is done, has failed or was stopped."""
        return self._stopped.is_set() or self._over.is_set()

    def run(self) -> None:
        """Try the rates, until `stop` is called."""
        if self._stopped.is_set():
            return
        late = threading.Timer(MOST_SECONDS, self.stop)
        late.daemon = True
        late.start()
        try:
            with asked("rates", self.spec) as self._process:
                if self._stopped.is_set():
                    self._process.kill()
                assert self._process.stdout
                assert self._process.stderr
                for line in self._process.stdout:
                    self._take(json.loads(line))
                error = self._process.stderr.read().strip()
            if self._process.returncode and not self._stopped.is_set():
                self.refusal = Refusal("error.unexpected", reason=error.rpartition("\n")[2])
        except OSError as error:
            self.refusal = Refusal("error.unexpected", reason=str(error))
        finally:
            late.cancel()
            self._over.set()

    def stop(self) -> None:
        """End it; what was tried so far stays."""
        self._stopped.set()
        if self._process:
            with contextlib.suppress(OSError):
                self._process.kill()

    def _take(self, said: dict[str, Any]) -> None:
        if "step" in said:
            self.tried.append(said)
        else:
            self.found = said["suggestion"] or {}
