"""Where the studies are, as every command that reads or makes them asks for it."""

from __future__ import annotations

import click

storage_option = click.option(
    "--storage", help="Optuna storage URL of the studies. [default: APERTUNE_STORAGE, without it mlflow/studies.db]"
)
