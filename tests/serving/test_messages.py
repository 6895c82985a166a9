from typing import Any

import msgspec
import pytest

from serving import messages
from serving.messages import Filter, Request, RequestError, parse

FILTER = Filter(categories=("A",), allow=("1", "b"), deny=())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", Request(None, (), 10)),
        (b'{"user_id": null, "history": null}', Request(None, (), 10)),
        (b'{"user_id": 7, "history": [3, "b", -1], "k": 100}', Request("7", ("3", "b", "-1"), 100)),
        (b'{"user_id": 9223372036854775808}', Request("9223372036854775808", (), 10)),
        (b'{"k": 1, "k": 2}', Request(None, (), 2)),
        ('{"user_id": "käufer"}'.encode(), Request("käufer", (), 10)),
        (b'{"filter": {}}', Request(None, (), 10, Filter())),
        (b'{"filter": {"categories": ["A"], "allow": [1, "b"], "deny": []}}', Request(None, (), 10, FILTER)),
    ],
)
def test_reads_requests(body: bytes, expected: Request) -> None:
    assert parse(body) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{} x", b'{"k": NaN}', b'{"user_id": "\xff"}', b'{"user_id": "\\ud800"}', b"\xef\xbb\xbf{}", b"k=1"],
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        parse(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"null", "object"),
        (b"[]", "object"),
        (b'{"k": 0}', "$.k"),
        (b'{"filter": {"category": ["A"]}}', "`category`"),
        (b'{"filter": {"categories": [1]}}', "$.filter.categories"),
        (b'{"filter": ["A"]}', "$.filter"),
        (b'{"k": 101}', "$.k"),
        (b'{"k": 5.0}', "$.k"),
        (b'{"k": true}', "$.k"),
        (b'{"k": "5"}', "$.k"),
        (b'{"k": 1e400}', "$.k"),
        (b'{"user_id": 1.5}', "$.user_id"),
        (b'{"user": "a"}', "`user`"),
        (b'{"history": "a"}', "$.history"),
        (b'{"history": [null]}', "$.history[0]"),
        (b'{"history": ' + b"[" * 30_000, "$.history[0]"),
        (b'{"user_id": ' + b"1" * 257 + b"}", "257 digits"),
        (b'{"user_id": ' + b"1" * 60_000 + b"}", "$.user_id"),
        (b'{"user_id": "' + b"a" * 257 + b'"}', "256"),
        (b'{"history": [' + b'"",' * 1000 + b'""]}', "1000"),
    ],
)
def test_what_is_not_a_request_is_422_and_says_where(body: bytes, named: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(body)
    assert caught.value.status == 422
    assert named in str(caught.value)


def test_the_largest_request_is_accepted() -> None:
    largest = {"user_id": "ü" * 256, "history": ["i"] * 1000, "k": 100}
    assert len(parse(msgspec.json.encode(largest)).history) == 1000


@pytest.mark.parametrize("escape", [b"\\ud800", b"\\udc00", b"\\udc00\\ud800", b"\\ud800x"])
def test_lone_surrogates_are_not_text(escape: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        parse(b'{"user_id": "' + escape + b'"}')
    assert caught.value.status == 400


def test_schemas_have_no_references() -> None:
    schemas = messages.schemas()
    assert set(schemas) == {"request", "answer", "refusal"}
    assert "$ref" not in str(schemas)
    item: dict[str, Any] = schemas["answer"]["properties"]["items"]["items"]
    assert set(item["properties"]) == {"item_id", "title", "score"}
