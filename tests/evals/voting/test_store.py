"""The store: no vote is lost or counted twice, undo, votes from elsewhere, deletion for good."""

import contextlib
import sqlite3
from dataclasses import replace
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from evals.definition import StarRow
from evals.imageset.tables import TableError
from evals.run import Run
from evals.voting.importing import read_votes_csv
from evals.voting.pairs import VotingError, voting_pairs
from evals.voting.people import rate_people
from evals.voting.questions import Question
from evals.voting.store import VoteStore, read_votes
from evals.voting.votes import voter_name, write_votes
from tests.run_folder import write_run
from tests.voting_run import SYSTEMS, votes_for, write_voting_run


@pytest.fixture
def run(tmp_path):
    return write_voting_run(tmp_path / "run", n_prompts=8)


@pytest.fixture
def pairs(run):
    return voting_pairs(Run(run))


def vote(store, voter, n, answer="left"):
    for _ in range(n):
        question = store.question(voter)
        store.mark_shown(question.id)
        assert store.answer(voter, question.id, answer)


def test_the_pairs_of_a_run_ask_what_its_rows_measure(run, pairs):
    assert {(one.row, one.question.text) for one in pairs} == {
        ("signs:text", "Which one has the right text?"),
        ("retouching:editing", "Which edit did what was asked, and nothing else?"),
    }
    edit = next(one for one in pairs if one.suite == "retouching")
    assert (edit.first.system, edit.second.system, edit.sources) == (*SYSTEMS, ("images/given-picture.png",))
    with pytest.raises(VotingError, match="did you mean 'signs:text'"):
        voting_pairs(Run(run), ["signs:txt"])


def test_series_with_other_shots_are_no_pair(tmp_path):
    shots = {SYSTEMS[0]: (1, 2), SYSTEMS[1]: (1, 3)}
    samples = [
        {"sample_id": f"{system}-{sequence}-{shot}", "file_name": f"{system}-{sequence}-{shot}.png", "prompt": "Robin"}
        | {"system": system, "suite": "faces", "prompt_id": f"{sequence}-{shot}", "sequence_id": sequence, "shot": shot}
        for sequence in ("robin", "alex")
        for system in SYSTEMS
        for shot in (shots[system] if sequence == "robin" else range(1, 9))
    ]
    scores = [
        {"system": system, "suite": "faces", "prompt_id": f"{sequence}-1", "sequence_id": sequence, "value": 0.5}
        | {"metric": "identity.self", "subject": [f"{system}-{sequence}-{shot}" for shot in (1, 2)]}
        for system in SYSTEMS
        for sequence in ("robin", "alex")
    ]
    (pair,) = voting_pairs(Run(write_run(tmp_path / "run", samples, scores)))
    assert (pair.prompt_id, len(pair.first.samples)) == ("alex", 8)  # a metric of the whole series is of all shots


def test_a_row_of_another_size_asks_about_its_own_pictures_and_metrics_are_held_against_votes_on_these(tmp_path):
    sizes = {"signs": "small", "signs@4K": "large"}
    samples = [
        {"sample_id": f"{name}-{system}-{n}", "file_name": f"{name}-{system}-{n}.png", "prompt": "A sign"}
        | {"system": system, "suite": suite, "prompt_id": f"p{n}"}
        for suite, name in sizes.items() for system in SYSTEMS for n in range(2)
    ]  # fmt: skip
    scores = [
        {key: one[key] for key in ("system", "suite", "prompt_id")}
        | {"metric": "text.cer", "subject": [one["sample_id"]], "value": float(one["system"] == SYSTEMS[0])}
        for one in samples
    ]
    folder = write_run(tmp_path / "run", samples, scores)
    run, rows = Run(folder), [{"id": "small"}, {"id": "large", "size": "4K"}]
    rows = tuple(StarRow(title="Text", suite="signs", metrics={"text.cer": 1}, **row) for row in rows)
    run.definition = SimpleNamespace(size="1K", rows=rows)
    assert {(pair.row, pair.first.samples[0].split("-")[0]) for pair in voting_pairs(run)} == {
        ("small", "small"), ("large", "large")
    }  # fmt: skip
    write_votes(folder, votes_for(folder, *SYSTEMS, "large", "signs@4K", ["heron"]))
    (row,) = rate_people(run)["rows"]
    assert [(one["metric"], one["n_pairs"]) for one in row["metrics"]] == [("text.cer", 2)]


