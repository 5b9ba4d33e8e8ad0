"""Stores that a stranger has written: hostile run folders, flipped bits, stores of earlier versions, many runs."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from core import __main__ as command_line
from core import store
from core.events import Report, Started, Step, from_line, to_line
from core.refusal import Refusal
from core.store import Run
from tests.browser import ROOT
from tests.faults.fault import Fault, Outcome
from tests.golden import GOLDEN
from ui import text

MOST_SECONDS, MOST_MIB = 0.1, 64  # that a bad folder may cost a list or a look at its run
Change = Callable[[Path], None]


# --- hostile run folders ----------------------------------------------------------------------------------------------


def _rewritten(kind: str, **fields: Any) -> Change:
    """Replace fields of every event of a kind; without a checksum, as the first versions wrote."""

    def change(folder: Path) -> None:
        lines = [json.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
        for line in lines:
            line.pop("crc32", None)
            if line["event"] == kind:
                line.update({name: value(line) if callable(value) else value for name, value in fields.items()})
        (folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    return change


def _respecified(**fields: Any) -> Change:
    def change(folder: Path) -> None:
        stored = json.loads((folder / "spec.json").read_bytes())
        stored.pop("crc32", None)
        stored["spec"].update(fields)
        (folder / "spec.json").write_text(json.dumps(stored))

    return change


def _file(name: str, content: bytes) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def _appended(content: bytes) -> Change:
    def change(folder: Path) -> None:
        with (folder / "events.jsonl").open("ab") as log:
            log.write(content)

    return change


def _arrays(name: str, content: Callable[[bytes], bytes]) -> Change:
    """Replace a file of arrays, and name its new sha256 in the Report, as a stranger would."""

    def change(folder: Path) -> None:
        data = content((folder / name).read_bytes())
        (folder / name).write_bytes(data)
        sha256 = f"{name.partition('.')[0]}_sha256"
        _rewritten("report", **{sha256: hashlib.sha256(data).hexdigest()})(folder)

    return change


def _header(header: bytes | Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def content(data: bytes) -> bytes:
        size = int.from_bytes(data[:8], "little")
        new = header
        if callable(header):
            new = json.dumps(header(json.loads(data[8 : 8 + size]))).encode()
        assert isinstance(new, bytes)
        return struct.pack("<Q", len(new)) + new + data[8 + size :]

    return content


def _tensors(**changes: Any) -> Callable[[bytes], bytes]:
    """Replace arrays by what a function of all of them returns; None removes one."""

    def content(data: bytes) -> bytes:
        from safetensors.torch import load, save

        tensors = load(data)
        for name, change in changes.items():
            tensors[name] = change(tensors[name]).contiguous() if change else None
        return save({name: value for name, value in tensors.items() if value is not None})

    return content


def _instead(name: str, make: Callable[[Path], Any]) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return change


def _many(kind: str, count: int) -> Change:
    """Put very many events before the Report."""

    def change(folder: Path) -> None:
        lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
        of_kind = next(line for line in lines if f'"event":"{kind}"'.encode() in line)
        with (folder / "events.jsonl").open("wb") as log:
            log.writelines(lines[:-1])
            for _ in range(count // 1_000):
                log.write(of_kind * 1_000)
            log.write(lines[-1])

    return change


HUGE = 10**400
NOT_NUMBERS = {"nan": float("nan"), "infinite": float("inf"), "400_digits": HUGE, "text": "much", "list": [1]}
MATRICES = {
    "empty": [],
    "of_empty_rows": [[], []],
    "ragged": [[1, 2], [3]],
    "negative": [[40, -10], [0, 0]],
    "of_one_class": [[30]],
    "of_another_k": [[10, 0], [0, 20]],
    "not_of_n": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    "of_text": [["a"] * 4] * 4,
    "of_floats": [[7.5] * 4] * 4,
    "huge": [[HUGE, 0, 0, 0]] + [[0] * 4] * 3,
}
NAMES = {
    "missing": {},
    "without_english": {"pt_BR": ["a", "b", "c", "d"]},
    "none": {"en": []},
    "empty": {"en": ["", "b", "c", "d"]},
    "doubled": {"en": ["a", "a", "c", "d"]},
    "not_k": {"en": ["a", "b", "c"]},
    "other_k_in_portuguese": {"en": ["a", "b", "c", "d"], "pt_BR": ["a", "b"]},
    "no_text": {"en": [1, 2, 3, 4]},
    "endless": {"en": ["a" * 100_000, "b", "c", "d"]},
    "a_list": ["a", "b", "c", "d"],
}
SLOTS = {"lists": {"a": [1, 2]}, "deep": {"a": {"b": {}}}, "many": {str(n): n for n in range(1_000)}, "text": "abc"}


def hostile_runs() -> dict[str, tuple[str, Change]]:
    """By name: from which run of the golden store it is made, and how."""
    cases: dict[str, tuple[str, Change]] = {}

    def add(name: str, change: Change, base: str = "done") -> None:
        cases[name.replace(".", "-")] = (base, change)

    for what, value in NOT_NUMBERS.items():
        for field in ("accuracy", "loss", "n", "seconds", "best_epoch", "balanced_accuracy"):
            add(f"report-{field}-{what}", _rewritten("report", **{field: value}))
        for field in ("steps_per_epoch", "parameters", "threads", "step"):
            add(f"started-{field}-{what}", _rewritten("started", **{field: value}))
        for field in ("val_loss", "val_accuracy", "learning_rate"):
            add(f"epoch-{field}-{what}", _rewritten("epoch", **{field: value}))
        for field in ("epochs", "learning_rate", "image_size", "batch_size"):
            add(f"spec-{field}-{what}", _respecified(**{field: value}))
        add(f"step-loss-{what}", _rewritten("step", loss=value))
        add(f"failure-step-{what}", _rewritten("failure", step=value), "failed")
    add("accuracy-above-1", _rewritten("report", accuracy=1.5))
    add("accuracy-not-of-matrix", _rewritten("report", accuracy=lambda line: (line["accuracy"] + 0.5) % 1))
    add("interval-upside-down", _rewritten("report", accuracy_interval=[2, -1]))
    for what, matrix in MATRICES.items():
        add(f"matrix-{what}", _rewritten("report", confusion_matrix=matrix))
    add("matrix-of-another-k-and-n", _rewritten("report", confusion_matrix=[[10, 0], [0, 20]], n=30, accuracy=1.0))
    for what, names in NAMES.items():
        add(f"names-{what}", _rewritten("started", class_names=names))
    for steps in (0, -1):
        add(f"steps-per-epoch-{steps}", _rewritten("started", steps_per_epoch=steps))
    for shape in ([0, 8, 8], [1, 8], [1, 10**9, 8], [3, 8, 8]):
        add(f"shape-{'x'.join(map(str, shape))}", _rewritten("started", shape=shape))
    for what, slots in SLOTS.items():
        add(f"failure-slots-{what}", _rewritten("failure", slots=slots), "failed")
    for error in ("", "no.such.text", "x" * 100_000, 3):
        add(f"failure-error-{str(error)[:12] or 'empty'}", _rewritten("failure", error=error), "failed")
    add("failure-slots-key", _rewritten("failure", slots={"key": 1, "language": "pt_BR", "self": 2}), "failed")
    add("failure-without-slots", _rewritten("failure", slots={}), "failed")
    headers: dict[str, bytes | Callable[[dict[str, Any]], Any]] = {
        "no_json": b"{",
        "a_list": b"[1, 2]",
        "null": b"null",
        "deep": b"[" * 100_000,
        "not_utf8": b'{"\xff\xfe": 1}',
        "metadata_list": lambda header: {**header, "__metadata__": [1]},
        "metadata_text": lambda header: {**header, "__metadata__": "numbers"},
        "numbers_no_json": lambda header: {**header, "__metadata__": {"numbers": "{"}},
        "numbers_list": lambda header: {**header, "__metadata__": {"numbers": "[1]"}},
        "overlapping": lambda header: {
            name: {**one, "data_offsets": [0, one["data_offsets"][1] - one["data_offsets"][0]]}
            for name, one in header.items()
            if name != "__metadata__"
        },
        "entries": lambda _: {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(15_000)},
        "huge_shape": lambda header: {**header, "x": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}},
    }
    for file in (store.MODEL, store.PREDICTIONS):
        for what, header in headers.items():
            add(f"{file}-header-{what}", _arrays(file, _header(header)))
        add(f"{file}-header-length", _arrays(file, lambda data: struct.pack("<Q", 2**62) + data[8:]))
        add(f"{file}-empty", _arrays(file, lambda _: b""))
        add(f"{file}-short", _arrays(file, lambda data: data[:100]))
        add(f"{file}-a-gigabyte", lambda folder, file=file: os.truncate(folder / file, 2**30))
    predictions = {
        "without-labels": {"labels": None},
        "without-probabilities": {"probabilities": None},
        "without-val": {"val_probabilities": None},
        "labels-above-k": {"labels": lambda labels: labels + 100},
        "labels-negative": {"labels": lambda labels: labels - 1},
        "labels-floats": {"labels": lambda labels: labels.float()},
        "labels-2d": {"labels": lambda labels: labels[:, None]},
        "fewer": {"labels": lambda labels: labels[:5]},
        "none": {"labels": lambda labels: labels[:0], "probabilities": lambda values: values[:0]},
        "another-k": {"probabilities": lambda values: values[:, :2]},
        "1d": {"probabilities": lambda values: values.flatten()},
        "nan": {"probabilities": lambda values: values * float("nan")},
        "negative": {"probabilities": lambda values: -values},
        "of-another-matrix": {"labels": lambda labels: labels.flip(0).roll(1)},
    }
    for what, changes in predictions.items():
        add(f"predictions-{what}", _arrays(store.PREDICTIONS, _tensors(**changes)))
    add("model-transposed", _arrays(store.MODEL, _transposed))
    add("model-of-nothing", _arrays(store.MODEL, _of_nothing))
    for file in ("spec.json", "events.jsonl", store.MODEL, store.PREDICTIONS, "control", "label.json", "lock"):
        add(f"{file}-fifo", _instead(file, os.mkfifo))
        add(f"{file}-zeros", _instead(file, lambda path: path.symlink_to("/dev/zero")))
        add(f"{file}-link", _instead(file, lambda path: path.symlink_to("/etc/passwd")))
        add(f"{file}-loop", _instead(file, lambda path: path.symlink_to(path.name)))
        add(f"{file}-folder", _instead(file, Path.mkdir))
        add(f"{file}-gone", _instead(file, lambda _: None))
        add(f"{file}-gigabytes", _instead(file, lambda path: (path.touch(), os.truncate(path, 2**33))))
    for what, content in {"empty": b"", "deep": b"[" * 100_000, "null": b"null", "bytes": bytes(range(256))}.items():
        for file in ("spec.json", "events.jsonl", "control", "label.json"):
            add(f"{file}-{what}", _file(file, content + b"\n"))
    add("a-line-of-64-mib", _appended(b"x" * 2**26))
    add("a-million-steps", _many("step", 1_000_000))
    add("20000-starteds", _many("started", 20_000))
    add("20000-epochs", _many("epoch", 20_000))
    add("report-alone", lambda folder: _keep(folder, Report))
    add("started-alone", lambda folder: _keep(folder, Started))
    return cases


def _transposed(data: bytes) -> bytes:
    from safetensors.torch import load, save

    return save({name: value.T.contiguous() if value.ndim == 2 else value for name, value in load(data).items()})


def _of_nothing(data: bytes) -> bytes:
    from safetensors.torch import load, save

    return save({"nothing": next(iter(load(data).values())).clone()})


def _keep(folder: Path, kind: type) -> None:
    events = [event for event in Run(folder).events() if isinstance(event, kind)]
    (folder / "events.jsonl").write_text("".join(to_line(event) + "\n" for event in events))


def laid_out(home: Path, cases: dict[str, tuple[str, Change]]) -> Iterator[Run]:
    """Write a store with a good run, and each hostile run beside it, one after the other."""
    newest = max(GOLDEN.iterdir())
    shutil.copytree(newest, home, dirs_exist_ok=True)
    for name, (base, change) in cases.items():
        folder = home / f"hostile-{name}"
        shutil.copytree(newest / f"golden-{base}", folder)
        change(folder)
        yield Run(folder)
        shutil.rmtree(folder)


def command(*arguments: str) -> tuple[int | None, str, float, float]:
    """What a command returned and printed, the seconds that it took, and the MiB that it added to this process."""
    before, begun, out = _peak(), time.perf_counter(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = command_line.main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
    taken = time.perf_counter() - begun
    return code, out.getvalue(), taken, _peak() - before


def _seconds_without(run: Path, arguments: tuple[str, ...]) -> float:
    """The seconds that a command takes while a run is not in its store."""
    aside = run.rename(run.parent.with_name("aside"))
    try:
        return command(*arguments)[2]
    finally:
        aside.rename(run)


def _peak() -> float:
    """The most memory that this process has ever had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def hostile_folders(folder: Path, times: int) -> Outcome:
    """List the store and look at the run by every command that reads it, once for each hostile folder."""
    picture = folder / "seven.png"
    _draw_seven(picture)
    home = folder / "store"
    cases = hostile_runs()
    chosen = dict(random.Random(0).sample(sorted(cases.items()), min(times, len(cases))))
    shutil.copytree(max(GOLDEN.iterdir()), home)
    usual = {}
    for arguments in _looks("golden-done", picture):
        command(*arguments)  # what is imported with the first call is not what a bad folder costs
        usual[arguments] = min(command(*arguments)[2] for _ in range(3))
    faults, slowest, most = [], (0.0, ""), 0.0
    for run in laid_out(home, chosen):
        for arguments, (good, usually) in zip(_looks(run.name, picture), usual.items(), strict=True):
            try:
                code, out, seconds, mebibytes = command(*arguments)
            except Exception as error:
                faults.append(f"{run.name}: {arguments[0]}: {error!r}")
                continue
            seconds -= usually
            if seconds > MOST_SECONDS:  # something else may have kept the machine busy, or still does
                again = [(command(*arguments)[2], _seconds_without(run.folder, good)) for _ in range(5)]
                seconds = min(one for one, _ in again) - min(other for _, other in again)
            slowest, most = max(slowest, (seconds, f"{arguments[0]} of {run.name}")), max(most, mebibytes)
            if arguments[0] == "runs":
                found = {facts["run"]: facts for facts in map(json.loads, out.splitlines())}
                others = {facts["status"] for name, facts in found.items() if name != run.name}
                if code or run.name not in found or others != {"done", "interrupted", "stopped", "failed", "queued"}:
                    faults.append(f"{run.name}: not listed as it should be")
            elif "Traceback" in out or (code and len(out.splitlines()) != 1):
                faults.append(f"{run.name}: {arguments[0]}: {out[-200:]}")
    figure = f"tracebacks {len(faults)}; slowest +{1000 * slowest[0]:.0f} ms ({slowest[1]}); memory +{most:.0f} MiB"
    holds = not faults and most <= MOST_MIB and slowest[0] <= MOST_SECONDS
    return Outcome(len(chosen), "; ".join([figure, *faults[:5]]), holds)


