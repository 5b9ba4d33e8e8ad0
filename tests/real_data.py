"""The real data: in the folders that BANCADA_DATA named when the tests began, else in `../shared/data`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser import ROOT

NAMED = [Path(part).resolve() for part in os.environ.get("BANCADA_DATA", "").split(os.pathsep) if part]
FOLDERS = [*NAMED, ROOT.parent / "shared" / "data"]
REAL_DATA = os.pathsep.join(map(str, FOLDERS))  # a test gives BANCADA_DATA this value


def real(name: str) -> Path:
    """Where this file or folder lies, or would lie, were it here."""
    return next((folder / name for folder in FOLDERS if (folder / name).exists()), FOLDERS[-1] / name)


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test where this file or folder is not here."""
    return pytest.mark.skipif(not real(name).exists(), reason=f"no {name} in BANCADA_DATA, nor in ../shared/data")


with_mnist = needs("MNIST/raw")
