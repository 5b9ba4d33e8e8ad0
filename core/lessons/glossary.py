"""The glossary: one sentence for each term on the screen, and the texts of the screen that each term explains."""

from __future__ import annotations

import functools
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "glossary.toml"


@dataclass(frozen=True)
class Term:
    """A term with its word and its one sentence in each language."""

    name: str
    word: Mapping[str, str]
    says: Mapping[str, str]
    explains: tuple[str, ...]  # the text keys of the screen that say this term


@functools.cache
def terms() -> dict[str, Term]:
    """All terms by name, in the order of their file."""
    written = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: Term(name, one["word"], one["says"], tuple(one.get("explains", ()))) for name, one in written.items()}


@functools.cache
def term_of() -> dict[str, str]:
    """The name of the term that explains each text key of the screen, for those that have one."""
    return {key: one.name for one in terms().values() for key in one.explains}


def matching(letters: str, language: str) -> list[Term]:
    """The terms whose word contains the letters, then those whose sentence does, each by the alphabet of a language.

    Accents and capitals make no difference.
    """
    wanted = _plain(letters)
    found = sorted(terms().values(), key=lambda one: _plain(one.word[language]))
    named = [one for one in found if wanted in _plain(one.word[language])]
    return named + [one for one in found if one not in named and wanted in _plain(one.says[language])]


def _plain(words: str) -> str:
    """The words in small letters without accents."""
    parts = unicodedata.normalize("NFD", words.strip().casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))
