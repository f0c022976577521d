"""The store of votes while people vote: SQLite in the run folder, on disk before a page says that a vote was taken."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import pandas as pd

from evals.files.atomic_files import clear_leftovers
from evals.imageset.contract import VOTES, VOTES_STORE
from evals.voting.choosing import AskedQuestion, Check, Choice, Tally, choose, n_questions
from evals.voting.pairs import Pair, VotingError
from evals.voting.votes import SCHEMA, Answer, Vote, read_vote_table, voter_name, write_votes

_PATIENCE_S = 5
"""So long another program may hold the store before a voter is told; meanwhile all others wait too."""

_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE voters (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE questions (
    id TEXT PRIMARY KEY, voter TEXT NOT NULL REFERENCES voters ON DELETE CASCADE, number INTEGER NOT NULL,
    pair TEXT NOT NULL, question TEXT NOT NULL, row TEXT NOT NULL, prompt_id TEXT NOT NULL,
    shown_left TEXT NOT NULL, shown_right TEXT NOT NULL, flipped INTEGER NOT NULL, check_kind TEXT, expected TEXT,
    shown_at REAL, answer TEXT, seconds REAL, voted_at REAL, UNIQUE (voter, number)
);
CREATE INDEX questions_of_pair ON questions (pair);
"""

_LEAD = """SUM(CASE WHEN answer = 'left' THEN 1 - 2 * flipped WHEN answer = 'right' THEN 2 * flipped - 1 ELSE 0 END)"""


