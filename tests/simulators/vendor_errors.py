"""The errors of Google, Vertex and Black Forest Labs that only a script brings about, in the vendors' own shapes."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from evals.generation.simulated.google import ERROR_INFO, bad_key, error_answer
from evals.generation.simulated.google_requests import Surface
from tests.simulators.faults import Problem

_STATUS = {500: "INTERNAL", 503: "UNAVAILABLE", 401: "UNAUTHENTICATED"}
_PERIOD = {"rate_limited": "Minute", "daily_quota": "Day"}


def render_google(problem: Problem) -> web.Response:
    """Render an error as AI Studio does: which quota and how long to wait stand in the body."""
    return _render(problem, "google")


def render_vertex(problem: Problem) -> web.Response:
    """Render an error as Vertex does."""
    return _render(problem, "vertex")


def render_bfl(problem: Problem) -> web.Response:
    """Render an error as Black Forest Labs does."""
    return web.json_response({"detail": problem.message}, status=problem.status, headers=problem.headers)


def _render(problem: Problem, surface: Surface) -> web.Response:
    if problem.status == 429:
        quota = f"GenerateRequestsPer{_PERIOD[problem.behaviour]}PerProjectPerModel"
        metric = "generativelanguage.googleapis.com/generate_content_requests"
        details: list[dict[str, Any]] = [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaMetric": metric, "quotaId": quota}],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{problem.retry_after_s or 3600:g}s"},
        ]
        message = "You exceeded your current quota, please check your plan."
        return error_answer(429, message, "RESOURCE_EXHAUSTED", details)
    if problem.behaviour == "bad_key":
        return bad_key(surface, "another")
    if problem.behaviour == "no_credit":
        if surface == "google":
            return error_answer(400, "Please enable billing on your project to use this model.", "FAILED_PRECONDITION")
        info = {"@type": ERROR_INFO, "reason": "BILLING_DISABLED", "domain": "googleapis.com"}
        return error_answer(403, "This API method requires billing to be enabled.", "PERMISSION_DENIED", [info])
    return error_answer(problem.status, problem.message, _STATUS[problem.status])
