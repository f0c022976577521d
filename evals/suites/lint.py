"""What is wrong with a suite that its reader accepts: prompts asked twice, data that the prompt does not bear out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.suites.clip_tokens import CONTEXT_TOKENS, count_tokens
from evals.suites.suite import PromptItem, Suite, SuiteError, read_suite, suite_names
from metrics.encoders.scripts import scripts_of

NEAR_DUPLICATE = 92
"""Prompts whose words agree this much (rapidfuzz's ``token_set_ratio``, 0 to 100) are taken for one prompt."""

SIMILAR_LENGTH = 2 / 3
"""A near-duplicate has at least this share of the longer prompt's words; "a cup" is none of "a cup and a kettle"."""

FEWEST_ITEMS = 5
SHORTEST_CARD = 20
"""Characters; a purpose, an account of the making or a limit in fewer says nothing."""

_SCRIPTS_OF_LANGUAGE = {
    language: frozenset(scripts.split())
    for languages, scripts in {
        "ca cs da de en es et fi fr ga hr hu id is it lt lv ms nb nl nn no pl pt ro sk sl sv sw tl tr": "Latin",
        "be bg mk ru uk": "Cyrillic",
        "ar fa ur": "Arabic",
        "hi mr ne": "Devanagari",
        "bn": "Bengali",
        "el": "Greek",
        "he": "Hebrew",
        "hy": "Armenian",
        "ja": "Han Hiragana Katakana",
        "ka": "Georgian",
        "ko": "Hangul Han",
        "ta": "Tamil",
        "th": "Thai",
        "vi": "Latin Vietnamese",
        "zh": "Han",
    }.items()
    for language in languages.split()
}
_IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "man": "men",
    "mouse": "mice",
    "person": "people",
    "tooth": "teeth",
    "woman": "women",
}


@dataclass(frozen=True, slots=True)
class SuiteProblem:
    """One thing that is wrong with a suite or one of its items, and what to do about it.

    ``kind`` says of several items what is wrong with all of them; a benchmark may have hundreds of a kind.
    """

    suite: str
    item: str | None
    problem: str
    kind: str | None = None

    def __str__(self) -> str:
        """Return the sentence for people."""
        return f"{self.suite}, item {self.item!r}: {self.problem}" if self.item else f"{self.suite}: {self.problem}"


def in_short(problems: Sequence[SuiteProblem], most: int) -> list[str]:
    """Return the problems as sentences; more than ``most`` of a kind in a suite are one, with their count."""
    kinds: dict[tuple[str, str | None], list[SuiteProblem]] = {}
    for n, each in enumerate(problems):
        kinds.setdefault((each.suite, each.kind or f"{n}"), []).append(each)
    return [
        line
        for (suite, kind), same in kinds.items()
        for line in (
            map(str, same)
            if len(same) <= most
            else [f"{suite}: {len(same)} items {kind}, first {same[0].item!r}: {same[0].problem}"]
        )
    ]


def check_named(names: Iterable[str]) -> tuple[list[Suite], list[SuiteProblem]]:
    """Read suites by name or file and check them, alone and against each other.

    Returns the suites that could be read and the problems; a refusal of the reader is a problem like the others. Raises
    SuiteError if there is no suite of that name and no such file.
    """
    suites: list[Suite] = []
    refused: list[SuiteProblem] = []
    for name in dict.fromkeys(names):
        try:
            suites.append(read_suite(name))
        except SuiteError as refusal:
            if name not in suite_names() and not Path(name).is_file():
                raise
            refused.append(SuiteProblem(Path(name).stem, None, str(refusal)))
    return suites, [*refused, *check_suites(suites)]


def check_suites(suites: Sequence[Suite]) -> list[SuiteProblem]:
    """Return what is wrong with each of the suites, and the prompts that two of them share."""
    return [problem for suite in suites for problem in _suite_problems(suite)] + _near_duplicates(suites)


def check_suite(suite: Suite) -> list[SuiteProblem]:
    """Return what is wrong with one suite, in the order of its items; what its reader refuses is not looked for.

    Examples
    --------
    >>> check_suite(read_suite("demo-signs"))
    []
    """
    return check_suites([suite])


def _suite_problems(suite: Suite) -> Iterator[SuiteProblem]:
    for field in ("purpose", "made", "limits"):
        if len(getattr(suite, field)) < SHORTEST_CARD:
            yield SuiteProblem(suite.name, None, f"{field} says next to nothing; write a sentence")
    if len(suite.items) < FEWEST_ITEMS:
        few = f"{len(suite.items)} item{'s' if len(suite.items) > 1 else ''}"
        yield SuiteProblem(suite.name, None, f"it has {few}, which show nothing; write at least {FEWEST_ITEMS}")
    yield from _sequence_problems(suite)
    for item in suite.items:
        for kind, check in _CHECKS.items():
            for problem in check(item):
                yield SuiteProblem(suite.name, item.id, problem, kind)


def _sequence_problems(suite: Suite) -> Iterator[SuiteProblem]:
    shots: defaultdict[str, set[int]] = defaultdict(set)
    for item in suite.items:
        if item.sequence_id is not None and item.shot is not None:
            shots[item.sequence_id].add(item.shot)
    for sequence, numbers in shots.items():
        missing = sorted(set(range(1, max(numbers) + 1)) - numbers)
        if missing:
            listed = ", ".join(map(str, missing))
            problem = f"the sequence {sequence!r} lacks shot {listed}; number its shots from 1 without a gap"
            yield SuiteProblem(suite.name, None, problem)


