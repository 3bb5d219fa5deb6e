"""The champion's configuration, trained again on the split of a promotion, where the champion itself knows too much."""

from __future__ import annotations

from random import Random

from ...errors import ApertuneError, SettingError, StudyError
from ..executors.base import Executor
from ..results import read_studies
from ..tracking.mlflow_store import Registry
from ..tracking.model_addresses import registered_name
from ..tracking.records import STUDY_TAG, TRIAL_TAG
from .job import Job
from .opponents import champion_version
from .source import TrainedNetwork, trial_source
from .training import confirmation_task, train_all, trained_network


def retrained_champion(job: Job, executor: Executor) -> TrainedNetwork | None:
    """Trains the present champion's configuration again on this split; None where that is not asked for.

    Raises:
        SettingError: There is no champion.
        StudyError: The study that it came from is not there.
        ApertuneError: Its training does not complete.
    """
    if not job.settings.retrain_champion:
        return None
    version = champion_version(job)
    if version is None:
        raise SettingError(f"--retrain-champion needs a champion, but {job.dataset.name} has none; leave it out")
    tags = Registry(registered_name(job.dataset.name), job.home.tracking_uri).version_tags(version)
    name, number = tags.get(STUDY_TAG, ""), tags.get(TRIAL_TAG, "")
    study = next((study for study in read_studies(job.home, job.dataset.name) if study.name == name), None)
    trial = None if study is None else next((one for one in study.trials if str(one.number) == number), None)
    if study is None or trial is None:
        raise StudyError(
            f"--retrain-champion: version {version} came from trial {number or '?'} of study '{name}', which is not "
            "here; give the --storage that has it, or leave the flag out"
        )
    if tags.get("networks", "1") != "1":
        job.say(
            f"Version {version} averages {tags['networks']} networks; the one of its winning trial is trained again."
        )
    seed = Random(f"champion/{version}").randrange(2**31)
    source = trial_source(job.home, study, trial)
    task = confirmation_task(study, source, job.view, seed, job.trainings_folder / f"champion-{version}-{seed}")
    job.say(f"Training the configuration of version {version}, the champion, again on this split.")
    (result,) = train_all([task], executor, job.say, hang_seconds=job.places.hang_seconds, show=job.show)
    network = trained_network(task, result, trial.number)
    if network is None:
        raise ApertuneError(f"the training of version {version}, the champion, {result.outcome}: {result.reason}")
    return network
