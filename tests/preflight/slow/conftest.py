"""Everything in this folder is slow: `make test-all` runs it, `make test` does not."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', flags=re.MULTILINE | re.DOTALL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


class Page:
    """A page of docs/ that leads from a new project to a verdict: its blocks, in their order."""

    def __init__(self, name: str) -> None:
        self.text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
        self.blocks: list[tuple[str, str, str]] = BLOCK.findall(self.text)  # kind, title, text

    def write_all(self, project: Path) -> None:
        """Write all files of the page."""
        for kind, title, text in self.blocks:
            if title and kind != "text":
                self.write(project / title, kind, text)

    @staticmethod
    def write(path: Path, kind: str, text: str) -> None:
        """Write a file; of a diff, put lines with a plus for those with a minus before them."""
        if kind != "diff":
            path.write_text(text, encoding="utf-8")
            return
        for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", text, flags=re.MULTILINE):
            gone, written = (re.sub(r"(?m)^.", "", lines) for lines in (old, new))
            before = path.read_text(encoding="utf-8")
            assert before.count(gone) == 1, (path, gone)
            path.write_text(before.replace(gone, written), encoding="utf-8")


@pytest.fixture(scope="session")
def page() -> type[Page]:
    return Page
