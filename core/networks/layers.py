"""Networks as tuples of layers, from which shapes, parameters, operations, receptive fields and modules are computed.

A layer's text form is a call, `conv(6, 5, padding=2, activation=sigmoid)`; `parse` reads it and `text` writes it. It is
used in links, on the command line and where layers are typed; stored specs use JSON, and a person reads `in_words`.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.networks.activations import FUNCTIONS, Activation
from core.refusal import Refusal
from core.words import InWords, allowed
from core.words import number as number_of
from core.words import text as words_of

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]  # (C, H, W) of a picture or feature map; (D,) of a vector
Count = Annotated[int, Field(ge=1, le=65_536)]
Window = Annotated[int, Field(ge=1, le=64)]


class Layer(BaseModel):
    """One layer; its fields, in order, are the arguments in its text form.

    A field's first example is its initial value for a new layer in the editor; without an example, its default is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Any  # the layer's name in the text form
    window: ClassVar[Literal["point", "window", "everything"]] = "point"  # the part of the input that one output uses
    mixes_images: ClassVar[bool] = False  # whether, in training, an image's output depends on the others of its batch

    def shape_after(self, shape: Shape) -> Shape:
        """The output's shape for an input of `shape`. Raises: Misfit."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """The number of trainable parameters for an input of `shape`."""
        del shape
        return 0

    def statistics(self, shape: Shape) -> int:
        """The number of stored values that are not parameters: running means and variances."""
        del shape
        return 0

    def macs(self, shape: Shape) -> int:
        """Multiply-accumulate operations for one image, counting only convolutions and dense layers, as papers do."""
        del shape
        return 0

    def module(self, shape: Shape, classes: int) -> nn.Module:
        """The PyTorch module for an input of `shape`."""
        raise NotImplementedError

    def code(self, shape: Shape) -> str:
        """What makes the layer's modules for an input of `shape`, in Python, for a list of arguments on one line.

        `nn` is `torch.nn`, and `dense_block` that of `core/networks/modules.py`.
        """
        raise NotImplementedError

    def resolved(self, classes: int) -> Layer:
        """The same layer with the word `classes` replaced by K = `classes`."""
        del classes
        return self

    def __str__(self) -> str:
        """The text form: required fields by position, the others by name if they differ from the default."""
        fields = [name for name in type(self).model_fields if name != "kind"]
        words = []
        for name in fields:
            value, field = getattr(self, name), type(self).model_fields[name]
            if field.is_required():
                words.append(str(value))
            elif value != field.default:
                words.append(f"{name}={value}")
        return f"{self.kind}({', '.join(words)})" if words else self.kind


class Misfit(Exception):
    """A layer does not accept its input's shape; `reason` is the text key of the explanation."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Conv(Layer):
    """Convolution with square kernels; `padding` in pixels, or `same` to keep height and width (stride 1)."""

    kind: Literal["conv"] = "conv"
    filters: Count = Field(examples=[16])
    kernel: Window = Field(examples=[3])
    stride: Window = 1
    padding: Annotated[int, Field(ge=0, le=64)] | Literal["same"] = Field(default=0, examples=["same"])
    activation: Activation = Field(default="none", examples=["relu"])
    window: ClassVar = "window"

    def shape_after(self, shape: Shape) -> Shape:
        _, height, width = _picture(shape)
        if self.padding == "same":
            if self.stride != 1:
                raise Misfit("error.same_needs_stride_1")
            return self.filters, height, width
        sides = [(side + 2 * self.padding - self.kernel) // self.stride + 1 for side in (height, width)]
        if min(height, width) + 2 * self.padding < self.kernel:
            raise Misfit("error.window_too_large")
        return self.filters, *sides

    def parameters(self, shape: Shape) -> int:
        return self.filters * (shape[0] * self.kernel**2 + 1)

    def macs(self, shape: Shape) -> int:
        filters, height, width = self.shape_after(shape)
        return filters * height * width * shape[0] * self.kernel**2

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from torch import nn

        padding = (self.kernel - 1) // 2 if self.padding == "same" else self.padding
        conv = nn.Conv2d(shape[0], self.filters, self.kernel, self.stride, padding)
        module = _with_activation("conv", conv, self.activation)
        if self.padding == "same" and self.kernel % 2 == 0:
            # The extra pixel goes right and below, as in torch's and Keras's "same"; torch's own warns about a copy.
            return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), module)
        return module

    def code(self, shape: Shape) -> str:
        padding = (self.kernel - 1) // 2 if self.padding == "same" else self.padding
        more = f", stride={self.stride}" * (self.stride > 1) + f", padding={padding}" * (padding > 0)
        conv = f"nn.Conv2d({shape[0]}, {self.filters}, {self.kernel}{more}){_activation_code(self.activation)}"
        return f"nn.ZeroPad2d((0, 1, 0, 1)), {conv}" if self.padding == "same" and self.kernel % 2 == 0 else conv


