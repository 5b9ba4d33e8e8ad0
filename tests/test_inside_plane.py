"""Images on a plane lie where PCA and t-SNE put them, and the share of right neighbours is that of a slow count."""

import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from core.inside import plane
from core.inside.network import Network
from core.inside.plane import neighbour_accuracy, pca, penultimate, placed, spread, tsne
from core.networks.architectures import ARCHITECTURES
from core.spec import checked
from core.training.train import initial_model


def clusters(n=120, size=20, classes=4, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    middles = generator.normal(size=(classes, size)) * 6
    return (middles[labels] + generator.normal(size=(n, size))).astype(np.float32), labels


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_penultimate_activations_times_the_last_weights_are_the_logits(architecture, monkeypatch):
    monkeypatch.setattr(plane, "MOST_IMAGES", 5)
    spec = checked({"architecture": architecture})
    one = Network.of(initial_model(spec, (1, 28, 28), 4), spec, (1, 28, 28), 4)
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 28, 28), dtype=np.uint8)
    some = spread(one, len(images))
    assert some.tolist() == [0, 1, 2, 4, 5], "not the first ones, which may be easier"
    assert spread(one, 3).tolist() == [0, 1, 2]
    found, last = penultimate(one, images[some]), one.layers[-1].dense
    assert np.allclose(found @ last.weight.numpy().T + last.bias.numpy(), one.logits(images[some]), atol=1e-4)


@pytest.mark.parametrize(("n", "size"), [(120, 20), (30, 400), (9, 3)])
def test_the_pca_is_that_of_scikit_learn(n, size):
    values = clusters(n, size)[0]
    ours, theirs = pca(values), PCA(2, svd_solver="full").fit(values)
    signs = np.sign((ours.directions * theirs.components_).sum(axis=1))
    assert np.allclose(ours.directions, theirs.components_ * signs[:, None], atol=1e-3)
    assert ours.share == pytest.approx(tuple(theirs.explained_variance_ratio_), abs=1e-4)
    assert np.allclose(ours.place(values), theirs.transform(values) * signs, atol=0.05)
    assert np.allclose(ours.place(values)[3], ours.place(values[3]), atol=1e-4), "a single drawing"


@pytest.mark.parametrize("values", [np.ones((1, 7)), np.ones((5, 7)), np.outer(np.arange(4), np.ones(3))])
def test_values_that_vary_in_less_than_two_directions_lie_on_a_line_or_a_point(values):
    found = pca(values.astype(np.float32))
    assert np.isfinite(found.place(values)).all()
    assert found.share[1] == 0
    assert not found.place(values)[:, 1].any()


def test_t_sne_tells_how_far_it_is_and_keeps_clusters_together():
    values, labels = clusters(60)
    told = []
    points = tsne(values, progress=lambda done, total: told.append((done, total)))
    assert points.shape == (60, 2)
    assert told[0] == (50, plane.ITERATIONS)
    assert told == sorted(told)
    assert len(told) > 5
    assert sys.stdout is not None
    assert neighbour_accuracy(points, labels).value > 0.9
    assert np.array_equal(points, tsne(values)), "the same each time"


def test_a_new_drawing_lies_among_its_neighbours():
    values, labels = clusters()
    points = np.random.default_rng(1).normal(size=(120, 2)) + 20 * np.eye(4)[labels][:, :2] + 20 * labels[:, None]
    new = values[labels == 2].mean(axis=0)
    nearest = np.argsort(((values - new) ** 2).sum(axis=1))[:10]
    assert np.allclose(placed(values, points, new[None]), np.median(points[nearest], axis=0))


@pytest.mark.parametrize(("n", "spread"), [(120, 1), (120, 12), (7, 3)])
def test_the_accuracy_of_neighbours_leaves_each_image_out_of_its_own(n, spread):
    values, labels = clusters(n)
    values += np.random.default_rng(2).normal(size=values.shape).astype(np.float32) * spread + 1_000
    right = 0
    for place in range(n):
        order = [at for at in np.argsort(((values - values[place]) ** 2).sum(axis=1)) if at != place][:10]
        near = labels[order].tolist()
        right += max(near, key=near.count) == labels[place]  # of equally many the first, the nearest
    found = neighbour_accuracy(values, labels)
    assert (found.value, found.n) == (right / n, n)
    assert found.low < found.value < found.high or found.value in (0, 1)
