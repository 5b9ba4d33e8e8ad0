"""Export of a finished run as one zip file, and its import into another store.

The zip holds a folder of the run's name: the run's files and `export.json`, which has the sha256 of each and says what
the run is. A file may come from a stranger: its names, sizes and sums are checked before anything joins the store, then
the run is opened as any run is; nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from core.datasets.files import UNREADABLE
from core.exports.facts import facts
from core.measures.answers import stored_answers
from core.models.model import open_model
from core.refusal import Refusal
from core.store import Run, adopted
from core.words import FALLBACK

LIST = "export.json"
MOST_LIST = 1 << 16  # bytes
MOST_UNPACKED = 1 << 30  # bytes, all files together
BLOCK = 1 << 20  # bytes
WHEN = (1980, 1, 1, 0, 0, 0)  # of each file: the same run gives the same zip
FileName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Contents(BaseModel):
    """What `export.json` says."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    run: Annotated[str, Field(max_length=151)]
    files: Annotated[dict[FileName, Sum], Field(min_length=3, max_length=8)]  # sha256 by name
    facts: Annotated[dict[str, str], Field(max_length=40)]  # in English


def write(run: Run, path: Path) -> None:
    """Write the run into a new zip file. Raises: Refusal, if it is damaged or not done."""
    files = run.portable()
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    contents = Contents(run=run.name, files=sums, facts=facts(run, FALLBACK))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {LIST: contents.model_dump_json(indent=1).encode(), **files}.items():
            member = zipfile.ZipInfo(f"{run.name}/{name}", WHEN)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)


def answers(path: Path, images: np.ndarray) -> np.ndarray:
    """The probabilities float32 (N, K) that the run in a zip gives images uint8 (N, C, H, W), once it is imported."""
    with tempfile.TemporaryDirectory() as store:
        return open_model(take_in(path, Path(store))).probabilities(images)


def take_in(file: Path | BinaryIO, store: Path | None = None) -> Run:
    """Import the run in a zip file into the store, which it joins only if all of it is as it should be.

    Raises: Refusal, if the file is no such zip, if something in it is damaged, too large or out of place, or if there
    is a run of that name.
    """
    name = file.name if isinstance(file, Path) else "zip"
    try:
        with zipfile.ZipFile(file) as archive:
            contents, members = _contents(archive)
            with adopted(contents.run, store) as run:
                for one, member in members.items():
                    _unpack(archive, member, run.folder / one, contents.files[one])
                _check(run, set(members))
    except Refusal:
        raise
    except UNREADABLE as error:
        raise Refusal("error.no_run_file", file=name) from error
    return Run(run.folder.parent.parent / run.name)


def _contents(archive: zipfile.ZipFile) -> tuple[Contents, dict[str, zipfile.ZipInfo]]:
    """What the zip says of itself, and its files by name. Raises: ValueError, if one is missing or out of place."""
    members = archive.infolist()
    if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in members):
        raise ValueError("packed in a way of which zipfile does not bound the memory")
    (listed,) = [one for one in members if one.filename.endswith(f"/{LIST}")]
    if listed.file_size > MOST_LIST:
        raise ValueError("too long a list")
    with archive.open(listed) as file:  # `archive.read` would unpack all that is there, whatever size is stated
        contents = Contents.model_validate_json(file.read(MOST_LIST))
    found = {one.filename.removeprefix(f"{contents.run}/"): one for one in members if one is not listed}
    if (
        listed.filename != f"{contents.run}/{LIST}"
        or len(found) != len(members) - 1
        or set(found) != set(contents.files)
    ):
        raise ValueError("other files than those listed")
    if sum(one.file_size for one in members) > MOST_UNPACKED:
        raise ValueError("too large")
    return contents, found


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, sha256: str) -> None:
    """Write a file of the zip, of which no more is read than it says. Raises: ValueError, if it has another sum."""
    done = hashlib.sha256()
    with archive.open(member) as source, path.open("xb") as target:
        while block := source.read(BLOCK):
            done.update(block)
            target.write(block)
    if done.hexdigest() != sha256:
        raise ValueError("not what was written")


def _check(run: Run, names: set[str]) -> None:
    """Open all of an imported run, as it is opened later. Raises: Refusal; ValueError, for a file that is not its."""
    if set(run.portable()) != names:
        raise ValueError("files that are not the run's")
    stored_answers(run)
    stored_answers(run, "val")
    open_model(run)
