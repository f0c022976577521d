"""What `suites check` finds: each fault is named with its item and a remedy, and what only looks like one passes."""

import pytest

from evals.suites.clip_tokens import count_tokens
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


SIGN = {"expected_text": ("OPEN DAILY",), "language": "en"}
PUZZLE = {"prompt": "A board with the sum of 2 and 3", "expected_text": ("5",), "answer": "Five."}
CUPS = {"objects": (SceneObject(name="cup"), SceneObject(name="cup", colour="red"))}
SHOTS = [{"sequence_id": "hero", "shot": shot} for shot in (1, 2, 3, 5)]

# Changes of a suite and what is then found in it, None where that is right.
FINDINGS = [
    *[({field: "To try."}, f"mine: {field} says next to nothing; write a sentence")
      for field in ("purpose", "made", "limits")],
    ({"items": suite().items[:4]}, "mine: it has 4 items, which show nothing; write at least 5"),
    ([SIGN | {"prompt": 'A sign: "OPEN\n DAILY"'}], None),
    ([SIGN | {"prompt": 'A sign: "Open daily"'}], "does not quote the expected text 'OPEN DAILY'"),
    ([PUZZLE], None),
    ([PUZZLE | {"answer": None}], "does not quote the expected text '5'"),
    ([CUPS | {"prompt": "A cupboard and a teacup"}], "names the object 'cup'"),
    ([CUPS | {"prompt": "A mug on a shelf"}], "names the object 'cup'"),
    ([CUPS | {"prompt": "Eine Tasse"}], "names the object 'cup'"),
    ([CUPS | {"prompt": "Eine Tasse", "caption": "A cup"}], None),
    *[([{"prompt": prompt, "objects": (SceneObject(name=name),)}], None) for prompt, name in (
        ("Three cups on a shelf", "cup"), ("A shelf full of BERRIES", "berry"), ("Two knives on a shelf", "knife"),
        ("Four glasses on a shelf", "glass"), ("Four women at a well", "woman"), ("Two persons at a well", "person"),
        ("Traffic lights in the rain", "traffic light"), ("A pick-up on a farm", "pick-up"),
    )],
    ([{"prompt": LONG}], f"takes {count_tokens(LONG)} tokens and a text encoder reads 77; add a caption"),
    ([{"prompt": LONG, "caption": "A narrow street"}], None),
    ([{"prompt": LONG, "caption": LONG}], "item-0': caption takes"),
    ([{"source_caption": LONG}], "item-0': source_caption takes"),
    ([{"prompt": "cat " * 75}], None),
    ([{"prompt": "cat " * 76}], "takes 78 tokens and a text encoder reads 77"),
    (SHOTS[:3], None),
    (SHOTS[1:], "mine: the sequence 'hero' lacks shot 1, 4; number its shots from 1 without a gap"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "problem"), FINDINGS)
def test_a_fault_is_found_once_and_what_is_right_passes(changes, problem):
    found = sentences(**changes) if isinstance(changes, dict) else sentences(*changes)
    assert [problem in sentence for sentence in found] == ([True] if problem else [])


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


def test_one_template_with_other_things_in_it_is_a_duplicate_only_in_the_same_words():
    cup, cups, hat = (SceneObject(name="cup"),), (SceneObject(name="cup", count=2),), (SceneObject(name="hat"),)
    red, pair = {"prompt": "A cup in a room", "objects": cup}, {"prompt": "A cup, a hat in a room"}
    assert sentences(red, {**pair, "objects": cup + hat}) == []
    assert len(sentences(red, {**pair, "objects": cup})) == 1
    (problem,) = sentences(red, {**red, "objects": cups})
    assert "'item-1'" in problem


LANGUAGES = [
    ("BÄCKEREI", "de", None),
    ("営業中", "ja", None),
    ("ラーメン", "ja", None),
    ("欢迎 WiFi", "zh-Hans", None),
    ("مخبز", "ar", None),
    ("PHỞ BÒ", "vi", None),
    ("24/7", None, None),
    ("Пекара", "sr", None),
    ("Pekara", "sr-Latn", None),
    ("BAKERY", None, "language is missing beside expected_text; write its code, such as en"),
    ("BAKERY", "ja", "the expected text is written in Latin, but 'ja' in Han or Hiragana or Katakana"),
    ("ラーメン", "zh-Hans", "written in Katakana, but 'zh-Hans' in Han"),
    ("Пекарня", "en", "written in Cyrillic, but 'en' in Latin"),
    ("PHỞ", "fr", "written in Latin and Vietnamese, but 'fr' in Latin"),
]


@pytest.mark.parametrize(("text", "language", "problem"), LANGUAGES)
def test_a_text_is_in_the_script_of_its_language(text, language, problem):
    found = sentences({"prompt": f'A sign: "{text}"', "expected_text": (text,), "language": language})
    assert [problem in sentence for sentence in found] == ([True] if problem else [])


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


def test_what_the_reader_refuses_is_a_problem_and_the_others_are_still_checked(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        "name: broken\nversion: 1\npurpose: p\nmade: m\nlimits: l\n"
        "items: [{id: a, prompt: A cup, palette: ['bluish']}]\n",
        encoding="utf-8",
    )
    read, (problem,) = check_named([str(broken), "demo-signs"])
    assert [each.name for each in read] == ["demo-signs"]
    assert str(problem).startswith("broken: broken.yaml, line 6, ")
    assert "'bluish' is not a colour" in str(problem)


@pytest.mark.parametrize("name", ["demo-sings", "nowhere.yaml"])
def test_a_suite_that_does_not_exist_is_refused(name):
    with pytest.raises(SuiteError, match="there is no"):
        check_named([name])
