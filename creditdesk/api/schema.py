"""The OpenAPI 3.1 schema, and what every operation has that no endpoint repeats: key, Idempotency-Key, problems."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from creditdesk.api.problems import CONTENT_TYPE, TITLES

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
    OpenApiParameter.HEADER,
    required=True,
    description="A new one (a UUID, say) for each new request. Sent again, the same key gives the same answer and "
    "has no second effect. Answers are kept for 30 days.",
)

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "description": "One of: " + ", ".join(TITLES)},
        "errors": {
            "type": "array",
            "description": "Of an invalid request, each thing that is wrong.",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "Name of the parameter of the address."},
                },
                "required": ["detail", "code"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code"],
}

# status -> (description, whether an operation of this method, with these parameters, can answer it)
_ALWAYS = {
    "401": "No key, or one that does not work",
    "403": "The key may not do this",
    "429": "Too many requests",
}
_POST = {
    "400": "The request is not valid; nothing was done",
    "409": "The state of the book refuses this; the answer is kept for the Idempotency-Key",
    "413": "The body is too large",
    "415": "The body is not JSON",
    "422": "The request contradicts itself or names what is not there, or its Idempotency-Key was used for another; kept",
}


class Schema(AutoSchema):
    def get_override_parameters(self) -> list[Any]:
        return [IDEMPOTENCY] if self.method == "POST" else []

    def get_description(self) -> str:  # type: ignore[override]
        """Not the docstring of the view, which speaks to who works on the code."""
        return ""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        scope = getattr(self.view, "scopes", {}).get(self.method)
        if operation is not None and scope:
            said = operation.get("description", "")
            operation["description"] = f"{said}\n\nNeeds the scope `{scope}`.".strip()
        return operation


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "creditdesk.api.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A key of this installation: `cdk_…`."}


def list_of(serializer_class: type[serializers.Serializer]) -> serializers.Serializer:
    """The schema of a page of rows."""
    return inline_serializer(
        name=f"{serializer_class.__name__.removesuffix('Out')}Page",
        fields={
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "results": serializer_class(many=True),
        },
    )


def add_problems(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Post-processing: the problems each operation may answer, and bodies without fields nobody knows."""
    schemas = result["components"].setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if not operation.get("security"):
                continue
            codes = dict(_ALWAYS)
            if method == "post":
                codes |= _POST
            else:
                codes["400"] = "A parameter is not valid"
                if path.startswith("/api/v1/exposures"):
                    codes["409"] = "An exchange rate is missing: no total can be given"
                    codes["422"] = "The day has not come"
            if "{" in path or any(p.get("name") == "cursor" for p in operation.get("parameters", ())):
                codes["404"] = "There is no such thing, or no such page, among what the key may see"
            for code, description in codes.items():
                operation["responses"].setdefault(code, _problem(description))
    for name in _closed(result):
        schemas[name]["additionalProperties"] = False
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _closed(result: dict[str, Any]) -> set[str]:
    """The schemas of request bodies, and what they consist of."""
    schemas = result["components"]["schemas"]
    waiting = [
        operation["requestBody"]
        for path in result["paths"].values()
        for operation in path.values()
        if "requestBody" in operation
    ]
    found: set[str] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/components/schemas/")
            if name and name not in found and schemas[name].get("type") == "object":
                found.add(name)
                waiting.append(schemas[name])
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return found
