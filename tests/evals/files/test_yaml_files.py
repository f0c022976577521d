"""Files of ours: what fits their model is read, and all else is refused with file, line, entry, field and a way out."""

from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field, model_validator

from evals.files.yaml_files import (
    Day,
    DistinctEntries,
    Entries,
    FileModel,
    Names,
    Text,
    check_known,
    read_yaml,
    refused,
)


class Round(FileModel):
    kind: Literal["round"]
    radius: Annotated[float, Field(gt=0)]


class Square(FileModel):
    kind: Literal["square"]
    side: Annotated[float, Field(ge=1, lt=10)]


class Cup(FileModel):
    from_context = ("town",)
    id: Text
    town: str = ""
    sizes: Names[Literal["S", "XL"]] = ()
    shapes: Entries[Annotated[Round | Square, Field(discriminator="kind")]] = ()
    bought: Day | None = None
    sold: Day | None = None

    @model_validator(mode="after")
    def _check_days(self):
        if self.bought and self.sold and self.sold < self.bought:
            raise refused("it is sold before it is bought", "sold")
        return self


class Shop(FileModel):
    title: Text
    open: bool = False
    cups: DistinctEntries[Cup]
    chosen: Names[Text] = ()

    @model_validator(mode="after")
    def _check_chosen(self):
        for n, name in enumerate(self.chosen):
            check_known(name, [cup.id for cup in self.cups], "cup", "chosen", n)
        return self