def _unnamed_text(item: PromptItem) -> Iterator[str]:
    if item.answer is not None:
        return  # a puzzle's prompt does not give its answer away
    for line in item.expected_text:
        if _one_spaced(line) not in _one_spaced(item.prompt):
            yield f"the prompt does not quote the expected text {line!r}; write both alike"


def _unnamed_objects(item: PromptItem) -> Iterator[str]:
    text = _plain(f"{item.prompt} {item.caption or ''}")
    for name in dict.fromkeys(thing.name for thing in item.objects):
        if not any(re.search(rf"\b{re.escape(form)}\b", text) for form in _forms(_plain(name))):
            yield f"neither prompt nor caption names the object {name!r}; name it there or leave it out of objects"


def _language_problems(item: PromptItem) -> Iterator[str]:
    scripts = scripts_of(" ".join(item.expected_text))
    if not scripts:
        return
    if item.language is None:
        yield "language is missing beside expected_text; write its code, such as en"
        return
    language, _, script_or_region = item.language.partition("-")
    usual = _SCRIPTS_OF_LANGUAGE.get(language)
    if usual is None or script_or_region in ("Latn", "Cyrl", "Arab"):
        return
    # Names and loan words in Latin letters stand in texts of every language, but do not make one up.
    if not scripts & usual or scripts - usual - {"Latin"}:
        text, of_language = " and ".join(sorted(scripts)), " or ".join(sorted(usual))
        yield f"the expected text is written in {text}, but {item.language!r} in {of_language}; correct one of them"


def _context_problems(item: PromptItem) -> Iterator[str]:
    read = f"and a text encoder reads {CONTEXT_TOKENS}"
    if item.caption is None and (tokens := count_tokens(item.prompt)) > CONTEXT_TOKENS:
        yield f"the prompt takes {tokens} tokens {read}; add a caption that says the same in at most 40 words"
    for field, text in (("caption", item.caption), ("source_caption", item.source_caption)):
        if text is not None and (tokens := count_tokens(text)) > CONTEXT_TOKENS:
            yield f"{field} takes {tokens} tokens {read}; shorten it to at most 40 words"


_CHECKS: Mapping[str, Callable[[PromptItem], Iterator[str]]] = {
    "expect a text that the prompt does not quote": _unnamed_text,
    "expect an object that the prompt does not name": _unnamed_objects,
    "have no language for their text, or another one": _language_problems,
    "are longer than a text encoder reads": _context_problems,
}
_NEAR = "ask nearly what another one asks"


def _near_duplicates(suites: Sequence[Suite]) -> list[SuiteProblem]:
    """Return each item that asks nearly what an earlier one asks, with the nearest of them.

    Prompts of one template (a red cup, a blue cup) are two questions where the data beside them differ.
    """
    from rapidfuzz import fuzz, process

    items = [item for suite in suites for item in suite.items]
    prompts = [_plain(item.prompt) for item in items]
    contents = [_content(item) for item in items]
    problems: list[SuiteProblem] = []
    for number, (item, prompt) in enumerate(zip(items, prompts, strict=True)):
        near = process.extract_iter(prompt, prompts[:number], scorer=fuzz.token_set_ratio, score_cutoff=NEAR_DUPLICATE)
        same = [
            (score, earlier)
            for text, score, earlier in near
            if text == prompt or (contents[earlier] == contents[number] and _similar_length(text, prompt))
        ]
        if same:
            score, earlier = max(same)
            other = items[earlier]
            where = "" if other.suite == item.suite else f" of {other.suite}"
            problem = f"its prompt is nearly that of item {other.id!r}{where} ({score:.0f} of 100 alike); rewrite one"
            problems.append(SuiteProblem(item.suite, item.id, problem, _NEAR))
    return problems


def _similar_length(text: str, other: str) -> bool:
    shorter, longer = sorted((len(text.split()), len(other.split())))
    return shorter >= SIMILAR_LENGTH * longer


def _content(item: PromptItem) -> tuple[object, ...]:
    """Return the data that tell apart what two items of one template ask for."""
    seen = (item.expected_text, item.objects, item.absent, item.relations, item.palette)
    return (*seen, item.sequence_id, item.source, item.edit)


def _forms(name: str) -> tuple[str, ...]:
    """Return the singular and the plausible plurals of an English noun."""
    *before, noun = name.split(" ")
    start = " ".join([*before, ""])
    plurals = [noun + "s", noun + "es"]
    if noun in _IRREGULAR:
        plurals.append(_IRREGULAR[noun])
    if noun.endswith("y"):
        plurals.append(noun[:-1] + "ies")
    if noun.endswith(("f", "fe")):
        plurals.append(noun.removesuffix("e")[:-1] + "ves")
    return (name, *(start + plural for plural in plurals))


def _plain(text: str) -> str:
    """Return a text in small letters, with one space for every other sign but letters and digits."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _one_spaced(text: str) -> str:
    return " ".join(text.split())
