"""A run travels as one zip file; what a stranger has made of such a file joins no store."""

import hashlib
import io
import json
import shutil
import tracemalloc
import zipfile

import pytest

from core import store
from core.__main__ import main
from core.events import Failure, Started, from_line, to_line
from core.exports import archive as module
from core.exports import export
from core.exports.archive import LIST, take_in
from core.models.model import open_model
from core.refusal import Refusal
from core.settings import ROOT
from core.spec import RunSpec
from core.work import work


@pytest.fixture
def run(home):
    one = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=2))
    one.append(Failure(step=0, error="error.unexpected", slots={"reason": "/home/maria"}, trace="/home/maria/core"))
    assert work(str(one.folder)) == "done"
    one.relabel(owner="Maria")
    return one


@pytest.fixture
def exported(run, tmp_path):
    export(run, "run", tmp_path / "run.zip")
    return tmp_path / "run.zip"


def rewritten(path, change, *, sums=True):
    """The zip with its files changed: `change` gets them by name, with the sums of `export.json` made right again."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    if sums:
        (listed,) = [name for name in files if name.endswith(LIST)]
        told = json.loads(files[listed])
        told["files"] = {
            name.rpartition("/")[2]: hashlib.sha256(content).hexdigest()
            for name, content in files.items()
            if name != listed
        }
        files[listed] = json.dumps(told).encode()
    other = path.with_name("changed.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return other


def test_a_run_is_the_same_in_another_store_and_says_nothing_of_its_owner(run, exported, tmp_path):
    taken = take_in(exported, tmp_path / "other")
    assert (taken.name, taken.spec, taken.report()) == (run.name, run.spec, run.report())
    kept = [event for event in run.events() if not isinstance(event, Failure)]
    assert [event for event in taken.events() if event.event != "snapshot"] == [
        e for e in kept if e.event != "snapshot"
    ]
    assert (taken.label().owner, taken.status()) == ("", "done")
    for name, own in open_model(run).module.state_dict().items():
        assert own.equal(open_model(taken).module.state_dict()[name])
    assert [path.name for path in (tmp_path / "other").iterdir()] == [run.name]
    with zipfile.ZipFile(exported) as archive:
        whole = b"".join(map(archive.read, archive.namelist()))
    assert b"aria" not in whole
    assert json.loads(zipfile.ZipFile(exported).read(f"{run.name}/{LIST}"))["facts"]["Run"] == run.name


def test_the_same_run_gives_the_same_file(run, exported, tmp_path):
    export(run, "run", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == exported.read_bytes()


def test_an_import_never_overwrites_a_run(run, exported, capsys, home):
    before = {path: path.read_bytes() for path in run.folder.iterdir()}
    assert main(["import", str(exported)]) == 1
    assert run.name in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before
    shutil.rmtree(run.folder)
    assert main(["import", str(exported), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": run.name}
    assert run.is_done()
    assert [path.name for path in home.iterdir() if path.name.startswith(".new")] == []


def test_a_starter_model_travels(home, tmp_path):
    run = store.Run(ROOT / "models_store" / "20261122-074256-mnist-lenet-59ce")
    export(run, "run", tmp_path / "lenet.zip")
    assert take_in(tmp_path / "lenet.zip").report() == run.report()


def replaced(ending, content):
    def change(files):
        (name,) = [name for name in files if name.endswith(ending)]
        files[name] = content(files[name]) if callable(content) else content

    return change


def added(name, content=b"x"):
    return lambda files: files.update({name.format(run=next(iter(files)).partition("/")[0]): content})


def renamed(to):
    def change(files):
        old = next(iter(files)).partition("/")[0]
        for name in list(files):
            content = files.pop(name)
            if name.endswith(LIST):
                content = content.replace(f'"run": "{old}"'.encode(), json.dumps({"run": to})[1:-1].encode())
                assert json.dumps(to).encode() in content
            files[name.replace(old, to, 1)] = content

    return change


def other_names(content):
    lines = [from_line(line) for line in content.splitlines()]
    lines = [
        one.model_copy(update={"class_names": {"en": ("a", "b")}}) if isinstance(one, Started) else one for one in lines
    ]
    return "".join(f"{to_line(one)}\n" for one in lines if one).encode()


HOSTILE = {
    "a file beside the run": (added("other/spec.json"), False),
    "a path that leads out": (added("../../evil"), True),
    "an absolute path": (added("/evil"), True),
    "a file more, listed": (added("{run}/evil.py"), True),
    "a checkpoint": (added("{run}/checkpoint-0001-00000005.safetensors"), True),
    "a run outside the store": (renamed("../outside"), True),
    "a hidden run": (renamed(".hidden"), True),
    "another sum": (replaced("model.safetensors", lambda data: data[:-1] + b"!"), False),
    "another model": (replaced("model.safetensors", lambda data: data[:-1] + b"!"), True),
    "no spec": (replaced("spec.json", b"{}"), True),
    "a spec out of bounds": (replaced("spec.json", lambda data: data.replace(b'"epochs": 2', b'"epochs": -2')), True),
    "an empty log": (replaced("events.jsonl", b""), True),
    "other classes": (replaced("events.jsonl", other_names), True),
    "a list that is too long": (replaced(LIST, lambda data: data + b" " * (1 << 17)), False),
    "no list": (lambda files: files.pop(next(name for name in files if name.endswith(LIST))), False),
    "a pickle": (replaced("model.safetensors", b"cos\nsystem\n(S'touch /tmp/evil'\ntR."), True),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_joins_no_store(exported, tmp_path, what):
    change, sums = HOSTILE[what]
    file, before = rewritten(exported, change, sums=sums), sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(Refusal):
        take_in(file, tmp_path / "other")
    assert not list((tmp_path / "other").glob("*"))
    assert sorted({path.name for path in tmp_path.iterdir()} - {"other"}) == before


def test_the_untouched_file_is_taken_by_the_same_test(exported, tmp_path):
    assert take_in(rewritten(exported, lambda _: None), tmp_path / "other").is_done()


def test_what_is_no_zip_is_refused(exported, tmp_path):
    for content in (b"", b"PK", exported.read_bytes()[:-100], b"PK\5\6" + bytes(18)):
        (tmp_path / "no.zip").write_bytes(content)
        with pytest.raises(Refusal, match="no_run_file"):
            take_in(tmp_path / "no.zip", tmp_path / "other")
    with pytest.raises(Refusal, match="no_run_file"):
        take_in(io.BytesIO(b"nothing"), tmp_path / "other")
    with pytest.raises(Refusal, match="no_run_file"):
        take_in(tmp_path / "missing.zip", tmp_path / "other")


def test_a_bomb_is_refused_before_it_is_unpacked(exported, tmp_path, monkeypatch):
    bomb = rewritten(exported, replaced("events.jsonl", lambda data: data + bytes(1 << 24)))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed, zipfile.ZipFile(bomb) as archive:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    assert (tmp_path / "bomb.zip").stat().st_size < 1 << 20
    monkeypatch.setattr(module, "MOST_UNPACKED", 1 << 23)
    written = []
    monkeypatch.setattr(module, "_unpack", lambda *arguments: written.append(arguments))
    with pytest.raises(Refusal, match="no_run_file"):
        take_in(tmp_path / "bomb.zip", tmp_path / "other")
    assert not written


@pytest.mark.parametrize("way", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_list_that_unpacks_to_far_more_than_it_states_takes_no_memory(tmp_path, way, damaged):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", way) as archive:
        archive.writestr(f"a/{LIST}", bytes(1 << 26))
    stated, less = (size.to_bytes(4, "little") for size in (1 << 26, 1000))
    content = (tmp_path / "bomb.zip").read_bytes().replace(stated, less)
    if damaged:
        content = content[:60] + bytes(10) + content[70:]
    tracemalloc.start()
    try:
        with pytest.raises(Refusal, match="no_run_file"):
            take_in(io.BytesIO(content), tmp_path / "other")
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()


def test_a_size_that_is_a_lie_is_refused(exported, tmp_path):
    content = exported.read_bytes()
    with zipfile.ZipFile(exported) as archive:
        size = max(one.file_size for one in archive.infolist())
    lies = content.replace(size.to_bytes(4, "little"), (size - 1000).to_bytes(4, "little"))
    assert lies != content
    (tmp_path / "lie.zip").write_bytes(lies)
    with pytest.raises(Refusal, match="no_run_file"):
        take_in(tmp_path / "lie.zip", tmp_path / "other")
    assert not list((tmp_path / "other").glob("*"))
