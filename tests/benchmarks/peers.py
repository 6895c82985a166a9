"""Questions for peers: the toy world's, as a fold."""

from dataset.world import Fold
from tests.models.worlds import CATALOGUE, cycle

WORLD = cycle(num_users=30)
LENGTH = 5


def fold() -> Fold:
    features, known = WORLD.features, WORLD.timelines.before(WORLD.freeze)
    return Fold("final", known, WORLD.train, WORLD.test, CATALOGUE, features.count_fit, WORLD.freeze, features)
