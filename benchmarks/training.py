"""Measures the speed of training: `python benchmarks/training.py [--update] [--quick] [--only NETWORK]`.

Times one epoch of four networks on real MNIST with this engine and with the usual alternatives, which get the same
layers, batch size, optimizer, learning rate and images. The contestants take turns, each time in a fresh process with
its own default threads that first trains a few steps. Where fewer than 60,000 images are timed, the seconds are scaled
to 60,000, except those for starting an epoch. What a library does once before its first epoch is not counted.
Everything runs on the CPU and at normal priority; the app's workers run at a lower one. Then it measures the limits
that no engine can go below, an epoch beside a busy process, two runs at once, the cost of logging and saving, and the
time to the first Step.

`BANCADA_KERAS` names a Python that has Keras and TensorFlow; without it a virtual environment is made in the cache
folder. Takes about twelve minutes on two cores; its progress goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script gets its own folder there, not the repository's

from benchmarks.results import busy, machine, spread, update  # noqa: E402
from core import settings, store  # noqa: E402
from core.datasets import Split, Splits, dataset  # noqa: E402
from core.events import Event  # noqa: E402
from core.refusal import Refusal  # noqa: E402
from core.spec import RunSpec, checked  # noqa: E402
from core.workers import Workers  # noqa: E402

EPOCH = 60_000  # images to which all seconds are scaled
FEW = 12_800  # images for slow contestants
WARM = 20  # steps before the clock starts
FIXED = 60  # timed steps on a batch that never changes
SIDE = 2048  # rows and columns of the matrices whose product measures the machine's speed

Figures = dict[str, list[dict[str, Any]]]  # contestant -> the figures that it printed, round by round


@dataclass(frozen=True)
class Network:
    """A network that every contestant trains, its training settings, and the number of MNIST's images."""

    words: str
    architecture: str
    batch: int
    optimizer: str
    rate: float
    images: int = EPOCH
    channels: int = 1  # MNIST's one channel, repeated


NETWORKS = {
    "mlp": Network("784-128-10, batch 256, Adam 0.001", "mlp", 256, "adam", 1e-3),
    "lenet": Network("LeNet, batch 64, SGD 0.01", "lenet", 64, "sgd", 1e-2),
    "cnn": Network("convolutions 32 and 64 of 3 x 3, dense 64, batch 128, Adam 0.001", "cnn", 128, "adam", 1e-3, FEW),
    "wide": Network(
        "64 filters of 9 x 9 on 3 channels, batch 32, SGD 0.01", "cnn-wide-kernel", 32, "sgd", 1e-2, FEW, 3
    ),
}
AT_ONCE = ("lenet", "cnn")  # the networks for the measurement of two runs at once

ENGINE, FLOAT32, BUSY = "this engine", "this engine, float32", "this engine, one core busy"
MEMORY, LOADER, LOADER_BUSY = "PyTorch, tensors", "PyTorch, DataLoader", "PyTorch, DataLoader, one core busy"


@dataclass(frozen=True)
class Contestant:
    """A row of the tables: the command of its process, its number of images, and the load meanwhile."""

    name: str
    command: tuple[str, ...]
    images: int
    busy: bool = False  # whether another process keeps a core busy
    runs: int = 1  # BANCADA_RUNS


