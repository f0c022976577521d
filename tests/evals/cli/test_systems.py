"""The list of systems: what it says of price, key and life cycle, and that no key is ever in it."""

import json
import re
from datetime import date

import pytest

from evals.cli.systems import list_systems, print_systems
from evals.facts.models import read_facts

TODAY = date(2026, 11, 23)
SECRET = "sk-very-secret-0123456789"


def row_of(system, environ=None, today=TODAY):
    (row,) = [row for row in list_systems(environ or {}, today) if row["system"] == system]
    return row


def test_every_system_of_the_facts_is_listed_once_and_fits_into_json():
    rows = list_systems({}, TODAY)
    assert [row["system"] for row in rows] == list(read_facts().offers)
    assert json.loads(json.dumps(rows)) == rows


def test_a_row_tells_sizes_references_seed_and_price():
    row = row_of("flux-2-pro@bfl")
    assert (row["title"], row["sizes"]) == ("FLUX.2 [pro]", ["512", "1K", "2K"])
    assert (row["references_at_most"], row["takes_seed"]) == (8, True)
    assert (row["price_size"], row["expected_cost_usd"], row["max_cost_usd"]) == ("1K", 0.03, 0.03)
    assert row_of("flux-3-image@bfl")["takes_seed"] is False
    without_1k, without_price = row_of("flux-1.1-pro-ultra@bfl"), row_of("flux-2-dev@replicate")
    assert (without_1k["price_size"], without_1k["expected_cost_usd"]) == ("2K", 0.06)
    assert (without_price["expected_cost_usd"], without_price["max_cost_usd"]) == (None, None)
    assert "no source gives its price" in without_price["notes"]


@pytest.mark.parametrize(
    ("environ", "status", "is_set"),
    [
        ({}, "not set: GEMINI_API_KEY or GOOGLE_API_KEY", False),
        ({"GEMINI_API_KEY": SECRET}, "set (GEMINI_API_KEY)", True),
        ({"GOOGLE_API_KEY": SECRET}, "set (GOOGLE_API_KEY)", True),
        ({"GEMINI_API_KEY": " ", "GOOGLE_API_KEY": SECRET}, "set (GOOGLE_API_KEY)", True),
        ({"BFL_API_KEY": SECRET}, "not set: GEMINI_API_KEY or GOOGLE_API_KEY", False),
    ],
)
def test_the_key_is_told_by_its_variable(environ, status, is_set):
    row = row_of("gemini-3-pro-image@google", environ)
    assert (row["key"], row["key_is_set"]) == (status, is_set)


def test_hosts_on_this_machine_need_no_key_and_google_cloud_has_its_own_way():
    local, vertex = row_of("flux-1-dev@local"), row_of("gemini-3-pro-image@vertex")
    assert (local["key"], local["key_is_set"]) == ("no key needed", True)
    assert "gcloud auth" in vertex["key"]
    assert vertex["key_is_set"] is None


def test_the_life_cycle_is_held_against_the_day():
    assert row_of("gemini-3.1-flash-image@google", today=date(2026, 7, 1))["cautions"] == []
    row = row_of("gemini-3.1-flash-image@google")
    assert row["cautions"] == ["it was to be shut down on 2026-10-29; use gemini-nano-banana-2.1@google"]
    assert (row["retired"], row["replaced_by"]) == ("2026-10-29", "gemini-nano-banana-2.1@google")


def test_the_table_shows_every_system_what_to_know_and_no_key(capsys):
    variables = {name for host in read_facts().hosts.values() for name in host.key_variables} - {"FAL_KEY"}
    assert len(variables) >= 6
    rows = list_systems(dict.fromkeys(variables, SECRET), TODAY)
    print_systems(rows)
    shown, errors = capsys.readouterr()
    assert SECRET not in json.dumps(rows) + shown + errors
    for text in (
        *(row["system"] for row in rows),
        "FLUX.2 [pro]",  # brackets are no markup
        "key of bfl: set (BFL_API_KEY)",
        "key of fal: not set: FAL_KEY",
        "note: flux-2-flex@bfl: 2 sources disagree on its price",
    ):
        assert text in shown
    assert max(map(len, shown.splitlines())) <= 140


@pytest.mark.parametrize(
    ("columns", "headings"),
    [
        (80, ["system", "sizes", "refs", "seed", "usual", "at most"]),
        (100, ["system", "sizes", "refs", "seed", "usual", "at most", "until"]),
        (140, ["system", "title", "sizes", "refs", "seed", "usual", "at most", "until"]),
    ],
)
def test_a_narrow_terminal_shows_fewer_columns_and_cuts_none_short(columns, headings, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    rows = list_systems({}, TODAY)
    print_systems(rows)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    heading = next(number for number, line in enumerate(lines) if line.split()[:1] == ["system"])
    assert re.split(r" {2,}", lines[heading].strip()) == headings
    table = lines[heading + 2 : heading + 2 + len(rows)]
    assert [line.split()[0] for line in table] == [row["system"] for row in rows]
    assert max(map(len, table)) <= columns
    assert not any("…" in line for line in table)
