"""Which pair comes next: the least asked, then the closest, with a check in every block."""

from collections import Counter
from dataclasses import replace

import pytest

from evals.definition import read_definition
from evals.voting.choosing import BLOCK, AskedQuestion, Tally, choose, n_questions
from evals.voting.pairs import Pair, Side
from evals.voting.questions import Question, question_of


def pair(row: str, n: int, systems=("a", "b"), decides=True) -> Pair:
    first, second = (Side(system, (f"{row}-{n}-{system}",)) for system in systems)
    return Pair(row, Question("Which?", prompt_decides=decides), row, f"p{n}", (f"words {n}",), (), (), first, second)


def voted(pairs, voter="v", seed=1, until=None):
    """Return what a voter is asked, one after the other."""
    history, choices, tallies = [], [], Counter()
    while until is None or len(choices) < until:
        chosen = choose(pairs, seed, voter, history, {key: Tally(n) for key, n in tallies.items()})
        if chosen is None:
            break
        choices.append(chosen)
        history.append(AskedQuestion(chosen.pair.key, chosen.pair.row, chosen.check))
        tallies[chosen.pair.key] += chosen.check is None
    return choices


PAIRS = [pair(row, n) for row in ("light", "text") for n in range(20)]


@pytest.mark.parametrize("name", ["demo", "flux2-vs-nano-banana"])
def test_each_row_of_an_eval_asks_people_its_own_question(name):
    asked = {row.id: question.text for row in read_definition(name).rows if (question := question_of(row))}
    assert (
        asked.items()
        >= {
            "precise": "Which one follows the prompt better?",
            "cinematic": "Which one has the better light?",
            "text": "Which one has the right text?",
            "identity": "In which series is it more clearly the same person?",
            "editing": "Which edit did what was asked, and nothing else?",
        }.items()
    )
    assert not asked.keys() & {"cost", "latency", "lora", "sla"}


def test_every_pair_is_asked_once_and_every_block_has_one_check_and_one_row():
    choices = voted(PAIRS)
    assert Counter(one.pair.key for one in choices if one.check is None) == Counter(one.key for one in PAIRS)
    assert len(choices) == n_questions(len(PAIRS), 1, "v")
    for start in range(0, len(choices) - BLOCK, BLOCK):
        block = choices[start : start + BLOCK]
        assert [one.check is not None for one in block].count(True) == 1
        assert block[0].check is None
    assert len({one.pair.row for one in choices[:BLOCK]}) == 1


def test_the_same_seed_and_voter_are_asked_the_same_and_others_are_not():
    assert voted(PAIRS) == voted(PAIRS)
    assert voted(PAIRS) != voted(PAIRS, voter="w")
    assert voted(PAIRS) != voted(PAIRS, seed=2)


def test_the_pair_that_was_asked_least_comes_first():
    tallies = {one.key: Tally(3) for one in PAIRS} | {PAIRS[27].key: Tally(2)}
    assert choose(PAIRS, 1, "v", [], tallies).pair == PAIRS[27]


def test_of_pairs_asked_as_often_that_of_the_closest_systems_comes_first():
    pairs = [pair("light", n, systems) for n in range(5) for systems in (("a", "b"), ("a", "c"), ("b", "c"))]
    leads = {("a", "b"): 4, ("a", "c"): -1, ("b", "c"): 3}
    tallies = {one.key: Tally(1, leads[one.matchup[1:]]) for one in pairs}
    assert choose(pairs, 1, "v", [], tallies).pair.matchup == ("light", "a", "c")


def test_sides_are_drawn_evenly_and_a_check_has_one_right_answer():
    choices = [one for voter in range(30) for one in voted(PAIRS, voter=f"v{voter}", until=16)]
    flips = [one.is_flipped for one in choices if one.check is None]
    assert 0.4 < sum(flips) / len(flips) < 0.6
    checks = [one for one in choices if one.check]
    assert {one.check for one in checks} == {"identical", "shuffled_prompt"}
    for one in checks:
        if one.check == "identical":
            assert one.left == one.right
            assert one.expected is None
        else:
            shown = one.left if one.expected == "left" else one.right
            other = one.right if one.expected == "left" else one.left
            assert shown in (one.pair.first, one.pair.second)
            assert other.system == shown.system
            assert other not in (one.pair.first, one.pair.second)


def test_the_stranger_of_a_check_asks_for_little_of_the_same():
    words = [f"{n} {thing} in a {place}" for thing, place in (("clocks", "room"), ("boats", "sea")) for n in range(8)]
    pairs = [replace(one, prompts=(text,)) for one, text in zip(PAIRS[:16], words, strict=True)]
    thing_of = {
        sample: one.prompts[0].split()[1] for one in pairs for sample in (*one.first.samples, *one.second.samples)
    }
    checks = [one for voter in "vwxyz" for one in voted(pairs, voter) if one.check == "shuffled_prompt"]
    assert checks
    assert all(thing_of[one.left.samples[0]] != thing_of[one.right.samples[0]] for one in checks)


@pytest.mark.parametrize("decides", [True, False])
def test_a_question_that_the_prompt_does_not_decide_is_checked_by_identical_pictures_alone(decides):
    pairs = [pair("light", n, decides=decides) for n in range(60)]
    kinds = {one.check for one in voted(pairs) if one.check}
    assert kinds == ({"identical", "shuffled_prompt"} if decides else {"identical"})
