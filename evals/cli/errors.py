"""Turns every error into one line on standard error and exit code 2: what is wrong, where, and what is kept."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from typing import Any

import click

from evals.cli.tables import say

FOUND_A_PROBLEM, WRONG_USE, STOPPED, READER_GONE = 1, 2, 130, 141

_LONGEST = 200


_KEPT = {
    **dict.fromkeys(("generate", "run", "demo"), "every answer so far is kept, the same command goes on"),
    "vote": "every vote is kept, the same command goes on",
    "score": "the features computed so far are kept, the same command goes on",
}
"""What a command that was cut short leaves; the others keep no half work and are simply given again."""


class ErrorHandlingGroup(click.Group):
    """A command with others below it, none of which shows a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with code 2 on an error, with 130 if the user stopped it, 141 if nobody reads on.

        With ``TWINLENS_TRACEBACK`` in the environment a defect of ours is raised as it is.
        """
        # A terminal that cannot show a character must not cost the run that was just finished.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            _check_arguments(ctx)
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # What is still to be written goes nowhere, or the interpreter would complain at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(READER_GONE)
        except click.ClickException as error:
            context = error.ctx if isinstance(error, click.UsageError) and error.ctx else ctx
            say(f"twinlens: {error.format_message()} See: {context.command_path} --help", err=True)
            sys.exit(WRONG_USE)
        except KeyboardInterrupt:
            next_time = "goes on where it was" if ctx.invoked_subcommand in _KEPT else "begins anew"
            say(f"twinlens: stopped; the same command {next_time}", err=True)
            sys.exit(STOPPED)
        except Exception as error:
            is_expected = is_refusal(error)
            if not is_expected and "TWINLENS_TRACEBACK" in os.environ:
                raise
            message = _sentence(error, ctx.invoked_subcommand) if is_expected else _defect(error)
            say(f"twinlens: {message}", err=True)
            sys.exit(WRONG_USE)


def _check_arguments(ctx: click.Context) -> None:
    for argument in ctx.args:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise click.UsageError(f"{argument!r} is not UTF-8 text; rename the file or folder.", ctx) from None


def is_refusal(error: Exception) -> bool:
    """Tell bad input, missing weights, a full disk and the like from a defect of ours."""
    from evals.definition import DefinitionError
    from evals.facts.sources import FactsError
    from evals.files.addresses import AddressError
    from evals.generation.answers import HostUnavailable
    from evals.generation.clients import GenerationError
    from evals.generation.keys import UnusableKey
    from evals.generation.ledger import LedgerError
    from evals.imageset.imageset import ImageSetError
    from evals.imageset.tables import TableError
    from evals.rating.drift.changes import DriftError
    from evals.rating.selection import SelectionError
    from evals.rating.stars.thresholds import ThresholdError
    from evals.rating.weights import WeightsError
    from evals.run import RunError
    from evals.scoring.cluster import ClusterError
    from evals.scoring.stage import ScoringError
    from evals.voting.pairs import VotingError
    from metrics.encoders.catalogue import EncoderUnavailable

    scoring = (
        AddressError,
        ImageSetError,
        ScoringError,
        ClusterError,
        RunError,
        DriftError,
        SelectionError,
        ThresholdError,
        WeightsError,
        EncoderUnavailable,
        TableError,
        DefinitionError,
        VotingError,
    )
    generation = (FactsError, GenerationError, LedgerError, HostUnavailable, UnusableKey)
    return isinstance(error, (*scoring, *generation, OSError))


def _sentence(error: Exception, command: str | None) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        is_link = error.errno == errno.ELOOP  # where none is followed; what Linux says of it misleads
        problem = "is a link" if is_link else error.strerror or str(error) or type(error).__name__
        kept = f"; {_KEPT[command]} once this is put right" if command in _KEPT else ""
        return " ".join(f"{where}{problem[:1].lower()}{problem[1:]}{kept}".split())
    return " ".join(str(error).split())


def _defect(error: Exception) -> str:
    """Return the sentence about an error that nobody has foreseen: in memory, in a library, or in this code."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
    return (
        f"{what} ({os.path.basename(place.filename)}, line {place.lineno}); this is a defect of TwinLens, or too large "
        "an input; with TWINLENS_TRACEBACK=1 the same command shows where"
    )
