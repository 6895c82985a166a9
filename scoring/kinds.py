"""The forms that stand alone, by the name a manifest gives them."""

from typing import Final

from scoring.autoencoder import Autoencoder
from scoring.folded import Folded
from scoring.forms import Form
from scoring.neighbours import Neighbours
from scoring.pooled import Pooled
from scoring.popular import Popular
from scoring.tied import Tied
from scoring.tower import Tower
from scoring.user_neighbours import UserNeighbours

SIMPLE: Final[dict[str, type[Form]]] = {
    form.KIND: form for form in (Autoencoder, Folded, Neighbours, Pooled, Popular, Tied, Tower, UserNeighbours)
}
