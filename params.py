"""`params.yaml` as frozen values: one section a stage, unknown keys refused, units in the names."""

from pathlib import Path
from typing import Literal

import msgspec
import yaml


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of params.yaml. No field has a default: the file is the only place for a value."""


class Paths(Section, frozen=True):
    """Where every artefact lives, relative to the project's root; dvc.yaml interpolates the same values."""

    inbox: Path
    raw: Path
    prepared: Path
    split: Path
    features: Path
    model: Path
    variants: Path
    blend: Path
    rank: Path
    evaluation: Path
    registry: Path
    exposures: Path
    reports: Path


class Files(Section, frozen=True):
    """File names or globs below `paths.inbox` for the source `files`."""

    interactions: str
    items: str
    users: str


class Ingest(Section, frozen=True):
    """Where the interaction log comes from."""

    source: Literal["movielens-100k", "movielens-zip", "files"]
    location: str
    files: Files


class Columns(Section, frozen=True):
    """The log's own name of each column; empty where it has none."""

    user_id: str
    item_id: str
    timestamp: str
    weight: str
    event_type: str
    title: str
    categories: str
    year: str
    text: str
    numeric: list[str]


class Prepare(Section, frozen=True):
    """What a row must look like, and how many bad ones are too many."""

    columns: Columns
    category_separator: str
    timestamp_unit: Literal["auto", "s", "ms", "us", "iso"]
    latest_timestamp: str
    max_bad_share: float
    min_weight: float


class Split(Section, frozen=True):
    """Shares of all interactions, by time, that go to validation and test."""

    validation_share: float
    test_share: float


class Featurize(Section, frozen=True):
    """History length in items, popularity windows and snapshot distance in days."""

    history_length: int
    min_item_count: int
    popularity_windows_days: list[int]
    popularity_snapshot_days: int


class ModelSection(Section, frozen=True, tag_field="family"):
    """A model's own settings; `family` in params.yaml says which of the following they are."""


class TwoTower(ModelSection, frozen=True, tag="two-tower"):
    """A query tower that pools the history at several half-lives; see `models.towers`."""

    embedding_dim: int
    hidden_units: list[int]
    half_lives: list[float]
    dropout: float
    temperature: float
    batch_size: int
    learning_rate: float


class Sequence(ModelSection, frozen=True, tag="sequence"):
    """A query tower that reads the history event by event; see `models.sequential`."""

    encoder: Literal["transformer", "gru", "lstm"]
    stride: int
    embedding_dim: int
    blocks: int
    half_lives: list[float]
    forward_factor: int
    head_units: int
    dropout: float
    id_dropout: float
    content: bool
    timed: bool
    trends: bool
    temperature: float
    negatives: int
    batch_size: int
    learning_rate: float


class PopularityModel(ModelSection, frozen=True, tag="popularity"):
    """The most popular items of the last `window_days`; 0 for all time."""

    window_days: int


class ItemKNN(ModelSection, frozen=True, tag="item-knn"):
    """Cosine neighbours; see `models.baselines.item_knn`."""

    neighbours: int
    shrink: float
    half_life: float
    longest: int


class Ease(ModelSection, frozen=True, tag="ease"):
    """EASE, its history fading, with a trend; see `models.baselines.ease`."""

    l2: float
    half_life: float
    longest: int
    trend: float
    trend_days: int


Neural = TwoTower | Sequence
Baseline = PopularityModel | ItemKNN | Ease


class Train(Section, frozen=True):
    """All models that can be trained, by name, and what the neural ones among them share."""

    epochs: int
    patience: int
    mixed_precision: bool
    threads: int
    models: dict[str, Neural | Baseline]


class Compress(Section, frozen=True):
    """Pruning, its control, quantization, and the rule that picks the variant."""

    sparsity: float
    fine_tune_epochs: int
    fine_tune_learning_rate: float
    max_ndcg_loss: float
    min_saving: float


class Blend(Section, frozen=True):
    """A weighted sum of models, its weights learned on validation, apart for short histories."""

    parts: list[str]
    steps: list[int]
    l2: float
    max_queries: int


