"""The document of the service: OpenAPI, and the page /docs, which loads nothing."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from preflight.serving.status_page import FOLDERS

Json = dict[str, Any]

KEY_HEADER = "X-API-Key"
API_KEY = {
    "type": "apiKey",
    "in": "header",
    "name": KEY_HEADER,
    "description": "needed if the service was started with the variable PREFLIGHT_API_KEY",
}
REFUSAL = {"$ref": "#/components/schemas/Refusal"}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "minItems": "with at least",
    "maxItems": "with at most",
}


def make_openapi(app: FastAPI, description: str | None, bodies: Json) -> Json:
    """Return the OpenAPI document of the service.

    Args:
        description: of the service.
        bodies: JSON schemas of the body of /predict and its parts, by name.
    """
    document = get_openapi(
        title=app.title, version=app.version, routes=app.routes, description=description
    )
    document["components"]["schemas"] |= bodies
    document["components"]["securitySchemes"] = {"ApiKey": API_KEY}
    for operation in _operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":  # of a page too
                answer["content"] = {"application/json": {"schema": REFUSAL}}
        if "401" in operation["responses"]:
            operation["security"] = [{"ApiKey": []}, {}]  # {}: a service may have no key
    return document


def render_docs(document: Json) -> str:
    """Return the page of an OpenAPI document: HTML that loads nothing and needs no script."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(  # a schema may lack what others have: undefined is empty
        loader=FileSystemLoader(FOLDERS), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["type"] = describe_type
    return environment.get_template("docs.html.j2").render(document=document)


def describe_type(schema: Json) -> str:
    """Return the type of a JSON schema in words: "number, at least 0 or null"."""
    if "$ref" in schema:
        return Path(schema["$ref"]).name
    if some := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(describe_type(one) for one in some)
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(map(str, schema.get("enum") or [schema["const"]]))
    if schema.get("type") == "array":
        words = f"list of {describe_type(schema.get('items', {}))}"
    else:
        words = schema.get("format") or schema.get("type", "anything")
    bounds = (f"{text} {schema[name]:,}" for name, text in BOUNDS.items() if name in schema)
    return ", ".join([words, *bounds])


def _operations(document: Json) -> list[Json]:
    return [one for path in document["paths"].values() for one in path.values()]
