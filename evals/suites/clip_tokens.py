"""How long a text is for CLIP's text encoders, which read 77 tokens; counted without loading an encoder or torch."""

from __future__ import annotations

import functools
import gzip
import html
import importlib.util
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

CONTEXT_TOKENS = 77
"""What OpenAI's CLIP and most of its successors read of a text, its start and its end included."""

_MERGES = 49_152 - 256 - 2
"""CLIP's vocabulary less the bytes that begin it and the start and the end of a text."""

_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def count_tokens(text: str) -> int:
    """Return how many of CLIP's tokens a text takes, its start and its end included.

    Byte-pair encoding with the vocabulary of CLIP (Radford et al. 2021), which open_clip ships.

    Examples
    --------
    >>> count_tokens("A cat on a mat")
    7
    """
    import ftfy

    clean = html.unescape(html.unescape(ftfy.fix_text(text)))
    return len(_tokenizer().encode(" ".join(clean.split()).lower()).ids) + 2


@functools.cache
def _tokenizer() -> Tokenizer:
    package = importlib.util.find_spec("open_clip")
    assert package is not None
    assert package.origin is not None
    vocabulary = Path(package.origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.decompress(vocabulary.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    model = models.BPE({token: rank for rank, token in enumerate(tokens)}, merges, end_of_word_suffix="</w>")
    tokenizer = Tokenizer(model)
    words = pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return tokenizer