class Rank(Section, frozen=True):
    """A second stage upon a model: a deep and cross network that orders its best candidates anew.

    It learns from validation, which the model it stands upon did not learn from, and is a challenger only where it
    gains on that model on the part of validation that it did not learn from itself. See `models.ranking`.
    """

    retriever: str
    """`blend`, or one of `models`."""
    candidates: int
    """Length of the lists that are ordered anew."""
    learn_share: float
    """Of the validation queries, by time: learned from. The rest says whether there is a gain."""
    max_queries: int
    """Learned from at most."""
    half_lives: list[float]
    """Positions after which an interaction counts half, one a summary of the history."""
    longest: int
    """Positions of a history that are read."""
    taste_dim: int
    embedding_dim: int
    """Of item ids, for candidates and history; 0 for none, which generalizes better from few queries."""
    cross_layers: int
    units: int
    """Of the dense layer after the crosses."""
    dropout: float
    l2: float
    weight_loss: float
    """Share of the second task (predicting the weight, such as a rating) in the loss; needs a log with weights."""
    batch_size: int
    """Lists."""
    epochs: int
    learning_rate: float
    """At the start; it falls to 0."""


class Evaluate(Section, frozen=True):
    """Cut-offs, intervals, slices, and the settings of the baselines that stand in every table."""

    cutoffs: list[int]
    primary_metric: str
    chunk_size: int
    bootstrap_samples: int
    confidence: float
    head_share: float
    cold_history: int
    baselines: list[str]
    """Models that no other may lose to; the best of them is the reference while there is no champion."""
    recent_popularity_days: int


class Promote(Section, frozen=True):
    """The gate's margins; see `promotion.gate` for what each one decides."""

    min_queries: int
    min_users: int
    bootstrap_samples: int
    confidence: float
    min_gain: float
    max_compression_loss: float
    max_coverage_drop: float
    max_slice_drop: float
    min_slice_queries: int
    latency_p99_ms: float
    size_limit_bytes: int
    latency_queries: int


class Replay(Section, frozen=True):
    """Recorded traffic sent to the endpoint."""

    queries: int
    concurrency: int


class Serve(Section, frozen=True):
    """The endpoint's address and limits."""

    host: str
    port: int
    max_body_bytes: int
    max_concurrency: int
    timeout_seconds: int


class Monitor(Section, frozen=True):
    """When a difference between two windows is drift, and when there is too little to tell."""

    window_days: int
    min_rows: int
    max_rows: int
    psi_threshold: float
    max_drifted_share: float
    max_fallback_share: float


class Params(Section, frozen=True):
    """All of params.yaml."""

    seed: int
    models: list[str]
    """Of `train.models`: what the pipeline trains, compresses and examines, and what may become champion."""
    paths: Paths
    ingest: Ingest
    prepare: Prepare
    split: Split
    featurize: Featurize
    train: Train
    compress: Compress
    blend: Blend
    rank: Rank
    evaluate: Evaluate
    promote: Promote
    replay: Replay
    serve: Serve
    monitor: Monitor


class ParamsError(ValueError):
    """params.yaml has an unknown, missing or wrongly typed key; the message names file and key."""


def _decode_path(kind: type, value: object) -> Path:
    if kind is not Path:
        raise NotImplementedError
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")  # msgspec adds the key
    return Path(value)


def load(path: Path = Path("params.yaml")) -> Params:
    """Reads the parameters.

    Raises:
        ParamsError: a key is unknown, missing or of the wrong type.
    """
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text()), type=Params, dec_hook=_decode_path)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ParamsError(f"{path}: {error}") from error
    for place, names, known in (
        ("models", found.models, found.train.models),
        ("blend.parts", found.blend.parts, found.models),
        ("rank.retriever", [found.rank.retriever], [*found.models, "blend"]),
        ("evaluate.baselines", found.evaluate.baselines, found.models),
    ):
        unknown = [name for name in names if name not in known]
        if unknown or len(set(names)) != len(names):
            raise ParamsError(f"{path}: {place} must be distinct names of {list(known)}. Received: {names}")
    return found
