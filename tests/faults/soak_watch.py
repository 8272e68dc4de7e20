"""What soak.py sees of the proxy, second by second, and what it makes of it."""

import csv
import os
import pathlib
import statistics
import time

PAGE = os.sysconf('SC_PAGE_SIZE')
TICKS = os.sysconf('SC_CLK_TCK')

# What must be empty when nobody has said anything for long enough. What is only
# remembered (clients, names, cache) is bounded instead.
BUSY = ('requests', 'received', 'exchanges', 'observers', 'observations',
        'uploads', 'transfers', 'fetches', 'destinations', 'upstream-ports')


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def slope(points):
    """Of the line nearest to POINTS, (x, y)."""
    return statistics.linear_regression(*zip(*points)).slope


def insist(look):
    """What LOOK() returns. A connection lasts for less than a second, the time
    of the proxy being as fast: on a busy machine it may end too early."""
    for _ in range(3):
        try:
            return look()
        except Exception as error:
            last = error
    raise last


class Watch:
    """Samples of PROXY, a Watched."""

    def __init__(self, proxy):
        self.proxy, self.process = proxy, pathlib.Path(
            f'/proc/{proxy.process.pid}')
        self.began = time.monotonic()
        self.samples = []
        self.metrics = None     # the last

    def descriptors(self):
        """Without those by which it is being looked at."""
        def mine(link):
            try:
                return not os.readlink(link).startswith('/proc')
            except FileNotFoundError:
                return False
        return sum(map(mine, (self.process / 'fd').iterdir()))

    def status(self, field):
        for line in (self.process / 'status').read_text().splitlines():
            if line.startswith(field + ':'):
                return int(line.split()[1])
        raise AssertionError(f'no {field}')

    def cpu(self):
        """Seconds."""
        fields = (self.process / 'stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def sample(self):
        # Before there is a connection for the metrics.
        row = {'time': round(time.monotonic() - self.began, 2),
               'rss-kb': self.status('VmRSS'),
               'descriptors': self.descriptors(), 'cpu': self.cpu()}
        m = self.metrics = insist(self.proxy.metrics)
        for (_, labels), number in m.families[
                'coaproxy_table_entries'].samples.items():
            row[dict(labels)['table']] = int(number)
        for (_, labels), number in m.families[
                'coaproxy_buffer_bytes'].samples.items():
            row[f'buffers-{dict(labels)["state"]}'] = int(number)
        row['cache-bytes'] = int(m.value('coaproxy_cache_size_bytes'))
        for name in ('requests_in_flight', 'origin_in_flight',
                     'origin_queued_requests', 'blockwise_transfers'):
            row[name.replace('_', '-')] = int(m.sum(f'coaproxy_{name}'))
        self.samples.append(row)
        return row

    # ---- afterwards ----

    def between(self, since, until):
        """The samples of that part of the load; shares of its length."""
        return [r for r in self.samples[1:]
                if since * self.length <= r['time'] < until * self.length]

    def ended(self):
        """The load has: what comes now is silence."""
        self.length = time.monotonic() - self.began

    def thirds(self, name):
        """The values in the second third, and in the last."""
        return [[r[name] for r in self.between(part / 3, (part + 1) / 3)]
                for part in (1, 2)]

    def busy(self):
        """What the last sample has that should not be there in silence."""
        row = self.samples[-1]
        names = BUSY + ('buffers-used', 'requests-in-flight',
                        'origin-in-flight', 'origin-queued-requests',
                        'blockwise-transfers')
        return {n: row[n] for n in names if row[n]}

    def table(self):
        """Lines: of each value the first, after warm-up, the most, the last
        under load, and in the end."""
        warm, load = self.between(1 / 3, 1)[0], self.between(0, 1)
        lines = ['%-24s %10s %10s %10s %10s %10s' % (
            '', 'first', 'warm', 'most', 'last', 'silence')]
        for name in self.samples[0]:
            lines.append('%-24s %10s %10s %10s %10s %10s' % (
                name, self.samples[0][name], warm[name],
                max(r[name] for r in load), load[-1][name],
                self.samples[-1][name]))
        return lines

    def write(self, path):
        with open(path, 'w', newline='') as f:
            rows = csv.DictWriter(f, self.samples[0])
            rows.writeheader()
            rows.writerows(self.samples)