class Pool(Layer):
    """Base class of the pooling layers: a square window with a stride of its own size."""

    size: Window = Field(examples=[2])
    window: ClassVar = "window"

    @property
    def kernel(self) -> int:
        """The side of the window, px."""
        return self.size

    @property
    def stride(self) -> int:
        """The step of the window, px."""
        return self.size

    def shape_after(self, shape: Shape) -> Shape:
        channels, height, width = _picture(shape)
        if self.size > min(height, width):
            raise Misfit("error.window_too_large")
        return channels, height // self.size, width // self.size


class MaxPool(Pool):
    """The largest value of each window."""

    kind: Literal["max_pool"] = "max_pool"

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from torch import nn

        return nn.MaxPool2d(self.size)

    def code(self, shape: Shape) -> str:
        return f"nn.MaxPool2d({self.size})"


class AvgPool(Pool):
    """The mean of each window."""

    kind: Literal["avg_pool"] = "avg_pool"

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from torch import nn

        return nn.AvgPool2d(self.size)

    def code(self, shape: Shape) -> str:
        return f"nn.AvgPool2d({self.size})"


class GlobalAvgPool(Layer):
    """The mean of each feature map: (C, H, W) becomes (C,)."""

    kind: Literal["global_avg_pool"] = "global_avg_pool"
    window: ClassVar = "everything"

    def shape_after(self, shape: Shape) -> Shape:
        return (_picture(shape)[0],)

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from torch import nn

        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def code(self, shape: Shape) -> str:
        return "nn.AdaptiveAvgPool2d(1), nn.Flatten()"


class Flatten(Layer):
    """Flattens feature maps: (C, H, W) becomes (C x H x W,)."""

    kind: Literal["flatten"] = "flatten"

    def shape_after(self, shape: Shape) -> Shape:
        channels, height, width = _picture(shape)
        return (channels * height * width,)

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from core.networks.modules import Flatten as Module

        return Module()

    def code(self, shape: Shape) -> str:
        return "nn.Flatten()"


