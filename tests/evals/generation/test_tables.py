"""The tables: whatever a run has been through, both are readable, agree with each other and with what is on disk."""

import io
from dataclasses import replace
from types import SimpleNamespace

import PIL.Image
import pytest

from evals.generation.answers import Ended, Finished, OutcomeUnknown, Rejected, ResponseMetadata, Running
from evals.imageset.imageset import ImageSetError, read_image_set
from evals.suites.references import edit_mask
from evals.suites.suite import PromptItem, read_suite


def metadata_of(run):
    return {row["sample_id"]: row for row in read_image_set(run.folder).rows}


def test_rows_of_both_tables_agree_and_have_the_same_columns(run, scripted):
    rich = ResponseMetadata("v1", "rewritten", 5, 0.02, {"output_image": 10.0}, 0.25, 1.5, "Here it is")
    host = scripted.Host(
        {
            "s0": [Finished(content=scripted.png("red"), metadata=rich)],
            "s1": [OutcomeUnknown("ReadTimeout")],
            "s2": [Ended("refused", "SAFETY", "no")],
            "s3": [scripted.accepted("t")],
            "s4": [Rejected("http_500", may_have_cost=True)],
            "s5": [Finished(content=b"no picture")],
        },
        {"t": [Running("Pending")]},
    )
    generation = run(host, scripted.requests(9), scripted.impatient)
    rows = {row["sample_id"]: row for row in run.rows()}
    pictures = metadata_of(run)
    assert set(pictures) == {name for name, row in rows.items() if row["outcome"] == "ok"}
    for name, picture in pictures.items():
        shared = set(picture) & set(rows[name])
        assert {key: picture[key] for key in shared} == {key: rows[name][key] for key in shared}
    assert sum(sum(counts.values()) for counts in generation.outcomes.values()) == 9
    assert len({tuple(row) for row in run.rows()}) == 1


def of_many_kinds(scripted, tmp_path):
    """Return requests with and without a source, a mask, a reference, things and captions."""
    (tmp_path / "style.png").write_bytes(scripted.png("white"))
    editing, scenes = read_suite("editing"), read_suite("scenes")
    items = [
        PromptItem(suite="plain", id="plain", prompt="A cat", expected_text=("CAT",), text_is_complete=True),
        scenes.item("ducks-two"),
        scenes.item("cushions-blanket"),
        editing.item("cup-green"),
        editing.item("spoon-away"),
        editing.item("mushroom-embroidery"),
        read_suite("brands").items[0],
        PromptItem(suite="plain", id="styled", prompt="A dog", reference_images=(tmp_path / "style.png",)),
    ]
    return [replace(scripted.request(n), suite=item.suite, item=item) for n, item in enumerate(items)]


def test_rows_say_what_their_prompt_asks_for_with_the_same_keys_in_every_entry(run, scripted, tmp_path):
    run(scripted.Host(), of_many_kinds(scripted, tmp_path))
    rows = {row["prompt_id"]: row for row in metadata_of(run).values()}
    assert rows["ducks-two"]["objects"] == [
        {"name": "duck", "count": 2, "colour": None, "position": None, "material": None}
    ]
    assert rows["cushions-blanket"]["relations"][0] == {"first": "cushion", "relation": "on", "second": "sofa"}
    assert len({tuple(entry) for row in rows.values() for entry in row["objects"] or ()}) == 1
    green = rows["cup-green"]
    assert green["edit"] == {"does": "recolour", "target": "cup", "to": "green"}
    assert green["source_caption"].startswith("A red cup")
    assert green["caption"].startswith("A green cup")
    assert green["tags"] == ["recolour", "drawn"]
    assert rows["spoon-away"]["absent"] == ["spoon"]
    assert rows["grobblestone-poster"]["palette"] == ["#4b2e20", "#f4a259", "#f8f1e5"]
    plain = rows["plain"]
    assert {name for name, value in plain.items() if value is None} >= {"objects", "edit", "mask", "tags", "caption"}


def test_the_picture_to_be_edited_is_what_was_sent_and_lies_in_the_set_with_its_mask(run, scripted, tmp_path):
    requests, host = of_many_kinds(scripted, tmp_path), scripted.Host()
    run(host, requests)
    rows = metadata_of(run)
    for request in requests:
        row, sent = rows[request.sample_id], host.references[request.sample_id]
        assert [(run.folder / name).read_bytes() for name in row["reference_images"] or ()] == sent
        mask = edit_mask(request.item)
        assert row["mask"] is None if mask is None else (run.folder / row["mask"]).read_bytes() == mask
    assert [len(host.references[f"s{n}"]) for n in range(8)] == [0, 0, 0, 1, 1, 1, 0, 1]
    assert [rows[f"s{n}"]["mask"] is not None for n in range(8)] == [False] * 3 + [True, True] + [False] * 3


