"""Folders of odd names, and an executor that cannot be reached."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import time
from concurrent.futures import Executor, Future
from pathlib import Path

from PIL import Image

from core.__main__ import main
from core.drawing.collection import keep, kept
from core.refusal import Refusal
from core.spec import checked
from core.store import Run, create, runs
from core.workers import Workers
from tests.faults.fault import Fault, Outcome, surroundings
from tests.faults.live import DRAWING, sheet

ODD = (
    "Klasse 7b - Übung 名前 😀",
    " leading and trailing ",
    "semi;colon & 'quotes' $HOME `x` %20 #1",
    "<script>alert(1)</script>".replace("/", "∕"),
    "-rf",
    "e\u0301 decomposed",
    "עברית العربية",
    "[a](b) *c* _d_",
    "x" * 200,
)
CLASSES = 4


def said(*arguments: str) -> dict:
    """The last line that a command says, which has to succeed."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = main([*arguments, "--json"])
    assert not code, output.getvalue()
    return json.loads(output.getvalue().splitlines()[-1])


def walk(folder: Path) -> dict[str, object]:
    """Everything that has to do with files, in a folder: what came of it, by its name."""
    found: dict[str, object] = {}
    picture = folder / f"{folder.name[:50]}.png"
    Image.frombytes("L", sheet.shape, DRAWING).save(picture)
    with surroundings(folder):
        report = said("train", "--data=tiny", "--split=official", "--architecture=mlp", "--epochs=2", "--batch-size=16")
        run = runs(folder / "store")[0]
        found["report"] = [report[name] for name in ("accuracy", "loss", "model_sha256")]
        found["listed"] = len(runs())
        found["evaluated"] = said("evaluate", run.name)["confusion_matrix"]
        found["predicted"] = said("predict", run.name, str(picture))["probabilities"]
        said("export", run.name, "--as", "tensorboard", "--out", str(folder / "events"))
        found["exported"] = sum(path.stat().st_size > 0 for path in (folder / "events").rglob("*tfevents*"))
        found["noted"] = said("label", run.name, f"--note={folder.name}")["note"] == folder.name.strip()
        keep(sheet, 1, "Zoë")
        found["kept"] = [one.label for one in kept()]
        run.delete()
        found["left"] = len(runs())
    return found


def odd_places(folder: Path, times: int) -> Outcome:
    """Store, cache, data and pictures below each of the names in turn: trained, evaluated, exported, kept, deleted."""
    (folder / "plain").mkdir()
    plain = walk(folder / "plain")
    same = whole = 0
    differing = []
    for number, name in zip(range(times), itertools.cycle(ODD), strict=False):
        place = folder / str(number) / name
        place.mkdir(parents=True)
        found = walk(place)
        whole += len(plain)
        same += sum(found[key] == value for key, value in plain.items())
        differing += [f"{key} in {name[:20]}" for key, value in plain.items() if found[key] != value]
    return Outcome(
        times, f"results as in a plain folder {same} of {whole} {' '.join(differing)}".strip(), not differing
    )


class Unreachable(Executor):
    """An executor on a machine that does not answer."""

    def submit(self, *_, **__) -> Future:
        raise ConnectionRefusedError(111, "Connection refused")


def unreachable_executor(folder: Path, times: int) -> Outcome:
    """Runs given to an executor that refuses each of them: they stay in the store, and a line says why."""
    del folder
    here, slowest, kept_runs, said_so = Workers(Unreachable()), 0.0, 0, 0
    for seed in range(times):
        run = create(checked({"data": "tiny", "architecture": "mlp", "seed": seed}))
        error, begun = io.StringIO(), time.monotonic()
        with contextlib.redirect_stderr(error), contextlib.suppress(Refusal):
            here.submit(run)
        slowest = max(slowest, time.monotonic() - begun)
        kept_runs += Run(run.folder).status() == "queued"
        said_so += "Connection refused" in error.getvalue()
    figure = f"runs kept {kept_runs}, messages {said_so}, at most {1000 * slowest:.0f} ms"
    return Outcome(times, figure, kept_runs == said_so == times and slowest <= 5)


FAULTS = (
    Fault("F22", f"folders of odd names, {len(ODD)} kinds", "results as in a plain folder", odd_places, 1, len(ODD)),
    Fault("F29", "an executor that cannot be reached", "a message in 5 s, no run lost", unreachable_executor, 1, 20),
)
