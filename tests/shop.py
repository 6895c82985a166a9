"""A shop log for tests: deterministic by seed, with names that are not ours and a structure that can be learned.

Each customer prefers one department (80% of orders are from it), and within a department the next product of the
shelf often follows the last one (60%). So department and order are there to be found, and popularity alone is not it.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

import params

DEPARTMENTS = ("garden", "kitchen", "toys", "books")
START = 1_700_000_000
DAY = 86_400


@dataclass(frozen=True)
class Shop:
    orders: pd.DataFrame
    """customer, sku, bought_at (ISO 8601), quantity, action, till; in time order."""
    products: pd.DataFrame
    """sku, name, departments (separated by |), launched, blurb, price."""
    customers: pd.DataFrame
    """customer, city."""


def shop(*, seed: int, integer_ids: bool = False, customers: int = 60, products: int = 40, orders: int = 1500) -> Shop:
    rng = np.random.default_rng(seed)
    department = np.arange(products) % len(DEPARTMENTS)
    favourite = rng.integers(len(DEPARTMENTS), size=customers)
    who = rng.integers(customers, size=orders)
    last: dict[int, int] = {}
    what = np.zeros(orders, np.int64)
    for order, customer in enumerate(who):
        what[order] = last[customer] = _next(rng, department, favourite[customer], last.get(customer))
    seconds = START + np.sort(rng.choice(60 * DAY, size=orders, replace=False))
    sku = [int(i) + 100 if integer_ids else f"SKU-{i:03d}" for i in range(products)]
    customer = [int(i) + 7000 if integer_ids else f"käufer {i}" for i in range(customers)]
    return Shop(
        orders=pd.DataFrame(
            {
                "customer": [customer[i] for i in who],
                "sku": [sku[i] for i in what],
                "bought_at": pd.to_datetime(seconds, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ"),
                "quantity": rng.integers(1, 5, size=orders),
                "action": rng.choice(["buy", "basket"], size=orders),
                "till": rng.integers(1, 9, size=orders),
            }
        ),
        products=pd.DataFrame(
            {
                "sku": sku,
                "name": [f'The "{DEPARTMENTS[d]}", no. {i}' for i, d in enumerate(department)],
                "departments": [
                    DEPARTMENTS[d] if i % 3 else f"{DEPARTMENTS[d]}|sale" for i, d in enumerate(department)
                ],
                "launched": [2000 + i % 20 for i in range(products)],
                "blurb": [f"line one\nline two of {i}" for i in range(products)],
                "price": [float(i) + 0.99 for i in range(products)],
            }
        ),
        customers=pd.DataFrame({"customer": customer, "city": ["Ulm" if i % 2 else "Graz" for i in range(customers)]}),
    )


def _next(rng: np.random.Generator, department: np.ndarray, favourite: int, last: int | None) -> int:
    if last is not None and rng.random() < 0.6:
        return (last + len(DEPARTMENTS)) % len(department)
    shelf = np.flatnonzero(department == favourite) if rng.random() < 0.8 else np.arange(len(department))
    return int(rng.choice(shelf))


def settings(project: params.Params) -> params.Params:
    """The project's parameters, changed only where a user with such a shop would change params.yaml."""
    columns = msgspec.structs.replace(
        project.prepare.columns,
        user_id="customer",
        item_id="sku",
        timestamp="bought_at",
        weight="quantity",
        event_type="action",
        title="name",
        categories="departments",
        year="launched",
        text="blurb",
        numeric=["price"],
    )
    files = msgspec.structs.replace(
        project.ingest.files, interactions="orders-*", items="products*", users="customers*"
    )
    return msgspec.structs.replace(
        project,
        ingest=msgspec.structs.replace(project.ingest, source="files", files=files),
        prepare=msgspec.structs.replace(project.prepare, columns=columns),
    )


def write(inbox: Path, goods: Shop, *, suffix: str) -> None:
    """Writes the shop below `inbox`, the orders in two files; suffix is .csv, .csv.gz, .tsv or .parquet."""
    inbox.mkdir(parents=True, exist_ok=True)
    half = len(goods.orders) // 2
    tables = {
        "orders-1": goods.orders.iloc[:half],
        "orders-2": goods.orders.iloc[half:],
        "products": goods.products,
        "customers": goods.customers,
    }
    for name, table in tables.items():
        if suffix == ".parquet":
            table.to_parquet(inbox / f"{name}{suffix}", index=False)
        else:
            table.to_csv(inbox / f"{name}{suffix}", index=False, sep="\t" if suffix == ".tsv" else ",")
