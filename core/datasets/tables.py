"""Tables of pixels as text: one image a line, with its label, as Kaggle and many others give them."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.datasets.arrays import LABELS, PART_WORDS, words_in
from core.datasets.entries import Entry
from core.events import MOST_CLASSES
from core.refusal import Refusal

if TYPE_CHECKING:
    import pandas as pd

NO_UTF_8 = "as-windows-1252"  # what is done with bytes that are no UTF-8
SUFFIXES = (".csv", ".tsv", ".tra", ".tes", ".data")
LONGEST_LINE = 2**23  # letters: an image of 512 x 512 x 3 has up to three million
ROWS = 1000  # read at a time
MOST_LISTED = 200_000  # rows that are read of a table that may list pictures
LEAST_PIXELS = 25  # of one colour: tables of measurements have 4 numbers a row, or 9, or 16
MOST_PIXELS = 3 * 512 * 512
LABEL_WORDS = {*LABELS, "digit", "letter", "emotion", "category", "species"}
LABEL_WORDS |= {"classe", "digito", "algarismo", "letra", "emocao", "categoria", "especie"}
NUMBER_WORDS = {"number", "numero"}  # which may be that of the writer, beside the labels
SPLIT_WORDS = {"usage", "split", "set", "subset", "partition"}
INDEX_WORDS = {"id", "index", "unnamed"}
SPLITS = {"training": "train", "publictest": "val", "privatetest": "test"}  # as the column `Usage` of FER 2013 says


@dataclass(frozen=True)
class Table:
    """What a table holds."""

    pixels: np.ndarray  # uint8 or float32 (N, pixels of an image)
    labels: np.ndarray | None  # text (N,); None if the table has none
    parts: np.ndarray | None  # text (N,): `train`, `val` or `test`; None if the table does not say it
    columns: int
    has_header: bool
    separator: str
    place: str  # of the labels: `first`, `last`, or the name of their column
    left_out: dict[int, str]  # names of other columns, "" for one without, by their place from 1


def read_table(entry: Entry, tell: Callable[[int], None]) -> Table:
    """The table in a file; `tell` is called with the number of rows read so far.

    Raises: Refusal, if it is no such table, with the line that is wrong.
    """
    import pandas as pd  # 0.3 s, which other formats do not need

    start, blank = _start(entry)
    separator = next((mark for mark in ";\t|," if mark in start[0]), " ")  # a comma may be a decimal mark
    try:
        first = [row for row in csv.reader(start, delimiter=separator, skipinitialspace=True) if row]
    except csv.Error as error:
        raise Refusal("import.table", file=entry.name, reason=str(error)) from error
    decimal = "," if separator == ";" and any("," in cell for cell in first[-1]) else "."
    has_header = _is_header(first, decimal)
    skipped = blank + has_header  # rows
    header = [cell.strip() for cell in first[0]] if has_header else []
    width, body = len(first[0]), first[int(has_header) :]
    if not body:
        raise Refusal("import.table_empty", file=entry.name)
    for row, cells in enumerate(body):
        if any(cell.strip() for cell in cells[width:]):  # as if commas part both the numbers and their digits
            raise Refusal("import.table_row", file=entry.name, row=row + 1)
    body = [cells + [""] * (width - len(cells)) for cells in body]
    roles = _named_roles(header, body[0])
    pixels = [k for k in range(width) if k not in roles.values()]
    listed = roles.get("pixels")
    if listed is None:
        others = _other_columns(pixels, body, decimal, is_labelled="label" in roles)
        roles |= {f"other {k}": k for k in others}
        pixels = [k for k in pixels if k not in others]
    if listed is None and "label" not in roles:
        text = [k for k in pixels if not _is_number(body[0][k], decimal)]
        if len(text) == 1:
            roles["label"] = text[0]
        elif not text and not _is_image(len(pixels)) and _is_image(len(pixels) - 1):
            roles["label"] = _label_column(entry, pd, separator, decimal, skipped, pixels)
        elif text and not body[0][text[0]].strip():
            raise Refusal("import.table_row", file=entry.name, row=1)
        elif text:
            raise Refusal("import.table", file=entry.name, reason=_cell(body[0][text[0]]))
        pixels = [k for k in pixels if k != roles.get("label")]
    if listed is None and not _is_image(len(pixels)):
        raise Refusal("import.table_columns", file=entry.name, columns=width, pixels=len(pixels))
    kept = [listed] if listed is not None else pixels
    types = dict.fromkeys(kept, "str" if listed is not None else "float32")
    types |= {roles[name]: "str" for name in ("label", "part") if name in roles}
    reader = _reader(entry, pd, separator, decimal, skipped, types)
    found: list[np.ndarray] = []
    words: dict[str, list[np.ndarray]] = {"label": [], "part": []}
    rows = 0
    try:
        for chunk in reader:
            found.append(_pixels(chunk.loc[:, kept], rows, entry, is_listed=listed is not None))
            for name in words:
                if name in roles:
                    words[name].append(chunk[roles[name]].fillna("").astype(str).str.strip().to_numpy(dtype=str))
                    if name == "label" and (empty := np.flatnonzero(words[name][-1] == "")).size:
                        raise Refusal("import.table_row", file=entry.name, row=rows + int(empty[0]) + 1)
            rows += len(chunk)
            if sum(one.nbytes for one in found) > 2**31:
                raise Refusal("import.large", mebibytes=2**11)
            tell(rows)
    except (ValueError, pd.errors.ParserError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal("import.table", file=entry.name, reason=_cell(str(error))) from error
    if len({one.shape[1] for one in found}) > 1:
        raise Refusal("import.table_columns", file=entry.name, columns=width, pixels=found[-1].shape[1])
    joined = np.concatenate(found)
    label = roles.get("label")
    named = {"label": label, "pixels": listed, "part": roles.get("part")}
    others = sorted(k for name, k in roles.items() if name not in named)
    return Table(
        pixels=joined,
        labels=np.concatenate(words["label"]) if label is not None else None,
        parts=_parts(np.concatenate(words["part"])) if "part" in roles else None,
        columns=width,
        has_header=has_header,
        separator=separator,
        place=""
        if label is None
        else header[label]
        if has_header and header[label]
        else "first"
        if label < width // 2
        else "last",
        left_out={k + 1: header[k] if header else "" for k in others},
    )


def _start(entry: Entry) -> tuple[list[str], int]:
    """The first lines of a table, three at most, and how many empty ones lie before them. Raises: Refusal."""
    lines, blank = [], 0
    with _text(entry) as file:
        while len(lines) < 3 and blank < ROWS and (line := file.readline(LONGEST_LINE)):
            if len(line) == LONGEST_LINE or "\0" in line:
                raise Refusal("import.table", file=entry.name, reason=_cell(line[:40]))
            if line.strip():
                lines.append(line)
            elif not lines:
                blank += 1
    if not lines:
        raise Refusal("import.table_empty", file=entry.name)
    return lines, blank


def first_column(entry: Entry) -> Iterator[str]:
    """The cells of the first column of a table, of whatever kind it is, with its header; `MOST_LISTED` at most."""
    with _text(entry) as file:
        for _ in range(MOST_LISTED):
            if not (line := file.readline(LONGEST_LINE)):
                return
            yield re.split(r"[,;\t|]", line, maxsplit=1)[0].strip().strip('"')


def begins_with_numbers(entry: Entry) -> bool:
    """Whether the first line of a text is numbers, more than one."""
    with _text(entry) as file:
        cells = re.split(r"[\s,;|]+", file.readline(LONGEST_LINE).strip())
    return len(cells) > 1 and all(_is_number(cell, ".") for cell in cells)


def _text(entry: Entry) -> io.TextIOWrapper:
    """The text of a table: UTF-8, or UTF-16 if it begins so; bytes that are no UTF-8 are those of older Excel."""
    file = entry.unpacked()
    encoding = "utf-16" if file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    return io.TextIOWrapper(file, encoding=encoding, errors=NO_UTF_8)


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """What cannot be decoded, as Windows-1252, and where decoding goes on."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(NO_UTF_8, _as_windows_1252)


