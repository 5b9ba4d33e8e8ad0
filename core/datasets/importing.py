"""Import of what people have: looks at files of many kinds, says what becomes of them, writes an .npz of our layout.

The work is done in a process of its own, `python -m core.datasets.importing`, whose memory and time are bounded and
which can be ended: hostile files cost no more than the import. `Importer` starts it. It reads lines of JSON from its
standard input, first the sources, then what is asked of it, and answers with lines of JSON. It ends when its standard
input closes.
"""

from __future__ import annotations

import _thread
import base64
import contextlib
import json
import math
import queue
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from core import settings
from core.datasets import DATASETS, datasets, npz
from core.datasets.record import writable
from core.datasets.sources import KNOWN, Source, Tell, Wishes, look
from core.events import MOST_CLASSES
from core.files import written_aside
from core.refusal import Refusal, writing

MOST_GIBIBYTES = 5  # of memory of the process beyond its start; only on Linux
MOST_SECONDS = 3600  # of the process's processor time
SILENCE = 120.0  # seconds without a word after which the process is given up
TEST_SHARE = 0.2  # of each class, if nobody has set test images aside
SAMPLED_CLASSES, SAMPLES = 20, 6  # pictures shown of a class, and classes of which some are shown
UPLOADS = "uploads"  # folder in the cache
FACTS = ("rows", "names", "counts", "shape", "can_be_digits", "colour", "choices")
BAD_IN_NAMES = frozenset('/\\:*?"<>|')  # in the name of a file on any system


@dataclass(frozen=True)
class Found:
    """What was found, and what becomes of it with the given wishes."""

    rows: list[tuple[str, list[tuple[str, dict[str, Any]]], list[tuple[str, dict[str, Any]]]]]
    """What the row is about, what was found and what becomes of it, the last two as text keys with their slots."""
    names: tuple[str, ...]  # of the classes
    counts: dict[str, list[int]]  # images of each class in train, val and test
    shape: tuple[int, int, int]  # (C, H, W) that the images will have
    can_be_digits: bool  # the classes are 0 to 9 and the images can be grey and square
    colour: bool  # the images have colours
    choices: dict[str, bool]  # wishes that these files allow beside the others, and what is proposed
    samples: np.ndarray  # uint8 (n, C, H, W)
    sample_classes: tuple[int, ...]  # (n,)


def good_name(name: str) -> str:
    """The name of a new data set, cleaned of the spaces around it.

    Raises: Refusal, if no file may have it or a data set has it.
    """
    name = name.strip()
    bad = not name or len(name) > npz.LONGEST_STEM or not name.isprintable() or name[0] in ".-" or name[-1] in ". "
    if bad or BAD_IN_NAMES & set(name):
        raise Refusal("import.bad_name", name=name[:100], most=npz.LONGEST_STEM)
    taken = {one.casefold() for one in datasets()}
    files = {Path(file).stem.casefold() for one in DATASETS.values() for file in one.files if file.endswith(".npz")}
    if name.casefold() in taken | files:
        raise Refusal("import.taken", name=name)
    return name


