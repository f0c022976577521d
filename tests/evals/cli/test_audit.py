"""`twinlens audit`: counts first, JSON for programs, a run beside it; code 0 whatever is found, 2 for wrong use."""

import json

import pytest
from click.testing import CliRunner

from evals.cli.main import main
from tests.run_folder import write_run

SECONDS = (8.0, 9.0, 9.5, 10.0, 10.5, 11.0, 12.0, 9.2)


def run(*arguments: str):
    return CliRunner().invoke(main, ["audit", *arguments], catch_exceptions=False)


@pytest.fixture
def scored_run(tmp_path):
    """Return a function that writes as much of a scored run as its operations need."""

    def write(system: str) -> str:
        requests = [
            {"system": system, "suite": "s", "prompt_id": str(n), "size": "1K", "outcome": "ok", "latency_s": seconds,
             "simulated": False}
            for n, seconds in enumerate(SECONDS)
        ]  # fmt: skip
        return str(write_run(tmp_path / "run", [{"sample_id": "s1", "system": system}], [], requests))

    return write


def test_people_read_the_counts_first_then_the_claims_by_verdict():
    done = run()
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Google Nano Banana 2 vs Flux Pro API: Image Generation 2026, 2026-07-15"
    n_claims, verdicts = lines[1].split(" claims: ")
    counts = {verdict: int(count) for count, verdict in (part.split() for part in verdicts.split(", "))}
    assert list(counts) == ["wrong", "outdated", "imprecise", "untested", "right"]
    assert sum(counts.values()) == int(n_claims) >= 45
    heads = [line.split(":")[0] for line in lines if line.startswith(("wrong:", "outdated:", "right:", "untested:"))]
    assert heads == ["wrong", "outdated", "untested", "right"]
    assert max(map(len, lines)) <= 140


def test_json_holds_verdict_value_sentence_source_and_day_of_every_claim():
    document = json.loads(run("--json").stdout)
    claims = {claim["id"]: claim for claim in document["claims"]}
    assert document["run"] is None
    assert sum(document["counts"].values()) == len(claims) >= 30
    assert document["rules"].keys() == document["counts"].keys()
    hours = claims["additional-hours"]
    assert (hours["verdict"], hours["stated"], round(hours["computed"], 2)) == ("wrong", "3.3", 3.06)
    server = claims["bfl-server"]
    assert server["verdict"] == "outdated"
    assert server["sources"][0]["url"] == "https://github.com/tryAGI/BlackForestLabs"
    assert server["read"] == server["sources"][0]["read"] == "2026-11-22"


def test_a_real_run_replaces_untested_and_the_page_is_written_beside_either_output(scored_run, tmp_path):
    page, folder = tmp_path / "audit.md", scored_run("flux-2-pro@bfl")
    document = json.loads(run("--run", folder, "--out", str(page), "--json").stdout)
    (latency,) = [claim for claim in document["claims"] if claim["id"] == "latency-flux-1k"]
    assert (latency["verdict"], latency["computed"]) == ("wrong", 9.75)
    assert document["run"] == folder
    text = page.read_text(encoding="utf-8")
    assert 'twinlens audit --run "$RUN" --out "$REPORTS/audit.md"' in text
    assert str(tmp_path) not in text
    assert run("--out", str(page)).stdout.endswith(f"report: {page}\n")


def test_a_folder_that_is_no_run_is_wrong_use(tmp_path):
    done = run("--run", str(tmp_path))
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "is not a scored run" in done.stderr
