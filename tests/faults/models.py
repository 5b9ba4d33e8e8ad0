"""Model files that somebody has made to harm whoever opens them; each comes with its right sha256.

`python -m tests.faults.models FOLDER` opens the files of a folder one after another, and says what happened.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from core import store
from core.models.model import can_be_drawn_for
from core.refusal import Refusal
from core.store import Run
from tests.browser import ROOT
from tests.faults.fault import Fault, Outcome

AT_ONCE, PEAK = 0.05, 64  # seconds and MiB that a refusal may take
EXECUTED = "executed"  # the file that a script in a model file would make
STARTER = next(run for run in reversed(store.runs(ROOT / "models_store")) if can_be_drawn_for(run))


def file_of(header: object, data: bytes = bytes(16)) -> bytes:
    """A safetensors file with this header: bytes as they are, anything else as JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(shape: list, *offsets: int, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}


def pickled(folder: Path) -> bytes:
    """A pickle that makes a file when it is read."""
    return f"cos\nsystem\n(S'touch {folder / EXECUTED}'\ntR.".encode()


def zipped(content: bytes, name: str = "archive/data.pkl") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def weights(change: Callable[[dict], dict]) -> bytes:
    """The weights of the starter model after a change."""
    from safetensors.torch import load, save

    report = STARTER.report()
    assert report
    content = (STARTER.folder / report.model).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return save(change(load(content)), header.get("__metadata__"))


GOOD = tensor([4], 0, 16)
FILES: dict[str, Callable[[Path], bytes]] = {
    "a pickle": pickled,
    "a .pt with a pickle": lambda folder: zipped(pickled(folder)),
    "a bomb of a zip": lambda _: zipped(bytes(2**28)),
    "a header of 2**62 bytes": lambda _: (2**62).to_bytes(8, "little") + bytes(100),
    "a header of 2**64 - 1 bytes": lambda _: b"\xff" * 8 + bytes(100),
    "500,000 tensors": lambda _: file_of({f"t{k}": tensor([0], 0, 0) for k in range(500_000)}),
    "a header that is too deep": lambda _: file_of(b"[" * 100_000),
    "a header that is a list": lambda _: file_of([1]),
    "a header that is no JSON": lambda _: file_of(b"{nothing"),
    "a header that is not UTF-8": lambda _: file_of(b'{"\xff\xfe": 1}'),
    "a header of nothing": lambda _: file_of(b""),
    "metadata that are a list": lambda _: file_of({"__metadata__": [1], "t": GOOD}),
    "metadata that are a number": lambda _: file_of({"__metadata__": 1, "t": GOOD}),
    "numbers that are no text": lambda _: file_of({"__metadata__": {"numbers": 7}, "t": GOOD}),
    "numbers that are no JSON": lambda _: file_of({"__metadata__": {"numbers": "{"}, "t": GOOD}),
    "numbers that are too deep": lambda _: file_of({"__metadata__": {"numbers": "[" * 100_000}, "t": GOOD}),
    "numbers of 400 digits": lambda _: file_of({"__metadata__": {"numbers": "9" * 400_000}, "t": GOOD}),
    "tensors that overlap": lambda _: file_of({"a": GOOD, "b": tensor([4], 8, 24)}, bytes(24)),
    "a hole between tensors": lambda _: file_of({"a": GOOD, "b": tensor([4], 20, 36)}, bytes(36)),
    "offsets beyond the file": lambda _: file_of({"t": tensor([2**30], 0, 2**32)}),
    "offsets that run backwards": lambda _: file_of({"t": tensor([4], 16, 0)}),
    "negative offsets": lambda _: file_of({"t": tensor([4], -16, 0)}),
    "a shape whose product overflows": lambda _: file_of({"t": tensor([2**33, 2**33], 0, 16)}),
    "a negative shape": lambda _: file_of({"t": tensor([-4], 0, 16)}),
    "a shape of words": lambda _: file_of({"t": tensor(["four"], 0, 16)}),
    "another size than the shape's": lambda _: file_of({"t": tensor([5], 0, 16)}),
    "an unknown dtype": lambda _: file_of({"t": tensor([4], 0, 16, dtype="PICKLE")}),
    "a tensor that is a number": lambda _: file_of({"t": 1}),
    "no weights": lambda _: file_of({"__metadata__": {}}, b""),
    "an empty file": lambda _: b"",
    "seven bytes": lambda _: bytes(7),
    "a GiB of nothing": lambda _: b"",  # lengthened below
    "weights of NaN": lambda _: weights(lambda old: {name: one * float("nan") for name, one in old.items()}),
    "weights without end": lambda _: weights(lambda old: {name: one + float("inf") for name, one in old.items()}),
    "weights of other names": lambda _: weights(lambda old: {f"x.{name}": one for name, one in old.items()}),
    "weights of other shapes": lambda _: weights(lambda old: {name: one[None] for name, one in old.items()}),
    "weights of other dtypes": lambda _: weights(lambda old: {name: one.long() for name, one in old.items()}),
    "one weight less": lambda _: weights(lambda old: dict(list(old.items())[1:])),
    "one weight more": lambda _: weights(lambda old: {**old, "more": next(iter(old.values())).clone()}),
}