def main() -> None:
    """Measure, print, and write with `--update`; with `--contestant`, run as one of the contestants."""
    parser = argparse.ArgumentParser(description="Measure how quick training is.")
    parser.add_argument("--update", action="store_true", help="write the section into RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="6,400 images, two rounds: to see whether it works")
    parser.add_argument("--only", choices=NETWORKS, help="this network alone, and nothing of the app")
    parser.add_argument("--contestant", nargs=3, metavar=("NAME", "NETWORK", "IMAGES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        name, network, images = options.contestant
        print(json.dumps(CONTESTANTS[name](network, int(images))))
        return
    if options.update and options.only:
        parser.error("--update writes all networks: leave --only away")
    try:
        dataset("mnist").load()  # first in this process, so that no contestant has to fill the cache
    except Refusal:
        parser.exit(1, "There is no MNIST in the data folder: download it with the app, or set BANCADA_DATA.\n")

    rounds = 2 if options.quick else 5
    networks = {name: NETWORKS[name] for name in ([options.only] if options.only else NETWORKS)}
    if options.quick:
        networks = {name: replace(network, images=6_400) for name, network in networks.items()}
    keras, keras_words = keras_python()
    where = machine(*(f"{name} {version(name)}" for name in ("torchvision", "scikit-learn")), keras_words)

    figures = {name: measure(contestants(name, one, keras), rounds, name) for name, one in networks.items()}
    parts = [where, elsewhere(figures)]
    parts += [*(network_table(name, networks[name], figures[name]) for name in networks)]
    parts += [limits_table(networks, figures), load_table(figures)]
    at_once = [name for name in AT_ONCE if name in networks]
    if at_once:
        parts.append(at_once_table({name: two_at_once(name, networks[name], rounds) for name in at_once}))
    if not options.only:
        # Epochs vary by more than logging costs, so it takes more of them to measure that cost.
        parts += [telling_table(telling(3 * rounds)), start_table(*starts(rounds))]
    section = "\n\n".join(parts)
    print(section)
    if options.update:
        update("training.py", section)


# --- the contestants, each in a process of its own --------------------------------------------------------------------


def engine(name: str, images: int, precision: str = "auto") -> dict[str, Any]:
    """Time this engine as a worker uses it: an epoch of `train`, and `update` on a batch that never changes."""
    settings.wait_passively()
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads()))
    import torch

    from core.training.train import Data, State, train, update

    network, device = NETWORKS[name], torch.device("cpu")
    spec = run_spec(network, precision)

    def new(split: Split) -> tuple[Data, State]:
        val = Split(split.images[:64], split.labels[:64])  # every epoch ends with an evaluation of it
        return Data.of(Splits(split, val, val), device), State.new(spec, split, 10, device, settings.threads())

    for _ in train(spec, *new(mnist(network, WARM * network.batch))):
        pass
    data, state = new(mnist(network, images))
    go()
    begun = time.perf_counter()
    for _ in train(spec, data, state):
        pass
    seconds = scaled(time.perf_counter() - begun, images)
    places = torch.arange(network.batch)
    fixed = repeated(lambda: update(spec, data, state, places, network.rate), network)
    return {"seconds": seconds, "fixed": fixed, "precision": state.engine.precision}


def engine_float32(name: str, images: int) -> dict[str, Any]:
    """Time this engine without bfloat16."""
    return engine(name, images, "float32")


def loader(name: str, images: int, workers: int = 0) -> dict[str, Any]:
    """Time PyTorch as in its tutorials: torchvision's MNIST, ToTensor and a DataLoader."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    network = NETWORKS[name]
    # Expanding MNIST's one channel to three costs microseconds, less than reading an image with three channels.
    transform = [transforms.ToTensor()] + [transforms.Lambda(three_channels)] * (network.channels == 3)
    data = datasets.MNIST(mnist_folder(), train=True, transform=transforms.Compose(transform))
    data.data, data.targets = data.data[:images], data.targets[:images]
    batches = DataLoader(data, batch_size=network.batch, shuffle=True, num_workers=workers)
    model = by_hand(name)
    optimizer = new_optimizer(network, model)
    plain_epoch(model, optimizer, itertools.islice(batches, WARM))
    go()
    clock = time.perf_counter()
    iterator = iter(batches)  # starts the workers ...
    begun = time.perf_counter()
    plain_epoch(model, optimizer, itertools.islice(iterator, len(batches)))
    ended = time.perf_counter()
    next(iterator, None)  # ... and this ends them; both happen once an epoch, whatever its number of images
    around = begun - clock + time.perf_counter() - ended
    return {"seconds": around + scaled(ended - begun, images)}


def loader_2(name: str, images: int) -> dict[str, Any]:
    """Time the DataLoader with two worker processes."""
    return loader(name, images, workers=2)


def memory(name: str, images: int) -> dict[str, Any]:
    """Time PyTorch on tensors in memory; then the limits: a batch that never changes, a product of two matrices."""
    import torch

    network = NETWORKS[name]
    split = mnist(network, images)
    pixels, labels = torch.tensor(split.images).float() / 255, torch.tensor(split.labels)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for places in torch.randperm(len(labels)).split(network.batch):
            yield pixels[places], labels[places]

    model = by_hand(name)
    optimizer = new_optimizer(network, model)
    plain_epoch(model, optimizer, itertools.islice(batches(), WARM))
    go()
    begun = time.perf_counter()
    plain_epoch(model, optimizer, batches())
    figures = {"seconds": scaled(time.perf_counter() - begun, images)}
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    for kind in kinds if torch.cpu.get_capabilities().get("avx512_bf16") else ("float32",):
        figures[f"fixed {kind}"] = fixed_batch(name, pixels[: network.batch], labels[: network.batch], kinds[kind])
        figures[f"product {kind}"] = product(kinds[kind])
    return figures


def scikit_learn(name: str, images: int) -> dict[str, Any]:
    """Time scikit-learn's MLPClassifier: half the difference of three epochs and one, which leaves out its checks."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)  # training stops early on purpose
    network = NETWORKS[name]
    split = mnist(network, images)
    pixels = split.images.reshape(images, -1).astype(np.float32) / 255
    values: dict[str, Any] = {"batch_size": network.batch, "learning_rate_init": network.rate}

    def fit(epochs: int, count: int = images) -> float:
        model = MLPClassifier((128,), solver="adam", alpha=0, max_iter=epochs, **values)
        begun = time.perf_counter()
        model.fit(pixels[:count], split.labels[:count])
        return time.perf_counter() - begun

    fit(1, WARM * network.batch)
    go()
    return {"seconds": scaled((fit(3) - fit(1)) / 2, images)}


# Runs in Keras's own Python, which lacks the packages that `core` imports.
KERAS = """
import json, os, sys, time
os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
from pathlib import Path
import keras, numpy as np
from keras.layers import AveragePooling2D, Conv2D, Dense, Flatten, MaxPooling2D

name, folder, images, batch, channels, optimizer, rate, warm, whole = json.loads(sys.argv[1])
raw = {28: np.fromfile(Path(folder, "MNIST/raw/train-images-idx3-ubyte"), np.uint8)[16:],
       1: np.fromfile(Path(folder, "MNIST/raw/train-labels-idx1-ubyte"), np.uint8)[8:]}
x = np.repeat(raw[28].reshape(-1, 28, 28, 1)[:images], channels, axis=-1).astype("float32") / 255
y = raw[1][:images].astype("int64")
layers = {
    "mlp": [Flatten(), Dense(128, "relu"), Dense(10)],
    "lenet": [Conv2D(6, 5, padding="same", activation="relu"), AveragePooling2D(2),
              Conv2D(16, 5, activation="relu"), AveragePooling2D(2),
              Flatten(), Dense(120, "relu"), Dense(84, "relu"), Dense(10)],
    "cnn": [Conv2D(32, 3, activation="relu"), MaxPooling2D(2), Conv2D(64, 3, activation="relu"), MaxPooling2D(2),
            Flatten(), Dense(64, "relu"), Dense(10)],
    "wide": [Conv2D(64, 9, padding="same", activation="relu"), MaxPooling2D(2), Flatten(), Dense(10)],
}[name]
model = keras.Sequential([keras.Input(x.shape[1:]), *layers])
optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[optimizer](rate)
model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x[: warm * batch], y[: warm * batch], batch_size=batch, epochs=1, verbose=0)
print("ready", flush=True)
input()
begun = []
begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(time.perf_counter()))
model.fit(x, y, batch_size=batch, epochs=2, verbose=0, callbacks=[begin])
print(json.dumps({"seconds": (time.perf_counter() - begun[1]) * whole / images}))  # the second: without fit's start
"""


def telling_and_saving(name: str, rounds: int) -> dict[str, Any]:
    """Time an epoch without any logging, and the same epoch as `work` does it, alternately, in one process.

    Both are timed from the transfer of the data to the device to the epoch's end; in `work` that is from its `Started`
    until it checks, after the `Epoch`, whether to go on. In between, `work` emits and writes Steps, reads `control`
    before every step, computes the histograms of the network, writes a checkpoint through to the disk, and deletes the
    older ones.
    """
    settings.wait_passively()
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads()))
    import torch

    import core.training.train
    from core.images.splits import choose
    from core.training.train import Data, State, train
    from core.work import work

    spec, device = run_spec(NETWORKS[name]), torch.device("cpu")
    splits = choose(spec, dataset(spec.data).load())
    usual = core.training.train.STEPS_PER_TELLING, core.training.train.SECONDS_PER_TELLING

    def silent(steps: int | None = None) -> float:
        state = State.new(spec, splits.train, 10, device, settings.threads())
        core.training.train.STEPS_PER_TELLING = core.training.train.SECONDS_PER_TELLING = sys.maxsize
        begun = time.perf_counter()
        for _ in itertools.islice(train(spec, Data.of(splits, device), state), steps):
            pass
        ended = time.perf_counter()
        core.training.train.STEPS_PER_TELLING, core.training.train.SECONDS_PER_TELLING = usual
        return ended - begun

    def told(folder: Path) -> float:
        moments: dict[str, float] = {}

        def leaving() -> bool:
            if "epoch" in moments:
                moments["end"] = time.perf_counter()
            return "end" in moments

        def tell(event: Event) -> None:
            moments.setdefault(event.event, time.perf_counter())

        work(str(folder), leaving, tell)
        return moments["end"] - moments["started"]

    go()
    silent(steps=WARM)
    pairs = []
    with tempfile.TemporaryDirectory(prefix="bancada-") as folder:
        for number in range(rounds):
            run, pair = store.create(spec, Path(folder)), {}
            for way in ("silent", "told")[:: 1 - 2 * (number % 2)]:  # each of the two goes first in every other round
                pair[way] = silent() if way == "silent" else told(run.folder)
            pairs.append((pair["silent"], pair["told"]))
    return {"pairs": pairs}


