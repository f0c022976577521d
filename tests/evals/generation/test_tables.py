"""The tables: whatever a run has been through, both are readable, agree with each other and with what is on disk."""

import json
from dataclasses import replace

import pytest

from evals.generation.answers import Ended, Finished, Lost, Running, Told, TurnedAway
from evals.imageset import ImageSetError, read_image_set


def metadata_of(run):
    return {row["sample_id"]: row for row in read_image_set(run.folder).rows}


def a_mixed_run(run, scripted):
    """Run requests that end in every way, with what hosts tell about some of them only."""
    rich = Told("v1", "rewritten", 5, 0.02, {"output_image": 10.0}, 0.25, 1.5, "Here it is")
    host = scripted.Host(
        {
            "s0": [Finished(content=scripted.png("red"), told=rich)],
            "s1": [Lost("ReadTimeout")],
            "s2": [Ended("refused", "SAFETY", "no")],
            "s3": [scripted.accepted("t")],
            "s4": [TurnedAway("http_500", may_have_cost=True)],
            "s5": [Finished(content=b"no picture")],
        },
        {"t": [Running("Pending")]},
    )
    return host, run(host, scripted.requests(9))


def test_rows_of_both_tables_agree(run, scripted):
    _, generation = a_mixed_run(run, scripted)
    rows = {row["sample_id"]: row for row in run.rows()}
    pictures = metadata_of(run)
    assert set(pictures) == {name for name, row in rows.items() if row["outcome"] == "ok"}
    for name, picture in pictures.items():
        shared = set(picture) & set(rows[name])
        assert {key: picture[key] for key in shared} == {key: rows[name][key] for key in shared}
    assert sum(sum(counts.values()) for counts in generation.outcomes.values()) == 9


def test_hugging_face_opens_the_folder_as_it_is(run, scripted, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    a_mixed_run(run, scripted)
    (run.folder / "images" / "0left-by-a-crash.png").write_bytes(scripted.png("blue"))
    opened = datasets.load_dataset(
        "imagefolder", data_dir=str(run.folder), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert sorted(opened["sample_id"]) == sorted(metadata_of(run))
    assert opened[0]["image"].size == (8, 8)


def test_every_row_of_the_requests_has_the_same_columns(run, scripted):
    a_mixed_run(run, scripted)
    assert len({tuple(row) for row in run.rows()}) == 1


def test_a_picture_whose_file_was_deleted_leaves_the_set_until_it_is_back(run, scripted):
    run(scripted.Host(), scripted.requests(3))
    victim = run.folder / metadata_of(run)["s1"]["file_name"]
    content = victim.read_bytes()
    victim.unlink()
    host = scripted.Host()
    assert run(host, scripted.requests(3)).outcomes == {"m@h": {"ok": 2, "failed": 1}}
    assert host.submitted == []
    assert set(metadata_of(run)) == {"s0", "s2"}
    row = run.rows()[1]
    assert (row["reason"], row["file_name"], row["cost_usd"]) == ("file_missing", None, 0.01)
    victim.write_bytes(content)
    assert run(host, scripted.requests(3)).outcomes == {"m@h": {"ok": 3}}
    assert set(metadata_of(run)) == {"s0", "s1", "s2"}


def test_a_set_whose_every_file_was_deleted_keeps_no_stale_rows(run, scripted):
    run(scripted.Host(), scripted.requests(2))
    for path in (run.folder / "images").iterdir():
        path.unlink()
    run(scripted.Host(), scripted.requests(2))
    with pytest.raises(ImageSetError, match="does not exist"):
        read_image_set(run.folder)


def test_shots_whose_first_picture_was_deleted_are_not_sent_and_the_run_goes_on(run, scripted):
    requests = [scripted.request(0, shot=1), scripted.request(1, shot=2, first_shot="s0"), scripted.request(2)]
    stopped = scripted.Host({"s1": [TurnedAway("http_503")] * 4})
    run(stopped, requests)
    (run.folder / metadata_of(run)["s0"]["file_name"]).unlink()
    host = scripted.Host()
    generation = run(host, requests)
    assert host.submitted == []
    assert generation.outcomes == {"m@h": {"failed": 2, "ok": 1}}


def test_a_later_shot_names_no_reference_that_was_deleted(run, scripted):
    requests = [scripted.request(0, shot=1), scripted.request(1, shot=2, first_shot="s0")]
    run(scripted.Host(), requests)
    (run.folder / metadata_of(run)["s0"]["file_name"]).unlink()
    run(scripted.Host(), requests)
    assert "reference_images" not in metadata_of(run)["s1"]


def test_a_timeout_has_the_latency_of_the_whole_wait(run, scripted):
    host = scripted.Host({"s0": [scripted.accepted()]}, {"t": [Running("Pending")]})
    run(host, scripted.requests(1))
    (row,) = run.rows()
    assert row["outcome"] == "timeout"
    assert row["latency_s"] >= scripted.quick.task_s


def test_an_earlier_process_leaves_no_times_that_nobody_measured(run, scripted):
    host = scripted.Host({"s0": [scripted.accepted()]}, {"t": [Running("Pending")]}, {"u": [scripted.png("red")]})
    run(host, scripted.requests(1))
    host.polls["t"] = [Finished(url="u", told=Told(generation_s=2.5))]
    run(host, scripted.requests(1))
    (row,) = run.rows()
    assert (row["latency_s"], row["queue_s"], row["generation_s"], row["download_s"]) == (None, None, 2.5, None)


def test_the_times_are_those_of_the_last_attempt(run, scripted):
    host = scripted.Host({"s0": [TurnedAway("http_429", delay_s=0.3)]}, work_s=0.01)
    run(host, scripted.requests(1))
    (row,) = run.rows()
    assert row["attempts"] == 2
    assert 0.01 <= row["latency_s"] < 0.2


def test_a_host_whose_clock_makes_no_sense_makes_no_negative_times(run, scripted):
    told = Told(queue_s=3600.0)
    run(scripted.Host({"s0": [Finished(content=scripted.png("red"), told=told)]}), scripted.requests(1))
    (row,) = run.rows()
    assert row["generation_s"] == 0.0
    assert row["queue_s"] == 3600.0


def test_a_run_in_which_nothing_was_asked_yet_has_an_empty_table(run, scripted):
    host = scripted.Host({f"s{n}": [TurnedAway("http_401", stops="check the key")] for n in range(2)})
    assert run(host, scripted.requests(2)).n_pending == 2
    assert run.rows() == []


def test_rows_without_any_picture_are_json(run, scripted):
    patience = replace(scripted.quick, attempts=1)
    run(scripted.Host({"s0": [TurnedAway("http_503", "busy")]}), scripted.requests(1), patience=patience)
    assert [json.loads(line)["message"] for line in (run.folder / "requests.jsonl").open()] == ["busy"]
