"""What ``twinlens rate`` and a notebook say once people have voted."""

import json

import pytest
from click.testing import CliRunner

import evals
from evals.cli.main import main
from evals.cli.people import more_votes
from tests.voting_run import SYSTEMS, write_voting_run


def voted_run(tmp_path, n_prompts=8, edits=0):
    folder = write_voting_run(tmp_path / "run", n_prompts=n_prompts)
    lines = ["voter,row,prompt_id,left,right,answer"]
    for voter in ("heron", "gull", "tern"):
        for n in range(8):
            answer = "right" if (voter, n) == ("tern", 3) else "left"
            lines.append(f"{voter},signs:text,signs-id-{n},{','.join(SYSTEMS)},{answer}")
    lines += [f"heron,retouching:editing,retouching-id-{n},{','.join(SYSTEMS)},right" for n in range(edits)]
    (tmp_path / "votes.csv").write_text("\n".join(lines))
    assert call("vote", folder, "--import", tmp_path / "votes.csv").exit_code == 0
    return folder


@pytest.fixture
def run(tmp_path):
    return voted_run(tmp_path)


def call(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)], catch_exceptions=False)


def test_rate_says_in_a_line_a_row_what_people_say(run):
    printed = call("rate", run).stdout
    (line,) = (line for line in printed.splitlines() if line.startswith("signs:text"))
    # 23 of 24 votes; the text of the one that people prefer has the lower error rate on every prompt.
    assert "96%" in line
    assert "4%" in line
    assert line.rstrip().endswith("100%")
    assert "24 votes of 3 voters" in printed
    details = call("rate", run, "-v").stdout
    assert "Krippendorff's alpha" in details
    assert "heron" in details


@pytest.mark.parametrize(
    ("n_prompts", "says"), [(None, "no saying"), (0, "none"), (60, "about 180 (60)"), (1716, "about 5,100 (1,700)")]
)
def test_how_many_more_votes_would_settle_it_is_told_in_two_digits(n_prompts, says):
    assert more_votes(n_prompts, {"n_votes": 72, "n_prompts": 24}) == says


def test_json_has_what_people_say_and_is_as_before_without_votes(run, tmp_path):
    people = json.loads(call("rate", run, "--json").stdout)["people"]
    (row,) = people["rows"]
    assert row["systems"][0]["system"] == SYSTEMS[0]
    assert row["systems"][0]["share"]["value"] == pytest.approx(23 / 24)
    assert row["metrics"][0] | {"kendall": None} == {
        "metric": "text.cer", "in_row": True, "n_pairs": 8, "n_without": 0, "accuracy": 1.0,
        "low": pytest.approx(0.676, abs=1e-3), "high": 1.0, "kendall": None, "kendall_low": None, "kendall_high": None,
        "more_prompts": 0,
    }  # fmt: skip
    assert "people" not in json.loads(call("rate", write_voting_run(tmp_path / "other"), "--json").stdout)


def test_a_notebook_shows_and_draws_it(run, tmp_path):
    loaded = evals.load_run(run)
    assert loaded.people().iloc[0][["row", "metric", "n_votes", "accuracy"]].tolist() == [
        "signs:text",
        "text.cer",
        24,
        1,
    ]
    shares = loaded.shares_of_wins()
    assert shares["system"].tolist() == list(SYSTEMS)
    assert (shares["low"] <= shares["share"]).all()
    assert len(loaded.plot.people().axes) == 2
    other = evals.load_run(write_voting_run(tmp_path / "other"))
    assert other.people().empty
    with pytest.raises(ValueError, match="nobody has voted"):
        other.plot.people()


@pytest.mark.parametrize(
    ("n_prompts", "says"), [(8, "not fitted; 20 prompts are needed"), (24, "equal weights in 100%: +0 points")]
)
def test_weights_are_fitted_on_request_alone(n_prompts, says, tmp_path):
    folder = voted_run(tmp_path, n_prompts, edits=n_prompts)
    fitted = call("rate", folder, "--fit-weights").stdout.replace("\n", " ")
    assert says in fitted.split("weights of retouching:editing: ")[1]
    assert "weights of" not in call("rate", folder).stdout
