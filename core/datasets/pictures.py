"""Folders of pictures, one folder a class: which picture belongs to which class and split, and its pixels.

This runs in a process of its own, see `core/datasets/importing.py`, since a picture of unknown origin can crash its
decoder or take gigabytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from core.datasets.arrays import PART_WORDS, words_in
from core.datasets.entries import DAMAGED_ARCHIVE, Entry
from core.drawing.decoder import DAMAGED, MOST_PHOTO_PIXELS, MOST_PIXELS, MOST_SIDE
from core.drawing.picture import DARK, LIGHT, MOST_MIB, rims, with_margin
from core.refusal import Refusal

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MOST_PICTURES = 100_000
LARGEST_SIDE = 64  # px, that is proposed
DIGIT_SIDE = 28  # px
MARGIN = 0.2  # of the longer side of a picture cut to its strokes: MNIST's digits of 20 px have 4 px around them
LOOKED_AT = 64  # pictures that are decoded before the import, to see on what ground they are
LOOKED_FOR_COLOURS = 2**28  # px that are decoded besides, until a picture has colours: 340,000 pictures of 28 x 28 px
VANISHING = 64  # grey levels: what is not transparent can hardly be seen on a ground that is nearer to it
VANISHED = 0.9  # of a picture's visible pixels would vanish: it does
COLOURED = 6  # mean difference of a picture's red, green and blue: JPEG and scanners leave less in what is grey
DEPTHS = (255, 1023, 4095, 16383, 65535)  # the greatest value of a picture with 8 to 16 bits
TURNED = range(2, 9)  # what a camera writes of a picture that is to be turned or mirrored (Exif)
UNSAFE = (*DAMAGED, *DAMAGED_ARCHIVE, Image.DecompressionBombError, Image.DecompressionBombWarning)
Tell = Callable[[str, int, int], None]  # what is being read, how much is done, how much there is

warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Facts:
    """What a picture's header says."""

    size: tuple[int, int]  # (W, H), upright
    format: str
    colour: bool
    deep: bool  # 16 bits
    clear: bool  # has transparent parts, or could have
    turned: bool


@dataclass(frozen=True)
class Look:
    """How all pictures of a set are decoded."""

    depth: int  # greatest value of those with 16 bits
    ground: int  # grey level that is put behind transparent parts
    mixed: bool = False  # some pictures would vanish on it, and get the other


def arranged(files: Sequence[Entry]) -> tuple[dict[str, dict[str, list[Entry]]], list[Entry]]:
    """The pictures by split ("" if the folders name none) and class, and those that lie in no folder of a class.

    Folders around everything are passed over. A split's folder may be above or below those of the classes.
    Raises: Refusal, if it is not clear which folders are splits and which are classes.
    """
    inner = [entry.path[:-1] for entry in files]
    while True:
        deeper = sum(len(path) > 1 for path in inner)
        if len({path[0] for path in inner if path}) != 1 or deeper <= sum(len(path) == 1 for path in inner):
            break
        inner = [path[1:] for path in inner]
    said = [_splits(inner, k) for k in (0, 1)]
    split_at = next((k for k in (0, 1) if said[k]), None)
    splits = said[split_at] if split_at is not None else {}
    found: dict[str, dict[str, list[Entry]]] = {}
    loose = []
    twice = {part for part in splits.values() if split_at == 0 and _is_twice(inner, splits, part)}
    for entry, path in zip(files, inner, strict=True):
        part, rest = "", path
        if split_at is not None:
            part = splits.get(path[split_at], "") if len(path) > split_at else ""
            rest = (*path[:split_at], *path[split_at + 1 :])[part in twice :] if part else ()
        if rest:
            found.setdefault(part, {}).setdefault(unicodedata.normalize("NFC", rest[0]), []).append(entry)
        else:
            loose.append(entry)
    if split_at is None:
        _check_no_splits(inner)
    return found, loose


def _splits(paths: Sequence[tuple[str, ...]], k: int) -> dict[str, str]:
    """The split that each folder at this depth says; {} if they say none.

    Beside folders for training and another split, which are named alike, there may be others, which are left out.
    """
    said = {name: _split(name) for name in {path[k] for path in paths if len(path) > k}}
    alike: dict[tuple[str, ...], dict[str, str]] = {}
    for name, (part, rest) in said.items():
        if part:
            alike.setdefault(rest, {})[name] = part
    complete = [some for some in alike.values() if {"train"} < set(some.values())]
    if len(complete) == 1:
        return complete[0]
    is_all = list(alike) == [()] and len(alike[()]) == len(said) and all(len(path) > k for path in paths)
    return alike[()] if is_all else {}


def _split(folder: str) -> tuple[str, tuple[str, ...]]:
    """The split that a folder's name says, "" if none, and what else it says: `Train_images`, `seg_train`."""
    words = words_in(folder)
    parts = {PART_WORDS[word] for word in words if word in PART_WORDS}
    plain = {*PART_WORDS, "images", "image", "img", "set", "data", "split"}
    rest = [*(word for word in words if word not in plain), *re.findall(r"\d+", folder.replace("t10k", ""))]
    return (parts.pop() if len(parts) == 1 else ""), tuple(sorted(rest))


