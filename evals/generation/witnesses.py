"""Holds the ledger against the tables and pictures beside it, so that nothing that it forgot is paid for again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from evals.files.regular_files import LARGEST_TABLE, read_regular
from evals.generation.ledger import ENDINGS, LedgerError, read_events, replay
from evals.imageset.contract import IMAGES, LEDGER, METADATA, REQUESTS

_PICTURE_NAME = re.compile(r"[0-9a-f]{24}(-\d+)?\.\w+")
_SENT = "sent_at"
_TABLES = {REQUESTS: ("requests", (_SENT, "ended_at")), METADATA: ("pictures", ("created_at",))}
"""What each table lists, and its columns that hold the time of an event; null where there was none."""


def check_ledger(folder: Path) -> None:
    """Refuse the ledger of an image set if it is missing, cut off or older than what lies beside it.

    Both tables are derived from the ledger and name its events by their times, so each of those must be in it. The
    pictures speak where a process died before it wrote tables: one may lie there without its event for every attempt
    that a crash cut off, and no more.

    Raises
    ------
    LedgerError
        If it is damaged, or knows less than a table or the pictures tell.
    """
    events = read_events(folder / LEDGER)[0]
    times = {
        (event["sample_id"], event["event"] in ENDINGS, event["at"]) for event in events if event["event"] != "opened"
    }
    for name, (things, columns) in _TABLES.items():
        rows = _events_named_by(folder / name, columns)
        _compare(folder, len(rows), f"{things} are listed in {name}", sum(map(times.issuperset, rows)))
    states = replay(events).values()
    pictures = {f"{IMAGES}/{path.name}" for path in (folder / IMAGES).glob("*") if _PICTURE_NAME.fullmatch(path.name)}
    ownerless = pictures - {state.picture_file for state in states}
    if len(ownerless) > sum(state.attempts - (state.status == "ok") for state in states):
        _compare(folder, len(pictures), f"pictures lie in {IMAGES}", len(pictures) - len(ownerless))


def _events_named_by(table: Path, columns: Sequence[str]) -> list[set[tuple[str, bool, str]]]:
    """Return for each row of what was sent the events that it was derived from: sample, whether it ended, time."""
    if not table.is_file():
        return []
    rows = []
    for number, line in enumerate(read_regular(table, LARGEST_TABLE).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            sample_id = str(row["sample_id"])
            rows.append({(sample_id, column != _SENT, str(row[column])) for column in columns if row.get(column)})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise LedgerError(
                f"{table}, line {number}: cannot be read, so it cannot vouch for {LEDGER}; if that is whole, delete "
                "the table (it is made anew), or else choose a new folder"
            ) from None
    return [row for row in rows if row]


def _compare(folder: Path, n_listed: int, where: str, n_known: int) -> None:
    if n_known < n_listed:
        raise LedgerError(
            f"{folder}: {n_listed} {where}, {LEDGER} knows {n_known} of them: restore it from a copy, or choose a new "
            "folder; nothing was sent, as what is not in it would be paid for again"
        )