def test_an_answer_counts_once_and_is_in_the_table_after_the_end(run, pairs):
    with VoteStore(run, pairs) as store:
        voter = store.voter("heron")
        question = store.question(voter)
        assert store.question(voter) == question  # a reload asks the same again
        store.mark_shown(question.id)
        assert store.answer(voter, question.id, "left")
        assert not store.answer(voter, question.id, "right")
        assert not store.answer(store.voter("other"), question.id, "right")
        vote(store, voter, 2, "tie")
    (first, *more) = pq.read_table(run / "votes.parquet").to_pylist()
    assert (first["voter"], first["answer"], first["check"], first["seconds"] >= 0) == ("heron", "left", None, True)
    assert {*first["left"], *first["right"]} <= set(Run(run).samples.index)
    assert [one["answer"] for one in more] == ["tie", "tie"]


def test_undo_asks_the_last_question_again_and_so_on_back(run, pairs):
    with VoteStore(run, pairs) as store:
        voter = store.voter("heron")
        first = store.question(voter)
        vote(store, voter, 2)
        store.question(voter)
        store.undo(voter)
        store.undo(voter)
        store.undo(voter)
        assert store.question(voter) == first
        assert store.votes() == []


def test_undo_leaves_alone_what_is_not_asked_in_this_session(run, pairs):
    signs, edits = ([one for one in pairs if (one.row == "signs:text") is is_sign] for is_sign in (True, False))
    with VoteStore(run, signs) as store:
        vote(store, store.voter("heron"), 2)
    with VoteStore(run, edits) as store:
        store.undo(store.voter("heron"))
        assert len(store.votes()) == 2


