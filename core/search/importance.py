"""How much each varied field of a study matters: the share of the differences in val accuracy that it explains."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.refusal import Refusal
from core.search.study import Study
from core.search.tpe import trial_of
from core.search.trainings import Training

LEAST_RUNS = 10  # with fewer, the estimate is mostly chance


@dataclass(frozen=True)
class Importance:
    """What an analysis of a study's finished runs says of its fields."""

    shares: Mapping[str, float]  # by field, the most important first: 0 to 1, together 1
    n: int  # number of runs that were analysed
    left_out: int  # pruned runs, whose accuracies are those of fewer epochs
    sometimes: tuple[str, ...]  # fields that not all of these runs use, of which nothing is said


def importance(study: Study, found: Sequence[Training]) -> Importance:
    """The importance of each varied field by functional ANOVA, of the study's `trainings`; the same each time.

    A forest of regression trees predicts the accuracy from the fields, and its variance is divided among them. Only
    runs that are done count. Source: Hutter, Hoos, Leyton-Brown 2014, ICML 32, 754, as Optuna computes it.
    Raises: Refusal, with fewer than `LEAST_RUNS` runs, or if all have the same accuracy.
    """
    done = [one for one in found if one.state == "done"]
    if len(done) < LEAST_RUNS:
        raise Refusal("error.importance_few", count=len(done), least=LEAST_RUNS)
    if len({one.accuracy for one in done}) < 2:
        raise Refusal("error.importance_equal", count=len(done))
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        told = optuna.create_study(direction="maximize")
        told.add_trials([trial for one in done if (trial := trial_of(study, one))])
        measure = optuna.importance.FanovaImportanceEvaluator(seed=0)
        shares = optuna.importance.get_param_importances(told, evaluator=measure)
    pruned = sum(one.state == "pruned" for one in found)
    sometimes = tuple(field for field in study.varied if field not in shares)
    return Importance({field: float(share) for field, share in shares.items()}, len(done), pruned, sometimes)
