"""RecBole's LightGCN (He et al. 2020).

Leave-one-out: the users as trained. Temporal: the graph has no node for a user it was not trained on, so a query is the
mean of its history's item vectors, as they come out of the last layer.
"""

import exam
import numpy as np
import torch
from recbole_library import Library, array


def main() -> None:
    """Settings: embedding_size, n_layers, reg_weight, learning_rate, train_batch_size."""
    run, asked = exam.start(__doc__)
    library = Library("LightGCN", run, asked)

    def rank() -> np.ndarray:
        with torch.no_grad():
            users, items = (array(part) for part in library.model())
        vectors = library.spread(items, asked.num_items)
        if asked.trained:
            by_user = np.zeros((asked.num_users, users.shape[1]), np.float32)
            by_user[library.users[1:]] = users[1:]
            queries = by_user[asked.asked]
        else:
            queries = asked.mean(vectors)
        return asked.rank(lambda rows: queries[rows] @ vectors.T)

    def model_bytes() -> int:
        kept = asked.trained * len(library.users) + len(library.items)
        return kept * library.model.latent_dim * np.dtype(np.float32).itemsize

    exam.answer(
        run, asked, library.train, rank, model_bytes=model_bytes, libraries=("recbole", "torch", "numpy", "scipy")
    )


if __name__ == "__main__":
    main()