CONTESTANTS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "engine": engine,
    "engine-float32": engine_float32,
    "loader": loader,
    "loader-2": loader_2,
    "memory": memory,
    "scikit-learn": scikit_learn,
    "telling": telling_and_saving,
}


def go() -> None:
    """Report that this process is ready, and wait for its turn."""
    print("ready", flush=True)
    sys.stdin.readline()


def scaled(seconds: float, images: int) -> float:
    """The seconds for 60,000 images at the pace of `images` in `seconds`."""
    return seconds * EPOCH / images


def mnist(network: Network, images: int) -> Split:
    """The first images of MNIST (which are not sorted), with the channels that the network takes."""
    train = dataset("mnist").load().train
    return Split(np.repeat(train.images[:images], network.channels, axis=1), train.labels[:images])


def mnist_folder() -> Path:
    """The data folder that has MNIST's files."""
    files = dataset("mnist").files
    return next(folder for folder in settings.data_folders() if all((folder / file).is_file() for file in files))


def run_spec(network: Network, precision: str = "auto") -> RunSpec:
    """The spec that trains the network for one epoch."""
    values = {"data": "mnist", "architecture": network.architecture, "optimizer": network.optimizer}
    more = {"learning_rate": network.rate, "batch_size": network.batch, "epochs": 1, "precision": precision}
    return checked({**values, **more})


