"""Every way of taking a run away is in one table, and writes a folder that was not there."""

import ast
import importlib.util
import io
import json
import platform
import socket
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from core import store
from core.__main__ import main
from core.exports import EXPORTS, export, file_name, missing, model, packed
from core.models.model import open_model
from core.networks.activations import FUNCTIONS
from core.networks.layers import KINDS
from core.refusal import Refusal
from core.settings import ROOT
from core.spec import RunSpec, checked
from core.work import work

HERE = [name for name in EXPORTS if not missing(name)]  # the formats that need no package that is not installed
# In the checks, the packages that the app itself does not need are there for the slow tests only.
EACH_HERE = [pytest.param(name, marks=[pytest.mark.slow] if name == "onnx" else []) for name in HERE]
EVERY_LAYER = [
    *("conv(4, 3, padding=same, activation=leaky_relu)", "batch_norm", "max_pool(2)", "avg_pool(2)"),
    *(f"activation({name})" for name in FUNCTIONS if name != "none"),
    *("dense_block(2, growth=4, bottleneck=8)", "dropout(0.3)", "conv(6, 2, stride=2)", "flatten", "batch_norm"),
    *("dense(9, activation=tanh)", "dense(classes)"),
]


@pytest.mark.parametrize("name", EACH_HERE)
def test_an_export_is_written_once_and_never_over_another(home, tmp_path, name):
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    assert work(str(run.folder)) == "done"
    export(run, name, tmp_path / "out")
    assert (tmp_path / "out").is_file() == bool(EXPORTS[name].suffix)
    with pytest.raises(Refusal, match="file_taken" if EXPORTS[name].suffix else "folder_taken"):
        export(run, name, tmp_path / "out")


@pytest.mark.parametrize("name", ["card", "model"])
def test_what_appears_while_an_export_is_made_is_not_overwritten(home, tmp_path, monkeypatch, name):
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    assert work(str(run.folder)) == "done"
    out, write = tmp_path / "out", EXPORTS[name].write

    def meanwhile(run, path, language):
        write(run, path, language)
        if EXPORTS[name].suffix:
            out.write_text("another's")
        else:
            out.mkdir()
            (out / "file").write_text("another's")

    monkeypatch.setitem(EXPORTS, name, replace(EXPORTS[name], write=meanwhile))
    with pytest.raises(Refusal, match="file_taken" if EXPORTS[name].suffix else "folder_taken"):
        export(run, name, out)
    assert (out if out.is_file() else out / "file").read_text() == "another's"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_no_two_exports_of_a_run_have_the_same_name(home):
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    names = [file_name(run, name) for name in EXPORTS]
    assert len(set(names)) == len(names)
    assert f"{run.name}.html" in names
    assert f"{run.name}-report.html" in names


def everything_in(content):
    """A file's bytes, with those of each file in it if it is a zip."""
    yield content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield member.encode()
                yield from everything_in(archive.read(member))


@pytest.mark.parametrize("name", EACH_HERE)
def test_an_export_holds_no_path_and_no_name_of_a_user_or_a_machine(home, tmp_path, monkeypatch, name):
    monkeypatch.setenv("BANCADA_STORE", str(tmp_path / "home-of-maria-silva" / "store"))
    monkeypatch.setenv("USER", "maria-silva")
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    run.relabel(owner="Maria da Silva", note="for Maria's class")
    assert work(str(run.folder)) == "done"
    machine = "computer-of-maria-silva"  # a short one may stand in weights by chance
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    monkeypatch.setattr(platform, "node", lambda: machine)
    private = [str(tmp_path), str(ROOT), "maria-silva", "Maria", machine]
    content = packed(run, name)
    for one in everything_in(content.content):
        found = [word for word in private if word.encode() in one]
        assert not found, (content.file, one[:80])


