"""What the system tells of this process: cores that were missing, memory. The same rules as `src/device/host.rs`."""

import os
import time

TICK = 0.01


class Reading:
    """Everything that is counted, up to a moment."""

    def __init__(self):
        self.counted = _counted()
        self.at = time.perf_counter()

    def until_now(self):
        """Seconds by the clock since then, and seconds for which cores were missing, summed over threads."""
        wall = time.perf_counter() - self.at
        ran, waited, busy, stolen = [now - then for now, then in zip(_counted(), self.counted)]
        # Threads of one process that wait for one another's cores are its own doing.
        others = max(0.0, busy - ran)
        return wall, min(waited, others) + stolen


def _counted():
    """Seconds: threads of this process ran, waited for a core; all processes ran; the host gave no core."""
    ran = waited = 0
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/schedstat") as file:
                numbers = file.read().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # A thread may end between the listing and the reading.
        ran += int(numbers[0])
        waited += int(numbers[1])
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return ran / 1e9, waited / 1e9, TICK * (user + nice + system + irq + softirq), TICK * steal


def memory(field):
    """`VmRSS` now or `VmHWM`, the most ever, in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return 1024 * int(line.split()[1])
    raise LookupError(field)
