"""What the stages hand on to each other: names of files, outcomes and reasons of requests, columns of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict, get_args

if TYPE_CHECKING:
    import pandas as pd

EVAL: Final = "eval.yaml"
"""The frozen definition in a run folder."""

SUITES: Final = "suites"
"""The suites of one's own in a run folder, as they were when it began."""

IMAGES: Final = "images"
"""The image set in a run folder, and the pictures in an image set."""

METADATA: Final = "metadata.jsonl"
"""The samples of an image set, one row a picture that exists."""

REQUESTS: Final = "requests.jsonl"
"""The requests behind an image set with their outcomes."""

LEDGER: Final = "ledger.jsonl"
"""The event log of an image set that TwinLens generated."""

CHECKSUMS: Final = "SHA256SUMS"
"""The hashes of what TwinLens derived from the ledger, as ``sha256sum --check`` reads them."""

SAMPLES: Final = "samples.jsonl"
SCORES: Final = "scores.parquet"
RATINGS: Final = "ratings.json"
PROVENANCE: Final = "provenance.json"

FEATURE_CACHE: Final = "features"
"""What was computed for a run, so that it is not computed again."""

REPORT: Final = "report"
"""The pages of a run."""

VOTES: Final = "votes.parquet"
"""The votes of people in a run folder."""

VOTES_STORE: Final = "votes.sqlite"
"""What keeps them while they are given; `VOTES` is written from it."""

Outcome: TypeAlias = Literal["ok", "refused", "filtered", "failed", "timeout", "unknown"]
"""How a request ended: ``unknown`` was sent, and its answer lost; only ``ok`` brought a picture."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

# Reasons that TwinLens itself gives for an outcome; all others are codes of the hosts.
NO_FIRST_SHOT: Final = "no_first_shot"
"""Never sent: the first shot of the sequence, which is its reference, brought no picture."""

FILE_MISSING: Final = "file_missing"
"""The picture was made, and its file deleted since."""

OTHER_SIZE: Final = "other_size"
"""The note on a picture that came in another size or shape than was asked for."""

ANSWER_LOST: Final = "answer_lost"
NOT_A_PICTURE: Final = "not_a_picture"
DELIVERY_EXPIRED: Final = "delivery_expired"
DELIVERY_FAILED: Final = "delivery_failed"
UNTRUSTED_URL: Final = "untrusted_url"
"""The host named an address of somebody else's to get the picture from."""


class PlannedRow(TypedDict):
    """What a request asks for, in ``requests.jsonl`` and ``metadata.jsonl``."""

    sample_id: str
    system: str
    suite: str
    prompt_id: str
    prompt: str
    seed: int
    repeat: int
    size: str
    sequence_id: str | None
    shot: int | None


class RequestRow(PlannedRow):
    """One row of ``requests.jsonl`` as TwinLens writes it; of a set from elsewhere only system and outcome are sure.

    What a request has cost at most is ``cost_usd`` and ``may_have_cost_usd`` together. ``in_flight`` is how many
    requests of the system were in flight at once while it was, itself included; a latency means little without it.
    ``note`` is what to know of a request that ended well, `OTHER_SIZE`. ``other_files`` are further pictures of the
    same answer: they were charged for and are no samples.
    """

    outcome: Outcome
    reason: str | None
    message: str | None
    note: str | None
    attempts: int
    cost_usd: float | None
    cost_basis: str | None
    may_have_cost_usd: float
    latency_s: float | None
    queue_s: float | None
    generation_s: float | None
    download_s: float | None
    in_flight: int | None
    task_id: str | None
    model_version: str | None
    prompt_used: str | None
    seed_used: int | None
    answer_text: str | None
    file_name: str | None
    other_files: list[str] | None
    sent_at: str | None
    ended_at: str | None
    simulated: bool


def ended_as(requests: pd.DataFrame, *outcomes: Outcome) -> pd.Series[bool]:
    """Return which requests ended with one of some outcomes."""
    return requests["outcome"].isin(outcomes)
