"""Where the benchmarks write, and what they say of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from core import settings

RESULTS = Path(__file__).with_name("RESULTS.md")


def update(name: str, section: str) -> None:
    """Write a section of RESULTS.md between its two markers; what stands outside them stays."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = RESULTS.read_text(encoding="utf-8").partition(begin)
    assert found, f"RESULTS.md has no marker {begin}"
    RESULTS.write_text(f"{before}{begin}\n\n{section}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def machine(*more: str) -> str:
    """The day, the machine, its load, the versions, and whatever else is named."""
    packages = [f"{name} {version(name)}" for name in ("torch", "streamlit")]
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {settings.processor()}, {settings.cores()} cores, {memory:.1f} GiB, "
        f"{platform.system()}; {', '.join([f'Python {platform.python_version()}', *packages, *more])}. "
        f"Load average of the five minutes before: {os.getloadavg()[1]:.2f}."
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median (least to most)."""
    median, least, most = (f"{of(values):,.{digits}f}" for of in (statistics.median, min, max))
    return f"{median} ({least} to {most})"


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Another process that keeps a core busy."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()
