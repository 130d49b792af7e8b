"""Sentences of README and docs: short ones, and a measure that finds long ones."""

from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).parents[3]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
LONG_SHARE = 0.05  # of the sentences of a page


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROJECT))
    from benchmarks import sentences

    return sentences


def test_sentences_are_found_and_counted(measure: ModuleType) -> None:
    text = (
        "# A title that is left out\n\nOne `make run ARGS=a` is. [Two words](a.md)? *No.* It is\n"
        "what Howe et al. (1974) say: 0.5 of it.\n```bash\nmake run # All of it.\n```\n"
        "| a | table |\n|---|---|\n![a picture](a.png)\n\n- First entry\n- Second. Third entry.\n"
    )
    found = list(measure.split_sentences(text))
    assert found == [
        "One Code is.",
        "Two words?",
        "*No.",
        "It is what Howe et al. (1974) say: 0.5 of it.",
        "First entry",
        "Second.",
        "Third entry.",
    ]
    assert [measure.count_words(one) for one in found] == [3, 2, 1, 11, 2, 1, 2]


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name != "dictionary.md"], ids=lambda p: p.stem
)
def test_a_page_has_few_long_sentences(page: Path, measure: ModuleType) -> None:
    sentences = list(measure.split_sentences(page.read_text("utf-8")))
    long = [one for one in sentences if measure.count_words(one) > measure.LONG]
    assert len(long) <= LONG_SHARE * len(sentences), long
