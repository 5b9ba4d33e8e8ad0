"""The learning-rate finder: it changes nothing, it begins as the run does, and its rule finds what a curve shows."""

from __future__ import annotations

import hashlib
import itertools
import json
import math

import numpy as np
import pytest
import torch

from core.__main__ import main
from core.datasets import dataset
from core.events import Step
from core.images.splits import choose
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.store import create
from core.training.rates import Tried, suggestion, sweep
from core.training.train import Data, State, train
from core.work import work
from core.workers.sweep import STEPS, Sweep, swept
from tests.conftest import wait_for
from tests.page import button, texts
from ui import server

CPU = torch.device("cpu")
TINY = {"data": "tiny", "split": "official", "architecture": "mlp", "batch_size": 16, "epochs": 2}


def tried(**fields) -> list[Tried]:
    spec = checked(TINY | fields)
    return list(sweep(spec, dataset(spec.data), choose(spec, dataset(spec.data).load())))


def digest(state: State) -> str:
    """Of the weights, the optimizer's state and all random generators."""
    found = hashlib.sha256()
    for name, value in sorted(state.tensors().items()):
        found.update(name.encode() + value.numpy().tobytes())
    found.update(np.random.get_state()[1].tobytes())  # noqa: NPY002  (the generator that a library may use unasked)
    return found.hexdigest()


def trained(spec: RunSpec, *, swept_before: bool) -> str:
    """The state after two epochs; if asked for, with a sweep before and two in the middle."""
    splits = choose(spec, dataset("tiny").load())
    if swept_before:
        list(sweep(spec, dataset("tiny"), splits))
    state = State.new(spec, splits.train, 4, CPU)
    steps = train(spec, Data.of(splits, CPU), state)
    next(steps)
    if swept_before:
        before = digest(state)
        assert len(list(sweep(spec, dataset("tiny"), splits))) > 10
        left = sweep(spec, dataset("tiny"), splits)
        next(left)
        left.close()
        assert digest(state) == before
    list(steps)
    return digest(state)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_weights_and_generators_are_unchanged_and_a_training_afterwards_is_the_same_to_the_last_bit(home, optimizer):
    layers = "flatten, dense(20, relu), batch_norm, dropout(0.3), dense(classes)"
    spec = checked(TINY | {"layers": layers, "optimizer": optimizer, "rotation": 5})
    assert trained(spec, swept_before=True) == trained(spec, swept_before=False)


def test_a_sweep_begins_as_its_run_does_with_the_layers_that_this_takes_over(home):
    giver = create(checked(TINY))
    assert work(str(giver.folder)) == "done"
    spec = {"first_layers": "frozen", "weights_from": giver.name, "layers_taken": 2}
    run = create(checked(TINY | spec))
    assert work(str(run.folder)) == "done"
    assert tried(**spec)[0].loss == run.events(Step)[0].loss
    assert tried()[0].loss != tried(**spec)[0].loss


def test_the_rates_grow_by_the_same_factor_until_the_loss_diverges(home):
    found = tried(data="mnist-5k", split="stratified", optimizer="sgd", batch_size=64)
    factors = [later.rate / one.rate for one, later in itertools.pairwise(found)]
    assert min(factors) == pytest.approx(max(factors)) == pytest.approx(10 ** (6 / 99))
    assert len(found) < STEPS, "it diverges before a rate of 10"
    assert found[-1].smoothed > 4 * min(one.smoothed for one in found[:-1])
    assert all(np.isfinite([one.loss for one in found]))
    assert [one.step for one in found] == list(range(1, len(found) + 1))


def curve(smoothed) -> list[Tried]:
    """A sweep over rates from 0.00001 to 10 with these losses, as a function of the rate's logarithm to base 10."""
    exponents = np.linspace(-5, 1, STEPS)
    values = [float(smoothed(x)) for x in exponents]
    return [Tried(at + 1, 10**x, y, y) for at, (x, y) in enumerate(zip(exponents, values, strict=True))]


def test_the_rule_takes_the_steepest_descent_but_at_most_a_tenth_of_the_rate_of_the_smallest_loss():
    early = suggestion(curve(lambda x: 3 + (x - 0) ** 2 / 40 - np.tanh(4 * (x + 3))))  # falls at 0.001, flat until 1
    assert early
    assert early.because == "steepest"
    assert early.rate == pytest.approx(0.001, rel=0.2)
    late = suggestion(curve(lambda x: 3 + (x + 1) ** 2 if x > -1 else 3 - x - 1 if x > -2 else 4))  # at 0.1 at last
    assert late
    assert late.because == "tenth"
    assert late.lowest == pytest.approx(0.1, rel=0.1)
    assert late.rate == pytest.approx(0.01, rel=0.1)
    assert late.rate == float(f"{late.rate:.1e}"), "two digits"


