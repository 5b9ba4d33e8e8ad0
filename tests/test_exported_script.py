"""A run as plain PyTorch: run in a process of its own, without this program, it gives the run's accuracy."""

import ast
import hashlib
import itertools
import json
import math
import os
import pickle
import runpy
import statistics
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import stdtrit

from core import store
from core.exports import export
from core.exports.script import LOADED, NOTEBOOK, SCRIPT, code_of
from core.measures.repeats import SEEDS
from core.networks.layers import KINDS, build, parse, table
from core.recipes.results import ready_spec, stored
from core.refusal import Refusal
from core.spec import checked
from core.words import languages, text
from core.work import work
from tests.real_data import REAL_DATA, real, with_mnist
from tests.test_exports import EVERY_LAYER

ALLOWED = {
    *("functools", "gzip", "hashlib", "math", "medmnist", "mlxtend", "numpy", "pathlib", "safetensors.torch", "sys"),
    *("torch", "torch.nn", "torchvision", "types"),
}


def done(**fields):
    run = store.create(checked(fields))
    assert work(str(run.folder)) == "done"
    return run


def printed(run, name, folder, data, language="en"):
    """What the export prints, run in a process of its own: the accuracies by their text key, and all of it."""
    export(run, name, folder, language)
    file = folder / SCRIPT
    if name == "notebook":
        notebook = json.loads((folder / NOTEBOOK).read_text(encoding="utf-8"))
        file = folder / "cells.py"
        file.write_text(code_of(notebook, runs=True), encoding="utf-8")
        for path in data.glob("*.npz"):
            (folder / path.name).hardlink_to(path)
    imports = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.stmt)]
    modules = {one.module for one in imports if isinstance(one, ast.ImportFrom)}
    modules |= {name.name for one in imports if isinstance(one, ast.Import) for name in one.names}
    assert modules <= ALLOWED
    command = [sys.executable, "-I", "-X", "utf8", "-W", "error", str(file), str(data)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BANCADA")}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    return accuracies(ended.stdout, language), ended.stdout


def accuracies(out, language="en"):
    """The accuracies that a script has printed, by their text key."""
    said = {key: text(language, f"export.code.{key}") for key in ("retrained", "stored", "reported", "difference")}
    found = {
        key: float(line.removeprefix(words))
        for key, words in said.items()
        for line in out.splitlines()
        if line.startswith(words)
    }
    assert found.keys() == said.keys()
    return found


def assert_it_repeats(run, found, out, language="en", most=None):
    """The rebuilt network has the run's accuracy to the last digit; the one trained anew lies in its interval."""
    report = run.report()
    assert found["stored"] == found["reported"] == report.accuracy
    assert found["difference"] == 0
    low, high = report.accuracy_interval
    assert low <= found["retrained"] <= high
    assert text(language, "export.code.within") in out
    if most is not None:
        assert abs(found["retrained"] - report.accuracy) <= most


@pytest.mark.parametrize(("language", "name"), [*zip(languages(), itertools.cycle(["script", "notebook"]))])
def test_a_lenet_is_trained_anew_and_rebuilt_on_the_data_that_come_with_the_app(
    home, tmp_path, tiny_data, name, language
):
    run = done(architecture="lenet", epochs=2, batch_size=128, learning_rate=0.003, seed=3)
    found, out = printed(run, name, tmp_path / "out", tiny_data, language)
    # Same weights, same batches: only rounding differs, and it changes few of 1,000 answers.
    assert_it_repeats(run, found, out, language, most=0.01)
    assert found["retrained"] > 0.8
    for one in run.class_names(language):
        assert one in out


@with_mnist
def test_a_repeated_recipe_states_the_spread_over_its_seeds_and_is_trained_anew_within_it(
    home, tmp_path, shared_cache, monkeypatch
):
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    monkeypatch.setenv("BANCADA_CACHE", str(shared_cache))
    run = done(**ready_spec("000-a", "honest", [], seed=0).model_dump())
    measured = [one.accuracy for one in stored() if (one.recipe, one.variant) == ("000-a", "honest")]
    mean, spread, count = statistics.mean(measured), statistics.stdev(measured), len(measured)
    assert count >= SEEDS
    figures = f"{count}", f"{100 * mean:.2f}%", f"{100 * spread:.2f}"
    for language in languages():
        export(run, "notebook", tmp_path / language, language)
        head, *_ = json.loads((tmp_path / language / NOTEBOOK).read_text(encoding="utf-8"))["cells"]
        (line,) = (one for one in head["source"] if "000-a" in one)
        said = [one.replace(".", text(language, "number.decimal")) for one in figures]
        assert all(f" {one} " in line for one in said), line
    found, out = printed(run, "script", tmp_path / "out", real("MNIST/raw").parents[1])
    assert_it_repeats(run, found, out)
    (line,) = (one for one in out.splitlines() if "000-a" in one)
    assert all(f" {one} " in line for one in figures), line
    # The 95 % interval for one more seed.
    assert abs(found["retrained"] - mean) <= stdtrit(count - 1, 0.975) * spread * math.sqrt(1 + 1 / count)


SPECS = {
    "every layer": {"layers": ", ".join(EVERY_LAYER), "image_size": 20, "normalisation": "standard", "split": "test"},
    "keras": {
        "layers": "conv(4, 3), batch_norm, global_avg_pool, dense(classes)",
        **{"defaults": "keras", "split": "first_last", "val_fraction": 0.2, "normalisation": "half", "epochs": 3},
    },
    "sgd": {"architecture": "mlp", "optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01, "schedule": "one_cycle"},
    "adamw": {"architecture": "mlp", "optimizer": "adamw", "schedule": "cosine", "best_by": "val_loss", "epochs": 4},
    "augmented": {
        **{"architecture": "mlp", "split": "official", "rotation": 5, "shift": 1, "zoom": 0.1, "flip": 0.5},
        **{"elastic": 1, "stroke_width": 0.5, "best_by": "last"},
    },
}
EXACT = ("keras", "sgd", "adamw")  # without dropout and augmentation, of which the script draws others


@pytest.mark.parametrize("name", SPECS)
def test_what_a_spec_asks_for_is_written_out(home, tmp_path, tiny_data, name):
    run = done(**{"data": "tiny", "epochs": 2, "batch_size": 16, "seed": 5} | SPECS[name])
    language = "pt_BR" if name == "augmented" else "en"
    found, out = printed(run, "script", tmp_path / "out", tiny_data, language)
    report = run.report()
    assert report
    assert found["stored"] == report.accuracy
    assert found["difference"] == 0
    if name in EXACT:
        assert_it_repeats(run, found, out, most=0.04)  # one of 30 images
        losses = [event.train_loss for event in run.events() if event.event == "epoch"]
        lines = [line for line in out.splitlines() if line.startswith("Epoch")]
        assert [float(line.split("loss ")[1].split()[0]) for line in lines] == pytest.approx(losses, abs=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layers_line_makes_the_layers_modules(kind):
    from torch import nn

    from core.networks.modules import dense_block

    layers = [
        *("conv(4, 4, padding=same, activation=gelu)", "max_pool(2)", "avg_pool(2)", "activation(none)", "batch_norm"),
        *("dense_block(2, growth=3, bottleneck=5)", "conv(3, 3, stride=2, padding=1)", "dropout(0.2)"),
    ]
    ends = [["flatten", "batch_norm", "dense(8, activation=tanh)"], ["global_avg_pool"]]
    seen = set()
    for end in ends:
        whole = parse(", ".join([*layers, *end, "dense(classes)"]))
        rows = table(whole, (1, 28, 28), 4)
        seen |= {row.layer.kind for row in rows}
        parts = ", ".join(row.layer.code(row.shape_before) for row in rows)
        made = eval(f"nn.Sequential({parts})", {"nn": nn, "dense_block": dense_block})  # noqa: S307  (our own line)
        own = build(whole, (1, 28, 28), 4)
        stored = own.state_dict().values()
        made.load_state_dict(dict(zip(made.state_dict(), stored, strict=True)))
        images = torch.rand(3, 1, 28, 28)
        assert torch.equal(made.eval()(images), own.eval()(images))
    assert kind in seen


def test_a_notebook_has_what_a_reader_of_notebooks_needs(home, tmp_path):
    run = done(data="tiny", split="official", architecture="mlp", epochs=1)
    export(run, "notebook", tmp_path / "out", "pt_BR")
    notebook = json.loads((tmp_path / "out" / NOTEBOOK).read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        assert cell.keys() == wanted | ({"execution_count", "outputs"} if cell["cell_type"] == "code" else set())
    headings = [cell["source"][0] for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    assert headings[-1] == f"## {text('pt_BR', 'export.code.rebuilt')}"
    assert "rebuilt" in "".join(notebook["cells"][-1]["source"])


def test_words_from_outside_stay_data_in_the_code(home, tmp_path, tiny_data):
    name = '"""${x}{0}\\\'#tiny'
    arrays = dict(np.load(tiny_data / "tiny.npz"))
    classes = ["a", '"', "${x}\\", "import os"]
    np.savez(tiny_data / f"{name}.npz", **arrays, class_names=np.array(classes))
    try:
        run = done(data=name, split="official", architecture="mlp", epochs=1)
        for kind in ("script", "notebook"):
            found, out = printed(run, kind, tmp_path / kind, tiny_data)
            assert found["difference"] == 0
            for one in classes:
                assert f"\n{one} " in out
    finally:
        (tiny_data / f"{name}.npz").unlink()


def test_other_test_images_than_the_runs_are_noticed(home, tmp_path, tiny_data):
    run = done(data="tiny", split="official", architecture="mlp", epochs=1)
    export(run, "script", tmp_path / "out")
    arrays = dict(np.load(tiny_data / "tiny.npz"))
    arrays["test_images"] = 255 - arrays["test_images"]
    np.savez(tmp_path / "tiny.npz", **arrays)
    ended = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "out" / SCRIPT), str(tmp_path)], capture_output=True, text=True
    )
    assert ended.returncode
    assert text("en", "export.code.other_images") in ended.stderr


def test_what_a_script_could_not_repeat_is_refused(home, tmp_path, tiny_data):
    run = done(data="tiny", split="official", architecture="mlp", epochs=1)
    later = done(data="tiny", split="official", architecture="mlp", first_layers="joint", weights_from=run.name)
    with pytest.raises(Refusal, match="code_transfer"):
        export(later, "script", tmp_path / "out")
    arrays = dict(np.load(tiny_data / "tiny.npz"))
    np.savez(tiny_data / "odd.npz", **arrays | {f"{part}_labels": arrays[f"{part}_labels"] + 1 for part in PARTS})
    try:
        with pytest.raises(Refusal, match="code_data"):
            export(done(data="odd", architecture="mlp", epochs=1), "notebook", tmp_path / "out")
    finally:
        (tiny_data / "odd.npz").unlink()
    assert not (tmp_path / "out").exists()


PARTS = ("train", "val", "test")


def loader(name, folder):
    """What `load_data` of the script returns for a built-in data set whose files are in the folder."""
    import medmnist  # not above: it takes seconds to import
    import torchvision

    defined = {"medmnist": medmnist, "np": np, "torch": torch, "torchvision": torchvision}
    exec(f"def load_data(folder):\n{LOADED[name]}", defined)  # noqa: S102 -- our own code, as a script has it
    return defined["load_data"](folder)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_files_of_mnist_and_its_like_are_loaded_in_their_order(tmp_path, name):
    images = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
    raw = tmp_path / {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name] / "raw"
    raw.mkdir(parents=True)
    for part, places in (("train", slice(0, 8)), ("t10k", slice(8, 12))):
        few = images[places]
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, len(few), 28, 28) + few.tobytes())
        labels = bytes(range(len(few)))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, len(few)) + labels)
    found = loader(name, tmp_path)
    for part, places in (("train", slice(0, 8)), ("test", slice(8, 12))):
        values, labels = found[part]
        assert (values.dtype, labels.dtype) == (torch.uint8, torch.int64)
        assert torch.equal(values, torch.tensor(images[places, None]))
        assert labels.tolist() == list(range(len(values)))


