import numpy as np
import pytest

from dataset.query import Queries, Timelines
from dataset.vocabulary import OOV, RESERVED, Vocabulary
from evaluation import protocol
from evaluation.translate import Translated, translate
from models.baselines import item_knn
from scoring.neighbours import Neighbours
from tests.evaluation.toys import MOMENT, questions, table

OURS = Vocabulary.of("abcdef")
THEIRS = Vocabulary.of("fbxa")
# Our a..f are their 5, 3, unknown, unknown, unknown, 2; their 4 is unknown to us.
INDEX = [0, 1, 5, 3, OOV, OOV, OOV, 2]


def test_the_index_is_by_name() -> None:
    assert Translated.of(table([0] * 6), theirs=THEIRS, ours=OURS).index.tolist() == INDEX


def test_scores_follow_their_item_and_unknown_items_stand_last() -> None:
    translated = Translated.of(table([9, 9, 0.2, 0.3, 0.1, 0.4], [0, 0, -5, -7, 3, -6]), theirs=THEIRS, ours=OURS)
    scores = translated.scores(questions([[], []], [2, 2]))
    assert scores.shape == (2, len(OURS))
    assert scores[:, [2, 3, 7]].tolist() == [[np.float32(0.4), np.float32(0.3), np.float32(0.2)], [-6, -7, -5]]
    assert (scores[:, [4, 5, 6]] < scores[:, [2, 3, 7]].min(axis=1, keepdims=True)).all()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("least", [3e7, -3e7, 1e30])
def test_unknown_items_stand_last_however_large_the_scores_are(least: float) -> None:
    translated = Translated.of(table([least] * 6), theirs=THEIRS, ours=OURS)
    scores = translated.scores(questions([[]], [2]))
    assert (scores[:, [4, 5, 6]] < least).all()
    assert np.isfinite(scores).all()


def test_histories_lose_unknown_items() -> None:
    # Our histories: nothing; b c a; c d; f f e b.
    queries = questions([[], [3, 4, 2], [4, 5], [7, 7, 6, 3]], [2, 3, 7, 4, 4], users=[3, 1, 2, 0, 3])
    found = translate(queries, np.array(INDEX, np.int32))
    assert found.history(4).tolist() == [[3, 2, 2, 0], [5, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [3, 2, 2, 0]]
    assert found.end.tolist() == [3, 2, 0, 0, 3]
    assert found.target.tolist() == [5, 3, 2, OOV, OOV]
    assert found.timelines.starts.tolist() == [0, 0, 2, 2, 5]
    assert found.timelines.times.tolist() == [MOMENT - 100 + second for second in (0, 2, 0, 1, 3)]


def test_only_what_lies_before_the_query_is_counted() -> None:
    queries = questions([[3, 4, 2, 7], [2]], [5], users=[0])
    for end, history in enumerate([[0, 0, 0], [3, 0, 0], [3, 0, 0], [5, 3, 0], [2, 5, 3]]):
        earlier = Queries(queries.timelines, queries.user, np.array([end]), queries.time, queries.target)
        assert translate(earlier, np.array(INDEX, np.int32)).history(3).tolist() == [history]


NUM_USERS, NUM_ITEMS = 80, 20


def world(vocabulary: Vocabulary) -> tuple[Timelines, Queries]:
    """One random log in two vocabularies: each user takes 8 distinct items and is asked for the last."""
    generator = np.random.default_rng(9)
    taken = np.stack([generator.permutation(NUM_ITEMS)[:8] for _ in range(NUM_USERS)])
    items = vocabulary.index([f"i{item}" for item in taken.ravel()])
    known = items > OOV
    starts = np.concatenate([[0], np.cumsum(known)])[np.arange(NUM_USERS + 1) * 8].astype(np.int64)
    times = np.tile(MOMENT - 8 + np.arange(8), NUM_USERS)[known].astype(np.int64)
    lines = Timelines(starts, items[known], times)
    target = items.reshape(NUM_USERS, 8)[:, -1]
    end = np.diff(starts) - (target > OOV)
    return lines, Queries(lines, np.arange(NUM_USERS, dtype=np.int32), end, np.full(NUM_USERS, MOMENT - 1), target)


def learned(lines: Timelines, vocabulary: Vocabulary) -> Neighbours:
    return item_knn.fit(lines, len(vocabulary), neighbours=50, shrink=1.0, half_life=np.inf, longest=50)


def test_a_champion_gives_the_same_ranks_in_our_vocabulary_as_in_its_own() -> None:
    """Theirs is a shuffled, smaller vocabulary; asked for what they know, both ways must agree to the last rank."""
    ours = Vocabulary.of(f"i{item}" for item in range(NUM_ITEMS))
    kept = np.random.default_rng(4).permutation(NUM_ITEMS)[:14]
    theirs = Vocabulary.of(f"i{item}" for item in kept)
    lines, own_queries = world(theirs)
    champion = learned(lines.before(MOMENT - 1), theirs)
    known_by_them = np.arange(len(theirs)) >= len(RESERVED)
    direct = protocol.rank(champion, own_queries, known_by_them, k=5, chunk_size=16)

    translated = Translated.of(champion, theirs=theirs, ours=ours)
    queries = world(ours)[1]
    shared = translated.index > OOV
    ranking = protocol.rank(translated, queries, shared, k=5, chunk_size=16)
    assert ranking.rank.tolist() == direct.rank.tolist()
    assert len(set(direct.rank.tolist())) > 5
    # The control: the same scores read by position instead of by name rank something else.
    shifted = Translated(champion, np.where(shared, np.cumsum(shared) + 1, OOV).astype(np.int32))
    assert protocol.rank(shifted, queries, shared, k=5, chunk_size=16).rank.tolist() != direct.rank.tolist()


def test_what_the_champion_does_not_know_stands_behind_what_it_knows() -> None:
    ours = Vocabulary.of(f"i{item}" for item in range(NUM_ITEMS))
    theirs = Vocabulary.of(f"i{item}" for item in range(0, NUM_ITEMS, 2))
    champion = learned(world(theirs)[0], theirs)
    translated = Translated.of(champion, theirs=theirs, ours=ours)
    queries = world(ours)[1]
    catalogue = np.arange(len(ours)) >= len(RESERVED)
    ranking = protocol.rank(translated, queries, catalogue, k=12, chunk_size=16)
    unknown = translated.index <= OOV
    known_left = 10 - (~unknown[queries.timelines.items.reshape(NUM_USERS, 8)[:, :7]]).sum(axis=1)
    for row, count in zip(ranking.lists, known_left, strict=True):
        assert not unknown[row[:count]].any()
        assert unknown[row[count:]].all()
    assert (ranking.rank[unknown[queries.target]] > known_left[unknown[queries.target]]).all()
