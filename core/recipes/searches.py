"""The hyperparameter searches of report 002 and one of ours, and the lookup of the recipe or search of a spec."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core import words
from core.networks.architectures import mlp, one_convolution
from core.networks.layers import AvgPool, Layers, MaxPool, text
from core.recipes import repeated_by
from core.recipes.record import VARIANTS, Variant
from core.recipes.report_002 import HONEST, TRAINED
from core.recipes.reported import Reported, all_reported, reported
from core.search import Cell, Search, Stage, winner
from core.spec import RunSpec, default

VAL_IMAGES = 3_588  # of report 002, on which the reported val accuracies were measured
Choices = tuple[tuple[str, Any], ...]  # (choice, option) pairs


def _search(
    name: str,
    start: Mapping[str, Any],
    stages: Mapping[str, Sequence[Any]],  # by choice: its options
    network: Callable[[Mapping[str, Any]], Layers],
    epochs: int,
    short_epochs: int = 1,
) -> Search:
    def values(choices: Mapping[str, Any]) -> dict[str, Any]:
        found = TRAINED | {"layers": text(network(choices)), "epochs": epochs}
        if choices.get("optimizer") == "adam":
            found |= {"optimizer": "adam", "learning_rate": 0.001}
        return found

    def reports(choice: str, options: Sequence[Any]) -> dict[Any, float]:
        found = {option: reported_of(name, choice, option) for option in options}
        return {option: one.best.val_accuracy for option, one in found.items() if one and one.best}

    # Epochs, not a time limit, end a short training, so that no option has more of them than another.
    short = {"epochs": short_epochs, "precision": "auto"}
    return Search(
        start=start,
        stages=tuple(Stage(choice, tuple(options), reports(choice, options)) for choice, options in stages.items()),
        values=values,
        variants={"faithful": {}, "honest": HONEST, "short": HONEST | short},
        data=TRAINED["data"],
    )


def reported_of(name: str, choice: str, option: Any) -> Reported | None:
    """What the report's author published of the training of a search's option; None if nothing."""
    return reported(_reported_name(name, choice, option))


def _reported_name(name: str, choice: str, option: Any) -> str:
    named = f"{option[0]}@{option[1]}" if isinstance(option, tuple) else option
    return f"{name}/{choice}/{named}"


def _pooled(choices: Mapping[str, Any]) -> Layers:
    """The network of the grid's best cell, with one kind of pooling or the other."""
    convolution, _, *others = one_convolution(64, 9)
    return (convolution, MaxPool(size=2) if choices["pooling"] == "max" else AvgPool(size=2), *others)


SEARCHES: dict[str, Search] = {
    "002-a": _search(
        "002-a",
        start={"width": 256, "activation": "relu", "dropout": 0, "optimizer": "sgd"},
        stages={
            "width": (256, 512, 1024, 2048, 4096),
            "activation": ("relu", "sigmoid"),
            "dropout": (0, 0.25, 0.5),
            "optimizer": ("sgd", "adam"),
        },
        network=lambda choices: mlp(choices["width"], activation=choices["activation"], dropout=choices["dropout"]),
        epochs=500,
    ),
    "002-c": _search(
        "002-c",
        start={},
        stages={"convolution": tuple(itertools.product((8, 16, 32, 64, 128), (3, 5, 7, 9)))},  # (filters, kernel)
        network=lambda choices: one_convolution(*choices["convolution"]),
        epochs=100,
    ),
    "pooling": _search(
        "pooling",
        start={},
        stages={"pooling": ("max", "avg")},
        network=_pooled,
        epochs=20,
        short_epochs=3,
    ),
}