def _is_twice(paths: Sequence[tuple[str, ...]], splits: Mapping[str, str], part: str) -> bool:
    """Whether everything in a split's folder lies in one more folder of that name, as `seg_train/seg_train`."""
    below = {path[1:2] for path in paths if path and splits.get(path[0]) == part}
    return len(below) == 1 and splits.get("".join(below.pop())) == part


def _check_no_splits(paths: Sequence[tuple[str, ...]]) -> None:
    """Refuse classes whose folders seem to be splits: for training and another, or one that holds several folders."""
    said = {name: part for name in {path[0] for path in paths if path} if (part := _split(name)[0])}
    below = {name: {path[1] if len(path) > 1 else "" for path in paths if path[:1] == (name,)} for name in said}
    unclear = [name for name, inside in below.items() if len(inside) > 1 and "" not in inside]
    if {"train"} < set(said.values()) or unclear:
        raise Refusal("import.unclear_splits", names=", ".join(map(repr, sorted(said)[:5])))


def facts(entry: Entry) -> Facts:
    """What the header of a picture says, without decoding it. Raises: Refusal."""
    if entry.size > MOST_MIB * 2**20:
        raise Refusal("error.picture_too_heavy", file=entry.name, mebibytes=entry.size // 2**20, most=MOST_MIB)
    try:
        with entry.open() as file, Image.open(file, formats=FORMATS) as image:
            _check_size(image, entry)
            turned = image.format == "JPEG" and image.getexif().get(0x0112, 1) in TURNED
            swapped = turned and image.getexif()[0x0112] > 4
            mode = image.mode
            return Facts(
                size=(image.height, image.width) if swapped else image.size,
                format=str(image.format),
                colour=mode not in ("1", "L", "LA", "I", "F") and not mode.startswith("I;"),
                deep=mode.startswith("I"),
                clear=mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info,
                turned=turned,
            )
    except (*UNSAFE, MemoryError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal("error.picture_unreadable", file=entry.name) from error


def _check_size(image: Image.Image, entry: Entry) -> None:
    most = MOST_PHOTO_PIXELS if image.format == "JPEG" and not image.info.get("progressive") else MOST_PIXELS
    if max(image.size) > MOST_SIDE or image.width * image.height > most:
        raise Refusal("error.picture_too_many_pixels", file=entry.name, most=int(most**0.5))


def decoded(entry: Entry, look: Look, least: int) -> Image.Image:
    """A picture as L or RGB, upright, on the ground of the set; a large JPEG smaller, but not below `least` px a side.

    Raises: Refusal.
    """
    try:
        with Image.open(io.BytesIO(entry.content(MOST_MIB * 2**20)), formats=FORMATS) as image:
            _check_size(image, entry)
            image.draft(None, (2 * least, 2 * least))  # pyright: ignore[reportArgumentType]
            image.load()
            upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            grey = np.asarray(upright, dtype=np.float32) * (255 / look.depth)
            return Image.fromarray(np.clip(np.round(grey), 0, 255).astype(np.uint8))
        if upright.mode in ("P", "PA", "RGBA", "LA", "La", "RGBa") or "transparency" in upright.info:
            clear = upright.convert("RGBA")
            vanishes = _vanishes(_ink(np.asarray(clear)), look.ground)
            ground = Image.new("RGBA", clear.size, (255 - look.ground if vanishes else look.ground,) * 3)
            return Image.alpha_composite(ground, clear).convert("RGB")
        return upright.convert("L" if upright.mode in ("1", "L", "F") else "RGB")
    except (*UNSAFE, MemoryError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal("error.picture_unreadable", file=entry.name) from error


def fitted(image: Image.Image, shape: tuple[int, int, int], *, whole: bool) -> np.ndarray:
    """An L or RGB picture as uint8 (C, H, W): `whole` with a margin, else cut to the shape from its middle.

    If `whole`, a picture that is cut to its strokes gets a margin like that of MNIST's digits all around.

    Cut and resized as `fit_picture` does it with a picture to be predicted.
    """
    channels, height, width = shape
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        factor = max(1, min(image.width // (4 * width), image.height // (4 * height)))
        if factor > 1:
            image = image.reduce(factor)
        if whole:
            image = Image.fromarray(with_margin(np.asarray(image), MARGIN))
            image = ImageOps.pad(image, (width, height), Image.Resampling.BICUBIC, color=_rim(image))
        else:
            image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    return pixels.transpose(2, 0, 1).copy() if channels == 3 else pixels[None].copy()


def _rim(image: Image.Image) -> Any:
    """The median colour of a picture's outermost pixels."""
    pixels = np.asarray(image)
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median = np.median(rim, axis=0).astype(int)
    return int(median) if median.ndim == 0 else tuple(median.tolist())


def grounds(levels: np.ndarray) -> tuple[bool, bool]:
    """Whether most images have dark strokes on a light ground, and whether some are clearly so and others the reverse.

    The levels (N,) are those of their rims.
    """
    most = bool(len(levels)) and float(np.median(levels)) > 127
    return most, bool((levels < DARK).any() and (levels > LIGHT).any())


def light_on_dark(images: np.ndarray, *, is_dark: bool) -> np.ndarray:
    """Images of strokes uint8 (N, C, H, W), each that has a light ground turned.

    One whose ground is neither light nor dark is turned if `is_dark`, that is, if most have dark strokes.
    """
    levels = rims(images)
    turned = (levels > LIGHT) | ((levels >= DARK) & is_dark)
    images[turned] = 255 - images[turned]
    return images


def spread(labels: np.ndarray, count: int) -> np.ndarray:
    """The places of about `count` of the labels (N,), as many of each class, and within a class far apart."""

    def some(places: np.ndarray, most: int) -> np.ndarray:
        return places[np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).astype(int))]

    chosen = some(np.unique(labels), count)
    of_class = [some(np.flatnonzero(labels == k), -(-count // len(chosen))) for k in chosen]
    return np.sort(np.concatenate([np.array([], np.int64), *of_class]))


def look_at(entries: Sequence[Entry], known: Sequence[Facts], labels: np.ndarray, tell: Tell) -> tuple[Look, bool]:
    """How to decode the pictures of these labels (N,), and whether any has colours, by decoding some of them.

    What is transparent lies on white if what is not is dark, else on black. Since a few coloured pictures among many
    grey ones count, all are looked at until one has colours, or `LOOKED_FOR_COLOURS` are.
    """
    deepest, inks, colour, left = 0, [], False, LOOKED_FOR_COLOURS
    first = spread(labels, LOOKED_AT).tolist()
    deep = [place for place, fact in enumerate(known) if fact.deep]  # all: one scale must fit the deepest
    asked = {*first, *deep}
    for place in [*sorted(asked), *(place for place in range(len(entries)) if place not in asked)]:
        entry, fact = entries[place], known[place]
        if place not in asked:
            if colour or left < 0:
                break
            if not fact.colour:
                continue
        tell(entry.name, place, len(entries))
        try:
            with Image.open(io.BytesIO(entry.content(MOST_MIB * 2**20)), formats=FORMATS) as image:
                _check_size(image, entry)
                image.draft(None, (128, 128))  # pyright: ignore[reportArgumentType]
                left -= 0 if place in asked else image.width * image.height
                image.load()
                if fact.deep:
                    deepest = max(deepest, int(np.asarray(image).max()))
                elif fact.clear or fact.colour:
                    pixels = np.asarray(image.convert("RGBA"))
                    ink = _ink(pixels) if fact.clear else pixels[:0, 0, :3]
                    inks += [(float(ink.mean()), {one: _vanishes(ink, one) for one in (0, 255)})] if len(ink) else []
                    seen = pixels[pixels[..., 3] > 127, :3]
                    colour |= bool(len(seen)) and float(np.ptp(seen, axis=1).mean()) > COLOURED
        except (*UNSAFE, MemoryError):
            continue
    depth = next(one for one in DEPTHS if one >= deepest) if deepest else DEPTHS[-1]
    ground = 255 if inks and float(np.median([level for level, _ in inks])) < 128 else 0
    return Look(depth, ground, any(vanishes[ground] for _, vanishes in inks)), colour


def _ink(pixels: np.ndarray) -> np.ndarray:
    """The pixels (N, 3) that are not transparent, of uint8 (H, W, 4); none if all or none of them are."""
    seen = pixels[pixels[..., 3] > 127, :3]
    return seen if len(seen) < pixels[..., 0].size else seen[:0]


def _vanishes(ink: np.ndarray, ground: int) -> bool:
    """Whether nearly all of the ink, uint8 (N, 3), can hardly be seen on a ground of this grey level."""
    return bool(len(ink)) and float((np.abs(ink.mean(axis=1) - ground) < VANISHING).mean()) > VANISHED


def natural_shape(sizes: Counter[tuple[int, int]], *, digits: bool, colour: bool) -> tuple[int, int, int]:
    """The (C, H, W) that is proposed for pictures of these sizes (W, H).

    28 x 28 if they look like digits: grey, in the classes 0 to 9. Else the commonest size, smaller if its longer side
    has more than `LARGEST_SIDE` px; square, if not all have the same shape.
    """
    if digits and not colour:
        return 1, DIGIT_SIDE, DIGIT_SIDE
    width, height = sizes.most_common(1)[0][0]
    factor = min(1.0, LARGEST_SIDE / max(width, height))
    width, height = (max(8, round(side * factor)) for side in (width, height))
    if any(abs(w * height - h * width) > 0.02 * w * height for w, h in sizes):
        width = height = max(8, min(width, height) if factor == 1 else LARGEST_SIDE)
    return 3 if colour else 1, height, width
