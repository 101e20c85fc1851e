"""The reference, the page and the metrics."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from counted_bigrams import publish_bigrams

from lmctl.serve.endpoints import ENDPOINTS
from lmctl.serve.openapi import document


def references(value):
    if isinstance(value, dict):
        for key, each in value.items():
            yield from [each] if key == "$ref" else references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_the_document_is_whole(client):
    found = client.get("/openapi.json").json()

    assert found["openapi"].startswith("3.1")
    paths = {"/v1/predict", "/v1/score", "/v1/surprisal", "/v1/fill", "/v1/generate", "/healthz", "/metrics"}
    assert set(found["paths"]) == paths
    there = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    assert set(references(found)) == there
    assert "security" not in found
    secured = document(needs_token=True)
    assert secured["security"] == [{"token": []}]
    assert "401" in secured["paths"]["/v1/predict"]["post"]["responses"]
    # A request to /metrics needs the token, one to /healthz does not (test_refusals.py).
    refused = {path: set(secured["paths"][path]["get"]["responses"]) for path in ("/healthz", "/metrics")}
    assert refused == {"/healthz": {"200", "421", "431"}, "/metrics": {"200", "401", "421", "431"}}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_example_of_an_endpoint_is_answered_as_the_document_says(client, endpoint):
    example = json.loads(json.dumps(endpoint.example))
    response = client.post(endpoint.path, json=example)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    decoded = msgspec.json.decode(response.content, type=endpoint.response)
    assert decoded.answers
    described = client.get("/openapi.json").json()["components"]["schemas"][endpoint.response.__name__]
    assert set(response.json()) == set(described["properties"])


def test_numbers_that_are_not_finite_are_described_as_null(client, serving, tmp_path):
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    # No sentence starts with cat, so the text is impossible; and a text without words has no ppl1.
    impossible = serving(publish_bigrams(tmp_path, "the cat\nthe dog\n"))
    for asked, text in ((impossible, "cat the"), (client, "")):
        summary = asked.post("/v1/score", json={"texts": [text]}).json()["summary"]
        null = {key for key, value in summary.items() if value is None}
        assert null >= ({"perplexity", "logprob10", "cross_entropy_nats"} if text else {"ppl1"})
        properties = schemas["Figures"]["properties"]
        assert {key for key in null if {"type": "null"} not in properties[key]["anyOf"]} == set()
    assert schemas["Prediction"]["properties"]["prob"] == {"type": "number"}


def test_the_reference_names_every_key(client):
    page = client.get("/docs").text

    for endpoint in ENDPOINTS:
        assert endpoint.path in page
        for field in msgspec.structs.fields(endpoint.request):
            assert f"<code>{field.name}</code>" in page
        assert f"<caption>Answer: {endpoint.response.__name__}</caption>" in page
    # An object inside an answer.
    assert "<caption>Answer: TokenScore</caption>" in page


def test_the_examples_of_the_reference_have_a_token_if_one_is_asked_for(serving):
    header = '-H "Authorization: Bearer $(cat token)"'
    pages = [serving(token=token).get("/docs").text for token in (None, b"0123456789abcdef")]

    assert [page.count(header) for page in pages] == [0, len(ENDPOINTS)]


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/page/page.js", "/page/writing.js", "/page/style.css", "/page/icon.svg"]
)
def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script_but_its_own(client, path):
    response = client.get(path)

    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    names = re.findall(r"""(?:https?:)?//[\w.-]+""", re.sub(r"(?m)^\s*//.*$", "", response.text))
    # The namespace of SVG, and the example of the reference.
    assert set(names) <= {"http://www.w3.org", "http://127.0.0.1"}
    assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|javascript:", response.text)


def test_types_of_files_are_right(client):
    types = {"/": "text/html", "/page/page.js": "text/javascript", "/page/style.css": "text/css"}
    for path, expected in types.items():
        assert client.get(path).headers["content-type"] == f"{expected}; charset=utf-8"


def test_metrics_count_requests_batches_and_generations(published, serving):
    folder = published(1)
    client = serving(folder.folder)
    assert client.post("/v1/predict", json={"contexts": ["the"]}).status_code == 200
    assert client.post("/v1/predict", json={}).status_code == 422

    found = dict(
        line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#")
    )
    assert found['lmctl_serve_requests_total{code="200",endpoint="predict"}'] == "1.0"
    assert found['lmctl_serve_requests_total{code="422",endpoint="predict"}'] == "1.0"
    assert found['lmctl_serve_request_duration_seconds_count{endpoint="predict"}'] == "2.0"
    assert found["lmctl_serve_batch_requests_sum"] == "1.0"
    assert found["lmctl_serve_waiting_requests"] == "0.0"
    assert found[f'lmctl_serve_generation{{model="{folder.folder}"}}'] == "1.0"
    assert found["lmctl_serve_open_failures_total"] == "0.0"
    assert float(found["process_resident_memory_bytes"]) > 0


def test_metrics_have_the_format_that_is_asked_for(client):
    plain = client.get("/metrics", headers={"Accept": "text/plain"})
    assert plain.headers["content-type"].startswith("text/plain; version=")
    asked = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert asked.headers["content-type"].startswith("application/openmetrics-text")
    assert asked.text.endswith("# EOF\n")
