"""implicit's alternating least squares (Hu, Koren and Volinsky 2008).

Leave-one-out: the users as trained. Temporal: each query's history is folded in (`recalculate_user`).
"""

import exam
import numpy as np
from implicit.cpu.als import AlternatingLeastSquares


def main() -> None:
    """Settings: factors, regularization, alpha."""
    run, asked = exam.start(__doc__)
    model = AlternatingLeastSquares(**run.settings, random_state=run.seed, dtype=np.float32)

    def train(epochs: int) -> None:
        # Factors that are there already are the start of the next iterations.
        model.iterations = epochs
        model.fit(asked.known, show_progress=False)

    def rank() -> np.ndarray:
        users = asked.asked if asked.trained else np.arange(len(asked.asked))
        found, scores = model.recommend(
            users,
            asked.histories,
            N=asked.length,
            filter_already_liked_items=True,
            filter_items=np.flatnonzero(~asked.catalogue),
            recalculate_user=not asked.trained,
        )
        return np.where(scores > np.finfo(np.float32).min, found, -1)

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
