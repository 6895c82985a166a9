from pathlib import Path

import pytest

from serving import servable
from serving.filters import Filters
from serving.messages import Filter, RequestError


@pytest.fixture(scope="module")
def filters(tiny_servable: Path) -> Filters:
    return Filters(servable.read(tiny_servable))


def left(filters: Filters, given: Filter) -> list[int]:
    """Numbers of the items that are left, as their ids have them."""
    mask = filters.mask(given)
    assert mask is not None
    return [index - 2 for index in mask.nonzero()[0].tolist() if index >= 2]


@pytest.mark.parametrize("given", [None, Filter(), Filter(deny=())])
def test_nothing_said_is_everything(filters: Filters, given: Filter | None) -> None:
    assert filters.mask(given) is None


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (Filter(categories=("even",)), [0, 2, 4, 6, 8, 10]),
        (Filter(categories=("low", "even")), [0, 1, 2, 3, 4, 6, 8, 10]),
        (Filter(categories=()), []),
        (Filter(allow=("item-3", "item-8", "nonsense", "")), [3, 8]),
        (Filter(allow=()), []),
        (Filter(categories=("low",), deny=("item-1", "nonsense")), [0, 2, 3]),
        (Filter(categories=("even",), allow=("item-1", "item-2", "item-4"), deny=("item-4",)), [2]),
    ],
)
def test_each_part_takes_some_away(filters: Filters, given: Filter, items: list[int]) -> None:
    assert left(filters, given) == items


@pytest.mark.parametrize("name", ["nothing", "Even", "[oov]"])
def test_a_category_without_items_is_a_mistake(filters: Filters, name: str) -> None:
    with pytest.raises(RequestError, match=r"filter\.categories: no item has .*; there are: even, low") as caught:
        filters.mask(Filter(categories=("low", name)))
    assert caught.value.status == 422