def by_hand(name: str) -> Any:
    """The network as a user of PyTorch would write it."""
    from torch.nn import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential

    return {
        "mlp": lambda: Sequential(Flatten(), Linear(784, 128), ReLU(), Linear(128, 10)),
        "lenet": lambda: Sequential(
            *(Conv2d(1, 6, 5, padding=2), ReLU(), AvgPool2d(2), Conv2d(6, 16, 5), ReLU(), AvgPool2d(2)),
            *(Flatten(), Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10)),
        ),
        "cnn": lambda: Sequential(
            *(Conv2d(1, 32, 3), ReLU(), MaxPool2d(2), Conv2d(32, 64, 3), ReLU(), MaxPool2d(2)),
            *(Flatten(), Linear(1600, 64), ReLU(), Linear(64, 10)),
        ),
        "wide": lambda: Sequential(
            Conv2d(3, 64, 9, padding=4), ReLU(), MaxPool2d(2), Flatten(), Linear(64 * 14 * 14, 10)
        ),
    }[name]()


def new_optimizer(network: Network, model: Any, fused: bool | None = None) -> Any:
    """The network's optimizer, in PyTorch's default implementation or fused."""
    from torch import optim

    kind = {"adam": optim.Adam, "sgd": optim.SGD}[network.optimizer]
    return kind(model.parameters(), lr=network.rate, fused=fused)


