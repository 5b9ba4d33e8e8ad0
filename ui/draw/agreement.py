"""What several models say of one drawing: as a sentence, and as the rows of a table of models by classes.

The page and the live answers (`live_answer.py`) send the same message to the browser (`answers.js`). So what is said
while the pen is down is what is said when it is lifted. Nothing here needs a page: all words are of a given language.
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from core import words
from core.models.model import Answer

LEAST_SHOWN = 0.01  # probability below which a cell of the table is left empty


def message(answers: Sequence[Answer], language: str, empty: str = "") -> dict[str, Any]:
    """What `answers.js` shows of the answers to one drawing, plain text; without answers the sentence `empty`.

    `rows` has an entry for each answer, `seen` is the first model's image: grey levels, base64, `side` px a side.
    """
    if not answers:
        return {"sentence": empty, "rows": []}
    image = answers[0].image
    side = image.shape[-1]
    return {
        "sentence": agreement(answers, language),
        "rows": [_row(answer, language) for answer in answers],
        "side": side,
        "seen": base64.b64encode(image[0].tobytes()).decode(),
        "caption": words.text(language, "draw.seen", side=side),
    }


def _row(answer: Answer, language: str) -> dict[str, Any]:
    values = answer.values.tolist()
    return {
        "shares": [round(value, 4) for value in values],
        "texts": [certainty(value, 0, language).rstrip("%") if value >= LEAST_SHOWN else "" for value in values],
        "best": int(answer.values.argmax()),
        "sure": not answer.doubt,
    }


def agreement(answers: Sequence[Answer], language: str) -> str:
    """A sentence of one or more answers to one drawing: which class the models name, and who is unsure, and why.

    Every model's answer counts. A drawing that is no single digit is said to be none, whatever the models name; also
    if some models alone call it none, since one that has learned from digits alone cannot.
    """
    doubts = [answer.doubt for answer in answers if answer.doubt]
    if none := [doubt for doubt in doubts if doubt != "doubt.unsure"]:
        if len(none) == len(answers):
            return words.text(language, none[0])
        return words.text(language, "draw.some_none", count=len(none), models=len(answers))
    names = answers[0].model.names(language)

    def said(k: int) -> str:
        return words.text(language, "draw.class", digit=k, label=names[k])

    if len(answers) == 1:
        alone = answers[0]
        best = int(alone.values.argmax())
        if doubts:
            return words.text(language, "draw.perhaps", said=said(best), why=_why(answers, language))
        probability = certainty(float(alone.values[best]), 1, language)
        return words.text(language, "draw.answer", said=said(best), probability=probability)
    votes = Counter(int(answer.values.argmax()) for answer in answers).most_common()
    (best, count), *others = votes
    if not others:
        key = "draw.both" if count == 2 else "draw.all"
        agreed = words.text(language, key, said=said(best), models=count)
    elif others[0][1] == count:
        parties = [words.text(language, "draw.votes", said=said(k), votes=n) for k, n in votes]
        agreed = words.text(language, "draw.split", said=", ".join(parties))
    else:
        agreed = words.text(language, "draw.most", said=said(best), votes=count, models=len(answers))
    if not doubts:
        return agreed
    why = _why([answer for answer in answers if answer.doubt], language)
    if len(doubts) == len(answers):
        return words.text(language, "draw.none_sure", agreed=agreed, why=why)
    return words.text(language, "draw.some_unsure", agreed=agreed, count=len(doubts), why=why)


def _why(unsure: Sequence[Answer], language: str) -> str:
    """Why one or more models are unsure: below what is `sure`, or an image unlike those that they have learned from."""
    low = [answer.model.sure for answer in unsure if answer.values.max() < answer.model.sure]
    sure = words.percent(max(low, default=0), 0, language=language)
    if len(unsure) == 1:
        probability = certainty(float(unsure[0].values.max()), 1, language)
        return words.text(language, "why.one_low" if low else "why.one_unlike", probability=probability, sure=sure)
    key = "why.low" if len(low) == len(unsure) else "why.low_or_unlike" if low else "why.unlike"
    return words.text(language, key, sure=sure)


def certainty(probability: float, digits: int, language: str) -> str:
    """A model's probability as a percentage, rounded down: 99.96 % is not written as 100 %, nor 94.96 % as 95 %."""
    steps = 10 ** (2 + digits)
    # Softmax is below 1 and only reaches it where a float ends. What is added is half of a float32's last place.
    least = min(math.floor((probability + 5e-8) * steps), steps - 1) / steps
    return words.percent(least, digits, language=language)
