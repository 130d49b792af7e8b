"""What pages share: their templates, filters and style."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from preflight.problem.framing import Framing
from preflight.reporting import formatting
from preflight.reporting.formatting import MINUS


def make_environment(framing: Framing, autoescape: bool) -> Any:
    """Return the environment of templates, with filters that write numbers and money."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    unit = framing.costs.unit
    environment.filters |= {
        name: getattr(formatting, name)
        for name in ("number", "percent", "short", "words", "span", "listed", "records")
    } | {
        "money": partial(formatting.money, unit=unit),
        "money_span": partial(formatting.money_span, unit=unit),
    }
    return environment


def tidy_page(page: str) -> str:
    """Return a page with true minus signs, after which no line ends."""
    page = re.sub(r"(?<![\w-])-(?=[$€£¥]|[A-Z]{3}\s?\d)", MINUS, page)  # of the verdict's reasons
    return page.replace(MINUS, f"{MINUS}\N{WORD JOINER}")
