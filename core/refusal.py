"""The exception for everything that the program cannot do for a user, translatable into every interface language."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


class Refusal(ValueError):
    """A reason as a text key and the values of its slots; `core/locales` holds the sentence in each language."""

    def __init__(self, key: str, /, **slots: object):
        super().__init__(key + "".join(f" {name}={value}" for name, value in slots.items()))
        self.key = key
        self.slots = slots


@contextlib.contextmanager
def writing(folder: Path, unwritable: str = "error.store_write") -> Iterator[None]:
    """Raise a Refusal in place of an OSError where something cannot be written into a folder, by default of the store.

    `unwritable` is its text key, with the slots `folder` and `reason`.
    """
    try:
        yield
    except OSError as error:
        raise Refusal(unwritable, folder=str(folder), reason=error.strerror or str(error)) from error
