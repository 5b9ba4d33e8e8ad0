"""Writes the maps that Captum makes of three small networks, to which ours are held: tests/captum_maps.npz.

Run it where Captum is installed: `python -m tests.captum_maps`. The weights are stored with the maps, so that another
version's random numbers change nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from core.inside.network import Network
from core.inside.reasons import cam_layer
from core.spec import checked
from core.training.train import initial_model

MAPS = Path(__file__).with_suffix(".npz")
STEPS, SIDE, STRIDE, CLASS, CLASSES, SHAPE = 64, 4, 3, 1, 3, (2, 13, 9)
NETWORKS = {
    "mlp": "flatten, dense(6, activation=tanh), dense(classes)",
    "conv": "conv(4, 3, activation=relu), max_pool(2), conv(5, 2, activation=relu), flatten, dense(classes)",
    "block": "conv(3, 3), dense_block(2, growth=3, bottleneck=5), global_avg_pool, dense(classes)",
}


def new(name: str) -> Network:
    """One of the networks, with random weights."""
    spec = checked({"layers": NETWORKS[name]})
    one = Network.of(initial_model(spec, SHAPE, CLASSES), spec, SHAPE, CLASSES)
    one.scale.load_state_dict({"scale": torch.full((1, 2, 1, 1), 0.01), "shift": torch.full((1, 2, 1, 1), -0.4)})
    return one


def main() -> None:
    from captum.attr import (  # pyright: ignore[reportMissingImports] -- none of our requirements
        IntegratedGradients,
        LayerGradCam,
        Occlusion,
        Saliency,
    )

    image = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    arrays = {"image": image}
    for name in NETWORKS:
        one = new(name)
        arrays |= {f"{name}.weights.{key}": value.numpy() for key, value in one.layers.state_dict().items()}
        values, black = one.scaled(image[None]), one.scaled(np.zeros_like(image[None]))
        maps = {"saliency": Saliency(one.layers).attribute(values.clone().requires_grad_(True), target=CLASS).amax(1)}
        options = {"target": CLASS, "n_steps": STEPS, "method": "riemann_middle"}
        maps["integrated_gradients"] = IntegratedGradients(one.layers).attribute(values, black, **options).sum(1)
        windows = {"sliding_window_shapes": (SHAPE[0], SIDE, SIDE), "strides": (SHAPE[0], STRIDE, STRIDE)}
        maps["occlusion"] = Occlusion(one.layers).attribute(values, **windows, baselines=black, target=CLASS)[:, 0]
        if name != "mlp":
            cam = LayerGradCam(one.layers, one.layers[cam_layer(one) - 1])
            given = values.clone().requires_grad_(True)
            maps["grad_cam"] = cam.attribute(given, target=CLASS, relu_attributions=True)[:, 0]
        arrays |= {f"{name}.{key}": found[0].detach().numpy() for key, found in maps.items()}
    np.savez_compressed(MAPS, **arrays)  # pyright: ignore[reportArgumentType] -- its stub takes `allow_pickle` for one


if __name__ == "__main__":
    main()
