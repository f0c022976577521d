"""Image sets and runs at an address: read through a copy, written back, and no file of theirs leads out of it."""

import json
import pathlib
import re

import fsspec
import pytest
from click.testing import CliRunner

from evals import load_run
from evals.cli.main import main
from evals.files.addresses import AddressError, FolderCopy, copy_path, download
from evals.imageset.remote import copy_of_run, copy_of_set, run_on_this_machine
from evals.scoring.stage import score
from evals.scoring.trial import measure_metric
from metrics.catalogue import METRICS
from tests.cluster.conftest import assert_same_run

NAMES = ["reproducibility.identical", "quality.sharpness"]


@pytest.fixture
def memory(monkeypatch, tmp_path):
    """Return an empty storage in memory; copies of it go to the test's folder."""
    monkeypatch.setenv("TWINLENS_COPIES", str(tmp_path / "copies"))
    storage = fsspec.filesystem("memory")
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]
    return storage


@pytest.fixture
def set_in_memory(memory, mixed_set):
    memory.put(f"{mixed_set}/", "/bucket/set/", recursive=True)
    return "memory://bucket/set"


def test_a_set_at_an_address_gives_the_run_that_it_gives_here(set_in_memory, mixed_set, memory, tmp_path):
    here = score(mixed_set, tmp_path / "here", NAMES, skip_bad=True)
    done = score(set_in_memory, "memory://bucket/run", NAMES, skip_bad=True)
    assert_same_run(done, here)
    assert done.provenance["image_set"]["path"] == set_in_memory
    stored = set(memory.find("/bucket/run"))
    assert {f"/bucket/run/{name}" for name in ("provenance.json", "samples.jsonl", "scores.parquet")} <= stored
    assert any(path.endswith(".shard") for path in stored)


def test_what_was_scored_at_an_address_is_fetched_and_computed_again_only_where_it_changed(
    set_in_memory, memory, tmp_path, monkeypatch
):
    before = score(set_in_memory, tmp_path / "run", NAMES, skip_bad=True)
    fetched = []
    get_file = type(memory).get_file

    def get(storage, path, *others):
        fetched.append(path)
        get_file(storage, path, *others)

    monkeypatch.setattr(type(memory), "get_file", get)
    after = score(set_in_memory, tmp_path / "run", NAMES, skip_bad=True)
    assert fetched == []
    assert_same_run(after, before)
    name = before.samples.file_name.iloc[0]
    memory.pipe_file(f"/bucket/set/{name}", b"no picture any more")
    changed = score(set_in_memory, tmp_path / "run", NAMES, skip_bad=True)
    assert fetched == [f"/bucket/set/{name}"]
    assert len(changed.provenance["unreadable"]) == len(before.provenance["unreadable"]) + 1


def test_a_run_that_somebody_sent_opens_no_address_that_it_names(set_in_memory, memory, tmp_path, monkeypatch):
    score(set_in_memory, tmp_path / "run", NAMES, skip_bad=True)
    asked = []
    monkeypatch.setattr(type(memory), "ls", lambda storage, path, **_: asked.append(path) or [])
    monkeypatch.setenv("TWINLENS_COPIES", str(tmp_path / "of another machine"))
    for command in (["rate"], ["report"], ["verify", "--sample", "2"]):
        done = CliRunner().invoke(main, [*command, str(tmp_path / "run")])
        assert (done.exit_code, asked) == (1 if "verify" in command else 0, [])


