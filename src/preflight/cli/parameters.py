"""The parameters in Markdown: each value of conf with its comment, and what its section allows."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

Schema = dict[str, Any]
TYPES = {
    "number": "number",
    "integer": "whole number",
    "string": "text",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
    "null": "null",
}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
COMMENT = re.compile(r"\s#\s?(.*)$")
LONGEST = 40  # characters of a value


def write_parameters(folder: Path, sections: Mapping[str, type[BaseModel]]) -> str:
    """Return one part of the page for each YAML file of a folder.

    sections: the model that checks each top-level parameter, by its name.
    """
    pages = (describe_file(path, sections) for path in sorted(folder.glob("*.yml")))
    return "\n".join("\n".join(page) for page in pages)


def describe_file(path: Path, sections: Mapping[str, type[BaseModel]]) -> Iterator[str]:
    """Yield the lines of a file: what its first lines say, and a row for each parameter."""
    lines = path.read_text("utf-8").splitlines()
    head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    commands = [
        re.sub(r" {2,}\((.*)\)$", r"   # \1", line[1:].strip())
        for line in head
        if line.startswith("#   ")
    ]
    about = " ".join(line[1:].strip() for line in head if not line.startswith("#   "))
    yield f"### {path.name}\n"
    yield about + "\n"
    if commands:
        yield "\n".join(["```bash", *commands, "```\n"])
    yield "| parameter | here | allowed | default | meaning |\n|---|---|---|---|---|"
    tree = yaml.compose("\n".join(lines))
    for key, node in tree.value:
        if not isinstance(node, yaml.MappingNode):
            yield _row(
                f"`{key.value}`", f"`{_text(node, lines)}`", "", "", comment(lines, key, node)
            )
            continue
        schema = sections[key.value].model_json_schema() if key.value in sections else {}
        yield _row(f"**{key.value}**", "", "", "", "")
        yield from describe_mapping(node, key.value, schema, schema.get("$defs", {}), lines)
    yield ""


def describe_mapping(
    node: yaml.MappingNode, name: str, schema: Schema, known: Schema, lines: list[str]
) -> Iterator[str]:
    """Yield the rows of a mapping: its values, then what it leaves out, then mappings in it.

    known: the schemas that others refer to, by name.
    """
    given = {key.value for key, _ in node.value}
    fields, required = _fields(schema, known, given)
    inner = []
    for key, value in node.value:
        field = fields.get(key.value) or _values(schema, known)
        meaning = comment(lines, key, value) or _described(field)
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            full = f"{name}.{key.value}"
            inner.append(_row(f"**{full}**", "", "", "", meaning))
            inner += describe_mapping(value, full, field, known, lines)
        else:
            here, default = f"`{_text(value, lines)}`", _default(field, key.value in required)
            yield _row(f"`{key.value}`", here, _allowed(field, known), default, meaning)
    for left_out in [one for one in fields if one not in given]:
        field = fields[left_out]
        default = _default(field, left_out in required)
        yield _row(f"`{left_out}`", "", _allowed(field, known), default, _described(field))
    yield from inner


def comment(lines: list[str], key: yaml.Node, value: yaml.Node) -> str:
    """Return the comment of a parameter: above it, after it, and below it if that goes on.

    One that ends with a colon goes on in the lines below.
    """
    first, after = key.start_mark.line, value.end_mark
    if isinstance(value, yaml.CollectionNode) and not value.flow_style:
        after = key.end_mark  # the value is below
    block = isinstance(value, yaml.ScalarNode) and value.style in {">", "|"}
    rest = "" if block else lines[after.line][after.column :]
    found = COMMENT.search(" " + rest)
    beside = found[1].strip() if found else ""
    above = _full_lines(lines, first - 1, -1)
    before = first - len(above) - 1
    if above and (before < 0 or (lines[before].rstrip().endswith(":") and "#" in lines[before])):
        above = []  # of the file, or of the mapping that this is in
    below = _full_lines(lines, first + 1, 1) if beside.endswith(":") else []
    return " ".join([*above, beside, *below]).strip()


def _full_lines(lines: list[str], start: int, step: int) -> list[str]:
    """Return the lines of comment from one on, upwards or downwards, in their order."""
    found = []
    while 0 <= start < len(lines) and lines[start].lstrip().startswith("#"):
        found.append(lines[start].strip("# "))
        start += step
    return found[::step]


def _resolved(schema: Schema, known: Schema) -> list[Schema]:
    """Return the schemas that a value may follow."""
    if "$ref" in schema:
        return _resolved(known[schema["$ref"].rpartition("/")[2]], known)
    parts = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    return [one for part in parts for one in _resolved(part, known)] if parts else [schema]


def _fields(schema: Schema, known: Schema, given: set[str]) -> tuple[Schema, set[str]]:
    """Return the fields of a mapping by name, and the names of those without a default.

    given: the fields that are there. Of several kinds of mapping, the one that has most of them.
    """
    kinds = _resolved(schema, known)
    kind = max(kinds, key=lambda one: len(given & one.get("properties", {}).keys()))
    return kind.get("properties", {}), set(kind.get("required", []))


def _values(schema: Schema, known: Schema) -> Schema:
    """Return the schema of the values of a mapping whose keys are free."""
    found = (kind.get("additionalProperties") for kind in _resolved(schema, known))
    return next((one for one in found if isinstance(one, dict)), {})


def _described(field: Schema) -> str:
    return str(field.get("description", ""))


def _allowed(field: Schema, known: Schema) -> str:
    """Return the types and bounds of a value, in words."""
    words = []
    for kind in _resolved(field, known):
        values = kind.get("enum") or ([kind["const"]] if "const" in kind else [])
        name = "moment" if kind.get("format") == "date-time" else TYPES.get(kind.get("type", ""))
        bounds = [f"{sign} {kind[bound]:g}" for bound, sign in BOUNDS.items() if bound in kind]
        words.append(", ".join(values and map(str, values)) or " ".join([name or "", *bounds]))
    return " or ".join(dict.fromkeys(filter(None, words)))


def _default(field: Schema, is_required: bool) -> str:
    if is_required:
        return "required"
    if "default" not in field or isinstance(field["default"], dict):
        return ""
    return f"`{_shortened(json.dumps(field['default'], ensure_ascii=False))}`"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(' ')[0]} …"


def _text(value: yaml.Node, lines: list[str]) -> str:
    """Return a value as it is written; a list of mappings by its length."""
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        return "1 entry" if len(value.value) == 1 else f"{len(value.value)} entries"
    if isinstance(value, yaml.ScalarNode):
        return _shortened(" ".join(str(value.value).split()))
    written = "\n".join(lines)[value.start_mark.index : value.end_mark.index]
    return " ".join(written.split())


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
