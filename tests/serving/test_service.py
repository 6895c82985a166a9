"""The service as it runs: `bentoml serve`, its worker process, HTTP."""

import asyncio
import http.client
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest

import digest
from tests.serving import logged
from tests.serving.tiny import Server

LARGEST_RSS_KB = 250_000
JSON = {"Content-Type": "application/json"}


def post(server: Server, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/recommend", json=body, headers=headers)


def names(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["item_id"] for item in response.json()["items"]]


def test_a_known_user(server: Server, tiny_servable: Path) -> None:
    response = post(server, {"user_id": "ann", "k": 2})
    assert names(response) == ["item-2", "item-3"]
    answer = response.json()
    assert answer["model_version"] == digest.of_folder(tiny_servable)
    assert (answer["fallback"], answer["ignored"]) == (None, 0)
    assert names(post(server, {"user_id": 7, "k": 1})) == ["item-5"]


def test_a_new_user_with_a_history(server: Server) -> None:
    response = post(server, {"user_id": "stranger", "history": ["item-6", "nonsense"], "k": 1})
    assert names(response) == ["item-7"]
    assert (response.json()["fallback"], response.json()["ignored"]) == (None, 1)


def test_nothing_at_all(server: Server) -> None:
    response = post(server, {})
    assert names(response)[:2] == ["item-11", "item-9"]
    assert response.json()["fallback"] == "nothing_known"


def test_seen_items_do_not_come_back(server: Server) -> None:
    found = names(post(server, {"user_id": "ann", "history": ["item-4"], "k": 100}))
    assert sorted(found) == sorted(f"item-{i}" for i in (2, 3, 5, 6, 7, 8, 9, 11))


def test_a_model_that_returns_no_numbers_is_no_error(server: Server) -> None:
    assert post(server, {"history": ["item-11"]}).json()["fallback"] == "model_failed"


@pytest.mark.parametrize(("k", "status"), [(0, 422), (1, 200), (100, 200), (101, 422)])
def test_bounds_of_k(server: Server, k: int, status: int) -> None:
    assert post(server, {"k": k}).status_code == status


@pytest.mark.parametrize("given", ["abc-1.2_X", "x" * 64])
def test_a_clients_request_id_is_kept(server: Server, given: str) -> None:
    response = post(server, {}, **{"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == response.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", '"quoted"'])
def test_another_request_id_is_replaced(server: Server, given: str) -> None:
    response = post(server, {}, **{"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == response.json()["request_id"]
    assert len(bytes.fromhex(response.json()["request_id"])) == 16


def test_answers_are_logged(server: Server) -> None:
    identity = post(server, {"user_id": "ann", "k": 2}).json()["request_id"]
    (found,) = (record for record in logged.records(server.exposures) if record.request_id == identity)
    assert (found.user_id, found.items, found.popularity_rank) == ("ann", ["item-2", "item-3"], [9, 8])


def test_a_filter_makes_no_list_shorter_than_it_has_to_be(server: Server) -> None:
    asked = {"user_id": "ann", "k": 3, "filter": {"categories": ["even"], "deny": ["item-2"]}}
    assert names(post(server, asked)) == ["item-4", "item-6", "item-8"]
    assert names(post(server, {"k": 2, "filter": {"allow": ["item-3", 5, "item-0"]}})) == ["item-3", "item-0"]
    refused = post(server, {"filter": {"categories": ["odd"]}})
    assert (refused.status_code, refused.json()["error"]) == (
        422,
        "filter.categories: no item has 'odd'; there are: even, low",
    )


CLIENT = """
import sys
import bentoml
from bentoml.exceptions import BentoMLException

with bentoml.SyncHTTPClient(sys.argv[1]) as client:
    print(*(item["item_id"] for item in client.recommend(user_id="ann", k=2)["items"]))
    answer = client.recommend(history=["item-6"], filter={"deny": ["item-7"]}, k=1)
    print(answer["items"][0]["item_id"])
    try:
        client.recommend(user_id="ann", k=0)
    except BentoMLException as error:
        print(error.error_code, "$.k" in str(error))
"""


def test_bentoml_s_own_client_knows_how_to_ask(server: Server) -> None:
    done = subprocess.run([sys.executable, "-c", CLIENT, server.url], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["item-2 item-3", "item-0", "422 True"]


def test_many_at_once_are_answered_as_one_by_one(server: Server) -> None:
    bodies = [{"history": [f"item-{i % 9}"], "k": 1 + i % 5} for i in range(200)]
    alone = [names(post(server, body)) for body in bodies]

    async def together() -> list[httpx.Response]:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=32)) as client:
            return await asyncio.gather(*(client.post(f"{server.url}/recommend", json=body) for body in bodies))

    assert [names(response) for response in asyncio.run(together())] == alone


def test_refusals_say_why(server: Server) -> None:
    response = post(server, {"user": "ann"})
    assert response.status_code == 422
    assert "`user`" in response.json()["error"]
    assert response.json()["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post(server: Server, method: str) -> None:
    assert httpx.request(method, f"{server.url}/recommend").status_code == 405


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/jsonp", 415),
        ("", 415),
        ("application/vnd.bentoml+pickle", 415),
    ],
)
def test_content_types(server: Server, kind: str, status: int) -> None:
    headers = {"Content-Type": kind}
    assert httpx.post(f"{server.url}/recommend", content=b"{}", headers=headers).status_code == status


@pytest.mark.parametrize(("size", "status"), [(65_536, 200), (65_537, 413), (5_000_000, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_long_bodies_are_refused_however_they_are_sent(server: Server, size: int, status: int, chunked: bool) -> None:
    body = b"{" + b" " * (size - 2) + b"}"
    parts = [body[start : start + 10_000] for start in range(0, size, 10_000)]
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    statuses = []
    for content in (iter(parts) if chunked else body, b"{}"):
        connection.request("POST", "/recommend", content, JSON, encode_chunked=chunked and content != b"{}")
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses == [status, 200], "the same connection has to go on after a refusal"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs.json"])
def test_the_other_paths_work(server: Server, path: str) -> None:
    assert httpx.get(f"{server.url}{path}").status_code == 200


def test_metrics_count_recommendations(server: Server) -> None:
    post(server, {})
    text = httpx.get(f"{server.url}/metrics").text
    assert any('endpoint="/recommend"' in line and 'code="200"' in line for line in text.splitlines())


def test_docs_describe_the_endpoint_to_a_client_generator(server: Server) -> None:
    operation = httpx.get(f"{server.url}/docs.json").json()["paths"]["/recommend"]["post"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate({"user_id": 7, "history": ["a", 1], "k": 100}, request)
    for wrong in ({"k": 0}, {"k": 101}, {"user": "a"}, {"history": [None]}, {"user_id": "a" * 257}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, request)
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(post(server, {}).json(), answer)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"items": []}, answer)
    assert {"400", "413", "415", "422", "429", "500", "504"} <= set(operation["responses"])


def test_the_worker_is_small_and_has_no_tensorflow_and_no_pandas(server: Server) -> None:
    process = Path(f"/proc/{server.worker}")
    loaded = (process / "maps").read_text()
    assert "/ai_edge_litert/" in loaded, "the map must show extension modules, or the next lines prove nothing"
    assert "/tensorflow/" not in loaded
    assert "/pandas/" not in loaded
    (resident,) = (line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
    print(resident)  # noqa: T201
    assert int(resident.split()[1]) < LARGEST_RSS_KB
