"""LightFM with the WARP loss (Kula 2015; Weston et al. 2011), from its kept successor, lightfm-next; ids alone.

Leave-one-out: the users as trained. Temporal: LightFM has no vector for a user it was not trained on, so a query is the
mean of its history's item vectors; the items' biases are added as they are.
"""

import os

import exam
import numpy as np
from lightfm import LightFM


def main() -> None:
    """Settings: no_components, learning_rate, item_alpha, user_alpha, max_sampled."""
    run, asked = exam.start(__doc__)
    model = LightFM(**run.settings, loss="warp", random_state=run.seed)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))

    def train(epochs: int) -> None:
        model.fit_partial(asked.known, epochs=epochs, num_threads=threads)

    def rank() -> np.ndarray:
        users = model.user_embeddings[asked.asked] if asked.trained else asked.mean(model.item_embeddings)
        return asked.rank(lambda rows: users[rows] @ model.item_embeddings.T + model.item_biases)

    def model_bytes() -> int:
        items = model.item_embeddings.nbytes + model.item_biases.nbytes
        return items + asked.trained * model.user_embeddings.nbytes

    exam.answer(run, asked, train, rank, model_bytes=model_bytes, libraries=("lightfm-next", "numpy", "scipy"))


if __name__ == "__main__":
    main()