class StoreError(VotingError):
    """The store of votes cannot be read or written as it is now; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class VoterQuestion:
    """A question that one voter is or was asked: its random id, and what it shows."""

    id: str
    pair: str
    check: Check | None
    left: tuple[str, ...]
    right: tuple[str, ...]


class VoteStore:
    """The votes of one run; a context that writes ``votes.parquet`` when it ends.

    A vote is in the file, and the file flushed to the disk (WAL with ``synchronous=FULL``), when `answer` returns:
    whatever is killed afterwards, it is there. A question has one random id and one answer, so that a vote that is
    sent twice counts once.
    """

    def __init__(self, run: Path, pairs: Sequence[Pair] = (), not_asked: Sequence[Pair] = ()) -> None:
        """Open the store of a run; a new one takes over the votes of ``votes.parquet``.

        Parameters
        ----------
        run
            The run folder.
        pairs
            What is asked, in as far as somebody will be.
        not_asked
            The other pairs of the run: a vote on one of them, given before or elsewhere, is known for what it is.

        Raises
        ------
        VotingError
            If the file is no such store, or the table that a new one takes over is refused.
        """
        self._run, self._path, self._pairs, self._not_asked = run, run / VOTES_STORE, list(pairs), not_asked
        # A table that is refused leaves no store behind.
        table = None if self._path.exists() else read_vote_table(run)
        with _store_errors(self._path):
            self._db = _connected(self._path)
            try:
                for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                    self._db.execute(f"PRAGMA {pragma}")
                with self._transaction():
                    if _is_empty(self._db):
                        for statement in filter(str.strip, _TABLES.split(";")):
                            self._db.execute(statement)
                        self._db.execute("INSERT INTO settings VALUES ('seed', ?)", (secrets.randbelow(2**31),))
                        self._add(read_vote_table(run) if table is None else table)
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the table and close the file."""
        try:
            self.export()
        finally:
            self._db.close()

    @property
    def seed(self) -> int:
        """The seed from which all chance of this run's questions follows."""
        return int(self._db.execute("SELECT value FROM settings WHERE name = 'seed'").fetchone()[0])

    def voter(self, name: str) -> str:
        """Return the id of the voter of that name, who is made if there is none.

        Raises
        ------
        VotingError
            If that is no name.
        """
        with self._transaction():
            return self._voter(voter_name(name))

    def voter_named(self, name: str) -> str | None:
        """Return the id of the voter of that name, in large or small letters, None where there is none."""
        name = voter_name(name).casefold()
        rows = self._db.execute("SELECT id, name FROM voters")
        return next((str(voter) for voter, other in rows if other.casefold() == name), None)

    def name_of(self, voter: str) -> str | None:
        """Return the name of a voter by id, None where there is no such one."""
        row = self._db.execute("SELECT name FROM voters WHERE id = ?", (voter,)).fetchone()
        return str(row[0]) if row else None

    def question(self, voter: str) -> VoterQuestion | None:
        """Return the question that a voter is to answer now, None once every pair was asked.

        It is the first one without an answer, as after a reload or an undo, else a new one, which is recorded before
        it is returned. Questions about pairs, or with pictures, that the run does not have any more are passed over.
        """
        with self._transaction():
            rows = self._db.execute(
                "SELECT id, pair, check_kind, shown_left, shown_right, row, answer FROM questions "
                "WHERE voter = ? ORDER BY number",
                (voter,),
            ).fetchall()
            for question, pair, check, left, right, _, answer in rows:
                if answer is None and self._is_of_pairs(pair, left, right):
                    return VoterQuestion(question, pair, check, tuple(json.loads(left)), tuple(json.loads(right)))
            history = [AskedQuestion(pair, row, check) for _, pair, check, _, _, row, _ in rows]
            choice = choose(self._pairs, self.seed, str(self.name_of(voter)), history, self._tallies())
            return None if choice is None else self._ask(voter, len(history), choice)

    def leave_out(self, pair: str) -> None:
        """Ask nobody about a pair any more, as long as this store is open."""
        self._pairs = [other for other in self._pairs if other.key != pair]

    def _is_of_pairs(self, pair: str, *shown: str) -> bool:
        """Return whether a pair, and all that is shown of it and of others in a check, is asked about now."""
        sides = {json.dumps(side.samples) for pair in self._pairs for side in (pair.first, pair.second)}
        return sides.issuperset(shown) and any(other.key == pair for other in self._pairs)

    def asked_question(self, voter: str, question: str) -> VoterQuestion | None:
        """Return a question by id, answered or not, None where this voter was never asked it."""
        row = self._db.execute(
            "SELECT pair, check_kind, shown_left, shown_right FROM questions WHERE id = ? AND voter = ?",
            (question, voter),
        ).fetchone()
        if not row:
            return None
        pair, check, left, right = row
        return VoterQuestion(question, pair, check, tuple(json.loads(left)), tuple(json.loads(right)))

    def mark_shown(self, question: str) -> None:
        """Note that the page of a question was shown now, from when its seconds count."""
        self._db.execute("UPDATE questions SET shown_at = ? WHERE id = ? AND answer IS NULL", (time.time(), question))

    def answer(self, voter: str, question: str, answer: Answer) -> bool:
        """Keep a voter's answer and return whether it is new: the first one to a question counts until it is undone."""
        now = time.time()
        changed = self._db.execute(
            "UPDATE questions SET answer = ?, voted_at = ?, seconds = max(0, ? - shown_at) "
            "WHERE id = ? AND voter = ? AND answer IS NULL",
            (answer, now, now, question, voter),
        )
        return changed.rowcount == 1

    def undo(self, voter: str) -> None:
        """Take back the voter's last answer: its question is asked again. What cannot be asked again is left alone."""
        answered = self._db.execute(
            "SELECT id, pair, shown_left, shown_right FROM questions "
            "WHERE voter = ? AND answer IS NOT NULL AND shown_at IS NOT NULL ORDER BY number DESC",
            (voter,),
        ).fetchall()
        last = next((question for question, *shown in answered if self._is_of_pairs(*shown)), None)
        self._db.execute("UPDATE questions SET answer = NULL, seconds = NULL, voted_at = NULL WHERE id = ?", (last,))

    def n_answered(self, voter: str) -> int:
        """Return how many questions a voter has answered, checks included."""
        return int(self._count("SELECT count(*) FROM questions WHERE voter = ? AND answer IS NOT NULL", voter))

    def n_all(self, voter: str) -> int:
        """Return how many questions a voter answers until every pair was asked, checks included.

        What was asked counts as it was: under another seed, or imported, it may have had more or fewer checks.
        """
        rows = self._db.execute(
            "SELECT check_kind, answer, pair, shown_left, shown_right FROM questions WHERE voter = ?", (voter,)
        ).fetchall()
        keys, done = {pair.key for pair in self._pairs}, {pair for check, _, pair, *_ in rows if check is None}
        n_passed_over = sum(answer is None and not self._is_of_pairs(*shown) for _, answer, *shown in rows)
        to_come = n_questions(len(keys - done), self.seed, str(self.name_of(voter)), len(rows))
        return len(rows) - n_passed_over + to_come

    def delete_voter(self, name: str) -> int:
        """Delete a voter with all that is kept of it, from the table too; return how many votes that were.

        Raises
        ------
        VotingError
            If there is no voter of that name.
        """
        voter = self.voter_named(name)
        if voter is None:
            raise VotingError(f"there is no voter {name!r} in {self._run / VOTES_STORE}; names are written as chosen")
        with _store_errors(self._path):
            n_votes = self.n_answered(voter)
            self._db.execute("DELETE FROM voters WHERE id = ?", (voter,))
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds what was deleted
        clear_leftovers(self._run)  # and what a killed writer left of the table
        self.export()  # and so does the table
        return n_votes

    def votes(self) -> list[Vote]:
        """Return every vote, in the order in which the voters came and answered."""
        with _store_errors(self._path):
            return list(_votes_in(self._db))

    def export(self) -> None:
        """Write ``votes.parquet`` anew."""
        write_votes(self._run, self.votes())

    def add(self, votes: Sequence[Vote]) -> None:
        """Add votes that were given elsewhere, all of them or none.

        Raises
        ------
        VotingError
            If a voter has voted on a pair before.
        """
        with self._transaction():
            self._add(votes)

    def _add(self, votes: Iterable[Vote]) -> None:
        by_samples = {
            (pair.row, pair.question.text, pair.prompt_id, pair.first.samples, pair.second.samples): pair.key
            for pair in (*self._not_asked, *self._pairs)
        }
        for vote in votes:
            name = voter_name(vote["voter"])
            voter = self._voter(name)
            number = self._count("SELECT coalesce(max(number), -1) + 1 FROM questions WHERE voter = ?", voter)
            place = (vote["row"], vote["question"], vote["prompt_id"])
            sides = tuple(vote["left"]), tuple(vote["right"])
            key = by_samples.get((*place, *sides))
            flipped = key is None and (key := by_samples.get((*place, *sides[::-1]))) is not None
            key = key or "\n".join((*place, *sorted(map(" ".join, sides))))
            if vote["check"] is None and self._count(
                "SELECT count(*) FROM questions WHERE voter = ? AND pair = ? AND check_kind IS NULL", voter, key
            ):
                raise VotingError(
                    f"voter {name!r} has voted on row {vote['row']!r}, prompt {vote['prompt_id']!r} before, or is just "
                    "being asked about it; a pair has one vote a voter, leave the second one out"
                )
            self._db.execute(
                f"INSERT INTO questions VALUES ({', '.join('?' * 16)})",
                (
                    secrets.token_urlsafe(18), voter, number, key, vote["question"], vote["row"], vote["prompt_id"],
                    *map(json.dumps, sides), flipped, vote["check"], vote["expected"], None, vote["answer"],
                    vote["seconds"], vote["voted_at"],
                ),
            )  # fmt: skip

    def _voter(self, name: str) -> str:
        voter = self.voter_named(name)
        if voter is None:
            voter = secrets.token_urlsafe(18)
            self._db.execute("INSERT INTO voters VALUES (?, ?)", (voter, name))
        return voter

    def _ask(self, voter: str, number: int, choice: Choice) -> VoterQuestion:
        pair, sides = choice.pair, (choice.left.samples, choice.right.samples)
        question = VoterQuestion(secrets.token_urlsafe(18), pair.key, choice.check, sides[0], sides[1])
        self._db.execute(
            f"INSERT INTO questions VALUES ({', '.join('?' * 16)})",
            (
                question.id, voter, number, pair.key, pair.question.text, pair.row, pair.prompt_id,
                *map(json.dumps, sides), choice.is_flipped, choice.check, choice.expected, None, None, None, None,
            ),
        )  # fmt: skip
        return question

    def _tallies(self) -> dict[str, Tally]:
        rows = self._db.execute(f"SELECT pair, count(*), {_LEAD} FROM questions WHERE check_kind IS NULL GROUP BY pair")
        return {pair: Tally(asked, lead) for pair, asked, lead in rows}

    def _count(self, query: str, *values: Any) -> int:
        return int(self._db.execute(query, values).fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Take the store's one right to write at once, so that what is read in it still holds when it is kept."""
        with _store_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # on a full disk SQLite has ended it
                    self._db.execute("ROLLBACK")
                raise


def read_votes(run: Path) -> pd.DataFrame:
    """Return all votes of a run, one a row with the fields of `Vote`.

    They are those of the store where there is one: the table may be older, as after a kill or on a full disk.

    Raises
    ------
    VotingError
        If the votes are damaged.
    """
    store = run / VOTES_STORE
    if not store.is_file():
        return pd.DataFrame(read_vote_table(run), columns=SCHEMA.names)
    # A log is there while people vote, or once the server was killed. Without one nothing is written, so that a run may
    # lie where nothing can be.
    query = "" if (run / f"{VOTES_STORE}-wal").is_file() else "?immutable=1"
    with _store_errors(store), contextlib.closing(_connected(store, query)) as db:
        votes = read_vote_table(run) if _is_empty(db) else list(_votes_in(db))
    return pd.DataFrame(votes, columns=SCHEMA.names)


def _connected(path: Path, query: str = "") -> sqlite3.Connection:
    if path.is_symlink():  # SQLite would make, or write into, what it names
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return sqlite3.connect(f"{path.absolute().as_uri()}{query}", _PATIENCE_S, isolation_level=None, uri=True)


def _is_empty(db: sqlite3.Connection) -> bool:
    """Return whether a store was never filled, as where the program was killed while it made it."""
    return not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'questions'").fetchone()


def _votes_in(db: sqlite3.Connection) -> Iterator[Vote]:
    rows = db.execute(
        "SELECT name, question, row, prompt_id, shown_left, shown_right, answer, seconds, check_kind, expected, "
        "voted_at FROM questions JOIN voters ON voters.id = voter WHERE answer IS NOT NULL "
        "ORDER BY voters.rowid, number"
    )
    for *first, left, right, answer, seconds, check, expected, voted_at in rows:
        shown = (json.loads(left), json.loads(right))
        values = (*first, *shown, answer, seconds, check, expected, voted_at)
        yield cast(Vote, dict(zip(Vote.__annotations__, values, strict=True)))


@contextlib.contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    """Say of every error of SQLite which store it is about, and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        remedy = f"put it back, or move it away: {VOTES} beside it is then taken over"
        if isinstance(error, sqlite3.OperationalError):  # locked, full or not to be written; the file is sound
            remedy = (
                "see that the disk has room, that it may be written and that no other program holds it, and try again"
            )
        raise StoreError(f"{path} cannot be used as the store of votes ({error}); {remedy}") from error