def _looks(run: str, picture: Path) -> tuple[tuple[str, ...], ...]:
    """The commands that read a run."""
    return ("runs", "--json"), ("evaluate", run), ("predict", run, str(picture))


PAGES = ("train", "evaluate", "draw", "drawings", "recipes")


def hostile_folders_on_pages(folder: Path, times: int) -> Outcome:
    """Lay all hostile folders into one store, and open every page that reads runs, also by links to single runs."""
    home = folder / "store"
    names = []
    for run in laid_out(home, hostile_runs()):
        kept = home / f"kept-{run.name}"
        if run.name in ("hostile-a-million-steps", "hostile-a-line-of-64-mib"):
            continue  # one of each kind of long log is enough
        run.folder.rename(kept)
        names.append(kept.name)
        run.folder.mkdir()  # which `laid_out` removes
    chosen = random.Random(0).sample(names, min(times, len(names)))
    faults, slowest, looks = [], 0.0, 0
    for page in PAGES:
        for name in ("", *chosen):
            app = _opened(page, **({"run": name} if name else {}))
            begun = time.perf_counter()
            app.run()
            slowest, looks = max(slowest, time.perf_counter() - begun), looks + 1
            faults += [f"{page} of {name}: {one.message[:100]}" for one in app.exception]
    text.missing.clear()  # the text keys of hostile Failures
    figure = f"{len(names)} folders in one store, exceptions {len(faults)}; a page in at most {1000 * slowest:.0f} ms"
    return Outcome(looks, "; ".join([figure, *faults[:5]]), not faults)


