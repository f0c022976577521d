"""What a host's answer means for one request: accepted, running, finished, ended without a picture, or rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from evals.generation.spooling import Spooled


@dataclass(frozen=True, slots=True)
class ResponseMetadata:
    """What a host told about a request beside the picture; None where it told nothing.

    ``prompt_used`` is the prompt as the host rewrote it, ``seed_used`` the seed that was really used, ``cost_usd`` the
    price that the host itself named. ``usage`` are counts that a price is computed from: ``input_text``,
    ``input_image``, ``output_image``, ``output_text`` in tokens, or ``input_mp``, ``output_mp`` in megapixels.
    ``queue_s`` and ``generation_s`` are by the host's own clock; ``text`` is what the model wrote instead of, or
    beside, a picture; ``n_pictures`` is how many the answer holds, where that is more than one: all are charged for.
    """

    model_version: str | None = None
    prompt_used: str | None = None
    seed_used: int | None = None
    cost_usd: float | None = None
    usage: Mapping[str, float] | None = None
    queue_s: float | None = None
    generation_s: float | None = None
    text: str | None = None
    n_pictures: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """An accepted task: all that another process needs to ask for it again. It holds no key and no signed address."""

    id: str
    polling_url: str
    result_url: str | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The host has taken the request in and will charge for it; the picture is to be asked for."""

    task: Task


@dataclass(frozen=True, slots=True)
class Running:
    """The task is not done; ``queued`` where the host says that work has not begun."""

    status: str
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """The picture was made: ``content`` holds its untouched bytes, or ``url`` the address to get them from.

    Of several the first final one is taken on every host; ``others`` are the rest, as bytes or addresses.
    """

    content: bytes | Spooled | None = None
    url: str | None = field(default=None, repr=False)  # signed: who holds it can read the picture
    metadata: ResponseMetadata = ResponseMetadata()
    others: tuple[bytes | Spooled | str, ...] = field(default=(), repr=False)


TEXT_ONLY = "text_only"
"""The reason of a model that wrote instead of drawing: refused, on every host."""


@dataclass(frozen=True, slots=True)
class Ended:
    """There will be no picture: the prompt was refused, the picture filtered, or the work failed.

    ``reason`` is the vendor's own code (``IMAGE_SAFETY``, ``Request Moderated``, ``http_422``), ``message`` its words.
    ``passes``: the host's machines failed, and not at this request, so that it may be sent again.
    """

    outcome: Literal["refused", "filtered", "failed"]
    reason: str
    message: str = ""
    metadata: ResponseMetadata = ResponseMetadata()
    passes: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The host did not take the request in; it can be sent again.

    ``reason`` is the vendor's code (``http_429``, ``RESOURCE_EXHAUSTED``), ``delay_s`` how long the host asks to wait,
    None where it does not say. ``stops`` says what to do, as a clause, where no request to this host can succeed (wrong
    key, no credit, unknown model, the day's quota), and is empty where waiting helps. ``may_have_cost``: the host
    failed at work (HTTP 500, say), so that nobody knows whether it charged. ``throttled``: it was one request too many
    for now, and nothing is wrong with it.
    """

    reason: str
    message: str = ""
    delay_s: float | None = None
    stops: str = ""
    may_have_cost: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The request was sent and nobody knows what became of it: it may have been charged."""

    reason: str
    message: str = ""


class HostUnavailable(ValueError):
    """A host cannot be used on this machine: a key, a library or weights are missing; the message says what to do."""


class MalformedResponse(ValueError):
    """An answer cannot be understood; the message says what was found, without any of it that might be secret."""


class UntrustedUrl(ValueError):
    """An address was named that the key must not be sent to, or that no picture can come from."""


class Expired(Exception):
    """The address of a picture is no longer served."""


SubmitAnswer: TypeAlias = Accepted | Finished | Ended | Rejected | OutcomeUnknown
PollAnswer: TypeAlias = Running | Finished | Ended | Rejected
