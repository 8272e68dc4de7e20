"""The scenarios of bench/run in which clients ask and are answered.

A round of a case starts relay, proxy and peers as fresh processes on one core,
origins and load generator on another, and puts load on them in turn, half a
second at a time, so that what else happens on the machine meets all of them.
"""

import os
import re
import shutil
import signal
import statistics
import tempfile
import time

import peers
from children import Failure, Server

FRESH = ["s/%c/%r"]
PATHS = ["s/%c/temperature", "s/%c/humidity", "s/%c/light", "s/%c/battery"]
COUNTED = 20000         # requests under strace or valgrind
COUNTED_PERF = 300000   # perf does not slow down: enough for steady batches
SLICE = 0.5             # seconds of load before the other has its turn
TRIES = 3               # for a turn in which nothing is answered
SETTLE = 0.2            # seconds at the start of each that do not count

# type, method, payload, Max-Age of the origin, extra; sweep: with each number
# of clients, else with clients, or the largest. peers: measure them too. bar:
# at most, as a ratio to the relay, or to another scenario of the proxy
# ("over").
SCENARIOS = {
    "con64": dict(sweep=True, peers=True, count=True, bar=1.4,
                  bar_p50_one=1.1),
    "fresh64": dict(fresh=True, bar=1.4),
    "non64": dict(type="non", sweep=True, peers=True, bar=1.4),
    "con1024": dict(size=1024, peers=True, bar=1.4),
    "non1024": dict(type="non", size=1024, bar=1.4),
    "put64": dict(put=True, peers=True),
    "cached64": dict(age=3600, bar=0.75),
    "forward64": dict(forward=True, bar=1.1, over="con64"),
    "routes64": dict(routes=1000, bar=1.05, over="con64"),
    "crowd64": dict(clients=10000),
    "fanout": dict(fanout=True, bar=0.75),
    "many": dict(many=True),
    "memory": dict(memory=True),
    "micro": dict(micro=True),
    "unlogged64": dict(log="off", bar=1.05, over="con64"),
    "logged64": dict(log="all", bar=1.5, over="con64"),
}
# What is said of each program: its key in a summary, and a heading.
FIGURES = {"cpu_us_per_request": "CPU us/request", "rate": "requests/s",
           "p50_us": "p50 us", "p99_us": "p99 us"}


