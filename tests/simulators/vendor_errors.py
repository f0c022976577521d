"""The errors of Google, Vertex and Black Forest Labs that only a script brings about, in the vendors' own shapes."""

from aiohttp import web

from evals.generation.simulated.google import ERROR_INFO, bad_key, error_answer

_RPC = "type.googleapis.com/google.rpc"
_STATUS = {500: "INTERNAL", 503: "UNAVAILABLE", 401: "UNAUTHENTICATED"}
_PERIOD = {"rate_limited": "Minute", "daily_quota": "Day"}


def render_error(name, problem):
    """Render an error of a host; for Google's, which quota and how long to wait stand in the body."""
    if name == "bfl":
        return web.json_response({"detail": problem.message}, status=problem.status, headers=problem.headers)
    if problem.status == 429:
        quota = f"GenerateRequestsPer{_PERIOD[problem.behaviour]}PerProjectPerModel"
        delay = f"{problem.retry_after_s or 3600:g}s"
        failure = {"@type": f"{_RPC}.QuotaFailure", "violations": [{"quotaId": quota}]}
        details = [failure, {"@type": f"{_RPC}.RetryInfo", "retryDelay": delay}]
        message = "You exceeded your current quota, please check your plan."
        return error_answer(429, message, "RESOURCE_EXHAUSTED", details)
    if problem.behaviour == "bad_key":
        return bad_key(name, "another")
    if problem.behaviour == "no_credit":
        if name == "google":
            return error_answer(400, "Please enable billing on your project to use this model.", "FAILED_PRECONDITION")
        info = {"@type": ERROR_INFO, "reason": "BILLING_DISABLED", "domain": "googleapis.com"}
        return error_answer(403, "This API method requires billing to be enabled.", "PERMISSION_DENIED", [info])
    return error_answer(problem.status, problem.message, _STATUS[problem.status])
