"""`apertune promote` and `rollback`: the best trial becomes the champion, if it is really better; and back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingError
from .dataset_options import dataset_options, load_from, name_option
from .output import json_option, print_json, print_table
from .storage_option import storage_option

if TYPE_CHECKING:
    from ..search.promotion import Promotion


@click.command()
@click.argument("dataset")
@dataset_options
@name_option
@click.option("--study", help="The study to promote from. [default: the one of this data with the most trials]")
@click.option("--top", type=int, default=3, show_default=True, help="Best trials to confirm.")
@click.option("--seeds", type=int, default=3, show_default=True, help="Fresh trainings of each; 1 trains none.")
@click.option("--refit", is_flag=True, help="Train the winner on training and validation images together.")
@click.option("--ensemble", type=int, metavar="K", help="Average up to K networks, if that is really better.")
@click.option(
    "--minimum-probability", type=float, default=0.0, metavar="P", help='Below it the model answers "unknown".'
)
@click.option("--min", "minimums", multiple=True, metavar="METRIC=VALUE", help="Champion only with this test score.")
@click.option("--force", is_flag=True, help="Make it the champion whatever the test says.")
@storage_option
@json_option
def promote(dataset: str, storage: str | None, minimums: tuple[str, ...], as_json: bool, **flags: Any) -> None:
    """Confirm, test, register: the best trial becomes DATASET@champion, if it is really better.

    The best trials are trained again with fresh seeds, and the winner is chosen on validation. Then the test set
    is opened, and the model registered; it becomes the champion only when it really beats the present one.
    Give the same data set flags as to `apertune search`.
    """
    from ..search.promotion import PromotionSettings
    from ..search.promotion import promote as run_promotion
    from ..search.settings import make_home

    own = ("study", "top", "seeds", "refit", "ensemble", "minimum_probability", "force")
    settings = {name: flags.pop(name) for name in own}
    chosen = PromotionSettings(**settings, minimums=_bounds(minimums))
    loaded = load_from(dataset, flags)
    home = make_home(os.environ, storage=storage)
    promotion = run_promotion(loaded, chosen, home=home, say=lambda line: click.echo(line, err=True))
    if as_json:
        print_json(_document(promotion))
    else:
        _print(promotion)


@click.command()
@click.argument("dataset")
@json_option
def rollback(dataset: str, as_json: bool) -> None:
    """Make the version before the champion again."""
    from ..search.promotion import rollback as move_back
    from ..search.settings import make_home

    moved = move_back(make_home(os.environ), dataset, lambda line: click.echo(line, err=True))
    if as_json:
        print_json(asdict(moved))
    else:
        click.echo(f"The champion of {moved.model} is version {moved.after} again; it was version {moved.before}.")


def _bounds(words: Sequence[str]) -> dict[str, float]:
    bounds = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            bounds[name] = float(value)
        except ValueError:
            raise SettingError(f"--min must be METRIC=NUMBER such as accuracy=0.6, but got '{word}'") from None
    return bounds


def _document(promotion: Promotion) -> dict[str, Any]:
    examination = asdict(promotion.examination)
    verdict = examination.pop("verdict")
    return {
        "dataset": promotion.dataset,
        "study": promotion.study,
        "objective": promotion.metric.name,
        "trial": promotion.trial,
        **asdict(promotion.registered),
        **verdict,
        "confirmations": [
            {
                "trial": confirmed.number,
                "searched": confirmed.searched,
                "values": confirmed.values,
                "mean": confirmed.mean,
                "spread": confirmed.spread,
            }
            for confirmed in promotion.confirmations
        ],
        "notes": promotion.notes,
        "published": promotion.published,
        **examination,
    }


def _print(promotion: Promotion) -> None:
    from ..search.promotion.card import other_models, score_cells

    objective, examination, registered = promotion.metric.name, promotion.examination, promotion.registered
    if any(confirmed.values for confirmed in promotion.confirmations):
        rows = [
            [confirmed.number, _shown(confirmed.searched), _shown(confirmed.mean), _shown(confirmed.spread)]
            for confirmed in promotion.confirmations
        ]
        print_table(["trial", "in the search", "mean of fresh seeds", "spread"], rows, title=f"{objective}, validation")
    columns = ["metric", "validation", "test", "95 % interval", "class frequencies"]
    columns += [title for title, _ in other_models(examination.scores)]
    scored = [score_cells(score, examination.scores) for score in examination.scores]
    print_table(columns, scored, title=f"Scores on {examination.test_images:,} test images")
    click.echo(f"{registered.model} version {registered.version} is the {registered.alias}: ", nl=False)
    click.echo(f"{examination.verdict.reason}.")
    if promotion.published:
        click.echo(promotion.published)
    click.echo(f"Predict:  apertune predict {promotion.dataset}@{registered.alias} FILES")
    click.echo(f"Export:   apertune export {promotion.dataset}@{registered.alias} --to FOLDER")


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
