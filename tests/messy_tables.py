"""A table as people have it: semicolons, quotes, a decimal comma, text, dates, an index, missing cells, columns that mislead."""

import numpy as np

HEAD = ["patient_id", "admitted", "remark", "size", "weight", "unit", "age", "result"]
FEATURES = ["size", "weight", "age"]


def messy_rows(n=120, seed=0):
    """Rows of texts; of each five "sick" there are seven "well", and `age` is missing in the third row."""
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(n) % 12 < 5, "sick", "well")
    number = lambda value: f"{value:.3f}".replace(".", ",")
    rows = []
    for i, label in enumerate(labels):
        size, weight = rng.normal(loc=1.5 * (label == "sick"), size=2)
        day = f"{1 + i % 28:02d}.{1 + i % 12:02d}.2021"
        age = "" if i == 2 else str(rng.integers(20, 80))
        rows.append([str(4000 + 7 * i), day, f"a; remark {i}", number(size), number(weight), "1", age, label])
    return rows


def write_messy(path, n=120, seed=0):
    """Write the table; returns its path."""
    quoted = [f'"{name}"' for name in HEAD]
    is_text = [name in ("remark", "result") for name in HEAD]
    lines = [[f'"{cell}"' if text else cell for cell, text in zip(row, is_text, strict=True)] for row in messy_rows(n, seed)]
    path.write_text("\n".join(";".join(row) for row in [quoted, *lines]), encoding="utf-8")
    return path
