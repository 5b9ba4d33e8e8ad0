"""What a study of the way `tpe` tries next, told by Optuna's sampler from the trainings that the store knows.

Optuna keeps nothing: an in-memory study is rebuilt from the run folders each time that a run is needed. With the same
trainings and the same seed of the base, it asks for the same.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.search.study import Range, Study, every, is_whole, options_of, rounded
from core.search.trainings import Training
from core.spec import RunSpec

if TYPE_CHECKING:
    import optuna

STARTUP = 10  # trainings drawn by chance before the estimator is asked
TRIES = 20  # of the sampler, before one that is not known yet is drawn by chance
DRAWS = 200


def asked(study: Study, found: Sequence[Training]) -> RunSpec | None:
    """The next training of a study, none of those `found`; None if there is no other, or chance finds none.

    Of those found, the answers of finished runs are told to a multivariate tree-structured Parzen estimator. Runs under
    way are told as bad ones, so that two at the same time are not alike (constant liar), and pruned ones by the epoch
    up to which they came. The first `STARTUP` are drawn by chance. Source: Bergstra, Bardenet, Bengio, Kégl 2011, NIPS;
    Falkner, Klein, Hutter 2018, ICML (multivariate). Raises: Refusal.
    """
    known = dict.fromkeys(one.spec for one in found)
    for attempt in range(TRIES):
        seed = _chance(study, len(found), attempt).randrange(2**32)
        spec = study.spec(_asked(study, found, seed))
        if spec not in known:
            return spec
    options = every(study)
    by_chance = _chance(study, len(found), TRIES)
    if options is not None:
        left = [spec for spec in options if spec not in known]
        return by_chance.choice(left) if left else None
    drawn = (study.spec(study.draw(by_chance)) for _ in range(DRAWS))
    return next((spec for spec in drawn if spec not in known), None)


def _chance(study: Study, number: int, attempt: int) -> random.Random:
    return random.Random(f"{study.base.seed} {number} {attempt}")  # noqa: S311  no secret; and the same in each process


def _asked(study: Study, found: Sequence[Training], seed: int) -> dict[str, Any]:
    """The values of the varied fields that the sampler asks for."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", FutureWarning)  # of an argument that Optuna gives to itself
        sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, multivariate=True, constant_liar=True, seed=seed)
        told = optuna.create_study(direction="maximize", sampler=sampler)
        told.add_trials([trial for one in found if (trial := trial_of(study, one))])
        values = told.ask({field: distribution(study, field) for field in study.varied}).params
    ranges = {field: varied for field, varied in study.varied.items() if isinstance(varied, Range)}
    return {
        field: rounded(field, value, ranges[field]) if field in ranges else value for field, value in values.items()
    }


def trial_of(study: Study, one: Training) -> optuna.trial.FrozenTrial | None:
    """A training as Optuna's sampler and its measures of importance are told of it; None for one that failed."""
    import optuna

    states = optuna.trial.TrialState
    if one.state == "failed":
        return None
    params = options_of(study, one.spec)
    more: dict[str, Any] = {"state": states.RUNNING}
    if one.state == "done":
        more = {"state": states.COMPLETE, "value": one.accuracy}
    elif one.state == "pruned":
        more = {"state": states.PRUNED, "intermediate_values": {one.epochs: one.accuracy}}
    return optuna.trial.create_trial(
        params=params, distributions={field: distribution(study, field) for field in params}, **more
    )


def distribution(study: Study, field: str) -> optuna.distributions.BaseDistribution:
    """The values of a varied field, as Optuna names them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = study.varied[field]
    if not isinstance(values, Range):
        return CategoricalDistribution(values)
    if is_whole(field):
        return IntDistribution(round(values.low), round(values.high), log=values.is_log)
    return FloatDistribution(values.low, values.high, log=values.is_log)
