"""RecBole's Mult-VAE (Liang et al. 2018): a query's history goes in as a multi-hot row, in both protocols."""

import exam
import numpy as np
import torch
from recbole_library import Library, array


def main() -> None:
    """Settings: latent_dimension, mlp_hidden_size, dropout_prob, anneal_cap, learning_rate, train_batch_size."""
    run, asked = exam.start(__doc__)
    library = Library("MultiVAE", run, asked, train_neg_sample_args=None)
    columns = np.maximum(library.items, 0)

    def scores(rows: np.ndarray) -> np.ndarray:
        given = asked.readable[rows].toarray()[:, columns]
        given[:, 0] = 0  # the library's padding
        with torch.no_grad():
            found, _, _ = library.model(torch.from_numpy(given))
        spread = np.full((len(rows), asked.num_items), -np.inf, np.float32)
        spread[:, library.items[1:]] = array(found)[:, 1:]
        return spread

    exam.answer(
        run,
        asked,
        library.train,
        lambda: asked.rank(scores),
        model_bytes=library.parameter_bytes,
        libraries=("recbole", "torch", "numpy", "scipy"),
    )


if __name__ == "__main__":
    main()
