"""The command ``twinlens vote``: people's own blind votes on the pictures of a run, in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evals.cli.options import FilePath
from evals.cli.tables import say

if TYPE_CHECKING:
    from evals.run import Run
    from evals.voting.pairs import Pair
    from evals.voting.store import VoteStore


@click.command()
@click.argument("run", type=FilePath())
@click.option("--rows", default="", metavar="A,B", help="Only these rows of the star table (default: all to be seen).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Open it to others; the address then has a token.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--import", "votes_csv", type=FilePath(exists=True, dir_okay=False), help="Add votes from a CSV file.")
@click.option("--delete-voter", metavar="NAME", help="Delete a voter and all its votes.")
def vote(run: Path, rows: str, host: str, port: int, votes_csv: Path | None, delete_voter: str | None) -> None:
    """Let people vote blindly on the pictures of a scored run, in the browser; their votes go to RUN/votes.parquet.

    The address is printed; Ctrl-C ends it, and the same command goes on. Nothing but this machine reaches it without
    --host.
    """
    from evals.cli.progress import doing

    doing("pairing the pictures")
    from evals import load_run
    from evals.voting.importing import read_votes_csv
    from evals.voting.pairs import voting_pairs
    from evals.voting.store import VoteStore

    if delete_voter is not None and votes_csv is not None:
        raise click.UsageError("--import and --delete-voter are two things; give one at a time.")
    loaded = load_run(run)
    names = [name.strip() for name in rows.split(",") if name.strip()]
    pairs, not_asked = voting_pairs(loaded, names), voting_pairs(loaded) if names else []
    with VoteStore(run, pairs, not_asked) as store:
        if delete_voter is not None:
            say(f"deleted: voter {delete_voter}; answers: {store.delete_voter(delete_voter)}")
        elif votes_csv is not None:
            votes = read_votes_csv(votes_csv, [*not_asked, *pairs])
            store.add(votes)
            say(f"votes: {len(votes)} added to {run}")
        else:
            _serve(loaded, store, pairs, host, port)
            say(f"votes: {len(store.votes())} in {run}; twinlens rate {run} shows what they say")


def address_for_others() -> str:
    """Return the address of this machine in its network: what a machine calls itself, a phone seldom finds."""
    import socket

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # nothing is sent; the system only says from where it would be
            return str(probe.getsockname()[0])
    except OSError:
        return socket.getfqdn()


def _serve(run: Run, store: VoteStore, pairs: Sequence[Pair], host: str, port: int) -> None:
    import asyncio
    import secrets

    from evals.cli.progress import doing
    from evals.voting.application import VotingPages, is_loopback, serve

    token = "" if is_loopback(host) else secrets.token_urlsafe(18)
    n_rows = len({pair.row for pair in pairs})

    def started(port: int) -> None:
        name = address_for_others() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        say(f"{len(pairs)} pairs in {n_rows} {'row' if n_rows == 1 else 'rows'}; Ctrl-C ends it, no vote is lost")
        say(f"vote at: http://{name}:{port}/{f'{token}/' if token else ''}")
        doing(f"taking votes at port {port}")

    asyncio.run(serve(VotingPages(run, store, pairs, token).application(), host, port, started))
