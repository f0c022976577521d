"""How readers of files are held to refuse what is wrong: in one sentence, with file and line."""

from collections.abc import Callable
from pathlib import Path

import pytest


def refusal_of(read: Callable[[Path], object], error: type[Exception], path: Path, passage: str, put: str) -> str:
    """Return the sentence in which a file is refused once a passage of it was replaced."""
    text = path.read_text(encoding="utf-8")
    assert passage in text
    path.write_text(text.replace(passage, put, 1), encoding="utf-8")
    with pytest.raises(error) as refused:
        read(path)
    sentence = str(refused.value)
    assert sentence.startswith(f"{path.name}, line ")
    assert "\n" not in sentence
    return sentence
