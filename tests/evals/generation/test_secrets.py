"""No key and no signed address is left anywhere: not on disk, not on the screen, not in a log."""

import base64
import json
import logging
import urllib.parse
from dataclasses import replace

import httpx2 as httpx
import pytest
from click.testing import CliRunner

from evals.cli.generate import print_generation
from evals.cli.main import main
from evals.facts.models import read_facts
from evals.generation.clients import OpenSystems
from evals.generation.hosts.bfl import Bfl
from evals.generation.pacing import RateLimiter
from evals.generation.request_loop import SystemClient
from evals.generation.simulated.call_log import CallLog
from evals.generation.stage import generate
from tests.evals.generation.simulated_runs import HASTE, SYSTEMS, a_plan, faulty_hosts
from tests.simulators.faults import FORMATS, serve_faulty, storm

KEYS = {
    "google": ("GEMINI_API_KEY", "AIzaSy-known-google-key_0123456789"),
    "bfl": ("BFL_API_KEY", "11111111-2222-known-bfl-key"),
    "replicate": ("REPLICATE_API_TOKEN", "r8_knownReplicateToken0123456789"),
    "fal": ("FAL_KEY", "known-fal-id:known/fal+secret=="),
    "fireworks": ("FIREWORKS_API_KEY", "fw_knownFireworksKey0123"),
    "atlascloud": ("ATLASCLOUD_API_KEY", "apikey-known-atlascloud-0123"),
}

# A key on the vertex format is a short-lived token that never stands in the environment.
HERE = tuple(system for system in SYSTEMS if not system.endswith("@vertex"))


def spellings(key):
    return {
        key,
        urllib.parse.quote(key, safe=""),
        json.dumps(key)[1:-1],
        base64.b64encode(key.encode()).decode(),
        key[4:-4],
    }


def secrets_in(content):
    secrets = {spelling for _, key in KEYS.values() for spelling in spellings(key)}
    return sorted(secret for secret in {*secrets, "sig=", "Signature=", "X-Amz-", "token="} if secret in content)


@pytest.fixture
def eval_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\nsystems: [{', '.join(HERE)}]\nsuites: [demo-labels]\nseed: 5\nsize: 1K\n")
    return path


def test_a_run_with_every_fault_leaves_no_key_and_no_signed_address(tmp_path, monkeypatch, caplog, eval_file):
    caplog.set_level(logging.NOTSET)
    for variable, key in KEYS.values():
        monkeypatch.setenv(variable, key)
    monkeypatch.setattr("evals.generation.stage.RetryPolicy", lambda: HASTE)

    def script_of(host):
        wild = storm(0.3, list(FORMATS).index(host))
        return lambda arrival, prompt: "echo_key" if arrival == 10 else wild(arrival, prompt)

    log, facts, out = CallLog(), read_facts(), tmp_path / "run"
    hosts = faulty_hosts(HERE, script_of, retry_after_s=0.02)
    keyed = {name: replace(host, key=KEYS[name][1] if name in KEYS else None) for name, host in hosts.items()}
    printed = []
    with serve_faulty(keyed, log) as addresses:
        here = {name: facts.hosts[name].model_copy(update={"base_url": address}) for name, address in addresses.items()}
        monkeypatch.setattr(
            "evals.facts.models.read_facts", lambda path=None: replace(facts, hosts={**facts.hosts, **here})
        )
        for arguments in (
            ["generate", str(eval_file), "--out", str(out), "--budget", "50", "--keep-going"],
            ["generate", str(eval_file), "--out", str(out), "--json", "--retry-unknown", "--keep-going"],
            ["score", str(out / "images"), "--out", str(tmp_path / "scored"), "--metrics", "adherence.clip"],
            ["report", str(tmp_path / "scored"), "--out", str(tmp_path / "report")],
            ["systems", "--json"],
        ):
            result = CliRunner().invoke(main, arguments)
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            printed.append(result.output + result.stderr)

    echoed = [call.host for call in log.calls if call.behaviour == "echo_key"]
    assert set(echoed) >= set(KEYS), "every vendor should have answered with the key that it was sent"
    assert "was stopped" in printed[0]
    assert sum(call.outcome == "ok" for call in log.calls) > 30
    assert log.keys_at_delivery == 0
    assert not secrets_in("".join(printed))
    assert not secrets_in("\n".join(record.getMessage() for record in caplog.records))
    files = [path for folder in (out, tmp_path / "scored", tmp_path / "report") for path in folder.rglob("*")]
    left = {
        path.name: secrets
        for path in files
        if path.is_file() and (secrets := secrets_in(path.read_bytes().decode("latin-1")))
    }
    assert not left
    assert any(path.name == "ledger.jsonl" for path in files)


@pytest.mark.parametrize("status", [422, 429, 502])
def test_a_vendor_that_repeats_the_key_tells_it_to_no_table_and_no_terminal(tmp_path, capsys, status):
    _, key = KEYS["bfl"]
    quotation = f"bad x-key {key}, see https://d.example/log?sig=c2ln \x1b]0;title\x07"
    system, facts = "flux-2-pro@bfl", read_facts()
    answering = httpx.MockTransport(lambda request: httpx.Response(status, json={"detail": quotation}))
    host = Bfl(facts.hosts["bfl"], key, client=httpx.AsyncClient(transport=answering, trust_env=False))
    systems = OpenSystems(a_plan(2, [system]), {system: SystemClient(host, facts.find(system), RateLimiter(2))}, (key,))
    generation = generate(systems, tmp_path / "run", retry_policy=replace(HASTE, attempts=2, backoff_s=0.001))
    print_generation(generation)
    printed = capsys.readouterr()
    assert "bad x-key •••" in (generation.folder / "requests.jsonl").read_text()
    files = [path.read_text() for path in generation.folder.rglob("*") if path.is_file()]
    everything = [*files, printed.out, printed.err, json.dumps(generation.as_dict(), ensure_ascii=False)]
    assert not secrets_in("".join(everything))
    assert "\x1b" not in "".join(everything)
    assert "\\u001b" not in "".join(everything)
