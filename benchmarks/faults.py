"""Injects the faults F1 to F30 many times each: `python benchmarks/faults.py [--update] [--few] [F1 F20 ...]`.

Prints a line for each fault, and writes the table into RESULTS.md with `--update`. All of them take half an hour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script gets its own folder there

from benchmarks.results import machine, update
from tests.faults import downloads, hostile_store, live, models, pictures, places, sessions, worker_faults
from tests.faults.fault import Fault

AREAS = (downloads, hostile_store, live, models, pictures, places, sessions, worker_faults)
FAULTS: tuple[Fault, ...] = tuple(
    sorted((one for area in AREAS for one in area.FAULTS), key=lambda fault: int(fault.number.removeprefix("F")))
)
NOT_INJECTED = (
    "Not injected here: F27 and F28, the loss of a remote worker or scheduler (`tests/test_cluster.py` kills both, and "
    "the section on more than one machine has the times). Not on this machine: a GPU out of memory (F10 raises "
    "the error instead), a network drive that loses its lock (F18 deletes the lock file), the kernel's clock (F21 "
    "changes the program's)."
)
HEAD = ("Fault", "n", "What happened", "Target", "")


def main() -> None:
    """Inject the named faults, or all of them, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", help="such as F1; by default all")
    parser.add_argument("--few", action="store_true", help="as few times as the tests do")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    if options.update and options.faults:
        parser.error("--update writes the whole table: name no faults")
    rows = [HEAD, ("---", "---:", "---", "---", "---")]
    for fault in FAULTS:
        if options.faults and fault.number not in options.faults:
            continue
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            outcome = fault.outcome(Path(folder), fault.few if options.few else fault.many)
        verdict = "reached" if outcome.holds else "**not reached**"
        rows.append((f"{fault.number}: {fault.what}", f"{outcome.n:,}", outcome.figure, fault.target, verdict))
        print(*rows[-1], f"({time.monotonic() - begun:.0f} s)", sep=" | ", flush=True)
        if options.update:  # each time, since all of them take half an hour
            table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
            update("faults.py", f"`python benchmarks/faults.py --update`: {machine()}\n\n{table}\n\n{NOT_INJECTED}")


if __name__ == "__main__":
    main()
