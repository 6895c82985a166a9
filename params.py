"""`params.yaml` as frozen values: one section a stage, unknown keys refused, units in the names."""

from pathlib import Path
from typing import Annotated, Literal

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
    min_user_interactions: int
    """Users and items with fewer are left out of the log, see `dataset.core`; 0: nobody is."""
    min_item_interactions: int


class Split(Section, frozen=True):
    """What validation and test are, see `dataset.split`; the shares are of all interactions, by time, in `temporal`."""

    protocol: Literal["temporal", "leave-one-out"]
    validation_share: float
    test_share: float


class Dense(Section, frozen=True):
    """How items' numbers and texts become features, see `dataset.treatments` and `dataset.texts`."""

    missing: Literal["drop", "median", "mean", "constant", "model"]
    constant: float
    neighbours: Annotated[int, msgspec.Meta(ge=1)]
    normalization: Literal["none", "standard", "robust", "quantile"]
    text: Literal["none", "tfidf-svd", "sentence-encoder"]
    text_columns: list[Literal["title", "categories", "text"]]
    text_components: Annotated[int, msgspec.Meta(ge=1)]
    components: Annotated[int, msgspec.Meta(ge=0)]


class Featurize(Section, frozen=True):
    """History length in items, popularity windows and snapshot distance in days."""

    history_length: int
    min_item_count: int
    popularity_windows_days: list[int]
    popularity_snapshot_days: int
    dense: Dense


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
    beta_2: float
    average: float


class Augment(Section, frozen=True):
    """Shares of a training window's events that are changed, see `dataset.augmentation`; 0 changes nothing."""

    crop: float
    mask: float
    reorder: float


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
    augment: Augment
    content: bool
    timed: bool
    trends: bool
    temperature: float
    negatives: int
    batch_size: int
    learning_rate: float
    beta_2: float
    average: float


class PopularityModel(ModelSection, frozen=True, tag="popularity"):
    """The most popular items of the last `window_days`; 0 for all time."""

    window_days: int


class ItemKNN(ModelSection, frozen=True, tag="item-knn"):
    """Cosine neighbours; see `models.baselines.item_knn`."""

    neighbours: int
    shrink: float
    half_life: float
    longest: int


class UserKNN(ModelSection, frozen=True, tag="user-knn"):
    """Users with a like history vote; see `scoring.user_neighbours`."""

    neighbours: Annotated[int, msgspec.Meta(ge=1)]
    shrink: Annotated[float, msgspec.Meta(ge=0)]
    half_life: float
    longest: int


class ContentBased(ModelSection, frozen=True, tag="content"):
    """What is like the items of the history, by what is written about them; see `models.baselines.content`."""

    year_weight: float
    year_span: Annotated[float, msgspec.Meta(gt=0)]
    dense_weight: float
    half_life: float
    longest: int


class ALS(ModelSection, frozen=True, tag="als"):
    """Matrix factorization by alternating least squares; see `models.baselines.als`."""

    factors: Annotated[int, msgspec.Meta(ge=1)]
    l2: Annotated[float, msgspec.Meta(gt=0)]
    alpha: Annotated[float, msgspec.Meta(ge=0)]
    iterations: Annotated[int, msgspec.Meta(ge=1)]
    half_life: float
    longest: int


class FactorizationMachine(ModelSection, frozen=True, tag="factorization-machine"):
    """Pairs of what was taken and what is known of a candidate; see `models.factorization`."""

    embedding_dim: Annotated[int, msgspec.Meta(ge=1)]
    half_life: float
    longest: Annotated[int, msgspec.Meta(ge=1)]
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    batch_size: int
    learning_rate: float
    epochs: int


class Ease(ModelSection, frozen=True, tag="ease"):
    """EASE, its history fading, with a trend; see `models.baselines.ease`."""

    l2: float
    half_life: float
    longest: int
    trend: float
    trend_days: int


Neural = TwoTower | Sequence
Baseline = PopularityModel | ItemKNN | UserKNN | ContentBased | ALS | FactorizationMachine | Ease


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
    min_group_users: int
    """Users that a group of the user table must have in the test to be a slice, see `evaluation.groups`."""
    group_ranges: int
    rating_item_shrink: float
    """Of the predictor that ratings are measured with, see `models.baselines.biases`."""
    rating_user_shrink: float


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
        ("evaluate.baselines", found.evaluate.baselines, found.models),
    ):
        unknown = [name for name in names if name not in known]
        if unknown or len(set(names)) != len(names):
            raise ParamsError(f"{path}: {place} must be distinct names of {list(known)}. Received: {names}")
    return found