def test_the_store_has_the_votes_where_the_table_is_old_or_gone(run, pairs):
    with VoteStore(run, pairs) as store:
        vote(store, store.voter("heron"), 3)
        store.export()
        old = (run / "votes.parquet").read_bytes()
        vote(store, store.voter("heron"), 2)
    for table in (old, None):
        (run / "votes.parquet").unlink()
        if table:
            (run / "votes.parquet").write_bytes(table)
        before = sorted(path.name for path in run.iterdir())
        assert len(read_votes(run)) == 5
        assert sorted(path.name for path in run.iterdir()) == before
    (run / "votes.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 50)
    with pytest.raises(VotingError, match=r"votes\.sqlite cannot be used .* move it away"):
        read_votes(run)


def test_a_store_that_is_a_link_makes_no_file_elsewhere(run, pairs):
    (run / "votes.sqlite").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        VoteStore(run, pairs)
    assert not (run / "elsewhere").exists()


def test_a_store_that_another_program_holds_is_not_to_be_moved_away(run, pairs, monkeypatch):
    monkeypatch.setattr("evals.voting.store._PATIENCE_S", 0)
    with VoteStore(run, pairs) as store:
        store._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(VotingError, match=r"database is locked.*try again"):
            VoteStore(run, pairs)
        store._db.execute("ROLLBACK")


def test_a_name_in_capitals_is_the_same_voter(run, pairs):
    with VoteStore(run, pairs) as store:
        assert store.voter("Heron") == store.voter("HERON") == store.voter_named("heron")
        assert store.name_of(store.voter("heron")) == "Heron"


@pytest.mark.parametrize("name", ["Zoë", "मीरा", "สมชาย", "李", "O'Neil-2"])
def test_names_of_all_scripts_are_names(name):
    assert voter_name(name) == name


def test_the_seed_and_each_question_are_recorded_before_it_is_shown(run, pairs):
    with VoteStore(run, pairs) as store:
        asked, seed = store.question(store.voter("heron")), store.seed
    with VoteStore(run, pairs) as store:
        assert (store.question(store.voter("heron")), store.seed) == (asked, seed)


def test_all_pairs_are_asked_and_then_no_more(run, pairs):
    with VoteStore(run, pairs) as store:
        voter = store.voter("heron")
        vote(store, voter, store.n_all(voter))
        assert store.question(voter) is None
        assert sum(one["check"] is None for one in store.votes()) == len(pairs)


def test_a_deleted_voter_is_in_no_file_of_the_run(run, pairs):
    with VoteStore(run, pairs) as store:
        vote(store, store.voter("Osprey of the marsh"), 5)
        vote(store, store.voter("heron"), 3)
        store.export()
        # What a writer leaves that was killed; no process has so large a number.
        (run / ".votes.parquet.99999999.0123456789abcdef.new").write_bytes((run / "votes.parquet").read_bytes())
        assert store.delete_voter("Osprey of the marsh") == 5
        assert not [path for path in run.glob("*votes*") if b"Osprey" in path.read_bytes()]
        with pytest.raises(VotingError, match="there is no voter 'Osprey of the marsh'"):
            store.delete_voter("Osprey of the marsh")
    assert set(read_votes(run)["voter"]) == {"heron"}


def test_a_new_store_takes_over_the_table_that_came_with_a_run(run, pairs):
    with VoteStore(run, pairs) as store:
        vote(store, store.voter("heron"), 6)
        votes = store.votes()
    (run / "votes.sqlite").unlink()
    with VoteStore(run, pairs) as store:
        assert store.votes() == votes
        vote(store, store.voter("heron"), store.n_all(store.voter("heron")) - 6)
        asked = [(one["row"], one["prompt_id"]) for one in store.votes() if one["check"] is None]
    assert len(asked) == len(set(asked)) == len(pairs)


def test_a_store_or_table_that_is_damaged_is_one_sentence(run, pairs):
    (run / "votes.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 50)
    with pytest.raises(VotingError, match=r"votes\.sqlite cannot be used"):
        VoteStore(run, pairs)
    (run / "votes.sqlite").unlink()
    (run / "votes.parquet").write_bytes(b"no table")
    with pytest.raises(VotingError, match=r"votes\.parquet is damaged"):
        VoteStore(run, pairs)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"question": None}, "without voter, row, question"),
        ({"prompt_id": ""}, "without voter, row, question"),
        ({"left": [None]}, "without voter, row, question"),
        ({"check": "colour"}, "without voter, row, question"),
        ({"check": "shuffled_prompt"}, "without voter, row, question"),
        ({"check": "identical", "expected": "left"}, "without voter, row, question"),
        ({"voter": "<b>"}, "votes.parquet: '<b>' is no name for a voter"),
        ({"voter": "HERON"}, "two votes of voter 'heron'"),
        ({}, "two votes of voter 'heron' on row 'signs:text', prompt 'signs-id-0'"),
    ],
)
def test_a_table_that_somebody_else_made_is_checked_vote_by_vote(changed, says, run, pairs):
    votes = votes_for(run, *SYSTEMS, "signs:text", "signs", ["heron"])
    turned = votes[0] | {"left": votes[0]["right"], "right": votes[0]["left"]}
    write_votes(run, [*votes, turned | changed])
    for read in (read_votes, VoteStore):
        with pytest.raises(VotingError, match=says):
            read(run)
    assert not list(run.glob("votes.sqlite*"))  # it would be taken for the votes


def test_names_in_a_table_are_those_of_one_voter_whatever_their_capitals(run, pairs):
    votes = votes_for(run, *SYSTEMS, "signs:text", "signs", ["heron"])
    write_votes(run, [votes[0], votes[1] | {"voter": "HERON"}])
    assert set(read_votes(run)["voter"]) == {"heron"}


def test_a_store_that_was_never_filled_is_none(run, pairs):
    votes = votes_for(run, *SYSTEMS, "signs:text", "signs", ["heron"])
    write_votes(run, votes)
    with contextlib.closing(sqlite3.connect(run / "votes.sqlite")) as killed:
        killed.execute("PRAGMA journal_mode = WAL")
    assert len(read_votes(run)) == len(votes)
    with VoteStore(run, pairs) as store:
        assert len(store.votes()) == len(votes)