def _reader(
    entry: Entry, pd, separator: str, decimal: str, skipped: int, types: dict[int, str]
) -> Iterator[pd.DataFrame]:
    """The rows of a table, some at a time. Words such as NA are names of classes, not missing values."""
    with _text(entry) as file:
        yield from pd.read_csv(
            file,
            sep=separator,
            decimal=decimal,
            header=None,
            skiprows=skipped,
            usecols=sorted(types),
            dtype=types,
            keep_default_na=False,
            na_values={k: ["", "NA", "nan", "NaN", "null"] for k, kind in types.items() if kind != "str"},
            skipinitialspace=True,
            chunksize=ROWS,
        )


def _is_number(cell: str, decimal: str) -> bool:
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return False
    return True


def _is_header(rows: list[list[str]], decimal: str) -> bool:
    """Whether the first row is no image: it has words where the next has numbers, or fractions where it has none.

    Or its numbers count, as those that pandas gives to columns without a name.
    A table without a header that was read as if it had one has such fractions: pandas numbers what is there twice.
    """
    if len(rows) < 2:
        return any(not _is_number(cell, decimal) for cell in rows[0][1:-1])
    pairs = list(zip(rows[0], rows[1], strict=False))
    words = sum(not _is_number(one, decimal) for one, _ in pairs)
    if any(not _is_number(one, decimal) and _is_number(other, decimal) for one, other in pairs) or words > 1:
        return True
    if len(pairs) > 5 and _counts(rows[0][1:-1]) and not _counts(rows[1][1:-1]):
        return True
    return any("." in one for one, _ in pairs[1:]) and not any("." in other for row in rows[1:] for other in row)


