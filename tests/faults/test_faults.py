"""Every fault of the table ends in a sentence and costs nothing; README.md here is the table, and says what is so."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.faults.cases import CASES, Case
from tests.faults.conftest import twinlens
from tests.faults.hostile_files import PROGRAMS

TABLE = Path(__file__).with_name("README.md")
ABOUT = """\
# Faults and inputs

What was done to the files, what the command then did, and which files were afterwards what they had been: seen by
`test_faults.py`, which compares this table. After a change of `cases.py` it is written anew by
`UPDATE_FAULTS=1 python -m pytest -n0 tests/faults/test_faults.py`.

| fault or input | command | what happened | what was kept |
|---|---|---|---|
"""
STARTS = ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system")
NOT_UTF8 = os.fsdecode(b"n\xff")

started: list[str] = []
sys.addaudithook(lambda event, arguments: started.append(f"{arguments[:2]}") if event in STARTS else None)


@pytest.fixture(scope="module")
def place(prepared, tmp_path_factory):
    """A folder that every case finds as it was prepared, and programs in the path that leave a mark when they run."""
    programs = tmp_path_factory.mktemp("programs")
    for name in PROGRAMS:
        (programs / name).write_text(f'#!/bin/sh\ntouch "{programs}/mark"\n')
        (programs / name).chmod(0o755)
    if "UPDATE_FAULTS" in os.environ:
        TABLE.write_text(ABOUT)
    return prepared, contents(prepared), programs


def contents(folder: Path) -> dict[Path, bytes | None]:
    """The files below a folder, None for what is no file of a few bytes, nor a folder; locks are none of anybody's."""
    return {
        path.relative_to(folder): path.read_bytes() if is_small_file(path) else None
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or not path.is_dir()) and not path.name.endswith("lock")
    }


def is_small_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 30


def restore(folder: Path, files: dict[Path, bytes | None]) -> None:
    now = contents(folder)
    for name in now.keys() - files.keys():
        (folder / name).unlink()
    for name, content in files.items():
        if now.get(name) != content or (folder / name).is_symlink():
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            (folder / name).unlink(missing_ok=True)
            (folder / name).write_bytes(content or b"")
    shutil.rmtree(folder / "out", ignore_errors=True)


def happens(case: Case, folder: Path, programs: Path) -> tuple[str, str]:
    """Do what a case says and return what happened and what was kept, as they were seen."""
    case.build()
    before = contents(folder)
    started.clear()
    done = twinlens(*({"EMPTY": "", "BYTES": NOT_UTF8}.get(word, word) for word in case.command.split()))
    others = [call for call in started if "evals.scoring.decode_worker" not in call]
    after = contents(folder)
    changed = {str(name) for name, content in before.items() if after.get(name, b"") != content}
    added = {str(name) for name in after.keys() - before.keys() if name.parts[0] not in ("out", *case.anew)}
    if (programs / "mark").exists() or others:
        outcome = f"executed: {others}"
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        outcome = f"crash: {done.exception!r}"
    elif done.exit_code == 2 and (done.stderr.count("\n") != 1 or done.stdout or len(done.stderr) > 900):
        outcome = f"crash: {done.output}"
    elif set("\x1b\x07\u202e") & set(done.output):
        outcome = f"executed: {done.output!r}"
    elif done.exit_code != case.exit_code or case.sentence not in done.output:
        outcome = f"exit code {done.exit_code}: {done.output}"
    else:
        outcome = {0: "went on", 1: "named", 2: "refused"}[done.exit_code]
    lost = changed - set(case.anew) | (added - set(case.anew) if case.exit_code else set())
    kept = f"lost: {sorted(lost)}" if lost else "all files"
    return outcome, f"{kept}; {', '.join(case.anew)} made anew" if case.anew else kept


def line(case: Case, outcome: str, kept: str) -> str:
    said = f"{outcome}: “{case.sentence.strip()}”" if case.sentence and case.exit_code else outcome
    return "| " + " | ".join((case.name, f"`twinlens {case.command}`", said, kept)).replace("\n", " ") + " |\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_ends_in_a_sentence_and_costs_nothing(case, place, monkeypatch):
    folder, files, programs = place
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    try:
        outcome, kept = happens(case, folder, programs)
    finally:
        restore(folder, files)
    assert outcome in ("refused", "named", "went on")
    assert not kept.startswith("lost")
    if "UPDATE_FAULTS" in os.environ:
        with TABLE.open("a") as table:
            table.write(line(case, outcome, kept))
    assert line(case, outcome, kept) in TABLE.read_text().splitlines(keepends=True)


def test_the_table_holds_every_case_once_and_no_other():
    names = [text.split(" | ")[0].removeprefix("| ") for text in TABLE.read_text().removeprefix(ABOUT).splitlines()]
    assert TABLE.read_text().startswith(ABOUT)
    assert names == [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 120