def repeats(name: str) -> list[tuple[Choices, tuple[float, ...]]]:
    """The configurations that the report's author trained more than once, with the best val accuracy of each training.

    A later stage trains the option again that the stage before has chosen, and a recipe may train the last one again;
    other repetitions were published in an earlier version of the notebook.
    """
    search = SEARCHES[name]
    choices, found = dict(search.start), {}
    for stage in search.stages:
        for option, accuracy in stage.reported.items():
            # Not `faithful`, where the single recipe keeps another epoch's weights than the search.
            spec = search.spec(choices | {stage.choice: option}, "honest")
            if spec not in found:
                found[spec] = (choices | {stage.choice: option}, [])
            found[spec][1].append(accuracy)
            prefix = f"{_reported_name(name, stage.choice, option)}/"
            found[spec][1].extend(
                one.best.val_accuracy for key, one in all_reported().items() if key.startswith(prefix) and one.best
            )
        if stage.reported:
            choices[stage.choice] = max(stage.reported, key=stage.reported.__getitem__)
    for spec, (_, accuracies) in found.items():
        single = repeated_by(spec)
        again = reported(single[0]) if single else None
        if again and again.best:
            accuracies.append(again.best.val_accuracy)
    return [(telling(name, chosen), tuple(accuracies)) for chosen, accuracies in found.values() if len(accuracies) > 1]


def option_text(option: object, language: str) -> str:
    """An option of a stage as text: a number, a word, or `8 @ 3 x 3` for 8 filters with kernels of 3 x 3."""
    if isinstance(option, tuple):
        filters, kernel = option
        return f"{filters} @ {kernel} x {kernel}"
    if isinstance(option, int | float):
        return words.number(option, language=language)
    return words.text(language, f"search.option_{option}")


def choices_of(spec: RunSpec) -> Choices:
    """By what a search's training differs from the search's start, see `choices_text`; empty for any other spec."""
    training = None if repeated_by(spec) else _trainings().get(_any_data(spec))
    return training[2] if training else ()


def choices_text(choices: Choices, language: str) -> str:
    """Options as text that says what they are: `4,096 neurons, dropout 0.25`."""
    return ", ".join(
        words.text(language, f"search.named_{choice}", option=option_text(option, language))
        for choice, option in choices
    )


def belongs_to(spec: RunSpec) -> tuple[str, Variant] | None:
    """The recipe or search, and the variant, to which a spec belongs; None if it belongs to none.

    The seed does not count; for a search the data do not count either.
    """
    training = _trainings().get(_any_data(spec))
    return repeated_by(spec) or (training[:2] if training else None)


def _any_data(spec: RunSpec) -> RunSpec:
    return spec.model_copy(update={"seed": 0, "data": default("data")})


def path(name: str, found: Sequence[Cell]) -> Choices:
    """What a search has chosen so far, see `telling`."""
    stages = SEARCHES[name].stages
    best = [winner(cell for cell in found if cell.stage == place) for place in range(len(stages))]
    return telling(name, {stage.choice: one.option for stage, one in zip(stages, best, strict=True) if one})


def telling(name: str, choices: Mapping[str, Any]) -> Choices:
    """Those of a search's choices that differ from its start; if none does, the first, to tell them from others."""
    start = SEARCHES[name].start
    differ = tuple((choice, option) for choice, option in choices.items() if option != start.get(choice))
    return differ or tuple(choices.items())[:1]


@functools.cache
def _trainings() -> dict[RunSpec, tuple[str, Variant, Choices]]:
    """All trainings that the searches can reach on any data, whatever their stages choose: search, variant, options."""
    found: dict[RunSpec, tuple[str, Variant, Choices]] = {}
    for name, search in SEARCHES.items():
        for options in itertools.product(*(one.options for one in search.stages)):
            choices = {**search.start, **dict(zip((one.choice for one in search.stages), options, strict=True))}
            for variant in VARIANTS:
                spec = _any_data(search.spec(choices, variant))
                # Data without a val split of their own get one that is drawn.
                for split in (spec.split, "stratified") if spec.split == "official" else (spec.split,):
                    key = spec.model_copy(update={"split": split})
                    found[key] = (name, variant, telling(name, choices))
    return found