def brought(written: str) -> Path:
    """The path as it is written, or what has this name in a data folder. Raises: Refusal, if there is neither."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # no name of a file, no such user, a closed folder
        for path in (Path(written).expanduser(), *(folder / written for folder in settings.data_folders())):
            if written and path.exists():
                return path
    raise Refusal("import.gone", path=written[:200])


def free_name(path: str) -> str:
    """A name for the data set made from a file or folder of this name: its stem, with a number if that is taken."""
    plain = "".join(letter if letter.isprintable() and letter not in BAD_IN_NAMES else "-" for letter in stem(path))
    plain = plain.strip(" .-")[: npz.LONGEST_STEM - 4] or "own"
    for number in range(1, 1000):
        with contextlib.suppress(Refusal):
            return good_name(plain if number == 1 else f"{plain}-{number}")
    return plain


def stem(path: str) -> str:
    """The name of a file without the endings that tell its kind."""
    name = Path(path).name
    for ending in (".gz", *KNOWN):
        if name.lower().endswith(ending) and not ending.endswith("ubyte"):
            name = name[: -len(ending)]
    return name


def importable() -> list[Path]:
    """What lies directly in the data folders and could be imported: folders, and files of known kinds.

    Data sets that can be used are left out, and what belongs to a built-in one.
    """
    ours = {file.partition("/")[0] for one in DATASETS.values() for file in one.files} | {"MNIST", "FashionMNIST"}
    own = [one for one in datasets().values() if one.read_labels and not one.unfit]
    ready = {name for one in own for name in (one.files[0], one.name)}  # what has its name has been imported
    found = []
    for folder in settings.data_folders():
        with contextlib.suppress(OSError):
            for path in sorted(folder.iterdir()):
                name = path.name
                if {name, stem(name)} & (ours | ready) or name.startswith((".", "_")) or npz.NO_LINE.search(name):
                    continue
                kinds = tuple(set(KNOWN) - {"ubyte"})  # an IDX file is nothing without the other one
                if path.is_dir() or (path.is_file() and name.lower().removesuffix(".gz").endswith(kinds)):
                    found.append(path)
    return found


class Importer:
    """A process that looks at some files, shows what becomes of them, and writes the data set when it is asked to.

    What has been told so far can be read at any time; `close` ends the process, and so does forgetting this object.
    """

    def __init__(self, sources: Sequence[tuple[str, Path]], folder: Path | None = None):
        """Start looking at named files and folders; `folder` is deleted at the end. Raises: Refusal."""
        self.progress: tuple[str, int, int] = ("", 0, 0)  # what is being read, how much is done, how much there is
        self.begun = time.monotonic()
        self._refusal: Refusal | None = None
        self._found: Found | None = None
        self._written: dict[str, Any] | None = None
        self._busy = True
        self._heard = time.monotonic()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "core.datasets.importing"],
                cwd=settings.ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise Refusal("error.unexpected", reason=str(error)) from error
        self._end = weakref.finalize(self, _end, self._process, folder)
        self._ask({"sources": [[name, str(path.absolute())] for name, path in sources]})
        self._reader = threading.Thread(target=_hear, args=(weakref.ref(self), self._process), daemon=True)
        self._reader.start()

    def show(self, wishes: Wishes) -> None:
        """Ask what would become of the files with other wishes."""
        self._ask(asdict(wishes))

    def write(self, wishes: Wishes, name: str) -> None:
        """Ask for the data set to be written under this name. Raises: Refusal, if it cannot have the name."""
        self._ask(asdict(wishes) | {"name": good_name(name)})

    def found(self) -> Found | None:
        """What becomes of the files by the latest answer; None as long as there is none. Raises: Refusal."""
        if self._refusal:
            raise self._refusal
        return self._found

    @property
    def last(self) -> Found | None:
        """What `found` said before a refusal."""
        return self._found

    def written(self) -> dict[str, Any] | None:
        """`name`, and `left_out`, text keys with slots, of the data set that was written; None as long as none is."""
        if self._refusal:
            raise self._refusal
        return self._written

    def is_busy(self) -> bool:
        """Whether an answer is outstanding; a process that has said nothing for long is given up."""
        if self._busy and time.monotonic() - self._heard > SILENCE:
            self._refusal = Refusal("import.stuck", file=self.progress[0])
            self._busy = False
            self._end()
        return self._busy

    def wait(self, most: float = np.inf) -> None:
        """Wait until nothing is outstanding, but no longer than so many seconds."""
        end = time.monotonic() + most
        while self.is_busy() and time.monotonic() < end:
            time.sleep(0.02)

    def close(self) -> None:
        """End the process; what it has not finished writing is gone."""
        self._busy = False
        self._end()
        self._reader.join(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> None:
        self._refusal, self._written, self._busy = None, None, True
        self._heard = self.begun = time.monotonic()
        self.progress = ("", 0, 0)
        assert self._process.stdin
        with contextlib.suppress(OSError, ValueError):  # it has ended, which `_hear` tells
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        if self._process.poll() is not None:
            self._refusal, self._busy = Refusal("import.died", file=""), False

    def _told(self, answer: dict[str, Any] | None) -> None:
        """Note an answer of the process, or that it has ended."""
        self._heard = time.monotonic()
        if answer is None:
            if self._busy:
                self._refusal, self._busy = Refusal("import.died", file=self.progress[0]), False
        elif "progress" in answer:
            self.progress = tuple(answer["progress"])
        elif "refusal" in answer:
            self._refusal, self._busy = Refusal(answer["refusal"], **answer["slots"]), False
        elif "written" in answer:
            self._written, self._busy = answer["written"], False
        else:
            self._found, self._busy = _from_json(answer["found"]), False


def _hear(importer: weakref.ref[Importer], process: subprocess.Popen[bytes]) -> None:
    """Hand an importer, as long as there is one, what its process answers."""
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            if not (one := importer()):
                return
            one._told(json.loads(line) if line.endswith(b"\n") else None)
            del one
    if one := importer():
        one._told(None)


def _end(process: subprocess.Popen[bytes], folder: Path | None) -> None:
    """End a process and delete its folder: it hears of it by its standard input, or is killed when it does not."""
    with contextlib.suppress(OSError, ValueError):
        assert process.stdin
        process.stdin.close()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


# --- in the process ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer the requests on standard input, see the head of this file."""
    _limit()
    _sweep()
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    source: Source | None = None
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        sources = [(name, Path(path)) for name, path in requests.get()["sources"]]
        request: dict[str, Any] = {}
        while True:
            try:
                source = source or look(sources, _tell)
                name = request.pop("name", None)
                wishes = Wishes(**request)
                if name is None:
                    _say({"found": _to_json(described(source, wishes))})
                else:
                    _say({"written": write(source, wishes, name, _tell, [name for name, _ in sources])})
            except Refusal as refusal:
                _say({"refusal": refusal.key, "slots": refusal.slots})
            except MemoryError:
                _say({"refusal": "import.memory", "slots": {"gibibytes": MOST_GIBIBYTES}})
            request = requests.get()


