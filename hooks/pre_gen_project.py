"""Refuses names that can't be those of a package here; Kedro has refused those of Python's own."""

import re
import sys

PACKAGE = "{{ cookiecutter.python_package }}"
FOLDERS = {"benchmarks", "conf", "data", "docs", "hooks", "notebooks", "src", "tests"}
USED = {"kedro", "numpy", "optuna", "pandas", "pandera", "plotly", "pydantic", "sklearn", "skops"}
FAULTS = {
    "needs to begin with a letter, and to have letters (a to z), digits and underscores only": (
        not re.fullmatch("[a-z][a-z0-9_]*", PACKAGE)
    ),
    "is a library that the project uses: one would hide the other": PACKAGE in USED,
    "is the name of a folder that every project has": PACKAGE in FOLDERS,
}

for fault, found in FAULTS.items():
    if found:
        sys.exit(f"The package can't be named '{PACKAGE}': it {fault}. Choose another name.")
