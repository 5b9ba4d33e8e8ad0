"""Measures the page Runs over many runs: `python benchmarks/runs.py [--count N] [--update]`.

Trains one small run on `mnist-5k`, copies it until the store has 1,000, and opens the page in the pages' own runner,
without a browser: first in a fresh process (cold), then again and again (warm). Takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script gets its own folder there, not the repository's

from benchmarks.results import machine, say, spread, tell  # noqa: E402

COLD, WARM = 5, 20  # repetitions
TRAINING = ("-m", "core", "train", "--architecture", "mlp", "--epochs", "5", "--json")
# What a fresh process does: opens another page, then Runs, and Runs again; prints the seconds of each.
VISIT = """
import json, sys, time
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("ui/frame.py", default_timeout=60)
app.query_params["lang"] = "en"
app.switch_page("../pages/check.py").run()
seconds = []
for place in range(1 + int(sys.argv[1])):
    begun = time.perf_counter()
    (app if place else app.switch_page("../pages/runs.py")).run()
    seconds.append(time.perf_counter() - begun)
assert not app.exception
assert len(app.dataframe[0].value) == 100
print(json.dumps(seconds))
"""


def main() -> None:
    """Measure, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure the page Runs over many runs.")
    parser.add_argument("--count", type=int, default=1_000, help="runs in the store")
    parser.add_argument("--update", action="store_true", help="write the section into RESULTS.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {f"BANCADA_{name}": f"{folder}/{name.lower()}" for name in ("STORE", "CACHE")}
        fill(Path(folder) / "store", options.count, environment)
        tell("the page")
        visits = [json.loads(_python("-W", "ignore", "-c", VISIT, str(WARM), env=environment)) for _ in range(COLD)]
        tell("the command")
        listed = []
        for _ in range(COLD):
            begun = time.perf_counter()
            _python("-m", "core", "runs", "--json", "--sort", "accuracy", env=environment)
            listed.append(time.perf_counter() - begun)
    rows = (
        ("*Runs*, the first time in a server's life", COLD, [visit[0] for visit in visits]),
        ("*Runs*, again", COLD * WARM, [seconds for visit in visits for seconds in visit[1:]]),
        ("`python -m core runs --json --sort accuracy`, with its start", COLD, listed),
    )
    lines = [f"| {what} | {n} | {spread([1_000 * one for one in seconds], 0)} |" for what, n, seconds in rows]
    heads = ["| what | n | ms: median (least to most) |", "|---|---:|---:|"]
    say("runs.py", [machine(), "", f"{options.count:,} runs of five epochs each.", "", *heads, *lines], options.update)


def fill(store: Path, count: int, environment: dict[str, str]) -> None:
    """Train a run and copy it under other names until the store has so many."""
    tell("one run is trained")
    _python(*TRAINING, env=environment)
    (first,) = (folder for folder in store.iterdir() if not folder.name.startswith("."))
    tell("it is copied")
    for place in range(1, count):
        shutil.copytree(first, store / f"{first.name[:-4]}{place:04x}", dirs_exist_ok=True)


def _python(*arguments: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
