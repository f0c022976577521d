"""The command ``twinlens import``: makes an image set of folders of pictures, one a system."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.options import FilePath, as_json, print_json
from evals.cli.tables import say

if TYPE_CHECKING:
    from evals.imageset.importing import Imported

_SHOWN = 8


@click.command("import")
@click.argument("folders", metavar="NAME=DIR NAME=DIR...", nargs=-1)
@click.option("--out", required=True, type=FilePath(), help="The image set to write, a new folder.")
@click.option("--prompts", type=FilePath(), help="A table of prompts: .csv, .tsv, .jsonl or .json.")
@click.option("--skip-bad", is_flag=True, help="Leave out what cannot be used, and list it.")
@click.option("-v", "verbose", is_flag=True, help="List everything.")
@as_json
def import_(
    folders: tuple[str, ...], out: Path, prompts: Path | None, skip_bad: bool, verbose: bool, json_wanted: bool
) -> None:
    """Make an image set of folders of pictures, one for each system, and say what belongs together.

    Pictures belong together by their names, or by the prompts that a metadata.jsonl or metadata.csv in a folder, or the
    table of --prompts, gives them. All columns stand in evals/imageset/README.md.
    """
    from evals.cli.progress import shown_progress
    from evals.imageset.importing import import_folders

    named = _folders(folders)
    with shown_progress() as progress:
        imported = import_folders(named, out, prompts, skip_bad, progress)
    if json_wanted:
        print_json(_as_dict(imported))
    else:
        _show(imported, None if verbose else _SHOWN)


def _folders(arguments: tuple[str, ...]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for argument in arguments:
        system, sign, path = argument.partition("=")
        if not (sign and system.strip() and path.strip()):
            raise click.UsageError(f"{argument!r} is not NAME=DIR, such as flux=pictures/flux.")
        if system.strip() in named:
            raise click.UsageError(f"{system.strip()!r} is given twice; name each system once.")
        named[system.strip()] = Path(path)
    if len(named) < 2:
        raise click.UsageError("Name the folders of at least two systems: A=DIR B=DIR.")
    return named


def _as_dict(imported: Imported) -> dict[str, Any]:
    return {**asdict(imported), "skipped": list(map(str, imported.skipped))}


def _show(imported: Imported, most: int | None) -> None:
    """Print what was paired, what was not on either side, what was left out, and what to type next."""
    say(", ".join(f"{system}: {n} pictures" for system, n in imported.pictures.items()))
    n_paired = imported.common_prompts
    say(f"paired: {n_paired} {'prompt has' if n_paired == 1 else 'prompts have'} a picture of every system")
    for system, lacks in imported.lacks.items():
        lines = [f"{each.name} (it has {each.near}; the same?)" if each.near else each.name for each in lacks]
        _listed(f"not paired, {system} lacks", lines, most)
        if most is None and len(lacks) > imported.near_sought:
            say(f"  (names that may be meant were sought for the first {imported.near_sought} only)")
    _listed("left out,", [str(problem) for problem in imported.skipped], most)
    _listed("no pictures,", imported.others, most)
    _listed("prompts without a picture,", imported.unused_prompts, most)
    if imported.without_prompt:
        n = "1 picture" if imported.without_prompt == 1 else f"{imported.without_prompt} pictures"
        say(f"no prompt is known of {n}: prompt adherence cannot be measured without it (add --prompts FILE)")
    say(f"image set: {imported.folder}", f"score: twinlens score {imported.folder}")


def _listed(title: str, lines: Any, most: int | None) -> None:
    if lines:
        say(f"{title} {len(lines)}:")
        for line in lines[:most]:
            say(f"  {line}")
        if most is not None and len(lines) > most:
            say(f"  and {len(lines) - most} more; -v lists all")