class Bench:
    def __init__(self, args, kids, directory):
        self.records = None     # of duplicates; None: enough for all
        self.args = args
        self.kids = kids
        self.dir = directory
        self.problems = []
        cores = sorted(os.sched_getaffinity(0))
        self.core = cores[0]
        self.other = cores[0] if args.placement == "same" else cores[-1]
        if args.placement == "split" and len(cores) < 2:
            raise Failure("one core only: use --placement same")
        os.sched_setaffinity(0, {self.other})

    def config(self, scenario, origin_port):
        """The proxy's configuration file for one scenario."""
        loaded = (self.args.warmup
                  + self.args.seconds * (SLICE + SETTLE) / SLICE)
        text = ("[listen bench]\nbind = coap://127.0.0.1:0\n\n"
                "[message]\nmax-upstream-ports = 1024\n"
                "max-exchanges = "
                f"{self.records or max(1000000, int(loaded * 400000))}\n"
                "queue-per-origin = 20000\n\n"
                "[origin]\nnstart = 16384\n\n")
        to = f"to = coap://127.0.0.1:{origin_port}\n\n"
        if scenario.get("forward"):
            text += ("[forward]\nallow-from = loopback\n"
                     "allow-to = loopback\n")
        else:
            for i in range(1, scenario.get("routes", 1)):
                text += f"[route r{i}]\npath = /other/{i}\n" + to
            text += "[route all]\n" + to
        if "log" in scenario:
            text += (f"[log]\naccess = {scenario['log']}\n"
                     f"target = {self.dir}/log\n")
        path = os.path.join(self.dir, "coaproxy.conf")
        with open(path, "w") as f:
            f.write(text)
        return path

    def servers(self, role, scenario, wrapper=()):
        """Start the origin and, as the role says, relay, proxy or a peer."""
        command = [self.args.origin, "-p", "0",
                   "-s", str(scenario.get("size", 64)),
                   "-a", str(scenario.get("age", 0))]
        origin = Server(self, command, self.other)
        if role not in ("relay", "proxy"):
            return origin, peers.start(self, role, origin.port)
        if role == "relay" or self.args.selftest:
            command = [self.args.relay, f"127.0.0.1:{origin.port}"]
        else:
            command = [self.args.coaproxy, "-c",
                       self.config(scenario, origin.port)]
        proxy = Server(self, [*wrapper, *command], self.core,
                       60 if wrapper else 10)
        return origin, proxy

    def stop(self, role, origin, proxy):
        status = proxy.stop()
        origin.stop()
        if role == "proxy" and not self.args.selftest and status != 0:
            self.problems.append(f"the proxy ended with status {status} "
                                 f"after SIGTERM:\n{proxy.text()[-2000:]}")

    def load_command(self, scenario, clients, origin, proxy, extra,
                     forward=False):
        command = [self.args.load, "-c", str(clients),
                   "-t", scenario.get("type", "con"),
                   "-m", "put" if scenario.get("put") else "get",
                   "-s", str(scenario.get("size", 64)), *extra]
        for path in FRESH if scenario.get("fresh") else PATHS:
            command += ["-u", path]
        if forward or scenario.get("forward"):
            command += ["-x", f"coap://127.0.0.1:{origin.port}"]
        return command + [f"127.0.0.1:{proxy.port}"]

    def load(self, command, what, timeout, strict=True):
        """Run the load generator; its figures as a dictionary. STRICT: what
        was lost or wrong is a problem."""
        with tempfile.TemporaryFile("w+", dir=self.dir) as out:
            child = self.kids.start(command, self.other, out)
            self.kids.wait(child, timeout)
            out.seek(0)
            text = out.read()
        found = dict(re.findall(r"(\w+)=([\d.]+)", text))
        if "answered" not in found:
            raise Failure(f"{what}: {text}")
        figures = {k: float(v) if "." in v else int(v)
                   for k, v in found.items()}
        if not strict:
            return figures
        # One repetition in ten thousand is a busy host, more is a fault.
        few = figures["answered"] // 10000
        bad = [f"{k}={figures[k]}" for k in ("wrong", "lost", "stray")
               if figures[k]]
        if figures["retransmits"] > few:
            bad.append(f"retransmits={figures['retransmits']}")
        if bad:
            self.problems.append(f"{what}: " + " ".join(bad))
        return figures

    def roles(self, name):
        """Relay, proxy, and those peers that the scenario is for."""
        wanted = self.args.peers if SCENARIOS[name].get("peers") else []
        return ["relay", "proxy", *wanted]

    def turns(self, others):
        """Who comes after whom: A B B A, in the first second with the others
        between them."""
        around = ["relay", *others, "proxy", "proxy", *reversed(others),
                  "relay"]
        return (around + ["relay", "proxy", "proxy", "relay"]
                * (self.args.seconds - 1))

    def measure(self, name, clients):
        """One round: the figures of relay, proxy and peers."""
        servers = {}
        for role in self.roles(name):
            try:
                servers[role] = self.servers(role, SCENARIOS[name])
            except Failure as e:
                if role not in self.args.peers:
                    raise
                print(f"without {role}: {e}")
                self.args.peers.remove(role)
        roles = list(servers)
        ticks = {role: proxy.ticks()
                 for role, (_, proxy) in servers.items()}
        slices = {role: [] for role in roles}
        for i, role in enumerate(self.turns(roles[2:])):
            warm = SETTLE if slices[role] else self.args.warmup
            slices[role].append(self.slice(
                role, name, clients, servers[role],
                ["-w", str(warm), "-d", str(SLICE),
                 "-b", f"127.1.{i // 250}.{i % 250 + 1}"]))
        figures = {}
        for role, (origin, proxy) in servers.items():
            user, system = (a - b for a, b in zip(proxy.ticks(),
                                                  ticks[role]))
            figures[role] = self.summary(slices[role])
            figures[role]["user_percent"] = 100 * user / max(1, user + system)
            figures[role]["peak_kib"] = proxy.peak_kib()
            self.stop(role, origin, proxy)
            if role in ("relay", "proxy") and not figures[role]["answered"]:
                raise Failure(f"{name}, {clients} clients, {role}: nothing "
                              "was answered")
        return figures

    def requests(self):
        """con64 through the relay in turns, as fanout.measure() wants it."""
        servers = []

        def start():
            servers[:] = self.servers("relay", SCENARIOS["con64"])

        def turn(i):
            return self.slice("relay", "con64", 256, servers, [
                "-w", str(SETTLE), "-d", str(SLICE),
                "-b", f"127.1.{i // 250}.{i % 250 + 1}"])

        return start, turn, lambda: self.stop("relay", *servers)

    def slice(self, role, name, clients, servers, extra):
        """The figures of one turn. A machine that had no time for the server
        says nothing about it: then the turn is repeated."""
        origin, proxy = servers
        for attempt in range(1, TRIES + 1):
            command = self.load_command(
                SCENARIOS[name], clients, origin, proxy,
                ["-P", str(proxy.child.pid),
                 *(word.replace("127.1.", f"127.{attempt}.")
                   for word in extra)], peers.forwards(role))
            figures = self.load(command, f"{name}, {clients} clients, {role}",
                                self.args.warmup + 30,
                                role in ("relay", "proxy"))
            # What it still has to do must not fall into another's turn.
            proxy.wait_asleep()
            if figures["answered"]:
                break
        return figures

    @staticmethod
    def summary(slices):
        total = {key: sum(s[key] for s in slices) for key in
                 ("answered", "wrong", "lost", "stray", "retransmits",
                  "seconds", "cpu_us")}
        total["cpu_us_per_request"] = (total["cpu_us"]
                                       / max(1, total["answered"]))
        total["rate"] = total["answered"] / total["seconds"]
        for key in "p50_us", "p99_us":
            total[key] = statistics.median(s[key] for s in slices)
        return total

    def counted_load(self, role, name, clients, n, wrapper=(), prefix=None):
        """A run of n requests; prefix: what to put before the load."""
        scenario = SCENARIOS[name]
        origin, proxy = self.servers(role, scenario, wrapper)
        command = self.load_command(scenario, clients, origin, proxy,
                                    ["-n", str(n)])
        if prefix:
            command = [*prefix(proxy.child.pid), *command]
        self.load(command, f"{name}, counting, {role}", 300)
        return origin, proxy

    def syscalls_perf(self, role, name, clients):
        out = os.path.join(self.dir, "perf.out")
        servers = self.counted_load(
            role, name, clients, COUNTED_PERF, prefix=lambda pid: [
                "perf", "stat", "-x", ",", "-o", out,
                "-e", "raw_syscalls:sys_enter", "-p", str(pid), "--"])
        self.stop(role, *servers)
        with open(out) as f:
            found = re.search(r"^(\d+),.*sys_enter", f.read(), re.M)
        return int(found.group(1)) / COUNTED_PERF if found else None

    def syscalls_strace(self, role, name, clients):
        scenario = SCENARIOS[name]
        out = os.path.join(self.dir, "strace.out")
        origin, proxy = self.servers(role, scenario)
        with tempfile.TemporaryFile("w+", dir=self.dir) as log:
            tracer = self.kids.start(
                ["strace", "-f", "-c", "-o", out,
                 "-p", str(proxy.child.pid)], self.other, log)
            deadline = time.monotonic() + 10
            while b"attached" not in os.pread(log.fileno(), 4096, 0):
                if tracer.poll() is not None or time.monotonic() > deadline:
                    self.kids.stop(tracer)
                    self.stop(role, origin, proxy)
                    return None
                time.sleep(0.01)
            self.load(self.load_command(scenario, clients, origin, proxy,
                                        ["-n", str(COUNTED)]),
                      f"{name}, strace, {role}", 300)
            self.kids.stop(tracer, sig=signal.SIGINT)
        self.stop(role, origin, proxy)
        with open(out) as f:
            for line in f:
                # % time, seconds, usecs/call, calls, perhaps errors, name
                fields = line.split()
                if fields and fields[-1] == "total":
                    return int(fields[3]) / COUNTED
        return None

    def syscalls(self, role, name, clients):
        """System calls per request and how they were counted."""
        if shutil.which("perf"):
            value = self.syscalls_perf(role, name, clients)
            if value is not None:
                return value, "perf"
        if shutil.which("strace"):
            value = self.syscalls_strace(role, name, clients)
            if value is not None:
                return value, "strace, which makes batches larger"
        return None, None

    def valgrind(self, role, name, clients, tool, pattern):
        """What a valgrind tool counts per request; start-up cancels out."""
        if not shutil.which("valgrind"):
            return None
        total = []
        for n in COUNTED, 2 * COUNTED:
            log = os.path.join(self.dir, "valgrind.log")
            servers = self.counted_load(
                role, name, clients, n, wrapper=[
                    "valgrind", f"--log-file={log}", *tool])
            self.stop(role, *servers)
            with open(log) as f:
                found = re.search(pattern, f.read())
            if not found:
                return None
            total.append(int(found.group(1).replace(",", "")))
        return (total[1] - total[0]) / COUNTED

    def instructions(self, role, name, clients):
        """In user space."""
        return self.valgrind(role, name, clients, [
            "--tool=callgrind", "--callgrind-out-file=/dev/null"],
            r"Collected : (\d+)")

    def allocations(self, role, name, clients):
        """Calls of malloc() and its like, with tables so small that they
        are full soon: what they grow by is not the requests' cost."""
        self.records = 4096
        value = self.valgrind(role, name, clients, [
            "--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"],
            r"total heap usage: ([\d,]+) allocs")
        self.records = None
        return value


