"""Networks of each layer that the kernels cover, in odd shapes, and how far the kernels are from an exact answer.

`python -m tests.kernel_cases FILE` prints that of each case in the file, without torch: its vectors are as wide as
`BANCADA_LANES` says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from core.networks.layers import parse, table
from core.training.kernels.compiled import lanes
from core.training.kernels.program import written

CLASSES = 5
CASES = [  # layers, shape of an image, images
    ("conv(6, 5, padding=2, activation=relu), avg_pool(2), conv(16, 5), flatten, dense(17), dense(5)", (1, 16, 16), 37),
    ("flatten, dense(128, activation=relu), dense(5)", (1, 14, 14), 70),
    ("flatten, dense(5)", (3, 5, 7), 1),
    # Every number of filters in a tile, one or more images to a block, all strides and paddings.
    ("conv(7, 4, stride=2, padding=1, activation=relu), conv(13, 3, stride=2, padding=2, activation=sigmoid), "
     "conv(5, 3, padding=1, activation=tanh), max_pool(2), flatten, dense(33, activation=relu), dense(5)",
     (1, 23, 19), 17),
    ("conv(9, 2, padding=same, activation=tanh), conv(1, 6, padding=same), conv(2, 1, padding=3, stride=3), "
     "flatten, dense(5)", (3, 9, 12), 16),
    ("conv(11, 3, stride=5), conv(3, 2, padding=1), flatten, dense(3), dense(5)", (2, 17, 18), 5),
    # Pools that leave rows and columns out, after another, of the image, of a map with an activation.
    ("conv(5, 4, activation=tanh), max_pool(2), avg_pool(2), max_pool(2), flatten, dense(5)", (3, 23, 29), 20),
    ("avg_pool(3), max_pool(2), conv(4, 2, activation=sigmoid), max_pool(3), flatten, dense(5)", (1, 29, 25), 18),
    ("max_pool(2), conv(4, 2, activation=relu), avg_pool(3), flatten, dense(5)", (2, 14, 17), 33),
    ("conv(8, 3, activation=relu), conv(5, 1), global_avg_pool", (3, 7, 9), 19),
    ("conv(5, 6, activation=sigmoid), global_avg_pool, dense(9, activation=sigmoid), dense(5)", (1, 11, 10), 40),
    # Activations by themselves: of the image, after another one, before a padded convolution, at the end.
    ("activation(tanh), conv(3, 3), activation(relu), activation(tanh), max_pool(2), activation(sigmoid), flatten, "
     "dense(17), activation(tanh), dense(5, activation=sigmoid)", (3, 17, 13), 21),
    ("conv(3, 3), activation(sigmoid), conv(4, 3, padding=2), activation(relu), flatten, activation(sigmoid), "
     "dense(5), activation(relu), activation(tanh)", (2, 9, 8), 16),
    ("conv(5, 7), flatten", (1, 7, 7), 9),
    # Logits that are the values of a map.
    ("conv(1, 3, activation=relu), flatten", (2, 7, 3), 18),
    ("conv(1, 2), max_pool(2), flatten", (1, 3, 12), 7),
    # Sums over so many places that they are taken in parts; many filters and values.
    ("conv(3, 3, activation=relu), conv(4, 3), max_pool(4), flatten, dense(5)", (1, 26, 26), 17),
    ("conv(40, 3, activation=relu), conv(12, 3), flatten, dense(5)", (1, 8, 8), 16),
    ("flatten, dense(301, activation=tanh), dense(203), dense(5)", (1, 20, 20), 65),
]  # fmt: skip


def differences(case: int, given: dict[str, np.ndarray]) -> dict[str, float]:
    """The largest differences from the exact loss, gradients of each layer and logits, relative to the largest."""
    from core.training.kernels.interpreter import Data, Model, Rule, Threads, run

    layers, shape, count = CASES[case]
    rows = table(parse(layers), shape, CLASSES)
    parameters, images, labels = (np.array(given[name]) for name in ("parameters", "images", "labels"))
    images = images.reshape(count, -1)
    # The images of a part are anywhere among those of the split.
    places = np.random.default_rng(case).permutation(count)
    images, labels = images[np.argsort(places)], labels[np.argsort(places)]
    none, logits = np.empty((0, 0), np.float32), np.full((count, CLASSES), np.nan, np.float32)
    found = {}
    threads, sums = Threads(0, 1, np.zeros(1, np.int64)), np.empty((1, 1, 2))
    no_rule = Rule(0, np.zeros(4), 0, np.empty(0), none)
    for trains in (True, False):
        program = written(rows, trains=trains, images=count, lanes=lanes())
        memories = np.zeros((1, program.memory), np.float32)
        memory = memories[0]
        model = Model(program.lines, program.tables, program.block, parameters, 0, memories)
        which = labels if trains else np.empty(0, np.int64), places, np.array([[0, count]])
        data = Data(images, *which, given["scale"], given["shift"], none)
        for _ in range(2):  # the second time with what the first one has left in memory
            run(threads, model, data, no_rule, sums, none if trains else logits)
        if trains:
            found |= {"loss": abs(sums[0, 0, 0] / given["loss"] - 1), "right": abs(sums[0, 0, 1] - given["right"])}
            ours, exact = memory[: program.parameters], given["gradients"]
            of_layers = np.cumsum([row.parameters for row in rows])
            for row, mine, theirs in zip(rows, np.split(ours, of_layers), np.split(exact, of_layers), strict=False):
                if row.parameters:
                    found[f"layer {row.number}"] = np.abs(mine - theirs).max() / np.abs(theirs).max()
    found["logits"] = np.abs(logits - given["logits"]).max() / np.abs(given["logits"]).max()
    return {name: float(value) for name, value in found.items()}


def main(file: Path) -> None:
    """Print the differences of all cases in the file."""
    with np.load(file) as arrays:
        given = [
            {name.partition(" ")[2]: arrays[name] for name in arrays if name.split()[0] == str(case)}
            for case in range(len(CASES))
        ]
    print(json.dumps([differences(case, arrays) for case, arrays in enumerate(given)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
