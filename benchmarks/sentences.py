"""How hard the documents are to read: words per sentence, and the share of long sentences.

Code blocks, tables, headings and pictures are left out. Code within a sentence counts as one word,
and each entry of a list is a sentence of its own.

    python -m benchmarks.sentences [file ...]     (without files: README and docs)
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

LONG = 28  # words: the most that a sentence should have
LEFT_OUT = re.compile(r"^(?:```.*?^```|#.*?$|\s*\|.*?$|!\[.*?\)$|:::.*?$|!!! .*?$)", re.M | re.S)
ENTRY = re.compile(r"^\s*(?:[-*]|\d+\.|>) ", re.M)
END = re.compile(r"(?<=[.!?])(?<!\bal\.)(?<!e\.g\.)(?<!i\.e\.)[*_)\"]*\s+(?=[^a-z\s])")


def split_sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a Markdown text, without its markup."""
    text = ENTRY.sub("\n\n", LEFT_OUT.sub("\n\n", text))
    text = re.sub(r"`[^`]*`", "Code", re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text))
    for block in re.split(r"\n\s*\n", text):
        yield from (one for one in END.split(" ".join(block.split())) if one)


def count_words(sentence: str) -> int:
    """Return the number of words: what stands between spaces and has a letter or a digit."""
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def main(names: list[str]) -> None:
    """Print each file's words per sentence and share of long sentences; with -v, these, too."""
    paths = [Path(name) for name in names if name != "-v"]
    print("file                    sentences  words each  above 28")
    total: list[int] = []
    for path in paths or [Path("README.md"), *sorted(Path("docs").glob("*.md"))]:
        sentences = list(split_sentences(path.read_text("utf-8")))
        words = [count_words(one) for one in sentences]
        total += words
        print_row(path.name, words)
        if "-v" in names:
            print(*(f"    {one}" for one in sentences if count_words(one) > LONG), sep="\n")
    print_row("all", total)


def print_row(name: str, words: list[int]) -> None:
    """Print one row of the table."""
    mean, share = sum(words) / max(len(words), 1), sum(n > LONG for n in words)
    print(f"{name:24}{len(words):9}{mean:12.1f}{share / max(len(words), 1):10.1%}")


if __name__ == "__main__":
    main(sys.argv[1:])
