"""Refuses names that can't be those of a package here; Kedro has refused those of Python's own.

And answers that are none: Kedro asks again at a prompt, but takes a file of answers as it is.
"""

import os
import re
import sys
from pathlib import Path

PACKAGE = "{{ cookiecutter.python_package }}"
FOLDERS = {"benchmarks", "conf", "data", "docs", "hooks", "notebooks", "src", "tests"}
USED = {"kedro", "numpy", "optuna", "pandas", "pandera", "matplotlib", "preflight", "pydantic"}
USED |= {"sklearn", "skops"}
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

# A relative path to the starter starts where `kedro new` was called: the folder of the new project,
# unless a file of answers names another one. This hook itself works in the new project.
REPO = r"{{ cookiecutter._repo_dir }}"
CALLED_FROM = (r"{{ cookiecutter._output_dir }}", os.environ.get("PWD", ""))
starters = [path for folder in CALLED_FROM if Path(path := Path(folder, REPO), "hooks").is_dir()]
if not starters:
    sys.exit(f"The starter '{REPO}' is not found from here. Give --starter its absolute path.")
STARTER = starters[0].resolve()
Path(".starter").write_text(str(STARTER), encoding="utf-8")  # for post_gen_project.py

# a file of answers may say yes without quotes, which YAML takes for true
ANSWERS = {"yes", "y", "true", "1", "no", "n", "false", "0"}
if "{{ cookiecutter.example }}".strip().lower() not in ANSWERS:
    sys.exit("example: it is yes or no.")
