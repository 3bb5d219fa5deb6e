"""A study whose results MLflow did not have yet when its search ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

import apertune
from apertune.search.tracking.outbox import Progress, read_progress, unsent_bytes, write_progress


@pytest.mark.ci
def test_it_sends_what_waits_before_it_asks_for_a_model(tuned: apertune.Study) -> None:
    """A model is asked of MLflow only after the outbox is empty."""
    outbox = tuned.home.study_folder(tuned.name) / "outbox.jsonl"
    sent = read_progress(outbox)
    # As after a search whose sender was too slow: sending records again changes nothing.
    write_progress(outbox, replace(sent, offset=0))
    assert unsent_bytes(outbox)
    assert tuned.model().classes[0] == "0"
    assert not unsent_bytes(outbox)
    assert read_progress(outbox).run_ids == sent.run_ids


@pytest.mark.ci
def test_a_trial_that_cannot_be_sent_is_named(tuned: apertune.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to send what MLflow does not take."""
    outbox = tuned.home.study_folder(tuned.name) / "outbox.jsonl"
    sent = read_progress(outbox)
    monkeypatch.setattr(apertune.Study, "_send_waiting", lambda study: None)
    write_progress(outbox, Progress(offset=0))
    try:
        with pytest.raises(apertune.UserError, match=r"is not in MLflow yet; send it with: apertune\.sync\(\)"):
            tuned.model()
    finally:
        write_progress(outbox, sent)
