"""The contestants of `benchmarks/training.py`: a table; each is a file here, run as a process of its own.

Some run in a Python of their own, which has neither torch nor the packages that `core` imports: what all of them share,
this file and `turn.py`, needs numpy alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own: its packages for pip, and the modules whose versions are told."""

    packages: tuple[str, ...]
    modules: tuple[str, ...]


ENVIRONMENTS = {
    "keras": Environment(("keras", "tensorflow-cpu"), ("keras", "tensorflow")),
    "jax": Environment(("jax", "optax"), ("jax", "optax")),
}


@dataclass(frozen=True)
class Contestant:
    """A row of the tables."""

    title: str
    module: str  # the file here
    variant: str = ""  # what the file is asked for, where it can do several things
    environment: str = ""  # a key of `ENVIRONMENTS`; "": this Python
    ours: bool = False
    usual: bool = True  # measured unless others are named
    cuda: bool = False  # whether it also computes on a GPU, if `BANCADA_DEVICE` says so


CONTESTANTS = {
    "engine": Contestant("this engine", "ours", ours=True, cuda=True),
    "kernels": Contestant("this engine, made to use kernels", "ours", "kernels", ours=True),
    "torch": Contestant("this engine, made to use torch", "ours", "torch", ours=True),
    "torch-float32": Contestant("the same in float32", "ours", "torch-float32", ours=True, usual=False, cuda=True),
    "tensors": Contestant("PyTorch, tensors", "pytorch", "tensors", cuda=True),
    "channels-last": Contestant("PyTorch, tensors, channels-last, fused", "pytorch", "channels-last", cuda=True),
    "loader": Contestant("PyTorch, DataLoader", "pytorch", "loader", cuda=True),
    "loader-2": Contestant("PyTorch, DataLoader, 2 workers", "pytorch", "loader-2", usual=False, cuda=True),
    "scikit-learn": Contestant("scikit-learn, MLPClassifier", "scikit_learn"),
    "keras": Contestant("Keras on TensorFlow", "keras_tensorflow", environment="keras"),
    "jax": Contestant("JAX and Optax", "jax_optax", environment="jax"),
}
