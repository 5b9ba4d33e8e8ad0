"""Export of a finished run's model: its weights, and code that needs only torch and safetensors to load them."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.networks.layers import build, text
from core.refusal import Refusal
from core.spec import CONSTANTS, Constants
from core.store import MODEL, Run, no_report
from core.words import FALLBACK

if TYPE_CHECKING:
    from torch import nn

CODE = '''"""A trained network. `images`: uint8 ({shape}); the network scales their values itself.

    from network import CLASSES, load
    probabilities = load()(images).softmax(dim=1)  # float32 (N, {classes}), in the order of CLASSES
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

RUN = {run!r}
DATA = {data!r}
LAYERS = {layers!r}
CLASSES = {names!r}


class Scale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("scale", torch.ones(1, channels, 1, 1))
        self.register_buffer("shift", torch.zeros(1, channels, 1, 1))

    def forward(self, images):
        return images.float() * self.scale + self.shift


class Joined(nn.Sequential):
    def forward(self, input):
        return torch.cat([input, super().forward(input)], dim=1)


def load(file=Path(__file__).with_name("{file}")):
    """The network with its trained weights, in evaluation mode."""
    network = {network}
    network.load_state_dict(load_file(file))
    return network.eval()
'''


def write(run: Run, folder: Path) -> None:
    """Write the best epoch's weights, and the code that loads them, into a new folder.

    Raises: Refusal, if the folder exists already, or the run is damaged or not done.
    """
    import torch
    from safetensors.torch import save_file

    report = run.report()
    if not report:
        raise no_report(run)
    if folder.exists():
        raise Refusal("error.folder_taken", folder=str(folder))
    weights, _ = run.load(report.model, report.model_sha256)
    started = run.started()
    channels, height, width = started.shape
    with torch.device("meta"):  # only the code is needed: no memory is allocated, no weights are drawn
        layers = build(run.spec.layers, started.shape, started.class_count)
    parts = {"scale": f"Scale({channels})", "layers": _code(layers, CONSTANTS[run.spec.defaults], 2)}
    folder.mkdir(parents=True)
    save_file(weights, folder / MODEL)
    code = CODE.format(
        shape=f"N, {channels}, {height}, {width}",
        classes=started.class_count,
        run=run.name,
        data=run.spec.data,
        layers=text(run.spec.layers),
        names=run.class_names(FALLBACK),
        file=MODEL,
        network=_sequential(parts, 1),
    )
    (folder / "network.py").write_text(code, encoding="utf-8")


def answers(folder: Path, images: np.ndarray) -> np.ndarray:
    """The probabilities float32 (N, K) that the written code and weights give images uint8 (N, C, H, W)."""
    import torch

    from core.training.engine import logits_in_parts

    network = runpy.run_path(str(folder / "network.py"))["load"]()
    return torch.cat([one.softmax(dim=1) for one in logits_in_parts(network, torch.tensor(images), 100)]).numpy()


def _code(module: nn.Module, constants: Constants, depth: int) -> str:
    """The Python expression that makes a module of the same names, shapes and constants."""
    from torch import nn

    from core.networks.modules import Dropout, Joined

    if isinstance(module, Dropout):
        return f"nn.Dropout({module.rate})"
    if isinstance(module, nn.Sequential):
        parts = {name: _code(part, constants, depth + 1) for name, part in module.named_children()}
        return _sequential(parts, depth, "Joined" if isinstance(module, Joined) else "nn.Sequential")
    kind, arguments = type(module).__name__, module.extra_repr()
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        arguments = f"{module.num_features}, eps={constants.batch_norm_epsilon}"
        arguments += f", momentum={constants.batch_norm_momentum}"
    return f"nn.{kind}({arguments})"


def _sequential(parts: Mapping[str, str], depth: int, kind: str = "nn.Sequential") -> str:
    indent = "    " * depth
    lines = [f"{indent}    ({name!r}, {part}),\n" for name, part in parts.items()]
    return f"{kind}(OrderedDict([\n{''.join(lines)}{indent}]))"
