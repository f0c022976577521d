"""The generation stage: an eval in, an image set with ledger and tables out; a second run finishes the first."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from evals.facts.pricing import max_cost_usd
from evals.files.atomic_files import clear_leftovers
from evals.generation.budget import Budget
from evals.generation.clients import GenerationError, OpenSystems
from evals.generation.keys import redact
from evals.generation.ledger import Ledger, RequestState, read_events, replay
from evals.generation.pacing import RetryPolicy, Stop
from evals.generation.pictures import OTHERS, Pictures
from evals.generation.plan import ImageRequest, plan_sha256
from evals.generation.request_loop import RunContext, SystemClient
from evals.generation.runner import run_requests
from evals.generation.tables import write_tables
from evals.generation.witnesses import check_ledger
from evals.imageset.checksums import write_checksums
from evals.imageset.contract import IMAGES, LEDGER, Outcome


@dataclass(frozen=True, slots=True)
class Generation:
    """How a run's generation stands.

    ``folder`` is the image set; ``outcomes`` counts for each system how many requests ended how, ``pending`` those that
    were not asked yet. ``n_passing`` of them ended without a picture for reasons that pass: the same command asks
    again. ``spent_usd`` is the most that the run has cost: what nobody knows counts at its worst. ``budget_reached``:
    requests were left out because of it; for all that is missing of the first such prompt ``refused_usd`` has to be
    held. ``unknown`` are the requests whose answer was lost, as rows of ``requests.jsonl``, ``stopped`` says why a
    system was not asked any more, ``interrupted`` whether the user stopped the run, ``simulated`` that nothing was
    spent.
    """

    folder: Path
    outcomes: Mapping[str, Mapping[str, int]]
    spent_usd: float
    budget_usd: float | None = None
    budget_reached: bool = False
    refused_usd: float = 0.0
    n_passing: int = 0
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
    def ended_by_budget(self) -> bool:
        """Whether nothing but the budget left requests unasked, and there are pictures."""
        made = any(counts.get("ok") for counts in self.outcomes.values())
        return self.budget_reached and made and not self.stopped and not self.interrupted

    @property
    def least_budget(self) -> str:
        """Return which budget lets the same command ask one more prompt."""
        return f"to ${math.ceil(round((self.spent_usd + self.refused_usd) * 100, 6)) / 100:.2f} or more"

    @property
    def missing(self) -> str | None:
        """Return how many pictures the same command would ask for, as a clause; None if there are none."""
        n_missing = self.n_pending + self.n_passing
        if not n_missing:
            return None
        n_all = sum(sum(counts.values()) for counts in self.outcomes.values())
        parts = {"were not asked for": self.n_pending, "failed for reasons that pass": self.n_passing}
        why = ", ".join(f"{n} {what}" for what, n in parts.items() if n)
        pictures = "picture is" if n_all == 1 else "pictures are"
        return f"{n_missing} of {n_all} {pictures} missing ({why})"

    @property
    def problem(self) -> str | None:
        """Return why requests were left unasked and what to do, as one sentence; None if all have their outcome."""
        if not self.n_pending:
            return None
        why = [f"{system} was stopped: {reason}" for system, reason in self.stopped.items()]
        if self.budget_reached:
            why.append(
                f"the budget of {self.budget_usd:g} USD allows no more: ${self.refused_usd:.2f} has to be held for "
                "what is missing of a prompt"
            )
        what = f"{self.n_pending} requests were not asked"
        goes_on = f"raise --budget {self.least_budget}" if self.budget_reached else "the same command asks them"
        if any("pending" in counts and system not in self.stopped for system, counts in self.outcomes.items()):
            goes_on += ", with --keep-going the other systems' all the same" if self.stopped else ""
        return f"{'; '.join(why) or 'the run was stopped'} ({what}; {goes_on})"

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON types."""
        return {**asdict(self), "folder": str(self.folder), "spent_usd": round(self.spent_usd, 6)}


@dataclass(slots=True)
class Count:
    """How far a run is: requests with an outcome, all of them, pictures, and what it has cost at most."""

    ended: int
    total: int
    pictures: int
    spent_usd: float


Watch: TypeAlias = Callable[[Count], None]


