import ast
import math
import re
import string
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import words
from core.networks.activations import Activation
from core.networks.layers import KINDS
from tests.conftest import wait_for

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = sorted(path.stem for path in words.LOCALES.glob("*.toml"))
SOURCES = [
    ROOT / "app.py",
    *sorted(path for folder in ("core", "pages", "ui") for path in (ROOT / folder).rglob("*.py")),
]
# Keys that the program puts together, as in t(f"spec.{field}.label"): their beginnings.
BUILT = ("spec.", "layer.", "error.", "status.", "chart.", "draw.mode_", "number.", "language.")


def slots(sentence: str) -> set[tuple[str, str]]:
    return {(name, spec) for _, name, spec, _ in string.Formatter().parse(sentence) if name is not None}


def literal_keys() -> dict[str, str]:
    """Each literal key of t(...), plain(...), Refusal(...) and words.text(language, ...), with the file that has it."""
    found = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = {"t": 0, "plain": 0, "Refusal": 0, "text": 1}.get(called, len(node.args))
            keys = [key.value for key in node.args[place : place + 1] if isinstance(key, ast.Constant)]
            found |= {key: str(path.relative_to(ROOT)) for key in keys if isinstance(key, str)}
    return found


def test_english_is_there_for_readers_of_any_other_language():
    assert words.FALLBACK in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_keys_and_slots_of_english(language):
    english, other = words.words("en"), words.words(language)
    assert set(other) == set(english)
    assert {key: slots(other[key]) for key in other} == {key: slots(english[key]) for key in english}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_and_every_slot_says_a_known_way(language):
    for key, sentence in words.words(language).items():
        assert sentence.strip(), key
        assert {spec for _, spec in slots(sentence)} <= {"", "percent", "duration", "plain"}, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_that_the_program_names_has_a_text(language):
    known = words.words(language)
    missing = {k: file for k, file in literal_keys().items() if k not in known and f"{k}.other" not in known}
    assert not missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_layer_field_and_word_of_a_field_has_a_name(language):
    known = words.words(language)
    wanted = {f"layer.word.{word}" for word in (*get_args(Activation), "same", "classes")}
    for kind, layer in KINDS.items():
        wanted |= {f"layer.{kind}.label", f"layer.{kind}.help"}
        wanted |= {f"layer.field.{name}" for name in layer.model_fields if name != "kind"}
    assert {key for key in known if key.startswith("layer.") and not key.startswith("layer.said.")} == wanted


def test_every_text_is_used():
    used = set(literal_keys())
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    chosen = (f"{name}." for name in re.findall(r"""one_of\(["']([a-z]+)["']""", source))
    beginnings = (*BUILT, *chosen, *re.findall(r"""f["']([a-z_]+(?:\.[a-z_]+)*\.)\{""", source))
    unused = [
        key
        for key in words.words("en")
        if not ({key, key.removesuffix(".one").removesuffix(".other")} & used or key.startswith(beginnings))
        and f'"{key}"' not in source
    ]
    assert not unused


def test_no_english_text_puts_an_article_before_a_digit():
    """It would be `a 7`, but `an 8`."""
    assert not [key for key, text in words.words("en").items() if re.search(r"\ban? \{(digit|label|first)\b", text)]


def test_a_missing_key_or_slot_is_an_error_in_tests():
    with pytest.raises(KeyError):
        words.text("en", "no.such.key")
    with pytest.raises(KeyError):
        words.text("en", "number.interval", low=1)


