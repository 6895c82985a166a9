"""The two towers of TensorFlow Recommenders' first tutorial, "Recommending movies: retrieval", in Podium's environment.

A table of users and one of items, a dot product, the softmax over the items of the batch. The tutorial measures
FactorizedTopK after each batch; that is left out, as it costs most of the time and changes no weight. `log_q` and
`temperature` are arguments of the library that the tutorial leaves out.

Leave-one-out: the users as trained. Temporal: the tutorial knows a new user by one vector for all, so a query is the
mean of its history's item vectors, as for the other peers of that kind.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # before TensorFlow is imported: TFRS lives on Keras 2

import exam
import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs


class TwoTower(tfrs.Model):
    """As in the tutorial."""

    def __init__(self, users: int, items: int, dimensions: int, temperature: float | None) -> None:
        super().__init__()
        self.users = tf.keras.layers.Embedding(users, dimensions)
        self.items = tf.keras.layers.Embedding(items, dimensions)
        self.task = tfrs.tasks.Retrieval(temperature=temperature)

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Of a batch with `user`, `item` and, for log_q, `share`."""
        queries, candidates = self.users(inputs["user"]), self.items(inputs["item"])
        return self.task(
            queries, candidates, candidate_sampling_probability=inputs.get("share"), compute_metrics=not training
        )


def main() -> None:
    """Settings: embedding_dim, learning_rate, batch_size, log_q, temperature (null: none)."""
    run, asked = exam.start(__doc__)
    settings = run.settings
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.keras.utils.set_random_seed(run.seed)
    model = TwoTower(asked.num_users, asked.num_items, settings["embedding_dim"], settings["temperature"])
    model.compile(optimizer=tf.keras.optimizers.Adagrad(settings["learning_rate"]))
    columns = {"user": asked.users, "item": asked.items}
    if settings["log_q"]:
        columns["share"] = (asked.counts / asked.counts.sum()).astype(np.float32)[asked.items]
    batches = tf.data.Dataset.from_tensor_slices(columns).shuffle(len(asked.items), seed=run.seed)
    batches = batches.batch(settings["batch_size"])

    def train(epochs: int) -> None:
        model.fit(batches, epochs=epochs, verbose=0)

    def rank() -> np.ndarray:
        items = model.items.embeddings.numpy()
        queries = model.users.embeddings.numpy()[asked.asked] if asked.trained else asked.mean(items)
        return asked.rank(lambda rows: queries[rows] @ items.T)

    def model_bytes() -> int:
        return model.items.embeddings.numpy().nbytes + asked.trained * model.users.embeddings.numpy().nbytes

    libraries = ("tensorflow-recommenders", "tensorflow", "tf-keras", "numpy")
    exam.answer(run, asked, train, rank, model_bytes=model_bytes, libraries=libraries)


if __name__ == "__main__":
    main()
