"""Prints how often each vendor's client called."""

from tests.contracts.serving import CALLS


def pytest_terminal_summary(terminalreporter):
    if CALLS:
        terminalreporter.section("calls by client")
        for client, n in sorted(CALLS.items()):
            terminalreporter.line(f"{n:4} {client}")
        terminalreporter.line(f"{CALLS.total():4} in all")
