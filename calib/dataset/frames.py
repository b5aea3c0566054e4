"""Datasets as polars frames, for notebooks and scripts."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from calib.dataset import store


def read_dataset(path: Path | str) -> pl.DataFrame:
    """The kept intervals of a dataset: ``symbol``, ``start`` and ``end`` (UTC), counts, targets and features.

    Parameters
    ----------
    path
        A json, parquet or arrow file that `calib aggregate` wrote.

    Raises
    ------
    calib.errors.UnreadableInput, calib.errors.NotADataset, calib.errors.NewerSchema
        As `calib.dataset.store.read_dataset`, which returns the dataset with its envelope.
    """
    return store.read_dataset(Path(path)).to_frame()
