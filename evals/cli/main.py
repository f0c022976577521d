"""The command ``twinlens``: its commands, each in the module of its name, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from evals.cli.errors import ErrorHandlingGroup

COMMANDS = (
    "audit", "compare", "demo", "doctor", "estimate", "generate", "metrics", "models", "rate", "report", "run",
    "score", "suites", "systems", "verify",
)  # fmt: skip


class Commands(ErrorHandlingGroup):
    """Finds each command under its name in the module of that name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, None if there is no such one."""
        module = import_module(f"evals.cli.{cmd_name}") if cmd_name in COMMANDS else None
        return getattr(module, cmd_name, None)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="twinlens", prog_name="twinlens")
def main() -> None:
    """Decide with evidence which image-generation API is better at what."""


if __name__ == "__main__":
    main()
