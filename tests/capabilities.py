"""What the kernel lets this process do: in many containers root may do less than root."""

from __future__ import annotations

import re
from pathlib import Path

_BITS = {"net_admin": 12, "sys_admin": 21, "mknod": 27}  # linux/capability.h


def may(*capabilities: str) -> bool:
    """Whether the process has all of these."""
    status = Path("/proc/self/status")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text() if status.exists() else "", re.MULTILINE)
    mask = int(found[1], 16) if found else 0
    return all(mask >> _BITS[name] & 1 for name in capabilities)