def test_hugging_face_opens_edits_scenes_and_plain_rows_as_they_are(run, scripted, tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    refused = scripted.Host({"s1": [Ended("refused", "SAFETY", "no")]})
    run(refused, of_many_kinds(scripted, tmp_path))
    (run.folder / "images" / "0left-by-a-crash.png").write_bytes(scripted.png("blue"))
    opened = datasets.load_dataset(
        "imagefolder", data_dir=str(run.folder), split="train", cache_dir=str(tmp_path / "cache")
    )
    rows = {row["prompt_id"]: row for row in opened}
    assert sorted(opened["sample_id"]) == sorted(metadata_of(run))
    assert len(rows) == opened.num_rows == 7
    assert opened[0]["image"].size == (8, 8)
    assert rows["cup-green"]["edit"]["to"] == "green"
    assert rows["cushions-blanket"]["objects"][0]["material"] == "silk"
    assert rows["plain"]["relations"] is None or rows["plain"]["relations"] == []


@pytest.mark.parametrize(
    ("size", "note"),
    [
        ((512, 512), None),
        ((528, 512), None),
        ((480, 544), None),
        ((512, 400), "other_size"),
        ((256, 256), "other_size"),
    ],
)
def test_a_picture_of_another_size_or_shape_than_was_asked_for_is_noted(run, scripted, size, note):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size, "red").save(buffer, "PNG")
    host = scripted.Host({"s0": [Finished(content=buffer.getvalue())], "s1": [Ended("refused", "no")]})
    run(host, scripted.requests(2))
    assert [row["note"] for row in run.rows()] == [note, None]


def test_further_pictures_of_an_answer_are_kept_beside_the_set_and_billed(run, scripted):
    red, blue, green = map(scripted.png, ("red", "blue", "green"))
    three = ResponseMetadata(n_pictures=3)
    both = Finished(content=red, metadata=three, others=(blue, "u"))
    host = scripted.Host({"s0": [both]}, downloads={"u": [green], "gone": [scripted.expired()]})
    lost = Finished(content=red, metadata=ResponseMetadata(n_pictures=12), others=(b"no picture", *["gone"] * 10))
    host.scripts |= {"s1": [lost], "s3": [Finished(content=red, others=("gone",))]}
    assert run(host, scripted.requests(4)).outcomes == {"m@h": {"ok": 4}}
    rows = run.rows()
    assert [(run.folder / name).read_bytes() for name in rows[0]["other_files"]] == [blue, green]
    assert [row["other_files"] for row in rows[1:]] == [None, None, None]
    assert [row["cost_usd"] for row in rows] == [pytest.approx(cost) for cost in (0.03, 0.12, 0.01, 0.01)]
    assert [row["message"] is None for row in rows] == [True, False, True, False]
    assert rows[3]["message"] == "1 further picture was not kept: HTTP 403"
    for words in ("11 further pictures were not kept", "HTTP 403", "more than 8 are not fetched"):
        assert words in rows[1]["message"]
    assert len(read_image_set(run.folder).rows) == 4
    assert run(scripted.Host(), scripted.requests(4)).outcomes == {"m@h": {"ok": 4}}, "the ledger vouches for them"


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


def test_shots_whose_first_picture_was_deleted_are_not_sent_and_no_reference_is_named_that_is_gone(run, scripted):
    requests = [scripted.request(0, shot=1), *[scripted.request(n, shot=n + 1, first_shot="s0") for n in (1, 2)]]
    run(scripted.Host({"s1": [Rejected("http_503")] * 4}), requests)
    (run.folder / metadata_of(run)["s0"]["file_name"]).unlink()
    host = scripted.Host()
    generation = run(host, requests)
    assert (host.submitted, generation.outcomes) == ([], {"m@h": {"failed": 2, "ok": 1}})
    assert "reference_images" not in metadata_of(run)["s2"]


def test_a_task_of_an_earlier_process_has_no_times_that_nobody_measured_and_a_timeout_the_whole_wait(run, scripted):
    host = scripted.host_with_task(Running("Pending"))
    run(host, scripted.requests(1), replace(scripted.quick, task_s=0.05))
    (row,) = run.rows()
    assert (row["outcome"], row["latency_s"] >= 0.05) == ("timeout", True)
    host.polls["t"] = [Finished(url="u", metadata=ResponseMetadata(generation_s=2.5))]
    run(host, scripted.requests(1))
    (row,) = run.rows()
    assert (row["latency_s"], row["queue_s"], row["generation_s"], row["download_s"]) == (None, None, 2.5, None)


def test_the_times_are_those_of_the_last_attempt_and_never_negative(run, scripted, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("evals.generation.request_loop.time", SimpleNamespace(monotonic=lambda: now[0]))

    def may_answer(sample_id):
        now[0] += 7.0
        return True

    late = Finished(content=scripted.png("red"), metadata=ResponseMetadata(queue_s=3600.0))
    run(scripted.Host({"s0": [Rejected("http_429"), late]}, may_answer=may_answer), scripted.requests(1))
    (row,) = run.rows()
    assert (row["attempts"], row["latency_s"]) == (2, 7.0)
    assert (row["queue_s"], row["generation_s"]) == (3600.0, 0.0)


def test_a_run_in_which_nothing_was_asked_yet_has_an_empty_table(run, scripted):
    host = scripted.Host({f"s{n}": [Rejected("http_401", stops="check the key")] for n in range(2)})
    assert run(host, scripted.requests(2)).n_pending == 2
    assert run.rows() == []
