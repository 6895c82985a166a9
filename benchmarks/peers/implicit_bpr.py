"""implicit's Bayesian personalised ranking (Rendle et al. 2009).

Leave-one-out: the users as trained. Temporal: BPR has no vector for a user it was not trained on, so a query is the
mean of its history's item vectors; the items' biases are a column of these vectors, and the query's is set to 1.
"""

import exam
import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking


def main() -> None:
    """Settings: factors, learning_rate, regularization."""
    run, asked = exam.start(__doc__)
    model = BayesianPersonalizedRanking(**run.settings, random_state=run.seed, dtype=np.float32)
    done = 0

    def train(epochs: int) -> None:
        nonlocal done
        # Otherwise each call would draw the same triples again.
        model.random_state = run.seed + done
        model.iterations = epochs
        model.fit(asked.known, show_progress=False)
        done += epochs

    def rank() -> np.ndarray:
        if asked.trained:
            queries = model.user_factors[asked.asked]
        else:
            queries = asked.mean(model.item_factors)
            queries[:, -1] = 1  # as in the library's own user vectors
        return asked.rank(lambda rows: queries[rows] @ model.item_factors.T)

    exam.answer(
        run,
        asked,
        train,
        rank,
        model_bytes=lambda: model.item_factors.nbytes + asked.trained * model.user_factors.nbytes,
        libraries=("implicit", "numpy", "scipy"),
    )


if __name__ == "__main__":
    main()
