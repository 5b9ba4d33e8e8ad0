"""What a training will take is measured beforehand by its own steps."""

import math
import re

import numpy as np
import pytest
import torch

from core.__main__ import main
from core.datasets import dataset
from core.images.splits import choose, counts_of
from core.refusal import Refusal
from core.spec import checked
from core.training.estimate import estimate
from core.training.train import Data, State, train


def test_the_estimate_of_a_lenet_lies_near_its_measured_epochs(home, monkeypatch):
    monkeypatch.setenv("BANCADA_THREADS", "2")
    spec = checked({"data": "mnist-5k", "architecture": "lenet", "epochs": 3})
    source = dataset("mnist-5k")
    found = estimate(spec, source)
    splits = choose(spec, source.load())
    state = State.new(spec, splits.train, 10, torch.device("cpu"), threads=2)
    ends = [
        event.seconds
        for event in train(spec, Data.of(splits, torch.device("cpu")), state)
        if event and event.event == "epoch"
    ]
    epoch = np.diff(ends).mean()
    assert 1 / 3 < found.epoch_seconds / epoch < 3, "a factor that a busy machine keeps, too"
    assert found.seconds == pytest.approx(3 * found.epoch_seconds)
    assert (found.device, found.threads) == ("cpu", 2)
    assert found.steps >= 20


@pytest.mark.parametrize("split", ["stratified", "first_last"])
@pytest.mark.parametrize("val_fraction", [0.01, 0.1, 0.37])
def test_the_counts_of_a_split_are_known_without_its_images(split, val_fraction):
    source = dataset("mnist-5k")
    spec = checked({"split": split, "val_fraction": val_fraction})
    splits = choose(spec, source.load())
    assert splits.val
    said = counts_of(spec, source.counts)
    assert np.abs(np.subtract(said, (len(splits.train.labels), len(splits.val.labels)))).max() <= 10
    assert sum(said) == 4000


def test_the_authors_own_split_has_the_authors_counts():
    spec = checked({"data": "bloodmnist", "split": "official"})
    assert counts_of(spec, dataset("bloodmnist").counts) == (11_959, 1_712)
    with pytest.raises(Refusal, match="no_official_val"):
        counts_of(checked({"split": "official"}), dataset("mnist-5k").counts)


def test_batch_norm_resizing_and_a_batch_larger_than_the_data_are_measured_too(home):
    spec = checked(
        {
            "data": "tiny",
            "split": "official",
            "layers": "batch_norm, conv(2, 3), flatten, dropout(0.1), dense(classes)",
            "image_size": 8,
            "batch_size": 512,
            "rotation": 5,
            "time_limit": 1e-6,
        }
    )
    found = estimate(spec, dataset("tiny"))
    assert 0 < found.epoch_seconds < math.inf
    assert found.seconds == 1e-6, "the run would end then"


def test_the_command_line_says_it_in_words_and_keeps_nothing(home, capsys):
    assert (
        main(["estimate", "--data", "mnist", "--architecture", "mlp", "--epochs", "9000"]) == 0
    )  # not on this machine
    said = capsys.readouterr().out
    assert re.match(
        r"about \S+ s an epoch, \d+ (h|min) \d\d (min|s) in all \(measured over \d+ steps on cpu, 1 thread;", said
    )
    assert not home.exists()


def test_what_torch_cannot_compute_is_said_in_one_sentence(home, capsys):
    layers = "flatten, batch_norm, dense(classes)"
    assert main(["estimate", "--layers", layers, "--batch_size", "1"]) == 1
    assert capsys.readouterr().err.startswith("Batch norm cannot train on a batch of one image, and 3,600 training")
    # Of data that are not on this machine the split is not known, so it is torch that says so.
    assert main(["estimate", "--data", "mnist", "--layers", layers, "--batch_size", "1"]) == 1
    said = capsys.readouterr().err
    assert "more than 1 value per channel" in said
    assert len(said.splitlines()) == 1
