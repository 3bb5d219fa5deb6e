"""The command `apertune datasets`: list, describe, audit, fetch and clean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..text import counted
from .completion import data_sets
from .dataset_options import dataset_options, dataset_options_without, load_from, progress_bar
from .known_words import CommandGroup
from .next_steps import command
from .option_groups import GroupedCommand
from .output import json_option, print_json, print_line, print_table
from .pages import free_page
from .to_option import to_option

if TYPE_CHECKING:
    from ..datasets.adapters.registry import AdapterEntry
    from ..datasets.audit.auditing import Finding

_FINDINGS_SHOWN = 20
_FILES_SHOWN = 3


@click.group(cls=CommandGroup)
def datasets() -> None:
    """List, describe, check and download data sets."""


@datasets.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the data sets that Apertune can read."""
    from ..datasets.adapters.registry import all_adapters

    entries = all_adapters()
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "description": entry.description,
                    "image_size": entry.image_size,
                    "channels": entry.channels,
                    "needs_data": entry.needs_data,
                    "options": dict(entry.options),
                    "home": entry.home,
                }
                for name, entry in entries.items()
            ]
        )
        return
    rows = [(name, entry.description, _size(entry), ", ".join(entry.options)) for name, entry in entries.items()]
    print_table(("name", "reads", "default size", "options"), rows)


def _size(entry: AdapterEntry) -> str:
    return "their own" if entry.image_size is None else f"{entry.image_size}x{entry.image_size}x{entry.channels}"


@datasets.command(cls=GroupedCommand)
@click.argument("name", shell_complete=data_sets)
@dataset_options
@to_option("html", "Write the page with plots to this file.", before="--html")
@json_option
def describe(name: str, html: Path | None, as_json: bool, **flags: Any) -> None:
    """Count the images per class and split, and draw plots in one HTML page.

    The page is written to NAME.html unless --to names another file; with --json only if --to is given. Where
    NAME.html is the page of other data, it is kept, and the new one is NAME-2.html and so on.
    """
    from ..datasets.audit.description import describe as describe_dataset
    from ..datasets.audit.description import page

    dataset = load_from(name, flags, count_files=False)
    facts = describe_dataset(dataset)
    target = html if html or as_json else free_page(dataset.name, dataset.fingerprint)
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(dataset, facts), encoding="utf-8")
    if as_json:
        print_json(facts)
        return
    _print_description(facts)
    print_line(f"Plots: {target}", err=True)


