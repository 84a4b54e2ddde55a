"""Mends the schemas of the OpenAPI document, so that generators of clients make good types of them.

What msgspec and pydantic say is true, and not all that is: a member with a default is never left out of an answer.
"""

import json
from inspect import cleandoc
from typing import Any

_REF = "#/components/schemas/"


def mend(document: dict[str, Any]) -> None:
    """Mend every schema of the document, in place."""
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = cleandoc(schema["description"])
        if schema.get("properties") == {}:
            # An object without members would be one that takes none.
            schema.setdefault("additionalProperties", True)
    answers = _named(_answers(document), schemas)
    for name, schema in schemas.items():
        if name in answers:
            _require_everything(schema)
        else:
            _say_defaults_in_words(schema)
    _give_tuples_items(document)


def _answers(document: dict[str, Any]) -> list[Any]:
    """The responses of requests that are granted."""
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    return [
        response
        for operation in operations
        for status, response in operation["responses"].items()
        if status.startswith("2")
    ]


def _named(part: Any, schemas: dict[str, Any]) -> set[str]:
    """The names of the schemas that a part of the document refers to, also through others."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            name = str(at.get("$ref", "")).removeprefix(_REF)
            if name in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting += at.values()
        elif isinstance(at, list):
            waiting += at
    return found


def _require_everything(schema: dict[str, Any]) -> None:
    """Say of an answer that a member with a default is there. One without, and not required, may be left out."""
    if "properties" in schema:
        required = schema.get("required", [])
        schema["required"] = [
            name for name, member in schema["properties"].items() if name in required or "default" in member
        ]
        for member in schema["properties"].values():
            member.pop("default", None)


def _say_defaults_in_words(schema: dict[str, Any]) -> None:
    """Say the default of a member in its description: generated types take one with a default for one that is there."""
    for member in schema.get("properties", {}).values():
        default = member.pop("default", None)
        if default is not None:
            words = f"`{json.dumps(default)}` unless it is given."
            member["description"] = f"{member['description']} {words}" if "description" in member else words


def _give_tuples_items(schema: Any) -> None:
    """Give each tuple `items` that say what all of its parts are: generators ask for them, or know no `prefixItems`."""
    if isinstance(schema, list):
        for part in schema:
            _give_tuples_items(part)
    elif isinstance(schema, dict):
        if "prefixItems" in schema and not schema.get("items"):
            kinds = [kind for n, kind in enumerate(schema["prefixItems"]) if kind not in schema["prefixItems"][:n]]
            schema["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
            schema["minItems"] = schema["maxItems"] = len(schema["prefixItems"])
        for part in list(schema.values()):
            _give_tuples_items(part)
