"""The description of the server for programs, in OpenAPI 3.1; `lmctl.serve.reference` shows it to people."""

from __future__ import annotations

from typing import Any

import msgspec

from lmctl.serve.answers import Failure, GeneratedPiece, GenerateResponse, Health
from lmctl.serve.bodies import LONGEST_TEXT, MOST_CHARACTERS, MOST_TEXTS
from lmctl.serve.endpoints import ENDPOINTS
from lmctl.version import __version__

_ERRORS = {
    "400": "The body is not JSON.",
    "401": "The token is missing or wrong.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is not declared as application/json.",
    "421": "The header Host names another machine.",
    "422": "The body is JSON, but no request: a key, a value or a length is wrong, or the model cannot answer it.",
    "431": "The head of the request is too large.",
    "500": "A bug in lmctl.",
    "503": "Too many requests wait, or the answer took too long. Retry-After says when to ask again.",
}
_STREAM = (
    "With `stream`: events `data: {...}`, each with a GeneratedPiece; the last but one has the whole answer, and "
    "the last one is `data: [DONE]`. If the answer fails after its first piece, an event `error` has a Failure."
)
_REF = "#/components/schemas/{name}"
# Numbers of answers that are always finite: probabilities, shares and entropies. JSON has no infinity, so others
# may be null, such as the perplexity of a text that the model holds impossible.
_FINITE = frozenset({"prob", "lower_prob", "unseen", "entropy", "oov_rate"})


def document(*, needs_token: bool) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        needs_token: whether the server asks for a token.
    """
    bodies = [each for endpoint in ENDPOINTS for each in (endpoint.request, endpoint.response)]
    others = [GeneratedPiece, Health, Failure]
    schemas, components = msgspec.json.schema_components([*bodies, *others], ref_template=_REF)
    asked = {endpoint.request.__name__ for endpoint in ENDPOINTS}
    for name, schema in components.items():
        if name not in asked:
            _allow_null(schema)
    references = dict(zip([*bodies, *others], schemas, strict=True))
    failure = {"application/json": {"schema": references[Failure]}}
    errors = {code: {"description": text, "content": failure} for code, text in _ERRORS.items()}
    errors["503"]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    if not needs_token:
        del errors["401"]
    data = {"anyOf": [references[kind] for kind in (GeneratedPiece, GenerateResponse, Failure)]}
    of_stream = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    streamed = {"text/event-stream": {"schema": {**of_stream, "description": _STREAM}}}
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths[endpoint.path] = {
            "post": {
                "operationId": endpoint.name,
                "summary": endpoint.summary,
                "description": " ".join(str(endpoint.request.__doc__).split()),
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": references[endpoint.request],
                            "example": endpoint.example,
                        }
                    },
                },
                "responses": {
                    "200": {
                        "description": " ".join(str(endpoint.response.__doc__).split()),
                        "content": {
                            "application/json": {"schema": references[endpoint.response]},
                            **(streamed if endpoint.stream else {}),
                        },
                    },
                    **errors,
                },
            }
        }
    # A get has no body, and no answer of the model.
    refusals = {code: errors[code] for code in ("401", "421", "431") if code in errors}
    paths["/healthz"] = {
        "get": {
            "operationId": "healthz",
            "summary": "Whether the server answers, and with which generation.",
            "security": [],
            "responses": {
                "200": {
                    "description": "It does.",
                    "content": {"application/json": {"schema": references[Health]}},
                },
                **{code: each for code, each in refusals.items() if code != "401"},
            },
        }
    }
    paths["/metrics"] = {
        "get": {
            "operationId": "metrics",
            "summary": "Metrics for Prometheus.",
            "responses": {
                "200": {
                    "description": "Prometheus' text format, or OpenMetrics if the header Accept names it.",
                    "content": {"text/plain": {}, "application/openmetrics-text": {}},
                },
                **refusals,
            },
        }
    }
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "lmctl serve",
            "version": __version__,
            "description": (
                "Queries of a model. A request has at most "
                f"{MOST_TEXTS} texts, of {LONGEST_TEXT:,} characters each and {MOST_CHARACTERS:,} in all."
            ),
        },
        "paths": paths,
        "components": {"schemas": components},
    }
    if needs_token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _allow_null(schema: dict[str, Any]) -> None:
    """Describe the numbers of an answer that may be infinite, and are null then."""
    for key, described in schema.get("properties", {}).items():
        if described.get("type") == "number" and key not in _FINITE:
            schema["properties"][key] = {"anyOf": [described, {"type": "null"}]}
