"""coaproxy with the configuration of the package (its argument): nobody
elsewhere can reach it, and it does nothing for those who can."""

import sys

from coap import GET, PROXY_URI, Client
from programs import Proxy
from tap import equal

with Proxy(None, '-c', sys.argv[1]) as proxy:
    ready = proxy.wait_for(r'^ready: (.*)$')[1].split()
    equal([uri.rpartition(':')[0] for uri in ready],
          ['coap://127.0.0.1', 'coap://[::1]'], 'bound')
    with Client(proxy.address) as client:
        equal(client.request(GET, '/a').code, '4.04')
        equal(client.request(GET, '/.well-known/core').code, '2.05')
        equal(client.request(GET, '', [(PROXY_URI, 'coap://127.0.0.1/')]).code,
              '5.05')
