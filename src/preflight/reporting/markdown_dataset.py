"""The dataset of a page in Markdown, which Kedro-Viz shows as text."""

from html import escape

from kedro_datasets._typing import HTMLPreview
from kedro_datasets.text import TextDataset


class MarkdownDataset(TextDataset):  # type: ignore[misc]
    """A text; Kedro-Viz previews it."""

    def preview(self) -> HTMLPreview:
        """Return the text with its lines, as Kedro-Viz wants it."""
        style = "white-space: pre-wrap; font: 14px/1.5 sans-serif; background: #fff; color: #1b1f23"
        return HTMLPreview(f'<pre style="{style}; padding: 1em">{escape(self.load())}</pre>')
