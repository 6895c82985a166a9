import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.timelines import Log, ends, queries, timelines
from dataset.vocabulary import OOV


def log(*rows: tuple[int, int, int, int]) -> Log:
    """From (user, item, identity, time)."""
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Log(table[:, 0].astype(np.int32), table[:, 1].astype(np.int32), table[:, 2], table[:, 3])


# User 0 takes A at 10, B and C in the same second 20, A again at 30, something unknown at 40, D at 50.
# User 1 takes B at 20 and at 45 another unknown item; user 2 is only there at the end.
HAND = log(
    (0, 2, 0, 10),
    (0, 3, 1, 20),
    (1, 3, 1, 20),
    (0, 4, 2, 20),
    (0, 2, 0, 30),
    (0, OOV, 8, 40),
    (1, OOV, 9, 45),
    (0, 5, 3, 50),
    (2, 2, 0, 60),
)


def test_timelines_are_users_one_after_the_other_without_unknown_items() -> None:
    lines = timelines(HAND, 3)
    assert lines.starts.tolist() == [0, 5, 6, 7]
    assert lines.items.tolist() == [2, 3, 4, 2, 5, 3, 2]
    assert lines.times.tolist() == [10, 20, 20, 30, 50, 20, 60]


def test_a_user_without_known_items_has_an_empty_timeline() -> None:
    lines = timelines(log((0, OOV, 5, 1), (1, 2, 0, 2)), 3)
    assert lines.starts.tolist() == [0, 0, 1, 1]


def test_a_query_sees_what_is_strictly_before_it() -> None:
    asked = queries(HAND, timelines(HAND, 3))
    # (user, time, target, interactions strictly before): the two of second 20 do not see each other, the repetition
    # of A at 30 asks nothing but is history for what follows, the unknown items ask but are no history.
    assert list(zip(asked.user, asked.time, asked.target, asked.end, strict=True)) == [
        (0, 10, 2, 0),
        (0, 20, 3, 1),
        (1, 20, 3, 0),
        (0, 20, 4, 1),
        (0, 40, OOV, 4),
        (1, 45, OOV, 1),
        (0, 50, 5, 4),
        (2, 60, 2, 0),
    ]
    assert asked.history(3).tolist() == [
        [0, 0, 0],
        [2, 0, 0],
        [0, 0, 0],
        [2, 0, 0],
        [2, 4, 3],
        [3, 0, 0],
        [2, 4, 3],
        [0, 0, 0],
    ]


def test_two_unknown_items_are_two_queries_and_a_repeated_one_is_one() -> None:
    seen = log((0, OOV, 7, 1), (0, OOV, 8, 2), (0, OOV, 7, 3))
    asked = queries(seen, timelines(seen, 1))
    assert asked.time.tolist() == [1, 2]
    assert not asked.known().any()


def test_the_same_item_in_one_second_asks_once() -> None:
    seen = log((0, 2, 0, 1), (0, 2, 0, 1))
    assert queries(seen, timelines(seen, 1)).end.tolist() == [0]


def test_before_leaves_out_the_moment_itself() -> None:
    assert HAND.before(20).time.tolist() == [10]
    assert HAND.before(21).time.tolist() == [10, 20, 20, 20]
    assert len(HAND.before(10).time) == 0


def test_an_empty_log_has_no_queries() -> None:
    nothing = HAND.before(0)
    lines = timelines(nothing, 2)
    assert lines.starts.tolist() == [0, 0, 0]
    assert len(queries(nothing, lines)) == 0
    assert ends(lines, np.array([0, 1], np.int32), np.array([5, 6])).tolist() == [0, 0]


def test_ends_at_moments_before_between_at_and_after() -> None:
    lines = timelines(HAND, 3)
    times = np.array([0, 10, 11, 20, 21, 49, 50, 51, 10**12])
    assert ends(lines, np.zeros(9, np.int32), times).tolist() == [0, 0, 1, 1, 3, 4, 4, 5, 5]
    assert ends(lines, np.full(9, 2, np.int32), times + 10).tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 20)), max_size=40),
    st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 30)), min_size=1, max_size=20),
)
def test_ends_equal_counting_by_hand(taken: list[tuple[int, int, int]], asked: list[tuple[int, int]]) -> None:
    rows = [(user, max(item, OOV), item, time) for user, item, time in sorted(taken, key=lambda row: row[2])]
    lines = timelines(log(*rows), 5)
    found = ends(lines, np.array([user for user, _ in asked], np.int32), np.array([time for _, time in asked]))
    expected = [sum(u == user and item > OOV and t < time for u, item, _, t in rows) for user, time in asked]
    assert found.tolist() == expected
