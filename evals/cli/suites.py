"""The commands ``twinlens suites``: list, show, check and import prompt suites."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evals.cli.errors import FOUND_A_PROBLEM
from evals.cli.options import FilePath, as_json, print_json
from evals.cli.tables import say

if TYPE_CHECKING:
    from evals.suites.suite import PromptItem, Suite

_DEMO = "demo-"
_OF_A_KIND = 5
"""So many problems of one kind in a suite are listed; more are counted, unless all are asked for."""


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def suites(ctx: click.Context, json_wanted: bool) -> None:
    """List the prompt suites; 'suites check' says what is wrong with them."""
    from evals.suites.suite import read_suite, suite_names

    if ctx.invoked_subcommand:
        return
    read = [read_suite(name) for name in suite_names()]
    if json_wanted:
        print_json([suite.model_dump(mode="json") for suite in read])
        return
    of_demo = {suite.name for suite in read if suite.name.startswith(_DEMO)}
    _print_list("", [suite for suite in read if suite.name not in of_demo])
    _print_list("The demo's, for its invented systems:", [suite for suite in read if suite.name in of_demo])


def _print_list(title: str, listed: Sequence[Suite]) -> None:
    """Print a line a suite, each with as much of its purpose as fits; the whole is what 'suites show' prints."""
    from evals.cli.tables import console

    if title and listed:
        say("", title)
    width = console().width
    for suite in listed:
        start = f"{suite.name:<20} v{suite.version}  {len(suite.items):>3} items  "
        say(start + textwrap.shorten(suite.purpose, max(width - len(start), 20), placeholder=" …"))


@suites.command()
@click.argument("name")
@as_json
def show(name: str, json_wanted: bool) -> None:
    """Print a suite's card and its prompts; NAME is a suite or a YAML file."""
    from evals.suites.suite import read_suite

    suite = read_suite(name)
    if json_wanted:
        print_json(suite.model_dump(mode="json"))
        return
    say(f"{suite.name} v{suite.version}, {len(suite.items)} items")
    for title, text in (("purpose", suite.purpose), ("made", suite.made), ("limits", suite.limits)):
        say(*_wrapped(f"{title + ':':<9}{text}", indent=9))
    if suite.seeds > 1 or suite.repeats:
        say(f"asked:   with {suite.seeds} seed(s), {suite.repeats or 1} time(s) each")
    if suite.first_shot_as_reference:
        say("asked:   the picture of a sequence's first shot is sent along with its later ones")
    for item in suite.items:
        say("", f"{item.id}{_described(item)}", *_wrapped("  " + item.prompt, indent=2))


@suites.command()
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@click.option("-v", "verbose", is_flag=True, help="List every problem, also hundreds of one kind.")
@as_json
def check(names: tuple[str, ...], verbose: bool, json_wanted: bool) -> None:
    """Say what is wrong with suites (default: all that come with TwinLens); exit code 1 if anything is."""
    from dataclasses import asdict

    from evals.suites.lint import check_named, in_short
    from evals.suites.suite import suite_names

    read, problems = check_named(names or suite_names())
    counts = {"suites": len(read), "items": sum(len(suite.items) for suite in read)}
    if json_wanted:
        print_json({**counts, "problems": [asdict(problem) for problem in problems]})
    else:
        say(*in_short(problems, len(problems) if verbose else _OF_A_KIND))
        checked = ", ".join(f"{number} {word if number != 1 else word[:-1]}" for word, number in counts.items())
        say(f"{checked}: {len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}")
    if problems:
        sys.exit(FOUND_A_PROBLEM)


@suites.command("import")
@click.argument("format_name", metavar="FORMAT")
@click.argument("source", metavar="FILE", type=FilePath())
@click.option("--out", required=True, type=FilePath(dir_okay=False), help="The suite: NAME.yaml.")
@as_json
def import_(format_name: str, source: Path, out: Path, json_wanted: bool) -> None:
    """Write a suite from a public benchmark's prompts.

    FORMAT is partiprompts, drawbench, geneval, dpg-bench, t2i-compbench, longtext-bench or oneig-bench; FILE is the
    file that the benchmark publishes, for dpg-bench and t2i-compbench also the folder of its text files.
    """
    from evals.suites.formats import import_suite

    suite = import_suite(format_name.lower(), source, out)
    if json_wanted:
        print_json({"suite": str(out), "items": len(suite.items)})
    else:
        say(f"suite: {out} ({len(suite.items)} items)", suite.made, f"check: twinlens suites check {out}")


def _described(item: PromptItem) -> str:
    """Return what is known of an item besides its prompt, in brackets."""
    facts = [*item.tags]
    if item.sequence_id is not None:
        facts.append(f"{item.sequence_id} shot {item.shot}")
    if item.expected_text:
        lines = " / ".join(item.expected_text)
        facts.append(f"text in {item.language}: {lines}" if item.language else f"text: {lines}")
    for thing in item.objects:
        words = (str(thing.count), thing.colour, thing.material, thing.name, thing.position)
        facts.append(" ".join(word for word in words if word))
    facts += [f"{each.first} {each.relation} {each.second}" for each in item.relations]
    facts += [f"no {name}" for name in item.absent]
    facts += item.palette
    return f"  [{'; '.join(facts)}]" if facts else ""


def _wrapped(text: str, indent: int) -> list[str]:
    from evals.cli.tables import console

    width = console().width
    return textwrap.wrap(text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
