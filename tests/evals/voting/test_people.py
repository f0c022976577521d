"""What votes say: known orders come back, intervals cover, and every figure equals an independent computation."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evals.reporting.people import notes
from evals.voting.agreement import coincidences_of, krippendorff_alpha, one_voter_with_others, voters_alpha
from evals.voting.clusters import clustered_share, more_prompts
from evals.voting.judgements import judgements, screen_voters
from evals.voting.pairs import Pair, Side
from evals.voting.people import people_of
from evals.voting.questions import Question
from evals.voting.store import VoteStore, read_votes

PUBLISHED = {
    # Krippendorff 2011, section B: two observers, ten units, two values.
    0.095: ["0100000010", "1110010000"],
    # The same, section C: four observers, twelve units, five values, with missing ones.
    0.743: ["123321412...", "1233224125.3", ".3332342251.", "12332441251."],
}


@pytest.mark.parametrize("alpha", PUBLISHED)
def test_alpha_is_that_of_the_published_examples(alpha):
    observers = PUBLISHED[alpha]
    counts = np.array([[[*unit].count(value) for value in "012345"] for unit in zip(*observers, strict=True)], float)
    assert float(krippendorff_alpha(coincidences_of(counts).sum(axis=0))) == pytest.approx(alpha, abs=5e-4)


def test_agreement_on_everything_is_one_and_on_a_single_answer_undefined():
    counts = np.array([[3, 0], [0, 3], [3, 0]], float)
    assert float(krippendorff_alpha(coincidences_of(counts).sum(axis=0))) == 1
    assert np.isnan(krippendorff_alpha(coincidences_of(counts[:1]).sum(axis=0)))


SYSTEMS = ("best@x", "good@x", "poor@x")
STRENGTH = {"best@x": 0.9, "good@x": 0.0, "poor@x": -0.9}
N_PROMPTS = 34


def sample(system, n):
    return f"{system}-{n}"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Six scripted voters who slip now and then, and one who clicks at random: 100 answers each, through the store."""
    run, random = tmp_path_factory.mktemp("run"), np.random.default_rng(3)
    question = Question("Which one follows the prompt better?", prompt_decides=True)
    pairs = [
        Pair(
            "precise",
            question,
            "precise",
            f"p{n:02}",
            (f"words {n}",),
            (),
            (),
            *(Side(s, (sample(s, n),)) for s in two),
        )
        for n in range(N_PROMPTS)
        for two in itertools.combinations(SYSTEMS, 2)
    ]
    quality = {sample(s, n): STRENGTH[s] + 0.8 * random.normal() for s in SYSTEMS for n in range(N_PROMPTS)}
    with VoteStore(run, pairs) as store:
        store._db.execute("UPDATE settings SET value = 11")
        store._db.execute("PRAGMA synchronous = OFF")
        by_key = {pair.key: pair for pair in pairs}
        for name in ("ada", "ben", "cleo", "dora", "emil", "fay", "random"):
            voter = store.voter(name)
            for _ in range(100):
                asked = store.question(voter)
                (left,), (right,) = asked.left, asked.right
                if name == "random" or random.random() < 0.03:
                    answer = random.choice(["left", "right", "tie", "both_bad"])
                elif asked.check == "identical":
                    answer = "tie"
                elif asked.check:
                    belongs = {*by_key[asked.pair].first.samples, *by_key[asked.pair].second.samples}
                    answer = "left" if left in belongs else "right"
                else:
                    lead = quality[left] - quality[right] + 0.7 * random.normal()
                    answer = "tie" if abs(lead) < 0.2 else "left" if lead > 0 else "right"
                store.answer(voter, asked.id, answer)
    systems = pd.Series({sample(s, n): s for s in SYSTEMS for n in range(N_PROMPTS)})
    values = {"adherence.clip": lambda name: quality[name] + random.normal(), "text.cer": lambda name: random.random()}
    scores = pd.DataFrame(
        [
            {"suite": "precise", "metric": metric, "subject": [name], "control": None, "value": value(name)}
            for metric, value in values.items()
            for name in quality
        ]
    )
    votes = read_votes(run)
    return votes, systems, scores, people_of(votes, systems, scores, {"precise": "precise"}, None, None, 1)