@pytest.mark.parametrize(
    ("value", "digits", "english", "portuguese"),
    [
        (60000, None, "60,000", "60.000"),
        (np.int64(9670664), None, "9,670,664", "9.670.664"),
        (0.5, None, "0.5", "0,5"),
        (np.float32(0.25), None, "0.25", "0,25"),
        (10.0, None, "10", "10"),
        (0.001, None, "0.001", "0,001"),
        (1e-5, None, "1e-5", "1e-5"),
        (1.5e-7, None, "1.5e-7", "1,5e-7"),
        (2.98765, None, "2.988", "2,988"),
        (1234.6, None, "1,235", "1.235"),
        (1234.56, 1, "1,234.6", "1.234,6"),
        (3, 2, "3.00", "3,00"),
        (-0.25, None, "-0.25", "-0,25"),
        (-0.00004, 4, "0.0000", "0,0000"),
        (math.nan, None, "–", "–"),
        (math.inf, 1, "∞", "∞"),
        (-math.inf, None, "-∞", "-∞"),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(value, digits, english, portuguese):
    assert words.number(value, digits, language="en") == english
    assert words.number(value, digits, language="pt_BR") == portuguese


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_can_be_read_back_in_both_languages(value):
    assert int(words.number(value, language="en").replace(",", "")) == value
    assert int(words.number(value, language="pt_BR").replace(".", "")) == value


def test_shares_become_percentages():
    assert words.percent(0.98714, language="en") == "98.7%"
    assert words.percent(0.98714, 2, language="pt_BR") == "98,71%"
    assert words.percent(0.9996, language="en") == "99.9%"
    assert words.percent(0.99996, 2, language="pt_BR") == "99,99%"
    assert words.percent(1, language="en") == "100.0%"
    assert words.fraction(1 - 1 / 60_000, 4, language="pt_BR") == "0,9999"
    assert words.fraction(1, 4, language="en") == "1.0000"
    assert words.interval(0.979, 0.984, language="en") == "97.9% to 98.4%"
    assert words.interval(0.979, 0.984, language="pt_BR") == "97,9% a 98,4%"


@pytest.mark.parametrize(
    ("seconds", "portuguese"),
    [
        (0.0352, "0,035 s"),
        (2.48, "2,5 s"),
        (9.99, "10 s"),
        (12.4, "12 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (3_463_200, "40 d 2 h"),
    ],
)
def test_seconds_become_a_duration(seconds, portuguese):
    assert words.duration(seconds, language="pt_BR") == portuguese


@pytest.fixture
def two_sentences(tmp_path, monkeypatch):
    sentences = '[number]\ndecimal = ","\nthousands = "."\n'
    sentences += '[say]\nseen = "{count} imagens, {share:percent}, semente {seed:plain}"\n'
    sentences += '[say.epochs]\none = "{count} época"\nother = "{count} épocas"\n'
    (tmp_path / "pt_BR.toml").write_text(sentences, encoding="utf-8")
    monkeypatch.setattr(words, "LOCALES", tmp_path)
    return tmp_path


def test_numbers_in_slots_are_written_in_the_language_by_themselves(two_sentences):
    said = words.text("pt_BR", "say.seen", count=60000, share=0.125, seed=20261121)
    assert said == "60.000 imagens, 12,5%, semente 20261121"


def test_the_count_chooses_between_one_and_other(two_sentences):
    said = [words.text("pt_BR", "say.epochs", count=count) for count in (0, 1, 2000)]
    assert said == ["0 épocas", "1 época", "2.000 épocas"]


def test_what_a_visitor_wrote_is_shown_and_not_filled_again(two_sentences):
    assert words.text("pt_BR", "say.seen", count="{seed}", share=0, seed="x").startswith("{seed} imagens")


def test_a_changed_file_is_read_again_without_a_restart(two_sentences):
    before = words.text("pt_BR", "say.epochs", count=1)
    path = two_sentences / "pt_BR.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("época", "volta"), encoding="utf-8")
    assert before == "1 época"
    wait_for(lambda: words.text("pt_BR", "say.epochs", count=1) == "1 volta", 2 * words.LOOKS)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("pt-BR", "pt_BR"),
        ("pt", "pt_BR"),
        ("pt-PT", "pt_BR"),
        ("pt_BR", "pt_BR"),
        ("en-GB", "en"),
        ("xx", None),
        ("", None),
        (None, None),
    ],
)
def test_a_browsers_tag_finds_the_closest_language(tag, language):
    assert words.closest(tag) == language


def test_the_files_are_plain_tables_of_texts():
    for language in LANGUAGES:
        tables = tomllib.loads((words.LOCALES / f"{language}.toml").read_text(encoding="utf-8"))
        assert all(isinstance(table, dict) for table in tables.values())


# --- numbers that people write ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "english", "portuguese"),
    [
        ("1,000", "1000", "1.000"),
        ("1.000", "1.000", "1000"),
        ("12,345", "12345", "12.345"),
        ("1,234,567", "1234567", "1234567"),
        ("1.234.567", "1234567", "1234567"),
        ("1,234.5", "1234.5", "1234.5"),
        ("1.234,5", "1234.5", "1234.5"),
        ("0,002", "0.002", "0.002"),
        ("0.002", "0.002", "0.002"),
        ("12,5", "12.5", "12.5"),
        ("12.5", "12.5", "12.5"),
        ("0.8705", "0.8705", "0.8705"),
        (" 60000 ", "60000", "60000"),
        (".5", "0.5", "0.5"),
        ("5.", "5", "5"),
        ("1e-3", "0.001", "0.001"),
        ("-1,5", "-1.5", "-1.5"),
    ],
)
def test_a_number_is_read_as_the_language_writes_it_with_its_decimals(written, english, portuguese):
    for language, wanted in (("en", english), ("pt_BR", portuguese)):
        read = words.read_number(written, language=language)
        assert read == Decimal(wanted)
        if "e" not in written:
            assert -read.as_tuple().exponent == len(wanted.partition(".")[2])


NO_NUMBERS = ["", " ", ".", ",", "1,00,0", "1.2.3", "1,2,3", "1 000", "ten", "1e", "٣", "0x1", "nan", "1_000", "--1"]


@pytest.mark.parametrize("written", NO_NUMBERS)
@pytest.mark.parametrize("language", words.languages())
def test_what_is_no_number_is_not_read(language, written):
    with pytest.raises(ValueError, match=re.escape(written) or "^$"):
        words.read_number(written, language=language)


@pytest.mark.parametrize("language", words.languages())
@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_what_the_language_writes_it_reads(language, whole, digits):
    value = Decimal(whole).scaleb(-digits)
    written = words.number(float(value), digits, language=language)
    assert words.read_number(written, language=language) == Decimal(f"{float(value):z.{digits}f}")
