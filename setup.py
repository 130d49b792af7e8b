"""What a wheel of this project holds: the project, and inside of it the engine.

So each project brings its own engine, and two of them can be installed in one environment.
Everything else is in pyproject.toml.
"""

from setuptools import find_packages, setup

ENGINE = "late_flights._engine"  # put on the path by __init__.py there

setup(
    packages=[
        *find_packages("src", include=["late_flights*"]),
        *(f"{ENGINE}.{name}" for name in find_packages("src", include=["preflight*"])),
    ],
    package_dir={"": "src", f"{ENGINE}.preflight": "src/preflight"},
)
