"""Errors that a person can do something about: each is one line that says what."""

import errno
from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from deploy.local.connect import NoRunningStack
from deploy.local.part import PartUnavailable
from runtime.settings.base import SettingsRefused

#: What the operating system refuses, and what helps.
_ADVICE: Final = {
    errno.EADDRINUSE: "another process listens there: end it, or choose another port",
    errno.EADDRNOTAVAIL: "this machine does not have the address",
    errno.EACCES: "use one that you may write to, or another port; BILLING_STATE_DIR is the state folder",
    errno.EPERM: "use one that you may write to; BILLING_STATE_DIR is the state folder",
    errno.EROFS: "use a folder that can be written to; BILLING_STATE_DIR is the state folder",
    errno.ENOTDIR: "a part of the path is a file; BILLING_STATE_DIR is the state folder",
    errno.ENOENT: "make the folder, or correct the path",
    errno.EISDIR: "it is a folder: name a file",
    errno.ENOSPC: "make room on the disk",
}


def advice_on(error: BaseException) -> str | None:
    """What is wrong and what helps, in one line; ``None`` for an error that is a fault of ours."""
    match error:
        case ValidationError() if (settings := _settings_of(error.title)) is not None:
            return "; ".join(_fault(settings, fault) for fault in error.errors(include_url=False, include_input=False))
        case SettingsError() | SettingsRefused() | NoRunningStack() | PartUnavailable():
            return " ".join(str(error).split())
        case OSError(errno=number) if number in _ADVICE and (error.filename or number == errno.EADDRINUSE):
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror}: {_ADVICE[number]}"
    return None


def _fault(settings: type[BaseSettings], fault: Any) -> str:
    name = "".join(str(step) for step in fault["loc"][:1])
    variable = f"{settings.model_config.get('env_prefix', '')}{name}".upper() if name else "settings"
    return f"{variable}: {fault['msg'].removeprefix('Value error, ')}"


def _settings_of(title: str) -> type[BaseSettings] | None:
    """The class of settings of this name: validation errors name no more of it."""
    return next((found for found in _below(BaseSettings) if found.__name__ == title), None)


def _below(cls: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for below in cls.__subclasses__():
        yield below
        yield from _below(below)
