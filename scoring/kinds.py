"""The forms that stand alone, by the name a manifest gives them."""

from typing import Final

from scoring.forms import Form
from scoring.neighbours import Neighbours
from scoring.popular import Popular
from scoring.tower import Tower

SIMPLE: Final[dict[str, type[Form]]] = {
    Neighbours.KIND: Neighbours,
    Popular.KIND: Popular,
    Tower.KIND: Tower,
}
