"""Signs of life: a line after a second and every half minute, what is being done in it, and none beside a bar."""

import threading

import pytest

from evals.cli import progress
from evals.cli.main import main
from evals.cli.progress import BETWEEN_S, FIRST_S, Status, doing, shown_generation, shown_progress, sign_of_life
from evals.generation.stage import Count


@pytest.fixture
def status(monkeypatch):
    monkeypatch.setattr(progress, "_STATUS", Status())
    return progress._STATUS


def told(status, events):
    """Return the pauses and the lines where one event happens in each pause, and the work ends in the last."""
    pauses, lines, coming = [], [], iter(events)

    def wait(pause):
        pauses.append(pause)
        event = next(coming, None)
        if event is not None:
            event()
        return event is None

    status.tell(wait, lines.append)
    return pauses, lines


def test_what_takes_longer_is_told_after_a_second_and_every_half_minute_with_what_is_being_done(status):
    with shown_progress() as show, shown_generation() as watch:
        events = [
            lambda: doing("loading", "score"),
            lambda: (show("images", 1, 9), show("images", 3, 9)),
            lambda: watch(Count(ended=2, total=4, pictures=1, spent_usd=0.03)),
        ]
        pauses, lines = told(status, events)
    assert pauses == [FIRST_S, BETWEEN_S, BETWEEN_S, BETWEEN_S]
    assert FIRST_S < 2
    assert lines == [
        "twinlens score: loading",
        "twinlens score: images 3 of 9",
        "twinlens score: requests 2 of 4, 1 images, 0.03 USD",
    ]


def test_a_quick_command_says_nothing(status):
    assert told(status, []) == ([FIRST_S], [])


@pytest.mark.parametrize("place", ["terminal", "notebook"])
def test_where_a_bar_is_drawn_no_line_is_written_beside_it(status, monkeypatch, place):
    if place == "terminal":
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    else:
        monkeypatch.setitem(progress.sys.modules, "ipykernel", progress)
    with shown_progress() as show:
        show("images", 1, 2)
        assert told(status, [lambda: None] * 3)[1] == []
    assert len(told(status, [lambda: None] * 3)[1]) == 3


def test_the_program_tells_on_standard_error_while_a_command_is_at_work(status, monkeypatch, capsys):
    written = threading.Event()

    def say_and_note(text, err):
        print(text, err)
        if "metrics" in text:
            written.set()

    monkeypatch.setattr(progress, "FIRST_S", 0)
    monkeypatch.setattr(progress, "BETWEEN_S", 0)
    monkeypatch.setattr(progress, "say", say_and_note)
    monkeypatch.setattr("evals.cli.metrics.metrics.callback", lambda **options: written.wait())
    with pytest.raises(SystemExit) as ended:
        main(["metrics"])
    assert ended.value.code == 0
    assert "twinlens metrics: loading True\n" in capsys.readouterr().out


def test_nothing_is_told_after_the_command(status):
    running = threading.active_count()
    with sign_of_life():
        assert threading.active_count() == running + 1
    assert threading.active_count() == running
