"""The formats to which a run can be exported, each checked against the run's own model before it is offered.

To add a format, write a module here with a function that writes a run to a path, and add a line to `EXPORTS`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from core.datasets import MNIST_5K, dataset
from core.exports import archive, card, html, model, onnx, report, script, tensorboard
from core.files import put
from core.images.splits import resized
from core.models.model import Model, open_model
from core.refusal import Refusal, writing
from core.store import Run
from core.words import FALLBACK

MOST_CHECKED = 256  # images on which an export is compared with the run's own model


@dataclass(frozen=True)
class Export:
    """A format: what writes it, and what reads it back for the check."""

    # (run, path, language), and `other` if it compares: to a new file or, if `suffix` is "", into a new folder.
    write: Callable[..., None]
    suffix: str = ""  # of the file, such as `.html`; "" for a folder, of which a page offers a zip
    mime: str = "application/zip"
    # Probabilities float32 (N, K) for images uint8 (N, C, H, W), by what was written; None if it holds no network.
    # (B, N, K) if it is asked in B ways, each of which has to agree.
    answers: Callable[[Path, np.ndarray], np.ndarray] | None = None
    most: float = 1e-4  # the largest difference of a probability that is accepted
    compares: bool = False  # whether it can compare the run with another one
    packages: Mapping[str, str] = field(default_factory=dict)  # what not everybody has: name for import, name for pip


def _for_all(write: Callable[[Run, Path], None]) -> Callable[[Run, Path, str], None]:
    """What writes the same for readers of every language."""
    return lambda run, path, _: write(run, path)


_html_half = _for_all(partial(html.write, half=True))
EXPORTS: dict[str, Export] = {
    "html": Export(_for_all(html.write), ".html", "text/html", html.answers, html.MOST_APART),
    "html-half": Export(_html_half, ".html", "text/html", html.answers, html.MOST_APART_HALF),
    "script": Export(script.write_script, answers=script.script_answers),
    "notebook": Export(script.write_notebook, answers=script.notebook_answers),
    "model": Export(_for_all(model.write), answers=model.answers),
    "onnx": Export(
        onnx.write, ".onnx", "application/octet-stream", onnx.answers, onnx.MOST_APART, packages=onnx.PACKAGES
    ),
    "report": Export(report.write, ".html", "text/html", packages={"vl_convert": "vl-convert-python"}, compares=True),
    "card": Export(_for_all(card.write), ".md", "text/markdown"),
    "run": Export(_for_all(archive.write), ".zip", answers=archive.answers, most=0.0),
    "tensorboard": Export(_for_all(tensorboard.write)),
}
"""The formats by name."""


@dataclass(frozen=True)
class Check:
    """How an export compares with the run's own model."""

    difference: float  # the largest one of a probability
    n: int  # images
    data: str  # the data set of which they are test images


@dataclass(frozen=True)
class Packed:
    """An export as one file, for a download."""

    content: bytes
    file: str  # its name
    mime: str
    check: Check | None


def export(run: Run, name: str, path: Path, language: str = FALLBACK, other: Run | None = None) -> Check | None:
    """Write the export `name` of a run to `path`, once it has been checked; returns None if it holds no network.

    `other`: a run with which it compares this one. Raises: Refusal, if there is something at `path`, if a package is
    missing, if a run is damaged or not done, if the two cannot be compared, if the export differs from the run's model
    by more than its format may, or if it cannot be written.
    """
    if other and not EXPORTS[name].compares:
        raise Refusal("error.export_compares", name=name)
    if absent := missing(name):
        raise absent
    if path.exists():
        raise _taken(name, path)
    with writing(path.parent, "error.output_unwritable"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bancada-", dir=path.parent) as aside:
            made = Path(aside) / path.name
            EXPORTS[name].write(run, made, language, *([other] if other else []))
            check = _checked(run, name, made)
            try:
                if made.is_dir():
                    made.rename(path)  # over an empty folder at most
                else:
                    put(made, path)
            except OSError as error:
                raise (_taken(name, path) if path.exists() else error) from error  # meanwhile
    return check


def missing(name: str) -> Refusal | None:
    """What to install before the export `name` can be made, if a package that it needs is not here."""
    absent = [package for module, package in EXPORTS[name].packages.items() if not find_spec(module)]
    return Refusal("error.export_packages", packages=" ".join(absent)) if absent else None


def _taken(name: str, path: Path) -> Refusal:
    if EXPORTS[name].suffix:
        return Refusal("error.file_taken", file=str(path))
    return Refusal("error.folder_taken", folder=str(path))


def packed(run: Run, name: str, language: str = FALLBACK, other: Run | None = None) -> Packed:
    """The export `name` of a run as one file: a folder, named after the run, as a zip. Raises: Refusal, as `export`."""
    one = EXPORTS[name]
    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside) / f"{run.name}{one.suffix}"
        check = export(run, name, path, language, other)
        if not one.suffix:
            path = Path(shutil.make_archive(f"{aside}/export", "zip", aside, run.name))
        return Packed(path.read_bytes(), file_name(run, name), one.mime, check)


def file_name(run: Run, name: str) -> str:
    """The name of the file that an export is saved in: another for each format, since several are HTML or zip."""
    suffix = EXPORTS[name].suffix or ".zip"
    return f"{run.name}{suffix}" if suffix == f".{name}" else f"{run.name}-{name}{suffix}"


def _checked(run: Run, name: str, path: Path) -> Check | None:
    """The comparison of what was written with the run's own model. Raises: Refusal, if they differ too much."""
    one = EXPORTS[name]
    if not one.answers:
        return None
    model = open_model(run)
    images, data = _images(run, model)
    apart = np.abs(one.answers(path, images) - model.probabilities(images))
    difference = float(apart.max()) if np.isfinite(apart).all() else float("inf")
    if difference > one.most:
        raise Refusal("error.export_differs", run=run.name, difference=difference, most=one.most, n=len(images))
    return Check(difference, len(images), data)


def _images(run: Run, model: Model) -> tuple[np.ndarray, str]:
    """Images uint8 (N, C, H, W) for the check, and the name of the data set of which they are test images.

    They are the run's own; if those are not on this machine and it reads digits, the ones that come with the app.
    Raises: Refusal.
    """
    data = run.spec.data
    if model.digits and model.shape[0] == 1 and dataset(data).state()[0] != "ready":
        data = MNIST_5K.name
    test = dataset(data).load().test.images
    some = test[np.linspace(0, len(test) - 1, min(MOST_CHECKED, len(test))).round().astype(int)]
    return resized(some, model.shape[1]), data
