"""What a request costs that does not depend on the machine: user-space
instructions, system calls and allocations, counted by callgrind.

bench/lockstep lets the daemon do one thing at a time, so that it does the same
each time, however busy the machine is. Each figure is the difference between
two runs, one longer than the other: what starting, growing to full size and
stopping costs cancels out.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile

from children import Children, Failure, Server, Talker

CLIENTS = 16            # requests that come at once
STEPS = 40, 120         # of the two runs; fewer do not fill the tables
RECORDS = 256           # of duplicates: the tables are full soon
TRIES = 3               # for a run during which the machine stood still
PATIENCE = 120
MICRO = 8192            # calls of each pure function

# Arguments of lockstep; in the configuration: forward role, or how many routes.
SCENARIOS = {
    "con64": dict(),
    "fresh64": dict(args=["-f"]),
    "non64": dict(args=["-t", "non"]),
    "put64": dict(args=["-t", "put"]),
    "cached64": dict(args=["-a", "3600"]),
    "forward64": dict(args=["-x"], forward=True),
    "routes64": dict(routes=1000),
    # A notification and its acknowledgement.
    "notify64": dict(args=["-o", "-a", "3600"]),
}
WHAT = "instructions", "syscalls", "allocations"
# System calls only in valgrind, which hides the vDSO from the program.
CLOCKS = {"clock_gettime", "__gettimeofday_syscall"}
ALLOCATING = {"malloc", "calloc", "realloc", "reallocarray", "aligned_alloc",
              "posix_memalign", "memalign"}


class Place:
    """What children.Server wants to know of a benchmark."""

    def __init__(self, kids, directory):
        self.kids = kids
        self.dir = directory


def config(scenario, directory, port):
    text = ("[listen bench]\nbind = coap://127.0.0.1:0\n\n"
            f"[message]\nmax-exchanges = {RECORDS}\n\n"
            "[origin]\nnstart = 1024\n\n")
    to = f"to = coap://127.0.0.1:{port}\n\n"
    if scenario.get("forward"):
        text += "[forward]\nallow-from = loopback\nallow-to = loopback\n"
    else:
        for i in range(1, scenario.get("routes", 1)):
            text += f"[route r{i}]\npath = /other/{i}\n" + to
        text += "[route all]\n" + to
    path = os.path.join(directory, "coaproxy.conf")
    with open(path, "w") as f:
        f.write(text)
    return path


def callgrind(out, *more):
    return ["valgrind", "-q", "--tool=callgrind", "--collect-systime=yes",
            f"--callgrind-out-file={out}", *more]


def read_callgrind(path):
    """Its totals by event, how often each function was called, and how many
    instructions each took, with those that it called."""
    totals, calls, inclusive, names, events = {}, {}, {}, {}, []
    callee = ""
    with open(path) as f:
        for line in f:
            found = re.match(r"c?fn=\((\d+)\)(?: (.*))?", line)
            if found:
                if found[2]:
                    names[found[1]] = re.split("['@]", found[2])[0]
                callee = names[found[1]]
            elif line.startswith("calls="):
                calls[callee] = (calls.get(callee, 0)
                                 + int(line[6:].split()[0]))
                inclusive[callee] = (inclusive.get(callee, 0)
                                     + int(next(f).split()[1]))
            elif line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith("totals:"):
                totals = dict(zip(events, map(int, line.split()[1:])))
    if not totals:
        raise Failure(f"no totals in {path}")
    return totals, calls, inclusive


def sum_of(calls, names):
    return sum(n for name, n in calls.items() if name in names)


def figures(line):
    return {key: int(value)
            for key, value in re.findall(r"(\w+)=(\d+)", line)}


class Run:
    """The daemon under callgrind, with so many steps before it."""

    def __init__(self, kids, coaproxy, lockstep, name, steps):
        scenario = SCENARIOS[name]
        self.name, self.steps = name, steps
        self.directory = tempfile.TemporaryDirectory(prefix="coaproxy-count-")
        d = self.directory.name
        self.out = os.path.join(d, "callgrind.out")
        self.driver = Talker(kids, [lockstep, "-c", str(CLIENTS),
                                    *scenario.get("args", ())], None)
        port = int(self.driver.line().removeprefix("ready: "))
        self.proxy = Server(Place(kids, d), [
            *callgrind(self.out), coaproxy, "-c", config(scenario, d, port)],
            None, PATIENCE)
        self.driver.say(f"aim 127.0.0.1:{self.proxy.port} "
                        f"{self.proxy.child.pid}")
        self.driver.say(f"run {steps}")

    def counts(self):
        """The counts, and how many requests were answered; None instead if
        the machine stood still meanwhile. It is over then."""
        told = figures(self.driver.line(PATIENCE))
        self.driver.end()
        if status := self.proxy.stop():
            raise Failure(f"coaproxy under callgrind ended with {status}:\n"
                          + self.proxy.text())
        if told["answered"] != self.steps * CLIENTS:
            raise Failure(f"answered {told}, not {self.steps * CLIENTS}")
        totals, calls, _ = read_callgrind(self.out)
        self.directory.cleanup()
        if told["disturbed"]:
            return None
        return {"requests": told["answered"], "instructions": totals["Ir"],
                "syscalls": totals["sysCount"] - sum_of(calls, CLOCKS),
                "allocations": sum_of(calls, ALLOCATING)}


def runs(coaproxy, lockstep, names):
    """{scenario: counts of its two runs}; two at a time."""
    found, under_way = {name: [] for name in names}, []
    with Children() as kids:
        for name, steps in [(name, steps) for name in names
                            for steps in STEPS]:
            under_way.append(Run(kids, coaproxy, lockstep, name, steps))
            if len(under_way) == 2:
                run = under_way.pop(0)
                found[run.name].append(run.counts())
        for run in under_way:
            found[run.name].append(run.counts())
    return found


def difference(few, many):
    requests = many["requests"] - few["requests"]
    return {what: (many[what] - few[what]) / requests for what in WHAT}


def count(coaproxy, lockstep, names):
    """{scenario: {"instructions": per request, ...}}"""
    found = {}
    for _ in range(TRIES):
        missing = [name for name in names if name not in found]
        for name, both in runs(coaproxy, lockstep, missing).items():
            if None not in both:
                found[name] = difference(*both)
    if missing := [name for name in names if name not in found]:
        raise Failure("the machine is too busy, messages were repeated: "
                      + ", ".join(missing))
    return {name: found[name] for name in names}


def count_micro(micro):
    """{function: instructions} of the pure functions in bench/micro."""
    with tempfile.TemporaryDirectory(prefix="coaproxy-count-") as d:
        out = os.path.join(d, "callgrind.out")
        subprocess.run([*callgrind(out), micro, "-n", str(MICRO)], check=True,
                       timeout=PATIENCE)
        _, calls, inclusive = read_callgrind(out)
    return {name.removeprefix("work_"): inclusive[name] / calls[name]
            for name in sorted(calls) if name.startswith("work_")}


# ---- the baseline ----

MORE = 1.05             # times the baseline: too much
ROUNDING = 0.005        # of what may be 0


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.partition("\n")[0].strip()


def variables(builddir):
    """Those of its Makefile."""
    with open(os.path.join(builddir, "Makefile")) as f:
        return dict(re.findall(r"^(\w+) = ?(.*)$", f.read(), re.M))


def made_with(builddir, coaproxy):
    """What the figures depend on besides the source."""
    make = variables(builddir)
    version = subprocess.run([coaproxy, "-V"], capture_output=True,
                             text=True).stdout
    flags = " ".join(make[name] for name in (
        "STD_CFLAGS", "CFLAGS", "CPPFLAGS", "HARDEN_CFLAGS",
        "HARDEN_CPPFLAGS", "INSTRUMENT_CFLAGS"))
    return {"architecture": platform.machine(),
            "compiler": first_line(*make["CC"].split(), "--version"),
            "flags": " ".join(flags.split()),
            "libc": os.confstr("CS_GNU_LIBC_VERSION"),
            "libevent": re.search(r"libevent ([^,\s]*)", version)[1],
            "valgrind": first_line("valgrind", "--version")}


def incomparable(builddir, coaproxy, baseline):
    """Why figures of this build cannot be compared with those of BASELINE, or
    None."""
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    here, there = made_with(builddir, coaproxy), baseline["made_with"]
    different = [key for key in there if here[key] != there[key]]
    if different:
        return "the baseline was made with " + ", ".join(
            f"{key} '{there[key]}', here is '{here[key]}'"
            for key in different)
    return None


def worse(baseline, measured):
    """What a scenario costs more than BASELINE allows, as text."""
    return [f"{what} per request: {measured[what]:.3f}, that is "
            f"{measured[what] - baseline[what]:+.3f} to the baseline"
            for what in WHAT
            if measured[what] > max(MORE * baseline[what], ROUNDING)]


def rounded(counts):
    """As a baseline has it: no more digits than are the same each time."""
    return {"instructions": round(counts["instructions"]),
            "syscalls": round(counts["syscalls"], 3),
            "allocations": round(counts["allocations"], 3) + 0}


def write(path, builddir, coaproxy, counts, micro):
    baseline = {"made_with": made_with(builddir, coaproxy),
                "clients": CLIENTS,
                "per_request": {name: rounded(one)
                                for name, one in counts.items()},
                "functions": {name: round(n) for name, n in micro.items()}}
    with open(path + ".new", "w") as f:
        json.dump(baseline, f, indent="\t")
        f.write("\n")
    os.replace(path + ".new", path)


def read(path):
    with open(path) as f:
        return json.load(f)