def _draw_seven(path: Path) -> None:
    from PIL import Image, ImageDraw

    picture = Image.new("L", (112, 112), 255)
    ImageDraw.Draw(picture).line([(30, 25), (80, 25), (50, 90)], fill=0, width=8)
    picture.save(path)


# --- flipped bits and cuts --------------------------------------------------------------------------------------------


def flipped_bits(folder: Path, times: int) -> Outcome:
    """Flip single bits of a log: each is noticed, or changes no event."""
    del folder
    log = (max(GOLDEN.iterdir()) / "golden-done" / "events.jsonl").read_bytes()
    lines = log.splitlines(keepends=True)
    good = [from_line(line[:-1]) for line in lines]
    chance, silent, read = random.Random(0), 0, 0
    for _ in range(times):
        place = chance.randrange(8 * len(log))
        flipped = bytearray(log)
        flipped[place // 8] ^= 1 << place % 8
        events = [from_line(line) for line in bytes(flipped).splitlines()]
        read += 1
        silent += any(event not in good for event in events if event is not None)
    return Outcome(read, f"read as something else {silent} of {read:,}", silent == 0)


def flipped_bits_of_a_model(folder: Path, times: int) -> Outcome:
    """Flip single bits of a model and cut it anywhere: none is loaded."""
    home = folder / "store"
    shutil.copytree(max(GOLDEN.iterdir()), home)
    run = Run(home / "golden-done")
    report = run.report()
    assert report
    good, chance, loaded = (run.folder / report.model).read_bytes(), random.Random(0), 0
    for number in range(times):
        data = bytearray(good)
        if number % 4:
            place = chance.randrange(8 * len(data))
            data[place // 8] ^= 1 << place % 8
        else:
            del data[chance.randrange(len(data)) :]
        (run.folder / report.model).write_bytes(data)
        with contextlib.suppress(Refusal):
            run.load(report.model, report.model_sha256)
            loaded += 1
    return Outcome(times, f"loaded {loaded} of {times:,}", loaded == 0)


def torn_lines(folder: Path, times: int) -> Outcome:
    """Cut a log at a byte of its last three lines, append an event: every complete line is read, and the new one."""
    home = folder / "store"
    shutil.copytree(max(GOLDEN.iterdir()), home)
    run = Run(home / "golden-interrupted")
    log = (run.folder / "events.jsonl").read_bytes()
    first = len(b"".join(log.splitlines(keepends=True)[:-3]))
    cuts = random.Random(0).sample(range(first, len(log)), min(times, len(log) - first))
    step = Step(epoch=9, step=99, loss=1.5, accuracy=0.5, seconds=0.1, images_per_second=10)
    lost = 0
    for cut in cuts:
        (run.folder / "events.jsonl").write_bytes(log[:cut])
        complete = run.read()[0]
        run.append(step)
        lost += run.read()[0] != [*complete, step] or len(complete) != log[:cut].count(b"\n")
        lost += run.damaged_lines()
    return Outcome(len(cuts), f"lines lost {lost}, exceptions 0", lost == 0)


def power_cuts(folder: Path, times: int) -> Outcome:
    """Die, and lose the power, at every file-system call of a scenario: the store is in its old state or in the new."""
    from tests.test_store import SCENARIOS, describe, with_two_checkpoints

    run = with_two_checkpoints()
    home, out, scenarios = run.folder.parent, folder / "left", SCENARIOS[:times]
    command = [sys.executable, "-m", "tests.crash_points", str(home), str(out), *scenarios]
    through = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    old, points, bad = describe(home, run.name), 0, 0
    for scenario, last in through.items():
        new = describe(out / scenario / str(last) / "crash", run.name)
        for place in (out / scenario / str(k) / cut for k in range(1, last + 1) for cut in ("crash", "power")):
            points += 1
            bad += describe(place, run.name) not in (old, new)
    return Outcome(points, f"bad states {bad} of {points} ({', '.join(scenarios)})", bad == 0)


# --- earlier versions, odd names, many runs ---------------------------------------------------------------------------


def earlier_stores(folder: Path, times: int) -> Outcome:
    """List a store of every earlier format and read each run: it opens, and no byte of it changes."""
    opened = changed = 0
    stores = sorted(GOLDEN.iterdir())[:times]
    for golden in stores:
        home = folder / golden.name
        shutil.copytree(golden, home)
        before = _tree(home)
        facts = [run.facts() for run in store.runs(home)]
        for run in store.runs(home):
            run.events()
        opened += {one["status"] for one in facts} == {"done", "interrupted", "stopped", "failed", "queued"}
        changed += before != _tree(home)
    newer = Run(home / "golden-done")
    stored = json.loads((newer.folder / "spec.json").read_bytes())
    (newer.folder / "spec.json").write_text(json.dumps({**stored, "format": store.FORMAT + 1}))
    told = Run(newer.folder).facts()["status"] == "newer"
    figure = f"opened {opened} of {len(stores)}, changed by opening {changed}, a newer format told: {told}"
    return Outcome(len(stores), figure, opened == len(stores) and not changed and told)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ODD_NAMES = (
    *("..", ".", "", "/", "/etc", "../up", "a/../../b", "a\\b", "C:", "C:\\x", "con", "nul.txt", "a\0b", "a\nb"),
    *("~", "~root", "%2e%2e", "..%2f", "name ", " name", "ü", "😀", "a" * 300, "-rf", "_drawings", ".gone-x"),
    *("<script>alert(1)</script>", "a:b", "a|b", "$(id)", "`id`", "file:///etc", "\\\\host\\share"),
)


def odd_names(folder: Path, times: int) -> Outcome:
    """Ask for runs by names that lead elsewhere, and have run and file names that do: nothing outside is reached."""
    home = folder / "store"
    shutil.copytree(max(GOLDEN.iterdir()), home)
    (home / "a-link").symlink_to(home / "golden-done")
    outside = folder / "outside.safetensors"
    shutil.copy(home / "golden-done" / store.MODEL, outside)
    run = Run(home / "golden-done")
    report = run.report()
    assert report
    reached = 0
    names = [*ODD_NAMES, "a-link"][:times]
    for name in names:
        with contextlib.suppress(Refusal, ValueError):
            store.find(name, home)
            reached += 1
        with contextlib.suppress(Refusal, ValueError):
            run.load(f"../../{outside.name}" if name == ".." else name, report.model_sha256)
            reached += 1
    return Outcome(2 * len(names), f"reached outside the store {reached}", reached == 0)


def many_runs(folder: Path, times: int) -> Outcome:
    """List a store of this many finished runs, by the command line in this process; times are of the processor."""
    home = _filled(folder, times)
    command("runs", "--json")  # imports
    begun = time.process_time()
    found = [run.facts() for run in store.runs(home)]
    facts = time.process_time() - begun
    seconds = []
    for _ in range(5):  # the quickest: other processes share caches with this one
        begun = time.process_time()
        command("runs", "--json")
        seconds.append(time.process_time() - begun)
    whole = min(seconds)
    assert len(found) == times
    assert all(one["status"] == "done" for one in found)
    figure = f"facts of all {1000 * facts:,.0f} ms; `runs --json` {1000 * whole:,.0f} ms"
    return Outcome(times, figure, whole <= 0.2 * max(1, times / 1_000))


def many_runs_on_pages(folder: Path, times: int) -> Outcome:
    """Open each page that lists runs: the first time in this process (cold), and then again (warm)."""
    _filled(folder, times)
    figures, slowest = [], 0.0
    for page in PAGES:
        app = _opened("check" if page == "train" else "train")  # imports
        seconds = []
        for _ in range(4):
            begun = time.perf_counter()
            app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
            seconds.append(time.perf_counter() - begun)
            assert not app.exception
        warm = statistics.median(seconds[1:])
        figures.append(f"{page} {1000 * seconds[0]:,.0f} / {1000 * warm:,.0f}")
        slowest = max(slowest, warm)
    return Outcome(times, f"cold / warm, ms: {', '.join(figures)}", slowest <= 0.2 * max(1, times / 1_000))


def _filled(folder: Path, times: int) -> Path:
    home = folder / "store"
    shutil.copytree(max(GOLDEN.iterdir()) / "golden-done", home / "golden-done")
    for number in range(times - 1):
        other = home / f"20261128-{number:06d}-tiny-custom-{number % 65536:04x}"
        other.mkdir()
        for name in ("spec.json", "events.jsonl"):
            shutil.copy(home / "golden-done" / name, other / name)
    return home


def _opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "ui" / "frame.py"), default_timeout=60)
    for name, value in {"lang": "en", **query}.items():
        app.query_params[name] = value
    app.run()
    return app if page == "train" else app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()


