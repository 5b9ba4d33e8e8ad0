"""The training loop, a generator of events; its state can be saved whenever it yields."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.datasets import Split, Splits
from core.events import MOST_RIGHT, BestBy, ComputedBy, Epoch, Step
from core.images.augment import augmented
from core.images.preprocessing import normalisation
from core.measures.answers import packed
from core.networks import layers
from core.networks.modules import Scale, chance
from core.refusal import Refusal
from core.spec import CONSTANTS, Constants, RunSpec
from core.training.engine import Captured, Engine, first_layers, optimize, trainable

STEPS_PER_TELLING = 20  # steps per Step event: reading the loss waits for the device, so it is not read every step ...
SECONDS_PER_TELLING = 0.5  # ... or seconds, whichever comes first, so that the learning curve keeps moving
SECONDS_AT_ONCE = 0.03  # of steps in which nothing is looked at: a request waits about so long, or for one step
STEPS_PER_JUDGING = 20  # between checks of the loss; not by the clock, so that the outcome depends on no timing
# A training is lost where, over a whole epoch, its loss is over `HIGH` times that of the first batch, or of guessing
# where that is more, at every check, and it is right on no more train images than guessing is: than the commonest
# class's share and `SENSE` of the others. (A linear network at a hundred times its learning rate has as high a loss,
# and 90 % right.) `benchmarks/divergence.py` shows that such trainings stay so, and that others get out of it soon.
HIGH, SENSE = 4, 0.2
LEAST_STEPS_LOST = 100  # where an epoch has fewer steps: getting out of a high loss takes tens of steps


@dataclass(frozen=True)
class ValAnswers:
    """What a model answers to the val images: `predicted` int64 (N,), and each answer's `lead` (N,) in logits.

    The lead is that over the second most probable class; where it is 0, the first of the two is the answer.
    """

    predicted: Tensor
    lead: Tensor
    classes: int  # K

    @classmethod
    def of(cls, parts: Sequence[Tensor]) -> ValAnswers:
        """The answers that these logits (B, K), part after part, give."""
        logits = torch.cat(list(parts))
        first, second = logits.topk(2, dim=1).values.unbind(dim=1)
        return cls(logits.argmax(dim=1), first - second, logits.shape[1])


@dataclass
class State:
    """The complete state of a training; a run resumed from a saved state ends with bit-identical weights."""

    model: nn.Sequential
    optimizer: torch.optim.Optimizer
    sums: Tensor  # float64 (2,), float32 on mps: loss and correct predictions, summed over the unfinished epoch
    recent: Tensor  # the loss summed since the last check, and correct predictions since it was last found low
    engine: Engine  # how the model is computed; not saved
    guessing: float  # nats, ln(K): the loss of equal probabilities for all classes; not saved
    images: int = 0  # number of images trained on in the unfinished epoch
    recent_images: int = 0  # number of images since the last check of the loss
    high_images: int = 0  # number of images since a check has last found the loss low
    low_step: int = 0  # step of that check, or from which a run that was lost goes on
    epoch: int = 0  # number of finished epochs
    step: int = 0  # number of finished steps
    seconds: float = 0.0  # training time, without pauses
    processor_seconds: float | None = 0.0  # see `Epoch`; None if restored from a state that was saved without it
    first_loss: float | None = None  # loss of the first batch
    best_epoch: int = 0  # of equally good epochs the last: where val cannot tell them apart, it has learned the most
    best_value: float | None = None  # of the quantity `best_by`, as the best epoch had it; larger is better
    improved_epoch: int = 0  # of equally good epochs the first, from which `patience` counts
    stop: Any = None  # why the training has ended, see `Epoch.stop`; None before that
    captured: Captured | None = None  # the CUDA graph of a step
    answers: ValAnswers | None = None  # of the latest val evaluation; not saved

    @classmethod
    def new(
        cls,
        spec: RunSpec,
        train: Split,
        classes: int,
        device: torch.device,
        threads: int = 1,
        by: ComputedBy | None = None,
    ) -> State:
        """The initial state, with weights drawn from the spec's seed; `by`: see `Engine`. Raises: Refusal."""
        torch.manual_seed(spec.seed)
        model = new_model(spec, train.images.shape[1:], classes)
        scale_for(spec, model, train.images)
        model = model.to(device)
        if device.type == "mps":  # where channels-last is slower, and batch norm has crashed with it
            model = model.to(memory_format=torch.contiguous_format)
        sums = torch.zeros(2, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
        rows = layers.table(spec.layers, train.images.shape[1:], classes)
        engine = Engine(spec, model, rows, device, threads, by)
        return cls(model, new_optimizer(spec, model), sums, sums.clone(), engine, math.log(classes))

    def tensors(self) -> dict[str, Tensor]:
        """The weights, optimizer state, sums and states of torch's random generators.

        On a CPU a step does not use these generators: its random numbers are a function of seed, step and part.
        """
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for place, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{place}.{name}": torch.as_tensor(value) for name, value in values.items()}
        tensors |= {"sums": self.sums, "recent": self.recent, "random.cpu": torch.get_rng_state()}
        device = self.sums.device.type
        if device in ("cuda", "mps"):
            tensors[f"random.{device}"] = getattr(torch, device).get_rng_state()
        return tensors

    def numbers(self) -> dict[str, Any]:
        """The rest of the saved state, serialisable as JSON."""
        names = (
            "images",
            "recent_images",
            "high_images",
            "epoch",
            "step",
            "seconds",
            "processor_seconds",
            "first_loss",
        )
        names += ("low_step", "best_epoch", "best_value", "improved_epoch", "stop")
        return {name: getattr(self, name) for name in names}

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Restore a state saved as these `tensors()` and `numbers()`."""
        self.model.load_state_dict(below("model.", tensors))
        saved: dict[int, dict[str, Tensor]] = {}
        for name, value in below("optimizer.", tensors).items():
            place, _, key = name.partition(".")
            saved.setdefault(int(place), {})[key] = value
        for place, values in saved.items():
            parameter = self.engine.parameters[place]
            for key, value in values.items():  # optimizer state needs the memory layout of its parameter
                if value.shape == parameter.shape:
                    value = torch.empty_like(parameter, requires_grad=False).copy_(value)
                self.optimizer.state[parameter][key] = value.to(parameter.device)
        self.captured = None  # the graph refers to the previous tensors
        self.sums.copy_(tensors["sums"])
        self.recent.copy_(tensors["recent"])
        torch.set_rng_state(tensors["random.cpu"])
        device = self.sums.device.type
        if f"random.{device}" in tensors and device != "cpu":
            getattr(torch, device).set_rng_state(tensors[f"random.{device}"])
        self.processor_seconds = None
        # Versions that kept the first of equally good epochs stored only that one.
        earlier = {"improved_epoch": numbers["best_epoch"]}
        # Versions that did not look for how long the loss was high counted both sums since the last check.
        earlier |= {"high_images": numbers["recent_images"], "low_step": numbers["step"]}
        for name, value in (earlier | numbers).items():
            setattr(self, name, value)


@dataclass(frozen=True)
class Data:
    """The train and val splits on the device: images uint8 (N, C, H, W), labels int64 (N,)."""

    train_images: Tensor
    train_labels: Tensor
    val_images: Tensor
    val_labels: Tensor

    @classmethod
    def of(cls, splits: Splits, device: torch.device) -> Data:
        """The arrays of train and val, copied to the device; `splits.val` must not be None."""
        assert splits.val is not None
        arrays = (splits.train.images, splits.train.labels, splits.val.images, splits.val.labels)
        return cls(*(torch.tensor(array, device=device) for array in arrays))


@dataclass(frozen=True)
class _Told:
    """The state's counters at the last Step event."""

    sums: Tensor
    images: int
    step: int
    seconds: float

    @classmethod
    def now(cls, state: State) -> _Told:
        return cls(state.sums.clone(), state.images, state.step, state.seconds)

    def is_long_ago(self, state: State) -> bool:
        return state.step - self.step >= STEPS_PER_TELLING or state.seconds - self.seconds >= SECONDS_PER_TELLING


def train(
    spec: RunSpec, data: Data, state: State, alone: Callable[[], bool] = lambda: False
) -> Iterator[Step | Epoch | None]:
    """Train from `state` on, updating it; yields events, and None where there is none but the state can be saved.

    `alone`: whether the next step is to have a Step of its own, without the steps before it.
    Raises: Refusal, if the loss is not finite, or if the training is lost, see `HIGH`. In the latter case the state can
    be saved, and `train`, called with it again, goes on for another epoch at least.
    """
    n, device = len(data.train_labels), state.sums.device
    commonest = torch.bincount(data.train_labels).max().item() / n
    steps_per_epoch = math.ceil(n / spec.batch_size)
    while state.stop is None:
        batches = order(spec.seed, state.epoch, n).to(device).split(spec.batch_size)
        told = _Told.now(state)
        state.engine.train()
        at, pace = state.step - state.epoch * steps_per_epoch, math.inf
        while at < len(batches):
            is_alone = alone()
            if is_alone and state.step > told.step:
                yield _step(state, told)
                told = _Told.now(state)
            some = batches[at : at + (1 if is_alone else _steps_at_once(state, told, pace))]
            at += len(some)
            before = state.seconds
            with _timed(state):
                steps = range(state.step, state.step + len(some))
                rates = [learning_rate(spec, step, steps_per_epoch * spec.epochs) for step in steps]
                for batch, sums in zip(some, updates(spec, data, state, some, rates), strict=True):
                    state.step += 1
                    state.sums += sums
                    state.recent += sums
                    state.images += len(batch)
                    state.recent_images += len(batch)
                    state.high_images += len(batch)
            pace = (state.seconds - before) / len(some)
            first_or_last = state.step == 1 or state.step % steps_per_epoch == 0
            if first_or_last or state.step % STEPS_PER_JUDGING == 0:
                _judge(state, steps_per_epoch, commonest)
            if first_or_last or is_alone or told.is_long_ago(state):
                yield _step(state, told)
                told = _Told.now(state)
            else:
                yield None
            if spec.time_limit and state.seconds >= spec.time_limit:
                break
        val_sums = torch.zeros_like(state.sums)
        parts, answered = state.engine.evaluated(data.val_images), []
        for labels in data.val_labels.split(state.engine.images_at_once):
            with _timed(state):
                answered.append(next(parts))
                val_sums += sums_of(answered[-1], labels)
            yield None
        state.answers = ValAnswers.of(answered)
        is_right = state.answers.predicted == data.val_labels
        yield _epoch(spec, state, val_sums, is_right, steps_per_epoch)


def _steps_at_once(state: State, told: _Told, pace: float) -> int:
    """The number of steps to make before anything else is looked at; one takes `pace` seconds.

    It changes no weights: the losses are judged after the same steps, whatever the clock says.
    """
    kernels = state.engine.kernels
    if state.step == 0 or not kernels:
        return 1
    most = min(STEPS_PER_JUDGING - state.step % STEPS_PER_JUDGING, STEPS_PER_TELLING - (state.step - told.step))
    return max(1, min(most, kernels.most_steps, int(SECONDS_AT_ONCE / pace)))


def update(spec: RunSpec, data: Data, state: State, batch: Tensor, rate: float) -> Tensor:
    """Make one step on the train images with the indices `batch` (B,); returns their sums, as in `State.sums`."""
    return updates(spec, data, state, [batch], [rate])[0]


def updates(spec: RunSpec, data: Data, state: State, batches: Sequence[Tensor], rates: Sequence[float]) -> Tensor:
    """Make a step on the train images with the indices of each batch; returns their sums (S, 2), as in `State.sums`.

    There may be several where `_steps_at_once` says so.
    """
    for group in state.optimizer.param_groups:
        group["lr"] = group["lr"].fill_(rates[-1]) if isinstance(group["lr"], Tensor) else rates[-1]
    if state.engine.kernels:
        return _updates_by_kernels(spec, data, state, batches, rates)
    (batch,) = batches
    if batch.device.type != "cuda" or len(batch) < spec.batch_size:
        return _update(spec, data, state, batch)[None]
    if state.captured is None:
        step = partial(_update, spec, data, state)
        state.captured = Captured(step, batch, state.model, state.optimizer)
    return state.captured(batch)[None]


def _updates_by_kernels(
    spec: RunSpec, data: Data, state: State, batches: Sequence[Tensor], rates: Sequence[float]
) -> Tensor:
    kernels = state.engine.kernels
    assert kernels

    def drawn(at: int, part: int, places: np.ndarray) -> np.ndarray:
        _seed_chance(spec, state, part, at)
        return augmented(spec, data.train_images.index_select(0, torch.from_numpy(places))).flatten(1).numpy()

    sums = kernels.steps(
        state.optimizer,
        state.engine.team,
        data.train_images.flatten(1).numpy(),
        data.train_labels.numpy(),
        [batch.numpy() for batch in batches],
        rates,
        drawn if kernels.drops or spec.augments else None,
    )
    return torch.from_numpy(sums).to(state.sums.dtype)


def _update(spec: RunSpec, data: Data, state: State, batch: Tensor) -> Tensor:
    """Make one step by torch, computing the batch's parts in parallel.

    Their gradients are added in the parts' order, not in order of completion, so that the sum is deterministic.
    """
    engine = state.engine

    def gradients(part: tuple[int, Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
        number, places = part
        _seed_chance(spec, state, number)
        # `index_select` copies whole images and is 18 times as fast as `[places]`.
        images, labels = data.train_images.index_select(0, places), data.train_labels.index_select(0, places)
        logits = engine.logits(augmented(spec, images))  # (B, K)
        loss = functional.cross_entropy(logits, labels, reduction="sum")
        correct = (logits.detach().argmax(dim=1) == labels).sum()
        sums = torch.stack([loss.detach(), correct]).to(state.sums.dtype)
        return torch.autograd.grad(loss / len(batch), engine.parameters), sums

    (first, sums), *others = engine.team.run(gradients, list(enumerate(engine.divided(batch))))
    for place, parameter in enumerate(engine.parameters):
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)  # in the memory layout that fused optimizers require
        parameter.grad.copy_(first[place])
        for more, _ in others:
            parameter.grad.add_(more[place])
    for _, more_sums in others:
        sums += more_sums
    optimize(state.optimizer)
    return sums


def _seed_chance(spec: RunSpec, state: State, part: int, ahead: int = 0) -> None:
    """Seed this thread's generator for dropout and augmentation by seed, step and part, so that no state is needed.

    `ahead`: how many steps after the state's next one.
    """
    if state.engine.device.type != "cpu":  # other devices use torch's own generator, whose state is saved
        chance.generator = None
        return
    if getattr(chance, "generator", None) is None:
        chance.generator = torch.Generator()
    chance.generator.manual_seed((spec.seed * 1_000_003 + state.step + ahead) * 1_009 + part)


def sums_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy (nats) and number of correct predictions of logits (B, K), summed over the images: (2,)."""
    loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
    return torch.stack([loss, (logits.argmax(dim=1) == labels).sum()]).to(loss.dtype)


def learning_rate(spec: RunSpec, step: int, steps: int) -> float:
    """The learning rate of step `step` (from 0) of `steps`: a function of the step alone, so that no state is needed.

    `cosine` falls from the spec's rate to 0. Source: Loshchilov, Hutter 2017. `one_cycle` rises from 1/25 of the spec's
    rate to all of it over the first 30 % of the steps and then falls to 1/250,000 of it, both along half a cosine, as
    torch's OneCycleLR does. Source: Smith 2018.
    """
    if spec.schedule == "constant":
        return spec.learning_rate
    if spec.schedule == "cosine":
        return spec.learning_rate * _half_cosine(1, 0, step / steps)
    peak = max(1.0, 0.3 * steps - 1)
    if step <= peak:
        return spec.learning_rate * _half_cosine(1 / 25, 1, step / peak)
    return spec.learning_rate * _half_cosine(1, 1 / 250_000, (step - peak) / max(1.0, steps - 1 - peak))


def order(seed: int, epoch: int, n: int) -> Tensor:
    """The order (N,) of the train images in an epoch: a function of seed and epoch, so that no state is needed."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(n, generator=generator)


_drawing = threading.RLock()  # held while initial weights are drawn from torch's generator, which all threads share


def initial_model(spec: RunSpec, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """`new_model` with the weights that the spec's seed draws; torch's generator is left as it was. Raises: Refusal."""
    with _drawing, torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(spec.seed)
        return new_model(spec, shape, classes)


def new_model(spec: RunSpec, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """The spec's network with a `Scale` in front: images uint8 (N, C, H, W) in, logits (N, K) out. Raises: Refusal."""
    with _drawing:
        network = layers.build(spec.layers, shape, classes)
        _use_constants(network, CONSTANTS[spec.defaults])
    scale = Scale(torch.ones(shape[0]), torch.zeros(shape[0]))
    # Channels-last: convolutions are 1.2 to 1.3 times as fast on two cores, and tensor cores require it.
    model = nn.Sequential(OrderedDict(scale=scale, layers=network)).to(memory_format=torch.channels_last)
    first_layers(model, spec.frozen).requires_grad_(False)
    return model


def scale_for(spec: RunSpec, model: nn.Module, images: np.ndarray) -> None:
    """Have the `Scale` in front of a new model normalise as the spec says, by train images uint8 (N, C, H, W)."""
    scale, shift = normalisation(spec, images)
    scaling = {"scale": torch.from_numpy(scale), "shift": torch.from_numpy(shift)}
    model.get_submodule("scale").load_state_dict(scaling)


def new_optimizer(spec: RunSpec, model: nn.Module) -> torch.optim.Optimizer:
    """The spec's optimizer, with PyTorch's or Keras's default constants (which differ in Adam's epsilon).

    Keras adds epsilon before the bias correction, that is epsilon / sqrt(1 - beta2 ** step) in PyTorch's place. A
    captured graph could not follow that, and it changes no accuracy that `benchmarks/adam.py` can see.
    """
    device = next(model.parameters()).device
    # Fused: one pass over all parameters; for Adam and the MLP this saves a fifth of the step.
    common: dict[str, Any] = {"lr": spec.learning_rate, "weight_decay": spec.weight_decay}
    common["fused"] = device.type != "mps"  # where torch calls it a prototype
    if device.type == "cuda":  # a CUDA graph can only read values on the device
        common["lr"] = torch.tensor(spec.learning_rate, device=device)
    if spec.optimizer == "sgd":
        return torch.optim.SGD(trainable(model), momentum=spec.momentum, **common)
    kind = torch.optim.Adam if spec.optimizer == "adam" else torch.optim.AdamW
    common |= {"eps": CONSTANTS[spec.defaults].adam_epsilon, "capturable": device.type == "cuda"}
    return kind(trainable(model), **common)


def _use_constants(model: nn.Module, constants: Constants) -> None:
    """Draw the weights and biases anew unless they are PyTorch's own, and set the constants of batch norm."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if constants.initial_weights == "glorot_uniform":
                nn.init.xavier_uniform_(module.weight)
            if constants.initial_biases == "zeros" and module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum, module.eps = constants.batch_norm_momentum, constants.batch_norm_epsilon


def _judge(state: State, steps_per_epoch: int, commonest: float) -> None:
    """Check the loss since the last check, and whether the training is lost, see `HIGH`. Raises: see `train`.

    `commonest`: the share (0 to 1) of the commonest class among the train images.
    """
    with _timed(state):  # `tolist` waits until the device has finished these steps
        loss, correct = state.recent.tolist()
    loss, accuracy = loss / state.recent_images, correct / state.high_images
    if not math.isfinite(loss):
        raise _diverged(state, loss)
    first = state.first_loss = loss if state.first_loss is None else state.first_loss
    start, steps = max(first, state.guessing), state.step - state.low_step
    state.recent[0] = state.recent_images = 0
    is_over = steps >= max(steps_per_epoch, LEAST_STEPS_LOST) - 1  # the first step alone is low in any case
    if loss > HIGH * start and not is_over:
        return
    state.recent[1] = state.high_images = 0
    state.low_step = state.step  # from where a run that is resumed gets as many steps again
    if loss > HIGH * start and accuracy <= commonest + SENSE * (1 - commonest):
        raise Refusal(
            "error.lost",
            step=state.step,
            epoch=state.epoch + 1,
            steps=steps,
            loss=round(loss, 4),
            factor=HIGH,
            start=round(start, 4),
            accuracy=accuracy,
        )


def _step(state: State, told: _Told) -> Step:
    with _timed(state):
        images = state.images - told.images
        loss, accuracy = (value / images for value in (state.sums - told.sums).tolist())
    if not math.isfinite(loss):
        raise _diverged(state, loss)
    return Step(
        epoch=state.epoch + 1,
        step=state.step,
        loss=max(0.0, loss),
        accuracy=min(1.0, max(0.0, accuracy)),
        seconds=round(state.seconds, 6),  # more digits carry no information and would take a tenth of the log
        images_per_second=round(images / max(1e-9, state.seconds - told.seconds), 1),
    )


def _epoch(spec: RunSpec, state: State, val_sums: Tensor, is_right: Tensor, steps_per_epoch: int) -> Epoch:
    """End the epoch: update the state's epoch count, best epoch and reason to stop, and return the Epoch event.

    `is_right`: bool (N,), whether the answer to each val image is right.
    """
    with _timed(state):
        train_loss, train_accuracy = (value / state.images for value in state.sums.tolist())
        val_loss, val_accuracy = (value / len(is_right) for value in val_sums.tolist())
    if not math.isfinite(train_loss + val_loss):
        raise _diverged(state, val_loss)
    state.epoch += 1
    state.images = 0
    state.sums.zero_()
    value = quality(spec.best_by, state.epoch, val_accuracy, val_loss)
    if state.best_value is None or value > state.best_value:
        state.improved_epoch, state.best_value = state.epoch, value
    if value == state.best_value:
        state.best_epoch = state.epoch
    reasons = {
        "target_accuracy": spec.target_accuracy is not None and val_accuracy >= spec.target_accuracy,
        "patience": spec.patience is not None and state.epoch - state.improved_epoch >= spec.patience,
        "time_limit": spec.time_limit is not None and state.seconds >= spec.time_limit,
        "epochs": state.epoch >= spec.epochs,
    }
    state.stop = next((reason for reason, holds in reasons.items() if holds), None)
    return Epoch(
        epoch=state.epoch,
        step=state.step,
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        learning_rate=learning_rate(spec, state.step - 1, steps_per_epoch * spec.epochs),
        seconds=state.seconds,
        processor_seconds=state.processor_seconds,
        val_right=packed(is_right.cpu().numpy()) if len(is_right) <= MOST_RIGHT else "",
        best_epoch=state.best_epoch,
        stop=state.stop,
    )


def quality(best_by: BestBy, epoch: int, val_accuracy: float, val_loss: float) -> float:
    """The quantity by which the best epoch is chosen; larger is better."""
    return {"val_accuracy": val_accuracy, "val_loss": -val_loss, "last": epoch}[best_by]


def _diverged(state: State, loss: float) -> Refusal:
    return Refusal("error.diverged", step=state.step, epoch=state.epoch + 1, loss=str(loss))  # JSON has no NaN


@contextmanager
def _timed(state: State) -> Iterator[None]:
    clock, processor_clock = time.perf_counter(), time.process_time()
    yield
    state.seconds += time.perf_counter() - clock
    if state.processor_seconds is not None:
        state.processor_seconds += time.process_time() - processor_clock


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, with the prefix removed from the names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
