"""What `suites check` finds: each fault is named with its item and a remedy, and what only looks like one passes."""

import pytest

from evals.suites.clip_tokens import CONTEXT_TOKENS, count_tokens
from evals.suites.lint import check_named, check_suite, check_suites
from evals.suites.suite import PromptItem, SceneObject, Suite, SuiteError, read_suite, suite_names
from metrics.encoders.runtime import import_torchvision

CARD = "A sentence that says enough."
PROMPTS = (
    "A heron stands in shallow water",
    "Fog over a wide potato field",
    "Two chess players on a train",
    "The inside of an old piano",
    "Laundry between two brick towers",
)
LONG = "a narrow street with tiled roofs, " * 12


def suite(*changes: dict, name: str = "mine", **fields) -> Suite:
    """Return a faultless suite of five items, the first of them changed in turn by each of the changes."""
    items = [PromptItem(suite=name, id=f"item-{number}", prompt=prompt) for number, prompt in enumerate(PROMPTS)]
    for number, change in enumerate(changes):
        items[number] = items[number].model_copy(update=change)
    card = {"version": 1, "purpose": CARD, "made": CARD, "limits": CARD, "items": tuple(items)}
    return Suite(**{"name": name, **card, **fields})


def sentences(*changes: dict, **fields) -> list[str]:
    return [str(problem) for problem in check_suite(suite(*changes, **fields))]


def test_all_suites_that_come_with_twinlens_pass():
    read, problems = check_named(suite_names())
    assert [each.name for each in read] == suite_names()
    assert problems == []


@pytest.mark.parametrize("field", ["purpose", "made", "limits"])
def test_a_card_that_says_nothing_is_found(field):
    assert sentences(**{field: "To try."}) == [f"mine: {field} says next to nothing; write a sentence"]


def test_fewer_than_five_items_are_too_few():
    (problem,) = sentences(items=suite().items[:4])
    assert problem.startswith("mine: it has 4 items, which show nothing; write at least 5")


@pytest.mark.parametrize(
    ("first", "second", "n_problems"),
    [
        (PROMPTS[0], "In shallow water a heron stands!", 1),
        (PROMPTS[0], "A heron stands in shalow water", 1),
        (PROMPTS[0], "A heron stands in snow", 0),
        ("A grey heron", "A grey heron with a fish in its beak", 0),
        ("A grey heron on the old pier", "A grey heron on the pier", 1),
    ],
)
def test_the_same_question_in_other_words_is_a_duplicate_and_one_that_asks_for_more_is_not(first, second, n_problems):
    problems = sentences({"prompt": first}, {"prompt": second})
    assert len(problems) == n_problems
    assert all("mine, item 'item-1': its prompt is nearly that of item 'item-0'" in problem for problem in problems)


def test_a_duplicate_is_told_once_with_the_nearest_earlier_item():
    copies = sentences({}, {"prompt": "A heron stands in shalow water"}, {"prompt": PROMPTS[0]})
    assert ["'item-0'" in problem for problem in copies] == [True, True]


def test_a_prompt_of_another_suite_is_a_duplicate_only_when_both_are_checked():
    mine = suite()
    other = suite(*({"prompt": f"{word} tram"} for word in ("blue", "slow", "tall")), {}, {}, name="other")
    kite = other.items[4].model_copy(update={"prompt": "A kite"})
    other = other.model_copy(update={"items": (*other.items[:4], kite)})
    assert check_suite(other) == []
    (problem,) = check_suites([mine, other])
    assert (problem.suite, problem.item) == ("other", "item-3")
    assert "nearly that of item 'item-3' of mine" in problem.problem


def test_one_template_with_other_things_in_it_is_not_a_duplicate():
    red = {"prompt": "A cup in a room", "objects": (SceneObject(name="cup"),)}
    pair = {"prompt": "A cup, a hat in a room", "objects": (SceneObject(name="cup"), SceneObject(name="hat"))}
    assert sentences(red, pair) == []
    assert len(sentences(red, {**pair, "objects": red["objects"]})) == 1


def test_the_same_words_are_a_duplicate_whatever_is_declared_beside_them():
    things = ((SceneObject(name="cup"),), (SceneObject(name="cup", count=2),))
    (problem,) = sentences(*({"prompt": "A cup in a room", "objects": each} for each in things))
    assert "'item-1'" in problem


def test_expected_text_must_stand_in_the_prompt_letter_by_letter():
    sign = {"expected_text": ("OPEN DAILY",), "language": "en"}
    assert sentences({**sign, "prompt": 'A sign: "OPEN\n DAILY"'}) == []
    (problem,) = sentences({**sign, "prompt": 'A sign: "Open daily"'})
    assert "does not quote the expected text 'OPEN DAILY'" in problem


def test_a_puzzle_need_not_say_its_answer():
    puzzle = {"prompt": "A board with the sum of 2 and 3", "expected_text": ("5",), "answer": "Five."}
    assert sentences(puzzle) == []
    assert len(sentences({**puzzle, "answer": None})) == 1