GOOD = """\
title: Corner shop
open: true
cups:
  - id: blue
    sizes: [S, XL]
    bought: 2026-11-22
    shapes:
      - {kind: round, radius: 3}
  - id: on
    sizes: S
chosen:
  - blue
  - on
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "shop.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_yaml(path, Shop, LookupError, town="Bonn")

    return read_text


def test_a_file_that_fits_is_read_with_lists_as_tuples_and_single_texts_as_lists(read):
    shop = read("\ufeff" + GOOD)
    assert (shop.open, shop.chosen) == (True, ("blue", "on"))
    blue, on = shop.cups
    assert (blue.sizes, blue.bought, blue.sold, blue.town) == (("S", "XL"), date(2026, 11, 22), None, "Bonn")
    assert blue.shapes == (Round(kind="round", radius=3.0),)
    assert (on.id, on.sizes) == ("on", ("S",))  # only true and false are booleans


def test_of_a_long_list_nothing_is_checked_beyond_the_first_fault(tmp_path):
    checked = []

    def check(name):
        checked.append(name)
        return check_known(name, ["a"], "name")

    class List(FileModel):
        names: Names[Annotated[str, AfterValidator(check)]]

    (tmp_path / "list.yaml").write_text(f"names: [a, {', '.join(f'b{n}' for n in range(1000))}]")
    with pytest.raises(LookupError, match="there is no name 'b0'"):
        read_yaml(tmp_path / "list.yaml", List, LookupError)
    assert checked == ["a", "b0"]


@pytest.mark.parametrize(
    ("passage", "put", "place", "problem"),
    [
        ("title: Corner shop", "tile: Corner shop", "line 1, field 'tile'", "no such field; did you mean 'title'?"),
        ("title: Corner shop\n", "", "line 1, field 'title'", "it is missing"),
        ("title: Corner shop", "title:", "line 1, field 'title'", "it is missing"),
        ("title: Corner shop", "title: '  '", "line 1, field 'title'", "the text is empty"),
        ("id: on", "id: on\n    town: Ulm", "line 10, cup 'on', field 'town'", "no such field; known are bought, id"),
        ("title: Corner shop", "title: 24", "line 1, field 'title'", "24 is not text; put it in quotes"),
        ("open: true", "open: maybe", "line 2, field 'open'", "'maybe' is not true or false"),
        ("open: true", "title: x", "line 2, field 'title'", "it was given before, in line 1"),
        ("id: blue", "id: on", "line 9, cup 'on'", "'on' is listed twice (first in line 4)"),
        ("- id: blue", "- red\n  - id: blue", "line 4, field 'cups'", "it holds no fields; write them as"),
        ("sizes: [S, XL]", "sizes: [S, xl]", "line 5, cup 'blue', field 'sizes'", "no size 'xl'; did you mean 'XL'?"),
        ("sizes: [S, XL]", "sizes: [S, 7]", "line 5, cup 'blue', field 'sizes'", "7 is not text"),
        ("sizes: [S, XL]", "sizes: [S, S]", "line 5, cup 'blue', field 'sizes'", "'S' is listed twice"),
        ("sizes: [S, XL]", "sizes: []", "line 5, cup 'blue', field 'sizes'", "the list is empty"),
        ("2026-11-22", "yesterday", "line 6, cup 'blue', field 'bought'", "'yesterday' is not a day; write it as"),
        ("2026-11-22", "2026-13-22", "line 6, cup 'blue', field 'bought'", "'2026-13-22' is not a day"),
        ("2026-11-22", "2026-11-22 10:00:00", "line 6, cup 'blue', field 'bought'", "is not a day"),
        ("2026-11-22", "2026-11-22\n    sold: 2026-11-21", "line 7, cup 'blue', field 'sold'", "before it is bought"),
        ("radius: 3", "radius: 0", "line 8, cup 'blue', entry 1 of shapes, field 'radius'", "it is above 0"),
        ("radius: 3", "radius: .nan", "entry 1 of shapes, field 'radius'", "nan is not a finite number"),
        ("radius: 3", "radius: wide", "entry 1 of shapes, field 'radius'", "'wide' is not a number"),
        (", radius: 3", "", "line 8, cup 'blue', entry 1 of shapes, field 'radius'", "it is missing"),
        ("round, radius: 3", "square, side: 0.5", "field 'side'", "0.5 is too small; it is at least 1"),
        ("round, radius: 3", "square, side: 10", "field 'side'", "10 is too large; it is below 10"),
        ("kind: round", "kind: rond", "line 8, cup 'blue', entry 1 of shapes", "no kind 'rond'; did you mean 'round'?"),
        ("kind: round, ", "", "line 8, cup 'blue', entry 1 of shapes", "it does not say of which kind it is"),
        ("      - {kind: round, radius: 3}", "      kind: round", "line 7, cup 'blue', field 'shapes'", "it is a list"),
        ("- {kind: round, radius: 3}", "- round", "line 8, cup 'blue', field 'shapes'", "it holds no fields"),
        ("  - on", "  - one", "line 13, field 'chosen'", "there is no cup 'one'; did you mean 'on'?"),
        ("Corner shop", "!!python/name:os.system x", "line 1", "python/name:os.system are not used here"),
        ("Corner shop", "&a x\nopen: *a", "line 2", "aliases (*name) are not used here"),
        ("Corner shop", "[", "line 3", "not YAML"),
        ("Corner shop", "[" * 60 + "]" * 60, "line 1", "nested more than 50 levels deep"),
        (GOOD, "- a list", "line 1", "the file holds no fields"),
        (GOOD, "", "line 1", "the file holds no fields"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_sentence_that_says_where(read, passage, put, place, problem):
    text = GOOD.replace(passage, put, 1)
    assert text != GOOD
    with pytest.raises(LookupError) as refusal:
        read(text)
    file, _, rest = str(refusal.value).partition(", ")
    assert file == "shop.yaml"
    found_place, _, sentence = rest.partition(": ")
    assert found_place.endswith(place)
    assert problem in sentence
    assert "\n" not in rest


@pytest.mark.parametrize(("content", "problem"), [(None, "there is no such file"), (b"\xff\xfe", "as UTF-8 text")])
def test_a_file_that_cannot_be_read_is_refused_with_its_path(tmp_path, content, problem):
    path = tmp_path / "shop.yaml"
    if content:
        path.write_bytes(content)
    with pytest.raises(LookupError, match=problem) as refusal:
        read_yaml(path, Shop, LookupError)
    assert str(path) in str(refusal.value)
