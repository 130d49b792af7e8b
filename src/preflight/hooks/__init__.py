"""Kedro hooks: contracts, guards, versions, manifest, messages, alarms, partitions, statistics."""

import preflight.hooks.interrupts  # noqa: F401 - first, so that the imports can be stopped
from preflight.hooks.alarms import AlarmHooks
from preflight.hooks.guards import ContractHooks, DefaultHooks, GuardHooks
from preflight.hooks.manifest import ManifestHooks
from preflight.hooks.messages import ErrorHooks
from preflight.hooks.progress import ProgressHooks
from preflight.hooks.scale import ScaleHooks
from preflight.hooks.statistics import StatisticsHooks
from preflight.hooks.tracking import TrackingHooks
from preflight.hooks.versions import VersionHooks

HOOKS = (  # Kedro calls the last one first
    AlarmHooks(),  # when all others are done
    ProgressHooks(),
    ManifestHooks(),
    TrackingHooks(),
    StatisticsHooks(),
    VersionHooks(),
    GuardHooks(),
    ScaleHooks(),
    ContractHooks(),
    DefaultHooks(),  # before any other reads the settings
    ErrorHooks(),
)