def _counts(cells: list[str]) -> bool:
    """Whether the cells are whole numbers one after the other."""
    return all(cell.strip().isdecimal() for cell in cells) and (np.diff([int(cell[:20]) for cell in cells]) == 1).all()


def _named_roles(header: list[str], row: list[str]) -> dict[str, int]:
    """The columns that the header names: `label`, `part`, `pixels` (all of them in one cell), others by their place."""
    roles: dict[str, int] = {}
    numbers: list[int] = []
    for k, name in enumerate(header):
        words = words_in(name) or [name.lower()]
        if k < len(row) and row[k].count(" ") > 15 and "pixels" not in roles:
            roles["pixels"] = k
        elif words[0] in SPLIT_WORDS and "part" not in roles:
            roles["part"] = k
        elif len(words) == 1 and not any(letter.isdigit() for letter in name) and words[0] in LABEL_WORDS:
            roles.setdefault("label", k)
        elif len(words) == 1 and words[0] in NUMBER_WORDS:
            numbers.append(k)
        elif words[0] in INDEX_WORDS or (not name and k in (0, len(header) - 1)):
            roles[f"other {k}"] = k
    return roles | ({f"other {k}": k for k in numbers} if "label" in roles else {})


def _other_columns(pixels: list[int], body: list[list[str]], decimal: str, *, is_labelled: bool) -> list[int]:
    """Which columns are no pixels, if the others make an image: text beside the labels, or a first one that counts."""
    if _is_image(len(pixels) - (not is_labelled)):
        return []
    others = [k for k in pixels if is_labelled and not _is_number(body[0][k], decimal)]
    if not is_labelled and pixels and _counts([row[pixels[0]] for row in body]):
        others = pixels[:1]
    return others if _is_image(len(pixels) - len(others) - (not is_labelled)) else []


def _is_image(pixels: int) -> bool:
    return any(
        pixels % channels == 0 and math.isqrt(pixels // channels) ** 2 * channels == pixels
        for channels in (1, 3)
        if LEAST_PIXELS <= pixels // channels <= MOST_PIXELS // channels
    )


def _label_column(entry: Entry, pd, separator: str, decimal: str, skipped: int, columns: list[int]) -> int:
    """Whether the first or the last column of a table holds the labels.

    It is the one with few whole values, but not only one. If both are so, it is the one that has nearly every value
    between its least and its greatest, and none of them nearly always, as a pixel near the rim has. All rows are read,
    since the first thousand of sorted images may be of one class. Raises: Refusal, if both could be it or neither.
    """
    ends = (columns[0], columns[-1])
    counts: dict[int, Counter[float]] = {k: Counter() for k in ends}
    try:
        for chunk in _reader(entry, pd, separator, decimal, skipped, dict.fromkeys(ends, "float32")):
            for k in ends:
                counts[k].update(chunk[k].tolist())
    except (ValueError, pd.errors.ParserError) as error:
        raise Refusal("import.table", file=entry.name, reason=_cell(str(error))) from error
    possible = [k for k in ends if 1 < len(counts[k]) <= MOST_CLASSES and all(one.is_integer() for one in counts[k])]
    likely = possible
    if len(possible) > 1:
        likely = [k for k in ends if _is_label(counts[k])]
    if len(likely) != 1:
        raise Refusal("import.label_unclear", file=entry.name)
    return likely[0]


def _is_label(counts: Counter[float]) -> bool:
    span, rows = max(counts) - min(counts) + 1, counts.total()
    is_dense = len(counts) <= 100 and len(counts) > 0.8 * span
    return is_dense and max(counts.values()) < 0.9 * rows


def _pixels(chunk: pd.DataFrame, rows: int, entry: Entry, *, is_listed: bool) -> np.ndarray:
    """The pixels of some rows: uint8 if that loses nothing, else float32. Raises: Refusal, naming the row."""
    if is_listed:
        lists = [str(cell).split() for cell in chunk.iloc[:, 0]]
        wrong = next((k for k, one in enumerate(lists) if not _is_image(len(one)) or len(one) != len(lists[0])), None)
        if wrong is not None:
            raise Refusal("import.table_row", file=entry.name, row=rows + wrong + 1)
        values = np.array(lists, dtype=np.float32)
    else:
        values = chunk.to_numpy(dtype=np.float32)
    good = np.isfinite(values).all(axis=1)
    if not good.all():
        raise Refusal("import.table_row", file=entry.name, row=rows + int(np.flatnonzero(~good)[0]) + 1)
    small = values.astype(np.uint8) if values.min() >= 0 and values.max() <= 255 else None
    return small if small is not None and (small == values).all() else values


def _parts(words: np.ndarray) -> np.ndarray | None:
    parts = [SPLITS.get(word.lower(), PART_WORDS.get(word.lower(), "")) for word in words.tolist()]
    return np.array(parts) if all(parts) else None


def _cell(words: str) -> str:
    return " ".join(words.split())[:120]