HEAD = ("          CPU us/request          requests/s              p50 us\n"
        "round     relay   proxy   ratio   relay     proxy     relay"
        "    proxy    ratio")
ROW = ("{:8} {:6.2f} {:7.2f} {:7.3f} {:7.0f} {:9.0f} {:9.1f} {:8.1f}"
       " {:8.3f}")


def columns(relay, proxy, **_):
    """What one round prints and the summary is made of."""
    return (relay["cpu_us_per_request"], proxy["cpu_us_per_request"],
            proxy["cpu_us_per_request"] / relay["cpu_us_per_request"],
            relay["rate"], proxy["rate"], relay["p50_us"], proxy["p50_us"],
            proxy["p50_us"] / relay["p50_us"])


def table(rounds):
    """{role: {figure: [median, median of the ratios to the relay in the same
    round]}}, and what was lost or asked again of ten thousand."""
    found = {}
    for role in rounds[-1]:
        found[role] = {
            key: [statistics.median(r[role][key] for r in rounds),
                  statistics.median(r[role][key] / max(r["relay"][key], 1e-9)
                                    for r in rounds)]
            for key in FIGURES}
        bad, all_of = (sum(r[role][key] for r in rounds for key in keys)
                       for keys in (("lost", "wrong", "retransmits"),
                                    ("answered",)))
        found[role]["bad"] = 10000 * bad / max(1, all_of)
    return found


