"""The scenarios of bench/run about observers: fanout and many.

Each plays the origin and all observers of one resource with one program,
bench/observers, and puts the proxy, or relay --fanout, between them.
"""

import os
import re
import shutil
import statistics

from children import Failure, Server, Talker

PATIENCE = 120          # seconds for a command, beyond what it is to take
COUNTED = 20            # changes under valgrind
COUNTED_PERF = 300
PROBE = 1000            # other requests a second
QUIET = 5               # seconds of them without a fan-out
RECORDS = 4096          # of duplicates, so that what every request leaves
                        # behind is not taken for part of an observer
# What must not be, in a line of bench/observers.
FAULTS = ("failed", "wrong", "reordered", "ended", "stray", "refusals",
          "dropped", "probe_lost", "probe_wrong")


class FanOut:
    """Observers, their origin, and what is between them."""

    def __init__(self, bench, role, observers, sockets, wrapper=(), extra=()):
        self.bench = bench
        self.role = role
        self.observers = observers
        relay = role == "relay" or bench.args.selftest
        # The relay has the least to do: nobody acknowledges anything.
        self.crowd = Talker(bench.kids, [
            bench.args.observers_program, "-n", str(observers),
            "-S", str(sockets), "-W", str(PATIENCE),
            "-t", "non" if relay else "con", *extra], bench.other)
        ready = self.crowd.line()
        if not ready.startswith("ready: "):
            raise Failure(ready)
        port = int(ready.split()[1])
        if relay:
            command = [bench.args.relay, "--fanout", f"127.0.0.1:{port}"]
        else:
            command = [bench.args.coaproxy, "-c", config(bench, port,
                                                         observers, sockets)]
        self.proxy = Server(bench, [*wrapper, *command], bench.core,
                            60 if wrapper else 10)
        self.tell(f"aim 127.0.0.1:{self.proxy.port} {self.proxy.child.pid}")

    def tell(self, command, seconds=0):
        """Has it carry out a command; its figures."""
        self.crowd.say(command)
        line = self.crowd.line(seconds + 3 * PATIENCE)
        figures = {key: float(value) if "." in value else int(value)
                   for key, value in re.findall(r"(\w+)=([\d.]+)", line)}
        if "registered" in figures:
            self.check(command, figures)
        return figures

    def check(self, command, figures):
        bad = [f"{key}={figures[key]}" for key in FAULTS if figures.get(key)]
        if figures["registered"] != self.observers:
            bad.append(f"registered={figures['registered']} "
                       f"refused={figures['refused']}")
        if figures["current"] != figures["registered"]:
            bad.append(f"current={figures['current']}")
        if figures["origin_registrations"] != 1:
            bad.append("origin_registrations="
                       f"{figures['origin_registrations']}")
        if bad:
            self.bench.problems.append(
                f"{self.observers} observers, {self.role}, {command}: "
                + " ".join(bad))
        if figures["registered"] == 0:
            raise Failure(f"{self.role}: nobody could register")

    def run(self, rate, seconds):
        figures = self.tell(f"run {rate} {seconds}", seconds)
        if not figures["delivered"]:
            raise Failure(f"{self.role}: nothing was delivered")
        return figures

    def stop(self):
        # Its exit status says no more than what has been checked.
        self.crowd.end()
        status = self.proxy.stop()
        if (self.role == "proxy" and not self.bench.args.selftest
                and status != 0):
            self.bench.problems.append(
                f"the proxy ended with status {status} after SIGTERM:\n"
                + self.proxy.text()[-2000:])


