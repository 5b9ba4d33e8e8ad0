"""The exception for everything that the program cannot do for a user, translatable into every interface language."""

from __future__ import annotations


class Refusal(ValueError):
    """A reason as a text key and the values of its slots; `core/locales` holds the sentence in each language."""

    def __init__(self, key: str, /, **slots: object):
        super().__init__(key + "".join(f" {name}={value}" for name, value in slots.items()))
        self.key = key
        self.slots = slots