FAULTS = (
    Fault("F3", "a crash and a power cut at every file-system call of a scenario", "bad states 0", power_cuts, 1, 6),
    Fault("F4", "a log cut at a byte of its last three lines", "lines lost 0, exceptions 0", torn_lines, 40, 2_000),
    Fault("F14", "a log with one flipped bit", "read as something else 0", flipped_bits, 500, 20_000),
    Fault("F14", "a model with one flipped bit, or cut", "loaded 0", flipped_bits_of_a_model, 40, 4_000),
    Fault("F16", "names that lead out of the store", "reached outside 0", odd_names, 100, 100),
    Fault("F19", "a store of an earlier format, and of a newer one", "all open, 0 bytes change", earlier_stores, 9, 9),
    Fault(
        "F20",
        "a run folder that a stranger wrote, by every command that reads it",
        f"tracebacks and hangs 0, all others listed, <= +{1000 * MOST_SECONDS:.0f} ms and +{MOST_MIB} MiB",
        hostile_folders,
        60,
        1_000,
    ),
    Fault("F20", "the same on the pages", "exceptions 0", hostile_folders_on_pages, 2, 1_000),
    Fault("F25", "1,000 runs in the store, listed", "`runs` <= 200 ms of processor", many_runs, 200, 1_000),
    Fault("F25", "10,000 runs in the store, listed", "`runs` <= 2,000 ms of processor", many_runs, 0, 10_000),
    Fault("F25", "1,000 runs in the store, on the pages", "warm <= 200 ms", many_runs_on_pages, 0, 1_000),
    Fault("F25", "10,000 runs in the store, on the pages", "warm <= 2,000 ms", many_runs_on_pages, 0, 10_000),
)
