"""What the program cannot do for a visitor, sayable in any language."""

from __future__ import annotations


class Refusal(ValueError):
    """One clear reason: a text key and the words that go into its slots. `core/locales` holds the sentences."""

    def __init__(self, key: str, **slots: object):
        super().__init__(key + "".join(f" {name}={value}" for name, value in slots.items()))
        self.key = key
        self.slots = slots
