"""Where and when something was measured."""

import os
import platform
import re
import subprocess
import time


def _first(path, pattern):
    try:
        with open(path) as f:
            found = re.search(pattern, f.read(), re.M)
    except OSError:
        return None
    return found and found[1]


def describe(coaproxy):
    version = subprocess.run([coaproxy, "-V"], capture_output=True,
                             text=True).stdout if coaproxy else ""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _first("/proc/cpuinfo", r"^model name\s*: (.*)$")
        or platform.machine(),
        "cores": os.cpu_count(),
        "hypervisor": bool(_first("/proc/cpuinfo", r"\b(hypervisor)\b")),
        "memory_kib": int(_first("/proc/meminfo", r"MemTotal:\s+(\d+)") or 0),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        "coaproxy": " ".join(version.split()),
        "load": os.getloadavg()[0],
    }
