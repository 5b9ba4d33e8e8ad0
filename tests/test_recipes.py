"""Every recipe is a spec that its data set takes, and reaches what its name says where the data are here."""

import pytest

from core import store, words
from core.datasets import DATASETS, dataset
from core.recipes import RECIPES
from core.work import work
from tests.browser import ROOT

SHARED = ROOT.parent / "shared" / "data"
with_mnist = pytest.mark.skipif(not (SHARED / "MNIST").exists(), reason="no MNIST in ../shared/data")


def parameters(name):
    spec = RECIPES[name].spec()
    known = DATASETS[spec.data]
    return sum(row.parameters for row in spec.table(known.shape, len(known.class_names["en"])))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_spec_that_says_its_title_and_reason_in_every_language(name):
    assert RECIPES[name].spec(seed=5).seed == 5
    assert parameters(name) > 0
    for language in words.languages():
        assert all(words.text(language, f"recipe.{name}.{part}") for part in ("title", "help"))


@pytest.mark.parametrize("name", ["mnist-best", "drawing", "drawing-mnist-only"])
def test_what_is_said_to_be_small_has_fewer_than_100000_parameters(name):
    assert parameters(name) < 100_000


@with_mnist
def test_mnist_fast_reads_99_of_100_digits_that_it_has_never_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", str(SHARED))
    monkeypatch.setenv("BANCADA_STORE", str(tmp_path))
    assert dataset("mnist").state()[0] == "ready"
    run = store.create(RECIPES["mnist-fast"].spec(seed=10))  # none of the benchmark's
    assert work(str(run.folder)) == "done"
    report = run.report()
    assert report
    assert report.accuracy >= 0.99
