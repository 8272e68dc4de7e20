"""The processes that bench/run starts: relay, origin, proxy and load."""

import ctypes
import os
import re
import select
import signal
import subprocess
import tempfile
import time


class Failure(Exception):
    """Something that makes going on pointless."""


class Children:
    """Every process we start, ended by its id whatever happens."""

    def __init__(self):
        self.running = []
        self.libc = ctypes.CDLL(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()

    def stop_all(self):
        for child in list(self.running):
            self.stop(child, patience=2)

    def start(self, command, core, output, stdin=subprocess.DEVNULL):
        """CORE: where it runs; None: wherever we may."""
        def prepare():
            if core is not None:
                os.sched_setaffinity(0, {core})
            # PR_SET_PDEATHSIG: should we be killed, the child goes too.
            self.libc.prctl(1, signal.SIGKILL)

        # No signal may come between the start and the note of it.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            child = subprocess.Popen(
                command, stdin=stdin, stdout=output,
                stderr=subprocess.STDOUT, preexec_fn=lambda: (
                    prepare(),
                    signal.pthread_sigmask(signal.SIG_SETMASK, old)))
            self.running.append(child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        return child

    def wait(self, child, timeout):
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop(child, patience=2)
            raise Failure(f"{child.args[0]} did not end in {timeout} s")
        self.running.remove(child)

    def stop(self, child, patience=10, sig=signal.SIGTERM):
        """End the child; its exit status, None if it had to be killed."""
        status = None
        if child.poll() is None:
            child.send_signal(sig)
        try:
            status = child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child in self.running:
            self.running.remove(child)
        return status


SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def on_signal(number, _):
    raise SystemExit(128 + number)


class Server:
    """A started relay, origin or proxy, and the port it serves."""

    READY = re.compile(r"^ready: (?:coap://127\.0\.0\.1:)?(\d+)", re.M)

    def __init__(self, bench, command, core, patience=10):
        self.bench = bench
        self.name = os.path.basename(command[0])
        self.log = tempfile.TemporaryFile("w+", dir=bench.dir)
        self.child = bench.kids.start(command, core, self.log)
        self.port = self.wait_ready(patience)

    def wait_ready(self, patience):
        """The port, as soon as it says that it is ready."""
        deadline = time.monotonic() + patience
        while True:
            found = self.READY.search(self.text())
            if found:
                return int(found.group(1))
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.bench.kids.stop(self.child, patience=1)
                raise Failure(f"{' '.join(self.child.args)} did not get "
                              "ready:\n" + self.text())
            time.sleep(0.01)

    def text(self):
        # The offset is the child's too: pread leaves it alone.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(
            errors="replace")

    def ticks(self):
        """User and system time so far, from /proc/PID/stat."""
        with open(f"/proc/{self.child.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return int(fields[11]), int(fields[12])

    def state(self):
        """The letter that /proc has for what it is doing."""
        with open(f"/proc/{self.child.pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]

    def wait_asleep(self, patience=3):
        """Until it has nothing to do, three times in a row."""
        deadline = time.monotonic() + patience
        quiet = 0
        while quiet < 3 and time.monotonic() < deadline:
            quiet = quiet + 1 if self.state() == "S" else 0
            time.sleep(0.005)

    def peak_kib(self):
        with open(f"/proc/{self.child.pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))

    def stop(self):
        if self.child.poll() is not None:
            raise Failure(f"{self.name} ended by itself with status "
                          f"{self.child.returncode}:\n{self.text()}")
        return self.bench.kids.stop(self.child)


class Talker:
    """A program that answers each line of its input with one of output."""

    def __init__(self, kids, command, core):
        self.kids = kids
        self.name = os.path.basename(command[0])
        self.child = kids.start(command, core, subprocess.PIPE,
                                stdin=subprocess.PIPE)
        self.text = b""

    def line(self, patience=10):
        """The next line of output."""
        deadline = time.monotonic() + patience
        while b"\n" not in self.text:
            left = deadline - time.monotonic()
            readable, _, _ = select.select(
                [self.child.stdout], [], [], max(0, left))
            more = readable and os.read(self.child.stdout.fileno(), 65536)
            if not more:
                raise Failure(f"{self.name} says nothing"
                              + (" more" if readable else
                                 f" for {patience:.0f} s")
                              + self.text.decode(errors="replace"))
            self.text += more
        line, self.text = self.text.split(b"\n", 1)
        return line.decode(errors="replace")

    def say(self, text):
        self.child.stdin.write(text.encode() + b"\n")
        self.child.stdin.flush()

    def end(self):
        """Ends its input, which is to end it; its exit status."""
        self.child.stdin.close()
        self.kids.wait(self.child, 10)
        self.child.stdout.close()
        return self.child.returncode
