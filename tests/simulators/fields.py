"""What a simulated host lets into the fields of a request: a simulator that takes everything proves nothing."""

from collections.abc import Callable, Mapping
from typing import Any

from evals.generation.simulated.references import decoded, size_if_picture

Rule = Callable[[Any], bool]
"""Whether a field may have a value."""


class InvalidField(ValueError):
    """A field of a request is missing, wrong or unknown."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: missing, not valid or not known")
        self.field = field


def check(body: Any, rules: Mapping[str, Rule], required: tuple[str, ...] = ("prompt",), closed: bool = True) -> None:
    """Raise `InvalidField` unless every field fits its rule and, in a closed body, has one."""
    if not isinstance(body, dict):
        raise InvalidField("body")
    for field in dict.fromkeys((*required, *body)):
        fits = rules.get(field, lambda value: not closed)
        if not fits(body.get(field)):
            raise InvalidField(field)


def whole(least: int | None = None, most: int | None = None) -> Rule:
    return lambda value: type(value) is int and (least is None or least <= value) and (most is None or value <= most)


def one_of(*values: str | bool) -> Rule:
    return lambda value: value in values


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def pictures(field: str, texts: Any, least: int, most: int, as_uri: bool = True) -> tuple[bytes, ...]:
    """Return the pictures that a field holds as base64 or, where the host wants them so, as data URIs."""
    contents = []
    for text in texts if isinstance(texts, list) and least <= len(texts) <= most else [None]:
        content = decoded(text) if isinstance(text, str) and (text.startswith("data:") or not as_uri) else None
        if content is None or size_if_picture(content) is None:
            raise InvalidField(field)
        contents.append(content)
    return tuple(contents)