def generate(
    systems: OpenSystems,
    out: Path,
    *,
    budget_usd: float | None = None,
    retry_unknown: bool = False,
    keep_going: bool = False,
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
    keep_going
        When a system stops for good and one alone is left, ask it what can no longer be compared, too.
    retry_policy
        How often and how long things are tried.
    watch
        Called with the count after every outcome.

    Raises
    ------
    GenerationError
        If another process is at work in the folder, or a price is needed and not known.
    evals.generation.ledger.LedgerError
        If the folder's ledger is damaged, belongs to another plan, or knows less than what lies beside it.
    OSError
        If the disk fails. All that was answered before is kept.
    """
    from filelock import FileLock, Timeout

    check_prices(systems, budget_usd)
    folder = out / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f".{LEDGER}.lock", timeout=0):
            for written in (out, *(folder / below for below in ("", IMAGES, OTHERS, "references", "masks"))):
                clear_leftovers(written)
            retry_policy = retry_policy or RetryPolicy()
            return _generate(systems, folder, budget_usd, retry_unknown, keep_going, retry_policy, watch)
    except Timeout:
        raise GenerationError(f"another process is generating in {out}; wait for it or choose another folder") from None


def check_prices(systems: OpenSystems, budget_usd: float | None) -> None:
    """Raise `GenerationError` if a budget is to be kept and a price is not known."""
    for system, size in {(request.system, request.size): None for request in systems.requests}:
        if budget_usd is not None and max_cost_usd(systems.clients[system].offer, size) is None:
            raise GenerationError(
                f"no price of {system} in {size} is known, so no budget can be kept; leave out the system or --budget"
            )


def still_open(requests: Sequence[ImageRequest], out: Path, retry_unknown: bool = False) -> list[ImageRequest]:
    """Return the requests of a plan that a run folder has no outcome for; it may not exist yet.

    Raises
    ------
    evals.generation.ledger.LedgerError
        If the folder's ledger cannot be gone on with (see `generate`).
    """
    check_ledger(out / IMAGES)
    states = replay(read_events(out / IMAGES / LEDGER)[0])
    again = ("unknown",) if retry_unknown else ()
    return [r for r in requests if states[r.sample_id].is_open or states[r.sample_id].outcome in again]


def _generate(
    systems: OpenSystems,
    folder: Path,
    budget_usd: float | None,
    retry_unknown: bool,
    keep_going: bool,
    retry_policy: RetryPolicy,
    watch: Watch,
) -> Generation:
    from importlib.metadata import version

    requests = systems.requests
    check_ledger(folder)
    ledger = Ledger(folder / LEDGER, partial(redact, keys=systems.keys))
    try:
        ledger.open_for(plan_sha256(requests), twinlens=version("twinlens"), requests=len(requests))
        _reopen(systems, ledger, retry_unknown)
        states = ledger.states
        budget = budget_of(requests, systems.clients, states, budget_usd)
        stored = {sample_id: name for sample_id, state in states.items() if (name := state.picture_file)}
        closed = [state for request in requests if not (state := states[request.sample_id]).is_open]
        count = Count(len(closed), len(requests), sum(state.status == "ok" for state in closed), budget.spent_usd)
        watch(count)

        def changed(outcome: Outcome) -> None:
            count.ended += 1
            count.pictures += outcome == "ok"
            count.spent_usd = budget.spent_usd
            watch(count)

        context = RunContext(ledger, budget, Pictures(folder, stored), retry_policy, Stop(), changed, keep_going)
        try:
            _run(run_requests(requests, systems.clients, context), context.stop)
        finally:
            hosts = {system: client.offer.host for system, client in systems.clients.items()}
            rows = write_tables(folder, requests, states, hosts, systems.simulated)
            write_checksums(folder)
    finally:
        ledger.close()
    outcomes: dict[str, Counter[str]] = {request.system: Counter() for request in requests}
    ended = {row["sample_id"]: row["outcome"] for row in rows}
    for request in requests:
        outcomes[request.system][ended.get(request.sample_id, "pending")] += 1
    stopped = {
        system: redact(client.stopped, systems.keys) for system, client in systems.clients.items() if client.stopped
    }
    return Generation(
        folder=folder,
        outcomes={system: dict(counts) for system, counts in outcomes.items()},
        spent_usd=sum(state.spent_usd for state in states.values()),
        budget_usd=budget_usd,
        budget_reached=budget.exhausted and not context.stop.requested,
        refused_usd=budget.refused_usd,
        n_passing=sum(_passes(request, states) for request in requests if request.sample_id in ended),
        unknown=[row for row in rows if row["outcome"] == "unknown"],
        stopped=stopped,
        interrupted=context.stop.requested,
        warnings=systems.warnings,
        simulated=systems.simulated,
    )


def budget_of(
    requests: Sequence[ImageRequest],
    clients: Mapping[str, SystemClient],
    states: Mapping[str, RequestState],
    limit_usd: float | None,
) -> Budget:
    """Return the budget after what earlier processes spent, their tasks at work still held for.

    A system whose answers were dearer than the facts' worst price is held as much more for.
    """
    budget = Budget(limit_usd)
    for request in requests:
        state, client = states[request.sample_id], clients[request.system]
        if state.max_cost_usd > 0:
            client.surcharge = max(client.surcharge, state.last_usd / state.max_cost_usd)
        if state.may_be_followed:
            budget.spent_usd += state.possible_cost_usd
            budget.set_aside(request.sample_id, state.spent_usd - state.possible_cost_usd)
        else:
            budget.spent_usd += state.spent_usd
    return budget


def _passes(request: ImageRequest, states: Mapping[str, RequestState]) -> bool:
    """Tell whether a request that ended would be asked again, by itself or once its first shot is there."""
    state = states[request.sample_id]
    waits = state.status == "pending" and request.first_shot is not None and states[request.first_shot].is_open
    return waits or (state.status != "pending" and state.is_open)


def _reopen(systems: OpenSystems, ledger: Ledger, retry_unknown: bool) -> None:
    """Put requests back to pending that may be sent again; what they may have cost stays counted.

    These are requests whose answer was lost, where that is allowed or free, and those that simulators of an earlier
    process were at work on: they are gone, and cost nothing.
    """
    for request in systems.requests:
        state = ledger.states[request.sample_id]
        if systems.simulated and state.status in ("sent", "unknown", "accepted", "timeout", "failed"):
            ledger.append("rejected", request.sample_id, reason="simulator_gone")
        elif state.outcome == "unknown" and (retry_unknown or systems.clients[request.system].offer.is_free):
            cost = state.max_cost_usd
            ledger.append("rejected", request.sample_id, reason="retry_unknown", possible_cost_usd=cost)


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
        finished = None
        try:
            # Ctrl-C may come while the thread is only starting: unheard, its work would be waited for to the end.
            finished = worker.submit(inside)
            finished.result()
        except KeyboardInterrupt:
            # The ledger is not to be closed under what is in flight.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.request)
            if finished is None:
                raise
            finished.result()
