"""Whatever a server or a network does, a data folder gets the whole official file or nothing."""

import gzip
import hashlib
import io
import os
import socket
import tarfile
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from test_datasets import check_contract, own_arrays

from core.datasets import DATASETS, files
from core.datasets.files import Download, md5_of
from core.refusal import Refusal
from tests.real_data import real, with_mnist

PAGE = b"<html>Please log in to the network of this hotel</html>"


class Server(ThreadingHTTPServer):
    """A server on this machine: the files that it has, and the modes in which it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.contents: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.over = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    """Answers /MODE/FILE with a file of the server, well or as the mode says."""

    def do_GET(self):
        assert isinstance(self.server, Server)
        mode, name = self.path.strip("/").split("/")
        self.server.asked.append(mode)
        content = self.server.contents[name]
        if mode == "unavailable":
            self.send_error(503)
            return
        if mode == "flipped":
            content = content[:100] + bytes([content[100] ^ 1]) + content[101:]
        if mode == "page":
            content = PAGE
        self.send_response(200)
        if mode not in ("no_length", "truncated_no_length"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(
            content[: len(content) // 2] if mode in ("truncated", "truncated_no_length", "stalled") else content
        )
        if mode == "stalled":
            self.wfile.flush()
            self.server.over.wait(10)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BANCADA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "data"


@pytest.fixture
def blood(server, tmp_path):
    """BloodMNIST as this server gives it: a small file of its layout, downloaded in the ways that are named."""
    path = tmp_path / "bloodmnist.npz"
    np.savez_compressed(path, **own_arrays(side=(28, 28, 3), classes=8, counts=(400, 16, 24)))
    server.contents["bloodmnist.npz"] = path.read_bytes()
    md5 = md5_of(path)

    def record(*modes):
        urls = tuple(f"{server.address}/{mode}/bloodmnist.npz" for mode in modes)
        return replace(
            DATASETS["bloodmnist"],
            counts={"train": 400, "val": 16, "test": 24},
            md5=lambda: {path.name: md5},
            downloads=lambda: (Download(urls, md5, path.name, (path.name,)),),
        )

    return record


def nothing(done, total):
    """A progress that nobody looks at."""


def md5_of_bytes(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("mode", ["good", "no_length"])
def test_a_good_file_is_fetched_with_progress_and_loads(folder, blood, server, mode):
    seen = []
    one = blood(mode)
    assert one.state() == ("fetchable", None)
    one.fetch(lambda done, total: seen.append((done, total)))
    size = len(server.contents["bloodmnist.npz"])
    assert seen[-1] == (size, size if mode == "good" else 0)
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert one.state() == ("ready", None)
    check_contract(one, one.load())
    assert everything_in(folder) == ["bloodmnist.npz"]


@pytest.mark.parametrize(
    ("mode", "key"),
    [
        ("truncated", "error.no_network"),
        ("truncated_no_length", "error.download_altered"),
        ("page", "error.download_altered"),
        ("flipped", "error.download_altered"),
        ("stalled", "error.no_network"),
        ("unavailable", "error.no_network"),
    ],
)
def test_a_bad_file_is_refused_after_one_retry_and_leaves_nothing(folder, blood, server, monkeypatch, mode, key):
    monkeypatch.setattr(files, "TIMEOUT", 0.3)
    with pytest.raises(Refusal) as refused:
        blood(mode).fetch(nothing)
    assert refused.value.key == key
    assert refused.value.slots == {"file": "bloodmnist.npz", "folder": str(folder)}
    assert server.asked == [mode, mode]
    assert everything_in(folder) == []
    blood(mode, "good").fetch(nothing)  # the next mirror
    assert everything_in(folder) == ["bloodmnist.npz"]


def test_a_server_that_sends_without_end_is_cut_off(folder, blood, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_DOWNLOAD", 100_000)
    with pytest.raises(Refusal, match=r"error\.download_altered"):
        blood("good").fetch(nothing)
    assert everything_in(folder) == []


def test_a_visitor_who_gives_up_leaves_nothing(folder, blood):
    def give_up(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blood("good").fetch(give_up)
    assert everything_in(folder) == []


def test_a_rotted_file_is_fetched_again_and_a_sound_one_is_not(folder, blood, server):
    one = blood("good")
    one.fetch(nothing)
    one.fetch(nothing)
    assert len(server.asked) == 1
    (folder / "bloodmnist.npz").write_bytes(PAGE)
    one.fetch(nothing)
    check_contract(one, one.load())


@pytest.mark.parametrize("name", [name for name, one in DATASETS.items() if one.downloads is not None])
def test_without_a_network_every_official_data_set_says_so(folder, monkeypatch, name):
    def away(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", away)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    start = time.monotonic()
    with pytest.raises(Refusal) as refused:
        DATASETS[name].fetch(nothing)
    assert refused.value.key == "error.no_network"
    assert str(folder) in str(refused.value.slots["folder"])
    assert everything_in(folder) == []
    assert time.monotonic() - start < 10


def test_a_folder_that_cannot_be_written_is_refused(folder, blood, monkeypatch):
    folder.write_text("a file where the folder should be")
    assert blood("good").state() == ("missing", "data.no_folder")
    with pytest.raises(Refusal, match=r"data\.no_folder"):
        blood("good").fetch(nothing)
    folder.unlink()
    (folder / "bloodmnist.npz").mkdir(parents=True)
    with pytest.raises(Refusal, match=r"error\.folder_unwritable"):
        blood("good").fetch(nothing)


def test_nothing_is_fetched_that_nobody_gives_away(folder):
    with pytest.raises(Refusal, match=r"data\.absent"):
        DATASETS["mnist-5k"].fetch(nothing)


@with_mnist
def test_mnist_is_fetched_from_the_second_mirror_into_torchvisions_folders(folder, server, monkeypatch):
    from torchvision.datasets import MNIST

    resources = []
    for name in DATASETS["mnist"].files:
        archive = gzip.compress(real(name).read_bytes(), compresslevel=1)
        server.contents[f"{Path(name).name}.gz"] = archive
        resources.append((f"{Path(name).name}.gz", md5_of_bytes(archive)))
    monkeypatch.setattr(MNIST, "mirrors", [f"{server.address}/unavailable/", f"{server.address}/good/"])
    monkeypatch.setattr(MNIST, "resources", resources)
    seen = []
    one = DATASETS["mnist"]
    one.fetch(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (sum(map(len, server.contents.values())),) * 2
    assert everything_in(folder) == sorted(one.files)
    check_contract(one, one.load())
    (folder / one.files[3]).unlink()
    server.asked.clear()
    one.fetch(nothing)
    assert server.asked == ["unavailable", "good"]  # the missing file alone
    assert MNIST(folder, train=False, download=False)[0][1] == 7


def test_cifar10_is_unpacked_and_read_by_torchvision(folder, server, monkeypatch):
    import pickle

    from torchvision.datasets import CIFAR10

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (6, 10, 3 * 32 * 32), dtype=np.uint8)
    packed, md5 = io.BytesIO(), {}
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for n, name in enumerate(DATASETS["cifar10"].files):
            content = {"label_names": ["a"]} if n == 6 else {"data": images[n], "labels": list(range(10))}
            written = pickle.dumps(content)
            md5[Path(name).name] = md5_of_bytes(written)
            member = tarfile.TarInfo(name)
            member.size = len(written)
            archive.addfile(member, io.BytesIO(written))
        archive.addfile(tarfile.TarInfo("../outside"))
    server.contents["cifar-10-python.tar.gz"] = packed.getvalue()
    monkeypatch.setattr(CIFAR10, "url", f"{server.address}/good/cifar-10-python.tar.gz")
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5_of_bytes(packed.getvalue()))
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{n}", md5[f"data_batch_{n}"]] for n in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})
    one = replace(DATASETS["cifar10"], counts={"train": 50, "val": 0, "test": 10})
    one.fetch(nothing)
    assert everything_in(folder.parent) == sorted(f"data/{file}" for file in one.files)
    splits = one.load()
    check_contract(one, splits)
    assert np.array_equal(splits.train.images[10:20], images[1].reshape(10, 3, 32, 32))
    (folder / one.files[0]).write_bytes(b"cos\nsystem\n(S'touch rotted'\ntR.")
    os.utime(folder / one.files[0], (1, 1))
    with pytest.raises(Refusal, match=r"error\.data_rotten"):
        one.load()
    assert not Path("rotted").exists()
