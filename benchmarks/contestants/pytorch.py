"""PyTorch as its users write it: with torchvision's MNIST and a DataLoader, or on tensors in memory."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn, optim

from benchmarks.contestants.turn import Clock, Order, Ready, Spent, mnist, serve
from core import settings

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class Training:
    """A network with its optimizer: with PyTorch's defaults, or with what is known to be quicker on a CPU."""

    def __init__(self, order: Order, *, quick: bool):
        modules: list[nn.Module] = []
        for layer in order.layers:
            match layer["kind"]:
                case "conv":
                    padding = layer["kernel"] // 2 if layer["same"] else 0
                    modules.append(nn.LazyConv2d(layer["filters"], layer["kernel"], padding=padding))
                case "dense":
                    modules.append(nn.LazyLinear(layer["units"]))
                case kind:
                    pools = {"max_pool": nn.MaxPool2d, "avg_pool": nn.AvgPool2d}
                    modules.append(nn.Flatten() if kind == "flatten" else pools[kind](layer["size"]))
            if layer.get("activation", "none") != "none":
                modules.append(ACTIVATIONS[layer["activation"]]())
        self.model = nn.Sequential(*modules)
        self.model(torch.zeros(1, order.channels, 28, 28))  # only now are the sizes of the layers known
        # On small pictures channels-last is quicker; without convolutions there is nothing to order.
        self.ordered = quick and any(layer["kind"] == "conv" for layer in order.layers)
        if self.ordered:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.device = settings.device()
        self.model = self.model.to(self.device)
        kind = {"adam": optim.Adam, "sgd": optim.SGD}[order.optimizer]
        self.parameters = sum(one.numel() for one in self.model.parameters())
        self.optimizer = kind(self.model.parameters(), lr=order.rate, fused=True if quick else None)

    def in_order(self, images: Tensor) -> Tensor:
        """The images in the order of memory that the network has."""
        return images.contiguous(memory_format=torch.channels_last) if self.ordered else images

    def epoch(self, batches: Iterable[Any]) -> float:
        """Train on the batches with the usual loop; returns the sum of their losses."""
        criterion, total = nn.CrossEntropyLoss(), 0.0
        self.model.train()
        for images, labels in batches:
            self.optimizer.zero_grad()
            loss = criterion(self.model(images.to(self.device)), labels.to(self.device))
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total


def prepare(order: Order) -> Ready:
    """Ready to train; `variant`: `tensors`, `channels-last`, `loader` or `loader-2`."""
    warnings.simplefilter("ignore")  # lazy layers may change one day
    training = Training(order, quick=order.variant == "channels-last")
    if order.variant.startswith("loader"):
        workers = 2 if order.variant == "loader-2" else 0
        return Ready(partial(loaded_epoch, order, training, workers), training.parameters)
    pixels, labels = mnist(order, axis=1)
    images = training.in_order(torch.from_numpy(pixels).float() / 255).to(training.device)
    classes = torch.from_numpy(labels).to(training.device)

    def epoch(count: int) -> Spent:
        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for places in torch.randperm(count).split(order.batch):
                yield images[places], classes[places]

        with Clock() as clock:
            training.epoch(batches())
        return clock.spent.scaled(count)

    return Ready(epoch, training.parameters)


def loaded_epoch(order: Order, training: Training, workers: int, count: int) -> Spent:
    """Train on `count` images as in PyTorch's tutorials: torchvision's MNIST, ToTensor and a DataLoader."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    # Expanding MNIST's one channel to three costs microseconds, less than reading an image with three channels.
    transform = [transforms.ToTensor()] + [transforms.Lambda(three_channels)] * (order.channels == 3)
    data = datasets.MNIST(order.folder, train=True, transform=transforms.Compose(transform))
    data.data, data.targets = data.data[:count], data.targets[:count]
    batches = DataLoader(data, order.batch, shuffle=True, num_workers=workers)
    with Clock() as all_of_it:
        iterator = iter(batches)  # starts the workers ...
        with Clock() as within:
            training.epoch(itertools.islice(iterator, len(batches)))
        next(iterator, None)  # ... and this ends them; both happen once an epoch, whatever its number of images
    around = all_of_it.spent.seconds - within.spent.seconds
    # What workers have computed is known when they have ended.
    return Spent(around + within.spent.scaled(count).seconds, all_of_it.spent.scaled(count).processor)


def three_channels(image: Tensor) -> Tensor:
    """An image (1, H, W) as (3, H, W)."""
    return image.expand(3, -1, -1)


if __name__ == "__main__":
    serve(prepare)
