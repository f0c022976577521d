"""Where finished pictures are fetched: signed addresses that expire, and a watch over keys that are sent there."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

from evals.generation.simulated.host import Job
from evals.generation.simulated.server import SimulatedServer

_KEY_HEADERS = ("authorization", "x-key", "x-goog-api-key", "x-api-key")
_EXPIRED = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to '
    "authenticate the request. Signature not valid in the specified time frame</Message></Error>"
)


def delivery_address(request: web.Request, server: SimulatedServer, job: Job) -> str:
    """Return the signed address of a job's picture: ``.../delivery/results/{task}_sample.png?se=...&sig=...``."""
    query = {
        "se": datetime.fromtimestamp(job.served_until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sp": "r",
        "sv": "2024-11-04",
        "sr": "b",
        "rsct": f"image/{job.order.format}",
        "sig": _signature(server, job),
    }
    name = f"{job.task_id}_sample.{job.order.format}"
    return f"{server.address(request)}/delivery/results/{name}?{urlencode(query)}"


def delivery_routes(server: SimulatedServer) -> list[web.RouteDef]:
    """Return the route that delivers a host's pictures; every format with delivery addresses adds it to its own."""

    async def deliver(request: web.Request) -> web.StreamResponse:
        job = server.jobs.get(request.match_info["task_id"])
        if job is None:
            return web.Response(status=404, text="BlobNotFound")
        job.call.keys_at_delivery += carries_key(request, server)
        if time.time() >= job.served_until or request.query.get("sig") != _signature(server, job):
            return web.Response(status=403, text=_EXPIRED, content_type="application/xml")
        if job.phase != "ready":
            return web.Response(status=404, text="BlobNotFound")
        return web.Response(body=await server.picture(job), content_type=f"image/{job.order.format}")

    return [web.get("/delivery/results/{task_id}_sample.{format}", deliver)]


def carries_key(request: web.Request, server: SimulatedServer) -> bool:
    """Tell whether a request carries a key: in a header that is made for it, or the host's key anywhere."""
    if any(name in request.headers for name in _KEY_HEADERS):
        return True
    words = [word for value in request.headers.values() for word in value.split()]
    return server.host.key is not None and server.host.key in [*words, *request.query.values()]


def _signature(server: SimulatedServer, job: Job) -> str:
    return hashlib.sha256(f"{server.name} {job.task_id} {job.ready_at}".encode()).hexdigest()
