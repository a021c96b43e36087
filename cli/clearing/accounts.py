"""The providers' accounts, as the processes of the running stack have them."""

import os
from typing import Any

from cli.output import on_running_stack
from deploy.local.connect import environment_of_running_stack
from providers import registry
from providers.settlement import Settlement


def load_accounts() -> None:
    """Put the settings of the providers' accounts into this process' environment."""
    os.environ |= on_running_stack(_environment)


def settlements() -> dict[str, Settlement]:
    """Provider → when its days end and when its statement can be relied on, as our account there has it."""
    load_accounts()
    return registry.read_settlements()


async def _environment(_settings: Any) -> dict[str, str]:
    return environment_of_running_stack()
