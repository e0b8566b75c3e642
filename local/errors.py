"""What can go wrong while the local system starts: one tree, each with a stable code and an exit status."""

from __future__ import annotations

EX_CONFIG = 78
"""sysexits.h: something in the configuration is wrong; the user can put it right."""


class LocalError(Exception):
    """The local system cannot start or go on.

    Args:
        message: What was wrong, what is allowed and what to do, in one or two sentences.
    """

    code = "local.failed"
    exit_status = 1


class SettingError(LocalError):
    """An environment variable holds a value that is not allowed."""

    code = "local.setting"
    exit_status = EX_CONFIG


class PortTakenError(LocalError):
    """A port that the system needs is used by another program."""

    code = "local.port_taken"
    exit_status = EX_CONFIG


class MissingBinaryError(LocalError):
    """A server's program is not where it was looked for."""

    code = "local.missing_binary"
    exit_status = EX_CONFIG


class AlreadyRunningError(LocalError):
    """Another run holds the data folder."""

    code = "local.already_running"
    exit_status = EX_CONFIG


class DataDirError(LocalError):
    """The data folder cannot be used, or is not one of ours."""

    code = "local.data_dir"
    exit_status = EX_CONFIG


class NotReadyError(LocalError):
    """A component ended or did not become ready within its deadline."""

    code = "local.not_ready"


class WiringError(LocalError):
    """The stacks wire the product in a way that the local run cannot follow."""

    code = "local.wiring"
    exit_status = EX_CONFIG