def config(bench, port, observers, sockets):
    path = os.path.join(bench.dir, "fanout.conf")
    each = max(32, -(-observers // sockets))
    with open(path, "w") as f:
        f.write("[listen bench]\nbind = coap://127.0.0.1:0\n\n"
                f"[message]\nmax-exchanges = {RECORDS}\n\n"
                f"[observe]\nmax-observers = {max(100000, observers)}\n"
                f"max-per-client = {each}\n\n"
                f"[route all]\nto = coap://127.0.0.1:{port}\n")
    return path


# ---- fanout: CPU time per notification ----

HEAD = ("          CPU us each\n"
        "round     request  relay's  proxy's  ratio   relay's"
        "  CON %    p50 us   last us")
ROW = "{:8} {:8.2f} {:8.2f} {:8.2f} {:6.3f} {:9.3f} {:6.1f} {:9.0f} {:9.0f}"
COLUMNS = ("request_cpu_us", "relay_cpu_us", "proxy_cpu_us", "cpu_ratio",
           "relay_ratio", "con_percent", "p50_us", "last_us")


def summary(slices):
    """Of the runs of one in a round."""
    total = {key: sum(s[key] for s in slices)
             for key in ("delivered", "con", "non", "copies", "changes",
                         "cpu_us", "seconds")}
    total["cpu_us_each"] = total["cpu_us"] / total["delivered"]
    total["con_percent"] = 100 * total["con"] / (total["con"] + total["non"])
    for key in "p50_us", "p99_us", "last_us":
        total[key] = statistics.median(s[key] for s in slices)
    return total


def measure(bench, request, observers, sockets, rate, length):
    """One round. request: what starts requests through the relay, as a
    function of the turn, what one turn of them costs, and what ends them."""
    start, turn, stop = request
    start()
    sides = {role: FanOut(bench, role, observers, sockets)
             for role in ("relay", "proxy")}
    for side in sides.values():
        side.tell("register")
        side.run(rate, max(bench.args.warmup, 1 / rate))
    slices = {"request": [], "relay": [], "proxy": []}
    order = ["request", "relay", "proxy", "proxy", "relay", "request"]
    for i, who in enumerate(order * bench.args.seconds):
        slices[who].append(turn(i) if who == "request"
                           else sides[who].run(rate, length))
    for side in sides.values():
        side.stop()
    stop()
    return {"request": bench.summary(slices["request"]),
            "relay": summary(slices["relay"]),
            "proxy": summary(slices["proxy"])}


def columns(figures):
    request = figures["request"]["cpu_us_per_request"]
    relay, proxy = figures["relay"], figures["proxy"]
    return (request, relay["cpu_us_each"], proxy["cpu_us_each"],
            proxy["cpu_us_each"] / request, relay["cpu_us_each"] / request,
            proxy["con_percent"], proxy["p50_us"], proxy["last_us"])


def run_fanout(bench, request, length, count):
    """All rounds; length: of a turn in seconds."""
    args = bench.args
    observers = args.observers or 1000
    sockets = args.sockets or observers
    rate = args.changes
    # At a low rate a turn still has two changes, and the time behind them.
    length = max(length, 2 / rate)
    print(f"\nfanout, {observers} observers on {sockets} ports, "
          f"{rate:g} changes/s\n{HEAD}", flush=True)
    rounds, rows = [], []
    for i in range(args.rounds):
        rounds.append(measure(bench, request, observers, sockets, rate,
                              length))
        rows.append(columns(rounds[-1]))
        print(ROW.format(i + 1, *rows[-1]), flush=True)
    case = dict(scenario="fanout", clients=observers, sockets=sockets,
                changes=rate, rounds=rounds)
    for label, of in (("median", statistics.median), ("min", min),
                      ("max", max)):
        values = [of(column) for column in zip(*rows)]
        print(ROW.format(label, *values), flush=True)
        case[label] = dict(zip(COLUMNS, values))
    if count:
        run_counts(bench, case, observers, sockets)
    return case


def run_counts(bench, case, observers, sockets):
    """Figures that do not move with the machine, for relay and proxy: each
    change waits until the one before has been delivered to all."""
    figures = {"syscalls": {}, "instructions": {}, "allocations": {}}
    for role in "relay", "proxy":
        about = bench, role, observers, sockets
        figures["syscalls"][role] = syscalls(*about)
        figures["instructions"][role] = valgrind(
            *about, ["--tool=callgrind", "--callgrind-out-file=/dev/null"],
            r"Collected : (\d+)")
        figures["allocations"][role] = valgrind(
            *about, ["--tool=memcheck", "--leak-check=no",
                     "--undef-value-errors=no"],
            r"total heap usage: ([\d,]+) allocs")
    for what, digits in (("syscalls", 2), ("instructions", 0),
                         ("allocations", 3)):
        print(f"{what} per notification: " + ", ".join(
            f"{role} " + ("not measured" if value is None
                          else f"{value:.{digits}f}")
            for role, value in figures[what].items()), flush=True)
    case.update(figures)


def syscalls(bench, role, observers, sockets):
    """System calls per notification, by perf, or None."""
    if not shutil.which("perf"):
        return None
    side = FanOut(bench, role, observers, sockets)
    side.tell("register")
    side.tell("change")
    out = os.path.join(bench.dir, "perf.out")
    # perf counts for as long as its command runs; it begins before that.
    perf = Talker(bench.kids, [
        "perf", "stat", "-x", ",", "-o", out, "-e", "raw_syscalls:sys_enter",
        "-p", str(side.proxy.child.pid), "--",
        "sh", "-c", "echo counting; read end"], bench.other)
    try:
        counting = perf.line() == "counting"
    except Failure:
        counting = False
    delivered = side.tell(f"change {COUNTED_PERF}")["delivered"]
    perf.end()
    side.stop()
    if not counting:
        return None
    with open(out) as f:
        found = re.search(r"^(\d+),.*sys_enter", f.read(), re.M)
    return int(found.group(1)) / delivered if found else None


def valgrind(bench, role, observers, sockets, tool, pattern):
    """What a valgrind tool counts per notification, as the difference between
    runs with n and 2n changes, so that start and registration cancel."""
    if not shutil.which("valgrind"):
        return None
    total, delivered = [], []
    for n in COUNTED, 2 * COUNTED:
        log = os.path.join(bench.dir, "valgrind.log")
        side = FanOut(bench, role, observers, sockets,
                      ["valgrind", f"--log-file={log}", *tool])
        side.tell("register")
        delivered.append(side.tell(f"change {n}")["delivered"])
        side.stop()
        with open(log) as f:
            found = re.search(pattern, f.read())
        if not found:
            return None
        total.append(int(found.group(1).replace(",", "")))
    if delivered[1] <= delivered[0]:
        raise Failure(f"{role} under valgrind delivered {delivered}")
    return (total[1] - total[0]) / (delivered[1] - delivered[0])


# ---- many: memory, and what other traffic meets ----

MANY_HEAD = ("          registered      octets each         change: ms"
             "             probe p50, p99, max us\n"
             "round          /s   quiet    told    first       p50"
             "      last   quiet             meanwhile")
MANY_ROW = ("{:8} {:10.0f} {:7.0f} {:7.0f} {:8.1f} {:9.1f} {:9.1f}"
            "   {:4.0f} {:5.0f} {:5.0f}  {:5.0f} {:6.0f} {:6.0f}")
MANY_COLUMNS = ("registered_per_s", "octets_quiet", "octets_told", "first_ms",
                "p50_ms", "last_ms", "quiet_p50_us", "quiet_p99_us",
                "quiet_max_us", "probe_p50_us", "probe_p99_us",
                "probe_max_us")


def run_many(bench):
    """Registrations, quiet, one change to all: every round anew."""
    observers = bench.args.observers or 100000
    sockets = bench.args.sockets or -(-observers // 32)
    print(f"\nmany, {observers} observers on {sockets} ports\n{MANY_HEAD}",
          flush=True)
    rounds, rows = [], []
    for i in range(bench.args.rounds):
        side = FanOut(bench, "proxy", observers, sockets,
                      extra=["-q", str(PROBE)])
        told = {"register": side.tell("register"),
                "quiet": side.tell(f"quiet {QUIET}", QUIET),
                "change": side.tell("change")}
        side.stop()
        rounds.append(told)
        probes = [told[when][f"probe_{what}_us"]
                  for when in ("quiet", "change")
                  for what in ("p50", "p99", "max")]
        rows.append((
            told["register"]["rate"], told["quiet"]["octets_each"],
            told["change"]["octets_each"],
            *(told["change"][f"{k}_us"] / 1000
              for k in ("first", "p50", "last")), *probes))
        print(MANY_ROW.format(i + 1, *rows[-1]), flush=True)
    case = dict(scenario="many", clients=observers, sockets=sockets,
                rounds=rounds)
    for label, of in (("median", statistics.median), ("min", min),
                      ("max", max)):
        values = [of(column) for column in zip(*rows)]
        print(MANY_ROW.format(label, *values), flush=True)
        case[label] = dict(zip(MANY_COLUMNS, values))
    return case
