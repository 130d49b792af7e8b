"""The dataset of a figure, and what a figure has to have."""

import io
import re
from base64 import b64encode
from pathlib import PurePath
from typing import Any

from kedro.io import DatasetError
from kedro_datasets._typing import ImagePreview
from kedro_datasets.text import TextDataset

from preflight.reporting.contracts import refuse
from preflight.reporting.drawing import GRID, INK, PAPER, SOFT

OF_THE_PAGE = {INK: "ink", SOFT: "soft", GRID: "line", PAPER: "paper"}  # colours that a page sets

CLEANED = {  # what a page has no use for, or has its own of
    r" <metadata>.*?</metadata>\n": "",
    r" <defs>\s*<style.*?</style>\s*</defs>\n": "",
    r'<g id="[\w.]+_\d+"(/?)>': r"<g\1>",
    r" *<g/>\n": "",
    r" font-family: [^;]*;": "",
    r"\A<svg": '<svg font-family="sans-serif"',
}


class FigureDataset(TextDataset):  # type: ignore[misc]
    """A matplotlib figure: it is saved as SVG and as PNG, and loads as the text of the SVG.

    The SVG is for pages; it takes their colours (`--ink`, `--soft`, `--line`, `--paper`). The PNG
    next to it is what Kedro-Viz shows.
    """

    def save(self, data: Any) -> None:
        """Write the figure as PNG, then as SVG; if that fails, remove the PNG."""
        svg, path = to_svg(data), self._get_save_path()
        with self._fs.open(_png(path), mode="wb") as file:
            data.savefig(file, format="png", dpi=150, metadata={"Software": None})
        try:
            super().save(svg)
        except DatasetError:
            self._fs.rm(path.parent.as_posix(), recursive=True)
            raise

    def preview(self) -> ImagePreview:
        """Return the PNG as Kedro-Viz wants it."""
        return ImagePreview(b64encode(self._fs.cat_file(_png(self._get_load_path()))).decode())


def _png(svg: PurePath) -> str:
    return svg.with_suffix(".png").as_posix()


def to_svg(figure: Any) -> str:
    """Return a figure as an SVG element: the same bytes each time, text as text."""
    import matplotlib as mpl

    title = _title(figure)
    written = io.StringIO()
    # ids are made from the salt: those of two figures on one page must differ
    known = {"Title": title, "Date": None}
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(written, format="svg", transparent=True, metadata=known)
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    for pattern, text in CLEANED.items():
        svg = re.sub(pattern, text, svg, flags=re.DOTALL)
    for colour, name in OF_THE_PAGE.items():
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    return svg


class Figure:
    """A figure that shows something, with a title and, in every plot, a named axis."""

    def validate(self, data: Any) -> Any:
        """Return the figure; raise DataValidationError that names what it lacks."""
        if isinstance(data, str):  # loaded: it was checked when it was saved
            return data
        plots = data.get_axes()
        faults = {
            "has no title": not _title(data),
            "shows nothing": not any(plot.has_data() for plot in plots),
            "does not name what its axes measure": not any(
                plot.get_xlabel() or plot.get_ylabel() for plot in plots
            ),
        }
        return refuse("figure", faults, data)


def _title(figure: Any) -> str:
    title: str = figure.get_suptitle()
    return title