def test_where_the_loss_falls_with_no_rate_nothing_is_suggested():
    assert suggestion(curve(lambda _: 2.3)) is None
    assert suggestion(curve(lambda x: 2 + x + 5)) is None, "it only grows"
    assert suggestion(curve(lambda _: 1.0)[:5]) is None
    assert suggestion([]) is None


def swept_losses(losses) -> list[Tried]:
    """A sweep with these losses of its batches."""
    found, mean = [], 0.0
    for step, loss in enumerate(map(float, losses), 1):
        mean = 0.9 * mean + 0.1 * loss
        found.append(Tried(step, 1e-5 * 10 ** (6 * (step - 1) / (STEPS - 1)), loss, mean / (1 - 0.9**step)))
    return found


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.15, 0.25, 0.6, 1.5])
def test_losses_that_only_vary_by_chance_suggest_nothing_in_95_of_100_sweeps(spread):
    rng = np.random.default_rng(0)
    normal = (2.3 + spread * rng.standard_normal(STEPS) for _ in range(1000))
    skewed = (2.3 + spread * (rng.exponential(size=STEPS) - 1) for _ in range(1000))
    for sweeps in (normal, skewed):
        assert sum(suggestion(swept_losses(losses)) is not None for losses in sweeps) <= 50


def test_a_loss_that_falls_by_more_than_it_varies_gives_a_suggestion_also_where_it_ends_as_no_number():
    rng = np.random.default_rng(0)
    losses = np.linspace(-5, 1, STEPS)
    losses = 2.3 - 0.8 * (1 + np.tanh(3 * (losses + 2.5))) + 0.25 * rng.standard_normal(STEPS)
    found = suggestion(swept_losses(losses))
    assert found
    assert 1e-4 < found.rate < 1e-1
    for end in (math.nan, math.inf):
        assert suggestion(swept_losses([*losses[:80], end, *losses[80:]])) == suggestion(swept_losses(losses[:80]))
        assert suggestion(swept_losses([end] * STEPS)) is None


@pytest.mark.parametrize("architecture", ["lenet", "mlp"])
def test_a_sweep_of_a_network_that_learns_gets_a_suggestion(home, architecture):
    for seed in (0, 1):
        assert suggestion(
            tried(data="mnist-5k", split="stratified", architecture=architecture, batch_size=64, seed=seed)
        )


def test_the_command_line_tells_each_step_and_says_why_in_both_languages(home, capsys, monkeypatch):
    flags = ["rates", "--data", "tiny", "--split", "official", "--architecture", "mlp", "--batch_size", "16"]
    assert main([*flags, "--json"]) == 0
    *steps, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [one["step"] for one in steps] == list(range(1, len(steps) + 1))
    found = last["suggestion"]
    assert found["rate"] == pytest.approx(min(found["steepest"], found["lowest"] / 10), rel=0.05)
    assert not list(home.glob("*"))
    monkeypatch.setenv("LC_ALL", "pt_BR.UTF-8")
    assert main(flags) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"Sugestão: {found['rate']}".replace(".", ","))


def test_a_sweep_is_stopped_at_any_time_and_says_in_one_line_why_it_failed(home):
    waiting = Sweep(checked(TINY))
    waiting.stop()
    waiting.run()
    assert (waiting.is_over(), waiting.tried, waiting.found) == (True, [], None)
    failing = Sweep(checked(TINY | {"layers": "flatten, batch_norm, dense(classes)", "batch_size": 1}))
    failing.run()
    assert isinstance(failing.refusal, Refusal)
    assert str(failing.refusal.slots["reason"]).startswith("Batch norm cannot train on a batch of one image")
    assert failing.is_over()


def test_what_a_sweep_tries_does_not_depend_on_the_rate_that_the_form_has():
    assert swept(checked(TINY)) == swept(checked(TINY | {"learning_rate": 1, "epochs": 9, "schedule": "cosine"}))
    assert swept(checked(TINY)) != swept(checked(TINY | {"batch_size": 17}))


@pytest.mark.slow
def test_one_click_tries_the_rates_and_one_takes_the_suggestion_into_the_form(frame):
    server.sweep.clear()
    app = frame(language="pt_BR", architecture="mlp")
    button(app, "Encontrar uma taxa de aprendizado").click().run()
    assert button(app, "Parar")
    found = server.sweep(swept(checked({"architecture": "mlp"})))
    wait_for(found.is_over)
    assert found.found
    app.run()
    rate = f"{found.found['rate']:g}".replace(".", ",")
    assert f"Sugestão: {rate}" in texts(app)
    assert app.get("vega_lite_chart")
    button(app, f"Usar {rate}").click().run()
    assert app.text_input(key="learning_rate").value == rate
    assert app.query_params["learning_rate"] == f"{found.found['rate']:g}"
    assert f"O formulário tem a taxa de aprendizado {rate}." in texts(app), "a new rate needs no other sweep"
    button(app, "Fechar").click().run()
    assert "Sugestão" not in texts(app)
