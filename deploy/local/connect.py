"""Settings of the running stack, for commands that connect to it from outside."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import EnvSettingsSource

from deploy.local.layout import Layout, read_status
from runtime.settings import Settings
from runtime.settings.base import SECRETS_DIR

PREFIX = "BILLING_"


class NoRunningStack(Exception):
    """Neither the environment nor a running local stack gives the addresses of the services."""


def settings_of_running_stack(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and the secrets where they name Postgres, else those of the local stack in the state folder.

    The environment takes precedence. Raises :class:`NoRunningStack` if neither has them.
    """
    return settings_of(environment_of_running_stack(environment))


def environment_of_running_stack(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The same as variables, for a process to be started. Raises :class:`NoRunningStack`."""
    environment = os.environ if environment is None else environment
    own = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    if own.get("BILLING_POSTGRES_URL") or (SECRETS_DIR / "billing_postgres_url").exists():
        return own
    state_dir = Path(own.get("BILLING_STATE_DIR") or Settings.model_fields["state_dir"].default)
    status = read_status(Layout(state_dir))
    if status is None or not status.get("environment"):
        raise NoRunningStack(
            f"no stack in {state_dir}: `billing up` starts one, or set BILLING_POSTGRES_URL and the others"
        )
    return {**status["environment"], **own}


def settings_of(variables: Mapping[str, str]) -> Settings:
    """Settings from variables that are not in this process' environment."""
    source = EnvSettingsSource(Settings)
    # As pydantic reads the environment of a process: names in lower case, JSON where a field is not a scalar.
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    return Settings(**source())
