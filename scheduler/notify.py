"""Tell systemd how the daemon is: READY=1, WATCHDOG=1, STATUS=… (the protocol of sd_notify(3)).

Without `$NOTIFY_SOCKET`, that is outside systemd, everything here does nothing and says so by returning False.
"""

import os
import socket

READY = "READY=1"
RELOADING = "RELOADING=1"  # followed by READY when the reload is over
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"


def notify(*states: str) -> bool:
    """Send the states to systemd in one datagram and return whether it was sent.

    A socket that refuses is no reason to stop charging cars: the answer is then False too, and the watchdog, which
    waits for the message that did not come, is the one to act on it.

    Args:
        states: assignments such as `READY`, or `status("42 vehicles")`.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # Linux's abstract namespace is written with @ and addressed with NUL
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)  # the caller is the event loop
            sender.sendto("\n".join(states).encode(), address)
    except OSError:
        return False
    return True


def status(text: str) -> str:
    """Return the assignment of the line that `systemctl status` shows; its line breaks become blanks."""
    return "STATUS=" + " ".join(text.split())


def extended(seconds: float) -> str:
    """Return the assignment by which systemd lets the start or the stop take so much longer from now on."""
    return f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}"


def watchdog_interval_s() -> float | None:
    """Return after how many seconds without `WATCHDOG` systemd kills this process, None where it does not.

    `$WATCHDOG_PID` names the process that is watched: a child which inherited the environment is not.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