def test_a_run_at_an_address_is_rated_and_reported_from_a_machine_that_did_not_score_it(
    set_in_memory, memory, tmp_path, monkeypatch
):
    score(set_in_memory, "memory://bucket/run", NAMES, skip_bad=True)
    monkeypatch.setenv("TWINLENS_COPIES", str(tmp_path / "of another machine"))
    for command in (["rate", "memory://bucket/run", "--json"], ["report", "memory://bucket/run"]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
    stored = {path.removeprefix("/bucket/run/") for path in memory.find("/bucket/run")}
    assert {"ratings.json", "report/index.html"} <= stored
    # The page shows pictures, which were fetched for it; none of them is written back to the run.
    assert not any(name.startswith("images/") for name in stored)
    run = load_run("memory://bucket/run")
    assert run.image_path(run.samples.sample_id.iloc[0]).is_file()
    same = CliRunner().invoke(main, ["compare", "memory://bucket/run", "memory://bucket/run", "--json"])
    assert '"n_identical": 18' in same.output
    tried = measure_metric(run, next(spec for spec in METRICS if spec.id == "quality.exposure"))
    assert tried.value.notna().sum() == len(run.samples) - 1
    verified = CliRunner().invoke(main, ["verify", "memory://bucket/run", "--sample", "0"])
    assert "every file is what it was" in verified.output


def test_a_generated_run_at_an_address_knows_its_eval(memory, mixed_set, tmp_path):
    memory.put(f"{mixed_set}/", "/bucket/run/images/", recursive=True)
    memory.pipe_file("/bucket/run/images/ledger.jsonl", b"")
    memory.pipe_file("/bucket/run/eval.yaml", b"name: [")
    done = CliRunner().invoke(main, ["score", "memory://bucket/run", "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert "eval.yaml" in done.stderr


def test_a_row_that_the_storage_has_no_file_for_is_refused_like_one_of_a_folder(set_in_memory, memory, tmp_path):
    rows = memory.cat_file("/bucket/set/metadata.jsonl").decode().splitlines()
    for name, sentence in (("images/gone.png", "does not exist"), ("../other/x.png", "leads out of the folder")):
        row = json.loads(rows[0]) | {"file_name": name}
        memory.pipe_file("/bucket/set/metadata.jsonl", "\n".join([json.dumps(row), *rows[1:]]).encode())
        done = CliRunner().invoke(main, ["score", set_in_memory, "--out", str(tmp_path / "run")])
        assert done.exit_code == 2
        assert sentence in done.stderr


@pytest.mark.parametrize("name", ["../../evil.yaml", "/etc/evil", "a//b", "a/./b", "a\\b", "C:/x", ""])
def test_no_name_leads_out_of_the_folder(memory, tmp_path, name):
    with pytest.raises(AddressError, match=r"leads out of its folder|no folder"):
        download("memory://bucket/run", [name], tmp_path / "copy")


@pytest.mark.parametrize("address", ["sftp://me:hunter2@host/set", "https://host/set?X-Amz-Signature=hunter2"])
def test_no_password_and_no_signature_is_taken_with_an_address_nor_printed(tmp_path, address):
    done = CliRunner().invoke(main, ["score", address, "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert "holds a password or a signature" in done.stderr
    assert "hunter2" not in done.output


def test_a_listing_that_leads_out_of_the_folder_is_refused(memory, monkeypatch):
    memory.pipe_file("/bucket/run/suites/a.yaml", b"")
    listed = {"/bucket/run/suites/../../../evil.yaml": {"name": "", "size": 1, "type": "file"}}
    monkeypatch.setattr(type(memory), "find", lambda self, path, detail: listed)
    with pytest.raises(AddressError, match=r"evil.yaml.*delete it there"):
        FolderCopy("memory://bucket/run").fetch("suites")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nowhere://bucket/set", "cannot be opened|cannot be used"),
        ("memory://", "is not the address of a folder"),
        ("memory://bucket/../x", "is not the address of a folder"),
        ("memory://bucket/none", "metadata.jsonl"),
    ],
)
def test_an_address_that_cannot_be_read_is_one_sentence(memory, tmp_path, address, sentence):
    done = CliRunner().invoke(main, ["score", address, "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert re.search(sentence, done.stderr)


def test_what_is_gone_there_goes_here_and_what_is_new_here_stays(memory):
    for name in ("eval.yaml", "suites/a.yaml"):
        memory.pipe_file(f"/bucket/run/{name}", b"1")
    copy = FolderCopy("memory://bucket/run")
    copy.fetch("eval.yaml", "suites", "features")
    (copy.path / "features").mkdir()
    (copy.path / "features/new.shard").write_bytes(b"2")
    memory.rm_file("/bucket/run/suites/a.yaml")
    again = FolderCopy("memory://bucket/run")
    again.fetch("eval.yaml", "suites", "features")
    assert copy_path("memory://bucket/run") == again.path
    assert sorted(path.name for path in again.path.rglob("*.*") if not path.name.startswith(".")) == [
        "eval.yaml",
        "new.shard",
    ]
    assert again.upload("provenance.json", ["eval.yaml", "features"]) == ["features/new.shard"]
    assert FolderCopy("memory://bucket/run").upload("provenance.json", ["eval.yaml", "features"]) == []


def test_nothing_that_a_stranger_stores_decides_which_files_here_are_taken_away(set_in_memory, memory, tmp_path):
    """A set may hold a file under the name of any index of ours; what is listed there was never fetched."""
    (tmp_path / "copies/id").parent.mkdir()
    (tmp_path / "copies/id").write_text("mine")
    rows = memory.cat_file("/bucket/set/metadata.jsonl").decode().splitlines()
    index = ".fetched.json"
    memory.pipe_file(f"/bucket/set/{index}", json.dumps({"requests.jsonl/../../../../id": ["", 1, 1]}).encode())
    memory.pipe_file("/bucket/set/requests.jsonl/x", b"")
    row = json.loads(rows[0]) | {"file_name": index}
    memory.pipe_file("/bucket/set/metadata.jsonl", "\n".join([json.dumps(row), *rows[1:]]).encode())
    for _ in range(2):
        copy = FolderCopy(set_in_memory)
        copy.fetch("metadata.jsonl", "requests.jsonl")
        copy.fetch_files([index])
        FolderCopy("memory://bucket/set").fetch("metadata.jsonl", "requests.jsonl")
    assert (tmp_path / "copies/id").read_text() == "mine"


def test_results_that_could_not_be_written_back_stay_and_are_written_the_next_time(memory, monkeypatch):
    for name in ("provenance.json", "scores.parquet", "ratings.json"):
        memory.pipe_file(f"/bucket/run/{name}", b"old")
    put_file = type(memory).put_file

    def fail(storage, here, there, **_):
        if there.endswith("scores.parquet"):
            raise OSError("the network is gone")
        put_file(storage, here, there)

    def change():
        with run_on_this_machine("memory://bucket/run") as run:
            for name in ("provenance.json", "scores.parquet"):
                (run / name).write_bytes(b"new one")

    with monkeypatch.context() as broken:
        broken.setattr(type(memory), "put_file", fail)
        with pytest.raises(AddressError, match="the network is gone"):
            change()
    assert not memory.exists("/bucket/run/provenance.json")
    memory.pipe_file("/bucket/run/ratings.json", b"another's")
    with run_on_this_machine("memory://bucket/run") as run:
        read = {path.name: path.read_bytes() for path in run.iterdir()}
    assert read == {"provenance.json": b"new one", "scores.parquet": b"new one", "ratings.json": b"another's"}
    assert memory.cat_file("/bucket/run/provenance.json") == memory.cat_file("/bucket/run/scores.parquet") == b"new one"


def test_a_fetch_that_was_cut_off_makes_no_change_of_ones_own(memory, monkeypatch):
    memory.pipe_file("/bucket/run/ratings.json", b"old")
    get_file = type(memory).get_file

    def get(storage, *names, **_):
        get_file(storage, *names)
        pathlib.Path(names[1]).replace(copy_path("memory://bucket/run") / "ratings.json")
        raise KeyboardInterrupt

    with monkeypatch.context() as cut_off:
        cut_off.setattr(type(memory), "get_file", get)
        with pytest.raises(KeyboardInterrupt):
            copy_of_run("memory://bucket/run")
    memory.pipe_file("/bucket/run/ratings.json", b"new")
    assert (copy_of_run("memory://bucket/run").path / "ratings.json").read_bytes() == b"new"


def test_a_run_writes_back_no_copy_of_another_folder_that_lies_in_its_own(memory):
    memory.pipe_file("/bucket/proj/set/metadata.jsonl", b"old")
    FolderCopy("memory://bucket/proj/set").fetch("metadata.jsonl")
    memory.pipe_file("/bucket/proj/set/metadata.jsonl", b"new")
    with run_on_this_machine("memory://bucket/proj") as run:
        (run / "ratings.json").write_bytes(b"{}")
    assert memory.cat_file("/bucket/proj/set/metadata.jsonl") == b"new"
    assert memory.exists("/bucket/proj/ratings.json")


def test_copies_that_lie_one_in_the_other_know_the_same_of_their_files(memory):
    for content in (b"1", b"22", b"333"):
        memory.pipe_file("/bucket/run/images/metadata.jsonl", content)
        name = {b"22": "images/metadata.jsonl"}.get(content, "metadata.jsonl")
        copy = FolderCopy("memory://bucket/run" if "/" in name else "memory://bucket/run/images")
        copy.fetch(name)
        assert (copy.path / name).read_bytes() == content


def test_what_storage_tells_no_mark_of_is_fetched_each_time(memory, monkeypatch):
    find = type(memory).find
    monkeypatch.setattr(
        type(memory),
        "find",
        lambda *given, **options: {
            path: {"type": "file", "size": facts["size"]} for path, facts in find(*given, **options).items()
        },
    )
    monkeypatch.setattr(type(memory), "ls", lambda *_, **__: [{"name": "/b/set/a.png", "type": "file", "size": None}])
    for content in (b"1", b"2"):
        memory.pipe_file("/b/set/a.png", content)
        copy = FolderCopy("memory://b/set")
        assert copy.identity("a.png") is None
        for fetch in (copy.fetch, lambda name, copy=copy: copy.fetch_files([name])):
            fetch("a.png")
            assert (copy.path / "a.png").read_bytes() == content


@pytest.mark.parametrize("mark", ["ETag", "LastModified", "blob_id", "last_commit"])
def test_a_mark_that_changes_with_the_file_identifies_it(memory, monkeypatch, mark):
    listed = [{"name": "/b/set/a.png", "type": "file", "size": 1, mark: "one"}]
    monkeypatch.setattr(type(memory), "ls", lambda *_, **__: listed)
    assert FolderCopy("memory://b/set").identity("a.png") == "1|one"


def test_an_address_that_lists_nothing_is_one_sentence(memory, monkeypatch):
    monkeypatch.setattr(type(memory), "ls", lambda *_, **__: [])
    with pytest.raises(AddressError, match=r"memory://b/set lists no metadata.jsonl.*give the folder of an image set"):
        copy_of_set("memory://b/set")
