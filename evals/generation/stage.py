"""The generation stage: an eval in, an image set with ledger and tables out; a second run finishes the first."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from evals.definition import DefinitionError, definition_path, read_definition
from evals.facts.pricing import max_cost_usd
from evals.generation.budget import Budget
from evals.generation.clients import GenerationError, OpenSystems
from evals.generation.keys import redact
from evals.generation.ledger import Ledger, RequestState, read_events, replay
from evals.generation.pacing import RetryPolicy, Stop
from evals.generation.pictures import Pictures
from evals.generation.plan import ImageRequest, plan_sha256
from evals.generation.request_loop import RunContext
from evals.generation.runner import is_open, run_requests
from evals.generation.tables import write_tables
from evals.imageset.contract import EVAL, IMAGES, LEDGER
from evals.imageset.imageset import write_atomically


@dataclass(frozen=True, slots=True)
class Generation:
    """How a run's generation stands.

    Attributes
    ----------
    folder
        The image set.
    outcomes
        For each system, how many requests ended how; ``pending`` are those that were not asked yet.
    spent_usd
        What the run has cost at most: what nobody knows counts at its worst.
    budget_usd
        The limit that was given.
    budget_reached
        Whether requests were left out because of it.
    unknown
        The requests whose answer was lost, as rows of ``requests.jsonl``.
    stopped
        Why a system was not asked any more.
    interrupted
        Whether the user stopped the run.
    warnings
        What to know about the systems.
    simulated
        Whether the systems were simulated, so that nothing was spent.
    """

    folder: Path
    outcomes: Mapping[str, Mapping[str, int]]
    spent_usd: float
    budget_usd: float | None = None
    budget_reached: bool = False
    unknown: Sequence[Mapping[str, Any]] = ()
    stopped: Mapping[str, str] = field(default_factory=dict)
    interrupted: bool = False
    warnings: Sequence[str] = ()
    simulated: bool = False

    @property
    def n_pending(self) -> int:
        """Return how many requests have no outcome yet."""
        return sum(counts.get("pending", 0) for counts in self.outcomes.values())

    @property
    def problem(self) -> str | None:
        """Return why requests were left unasked and what to do, as one sentence; None if all have their outcome."""
        if not self.n_pending:
            return None
        why = [f"{system} was stopped: {reason}" for system, reason in self.stopped.items()]
        if self.budget_reached:
            why.append(f"the budget of {self.budget_usd:g} USD allows no more")
        what = f"{self.n_pending} requests were not asked"
        return f"{'; '.join(why) or 'the run was stopped'} ({what}; the same command asks them)"

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON types."""
        return {
            "folder": str(self.folder),
            "outcomes": {system: dict(counts) for system, counts in self.outcomes.items()},
            "spent_usd": round(self.spent_usd, 6),
            "budget_usd": self.budget_usd,
            "budget_reached": self.budget_reached,
            "unknown": [dict(row) for row in self.unknown],
            "stopped": dict(self.stopped),
            "interrupted": self.interrupted,
            "warnings": list(self.warnings),
            "simulated": self.simulated,
        }


@dataclass(slots=True)
class Count:
    """How far a run is: requests with an outcome, all of them, pictures, and what it has cost at most."""

    ended: int
    total: int
    pictures: int
    spent_usd: float


Watch: TypeAlias = Callable[[Count], None]


def freeze_definition(name_or_path: str | Path, out: Path) -> None:
    """Copy the eval definition into the run folder, or see that the run is of the same one.

    Raises
    ------
    GenerationError
        If the folder holds another run, or images that were not generated here.
    """
    if not check_folder(name_or_path, out):
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / EVAL, definition_path(name_or_path).read_bytes())


def check_folder(name_or_path: str | Path, out: Path) -> bool:
    """Return whether the folder holds a run of this eval already; False for one that is empty or not there.

    Raises
    ------
    GenerationError
        If it holds anything else.
    """
    frozen = out / EVAL
    if frozen.is_file():
        try:
            same = read_definition(frozen) == read_definition(name_or_path)
        except DefinitionError as error:
            raise GenerationError(f"{frozen} cannot be used ({error}); choose a new folder") from None
        if not same:
            raise GenerationError(f"{out} holds a run of another eval ({frozen.name} differs); choose a new folder")
        return True
    # What a crash left while it wrote the file does not make the folder another run's.
    if out.exists() and (not out.is_dir() or any(not entry.name.startswith(f".{EVAL}.") for entry in out.iterdir())):
        raise GenerationError(f"{out} is not empty and holds no run that was generated; choose a new folder")
    return False


def generate(
    systems: OpenSystems,
    out: Path,
    *,
    budget_usd: float | None = None,
    retry_unknown: bool = False,
    retry_policy: RetryPolicy | None = None,
    watch: Watch = lambda count: None,
) -> Generation:
    """Ask the systems for every picture that the run still lacks.

    Parameters
    ----------
    systems
        The plan and the systems, opened (see `evals.generation.clients`).
    out
        The run folder; the image set goes to ``images``.
    budget_usd
        What the run may cost in all, earlier parts of it included. What nobody knows counts at its worst.
    retry_unknown
        Send requests again whose answer was lost, although they may have been charged.
    retry_policy
        How often and how long things are tried.
    watch
        Called with the count after every outcome.

    Raises
    ------
    GenerationError
        If another process is at work in the folder, or a price is needed and not known.
    evals.generation.ledger.LedgerError
        If the folder's ledger is damaged or belongs to another plan.
    OSError
        If the disk fails. All that was answered before is kept.
    """
    from filelock import FileLock, Timeout

    _check_budget(systems, budget_usd)
    folder = out / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f".{LEDGER}.lock", timeout=0):
            return _generate(systems, folder, budget_usd, retry_unknown, retry_policy or RetryPolicy(), watch)
    except Timeout:
        raise GenerationError(f"another process is generating in {out}; wait for it or choose another folder") from None


