"""The diagram shows every layer with its shape, to scale, in both themes."""

import base64
import re
from xml.etree import ElementTree

import pytest

from core.charts.diagram import EDGE, MAP, VECTOR, diagram
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import table
from tests.test_charts import THEMES, contrast


def drawings(page):
    """Each picture as an SVG element."""
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    return [ElementTree.fromstring(base64.b64decode(one)) for one in found]  # noqa: S314 -- our own


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_layer_is_a_picture_with_its_name_and_its_shape(name):
    rows = table(ARCHITECTURES[name], (1, 28, 28), 10)
    page = diagram([str(row.layer) for row in rows], [row.shape for row in rows], "A network")
    assert len(drawings(page)) == page.count("<figure>") == len(rows)
    for row in rows:
        assert f"{row.layer}<br><b>{' x '.join(map(str, row.shape))}</b>" in page
    assert 'role="group" aria-label="A network"' in page


def test_a_larger_map_is_drawn_larger_and_more_channels_deeper_and_more_values_higher():
    shapes = [(1, 28, 28), (1, 7, 7), (64, 7, 7), (10,), (1600,)]
    image, small, deep, few, many = drawings(diagram(["x"] * 5, shapes, ""))
    assert float(image.get("width")) > 1.5 * float(small.get("width"))
    assert float(deep.get("width")) > float(small.get("width")) + 5
    assert float(many.get("height")) > 2 * float(few.get("height"))


def test_one_vector_of_one_value_and_a_map_of_one_pixel_can_be_seen():
    for one in drawings(diagram(["a", "b"], [(1, 1, 1), (1,)], "")):
        assert min(float(one.get("width")), float(one.get("height"))) >= 6


def test_what_a_name_holds_cannot_become_markup():
    page = diagram(["<script>"], [(3,)], '"><script>')
    assert "<script" not in page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("colour", [MAP, VECTOR, EDGE])
def test_blocks_and_edges_stand_out_from_the_ground(theme, colour):
    assert contrast(colour, THEMES[theme]["backgroundColor"]) >= 3
