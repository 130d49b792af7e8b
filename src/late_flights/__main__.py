"""`python -m late_flights` runs pipelines as `kedro run` does, from a wheel too (kedro package)."""

import sys
from pathlib import Path
from typing import Any

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the project in the current folder, which has conf and data; return what was run."""
    package = Path(__file__).parent.name
    configure_project(package)
    kwargs["standalone_mode"] = not hasattr(sys, "ps1")  # in a notebook it returns
    return find_run_command(package)(*args, **kwargs)


if __name__ == "__main__":
    main()