def test_votes_that_do_not_fit_on_the_disk_are_refused_and_none_is_kept(run, pairs):
    votes = votes_for(run, *SYSTEMS, "signs:text", "signs", [f"heron {n}" for n in range(20)])
    with VoteStore(run, pairs) as store:
        (n_pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {n_pages + 1}")
        with pytest.raises(
            VotingError, match=r"votes\.sqlite cannot be used .*disk is full.*see that the disk has room"
        ):
            store.add(votes)
        assert store.votes() == []
    with pytest.raises(VotingError, match=r"votes\.sqlite cannot be used .*no such table"), VoteStore(run) as store:
        store._db.execute("DROP TABLE questions")


def test_an_answer_is_on_the_disk_when_it_is_taken(run, pairs):
    with VoteStore(run, pairs) as store:
        assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
        vote(store, store.voter("heron"), 1)
        other = sqlite3.connect(run / "votes.sqlite")
        assert other.execute("SELECT count(*) FROM questions WHERE answer = 'left'").fetchone() == (1,)
        other.close()


def test_a_row_with_another_question_is_asked_anew(run, pairs):
    with VoteStore(run, pairs) as store:
        vote(store, store.voter("heron"), store.n_all(store.voter("heron")))
    other = [replace(one, question=Question("Whose light?")) if one.row == "signs:text" else one for one in pairs]
    with VoteStore(run, other) as store:
        assert store.question(store.voter("heron")).pair.startswith("signs:text\nWhose light?")
    (run / "votes.sqlite").unlink()
    with VoteStore(run, other) as store:  # and so it is where only the table is left
        assert store.question(store.voter("heron")).pair.startswith("signs:text\nWhose light?")


HEAD = "voter,row,prompt_id,left,right,answer,seconds\n"
GOOD = f"heron,signs:text,signs-id-1,{SYSTEMS[1]},{SYSTEMS[0]},right,3.5\n"


def test_votes_from_elsewhere_are_votes(run, pairs, tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(HEAD + GOOD + GOOD.replace("heron", "gull").replace("right,3.5", "both_bad,"))
    with VoteStore(run, pairs) as store:
        store.add(read_votes_csv(path, pairs))
        with pytest.raises(VotingError, match="has voted on row"):
            store.add(read_votes_csv(path, pairs))
        assert len(store.votes()) == 2
        tally = store._tallies()[next(one.key for one in pairs if one.prompt_id == "signs-id-1")]
        assert (tally.asked, tally.lead) == (2, 1)
    heron, gull = read_votes(run).to_dict("records")
    assert (heron["answer"], heron["seconds"], gull["answer"]) == ("right", 3.5, "both_bad")
    samples = Run(run).samples
    assert samples.loc[list(heron["left"]), "system"].tolist() == [SYSTEMS[1]]


@pytest.mark.parametrize(
    ("wrong", "put", "says"),
    [
        ("signs-id-1", "signs-id-77", "line 2: prompt_id 'signs-id-77' is asked of nobody"),
        (SYSTEMS[0], "nobody@alpha", "right 'nobody@alpha' is asked of nobody"),
        ("right,3.5", "first,3.5", "answer 'first' is none of left, right, tie, both_bad"),
        ("3.5", "-1", "seconds '-1' is no time"),
        ("heron", "<b>", "is no name for a voter"),
        ("answer", "verdict", "there is no column 'answer'"),
        (GOOD, "", "votes.csv: it holds no votes"),
        (HEAD + GOOD, "", "votes.csv: it holds no votes"),
        (GOOD, GOOD * 2, "line 3: voter 'heron' voted on this pair in line 2"),
    ],
)
def test_a_csv_that_is_wrong_is_refused_with_its_line(wrong, put, says, pairs, tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text((HEAD + GOOD).replace(wrong, put, 1))
    with pytest.raises(TableError, match=says):
        read_votes_csv(path, pairs)


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\nb\0", "<script>", "a/b"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(VotingError, match="is no name for a voter"):
        voter_name(name)
