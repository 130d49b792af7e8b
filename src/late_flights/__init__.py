"""The project: its tables, cleaning, features and the graphs of all stages."""

import sys
from pathlib import Path

# A wheel of the project has the engine in this folder (setup.py); a checkout has it in src/.
ENGINE = Path(__file__).parent / "_engine"
if ENGINE.is_dir():
    sys.path.insert(0, str(ENGINE))
