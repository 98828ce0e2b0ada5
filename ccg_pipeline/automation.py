"""When the job runs: at night, and, where switched on, when files arrive; and what follows its runs: notices."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from ccg_pipeline.assets.extracts import GROUP
from ccg_pipeline.assets.liveness import end_dead_runs
from ccg_pipeline.assets.packs import PACK
from ccg_pipeline.landing.files import LandingError, landing_fingerprint, scan
from ccg_pipeline.notices import configuration, findings, telling
from ccg_pipeline.operations import schedule
from ccg_pipeline.settings import Settings

# A file modified more recently than this may still be on its way.
_SETTLED_AFTER = timedelta(minutes=2)

nightly_job = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(PACK),
    description="Landing folder to publication: receive, load, check, build, judge, publish.",
    executor_def=dg.in_process_executor,
)

rebuild_job = dg.define_asset_job(
    "rebuild",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups(GROUP) - dg.AssetSelection.assets(PACK),
    description="What is loaded to publication: build, judge, publish; nothing is received.",
    executor_def=dg.in_process_executor,
)

# Not part of a night: which month a committee meets on is known to people, and each pack takes seconds.
packs_job = dg.define_asset_job(
    "packs",
    selection=dg.AssetSelection.assets(PACK),
    description="The packs of a month, from the publication as it stands.",
    executor_def=dg.in_process_executor,
)


def build_nightly_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Every night; a run that died does not stand in its way."""

    @dg.schedule(
        name="nightly_at_two",
        job=nightly_job,
        cron_schedule=schedule.CRON,
        execution_timezone=schedule.TIMEZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night at two, by the clock in London.",
    )
    def nightly_at_two(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        end_dead_runs(context.instance, settings)
        return dg.RunRequest()

    return nightly_at_two


def build_landing_sensor(settings: Settings) -> dg.SensorDefinition:
    """Starts the job when files in the landing folder changed and have settled; off until switched on."""

    @dg.sensor(
        name="landing_folder",
        job=nightly_job,
        minimum_interval_seconds=120,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Runs the nightly job when files have arrived in the landing folder and have settled.",
    )
    def landing_folder(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            files, _ = scan(settings.raw, settings.most_file_bytes)
        except LandingError as error:
            return dg.SkipReason(str(error))
        now = datetime.now(UTC).replace(tzinfo=None)
        if any(abs(now - file.modified_at) < _SETTLED_AFTER for file in files):
            return dg.SkipReason("a file was modified within the last two minutes: waiting for it to settle")
        fingerprint = landing_fingerprint(files)
        if fingerprint == context.cursor:
            return dg.SkipReason("nothing changed in the landing folder")
        end_dead_runs(context.instance, settings)
        context.update_cursor(fingerprint)
        return dg.RunRequest(run_key=fingerprint)

    return landing_folder


def build_notice_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Tell of runs that the schedule, the sensor or the UI started; on where a way of telling is configured.

    Dagster matches them with runs of its own processes alone; `ccg nightly` tells of its night itself.
    """
    is_on = bool(configuration.configured(settings).ways)
    status = dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="notices_of_success",
        monitored_jobs=[nightly_job, rebuild_job],
        default_status=status,
        description="Tells what is new after a run: quarantine, overdue data, breaches, restatements.",
    )
    def notices_of_success(context: dg.RunStatusSensorContext) -> None:
        telling.tell(settings, context.log.info)

    @dg.run_failure_sensor(
        name="notices_of_failure",
        monitored_jobs=[nightly_job, rebuild_job],
        default_status=status,
        description="Tells that a run failed, and why.",
    )
    def notices_of_failure(context: dg.RunFailureSensorContext) -> None:
        # The run's own record says more; there is none where it broke before it began to keep one.
        why = context.failure_event.message or "it failed before it began"
        telling.tell(settings, context.log.info, findings.Failure([why], run=context.dagster_run.run_id))

    return [notices_of_success, notices_of_failure]