def test_an_export_that_answers_otherwise_is_refused_with_the_difference_and_leaves_nothing(home, tmp_path):
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    assert work(str(run.folder)) == "done"
    check = export(run, "model", tmp_path / "right")
    assert check
    assert (check.n, check.data) == (30, "tiny")
    assert check.difference <= 1e-6

    def otherwise(path, images):
        return model.answers(path, 255 - images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPORTS, "model", replace(EXPORTS["model"], answers=otherwise))
        with pytest.raises(Refusal) as refusal:
            export(run, "model", tmp_path / "wrong")
    assert refusal.value.key == "error.export_differs"
    assert refusal.value.slots["difference"] > 1e-4
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "wrong"))] == []


def test_the_command_says_how_an_export_compares_with_the_run(home, tmp_path, capsys):
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    assert work(str(run.folder)) == "done"
    command = ["export", run.name, "--as", "model", "--out", str(tmp_path / "one")]
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["as"], facts["n"], facts["images"]) == ("model", 30, "tiny")
    assert facts["difference"] <= 1e-6
    assert facts["bytes"] > 4 * 784 * 128
    assert main(command) == 1
    assert "already exists" in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "two")]) == 0
    assert "Checked on 30 test images of tiny" in capsys.readouterr().out


def loaded(folder):
    """The exported code, as a module of its own."""
    spec = importlib.util.spec_from_file_location("network", folder / "network.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("defaults", ["pytorch", "keras"])
@pytest.mark.parametrize("layers", [EVERY_LAYER, ["conv(4, 3)", "global_avg_pool", "dense(classes)"]], ids=len)
def test_an_exported_model_answers_as_the_run_does_without_this_program(home, tmp_path, defaults, layers):
    fields = {"data": "tiny", "split": "official", "normalisation": "standard", "image_size": 20, "epochs": 1}
    run = store.create(checked(fields | {"layers": ", ".join(layers), "defaults": defaults, "learning_rate": 0.01}))
    assert work(str(run.folder)) == "done"
    with zipfile.ZipFile(io.BytesIO(packed(run, "model").content)) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / run.name
    code = ast.walk(ast.parse((folder / "network.py").read_text()))
    imports = [node for node in code if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names == {"collections", "pathlib", "safetensors.torch", "torch"}
    network, own = loaded(folder), open_model(run)
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 20, 20), dtype=np.uint8)
    with torch.no_grad():
        answers = network.load()(torch.tensor(images)).softmax(dim=1).numpy()
    assert answers == pytest.approx(own.probabilities(images), abs=1e-5)
    assert len({row.tobytes() for row in answers}) == 5
    assert (run.class_names("en"), "tiny") == (network.CLASSES, network.DATA)


def test_every_kind_of_layer_is_exported_here():
    assert {kind for kind in KINDS if not any(layer.startswith(kind) for layer in EVERY_LAYER)} == {"global_avg_pool"}


def test_a_model_is_written_by_the_command_once_and_only_of_a_finished_run(home, tmp_path, capsys):
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    command = ["export", run.name, "--as", "model", "--out", str(tmp_path / "out"), "--json"]
    assert main(command) == 1
    assert run.name in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert work(str(run.folder)) == "done"
    assert main(command) == 0
    folder = tmp_path / "out"
    assert json.loads(capsys.readouterr().out)["path"] == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "network.py"]
    assert main(command) == 1
    (run.folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(Refusal, match="run_damaged"):
        packed(run, "model")


def test_names_from_outside_stay_data_in_the_exported_code(home, tmp_path, tiny_data):
    name = '"""{0}\\\'tiny'
    arrays = dict(np.load(tiny_data / "tiny.npz"))
    np.savez(tiny_data / f"{name}.npz", **arrays, class_names=np.array(["a", '"', "\\", "{x}"]))
    run = store.create(RunSpec(data=name, split="official", architecture="mlp", epochs=1))
    assert work(str(run.folder)) == "done"
    export(run, "model", tmp_path / "out")
    assert name == loaded(tmp_path / "out").DATA
    assert run.class_names("en") == loaded(tmp_path / "out").CLASSES