def _listen(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    _thread.interrupt_main()
    requests.put({})  # if it waits for a request, only that wakes it to hear of the interruption


def _limit() -> None:
    from core.drawing.decoder import bound, memory

    if (start := memory()) is not None:
        bound(start + MOST_GIBIBYTES * 2**30, MOST_SECONDS)


def _sweep() -> None:
    """Delete what imports have left behind that were killed: files half-written, and uploads a day ago."""
    written = [path for folder in settings.data_folders() for path in folder.glob(".*.npz.*.part")]
    uploads = (settings.cache_folder() / UPLOADS).glob("*")
    for path, most in [*((path, MOST_SECONDS) for path in written), *((path, 86400) for path in uploads)]:
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > most:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def _tell(what: str, done: int, total: int) -> None:
    _say({"progress": [what, done, total]})


def _to_json(found: Found) -> dict[str, Any]:
    return {
        **{name: getattr(found, name) for name in FACTS},
        "samples": base64.b64encode(found.samples.tobytes()).decode(),
        "sample_classes": found.sample_classes,
    }


def _from_json(answer: dict[str, Any]) -> Found:
    shape, classes = tuple(answer["shape"]), tuple(answer["sample_classes"])
    samples = np.frombuffer(base64.b64decode(answer["samples"]), np.uint8).reshape(len(classes), *shape)
    lists = {"shape": shape, "names": tuple(answer["names"]), "samples": samples, "sample_classes": classes}
    return Found(**(answer | lists))


def described(source: Source, wishes: Wishes) -> Found:
    """What becomes of the source with these wishes. Raises: Refusal."""
    parts, shape = divided(source, wishes), source.shape(wishes)
    counts = {
        part: np.bincount(source.labels[whose][places], minlength=len(source.names)).tolist()
        for part, (whose, places) in parts.items()
    }
    whose, places = parts["train"]
    labels = source.labels[whose][places]
    shown = [places[labels == k][:SAMPLES] for k in range(min(len(source.names), SAMPLED_CLASSES))]
    chosen = np.concatenate(shown) if shown else np.array([], np.int64)
    images, good = source.images(whose, chosen, wishes, lambda *_: None)
    rows = [*source.rows(wishes), _split_row(source, parts, wishes), *source.left_rows()]
    return Found(
        rows=rows,
        names=source.names,
        counts=counts,
        shape=shape,
        can_be_digits=source.can_be_digits,
        colour=source.colour,
        choices=dict(source.choices),
        samples=images,
        sample_classes=tuple(source.labels[whose][chosen[good]].tolist()),
    )


def divided(source: Source, wishes: Wishes) -> dict[str, tuple[str, np.ndarray]]:
    """The split of the source and the places in it of the images of train, val and test; val only if it has one.

    Test images that nobody has set aside are drawn by the seed: `TEST_SHARE` of each class, at least one of each that
    has two.
    """
    whole = {part: (part, np.arange(len(labels))) for part, labels in source.labels.items()}
    if "train" in whole and "test" in whole:
        return {part: whole[part] for part in npz.PARTS if part in whole}
    name = "train" if "train" in whole else ""
    labels, generator = source.labels[name], np.random.default_rng(wishes.seed)
    test = []
    for label in range(len(source.names)):
        places = np.flatnonzero(labels == label)
        share = max(round(len(places) * TEST_SHARE), int(len(places) > 1))
        test.append(generator.permutation(places)[:share])
    chosen = np.sort(np.concatenate(test))
    if not len(chosen):
        raise Refusal("import.single_images")
    found = {"train": (name, np.setdiff1d(np.arange(len(labels)), chosen))}
    return found | ({"val": whole["val"]} if "val" in whole else {}) | {"test": (name, chosen)}


def _split_row(source: Source, parts: dict[str, tuple[str, np.ndarray]], wishes: Wishes) -> Any:
    found = [
        (f"import.split.{part}" if part else "import.split.none", {"count": len(labels)})
        for part, labels in sorted(source.labels.items(), key=lambda one: ["", *npz.PARTS].index(one[0]))
    ]
    if "test" in source.labels:
        return ("splits", found, [("import.split.kept", {})])
    slots = {"share": TEST_SHARE, "seed": wishes.seed, "count": len(parts["test"][1])}
    return ("splits", found, [("import.split.drawn", slots)])


def _tell_on(tell: Tell, before: int, total: int, file: str, done: int) -> None:
    tell(file, before + done, total)


def write(source: Source, wishes: Wishes, name: str, tell: Tell, files: Sequence[str]) -> dict[str, Any]:
    """Write the data set into the first data folder that can be written; returns what `Importer.written` says.

    Raises: Refusal.
    """
    parts, shape = divided(source, wishes), source.shape(wishes)
    total = sum(len(places) for _, places in parts.values())
    if total * math.prod(shape) > npz.LARGEST:
        raise Refusal("import.large", mebibytes=npz.LARGEST // 2**20)
    folder = next(filter(writable, settings.data_folders()), None)
    if folder is None:
        raise Refusal("data.no_folder", name=name)
    arrays: dict[str, np.ndarray] = {}
    done = 0
    for part, (whose, places) in parts.items():
        images, good = source.images(whose, places, wishes, partial(_tell_on, tell, done, total))
        done += len(places)
        arrays |= {f"{part}_images": images.transpose(0, 2, 3, 1) if shape[0] == 3 else images[:, 0]}
        arrays |= {f"{part}_labels": source.labels[whose][places[good]]}
        if part != "val" and not len(images):
            raise Refusal("import.single_images")
    arrays["class_names"] = np.array(source.names)
    arrays["digits"] = np.array(wishes.digits and source.can_be_digits)
    made = ", ".join(files) + ("" if "test" in source.labels else f" (test: {TEST_SHARE:.0%}, seed {wishes.seed})")
    arrays["source"] = np.array(npz.NO_LINE.sub(" ", made)[: npz.LONGEST_SOURCE])
    tell("", total, total)
    with writing(folder, "error.folder_unwritable"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with written_aside(folder / f"{name}.npz", new=True) as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
        except FileExistsError as error:  # another visitor has written it meanwhile
            raise Refusal("import.taken", name=name) from error
    assert len(source.names) <= MOST_CLASSES
    return {"name": name, "file": str(folder / f"{name}.npz"), "left_out": source.left_rows()}


if __name__ == "__main__":
    main()
