"""How fast it is, next to others: `make bench`, or one of `python -m benchmarks.<name>`."""

import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT / "src"))