def opened(folder: Path) -> list[tuple[str, float, float]]:
    """For each run in the folder: why its model is refused, the seconds, and the MiB that this took at most."""
    from core.models.model import open_model

    open_model(STARTER)  # what is imported at its first use
    found = []
    for path in sorted(folder.iterdir()):
        before, begun = peak(), time.perf_counter()
        try:
            open_model(Run(path))
            reason = ""
        except Refusal as refusal:
            reason = refusal.key
        except Exception as error:
            reason = f"! {error!r}"[:200]
        found.append((f"{path.name}: {reason}" if reason else "", time.perf_counter() - begun, peak() - before))
    return found


def peak() -> float:
    """MiB that this process has had in memory at most since the last call; 0 where that is not known."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not status.exists():
        return 0.0
    words = status.read_text(encoding="ascii").split()
    clear.write_text("5", encoding="ascii")
    return int(words[words.index("VmHWM:") + 1]) / 1024


def hostile_models(folder: Path, times: int) -> Outcome:
    """Each of `FILES` in turn as the model of a run that is done."""
    runs = folder / "hostile"
    for number, (name, make) in zip(range(times), itertools.cycle(FILES.items()), strict=False):
        run = Run(runs / f"{number:04d}-{name.replace(' ', '-').replace('*', '')}")
        shutil.copytree(STARTER.folder, run.folder)
        report = run.report()
        assert report
        path = run.folder / report.model
        path.write_bytes(make(folder))
        if name == "a GiB of nothing":
            os.truncate(path, 2**30)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        run.append(report.model_copy(update={"model_sha256": sha256}))
    command = [sys.executable, "-m", "tests.faults.models", str(runs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    found = json.loads(done.stdout) if not done.returncode else []
    refused = sum(bool(reason) and ": !" not in reason for reason, _, _ in found)
    tracebacks = [reason for reason, _, _ in found if ": !" in reason]
    slowest, most = max(row[1] for row in found), max(row[2] for row in found)
    executed = (folder / EXECUTED).exists()
    figure = f"executed {executed:d}, accepted {sum(not reason for reason, _, _ in found)}, refused {refused}"
    figure += f", other errors {len(tracebacks)}; at most {1000 * slowest:.0f} ms and +{most:.0f} MiB"
    holds = len(found) == refused == times and not executed and slowest <= AT_ONCE and most <= PEAK
    return Outcome(times, figure, holds)


FAULTS = (
    Fault(
        "F13",
        f"a malicious model file, {len(FILES)} kinds",
        "executed 0, accepted 0; 50 ms, +64 MiB",
        hostile_models,
        0,
        len(FILES),
    ),
)

if __name__ == "__main__":
    print(json.dumps(opened(Path(sys.argv[1]))))
