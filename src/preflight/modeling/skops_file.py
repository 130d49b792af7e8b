"""Models as files that are safe to load, and the same bytes for the same model.

skops names the parts of a model by where they lay in memory, and its archive holds the time of
writing. Here parts are numbered in the order in which they come, and no time is kept.
"""

import io
import re
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

SCHEMA = "schema.json"
_NAME = re.compile(r'(?<="__id__": )\d+|(?<="file": ")[^".]+')


def dump(model: Any, file: IO[bytes]) -> None:
    """Write the model, compressed."""
    from skops.io import dumps

    with ZipFile(io.BytesIO(dumps(model))) as made, ZipFile(file, "w") as kept:
        number: dict[str, str] = {}
        schema = _NAME.sub(
            lambda found: number.setdefault(found[0], str(len(number))), made.read(SCHEMA).decode()
        )
        parts = {SCHEMA: schema.encode()}
        parts |= {
            f"{number[part]}.{kind}": made.read(f"{part}.{kind}")
            for part, kind in (name.split(".") for name in made.namelist() if name != SCHEMA)
        }
        for name, content in sorted(parts.items()):
            kept.writestr(ZipInfo(name), content, compress_type=ZIP_DEFLATED)


def load(file: IO[bytes], trusted: list[str]) -> Any:
    """Return the model; types that are neither skops' own nor trusted are refused."""
    from skops.io import load as skops_load

    return skops_load(file, trusted=trusted)