def plain_epoch(model: Any, optimizer: Any, batches: Iterable[Any]) -> float:
    """Train an epoch with the usual PyTorch loop; returns the sum of the batches' losses."""
    from torch import nn

    criterion, total = nn.CrossEntropyLoss(), 0.0
    model.train()
    for images, labels in batches:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


def three_channels(image: Any) -> Any:
    """An image (1, H, W) as (3, H, W)."""
    return image.expand(3, -1, -1)


def fixed_batch(name: str, images: Any, labels: Any, kind: Any) -> float:
    """Seconds for 60,000 images in PyTorch if all batches were this one: without choosing data or counting results."""
    import torch
    from torch.nn import functional

    model = by_hand(name)
    if name != "mlp":
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = new_optimizer(NETWORKS[name], model, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
            logits = model(images)
        functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return repeated(step, NETWORKS[name])


def repeated(step: Callable[[], object], network: Network) -> float:
    """Seconds for 60,000 images, from `FIXED` timed steps after `WARM` others."""
    for _ in range(WARM):
        step()
    begun = time.perf_counter()
    for _ in range(FIXED):
        step()
    return scaled(time.perf_counter() - begun, FIXED * network.batch)


def product(kind: Any) -> float:
    """Floating-point operations a second in the quickest of several products of two matrices, on all cores."""
    import torch

    a, b, seconds = torch.randn(SIDE, SIDE).to(kind), torch.randn(SIDE, SIDE).to(kind), []
    for _ in range(6):
        begun = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - begun)
    return 2 * SIDE**3 / min(seconds)


# --- running the contestants ------------------------------------------------------------------------------------------


