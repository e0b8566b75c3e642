"""The few lines every child runs before it becomes the program it was started for.

Run as a script by `local.processes` with `python -I -S`, so it imports the standard library alone:

    child.py PARENT_PID DEATH_SIGNAL USER PROGRAM [ARGUMENT...]

It asks the kernel for DEATH_SIGNAL on its parent's end (a supervisor that is killed with -9 stops nothing
itself), gives root up for USER when one is named, and becomes PROGRAM. Where the kernel is not Linux the first
is left out.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def keep_file_access(libc: ctypes.CDLL) -> None:
    """Keep root's right to pass any folder, across the change of user and the exec.

    PostgreSQL refuses to run as root, and user nobody cannot pass a folder like /root, where both its programs
    and its data may lie. Nothing else of root is kept. Where the kernel or a container refuses, the program runs
    without it, which is enough when the folders are open to all.
    """
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bit = 1 << CAP_DAC_OVERRIDE
    # effective, permitted, inheritable of the capabilities 0-31, then the same of 32-63
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if libc.capset(header, data) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def become(user: str, libc: ctypes.CDLL | None) -> None:
    """Give root up for `user`, with the user's own group alone."""
    import pwd  # noqa: PLC0415 - only root needs it

    entry = pwd.getpwnam(user)
    if libc:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    if libc:
        keep_file_access(libc)


def main(arguments: list[str]) -> None:
    """Prepare this process and become the program."""
    parent, death_signal, user, *program = arguments
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if user:
        become(user, libc)
    if libc:
        # After the change of user, which clears it.
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("the program that started this one has already ended")
    os.execvp(program[0], program)  # noqa: S606 - becoming the program is the point


if __name__ == "__main__":
    main(sys.argv[1:])
