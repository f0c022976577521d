"""Turns every error that is no defect of ours into one line on standard error and exit code 2."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from evals.cli.tables import say

FOUND_A_PROBLEM, WRONG_USE, STOPPED = 1, 2, 130


class ErrorHandlingGroup(click.Group):
    """A command with others below it, none of which shows a traceback for what is no defect of ours."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with code 2 on such an error, with 130 if the user stopped it."""
        # A terminal that cannot show a character must not cost the run that was just finished.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except click.ClickException as error:
            context = error.ctx if isinstance(error, click.UsageError) and error.ctx else ctx
            say(f"twinlens: {error.format_message()} See: {context.command_path} --help", err=True)
            sys.exit(WRONG_USE)
        except KeyboardInterrupt:
            say("twinlens: stopped; the same command goes on where it was", err=True)
            sys.exit(STOPPED)
        except Exception as error:
            if not _is_expected(error):
                raise
            say(f"twinlens: {_one_line(error)}", err=True)
            sys.exit(WRONG_USE)


def _is_expected(error: Exception) -> bool:
    """Tell bad input, missing weights, a full disk and the like from a defect of ours, which keeps its traceback."""
    from evals.definition import DefinitionError
    from evals.facts.sources import FactsError
    from evals.generation.answers import HostUnavailable
    from evals.generation.clients import GenerationError
    from evals.generation.keys import UnusableKey
    from evals.generation.ledger import LedgerError
    from evals.imageset.imageset import ImageSetError
    from evals.rating.drift.changes import DriftError
    from evals.run import RunError
    from evals.scoring.stage import ScoringError
    from evals.suites.suite import SuiteError
    from metrics.encoders.catalogue import EncoderUnavailable

    scoring = (ImageSetError, ScoringError, RunError, DriftError, EncoderUnavailable, SuiteError, DefinitionError)
    generation = (FactsError, GenerationError, LedgerError, HostUnavailable, UnusableKey)
    return isinstance(error, (*scoring, *generation, OSError))


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        problem = error.strerror[:1].lower() + error.strerror[1:]
        return f"{where}{problem}; nothing was lost, the same command goes on once this is fixed"
    return " ".join(str(error).split())
