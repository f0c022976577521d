"""Options that several commands share, and what ``--json`` prints."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from evals.imageset.visible import visible


class FilePath(click.Path):
    """A file or folder; an empty path, as an unset variable of a script leaves it, is not the current folder."""

    def __init__(self, **checks: bool) -> None:
        """Take the checks of `click.Path`."""
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not str(value).strip():
            self.fail("the path is empty; write . for the current folder.", param, ctx)
        return super().convert(value, param, ctx)


class PathOrAddress(FilePath):
    """A folder: its path, or its address such as s3://bucket/folder, which stays text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or the address."""
        from evals.files.addresses import path_or_address

        if not str(value).strip():
            return super().convert(value, param, ctx)
        place = path_or_address(value)
        return place if isinstance(place, str) else super().convert(place, param, ctx)


class RunFolder(PathOrAddress):
    """The folder of a scored run; one at an address is copied here, and what the command changes is written back."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of the run or of its copy."""
        place = super().convert(value, param, ctx)
        if not isinstance(place, str) or ctx is None:
            return place
        from evals.imageset.remote import run_on_this_machine

        return ctx.with_resource(run_on_this_machine(place))


as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON for programs.")

device = click.option("--device", default="auto", type=click.Choice(["auto", "cpu", "cuda"]), show_default=True)

own_weights = click.option(
    "--weights",
    type=FilePath(),
    help="YAML or JSON file with lines such as cost: 2, how much each row counts in the total.",
)

verbose = click.option("-v", "--verbose", is_flag=True, help="Print all that is behind the answer.")


def _named(ctx: click.Context, param: click.Parameter, value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


some_systems = click.option(
    "--systems",
    default="",
    metavar="A,B",
    callback=_named,
    help="Only these systems of the run; the verdicts stay those of the whole run.",
)


def _thresholds(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, float]:
    thresholds = {}
    for part in (part.strip() for value in values for part in value.split(",")):
        row, _, number = part.rpartition("=")
        try:
            thresholds[row.strip()] = float(number)
        except ValueError:
            row = ""
        if not row.strip() or not 1 <= thresholds[row.strip()] <= 5:
            raise click.BadParameter(f"{part!r} is not ROW=STARS with 1 to 5 stars, such as text=4.", ctx, param)
    return thresholds


at_least = click.option(
    "--at-least",
    multiple=True,
    metavar="ROW=STARS",
    callback=_thresholds,
    help="Exit code 1 if a system has fewer stars in a row, or none; repeatable. SYSTEM:ROW=STARS holds one to it.",
)

run_folder = click.option(
    "--out",
    required=True,
    type=FilePath(file_okay=False),
    help="The run folder; continues an existing run.",
)


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no amount of money.", ctx, param)
    return value


def _limit(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    from evals.suites.sampling import check_limit

    try:
        return None if value is None else check_limit(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", ctx, param) from None


@dataclass(frozen=True, slots=True)
class ChosenEval:
    """Which eval is meant: a name or file, or systems and prompts; ``limit`` and ``host`` change what it asks."""

    name: str | None
    systems: str | None
    prompts: str | None
    size: str | None
    limit: int | str | None
    host: str | None

    @contextlib.contextmanager
    def file(self) -> Iterator[str | Path]:
        """Yield its name or file; one of systems and prompts alone is written for as long as it is used.

        Raises
        ------
        click.UsageError
            If none is named, or two are.
        """
        if self.name is not None:
            if self.systems or self.prompts or self.size:
                raise click.UsageError("EVAL says what is asked; leave it out, or --systems, --prompts and --size.")
            yield self.name
            return
        if not (self.systems and self.prompts):
            lacking = "--prompts" if self.systems else "--systems" if self.prompts else "--systems and --prompts"
            raise click.UsageError(f"Missing argument 'EVAL'; name an eval, or give {lacking}.")
        from evals.cli.tables import print_warnings
        from evals.generation.new_eval import write_new_eval

        with tempfile.TemporaryDirectory(prefix="twinlens-") as folder:
            names = [name.strip() for name in self.systems.split(",") if name.strip()]
            path, notes = write_new_eval(Path(folder), names, self.prompts, self.size or "1K")
            print_warnings(notes)
            yield path


def eval_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what says which eval is meant, which the command gets first, as a `ChosenEval`."""

    @functools.wraps(command)
    def with_chosen(
        *, name: str | None, systems: str | None, prompts: str | None, size: str | None, limit: int | str | None,
        host: str | None, **others: Any,
    ) -> None:  # fmt: skip
        command(ChosenEval(name, systems, prompts, size, limit, host), **others)

    options = (
        click.argument("name", metavar="[EVAL]", required=False),
        click.option("--systems", help="In place of EVAL: the systems, comma-separated: flux-2-pro@bfl,..."),
        click.option("--prompts", help="In place of EVAL: prompts as .txt, .csv, .jsonl, a suite's .yaml or its name."),
        click.option("--size", help="In place of EVAL: of the pictures, 512, 1K (the default), 2K or 4K."),
        click.option("--limit", callback=_limit, help="Ask so many prompts of each suite, 20 or 25%, drawn evenly."),
        click.option("--host", help="Ask all models through this host, with one key: fal, replicate ..."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), with_chosen)


def generation_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that may spend money."""
    options = (
        click.option(
            "--budget",
            type=click.FloatRange(min=0),
            callback=_finite,
            help="US dollars that the whole run may cost at most.",
        ),
        click.option("--retry-unknown", is_flag=True, help="Ask again where an answer was lost; it may be paid twice."),
        click.option(
            "--keep-going",
            is_flag=True,
            help="When systems stop for good and one is left, ask it what can no longer be compared, too.",
        ),
        click.option("--simulated", is_flag=True, help="Rehearse on simulated systems: no key, no cost."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def print_json(value: Any) -> None:
    """Print one JSON document; a path in it is written as text.

    Raises
    ------
    ValueError
        If a number in it is not finite, which JSON cannot say.
    """
    click.echo(visible(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=os.fspath)))
