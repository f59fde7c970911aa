"""What each key of the settings takes, in words, from the JSON schema."""

from __future__ import annotations

from functools import cache
from typing import Any

from anomdet.config.schema import Settings

JsonSchema = dict[str, Any]


@cache
def json_schema() -> JsonSchema:
    """The JSON schema of the settings, draft 2020-12, with a description of each key; editors complete from it."""
    schema = Settings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "AnomDet settings"
    return schema


def resolve(schema: JsonSchema) -> JsonSchema:
    """The schema itself, or the section that it refers to; a description beside the reference wins."""
    if "$ref" not in schema:
        return schema
    target = json_schema()["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def branches(schema: JsonSchema) -> list[JsonSchema]:
    """The alternatives of a schema, resolved; one that has none is its own only branch."""
    return [resolve(branch) for branch in schema.get("anyOf", [schema])]


def is_section(schema: JsonSchema) -> bool:
    """Whether the schema is one of our sections: a mapping with a fixed set of keys."""
    return schema.get("additionalProperties") is False


def flat_keys(schema: JsonSchema | None = None, prefix: str = "") -> dict[str, JsonSchema]:
    """Every key that has a value, dotted, in the order of the schema, with its own schema."""
    keys: dict[str, JsonSchema] = {}
    for name, child in (schema or json_schema())["properties"].items():
        key, child = f"{prefix}{name}", resolve(child)
        sections = [branch for branch in branches(child) if is_section(branch)]
        if not sections or child not in sections:
            keys[key] = child
        for section in sections:
            keys.update(flat_keys(section, f"{key}."))
    return keys


def expected_text(schema: JsonSchema) -> str:
    """What a value must be, for a person: ``an integer >= 1``, ``one of adam, adamw, sgd``, ``text or null``."""
    schema = resolve(schema)
    if "anyOf" in schema:
        if "$comment" in schema:
            return str(schema["$comment"])
        texts = [expected_text(branch) for branch in branches(schema)]
        return " or ".join(sorted(texts, key=lambda text: text == "null"))
    if "$comment" in schema:
        return str(schema["$comment"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return f"{'an' if kind == 'integer' else 'a'} {kind}{_bounds(schema)}"
    if kind == "array":
        return _list_text(schema)
    if kind == "object":
        return "a section of keys" if is_section(schema) else "a mapping"
    return {"boolean": "true or false", "string": "text", "null": "null"}.get(str(kind), "a value")


def _bounds(schema: JsonSchema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, under = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if schema["type"] == "integer" and above is not None:
        low, above = above + 1, None
    if low is not None and high is not None:
        return f" from {low:.10g} to {high:.10g}"
    least = f" > {above:.10g}" if above is not None else f" >= {low:.10g}" if low is not None else ""
    most = f" <= {high:.10g}" if high is not None else f" < {under:.10g}" if under is not None else ""
    return f"{least} and{most}" if least and most else least or most


def _list_text(schema: JsonSchema) -> str:
    item = schema.get("prefixItems", [schema.get("items", {})])[0]
    fewest, most = schema.get("minItems", 0), schema.get("maxItems")
    count = f" of {fewest}" if fewest == most else f" of {fewest} or more" if fewest else " of"
    return f"a list{count} {_plural(item)}"


def _plural(schema: JsonSchema) -> str:
    schema = resolve(schema)
    if "enum" in schema:
        return f"any of {', '.join(map(str, schema['enum']))}"
    if schema.get("type") in ("integer", "number"):
        return f"{schema['type']}s{_bounds(schema)}"
    return {"string": "texts", "object": "mappings"}.get(str(schema.get("type")), "values")
