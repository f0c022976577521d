"""The table of what is computed from a run's requests and not from its images: speed, money, refusals."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.specification import Better


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """One figure of a system's operation: a frozen row. It needs requests with outcome, times and cost, no encoder.

    ``in_summary`` says whether a terminal shows it, ``by_size`` is its place where sizes stand side by side (0: none),
    ``rate``: it is of something that happens or does not, ``under_load``: it is of requests that had others of their
    system in flight beside them.
    """

    id: str
    version: int
    title: str
    unit: str
    better: Better
    range: tuple[float | None, float | None]
    source: str
    in_summary: bool = False
    by_size: int = 0
    rate: bool = False
    under_load: bool = False

    @property
    def dimension(self) -> str:
        """The part of the id before the dot."""
        return self.id.split(".", 1)[0]


_QUANTILE = "linear quantile (Hyndman and Fan 1996, type 7)"
_UNITS = "interval by prompt and time (Lazarus et al. 2018)"
_WILSON = "Wilson 1927, prompts as trials"

OPERATIONS: tuple[OperationSpec, ...] = (
    OperationSpec(
        "operations.latency_p50", 2, "Latency, median", "s", "lower", (0, None),
        f"{_QUANTILE} of requests asked one at a time; {_UNITS}", in_summary=True, by_size=1,
    ),
    OperationSpec(
        "operations.latency_p95", 2, "Latency, 95th percentile", "s", "lower", (0, None),
        "the same; a lower bound below 59 independent values or with a timeout", in_summary=True, by_size=2,
    ),
    OperationSpec(
        "operations.latency_under_load_p50", 1, "Latency under load, median", "s", "lower", (0, None),
        f"{_QUANTILE} of requests with others in flight; {_UNITS}", in_summary=True, under_load=True,
    ),
    OperationSpec(
        "operations.latency_under_load_p95", 1, "Latency under load, 95th percentile", "s", "lower", (0, None),
        "the same; a lower bound below 59 independent values or with a timeout", under_load=True,
    ),
    OperationSpec(
        "operations.queue_p50", 2, "Time in the queue, median", "s", "lower", (0, None),
        "host's word, else measured", by_size=3,
    ),
    OperationSpec(
        "operations.generation_p50", 2, "Time of generation, median", "s", "lower", (0, None),
        "host's word, else measured", by_size=4,
    ),
    OperationSpec(
        "operations.download_p50", 2, "Time of download, median", "s", "lower", (0, None), "measured", by_size=5,
    ),
    OperationSpec(
        "operations.seconds_per_megapixel", 2, "Latency per megapixel, median", "s per million pixels", "lower",
        (0, None), "latency over width x height / 10^6", by_size=6,
    ),
    OperationSpec(
        "operations.throughput", 2, "Throughput while in flight", "pictures per minute", "higher", (0, None),
        f"pictures over the union of in-flight spans; {_UNITS}", in_summary=True, by_size=8,
    ),
    OperationSpec(
        "operations.in_flight", 2, "Requests in flight at once, mean", "requests", "neither", (0, None),
        "Little 1961: summed request time over that union",
    ),
    OperationSpec(
        "operations.cost_per_image", 1, "Cost of a picture", "USD", "lower", (0, None), "mean told cost of pictures",
        in_summary=True, by_size=7,
    ),
    OperationSpec(
        "operations.cost_per_accepted_image", 1, "All money per accepted picture", "USD", "lower", (0, None),
        "all told money over pictures", in_summary=True,
    ),
    OperationSpec(
        "operations.cost_per_accepted_image_at_most", 1, "The same with all that may have been charged", "USD",
        "lower", (0, None), "plus what requests without a picture may have cost",
    ),
    OperationSpec(
        "operations.refusal_rate", 1, "Refused", "share of requests", "lower", (0, 1), _WILSON,
        in_summary=True, rate=True,
    ),
    OperationSpec(
        "operations.filter_rate", 1, "Filtered", "share of requests", "lower", (0, 1), _WILSON,
        in_summary=True, rate=True,
    ),
    OperationSpec(
        "operations.failure_rate", 1, "Failed or timed out", "share of requests", "lower", (0, 1), _WILSON,
        in_summary=True, rate=True,
    ),
    OperationSpec(
        "operations.unknown_rate", 1, "Answer lost", "share of requests", "lower", (0, 1), _WILSON,
        in_summary=True, rate=True,
    ),
)  # fmt: skip
"""Every figure. `evals.rating.operations` computes them."""
