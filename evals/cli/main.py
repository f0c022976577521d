"""The command ``twinlens``: its commands, each in the module of its name, imported when it is asked for."""

from __future__ import annotations

import atexit
import contextlib
import keyword
import os
import sys
import warnings
from importlib import import_module
from typing import Any

import click

from evals.cli.errors import ErrorHandlingGroup
from evals.cli.progress import doing, sign_of_life

COMMANDS = (
    "audit", "compare", "demo", "doctor", "estimate", "generate", "import", "init", "metrics", "models", "rate",
    "report", "run", "score", "suites", "systems", "verify", "vote",
)  # fmt: skip


class Commands(ErrorHandlingGroup):
    """Finds each command under its name in the module of that name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as the program, which tells while it works what it is doing."""
        if not sys.warnoptions:  # what libraries warn of is for who calls them, and quotes what others named
            warnings.simplefilter("ignore")
        with sign_of_life():
            return super().__call__(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, None if there is no such one."""
        if cmd_name not in COMMANDS:
            return None
        doing("loading", cmd_name)
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(import_module(f"evals.cli.{name}"), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="twinlens", prog_name="twinlens")
def main() -> None:
    """Decide with evidence which image-generation API is better at what."""


def program() -> None:
    """Run as the program, and leave the process once all is said and done: to take torch apart takes half a second.

    What was registered with `atexit` before is not called, what the commands register is.
    """
    _open_missing_streams()
    codes: list[int] = []

    def leave() -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        with contextlib.suppress(OSError, ValueError):  # what cannot be written is left to the interpreter to tell
            sys.stdout.flush()
            if codes:
                os._exit(codes[0])

    atexit.register(leave)  # the first that is registered is the last that is called
    try:
        main()
    except SystemExit as end:
        codes += [end.code or 0] if isinstance(end.code, int | None) else []
        raise


def _open_missing_streams() -> None:
    """Let standard streams that were closed before the start lead nowhere, not into the next file that is opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


if __name__ == "__main__":
    program()