def contestants(name: str, network: Network, keras: str | None) -> list[Contestant]:
    """The contestants for a network, in the order of a round."""
    images, few = network.images, min(FEW, network.images)
    rows = [
        own(ENGINE, "engine", name, images),
        own(LOADER, "loader", name, few),
        own(f"{LOADER}, 2 workers", "loader-2", name, few),
        own(MEMORY, "memory", name, images),
        replace(own(BUSY, "engine", name, images), busy=True),
    ]
    if resolved(network) != "float32":
        rows.append(own(FLOAT32, "engine-float32", name, images))
    if name == "mlp":
        rows.append(own("scikit-learn, MLPClassifier", "scikit-learn", name, images))
    if keras:
        values = [name, str(mnist_folder()), images, network.batch, network.channels]
        values += [network.optimizer, network.rate, WARM, EPOCH]
        rows.append(Contestant("Keras on TensorFlow", (keras, "-c", KERAS, json.dumps(values)), images))
    if name in ("mlp", "lenet"):
        rows.append(replace(own(LOADER_BUSY, "loader", name, few // 2), busy=True))
    return rows


def own(row: str, contestant: str, name: str, images: int) -> Contestant:
    """A contestant that is a function of this file, see `CONTESTANTS`."""
    return Contestant(row, (sys.executable, __file__, "--contestant", contestant, name, str(images)), images)


def resolved(network: Network) -> str:
    """The precision that this engine chooses for the network by default."""
    import torch

    from core.training.engine import precision

    return precision(run_spec(network), rows_of(network), torch.device("cpu"))


def rows_of(network: Network) -> list[Any]:
    """The network's table of layers."""
    return run_spec(network).table((network.channels, 28, 28), 10)


def measure(rows: Sequence[Contestant], rounds: int, what: str) -> Figures:
    """The figures of each contestant, measured in turn, round by round."""
    figures: Figures = {row.name: [] for row in rows}
    at_once = max(2, settings.cores())  # processes that warm up at the same time; they are timed one by one
    for number, place in itertools.product(range(rounds), range(0, len(rows), at_once)):
        some = rows[place : place + at_once]
        with ready(some) as processes:
            elsewhere = psutil.cpu_percent(interval=0.25) / 100
            for row, process in zip(some, processes, strict=True):
                with busy() if row.busy else contextlib.nullcontext():
                    figures[row.name].append({**timed(process)[0], "elsewhere": elsewhere, "images": row.images})
                tell(f"{what}, round {number + 1}: {row.name}: {figures[row.name][-1]['seconds']:.2f} s")
    return figures


@contextlib.contextmanager
def ready(rows: Sequence[Contestant]) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes of the rows, all warm and waiting for their turn; they are killed at the end."""
    processes = []
    try:
        for row in rows:
            kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "MKL_"))}
            kept |= {"BANCADA_RUNS": str(row.runs), "BANCADA_THREADS": "", "BANCADA_DEVICE": "cpu"}
            processes.append(
                subprocess.Popen(
                    row.command, cwd=ROOT, env=kept, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            )
        for row, process in zip(rows, processes, strict=True):
            assert process.stdout
            if process.stdout.readline() != "ready\n":
                raise RuntimeError(f"{row.name} does not start")
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def timed(*processes: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Start the timing of waiting processes, all at the same time, and return the figures that they print."""
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    return [json.loads(process.communicate()[0]) for process in processes]


def keras_python() -> tuple[str | None, str]:
    """A Python that has Keras on TensorFlow, installed if there is none, and its versions; or None, and the reason."""
    named, folder = os.environ.get("BANCADA_KERAS"), settings.cache_folder() / "keras"
    python = named or str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    versions = "import keras, tensorflow as t; print(f'keras {keras.__version__}, tensorflow {t.__version__}')"
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        if not named and not folder.exists():
            tell(f"Keras and TensorFlow are installed into {folder}")
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "keras", "tensorflow-cpu"], check=True)
        found = subprocess.run([python, "-c", versions], env=environment, check=True, stdout=subprocess.PIPE, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if not named:
            shutil.rmtree(folder, ignore_errors=True)  # an incomplete environment would be used next time
        return None, f"Keras on TensorFlow skipped: {error}"
    return python, found.stdout.strip()


def two_at_once(name: str, network: Network, rounds: int) -> list[tuple[float, float]]:
    """Images a second of one run alone and of two at once, by round; every run has the threads of one of two."""
    images, pairs = min(FEW, network.images), []
    one = replace(own(ENGINE, "engine", name, images), runs=2)
    for number in range(rounds):
        with ready([one] * 3) as processes:
            alone = timed(processes[0])[0]["seconds"]
            both = max(result["seconds"] for result in timed(*processes[1:]))
        pairs.append((EPOCH / alone, 2 * EPOCH / both))
        tell(f"{name}, round {number + 1}: one {pairs[-1][0]:.0f}, two {pairs[-1][1]:.0f} images/s")
    return pairs


def telling(rounds: int) -> list[tuple[float, float]]:
    """Seconds of LeNet's epochs without and with logging, in pairs, measured in a process of their own."""
    tell("telling and saving")
    with ready([own("telling", "telling", "lenet", rounds)]) as processes:
        return timed(*processes)[0]["pairs"]


def starts(rounds: int) -> tuple[dict[str, list[float]], list[int]]:
    """Seconds from the queue to the first Step in the log, by whether a worker waits; and its memory, bytes."""
    waits: dict[str, list[float]] = {"a worker waiting": [], "none yet": []}
    memories = []
    spec = run_spec(NETWORKS["lenet"])
    with tempfile.TemporaryDirectory(prefix="bancada-") as folder:
        for number, name in itertools.product(range(rounds), waits):
            workers, run = Workers(at_once=1, spare_after=0 if name == "a worker waiting" else 60), None
            try:
                if name == "a worker waiting":
                    memories.append(settled().memory_info().rss)
                run = store.create(spec, Path(folder))
                begun = time.perf_counter()
                workers.submit(run)
                wait_for_step(run)
                waits[name].append(time.perf_counter() - begun)
                tell(f"start, {name}, round {number + 1}: {waits[name][-1]:.2f} s")
            finally:
                if run:
                    run.ask("stop")
                workers.close()
    return waits, memories


def settled() -> psutil.Process:
    """The worker process, once it has been idle for a second: all is imported and it waits for a run."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for process in psutil.Process().children():
            if "core.work" in process.cmdline():
                before = sum(process.cpu_times()[:2])
                time.sleep(1)
                if before > 0.5 and sum(process.cpu_times()[:2]) - before < 0.02:
                    return process
        time.sleep(0.1)
    raise TimeoutError("no worker comes to rest")


def wait_for_step(run: store.Run) -> None:
    """Wait until the run's log holds its first Step."""
    end, log = time.monotonic() + 60, run.folder / "events.jsonl"
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if b'"event":"step"' in log.read_bytes():
                return
        time.sleep(0.005)
    raise TimeoutError("the run tells no Step")


# --- tables -----------------------------------------------------------------------------------------------------------


def elsewhere(figures: dict[str, Figures]) -> str:
    """A sentence: the share of the cores that others used; if it is high, spinning threads wait for each other."""
    shares = [100 * row["elsewhere"] for one in figures.values() for rows in one.values() for row in rows]
    return f"Other programs took {spread(shares, 0)} % of the cores just before the timings."


def network_table(name: str, network: Network, figures: Figures) -> str:
    """A Markdown table with a row for each contestant."""
    precision = figures[ENGINE][0]["precision"]
    rows = [f"### {name}: {network.words}", ""]
    rows += [
        "| contestant | images timed | seconds per epoch (60,000 images) | images/s | this engine is ... x as quick |"
    ]
    rows += ["|---|---:|---:|---:|---:|"]
    for row in (row for row in figures if row not in (BUSY, LOADER_BUSY)):  # those belong to another table
        values = seconds(figures, row)
        label = f"**{row}** ({precision})" if row == ENGINE else row
        quick = "" if row == ENGINE else ratio(values, seconds(figures, ENGINE))
        images = f"{figures[row][0]['images']:,}"
        rows.append(f"| {label} | {images} | {spread(values)} | {EPOCH / statistics.median(values):,.0f} | {quick} |")
    return "\n".join(rows)


def limits_table(networks: dict[str, Network], figures: dict[str, Figures]) -> str:
    """A table with a row for each network: its epoch beside the limits without data handling and of bare operations."""
    products = {
        kind: max(row.get(f"product {kind}", 0) for one in figures.values() for row in one[MEMORY])
        for kind in ("float32", "bfloat16")
    }
    rows = ["### Limits: seconds per 60,000 images", ""]
    rows += [
        "No data handling: forward, backward and the optimizer's step on a batch that never changes, in PyTorch "
        "(channels-last, fused optimizer) and with this engine's own `update`; the smallest median is the limit. "
        f"Operations: those of the network at the speed of the product of two matrices {SIDE} x {SIDE} on all cores, "
        f"best of all: {products['float32'] / 1e9:.0f} GFLOP/s in float32, "
        f"{products['bfloat16'] / 1e9:.0f} in bfloat16 (0: not measured here).",
        "",
    ]
    rows += ["| network | this engine | PyTorch, float32 | PyTorch, bfloat16 | `update` | epoch / smallest |"]
    rows[-1] += " operations, float32 | operations, bfloat16 | epoch / operations in its precision |"
    rows += ["|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for name, network in networks.items():
        memories, engines = figures[name][MEMORY], figures[name][ENGINE]
        precision, values = engines[0]["precision"], seconds(figures[name], ENGINE)
        fixed = [[row[f"fixed {kind}"] for row in memories if f"fixed {kind}" in row] for kind in products]
        fixed.append([row["fixed"] for row in engines])
        limit = min((one for one in fixed if one), key=statistics.median)
        bare = {kind: EPOCH * operations(network) / speed for kind, speed in products.items() if speed}
        cells = [f"{name} ({precision})", spread(values), *(spread(one) if one else "" for one in fixed)]
        cells += [ratio(values, limit), *(f"{bare[kind]:.2f}" if kind in bare else "" for kind in products)]
        rows.append(f"| {' | '.join(cells)} | {statistics.median(values) / bare[precision]:.2f} |")
    return "\n".join(rows)


def operations(network: Network) -> int:
    """Floating-point operations of a training step, for one image: forward, and the gradients of weights and inputs.

    The gradient of the images is not needed, so the first layer that has weights counts twice, not three times.
    """
    macs = [row.macs for row in rows_of(network) if row.macs]
    return 2 * (3 * sum(macs) - macs[0])


def load_table(figures: dict[str, Figures]) -> str:
    """A table with rows for each network: idle, and beside a process that keeps a core busy."""
    rows = ["### Under load: seconds per epoch (60,000 images)", ""]
    rows += ["| network | contestant | idle | one core busy elsewhere | busy / idle | engine is ... x as quick, busy |"]
    rows += ["|---|---|---:|---:|---:|---:|"]
    for name, one in figures.items():
        for idle, loaded in ((ENGINE, BUSY), (LOADER, LOADER_BUSY)):
            if loaded in one:
                quiet, loud = seconds(one, idle), seconds(one, loaded)
                quick = "" if idle == ENGINE else ratio(loud, seconds(one, BUSY))
                rows.append(f"| {name} | {idle} | {spread(quiet)} | {spread(loud)} | {ratio(loud, quiet)} | {quick} |")
    return "\n".join(rows)


def at_once_table(pairs: dict[str, list[tuple[float, float]]]) -> str:
    """A table of two runs at once, with a row for each network."""
    rows = ["### Two runs at once (`BANCADA_RUNS=2`): images/s", ""]
    rows += ["| network | one of them alone | both together | together / alone |", "|---|---:|---:|---:|"]
    for name, some in pairs.items():
        alone, both = ([pair[place] for pair in some] for place in (0, 1))
        rows.append(f"| {name} | {spread(alone, 0)} | {spread(both, 0)} | {ratio(both, alone)} |")
    return "\n".join(rows)


def telling_table(pairs: list[tuple[float, float]]) -> str:
    """A table with one row: an epoch without and with logging."""
    silent, told = ([pair[place] for pair in pairs] for place in (0, 1))
    rows = ["### Telling: seconds of one LeNet epoch (54,000 images, and 6,000 of val)", ""]
    rows += ["| nothing told | as a worker does: Steps, `control`, histograms, checkpoint | told / silent | n |"]
    rows += ["|---:|---:|---:|---:|"]
    rows += [f"| {spread(silent)} | {spread(told)} | {ratio(told, silent, 3)} | {len(pairs)} |"]
    return "\n".join(rows)


def start_table(waits: dict[str, list[float]], memories: list[int]) -> str:
    """A table with a row for each kind of start, and the memory of the waiting worker."""
    rows = ["### Start: seconds from the queue to the first Step in the log, LeNet on MNIST", ""]
    rows += ["| worker | seconds | n |", "|---|---:|---:|"]
    rows += [f"| {name} | {spread(values)} | {len(values)} |" for name, values in waits.items()]
    resident = spread([memory / 2**20 for memory in memories], 0)
    return "\n".join([*rows, "", f"Resident memory of the worker that waits: {resident} MiB."])


def seconds(figures: Figures, name: str) -> list[float]:
    """A contestant's seconds, round by round."""
    return [row["seconds"] for row in figures[name]]


def ratio(above: Sequence[float], below: Sequence[float], digits: int = 2) -> str:
    """The ratio of the medians (least to most of the rounds' ratios), as text."""
    of_rounds = [a / b for a, b in zip(above, below, strict=True)]
    median = statistics.median(above) / statistics.median(below)
    return f"{median:.{digits}f} ({min(of_rounds):.{digits}f} to {max(of_rounds):.{digits}f})"


def tell(what: str) -> None:
    """Print the progress to standard error, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
