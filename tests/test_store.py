"""The store opens whatever moment a crash chose and whatever lies in it; a run is in its old or its new state."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core import store
from core.events import Epoch, Report, Snapshot, Step, to_line
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Label, Run, create, find, runs
from tests.driver import ROOT

SPEC = RunSpec(data="tiny", split="official", architecture="mlp")
STATUSES = {"queued", "running", "paused", "stopped", "interrupted", "failed", "done"}


def step(number: int) -> Step:
    return Step(epoch=1, step=number, loss=1.5, accuracy=0.5, seconds=0.1, images_per_second=10)


@pytest.fixture
def run(home) -> Run:
    return with_two_checkpoints()


def with_two_checkpoints() -> Run:
    from tests.crash_points import commit, spec, started

    run = create(spec())
    run.append(started(0))
    for epoch in (1, 2):
        run.append(step(epoch * 5 - 1))
        commit(run, epoch)
    return run


@pytest.fixture
def done(run) -> Run:
    from tests.crash_points import report

    report(run)
    return run


# --- crashes ----------------------------------------------------------------------------------------------------------


SCENARIOS = ("create", "append", "commit", "report", "ask", "relabel")


@pytest.fixture(scope="module")
def crashed(tmp_path_factory, tiny_data):
    """A store, its run, a folder with what each crash left behind, and at which call each scenario got through."""
    home, out = tmp_path_factory.mktemp("crashes") / "store", tmp_path_factory.mktemp("left")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANCADA_STORE", str(home))
        run = with_two_checkpoints()
    command = [sys.executable, "-m", "tests.crash_points", str(home), str(out), *SCENARIOS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return home, run, out, json.loads(result.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the crash points are counted in a forked process")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_crash_or_power_cut_at_any_call_leaves_the_old_state_or_the_new(crashed, scenario):
    home, run, left, all_through = crashed
    out, through = left / scenario, all_through[scenario]
    assert through >= 4
    old, states = describe(home, run.name), set()
    assert old == describe(home, run.name)
    new = describe(out / str(through) / "crash", run.name)
    assert new != old
    for k in range(1, through + 1):
        for cut in ("crash", "power"):
            place = out / str(k) / cut
            state = describe(place, run.name)
            assert state in (old, new), (k, cut)
            states.add(json.dumps(state))
            if scenario != "ask" and k == through:
                assert state == new, f"{scenario} has returned, and a {cut} loses it"
            goes_on(Run(place / run.name))
    assert len(states) == 2


def describe(folder: Path, name: str) -> list:
    """What a reader sees of a store: its runs' specs and statuses, and of one run what counts of its files."""
    found = sorted(runs(folder), key=lambda one: one.status())
    run = Run(folder / name)
    newest = [run.load(event.checkpoint, event.sha256)[1] for event in run.checkpoints()[-1:] if not run.report()]
    report = run.report()
    if report:
        run.load(report.model, report.model_sha256)
        run.load(report.predictions, report.predictions_sha256)
    snapshots = [(one.epoch, len(run.load(one.file, one.sha256)[0])) for one in run.snapshots()]
    events = [to_line(event) for event in run.events() if not isinstance(event, Report | Snapshot)]
    facts = [one.facts() | {"run": len(one.name)} for one in found]
    return [
        facts,
        [one.spec.epochs for one in found],
        newest,
        snapshots,
        events,
        run.control().wanted,
        run.label().model_dump(),
    ]


def goes_on(run: Run) -> None:
    """An event appended after the crash is read back."""
    run.append(step(1000))
    assert run.read()[0][-1] == step(1000)


def test_a_last_line_cut_at_any_byte_is_no_event_and_the_next_line_is_one(run):
    log = run.folder / "events.jsonl"
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    for length in range(len(whole) - len(lines[-1]) - len(lines[-2]), len(whole)):
        log.write_bytes(whole[:length])
        events = run.events()
        assert len(events) == whole[:length].count(b"\n")
        run.append(step(77))
        assert run.events() == [*events, step(77)]


def test_a_line_read_while_it_grows_is_read_once(run):
    events, offset = run.read()
    with (run.folder / "events.jsonl").open("ab") as log:
        log.write(to_line(step(50)).encode()[:20])
        log.flush()
        assert run.read(offset) == ([], offset)
        log.write(to_line(step(50)).encode()[20:] + b"\n")
    assert run.read(offset)[0] == [step(50)]
    assert run.read()[0] == [*events, step(50)]


