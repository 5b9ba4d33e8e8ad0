"""The command that writes what a run's model makes of one image, as pictures and arrays."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands.terminal import decimals, find, language, say, t
from core.files import written_aside
from core.refusal import Refusal, writing
from core.store import Run, not_shown
from core.words import FALLBACK, text

if TYPE_CHECKING:
    import numpy as np

    from core.inside.network import Network
    from core.models.model import Model

SIDE = 560  # px: pictures are enlarged to at most this side, unless they are larger


def inside(options: argparse.Namespace) -> int:
    """Write the maps of one layer or of all, and the maps that say why, of a run's model for one image."""
    import numpy as np

    from core.inside.network import Network
    from core.models.model import open_model
    from core.models.snapshots import open_at

    run = find(options.run)
    model = open_model(run) if options.epoch is None else open_at(run, options.epoch)
    network = Network.of(model.module, run.spec, model.shape, run.started().class_count)
    if options.layer is not None:
        network.row(options.layer)
    if options.k is not None:
        network.check_class(options.k)
    image = _image(run, model, options.image)
    probabilities = model.probabilities(image[None])[0]
    k = int(probabilities.argmax()) if options.k is None else options.k
    facts: dict[str, Any] = {"run": run.name, "epoch": model.epoch, "step": model.step, "image": options.image}
    facts["folder"] = str(options.out)
    facts |= {"label": k, "class": model.class_names[FALLBACK][k], "probability": float(probabilities[k])}
    arrays = {"image": image, "probabilities": probabilities}
    pictures = {"image": image}
    _add_layers(network, image, options.layer, facts, arrays, pictures)
    said = _add_reasons(network, network.untrained(run.spec), image, k, facts, arrays, pictures)
    with writing(options.out, "error.output_unwritable"):
        options.out.mkdir(parents=True, exist_ok=True)
        for name, content in _as_png(pictures):
            with written_aside(options.out / name) as file:
                file.write(content)
        with written_aside(options.out / "inside.npz") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType] -- its stub takes `allow_pickle` for one
    facts["files"] = ["inside.npz", *(f"{name}.png" for name in pictures)]
    answer = {"name": model.names(language())[k], "probability": decimals(probabilities[k])}
    at = {"epoch": model.epoch, "at": "" if model.step is None else t("cli.inside_at_step", step=model.step)}
    first = t("cli.inside", run=run.name, **at, image=options.image, folder=options.out, **answer)
    say(options, facts, "\n".join([first, *said]))
    return 0


def _image(run: Run, model: Model, written: str) -> np.ndarray:
    """The image uint8 (C, H, W) of a file, or `test:17`, number 17 of a split. Raises: Refusal.

    Of a run that is not done only the `shown_splits`.
    """
    from core.datasets import dataset
    from core.drawing.picture import open_picture
    from core.images.splits import choose
    from core.models.encoder import tested_splits
    from core.models.model import shown_splits

    named = re.fullmatch(r"(train|val|test):(\d{1,9})", written)
    if not named:
        image = model.image(open_picture(Path(written), written))
        if image is None:
            raise Refusal("error.picture_empty", file=written)
        return image
    part, number = named[1], int(named[2])
    if part not in ("train", *shown_splits(run)):
        raise not_shown(run)
    splits = tested_splits(run) if part == "test" else choose(run.spec, dataset(run.spec.data).load())
    images = splits.parts()[part].images
    if number >= len(images):
        raise Refusal("inside.no_image", split=part, number=number, most=len(images) - 1)
    return images[number]


def _add_layers(
    network: Network,
    image: np.ndarray,
    only: int | None,
    facts: dict[str, Any],
    arrays: dict[str, np.ndarray],
    pictures: dict[str, np.ndarray],
) -> None:
    """Add the output and the filters of each layer, or of one."""
    import numpy as np

    from core.inside.network import feature_maps, reach
    from core.inside.pictures import as_maps, tiled
    from core.inside.sums import filters
    from core.networks.layers import in_words

    facts["layers"] = []
    for row, output in zip(network.rows, feature_maps(network, image), strict=True):
        if only not in (None, row.number):
            continue
        name, end = f"layer-{row.number}-{row.layer.kind}", reach(output)
        arrays[f"layer_{row.number}"], pictures[name] = output, tiled(as_maps(output), end)
        about = {"number": row.number, "layer": str(in_words(row.layer)), "shape": row.shape, "reach": end}
        weights = filters(network, row.number)
        if weights is not None:
            arrays[f"filters_{row.number}"], about["filters"] = weights, weights.shape
            if weights.ndim == 4:  # a line for each filter
                flat = weights.reshape(-1, *weights.shape[2:])
                columns = weights.shape[1] * math.ceil(math.sqrt(len(weights) / weights.shape[1]))
                pictures[f"{name}-filters"] = tiled(flat, float(np.abs(flat).max()), columns)
        facts["layers"].append(about)


def _add_reasons(
    network: Network,
    untrained: Network,
    image: np.ndarray,
    k: int,
    facts: dict[str, Any],
    arrays: dict[str, np.ndarray],
    pictures: dict[str, np.ndarray],
) -> list[str]:
    """Add the maps that say why, each with that of the untrained network, on a scale of its own; returns their words.

    A map that this network has not is left out, and why is said.
    """
    from core.inside.network import reach
    from core.inside.pictures import diverging
    from core.inside.reasons import REASONS, similarity

    said, facts["reasons"] = [], []
    for name, method in REASONS.items():
        label = t(f"inside.{name}.label")
        try:
            found, before = method(network, image, k), method(untrained, image, k)
        except Refusal as refusal:
            said.append(f"  {label}: {t(refusal.key, **refusal.slots)}")
            facts["reasons"].append({"name": name, "error": text(FALLBACK, refusal.key, **refusal.slots)})
            continue
        for key, one in ((name, found.map), (f"{name}_untrained", before.map)):
            arrays[key], pictures[key.replace("_", "-")] = one, diverging(one, reach(one))
        alike = similarity(found.map, before.map)
        alike = None if math.isnan(alike) else alike
        facts["reasons"].append({"name": name, "reach": reach(found.map), "similarity_to_untrained": alike})
        told = "–" if alike is None else decimals(alike)
        said.append(f"  {label}: {t(f'inside.{name}.says')} {t('inside.similarity', similarity=told)}")
    return said


def _as_png(pictures: dict[str, np.ndarray]) -> Iterator[tuple[str, bytes]]:
    from core.charts.pictures import enlarge

    for name, picture in pictures.items():
        colours = picture if len(picture) in (1, 3) else picture[:1]
        yield f"{name}.png", enlarge(colours, max(1, SIDE // max(picture.shape[1:])))