def test_the_files_of_cifar10_are_loaded_in_their_order(tmp_path, monkeypatch):
    import torchvision

    official = torchvision.datasets.CIFAR10
    images = np.random.default_rng(0).integers(0, 256, (6, 10, 3, 32, 32), dtype=np.uint8)
    folder = tmp_path / official.base_folder
    folder.mkdir()
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"]
    md5 = {}
    for n, name in enumerate(names):
        content = {"label_names": ["a"]} if n == 6 else {"data": images[n].reshape(10, -1), "labels": list(range(10))}
        written = pickle.dumps(content)
        (folder / name).write_bytes(written)
        md5[name] = hashlib.md5(written, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(official, "train_list", [[name, md5[name]] for name in names[:5]])
    monkeypatch.setattr(official, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(official, "meta", {**official.meta, "md5": md5["batches.meta"]})
    found = loader("cifar10", tmp_path)
    assert torch.equal(found["train"][0], torch.tensor(images[:5].reshape(50, 3, 32, 32)))
    assert torch.equal(found["test"][0], torch.tensor(images[5]))
    assert found["train"][1].tolist() == list(range(10)) * 5
    assert found["test"][1].dtype == torch.int64


def test_bloodmnist_is_loaded_by_medmnist_and_a_run_on_it_repeated(home, tmp_path, monkeypatch, capsys):
    from medmnist import INFO

    official, data, arrays = INFO["bloodmnist"], tmp_path / "data", {}
    for part, count in official["n_samples"].items():
        labels = np.random.default_rng(count).integers(0, 8, (count, 1), dtype=np.uint8)
        images = np.zeros((count, 28, 28, 3), dtype=np.uint8)
        images[np.arange(count), labels[:, 0], :, 2] = 200
        images[:, -1, :, 0] = np.arange(count)[:, None] % 256
        arrays |= {f"{part}_images": images, f"{part}_labels": labels}
    data.mkdir()
    np.savez_compressed(data / "bloodmnist.npz", **arrays)
    written = (data / "bloodmnist.npz").read_bytes()
    monkeypatch.setitem(official, "MD5", hashlib.md5(written, usedforsecurity=False).hexdigest())
    found = loader("bloodmnist", data)
    for part in PARTS:
        images, labels = found[part]
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
        assert torch.equal(images, torch.tensor(arrays[f"{part}_images"].transpose(0, 3, 1, 2)))
        assert labels.tolist() == arrays[f"{part}_labels"].flatten().tolist()

    monkeypatch.setenv("BANCADA_DATA", str(data))
    run = done(data="bloodmnist", split="official", architecture="mlp", epochs=1, batch_size=256)
    export(run, "script", tmp_path / "out")
    # In this process, since the one beside it would know the md5 of the official file alone, and download that.
    monkeypatch.setattr(sys, "argv", [SCRIPT, str(data)])
    capsys.readouterr()
    runpy.run_path(str(tmp_path / "out" / SCRIPT), run_name="__main__")
    out = capsys.readouterr().out
    assert_it_repeats(run, accuracies(out), out)