def test_a_flipped_bit_or_a_cut_in_a_file_of_arrays_is_noticed(done):
    report = done.report()
    file = done.folder / report.model
    whole = file.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 300)):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        with pytest.raises(Refusal, match="run_damaged"):
            done.load(report.model, report.model_sha256)
        file.write_bytes(whole[:position])
        with pytest.raises(Refusal, match="run_damaged"):
            done.load(report.model, report.model_sha256)
    file.unlink()
    with pytest.raises(Refusal, match="run_damaged"):
        done.load(report.model, report.model_sha256)


def test_an_array_of_a_type_that_numpy_does_not_have_is_refused(done):
    import torch

    sha256 = done.save("predictions.safetensors", {"labels": torch.zeros(3, dtype=torch.bfloat16)})
    with pytest.raises(Refusal, match="run_damaged"):
        done.arrays("predictions.safetensors", sha256)


def test_a_report_of_a_thousand_classes_is_found_at_the_end_of_the_log(done):
    report = done.report().model_copy(update={"confusion_matrix": ((11,) * 1000,) * 1000})
    done.append(report)
    assert done.status() == "done"


# --- damaged and newer runs -------------------------------------------------------------------------------------------


def missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8 + b"\n")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def json_null(path: Path) -> None:
    path.write_text("null\n")


def json_list(path: Path) -> None:
    path.write_text('[{"event": "report"}]\n')


def json_wrong(path: Path) -> None:
    path.write_text('{"format": [], "spec": 3, "event": {}, "wanted": ["pause"], "serial": "x"}\n')


def json_deep(path: Path) -> None:
    path.write_text("[" * 100_000 + "]" * 100_000 + "\n")