def test_the_random_voter_is_caught_and_nobody_else(session):
    votes, _, _, people = session
    assert len(votes) == 700
    assert [one["voter"] for one in people["voters"] if one["left_out"]] == ["random"]
    assert all(one["n_checks"] >= 10 for one in people["voters"])
    assert people["n_votes"] == sum(one["n_votes"] for one in people["voters"] if not one["left_out"])


def test_the_order_of_the_systems_is_recovered(session):
    (row,) = session[3]["rows"]
    shares = {one["system"]: one["share"] for one in row["systems"]}
    assert sorted(shares, key=lambda system: -shares[system]["value"]) == list(SYSTEMS)
    assert shares["best@x"]["low"] > 0.5 > shares["poor@x"]["high"]
    strengths = [one["log_strength"] for one in row["strengths"]]
    assert strengths == sorted(strengths, reverse=True)
    assert row["note"] is None
    assert row["more_prompts"] == 0  # the best two meet on many prompts, and one of them wins


def counted(session):
    votes, systems, _, _ = session
    return judgements(votes, systems, screen_voters(votes))


def test_alpha_equals_the_disagreement_of_every_two_answers(session):
    judged = counted(session)
    units = [list(rows["preference"]) for _, rows in judged.groupby(["prompt", "system_a", "system_b"])]
    units = [unit for unit in units if len(unit) > 1]
    answers = [answer for unit in units for answer in unit]
    observed = sum(sum(a != b for a, b in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in units) / len(
        answers
    )
    expected = sum(a != b for a, b in itertools.permutations(answers, 2)) / (len(answers) * (len(answers) - 1))
    estimate = voters_alpha(judged, 1)
    assert estimate.value == pytest.approx(1 - observed / expected)
    assert estimate.low < estimate.value < estimate.high


def test_a_metric_against_people_equals_a_count_by_hand(session):
    judged, (_, _, scores, people) = counted(session), session
    clip, chance = people["rows"][0]["metrics"]
    assert (clip["metric"], chance["metric"]) == ("adherence.clip", "text.cer")
    of_clip = scores[scores["metric"].eq("adherence.clip")]
    values = dict(zip(of_clip["subject"].str[0], of_clip["value"], strict=True))
    by_prompt, leads = {}, []
    for (prompt, a, b), rows in judged.groupby(["prompt", "system_a", "system_b"]):
        n = int(prompt[1:])
        metric, voted = values[sample(a, n)] - values[sample(b, n)], rows["preference"].mean() - 0.5
        leads.append((round(metric, 5), round(voted, 9)))
        if round(voted, 9):
            by_prompt.setdefault(prompt, []).append((metric > 0) == (voted > 0))
    assert clip["accuracy"] == pytest.approx(np.mean([np.mean(right) for right in by_prompt.values()]))
    assert clip["kendall"] == pytest.approx(stats.kendalltau(*zip(*leads, strict=True)).statistic)
    assert clip["low"] > 0.5
    assert clip["more_prompts"] == 0
    assert chance["low"] < 0.5 < chance["high"]
    ceiling = one_voter_with_others(judged, 1)
    assert clip["accuracy"] < ceiling.value < 1


@pytest.mark.parametrize(("voter_sd", "n_voters"), [(0.0, 6), (0.8, 6), (0.4, 3), (0.8, 3)])
def test_the_interval_of_a_share_covers_what_all_prompts_and_voters_would_say(voter_sd, n_voters):
    random, covered, n_runs, n_prompts = np.random.default_rng(5), 0, 600, 24
    views = stats.norm.cdf(0.3 / np.sqrt(1 + 0.8**2 + voter_sd**2))
    prompts, voters = np.divmod(np.arange(n_prompts * n_voters), n_voters)
    for _ in range(n_runs):
        of_prompt, of_voter = 0.8 * random.normal(size=n_prompts), voter_sd * random.normal(size=n_voters)
        leads = 0.3 + of_prompt[prompts] + of_voter[voters] + random.normal(size=len(prompts))
        estimate = clustered_share((leads > 0).astype(float), prompts, voters)
        covered += estimate.low <= views <= estimate.high
    print(f"voters differ by {voter_sd}, {n_voters} of them: {covered / n_runs:.3f}")
    assert 0.935 < covered / n_runs < 0.99


def test_a_prompt_with_many_votes_weighs_no_more_and_voters_never_narrow_an_interval():
    prompts = np.repeat(np.arange(6), [1, 1, 1, 1, 1, 9])
    values = np.where(prompts == 5, 0.0, 1.0)
    alone = clustered_share(values, prompts, np.zeros(len(prompts), int))
    assert alone.value == pytest.approx(5 / 6)
    several = clustered_share(values, prompts, np.arange(len(prompts)) % 3)
    assert several.high - several.low >= alone.high - alone.low - 1e-12


def test_two_voters_say_nothing_of_others_and_the_interval_is_over_prompts_alone():
    prompts, values = np.arange(20) // 2, np.r_[np.tile([1.0, 0.0], 5), np.tile([1.0, 1.0], 5)]
    one, two, four = (clustered_share(values, prompts, np.arange(20) % n) for n in (1, 2, 4))
    assert one == two
    assert four.high - four.low > two.high - two.low


def test_votes_that_all_say_the_same_have_an_interval_with_width():
    estimate = clustered_share(np.ones(12), np.arange(12) // 2, np.arange(12) % 2)
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    assert 0.5 < estimate.low < 0.7
    assert np.isnan(clustered_share(np.ones(4), np.arange(4), np.zeros(4, int)).low)
    assert more_prompts(estimate) == 0


def people_who_said(*votes):
    columns = ["voter", "question", "row", "prompt_id", "left", "right", "answer", "seconds", "check", "expected"]
    table = pd.DataFrame(votes, columns=columns)
    systems = pd.Series({sample(s, n): s for s in SYSTEMS[:2] for n in range(9)})
    return people_of(table, systems, pd.DataFrame(columns=["suite", "metric", "subject", "control", "value"]), {})


def said(voter, n, answer, question="Which?", of="best@x"):
    return voter, question, "precise", f"p{n}", [sample(of, n)], [sample("good@x", n)], answer, 1.0, None, None


def test_another_question_about_a_row_is_another_line():
    votes = [said("v", n, "left") for n in range(6)] + [said("v", n, "right", "Whose light?") for n in range(6)]
    rows = people_who_said(*votes)["rows"]
    shares = {row["question"]: row["systems"][0]["share"]["value"] for row in rows}
    assert shares == pytest.approx({"Which?": 1.0, "Whose light?": 0.0})


def test_it_is_told_whose_votes_do_not_count_and_which_voters_nobody_could_check():
    votes = [said("v", n, "left") for n in range(6)] + [said("w", n, "left", of="unknown@x") for n in range(3)]
    checks = [(*said("clicker", n, "left")[:-2], "identical", None) for n in range(6)]
    people = people_who_said(*votes, *checks)
    assert notes(people) == [
        "6 votes of 2 voters; 1 left out, who failed the checks; 2 with fewer than 5 checks, too few to be judged by; "
        "3 more are on pictures that this run does not have.",
        "Fewer than 3 voters, so intervals say nothing of other people: precise.",
    ]


@pytest.mark.parametrize(("n_right", "left_out"), [(0, True), (1, False)])
def test_who_finds_both_bad_whatever_is_shown_looks_at_none(n_right, left_out):
    answers = ["left"] * n_right + ["both_bad"] * (8 - n_right)
    rows = [("v", "shuffled_prompt", "left", answer) for answer in answers]
    (voter,) = screen_voters(pd.DataFrame(rows, columns=["voter", "check", "expected", "answer"]))
    assert (voter["n_failed"], voter["left_out"]) == (0, left_out)


def test_what_voters_fail_and_what_may_be_true(session):
    kinds = [("identical", None, "left"), ("identical", None, "both_bad"), ("shuffled_prompt", "left", "right")]
    kinds += [("shuffled_prompt", "left", "tie"), ("shuffled_prompt", "left", "both_bad"), (None, None, "left")]
    votes = pd.DataFrame([("v", *kind) for kind in kinds], columns=["voter", "check", "expected", "answer"])
    (voter,) = screen_voters(votes)
    assert (voter["n_votes"], voter["n_checks"], voter["n_failed"], voter["left_out"]) == (1, 5, 3, True)