def still_open(requests: Sequence[ImageRequest], out: Path, retry_unknown: bool = False) -> list[ImageRequest]:
    """Return the requests of a plan that a run folder has no outcome for; it may not exist yet."""
    states = replay(read_events(out / IMAGES / LEDGER)[0])
    state = {request.sample_id: states.get(request.sample_id, RequestState()) for request in requests}
    again = ("unknown",) if retry_unknown else ()
    return [r for r in requests if is_open(state[r.sample_id]) or state[r.sample_id].outcome in again]


def _check_budget(systems: OpenSystems, budget_usd: float | None) -> None:
    if budget_usd is None:
        return
    for system, size in dict.fromkeys((request.system, request.size) for request in systems.requests):
        if max_cost_usd(systems.clients[system].offer, size) is None:
            raise GenerationError(
                f"no price of {system} in {size} is known, so no budget can be kept; leave out the system or --budget"
            )


def _generate(
    systems: OpenSystems,
    folder: Path,
    budget_usd: float | None,
    retry_unknown: bool,
    retry_policy: RetryPolicy,
    watch: Watch,
) -> Generation:
    from importlib.metadata import version

    requests = systems.requests
    ledger = Ledger(folder / LEDGER, partial(redact, keys=systems.keys))
    try:
        ledger.open_for(plan_sha256(requests), twinlens=version("twinlens"), requests=len(requests))
        if systems.simulated:
            _start_over(requests, ledger)
        free = {system for system, client in systems.clients.items() if client.offer.is_free}
        _allow_again((request for request in requests if retry_unknown or request.system in free), ledger)
        budget = _opened_budget(requests, ledger, budget_usd)
        stored = {
            sample_id: state.ending["picture"] for sample_id, state in ledger.states.items() if state.status == "ok"
        }
        context = RunContext(ledger, budget, Pictures(folder, stored), retry_policy, Stop())
        count = _counted(requests, context)
        watch(count)

        def changed(outcome: str) -> None:
            count.ended += 1
            count.pictures += outcome == "ok"
            count.spent_usd = budget.spent_usd
            watch(count)

        context.changed = changed
        try:
            _run(run_requests(requests, systems.clients, context), context.stop)
        finally:
            hosts = {system: client.offer.host for system, client in systems.clients.items()}
            rows = write_tables(folder, requests, ledger.states, hosts, systems.simulated)
    finally:
        ledger.close()
    stopped = {
        system: redact(client.stopped, systems.keys) for system, client in systems.clients.items() if client.stopped
    }
    return Generation(
        folder=folder,
        outcomes=_outcomes(requests, rows),
        spent_usd=sum(state.spent_usd for state in ledger.states.values()),
        budget_usd=budget_usd,
        budget_reached=budget.exhausted and not context.stop.wanted,
        unknown=[row for row in rows if row["outcome"] == "unknown"],
        stopped=stopped,
        interrupted=context.stop.wanted,
        warnings=systems.warnings,
        simulated=systems.simulated,
    )


def _allow_again(requests: Iterable[ImageRequest], ledger: Ledger) -> None:
    """Put the requests whose answer was lost back to pending; what they may have cost stays counted."""
    for request in requests:
        state = ledger.states.get(request.sample_id, RequestState())
        if state.outcome == "unknown":
            facts = {"reason": "retry_unknown", "possible_cost_usd": state.max_cost_usd}
            ledger.append("rejected", request.sample_id, **facts)


def _start_over(requests: Iterable[ImageRequest], ledger: Ledger) -> None:
    """Put requests that simulators of an earlier process were at work on back to pending: they are gone, and free."""
    for request in requests:
        if ledger.states.get(request.sample_id, RequestState()).status in (
            "sent",
            "unknown",
            "accepted",
            "timeout",
            "failed",
        ):
            ledger.append("rejected", request.sample_id, reason="simulator_gone")


def _opened_budget(requests: Sequence[ImageRequest], ledger: Ledger, limit_usd: float | None) -> Budget:
    """Return the budget with what was spent, and what accepted tasks may still cost held."""
    budget = Budget(limit_usd)
    for request in requests:
        state = ledger.states.get(request.sample_id, RequestState())
        if state.may_be_followed:
            budget.spent_usd += state.possible_cost_usd
            budget.set_aside(request.sample_id, state.spent_usd - state.possible_cost_usd)
        else:
            budget.spent_usd += state.spent_usd
    return budget


def _counted(requests: Sequence[ImageRequest], context: RunContext) -> Count:
    closed = [request for request in requests if not is_open(context.ledger.state(request.sample_id))]
    pictures = sum(context.ledger.state(request.sample_id).status == "ok" for request in closed)
    return Count(len(closed), len(requests), pictures, context.budget.spent_usd)


def _outcomes(requests: Sequence[ImageRequest], rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {request.system: Counter() for request in requests}
    ended = {row["sample_id"]: row["outcome"] for row in rows}
    for request in requests:
        counts[request.system][ended.get(request.sample_id, "pending")] += 1
    return {system: dict(found) for system, found in counts.items()}


def _run(work: Coroutine[Any, Any, None], stop: Stop) -> None:
    """Run to the end, in a thread of its own where this one (a notebook's, say) already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    loop = asyncio.new_event_loop()

    def inside() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(work)

    with ThreadPoolExecutor(1, "generation") as worker:
        finished = worker.submit(inside)
        try:
            finished.result()
        except KeyboardInterrupt:
            # The ledger is not to be closed under what is in flight.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.ask)
            finished.result()