def a_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def a_link_to_itself(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def a_fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def a_link_to_zeros_without_end(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


NO_FILES = (a_folder, a_link_to_itself, a_fifo, a_link_to_zeros_without_end)
MUTATIONS = (missing, empty, garbage, half, json_null, json_list, json_wrong, json_deep, *NO_FILES)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_damaged_run_is_listed_as_what_it_is_and_all_others_are_fine(done, mutation):
    folder = done.folder.parent
    done.ask("run")
    (done.folder / "lock").touch()
    for file in ("spec.json", "events.jsonl", "control", "lock", "model.safetensors"):
        damaged = Run(folder / f"damaged-{file.partition('.')[0]}")
        shutil.copytree(done.folder, damaged.folder)
        mutation(damaged.folder / file)
    facts = {one.name: one.facts() for one in runs()}
    assert len(facts) == 6
    assert facts[done.name]["status"] == "done"
    assert facts["damaged-spec"]["status"] == "damaged"
    assert {facts[f"damaged-{file}"]["status"] for file in ("control", "lock", "model")} == {"done"}
    left = {missing: "queued", empty: "queued", half: "interrupted"}  # as if nothing more had been written
    assert facts["damaged-events"]["status"] == left.get(mutation, "damaged")
    with pytest.raises(Refusal, match="run_damaged"):
        _ = find("damaged-spec").spec
    assert find("damaged-control").control().wanted == "run"


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_status_of_an_unfinished_run_survives_damage(run, mutation):
    for file in ("control", "lock", store.file_name(2, 10)):
        (run.folder / "control").touch()
        (run.folder / "lock").touch()
        mutation(run.folder / file)
        assert run.facts()["status"] == "interrupted"
        if (run.folder / file).is_dir():
            (run.folder / file).rmdir()
        (run.folder / file).unlink(missing_ok=True)


def test_what_is_no_run_at_all_is_passed_over(run):
    folder = run.folder.parent
    (folder / "a-file").write_text("")
    (folder / ".new-0123").mkdir()
    (folder / "an-empty-folder").mkdir()
    (folder / "a-link").symlink_to(run.folder)
    assert {one.name: one.facts()["status"] for one in runs()} == {
        run.name: "interrupted",
        "an-empty-folder": "damaged",
    }


def test_a_run_of_a_newer_format_is_listed_as_newer_and_nothing_is_changed(done):
    stored = json.loads((done.folder / "spec.json").read_text())
    (done.folder / "spec.json").write_text(json.dumps(stored | {"format": store.FORMAT + 1, "spec": "of tomorrow"}))
    done = Run(done.folder)
    before = tree(done.folder)
    assert done.facts()["status"] == "newer"
    with pytest.raises(Refusal, match="run_newer"):
        _ = done.spec
    from core.work import work

    with pytest.raises(Refusal, match="run_newer"):
        work(str(done.folder))
    assert tree(done.folder) == before


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


# --- names ------------------------------------------------------------------------------------------------------------

NAMES = [
    *(
        "",
        ".",
        "..",
        "../x",
        "../store",
        "a/../../x",
        "/etc",
        "/",
        "//",
        "a/b",
        "a\\b",
        "..\\x",
        "C:\\x",
        "C:x",
        "~",
        "~root",
    ),
    *("a\0b", "\0", "a\nb", "a\n", " a", "a ", "a.", "a..b", ".hidden", ".new-01", "-x", "_x", "*", "?", "a:b", "a|b"),
    *("<script>", "%2e%2e%2fx", "..%2fx", "$HOME", "`id`", "CON", "nul", "COM1", "a" * 152, "a" * 5000),
    *("é", "名前", "😀", "a\u202eb", "ａ", "\ud800"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_is_no_runs_name_is_refused(run, tmp_path, name):
    (tmp_path / "x").mkdir()
    with pytest.raises(Refusal, match="run_unknown"):
        find(name)


def test_a_link_in_the_store_leads_nowhere(run, tmp_path):
    (tmp_path / "outside").mkdir()
    (run.folder.parent / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(Refusal, match="run_unknown"):
        find("link")
    assert find(run.name) == run


def test_200_runs_made_in_a_row_have_200_names_that_sort_by_time(home):
    spec = RunSpec(data="Ünï/../çödé.. 😀" + "x" * 80, architecture="lenet")
    made = [create(spec) for _ in range(200)]
    assert len({run.name for run in made}) == len(runs()) == 200
    assert all(re.fullmatch(r"\d{8}-\d{6}-[a-z0-9-]+-lenet-[0-9a-f]{4}", run.name) for run in made)
    assert {find(run.name).spec for run in made} == {spec}
    assert {path.name for run in made for path in run.folder.iterdir()} == {"spec.json"}
    assert {path.name for path in home.iterdir()} == {run.name for run in made}


@pytest.mark.parametrize("below", [".", "below"])
def test_a_store_that_cannot_be_written_is_a_refusal(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="store_write"):
        create(RunSpec(data="tiny"), tmp_path / "file" / below)
    assert runs(tmp_path / "file") == []
    with pytest.raises(Refusal, match="run_unknown"):
        find("a", tmp_path / "file")


# --- the lock, and what is asked --------------------------------------------------------------------------------------

HOLD_OFTEN = """
import sys, pathlib
from core.store import Run
run, missed = Run(pathlib.Path(sys.argv[1])), 0
for _ in range(200):
    with run.hold() as held:
        missed += not held
print(missed)
"""


def test_readers_who_look_at_the_lock_keep_no_worker_from_it(run):
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            run.is_held()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        result = subprocess.run(
            [sys.executable, "-c", HOLD_OFTEN, str(run.folder)], cwd=ROOT, capture_output=True, text=True, check=True
        )
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert result.stdout == "0\n"


def test_readers_who_look_at_the_lock_do_not_take_each_other_for_a_worker(run):
    (run.folder / "lock").touch()
    seen = []

    def look() -> None:
        seen.extend(run.is_held() for _ in range(300))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False] * 1200


FINISH = """
import sys, pathlib
from core.store import Run
for folder in sys.stdin:
    run = Run(pathlib.Path(folder.strip()))
    with run.hold():
        print("held", flush=True)
        sys.stdin.readline()
        run.append(Run(pathlib.Path(sys.argv[1])).report())
"""


def test_a_run_that_ends_while_we_look_is_running_or_done_but_never_interrupted(done):
    from tests.crash_points import started

    spec = done.spec
    worker = subprocess.Popen(
        [sys.executable, "-c", FINISH, str(done.folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with worker:
        assert worker.stdin
        assert worker.stdout
        for _ in range(60):
            run = create(spec)
            run.append(started(0))
            run.append(step(1))
            worker.stdin.write(f"{run.folder}\n")
            worker.stdin.flush()
            assert worker.stdout.readline() == "held\n"
            worker.stdin.write("end\n")
            worker.stdin.flush()
            seen = [run.status()]
            while seen[-1] != "done":
                seen.append(run.status())
            assert set(seen) <= {"running", "done"}
        worker.stdin.close()


def test_a_half_written_control_is_no_control_and_the_workers_tidying_leaves_it_alone(run):
    aside = run.folder / "control.0123.part"
    aside.write_text('{"wan')
    orphan = run.folder / "checkpoint-0003-00000015.safetensors.0123.part"
    orphan.write_text("")
    run.tidy(keep={event.checkpoint for event in run.checkpoints()})
    assert aside.exists()
    assert not orphan.exists()
    assert run.control() == store.Control()
    for event in run.checkpoints():
        run.load(event.checkpoint, event.sha256)


def test_what_is_asked_is_read_back_and_each_asking_differs(run):
    marks, serials = set(), set()
    for wanted in ("run", "pause", "batch", "batch", "epoch", "stop"):
        run.ask(wanted)
        assert run.control().wanted == wanted
        marks.add(run.control_changed())
        serials.add(run.control().serial)
        time.sleep(0.005)
    assert len(marks) == len(serials) == 6
    assert run.status() == "stopped"


def test_a_run_that_a_worker_is_at_cannot_be_deleted(run):
    with run.hold() as held:
        assert held
        with pytest.raises(Refusal, match="run_held"):
            run.delete()
    run.delete()
    assert not run.folder.exists()
    assert list(run.folder.parent.iterdir()) == []


def test_the_newest_two_checkpoints_are_kept_and_their_events_all(run):
    from tests.crash_points import commit

    for epoch in (3, 4):
        commit(run, epoch)
    assert [event.epoch for event in run.events() if isinstance(event, Epoch)] == [1, 2, 3, 4]
    assert sorted(path.name for path in run.folder.iterdir()) == [
        store.file_name(3, 15),
        store.file_name(4, 20),
        "events.jsonl",
        *map(store.snapshot_name, (3, 4)),
        "spec.json",
    ]


# --- what is noted about a run ----------------------------------------------------------------------------------------


def test_a_run_carries_facts_that_are_not_its_spec_and_may_change(home):
    plain, noted = create(SPEC), create(SPEC, label=Label(owner="Ana", tags=("first",)))
    assert noted.spec == plain.spec
    assert plain.label() == Label()
    assert not (plain.folder / "label.json").exists()
    assert noted.label() == Label(owner="Ana", tags=("first",))
    before = (noted.folder / "spec.json").read_bytes()
    assert noted.relabel(note="  a second look\nat 7b ", study="rates", trial=3) == noted.label()
    assert noted.label() == Label(owner="Ana", tags=("first",), note="a second look\nat 7b", study="rates", trial=3)
    assert noted.relabel(owner="", trial=None).owner == ""
    assert (noted.folder / "spec.json").read_bytes() == before
    assert plain.relabel(tags=["x"]).tags == ("x",)


OUT_OF_BOUNDS = {
    "name": ("n" * 61, "two\nlines"),
    "owner": ("o" * 61, "two\nlines", "\x00", "\x1b[2J", "\x9b", "\u202e", 7),
    "study": ("s" * 61,),
    "trial": (-1, 1_000_001, "one", 1.5),
    "note": ("n" * 2_001, None, "\x1b[2J"),
    "tags": ([""], ["t"] * 21, ["t" * 61], "word", [7]),
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in OUT_OF_BOUNDS.items() for value in values]
)
def test_a_label_out_of_its_bounds_is_refused_with_its_name_and_nothing_is_written(home, field, value):
    run = create(SPEC, label=Label(owner="Ana"))
    before = (run.folder / "label.json").read_bytes()
    with pytest.raises(Refusal, match=f"error.label field={field} "):
        run.relabel(**{field: value})
    assert (run.folder / "label.json").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"owner": "%s"}' % (b"o" * 70_000), b"[" * 9_000])
def test_a_damaged_label_damages_no_run(home, content):
    run = create(SPEC)
    (run.folder / "label.json").write_bytes(content)
    assert run.label() == Label()
    assert run.facts()["status"] == "queued"
    assert run.relabel(note="anew").note == "anew"
    assert run.label().note == "anew"


def test_a_label_that_a_newer_version_wrote_is_read_as_far_as_it_is_known_and_loses_nothing(home):
    run = create(SPEC)
    (run.folder / "label.json").write_text('{"owner": "Ana", "colour": "red"}')
    assert run.label().owner == "Ana"
    run.relabel(owner="Rui", trial=1)
    kept = json.loads((run.folder / "label.json").read_bytes())
    assert kept.pop("crc32")
    assert kept == {"colour": "red", "owner": "Rui", "trial": 1}


def test_a_label_whose_bytes_have_changed_on_disk_is_not_believed(home):
    run = create(SPEC, label=Label(name="the wide one", owner="Ana"))
    assert run.label().name == "the wide one"
    written = (run.folder / "label.json").read_text()
    (run.folder / "label.json").write_text(written.replace("wide", "wild"))
    assert run.label() == Label()
    assert run.relabel(note="anew") == Label(note="anew")


def test_a_fact_out_of_todays_bounds_is_refused_by_name_before_anything_is_written_over_it(home):
    run = create(SPEC)
    content = json.dumps({"owner": "Ana", "note": "n" * 2_001})
    (run.folder / "label.json").write_text(content)
    assert run.label() == Label()
    with pytest.raises(Refusal, match=r"error.label field=note "):
        run.relabel(study="rates")
    assert (run.folder / "label.json").read_text() == content
    assert run.relabel(note="short", study="rates") == Label(owner="Ana", note="short", study="rates")


def test_facts_that_several_threads_note_at_the_same_time_are_all_kept(home):
    run = create(SPEC)
    facts = {"owner": "Ana", "study": "rates", "note": "n", "trial": 7, "tags": ("a",)}
    for _ in range(5):
        threads = [threading.Thread(target=run.relabel, kwargs={name: value}) for name, value in facts.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert run.label() == Label(**facts)
        run.relabel(owner="", study="", note="", trial=None, tags=())


def test_a_label_of_a_run_that_is_gone_is_refused(home):
    run = create(SPEC)
    run.delete()
    with pytest.raises(Refusal, match="store_write"):
        run.relabel(note="too late")
    assert not run.folder.exists()


def test_a_report_is_found_whatever_is_said_after_it(done):
    run, report = done, done.report()
    assert report
    for line in (
        '{"event":"step"}',
        '{"event":"a later version\'s"}',
        'no "report" at all',
        "#",
        "x" * 70_000,
        "y" * 10_000,
    ):
        with (run.folder / "events.jsonl").open("a") as log:
            log.write(f"{line}\n")
        assert run.report() == report
        assert run.status() == "done"
        assert run.is_done()
    with (run.folder / "events.jsonl").open("a") as log:
        log.write('{"event":"report"')  # cut short
    assert run.report() == report


def test_a_run_that_is_not_done_is_known_by_the_end_of_its_log_alone(run, monkeypatch):
    with (run.folder / "events.jsonl").open("a") as log:
        log.write(f"{to_line(step(11))}\n" * 2_000)
    read = []
    monkeypatch.setattr(
        Run, "_blocks", lambda one, part, real=Run._blocks: (read.append(b) or b for b in real(one, part))
    )
    assert run.report() is None
    assert len(read) == 1
    assert len(read[0]) < store._SHORT_TAIL


# --- long and half-copied runs ----------------------------------------------------------------------------------------


def test_a_log_that_grows_too_long_gets_no_more_steps_and_stays_readable(run, monkeypatch):
    from tests.crash_points import commit

    monkeypatch.setattr(store, "_LOG", 2 * run.log_length())
    length = run.append(step(11))  # at half the limit: the last Step
    assert run.append(step(12), length) == length == run.log_length()
    commit(run, 3)
    assert isinstance(run.latest(), Epoch)
    assert run.status() == "interrupted"


def test_a_damaged_step_at_the_end_costs_only_itself_and_a_damaged_epoch_is_told(run):
    log = run.folder / "events.jsonl"
    good = log.read_bytes()
    with log.open("ab") as file:
        file.write(to_line(step(11)).replace("1.5", "1.4").encode() + b"\n")
    assert run.status() == "interrupted"
    assert run.damaged_lines() == 1
    log.write_bytes(good.replace(b'"epoch":2,"step":10', b'"epoch":2,"step":11'))
    assert run.facts()["status"] == "damaged"


def test_a_run_that_is_copied_into_the_store_is_seen_when_its_last_file_has_arrived(done):
    from ui import server

    spec = (done.folder / "spec.json").read_bytes()
    (done.folder / "spec.json").unlink()
    assert server.done() == []
    (done.folder / "spec.json").write_bytes(spec)
    assert server.done() == [done.name]
