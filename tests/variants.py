"""A variant of which little matters."""

from models.variants import Variant


def variant(name: str, size: int = 1, *, within: bool = True, trained_on: bool = False) -> Variant:
    """One that is as good as its float model."""
    return Variant(
        name=name,
        trained_on=trained_on,
        sparsity=0.0,
        size_bytes=size,
        gzip_bytes=size,
        validation_ndcg_at_10=0.1,
        top_10_overlap=1.0,
        change=0.0,
        change_low=0.0,
        change_high=0.0,
        within_margin=within,
    )
