"""What the endpoint is asked and what it answers, checked while the JSON is decoded.

Anything not described here is refused: unknown fields, fractions, booleans as numbers, NaN. A key given twice counts
once, with its last value, as in every common JSON reader.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

LARGEST_HISTORY: Final = 1000
LARGEST_LIST: Final = 1000
"""Entries of a filter's list."""
LONGEST_ID: Final = 256
LARGEST_K: Final = 100
NOTHING_KNOWN: Final = "nothing_known"
MODEL_FAILED: Final = "model_failed"
BAD_JSON: Final = 400
BAD_VALUE: Final = 422

Id = Annotated[str, msgspec.Meta(max_length=LONGEST_ID)] | int


class RequestError(ValueError):
    """A request that cannot be answered, for a reason its sender can mend."""

    def __init__(self, status: int, message: str) -> None:
        """Keeps the HTTP status next to the message."""
        super().__init__(message)
        self.status = status


class FilterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be listed, as it comes over the wire."""

    categories: Annotated[list[str], msgspec.Meta(max_length=LARGEST_LIST)] | None = None
    allow: Annotated[list[Id], msgspec.Meta(max_length=LARGEST_LIST)] | None = None
    deny: Annotated[list[Id], msgspec.Meta(max_length=LARGEST_LIST)] | None = None


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The request as it comes over the wire."""

    user_id: Id | None = None
    history: Annotated[list[Id], msgspec.Meta(max_length=LARGEST_HISTORY)] | None = None
    k: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_K)] = 10
    filter: FilterBody | None = None


class Filter(msgspec.Struct, frozen=True):
    """What may be listed; each part that is None says nothing."""

    categories: tuple[str, ...] | None = None
    """Items of at least one of them."""
    allow: tuple[str, ...] | None = None
    """Only these items."""
    deny: tuple[str, ...] | None = None
    """None of these items."""


class Request(msgspec.Struct, frozen=True):
    """The request with every id a string."""

    user_id: str | None
    history: tuple[str, ...]
    """Item ids in the order they were taken, newest last."""
    k: int
    filter: Filter | None = None


class Item(msgspec.Struct, frozen=True):
    """One recommended item."""

    item_id: str
    title: str
    score: float
    """The model's own score, on a scale of its own: comparable within one version; 0 for answers from popularity."""


class Found(msgspec.Struct, frozen=True):
    """What there is to recommend to somebody, whoever asks and however often."""

    items: list[Item]
    """Best first."""
    popularity_rank: list[int | None]
    """Place of each in the recent popularity list, from 1; None when it is not in there."""
    history: int
    """Known items it was made from."""
    fallback: str | None
    ignored: int


class Answer(msgspec.Struct, frozen=True):
    """What was recommended, best first, by which model, and how."""

    items: list[Item]
    model_version: str
    request_id: str
    fallback: str | None
    """Why popularity answered: `nothing_known` or `model_failed`; null when the model did."""
    ignored: int
    """How many ids of the request's history the model does not know."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a request was not answered."""

    error: str
    request_id: str


_decoder = msgspec.json.Decoder(Body)


def parse(body: bytes) -> Request:
    """Reads a request.

    Raises:
        RequestError: 400 when `body` is not JSON, 422 when it is JSON but not a request.
    """
    try:
        asked = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(BAD_VALUE, f"the body is not a request: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(BAD_JSON, f"the body must be one JSON object in UTF-8: {error}") from error
    return _request(asked)


def checked(given: Mapping[str, Any]) -> Request:
    """A request from its fields.

    Raises:
        RequestError: 422 when they are none.
    """
    try:
        return _request(msgspec.convert(given, Body))
    except msgspec.ValidationError as error:
        raise RequestError(BAD_VALUE, f"this is not a request: {error}") from error


def _request(asked: Body) -> Request:
    user = None if asked.user_id is None else _name(asked.user_id)
    return Request(user, _names(asked.history or ()), asked.k, _filter(asked.filter))


def schemas() -> dict[str, Any]:
    """JSON schemas of the request, the answer and the refusal, by name, without references."""
    names, components = msgspec.json.schema_components((Body, Answer, Refusal), ref_template="{name}")
    resolved = [_inline(schema, components) for schema in names]
    return dict(zip(("request", "answer", "refusal"), resolved, strict=True))


def _filter(given: FilterBody | None) -> Filter | None:
    if given is None:
        return None
    categories, allow, deny = given.categories, given.allow, given.deny
    return Filter(
        categories=None if categories is None else tuple(categories),
        allow=None if allow is None else _names(allow),
        deny=None if deny is None else _names(deny),
    )


def _names(values: Sequence[Id]) -> tuple[str, ...]:
    # Most are strings already, and there are many of them.
    return tuple(values) if set(map(type, values)) <= {str} else tuple(map(_name, values))  # type: ignore[arg-type]


def _inline(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return _inline(components[schema["$ref"]], components)
    return {key: _inline_value(value, components) for key, value in schema.items()}


def _inline_value(value: object, components: dict[str, Any]) -> object:
    if isinstance(value, list):
        return [_inline_value(entry, components) for entry in value]
    return _inline(value, components) if isinstance(value, dict) else value


def _name(value: str | int) -> str:
    if isinstance(value, str):
        return value
    name = str(value)
    if len(name) > LONGEST_ID:
        raise RequestError(BAD_VALUE, f"an id must have at most {LONGEST_ID} characters. Received: {len(name)} digits")
    return name