@datasets.command(cls=GroupedCommand)
@click.argument("name", shell_complete=data_sets)
@dataset_options_without("labels")
@click.option("--labels", is_flag=True, help="Look for wrong labels, too, with a quick model.")
@to_option("html", "Write a page with the pictures to this file.", before="--html")
@json_option
@click.pass_context
def audit(context: click.Context, /, name: str, labels: bool, html: Path | None, as_json: bool, **flags: Any) -> None:
    """Find faults in a data set before a GPU is spent on it.

    The audit finds unreadable, constant and repeated images, leaks between splits, contradicting labels, and classes
    that a split lacks. With --to, a page shows the pictures of each finding side by side. The audit exits with 0 when
    it finds nothing and with 1 when it finds something, so that it can gate a pipeline. Give FER+ labels as --option
    labels=FILE here.

    Near duplicates are recompressed, resized, brighter or darker copies, which splits keep together. Copies that were
    mirrored, turned by quarters, or cropped by up to an eighth per side are found, too, but not kept together. With
    --labels, check the list of suspicious labels by eye: it holds about half of the wrong labels among drawings and a
    fifth among photographs, and a third of its entries are right labels after all.
    """
    from ..datasets.audit.auditing import audit as audit_dataset
    from ..datasets.audit.auditing import counts

    dataset = load_from(name, {**flags, "skip_bad": True})
    findings = audit_dataset(dataset, labels=labels)
    if html is not None:
        from ..datasets.audit.findings_page import findings_page

        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(findings_page(dataset, findings), encoding="utf-8")
    if as_json:
        print_json({"counts": counts(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        _print_findings(findings, counts(findings))
        if html is not None:
            print_line(f"Pictures: {html}", err=True)
        elif findings:
            print_line("--to FILE shows the pictures of each finding side by side.", err=True)
    context.exit(1 if findings else 0)


@datasets.command()
@click.argument("name", shell_complete=data_sets)
@to_option("folder", "Save the archive in this folder.", folder=True, default=Path("data"), show_default=True)
@json_option
def fetch(name: str, folder: Path, as_json: bool) -> None:
    """Download a data set from its official source.

    An interrupted download is continued.
    """
    from ..datasets.adapters.fetching import fetch as fetch_dataset

    with progress_bar() as progress:
        path = fetch_dataset(name, folder, progress)
    if as_json:
        print_json({"name": name, "path": str(path)})
    else:
        print_line(str(path))
        print_line(f"Continue with: {command('datasets', 'describe', name, '--data', path)}")


@datasets.command()
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@json_option
def clean(name: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove decoded images and unpacked archives from the cache.

    Give NAME to remove only the decoded images of one data set. They are decoded again when they are needed.
    """
    from ..datasets.cache import entries as cache

    entries = [entry for entry in cache.usage() if name is None or (entry.kind == "datasets" and entry.dataset == name)]
    if not dry_run:
        for entry in entries:
            cache.remove(entry)
    if as_json:
        print_json({"removed": not dry_run, "entries": [asdict(entry) for entry in entries]})
        return
    print_table(("kind", "entry", "MB"), [(e.kind, e.name, f"{e.bytes / 1e6:.1f}") for e in entries])
    done = "would be freed" if dry_run else "freed"
    print_line(f"{sum(entry.bytes for entry in entries) / 1e6:.1f} MB {done} in {cache.cache_folder()}")


def _print_description(facts: dict[str, Any]) -> None:
    from ..datasets.base import FileCounts

    if facts["files"] is not None:
        print_line(f"{FileCounts(**facts['files']).words}.")
    splits = list(facts["images"])
    rows = [(name, *(counts[split] for split in splits)) for name, counts in facts["classes"].items()]
    rows.append(("all images", *facts["images"].values()))
    accuracies = facts["majority_accuracy"].values()
    rows.append(("largest class always", *("" if share is None else f"{share:.3f}" for share in accuracies)))
    print_table(("class", *splits), rows, title=f"{facts['name']}, {facts['task']}")
    sizes = {which: "x".join(map(str, size)) for which, size in facts["sizes"].items()}
    if untrained := facts["untrained_classes"]:
        lacking = counted(len(untrained), "class has", "classes have")
        print_line(f"Imbalance: without bound, since {lacking} no training image: {', '.join(untrained)}.")
    else:
        print_line(
            f"Imbalance: the largest class has {facts['imbalance']:.1f} times the training images of the smallest."
        )
    print_line(f"Sizes before resizing: {sizes['smallest']} to {sizes['largest']}, median {sizes['median']} pixels.")


def _print_findings(findings: Sequence[Finding], counts: Mapping[str, int]) -> None:
    if not findings:
        print_line("Nothing found.")
        return
    print_table(("kind", "findings"), [(kind, count) for kind, count in counts.items() if count])
    shown: list[Finding] = []
    for kind in counts:
        shown += [finding for finding in findings if finding.kind == kind][:_FINDINGS_SHOWN]
    missing = ("missing from",) if any(finding.missing_from for finding in shown) else ()
    columns = ("kind", "files", "splits", "labels", *missing, "suggestion")
    print_table(columns, [_finding_row(finding, missing=bool(missing)) for finding in shown])
    if len(shown) < len(findings):
        print_line(f"{counted(len(findings) - len(shown), 'more finding')}; --json shows all of them.")


def _finding_row(finding: Finding, *, missing: bool) -> tuple[str, ...]:
    more = f" and {len(finding.files) - _FILES_SHOWN} more" if len(finding.files) > _FILES_SHOWN else ""
    splits = [split or "left out" for split in finding.splits[:_FILES_SHOWN]]
    return (
        finding.kind,
        ", ".join(finding.files[:_FILES_SHOWN]) + more,
        ", ".join(splits),
        ", ".join(finding.labels[:_FILES_SHOWN]),
        *((", ".join(finding.missing_from),) if missing else ()),
        finding.suggestion,
    )