NAMED = [
    ("Three cups on a shelf", "cup"),
    ("A shelf full of BERRIES", "berry"),
    ("Two knives and four glasses", "knife"),
    ("Two knives and four glasses", "glass"),
    ("Four women at a well", "woman"),
    ("Two persons at a well", "person"),
    ("Traffic lights in the rain", "traffic light"),
    ("A pick-up on a farm", "pick-up"),
]


@pytest.mark.parametrize(("prompt", "name"), NAMED)
def test_singular_and_plural_name_an_object(prompt, name):
    assert sentences({"prompt": prompt, "objects": (SceneObject(name=name),)}) == []


@pytest.mark.parametrize("prompt", ["A cupboard and a teacup", "A mug on a shelf"])
def test_another_word_does_not_name_an_object(prompt):
    cups = (SceneObject(name="cup"), SceneObject(name="cup", colour="red"))
    (problem,) = sentences({"prompt": prompt, "objects": cups})
    assert "names the object 'cup'" in problem


def test_a_caption_can_name_the_object():
    german = {"prompt": "Eine Tasse", "objects": (SceneObject(name="cup"),)}
    assert len(sentences(german)) == 1
    assert sentences({**german, "caption": "A cup"}) == []


LANGUAGES = [
    ("BÄCKEREI", "de"),
    ("営業中", "ja"),
    ("ラーメン", "ja"),
    ("欢迎 WiFi", "zh-Hans"),
    ("مخبز", "ar"),
    ("PHỞ BÒ", "vi"),
    ("24/7", None),
    ("Пекара", "sr"),
    ("Pekara", "sr-Latn"),
]


@pytest.mark.parametrize(("text", "language"), LANGUAGES)
def test_a_text_in_the_script_of_its_language_passes(text, language):
    assert sentences({"prompt": f'A sign: "{text}"', "expected_text": (text,), "language": language}) == []


WRONG_LANGUAGES = [
    ("BAKERY", None, "language is missing beside expected_text; write its code, such as en"),
    ("BAKERY", "ja", "the expected text is written in Latin, but 'ja' in Han or Hiragana or Katakana"),
    ("ラーメン", "zh-Hans", "written in Katakana, but 'zh-Hans' in Han"),
    ("Пекарня", "en", "written in Cyrillic, but 'en' in Latin"),
    ("PHỞ", "fr", "written in Latin and Vietnamese, but 'fr' in Latin"),
]


@pytest.mark.parametrize(("text", "language", "told"), WRONG_LANGUAGES)
def test_a_language_that_is_missing_or_not_the_texts_is_found(text, language, told):
    (problem,) = sentences({"prompt": f'A sign: "{text}"', "expected_text": (text,), "language": language})
    assert told in problem


def test_a_prompt_beyond_the_encoders_context_needs_a_short_caption():
    (problem,) = sentences({"prompt": LONG})
    assert f"takes {count_tokens(LONG)} tokens and a text encoder reads 77; add a caption" in problem
    assert sentences({"prompt": LONG, "caption": "A narrow street"}) == []
    (problem,) = sentences({"prompt": LONG, "caption": LONG})
    assert "item-0': caption takes" in problem
    (problem,) = sentences({"source_caption": LONG})
    assert "item-0': source_caption takes" in problem


def test_the_context_ends_after_75_words_of_one_token():
    assert sentences({"prompt": "cat " * 75}) == []
    assert len(sentences({"prompt": "cat " * 76})) == 1
    assert count_tokens("cat " * 75) == CONTEXT_TOKENS


def test_tokens_are_counted_as_open_clips_own_tokenizer_counts_them():
    import_torchvision()
    from open_clip.tokenizer import SimpleTokenizer

    reference = SimpleTokenizer()
    items = [item for name in suite_names() for item in read_suite(name).items]
    texts = [text for item in items for text in (item.prompt, item.caption, *item.expected_text) if text]
    texts += [
        "",
        "It's WE'RE I'll 42nd &amp;amp; \u201cquote\u201d\n\ttabs",
        "\N{GRINNING FACE} nai\u0308ve Ωmega 日本語",
    ]
    for text in texts:
        assert count_tokens(text) == len(reference.encode(text)) + 2, text


def test_a_gap_in_the_shots_of_a_sequence_is_found():
    shots = [{"sequence_id": "hero", "shot": shot} for shot in (1, 2, 3)]
    assert sentences(*shots) == []
    (problem,) = sentences(*shots[1:], {"sequence_id": "hero", "shot": 5})
    assert problem == "mine: the sequence 'hero' lacks shot 1, 4; number its shots from 1 without a gap"


def test_what_the_reader_refuses_is_a_problem_and_the_others_are_still_checked(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        "name: broken\nversion: 1\npurpose: p\nmade: m\nlimits: l\n"
        "items: [{id: a, prompt: A cup, palette: ['blue']}]\n",
        encoding="utf-8",
    )
    read, (problem,) = check_named([str(broken), "demo-signs"])
    assert [each.name for each in read] == ["demo-signs"]
    assert str(problem).startswith("broken: broken.yaml, line 6, ")
    assert "'blue' is not a colour" in str(problem)


@pytest.mark.parametrize("name", ["demo-sings", "nowhere.yaml"])
def test_a_suite_that_does_not_exist_is_refused(name):
    with pytest.raises(SuiteError, match="there is no"):
        check_named([name])
