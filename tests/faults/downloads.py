"""Servers that send a data set badly, a proxy that answers with a page, and data files that have rotted on disk."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.datasets import DATASETS, Dataset, files
from core.datasets.files import Download, md5_of
from core.refusal import Refusal
from tests.faults.fault import Fault, Outcome

PAGE = b"<html>Please log in to the network of this hotel</html>"
ALTERED, AWAY = "error.download_altered", "error.no_network"
COUNTS = {"train": 400, "val": 16, "test": 24}
TIMEOUT, LARGEST = 0.3, 4 * 2**20  # seconds and bytes, instead of 20 s and 1 GiB

Sent = Callable[[bytes], Iterator[bytes]]  # from the right content, what is sent; seconds pass between its parts


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode() + body


def whole(body: bytes, *headers: str) -> bytes:
    return answer(body, f"Content-Length: {len(body)}", *headers)


def flipped(content: bytes) -> bytes:
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


def at_once(make: Callable[[bytes], bytes]) -> Sent:
    return lambda content: iter([make(content)])


def stalled(content: bytes) -> Iterator[bytes]:
    yield whole(content)[: len(content) // 2]
    time.sleep(3 * TIMEOUT)


def dripping(content: bytes) -> Iterator[bytes]:
    for byte in whole(content)[:200]:
        yield bytes([byte])
        time.sleep(TIMEOUT / 20)


def dripping_after_its_head(content: bytes) -> Iterator[bytes]:
    yield whole(content)[:120]
    yield from dripping(content)


def redirecting_without_end(_: bytes) -> Iterator[bytes]:
    yield answer(b"", "Location: /good", status="302 Found").replace(b"/good", b"/page")
    yield from itertools.repeat(bytes(2**16), 2**10)


def without_end(_: bytes) -> Iterator[bytes]:
    yield answer(b"")
    yield from itertools.repeat(bytes(2**16), 2**10)


def redirected(to: str) -> Sent:
    return at_once(lambda _: answer(b"", f"Location: {to}", "Content-Length: 0", status="302 Found"))


# What is sent, and the reason of the refusal.
BAD: dict[str, tuple[Sent, str]] = {
    "truncated": (at_once(lambda content: whole(content)[:-50]), AWAY),
    "truncated, without a length": (at_once(lambda content: answer(content[:-50])), ALTERED),
    "page": (at_once(lambda _: whole(PAGE)), ALTERED),
    "flipped": (at_once(lambda content: whole(flipped(content))), ALTERED),
    "stalled": (stalled, AWAY),
    "unavailable": (at_once(lambda _: answer(PAGE, status="503 Service Unavailable")), AWAY),
    "dripping": (dripping, AWAY),
    "dripping after its head": (dripping_after_its_head, AWAY),
    "without end": (without_end, ALTERED),
    "a redirection without end": (redirecting_without_end, ALTERED),
    "redirections in a circle": (redirected("/redirections%20in%20a%20circle"), AWAY),
    "a redirection to a file": (redirected(f"file://{__file__}"), AWAY),
    "a redirection to ftp": (redirected("ftp://127.0.0.1/good"), AWAY),
    "a redirection to data": (redirected("data:,good"), AWAY),
    "a larger length": (at_once(lambda content: answer(content, f"Content-Length: {len(content) + 1}")), AWAY),
    "a smaller length": (at_once(lambda content: answer(content, f"Content-Length: {len(content) - 1}")), ALTERED),
    "an enormous length": (at_once(lambda content: answer(content, f"Content-Length: {10**30}")), AWAY),
    "a negative length": (at_once(lambda content: answer(flipped(content), "Content-Length: -1")), ALTERED),
    "a length in words": (at_once(lambda content: answer(flipped(content), "Content-Length: much")), ALTERED),
    "packed": (at_once(lambda content: whole(b"\x1f\x8b" + content, "Content-Encoding: gzip")), ALTERED),
    "a piece that is cut": (
        at_once(lambda content: answer(b"ffff\r\n" + content[:50], "Transfer-Encoding: chunked")),
        AWAY,
    ),
    "pieces of nonsense": (at_once(lambda _: answer(b"xyz\r\nxyz", "Transfer-Encoding: chunked")), AWAY),
    "a part": (at_once(lambda content: answer(content[:500], status="206 Partial Content")), ALTERED),
    "no content": (at_once(lambda _: answer(b"", status="204 No Content")), ALTERED),
    "no web server": (at_once(lambda _: b"220 welcome\r\n" + bytes(2000)), AWAY),
    "nothing": (at_once(lambda _: b""), AWAY),
    "a head without end": (at_once(lambda _: b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000), AWAY),
    "proxy": (at_once(lambda _: whole(PAGE)), ALTERED),  # the page comes from the proxy that the settings name
}
GOOD: dict[str, Sent] = {
    "good": at_once(whole),
    "without a length": at_once(answer),
    "of a length in words": at_once(lambda content: answer(content, "Content-Length: much")),
    "of a negative length": at_once(lambda content: answer(content, "Content-Length: -1")),
    "in pieces": at_once(
        lambda content: answer(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content), "Transfer-Encoding: chunked")
    ),
    "redirected": redirected("/good"),
}


@contextlib.contextmanager
def server(content: bytes) -> Iterator[str]:
    """A server on this machine that answers /NAME as `BAD` or `GOOD` say; the address."""
    sent = {name.replace(" ", "%20"): how for name, (how, _) in BAD.items()}
    sent |= {name.replace(" ", "%20"): how for name, how in GOOD.items()}

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            path = connection.recv(2**16).split()[1].decode()
            for part in sent[path.rpartition("/")[2]](content):
                connection.sendall(part)

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def small(folder: Path, *urls: str) -> Dataset:
    """BloodMNIST with a few images, downloaded from these addresses; its file lies in the folder."""
    path = folder / "bloodmnist.npz"
    if not path.exists():
        noise, arrays = np.random.default_rng(0), {}
        for name, count in COUNTS.items():
            arrays[f"{name}_images"] = noise.integers(0, 256, (count, 28, 28, 3), dtype=np.uint8)
            arrays[f"{name}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 8
        np.savez_compressed(path, **arrays)
    md5 = md5_of(path)
    return replace(
        DATASETS["bloodmnist"],
        counts=COUNTS,
        md5=lambda: {path.name: md5},
        downloads=lambda: (Download(urls, md5, path.name, (path.name,)),),
    )


@contextlib.contextmanager
def changed(**settings: str) -> Iterator[None]:
    """Environment variables, and the limits of a download, for a while."""
    old = {name: os.environ.get(name) for name in settings}
    limits = files.TIMEOUT, files.LARGEST_DOWNLOAD
    files.TIMEOUT, files.LARGEST_DOWNLOAD = TIMEOUT, LARGEST
    os.environ.update(settings)
    try:
        yield
    finally:
        files.TIMEOUT, files.LARGEST_DOWNLOAD = limits
        for name, value in old.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def nothing(done: int, total: int) -> None:
    """A progress that nobody looks at."""


def bad_servers(folder: Path, times: int) -> Outcome:
    """Each kind of `BAD` in turn, and after it the good ones from the same server."""
    small(folder)
    data = folder / "data" / "bloodmnist.npz"
    right = accepted = left = 0
    slowest = 0.0
    with server((folder / "bloodmnist.npz").read_bytes()) as address:
        for name, (_, key) in itertools.islice(itertools.cycle(BAD.items()), times):
            at = "http://data.example" if name == "proxy" else address
            one = small(folder, f"{at}/{name.replace(' ', '%20')}")
            begun = time.monotonic()
            with changed(**({"http_proxy": address, "no_proxy": ""} if name == "proxy" else {"no_proxy": "*"})):
                try:
                    one.fetch(nothing)
                    accepted += 1
                except Refusal as refusal:
                    right += refusal.key == key
            slowest = max(slowest, time.monotonic() - begun)
            left += sum(path.name.endswith(".part") or path == data for path in (folder / "data").iterdir())
            data.unlink(missing_ok=True)
        fine = 0
        for name in GOOD:
            with changed(no_proxy="*"), contextlib.suppress(Refusal):
                small(folder, f"{address}/{name.replace(' ', '%20')}").fetch(nothing)
                fine += data.exists()
            data.unlink(missing_ok=True)
    figure = (
        f"accepted {accepted}; files left {left}; the right sentence {right}; at most {slowest / TIMEOUT:.1f} time-outs"
    )
    holds = (accepted, left, right, fine) == (0, 0, times, len(GOOD))
    return Outcome(times, f"{figure}; good answers accepted {fine} of {len(GOOD)}", holds)


def rotten_files(folder: Path, times: int) -> Outcome:
    """Single bits flipped in the data file and in the cache of its arrays, also with the time of change kept."""
    choice = random.Random(0)
    one = small(folder)
    data = folder / "data" / "bloodmnist.npz"
    data.write_bytes((folder / "bloodmnist.npz").read_bytes())
    arrays = one.load()
    cached = folder / "cache" / "arrays" / "bloodmnist.npz"
    silent = refused = wrong = 0
    for number in range(times):
        path = (data, cached)[number % 2]
        sound, facts = path.read_bytes(), path.stat()
        other = cached.read_bytes()
        if number % 4 == 0:
            cached.unlink()  # the data file is read, of whose time of change nothing is known
        at = choice.randrange(8 * len(sound))
        rotten = bytearray(sound)
        rotten[at // 8] ^= 1 << at % 8
        path.write_bytes(rotten)
        if number % 8 < 6:
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        try:
            found = one.load()
            equal = all(
                np.array_equal(getattr(found.parts()[name], kind), getattr(split, kind))
                for name, split in arrays.parts().items()
                for kind in ("images", "labels")
            )
            silent += not equal
        except Refusal as refusal:
            refused += refusal.key == "error.data_rotten"
            wrong += refusal.key != "error.data_rotten" or path == cached
        path.write_bytes(sound)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        cached.write_bytes(other)
    figure = f"silent use {silent}; refused {refused}, wrongly {wrong}; the others read as they were"
    return Outcome(times, figure, not silent and not wrong and refused > 0)


FAULTS = (
    Fault(
        "F7",
        f"a bad server or proxy, {len(BAD)} kinds",
        "accepted bad files 0, files left 0, the right sentence each time",
        bad_servers,
        len(BAD),
        4 * len(BAD),
    ),
    Fault("F8", "a flipped bit in a data file or in the cache", "silent use 0", rotten_files, 16, 2000),
)
