"""The tables of the benchmarks say what was measured, and have their places."""

import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch

from benchmarks import recipes, search, sheets, training
from benchmarks.no_digits import LOGO, logo
from benchmarks.race import Figures, Race
from benchmarks.results import RESULTS
from core.datasets.pen_digits import PenDigit
from tests.sheets import strokes


def figures(words="", **seconds):
    """Figures of a contestant by situation, each turn with twice as many processor seconds."""
    turns = {situation: [(value, 2 * value) for value in values] for situation, values in seconds.items()}
    return Figures(words, dict.fromkeys(seconds, 1280), turns)


def row(text, heading, start):
    """The cells of the first row that begins with `start`, in the table below the heading."""
    lines = text.partition(f"### {heading}")[2].splitlines()
    return next(line for line in lines if line.startswith(f"| {start}")).strip("| ").split(" | ")


RACE = Race(
    where="On this machine.",
    elsewhere=[0.0, 0.1],
    skipped={"kernels": "there are none"},
    figures={
        "engine": figures("torch, float32", idle=[1.0, 1.0], busy=[1.5, 1.5]),
        "torch-float32": figures("torch, float32", idle=[0.1, 0.1], busy=[0.1, 0.1]),
        "keras": figures(idle=[2.0, 3.0], busy=[9.0, 9.0]),
        "jax": figures(idle=[4.0, 4.0], busy=[6.0, 6.0]),
    },
)


def test_each_situation_has_a_best_peer_of_its_own_and_ours_is_none():
    text = training.section({"001-b": RACE})
    cells = row(text, "This engine and the best peer", "001-b")
    assert cells[2:4] == ["2.50 (2.00 to 3.00), Keras on TensorFlow", "4.00 (4.00 to 4.00), JAX and Optax"]
    assert cells[5:] == ["2.50 (2.00 to 3.00)", "1.50 (1.50 to 1.50)"]


def test_a_situation_that_was_not_measured_has_no_figures_and_who_was_not_measured_is_named():
    text = training.section({"001-b": RACE})
    assert "Two runs at once" not in text
    assert "Not measured: this engine, made to use kernels (there are none)." in text
    assert row(text, "001-b", "Keras")[2:] == [
        "2.50 (2.00 to 3.00)",
        "5.00 (4.00 to 6.00)",
        "24,000",
        "2.50 (2.00 to 3.00)",
    ]


def test_races_of_several_commands_stand_side_by_side(tmp_path, monkeypatch):
    (tmp_path / "RESULTS.md").write_text("<!-- training.py: begin -->\nold\n<!-- training.py: end -->\n")
    monkeypatch.setattr(training, "KEPT", tmp_path / "training.json")
    monkeypatch.setattr("benchmarks.results.RESULTS", tmp_path / "RESULTS.md")
    training.write({"001-b": RACE})
    training.write(
        {"000-c": Race("Later.", elsewhere=[0.0], figures={"engine": figures("torch, bfloat16", idle=[7.0])})}
    )
    text = (tmp_path / "RESULTS.md").read_text()
    assert "old" not in text
    assert text.index("### 000-c") < text.index("### 001-b")
    assert row(text, "001-b", "**this engine")[2] == "1.00 (1.00 to 1.00)"
    assert asdict(Race.read(asdict(RACE))) == asdict(RACE)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_training_on_one_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training", "--device", "cuda"])
    with pytest.raises(SystemExit, match="1"):
        training.main()
    assert capsys.readouterr().err == "PyTorch finds no GPU with CUDA on this machine: leave --device away\n"


def test_what_is_held_to_avx2_is_kept_apart_and_ours_is_compared_in_processor_seconds(tmp_path, monkeypatch):
    (tmp_path / "RESULTS.md").write_text("<!-- training.py avx2: begin -->\nold\n<!-- training.py avx2: end -->\n")
    monkeypatch.setattr(training, "KEPT", tmp_path / "training.json")
    monkeypatch.setattr(training, "KEPT_AVX2", tmp_path / "training-avx2.json")
    monkeypatch.setattr("benchmarks.results.RESULTS", tmp_path / "RESULTS.md")
    training.write({"001-b": RACE}, is_avx2=True)
    assert {file.name for file in tmp_path.iterdir()} == {"RESULTS.md", "training-avx2.json"}
    (line,) = [line for line in (tmp_path / "RESULTS.md").read_text().splitlines() if "Keras" in line]
    assert line == ("| 001-b | Keras on TensorFlow | 2.50 (2.00 to 3.00) | 5.00 (4.00 to 6.00) | 2.50 (2.00 to 3.00) |")


PARTS = {"recipes": recipes.PARTS, "search": search.PARTS}


def test_what_is_measured_in_parts_has_its_place_in_the_results():
    text = RESULTS.read_text(encoding="utf-8")
    for name in ["training.py avx2", "tiles.py", *(f"{of}.py {part}" for of, parts in PARTS.items() for part in parts)]:
        assert f"<!-- {name}: begin -->" in text
        assert f"<!-- {name}: end -->" in text


def test_each_kind_of_sheet_is_written_and_photographed_as_its_name_says():
    random = np.random.default_rng(0)
    own = [PenDigit(digit, 1, tuple(strokes(digit, random))) for digit in range(10)]
    few = [len(sheets.written("few digits", own, random).ends) for _ in range(20)]
    assert set(few) == {3, 4, 5, 6, 7, 8}
    for kind in sheets.KINDS:
        assert (sheets.view(kind, random).creases > 0) == ("creased" in kind)
    printed = [kind for kind in sheets.KINDS if sheets.is_printed(kind)]
    assert len(printed) == 2
    for kind in printed:
        boxes = [place for place, _ in sheets.written(kind, own, random).ends]
        assert boxes == sorted(boxes), "row after row"


def test_a_logo_is_a_picture_of_filled_parts_on_an_even_ground():
    random = np.random.default_rng(0)
    for _ in range(30):
        picture = logo(random)
        assert picture.shape == (LOGO, LOGO, 4)
        ground = (picture == picture[0, 0]).all(axis=2)
        assert ground[[0, -1]].all()
        assert ground[:, [0, -1]].all()
        assert 0.02 < 1 - ground.mean() < 0.8
