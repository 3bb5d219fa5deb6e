"""`apertune promote` and `rollback`: make the best trial the champion, if it is really better, and go back."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..search.executors.places import PlaceSettings
from ..search.promotion.settings import PromotionSettings
from ..settings_fields import declarations
from .completion import promotable
from .dataset_options import dataset_options, load_from, name_option
from .next_steps import command
from .option_groups import GroupedCommand
from .output import json_option, print_json, print_line, print_table
from .own_classes import space_option
from .recorded_data import recorded_data
from .setting_options import given_flags, made_from, setting_options
from .storage_option import storage_option

if TYPE_CHECKING:
    from ..search.promotion import Promotion


@click.command(cls=GroupedCommand)
@click.argument("dataset", metavar="DATASET|STUDY", shell_complete=promotable)
@dataset_options
@name_option
@setting_options([*declarations(PromotionSettings).values(), *declarations(PlaceSettings).values()])
@storage_option
@space_option
@json_option
def promote(dataset: str, storage: str | None, as_json: bool, **flags: Any) -> None:
    """Confirm, test and register the best trial, and make it DATASET@champion if it is really better.

    The best trials are trained again with fresh seeds, and the winner is chosen on validation. If it is better than
    chance there, the test set is opened, and the model registered; it becomes the champion only when it really beats
    the present one. The more often these test images were opened, the surer that must be.
    Name the data set with the flags of the search, or its study alone, which knows them.
    """
    from ..search.executors.choosing import check_places
    from ..search.promotion import promote as run_promotion
    from ..search.settings import make_home
    from .closed_terminal import LastingDisplay

    given, home = given_flags(flags), make_home(os.environ, storage=storage)
    source, study = recorded_data(home, dataset, given, given.get("study"))
    if study is not None:
        given["study"] = study
    settings = made_from(PromotionSettings, given)
    places = made_from(PlaceSettings, given)
    check_places(places)
    loaded = load_from(source.dataset, source.flags)
    with LastingDisplay("training") as display:
        promotion = run_promotion(loaded, settings, home=home, say=display.say, places=places, show=display.update)
    if as_json:
        print_json(_document(promotion))
    else:
        _print(promotion)


@click.command()
@click.argument("dataset")
@json_option
def rollback(dataset: str, as_json: bool) -> None:
    """Make the version before the champion the champion again."""
    from ..search.promotion import rollback as move_back
    from ..search.settings import make_home

    moved = move_back(make_home(os.environ), dataset, lambda line: print_line(line, err=True))
    if as_json:
        print_json(asdict(moved))
    else:
        print_line(f"The champion of {moved.model} is version {moved.after} again; it was version {moved.before}.")


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
    if examination.acceptance:
        print_line(str(examination.acceptance))
    outcome = f"{registered.model} version {registered.version} is the {registered.alias}"
    print_line(f"{outcome}: {examination.verdict.reason}.")
    if promotion.published:
        print_line(promotion.published)
    model = f"{promotion.dataset}@{registered.alias}"
    print_line(f"Predict:  {command('predict', model)} FILES")
    print_line(f"Export:   {command('export', model, '--to', f'{promotion.dataset}-{registered.alias}')}")


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