def table_lines(found):
    """A summary as text, each figure with its ratio to the relay's."""
    yield " " * 33 + "".join(f"{what:>17}" for what in FIGURES.values())
    for role, one in found.items():
        cells = "".join(f"{value:9.2f} ({ratio:5.2f})" if value < 1000
                        else f"{value:9.0f} ({ratio:5.2f})"
                        for value, ratio in (one[key] for key in FIGURES))
        bad = (f"  {one['bad']:.0f} in 10,000 lost or repeated"
               if one["bad"] >= 1 else "")
        yield f"{peers.WHAT[role]:33}" + cells + bad


def run_case(bench, name, clients, count):
    print(f"\n{name}, {clients} client{'s' * (clients != 1)}\n{HEAD}",
          flush=True)
    rounds, rows = [], []
    for i in range(bench.args.rounds):
        both = bench.measure(name, clients)
        rounds.append(both)
        rows.append(columns(**both))
        print(ROW.format(i + 1, *rows[-1]), flush=True)
    case = dict(scenario=name, clients=clients, rounds=rounds)
    for label, of in (("median", statistics.median), ("min", min),
                      ("max", max)):
        values = [of(column) for column in zip(*rows)]
        print(ROW.format(label, *values), flush=True)
        case[label] = dict(zip(
            ("relay_cpu_us", "proxy_cpu_us", "cpu_ratio", "relay_rate",
             "proxy_rate", "relay_p50_us", "proxy_p50_us", "p50_ratio"),
            values))
    case["table"] = table(rounds)
    print("\n".join(table_lines(case["table"])), flush=True)
    if count:
        run_counts(bench, case)
    return case


def run_counts(bench, case):
    """Figures that do not move with the machine, for relay and proxy."""
    name, clients = case["scenario"], case["clients"]
    calls, instructions, allocations = {}, {}, {}
    for role in "relay", "proxy":
        calls[role], how = bench.syscalls(role, name, clients)
        instructions[role] = bench.instructions(role, name, clients)
        allocations[role] = bench.allocations(role, name, clients)

    def text(values, digits):
        return ", ".join(
            f"{role} " + ("not measured" if v is None else f"{v:.{digits}f}")
            for role, v in values.items())

    print("system calls per request: " + text(calls, 2)
          + (f" ({how})" if how else ""))
    print("user-space instructions per request: " + text(instructions, 0),
          flush=True)
    print("allocations per request: " + text(allocations, 3), flush=True)
    case["allocations"] = allocations
    case["syscalls"] = calls
    case["instructions"] = instructions


def run_micro(bench):
    """The pure functions, in nanoseconds; instructions see counting.py."""
    with tempfile.TemporaryFile("w+", dir=bench.dir) as out:
        child = bench.kids.start([bench.args.micro], bench.core, out)
        bench.kids.wait(child, 120)
        out.seek(0)
        text = out.read()
    if child.returncode != 0:
        raise Failure(f"micro: {text}")
    ns = {name: float(value) for name, value in
          (line.split() for line in text.splitlines())}
    print("\nmicro            ns a call")
    for name, value in ns.items():
        print(f"{name:15} {value:10.1f}")
    return dict(scenario="micro", clients=0, ns=ns)
