"""The ONNX file: ONNX Runtime answers as the run does, and the file says what it is."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from core import exports, store
from core.__main__ import main
from core.exports import EXPORTS, export, missing
from core.models.model import open_model
from core.networks.architectures import ARCHITECTURES
from core.refusal import Refusal
from core.spec import checked
from core.words import languages
from core.work import work
from tests.small_data import write_blood
from tests.test_exports import EVERY_LAYER, everything_in


def needs_onnx(test):
    """Marks it as slow too: the slow tests are run where the packages are that the app does not need."""
    here = pytest.mark.skipif(missing("onnx") is not None, reason="no ONNX here: pip install --group optional")
    return pytest.mark.slow(here(test))


OTHERS = {
    "every layer": {"layers": ", ".join(EVERY_LAYER), "image_size": 20, "normalisation": "standard"},
    "global average": {"layers": "conv(4, 4, padding=same), global_avg_pool, dense(classes)"},
    "colour, Keras's constants": {"data": "blood", "architecture": "dense-net", "defaults": "keras"},
}


def trained(**fields):
    run = store.create(checked({"data": "tiny", "split": "official", "epochs": 1, "batch_size": 20, **fields}))
    assert work(str(run.folder)) == "done"
    return run


@needs_onnx
@pytest.mark.parametrize("fields", [*({"architecture": one} for one in ARCHITECTURES), *OTHERS.values()], ids=str)
def test_onnx_runtime_answers_as_the_run_does_for_any_number_of_images(home, tiny_data, tmp_path, fields):
    import onnx
    import onnxruntime

    write_blood(tiny_data)
    run = trained(**fields)
    check = export(run, "onnx", tmp_path / "one.onnx")
    assert check
    assert check.difference <= 1e-5
    made = onnx.load(tmp_path / "one.onnx")
    (first,), (last,) = made.graph.input, made.graph.output
    assert (first.name, last.name) == ("image", "logits")
    assert first.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    session, own = onnxruntime.InferenceSession(tmp_path / "one.onnx"), open_model(run)
    images = np.random.default_rng(0).integers(0, 256, (256, *own.shape), dtype=np.uint8)
    expected = own.probabilities(images)
    for n in (1, 7, 256):
        (logits,) = session.run(["logits"], {"image": images[:n]})
        powers = np.exp(logits.astype(np.float64))
        assert np.abs(powers / powers.sum(axis=1, keepdims=True) - expected[:n]).max() <= 1e-5


@needs_onnx
@pytest.mark.parametrize("language", languages())
def test_the_file_says_what_it_is_and_not_where_it_was_made(home, tmp_path, language):
    import onnx

    run = trained(architecture="lenet")
    export(run, "onnx", tmp_path / "one.onnx", language)
    made, report = onnx.load(tmp_path / "one.onnx"), run.report()
    said = {one.key: one.value for one in made.metadata_props}
    assert checked(json.loads(said["spec"])) == run.spec
    assert (said["run"], said["n"], said["selection"]) == (run.name, str(report.n), report.best_by)
    assert json.loads(said["classes"]) == list(run.class_names(language))
    assert "torch" in said["versions"]
    assert {"accuracy", "data", "licence", "limits", "pixels"} <= set(said)
    assert [node.doc_string for node in made.graph.node if node.doc_string or node.metadata_props] == []
    assert made.opset_import[0].version == 20
    for one in everything_in((tmp_path / "one.onnx").read_bytes()):
        assert str(tmp_path).encode() not in one


@needs_onnx
def test_a_file_that_answers_otherwise_at_one_number_of_images_is_refused(home, tmp_path):
    run, answers = trained(), EXPORTS["onnx"].answers

    def otherwise(path, images):
        values = answers(path, images)
        values[1] = values[1, ::-1]
        return values

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPORTS, "onnx", replace(EXPORTS["onnx"], answers=otherwise))
        with pytest.raises(Refusal, match="export_differs") as refusal:
            export(run, "onnx", tmp_path / "one.onnx")
    assert refusal.value.slots["difference"] > 1e-3
    assert refusal.value.slots["most"] == 1e-5
    assert not (tmp_path / "one.onnx").exists()


@needs_onnx
def test_the_command_prints_one_json_object_and_nothing_else(home, tmp_path):
    run = trained()
    command = [sys.executable, "-m", "core", "export", run.name, "--as", "onnx", "--out", str(tmp_path / "one.onnx")]
    said = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["n"] == 30
    assert said.stderr == ""


def test_without_the_packages_the_one_line_that_installs_them_is_said(home, tmp_path, monkeypatch, capsys):
    run, here = trained(), exports.find_spec
    monkeypatch.setattr(exports, "find_spec", lambda name: None if name == "onnxruntime" else here(name))
    assert main(["export", run.name, "--as", "onnx", "--out", str(tmp_path / "one.onnx")]) == 1
    assert re.search(r"\.venv/bin/pip install (onnx )?onnxruntime", capsys.readouterr().err)
    assert not (tmp_path / "one.onnx").exists()