class Dense(Layer):
    """A fully connected layer; `units=classes` means one logit per class."""

    kind: Literal["dense"] = "dense"
    units: Count | Literal["classes"] = Field(examples=[64])
    activation: Activation = Field(default="none", examples=["relu"])
    window: ClassVar = "everything"

    def resolved(self, classes: int) -> Dense:
        return self.model_copy(update={"units": classes}) if self.units == "classes" else self

    def shape_after(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Misfit("error.needs_flatten")
        assert self.units != "classes", "resolve the layer first"
        return (self.units,)

    def parameters(self, shape: Shape) -> int:
        return self.shape_after(shape)[0] * (shape[0] + 1)

    def macs(self, shape: Shape) -> int:
        return self.shape_after(shape)[0] * shape[0]

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from torch import nn

        dense = nn.Linear(shape[0], self.shape_after(shape)[0])
        return _with_activation("dense", dense, self.activation)

    def code(self, shape: Shape) -> str:
        return f"nn.Linear({shape[0]}, {self.shape_after(shape)[0]}){_activation_code(self.activation)}"


class Dropout(Layer):
    """In training, sets each value to zero with probability `rate`."""

    kind: Literal["dropout"] = "dropout"
    rate: Annotated[float, Field(ge=0, lt=1)] = Field(examples=[0.25])

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from core.networks.modules import Dropout as Module

        return Module(self.rate)

    def code(self, shape: Shape) -> str:
        return f"nn.Dropout({self.rate})"


class BatchNorm(Layer):
    """Normalises each channel (or value) by its mean and variance in the batch.

    Source: Ioffe, Szegedy 2015.
    """

    kind: Literal["batch_norm"] = "batch_norm"
    mixes_images: ClassVar = True

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[0]

    def statistics(self, shape: Shape) -> int:
        return 2 * shape[0]

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from torch import nn

        return nn.BatchNorm1d(shape[0]) if len(shape) == 1 else nn.BatchNorm2d(shape[0])

    def code(self, shape: Shape) -> str:
        return f"nn.BatchNorm{1 if len(shape) == 1 else 2}d({shape[0]})"


class ActivationLayer(Layer):
    """An activation function as a layer of its own, for example after a batch norm."""

    kind: Literal["activation"] = "activation"
    function: Activation = Field(examples=["relu"])

    def module(self, shape: Shape, classes: int) -> nn.Module:
        return _activation(self.function)

    def code(self, shape: Shape) -> str:
        return f"nn.{FUNCTIONS[self.function].module}()"


class DenseBlock(Layer):
    """`layers` times [BN-ReLU-conv 1x1 (`bottleneck`)-BN-ReLU-conv 3x3 (`growth`)], each concatenated to its input.

    Source: Huang, Liu, van der Maaten, Weinberger 2017 (DenseNet-B).
    """

    kind: Literal["dense_block"] = "dense_block"
    layers: Annotated[int, Field(ge=1, le=64)] = Field(examples=[2])
    growth: Count = 32
    bottleneck: Count = 128
    window: ClassVar = "window"
    stride: ClassVar = 1
    mixes_images: ClassVar = True

    @property
    def kernel(self) -> int:
        """The side of the block's receptive field, px: every 3 x 3 convolution adds a pixel at each edge."""
        return 2 * self.layers + 1

    def _inputs(self, shape: Shape) -> list[int]:
        return [shape[0] + self.growth * i for i in range(self.layers)]

    def shape_after(self, shape: Shape) -> Shape:
        channels, height, width = _picture(shape)
        return channels + self.growth * self.layers, height, width

    def parameters(self, shape: Shape) -> int:
        b, g = self.bottleneck, self.growth
        return sum(2 * c + (c + 1) * b + 2 * b + (9 * b + 1) * g for c in self._inputs(shape))

    def statistics(self, shape: Shape) -> int:
        return sum(2 * (c + self.bottleneck) for c in self._inputs(shape))

    def macs(self, shape: Shape) -> int:
        _, height, width = shape
        return height * width * sum((c + 9 * self.growth) * self.bottleneck for c in self._inputs(shape))

    def module(self, shape: Shape, classes: int) -> nn.Module:
        from core.networks.modules import dense_block

        return dense_block(self._inputs(shape), self.growth, self.bottleneck)

    def code(self, shape: Shape) -> str:
        return f"dense_block({self._inputs(shape)}, {self.growth}, {self.bottleneck})"


AnyLayer = Annotated[
    Conv | MaxPool | AvgPool | GlobalAvgPool | Flatten | Dense | Dropout | BatchNorm | ActivationLayer | DenseBlock,
    Field(discriminator="kind"),
]
Layers = tuple[AnyLayer, ...]
KINDS: dict[str, type[Layer]] = {t.model_fields["kind"].default: t for t in get_args(get_args(AnyLayer)[0])}
_LAYER: TypeAdapter[Layer] = TypeAdapter(AnyLayer)
PLAIN = {"stride": 1, "padding": 0, "activation": "none"}  # the values of which nobody needs to be told
MOST_LAYERS = 100
MOST_PARAMETERS = 100_000_000  # 400 MB of float32: more than a laptop can train; also catches typing errors
MOST_VALUES = 50_000_000  # in one layer's output for one image


@dataclass(frozen=True)
class Row:
    """One row of a network's layer table, for one image."""

    number: int  # of the layer, from 1
    layer: Layer
    shape_before: Shape
    shape: Shape
    parameters: int
    statistics: int
    macs: int
    receptive_field: int  # side in input pixels of the square on which one output depends; at most the image's side


def table(layers: Iterable[Layer], shape: Shape, classes: int) -> list[Row]:
    """The layer table of a network for images of `shape` (C, H, W) and K = `classes`. Raises: Refusal, see `rows`."""
    return list(rows(layers, shape, classes))


def rows(layers: Iterable[Layer], shape: Shape, classes: int) -> Iterator[Row]:
    """Yields the rows of `table` one by one, up to the first layer that does not fit.

    Raises: Refusal, with the layer that does not fit or is too large, or if the last layer does not return K logits.
    """
    side, field, jump, total = max(shape[1:]), 1, 1, 0
    for number, layer in enumerate(layers, start=1):
        layer = layer.resolved(classes)
        try:
            after = layer.shape_after(shape)
        except Misfit as misfit:
            raise Refusal(misfit.reason, number=number, layer=in_words(layer), shape=shape_text(shape)) from misfit
        if layer.window == "everything":
            field = side
        elif layer.window == "window":
            window: Any = layer
            field, jump = min(side, field + (window.kernel - 1) * jump), jump * window.stride
        parameters, statistics = layer.parameters(shape), layer.statistics(shape)
        total += parameters
        if total > MOST_PARAMETERS:
            raise Refusal("error.network_too_large", number=number, layer=in_words(layer), most=MOST_PARAMETERS)
        if math.prod(after) > MOST_VALUES:
            raise Refusal("error.output_too_large", number=number, layer=in_words(layer), shape=shape_text(after))
        yield Row(number, layer, shape, after, parameters, statistics, layer.macs(shape), field)
        shape = after
    if shape != (classes,):
        raise Refusal("error.last_layer", classes=classes, shape=shape_text(shape))


def code_size(rows: Sequence[Row]) -> int | None:
    """The number of values in an encoder's output for one image; None for a network without an encoder.

    The layers before the feature maps become a vector count as an encoder if they convolve and if the vector
    goes into an MLP with at least two hidden dense layers, as in report 004 (784 -> 1,600, then 64-32-10). The usual
    CNN with one hidden dense layer or none mostly enlarges the image and is not meant to compress it.
    """
    length = encoder_length(rows)
    if not length or sum(isinstance(after.layer, Dense) for after in rows[length:]) < 3:
        return None
    return rows[length - 1].shape[0]


def encoder_length(rows: Sequence[Row]) -> int | None:
    """The number of first layers up to the one that turns feature maps into a vector; None if no convolution is there.

    In `rows`, a convolution is a layer with multiply-accumulates on feature maps: a dense block has some too.
    """
    for at, row in enumerate(rows):
        if len(row.shape_before) == 3 and len(row.shape) == 1:
            return at + 1 if any(before.macs for before in rows[:at]) else None
    return None


def build(layers: Iterable[Layer], shape: Shape, classes: int) -> nn.Sequential:
    """The layers as one PyTorch module: float images (N, C, H, W) in, logits (N, K) out. Raises: Refusal."""
    from torch import nn

    module = nn.Sequential()
    for row in table(layers, shape, classes):
        module.add_module(f"{row.number}_{row.layer.kind}", row.layer.module(row.shape_before, classes))
    return module


def parse(words: str) -> Layers:
    """Parse layers in text form, separated by commas, semicolons or line breaks. Raises: Refusal, naming the fault."""
    calls = _calls(words)
    if not 1 <= len(calls) <= MOST_LAYERS:
        raise Refusal("error.layer_count", count=len(calls), most=MOST_LAYERS)
    layers = []
    for word in calls:
        match = re.fullmatch(r"(\w+)\s*(?:\((.*)\))?", word, re.DOTALL)
        if word.count("(") != word.count(")"):
            raise Refusal("error.layer_bracket", layer=word[:60])
        if not match or match[1] not in KINDS:
            raise Refusal("error.layer_unknown", layer=word[:60], known=", ".join(KINDS))
        layers.append(_layer(match[1], match[2] or "", word))
    return tuple(layers)


def text(layers: Iterable[Layer]) -> str:
    """The text form of the layers; `parse` is the inverse."""
    return ", ".join(map(str, layers))


def in_words(layer: Layer) -> InWords:
    """A layer as a person reads it, `Convolution, 6 filters 5 x 5, padding 2, ReLU`; as a `str` its text form."""

    def say(language: str) -> str:
        said = words_of(language, f"layer.{layer.kind}.label")
        for name in type(layer).model_fields:
            value = getattr(layer, name)
            if name == "kind" or value == PLAIN.get(name):
                continue
            if isinstance(value, str):
                said += ", " + words_of(language, f"layer.word.{value}")
            else:
                percent = f"{number_of(100 * value, language=language)}%"
                said += words_of(language, f"layer.said.{name}", count=value, percent=percent)
        return said

    return InWords(str(layer), say)


def shape_text(shape: Shape) -> str:
    """A shape for display, such as `16 x 5 x 5`."""
    return " x ".join(map(str, shape))


def new_layer(kind: str) -> Any:
    """A layer of this kind with the initial values of the editor."""
    fields = KINDS[kind].model_fields.items()
    return KINDS[kind].model_validate({name: field.examples[0] for name, field in fields if field.examples})


def _layer(kind: str, arguments: str, word: str) -> Any:
    fields = [name for name in KINDS[kind].model_fields if name != "kind"]
    values: dict[str, Any] = {"kind": kind}
    for place, argument in enumerate(part.strip() for part in arguments.split(",") if part.strip()):
        name, equals, value = argument.partition("=")
        name, value = (name.strip(), value.strip()) if equals else (fields[place] if place < len(fields) else "", name)
        if name not in fields or name in values:
            raise Refusal("error.layer_argument", layer=word[:60], argument=argument[:60])
        values[name] = int(value) if re.fullmatch(r"\d{1,9}", value) else value
    try:
        return _LAYER.validate_python(values)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][1] if fault["loc"][1:] else kind)
        if name not in values:
            raise Refusal("error.layer_argument", layer=word[:60], argument=name) from None
        field = InWords(name, lambda language: words_of(language, f"layer.field.{name}"))
        value, may_be = str(values[name])[:60], allowed(field_schema(kind, name))
        raise Refusal("error.layer_value", layer=word[:60], field=field, value=value, allowed=may_be) from None


@functools.cache
def field_schema(kind: str, name: str) -> dict[str, Any]:
    """The JSON schema of a field of a kind of layer."""
    return KINDS[kind].model_json_schema()["properties"][name]


def _calls(words: str) -> list[str]:
    """The text split at the commas, semicolons and line breaks outside parentheses."""
    return [word.strip() for word in re.findall(r"(?:[^,;\n()]|\([^()]*\)|[()])+", words) if word.strip()]


def _picture(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise Misfit("error.needs_picture")
    channels, height, width = shape
    return channels, height, width


def _with_activation(name: str, module: nn.Module, activation: Activation) -> nn.Module:
    from torch import nn

    pair = nn.Sequential()
    pair.add_module(name, module)
    if activation != "none":
        pair.add_module(activation, _activation(activation))
    return pair


def _activation(name: Activation) -> nn.Module:
    from torch import nn

    return getattr(nn, FUNCTIONS[name].module)()


def _activation_code(name: Activation) -> str:
    """What follows a layer with this activation in its line."""
    return "" if name == "none" else f", nn.{FUNCTIONS[name].module}()"
