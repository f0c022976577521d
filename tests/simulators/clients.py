"""A client of one simulated host, its log of calls, and pictures to send to it."""

import base64
import io
from contextlib import contextmanager

import httpx2 as httpx
import PIL.Image

from evals.generation.simulated.call_log import CallLog
from tests.simulators.faults import FaultyHost, serve_faulty


@contextmanager
def client_of(name, models, key, behaviour="ok", **settings):
    """Serve a host that behaves the same at every call; yields a client of its address, and the log."""
    host, log = FaultyHost(models, key, lambda arrival, prompt: behaviour, **settings), CallLog()
    # Loading the certificates of the web would take longer than the whole test.
    with (
        serve_faulty({name: host}, log) as addresses,
        httpx.Client(base_url=addresses[name], timeout=5.0, verify=False) as client,
    ):
        yield client, log


def without_fields(body):
    return {field: value for field, value in body.items() if value is not ...}


def encoded(width=64, height=64):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def opened(content):
    return PIL.Image.open(io.BytesIO(content))
