"""Other programs between clients and origin, in the same table when they are
installed; nothing here needs them.

What each is told to do is what it does best: nginx forwards datagrams and
knows no CoAP, libcoap's server is a forward proxy (so it gets Proxy-Uri), and
node_proxy.js is what one writes with node-coap in a few lines.
"""

import contextlib
import os
import re
import shutil
import socket
import time

from children import Failure, Server

NAMES = ["nginx", "nginx-once", "libcoap", "node-coap"]
WHAT = {
    "relay": "relay, batched",
    "proxy": "coaproxy",
    "nginx": "nginx stream, sessions kept",
    "nginx-once": "nginx stream, proxy_responses 1",
    "libcoap": "libcoap's coap-server -P",
    "node-coap": "node-coap",
}
HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"]
NODE_MODULES = os.path.join(HERE, "../tests/system/node/node_modules")

NGINX = """load_module {module};
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {dir}/nginx-{port}.pid;
error_log stderr error;
events {{ worker_connections 19000; }}
stream {{
	server {{
		listen 127.0.0.1:{port} udp;
		proxy_pass 127.0.0.1:{origin};
		proxy_timeout 5s;
		{more}
	}}
}}
"""


def nginx():
    """(program, module), or None."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "")
                           + ":/usr/sbin")
    near = program and os.path.join(os.path.dirname(program),
                                    "../lib/nginx/modules")
    for place in [*MODULES, near]:
        module = place and os.path.join(place, "ngx_stream_module.so")
        if program and module and os.path.exists(module):
            return program, os.path.abspath(module)
    return None


def libcoap():
    return shutil.which("coap-server-notls") or shutil.which("coap-server")


def node():
    program = shutil.which("node") or shutil.which("nodejs")
    there = os.path.isdir(os.path.join(NODE_MODULES, "coap"))
    return program if there else None


def installed():
    found = {"nginx": nginx(), "nginx-once": nginx(), "libcoap": libcoap(),
             "node-coap": node()}
    return [name for name in NAMES if found[name]]


def forwards(name):
    """It wants Proxy-Uri."""
    return name == "libcoap"


def udp_port(pid):
    """The port of a UDP socket of process PID that is not connected."""
    with contextlib.suppress(OSError):
        fds = f"/proc/{pid}/fd"
        held = {os.readlink(os.path.join(fds, fd)) for fd in os.listdir(fds)}
        with open(f"/proc/{pid}/net/udp") as f:
            for line in f.read().splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].split(":")[1], 16)
                if port and f"socket:[{fields[9]}]" in held:
                    return port
    return None


class Quiet(Server):
    """A server that does not say when it is ready: it is when it has a
    socket."""

    def wait_ready(self, patience):
        deadline = time.monotonic() + patience
        while not (port := udp_port(self.child.pid)):
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.bench.kids.stop(self.child, patience=1)
                raise Failure(f"{self.name} did not get ready:\n"
                              + self.text())
            time.sleep(0.01)
        return port


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_nginx(bench, origin, more):
    program, module = nginx()
    port = free_port()
    path = os.path.join(bench.dir, f"nginx-{port}.conf")
    with open(path, "w") as f:
        f.write(NGINX.format(module=module, dir=bench.dir, port=port,
                             origin=origin, more=more))
    return Quiet(bench, [program, "-p", bench.dir, "-c", path,
                         "-e", "stderr"], bench.core)


def start(bench, name, origin):
    """The peer NAME before an origin with this port."""
    if name == "nginx":
        return start_nginx(bench, origin, "")
    if name == "nginx-once":
        return start_nginx(bench, origin, "proxy_responses 1;")
    if name == "libcoap":
        return Quiet(bench, [libcoap(), "-A", "127.0.0.1", "-p", "0",
                             "-v", "0", "-P", ",proxy.invalid"], bench.core)
    return Server(bench, [node(), os.path.join(HERE, "node_proxy.js"),
                          NODE_MODULES, str(origin)], bench.core)


def version(name):
    """What its --version or the like says, for the report."""
    if name.startswith("nginx"):
        command = f"'{nginx()[0]}' -v 2>&1"
    elif name == "libcoap":
        command = f"'{libcoap()}' -? 2>&1"
    else:
        command = (f"'{node()}' -p \"require('{NODE_MODULES}/coap/"
                   "package.json').version\"")
    with os.popen(command) as f:
        found = re.search(r"\d+\.\d+[.\d]*", f.read())
    return found[0] if found else "?"
