"""What the benchmarks share: writing into RESULTS.md, describing the machine, loading a core."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from core import settings

RESULTS = Path(__file__).with_name("RESULTS.md")


def update(name: str, section: str) -> None:
    """Replace the section of RESULTS.md between the two markers of `name`; the rest stays."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = RESULTS.read_text(encoding="utf-8").partition(begin)
    assert found, f"RESULTS.md has no marker {begin}"
    RESULTS.write_text(f"{before}{begin}\n\n{section}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def say(name: str, parts: Sequence[str], write: bool, between: str = "\n") -> None:
    """Print a section of these lines, or parts with something else `between`; if `write`, write it into RESULTS.md."""
    section = between.join(parts)
    print(section, flush=True)
    if write:
        update(name, section)


def machine(*more: str) -> str:
    """The date, the machine, the versions (followed by `more`) and the load average, as text."""
    packages = [f"{name} {version(name)}" for name in ("torch", "streamlit")]
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {settings.processor()}, {settings.cores()} cores, {memory:.1f} GiB, "
        f"{platform.system()}; {', '.join([f'Python {platform.python_version()}', *packages, *more])}. "
        f"Load average of the five minutes before: {os.getloadavg()[1]:.2f}."
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The text `median (least to most)`."""
    median, least, most = (f"{of(values):,.{digits}f}" for of in (statistics.median, min, max))
    return f"{median} ({least} to {most})"


def ratio(above: Sequence[float], below: Sequence[float], digits: int = 2) -> str:
    """The ratio of the medians (least to most of the rounds' ratios), as text; "" if one of them was not measured."""
    of_rounds = [a / b for a, b in zip(above, below, strict=False)]
    if not of_rounds:
        return ""
    median = statistics.median(above) / statistics.median(below)
    return f"{median:.{digits}f} ({min(of_rounds):.{digits}f} to {max(of_rounds):.{digits}f})"


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Keep a core busy with another process."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def tell(what: str) -> None:
    """Print the progress to standard error, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)
