"""The real data: in the folders that BANCADA_DATA named when the tests started, else in `../shared/data`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser import ROOT

NAMED = [Path(part).resolve() for part in os.environ.get("BANCADA_DATA", "").split(os.pathsep) if part]
FOLDERS = [*NAMED, ROOT.parent / "shared" / "data"]
REAL_DATA = os.pathsep.join(map(str, FOLDERS))  # a test gives BANCADA_DATA this value


def real(name: str) -> Path:
    """The path of this file or folder; if it does not exist, the path in `../shared/data` where it would be."""
    return next((folder / name for folder in FOLDERS if (folder / name).exists()), FOLDERS[-1] / name)


def needs(name: str) -> pytest.MarkDecorator:
    """A mark that skips a test if this file or folder does not exist."""
    return pytest.mark.skipif(not real(name).exists(), reason=f"no {name} in BANCADA_DATA, nor in ../shared/data")


with_mnist = needs("MNIST/raw")
