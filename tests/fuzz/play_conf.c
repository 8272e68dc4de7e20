/*
 * play_conf: configurations that differ in what of the proxy they reach.
 */
#include "play.h"

static const struct play_conf confs[] = {
	/* Reverse, with everything on. */
	{ "[proxy]\nname = here\n"
	  "[log]\naccess = all\nformat = json\n"
	  "[cache]\nsize = 256K\nmax-entry = 4K\n"
	  "[observe]\nlinger = 5s\nmax-per-client = 3\n"
	  "[block]\nsize = 256\nmax-body = 8K\nmax-transfers = 8\n"
	  "[message]\nmax-exchanges = 64\n"
	  "[route a]\npath = /a\nto = coap://198.51.100.1\nlinks = rewrite\n"
	  "[route b]\npath = /b\nto = coap://o.example/base\nstrip = no\n"
	  "[route n]\npath = /n\nmethods = GET PUT\n"
	  "to = coap://two.example\ncache = no\nobserve = no\ntimeout = 5s\n"
	  "[route r]\npath = /r\nreply = 2.05 \"hello\"\n"
	  "[route x]\npath = /x\nto = coap://o.example\n"
	  "deny-from = 192.0.2.11\nsend-host = target\nlinks = rewrite\n"
	  "[route h]\nhost = h.example *.h.example\nto = origin:group\n"
	  "[origin group]\nserver = coap://198.51.100.2:5684\nnstart = 2\n"
	  "confirmable = always\n",
	  NULL, false, false, false },
	/* Forward, with lists. */
	{ "[proxy]\nname = fwd\nown-names = self.example\nhop-limit = 3\n"
	  "[log]\naccess = errors\nformat = logfmt\n"
	  "[cache]\nsize = 64K\n"
	  "[observe]\nlinger = 0s\n"
	  "[block]\nmax-body = 4K\n"
	  "[message]\nmax-exchanges = 64\n"
	  "[forward]\nallow-from = any\ndeny-from = 192.0.2.11\n"
	  "allow-to = coap://*.example coap://198.51.100.0/24 2001:db8::/32\n"
	  "deny-to = loopback link-local multicast 198.51.100.3 "
	  "coap://dead.example\n"
	  "timeout = 20s\nroutes = yes\n"
	  "[route h]\nhost = h.example\nto = coap://198.51.100.2:5684\n"
	  "as = proxy\n"
	  "[route own]\npath = /a\nto = coap://198.51.100.1\n",
	  "coap://198.51.100.1/p", false, false, false },
	/* Next to no room. */
	{ "[cache]\nsize = 4K\nmax-entry = 300\n"
	  "[observe]\nmax-observers = 2\nmax-per-client = 1\n"
	  "confirmable-every = 1\n"
	  "[block]\nsize = 16\nmax-body = 1K\nmax-transfers = 1\n"
	  "[message]\nmax-exchanges = 2\nqueue-per-origin = 1\n"
	  "max-upstream-ports = 1\nmax-retransmit = 1\n"
	  "[origin]\nnstart = 1\n"
	  "[route a]\npath = /a\nto = coap://198.51.100.1\n"
	  "[route b]\npath = /b\nto = coap://slow.example:5690\n"
	  "[forward]\nallow-from = any\n",
	  NULL, false, false, false },
	/* Strangers are challenged. */
	{ "[listen]\namplification = echo\n"
	  "[log]\naccess = all\n"
	  "[cache]\nsize = 64K\n"
	  "[observe]\nlinger = 5s\n"
	  "[message]\nmax-exchanges = 32\n"
	  "[route a]\npath = /a\nto = coap://198.51.100.1\nlinks = rewrite\n"
	  "[route b]\npath = /b\nto = coap://198.51.100.2\n"
	  "[forward]\nallow-from = any\n",
	  NULL, true, true, false },
	/* ... or get small blocks; and may not ask too often. */
	{ "[listen]\namplification = blocks\nrate-limit = 5/s\n"
	  "[cache]\nsize = 64K\n"
	  "[observe]\nlinger = 5s\n"
	  "[message]\nmax-exchanges = 32\n"
	  "[route a]\npath = /a\nto = coap://198.51.100.1\n"
	  "[route r]\npath = /r\nreply = 4.04 \"nothing here\"\n",
	  NULL, true, true, false },
	/* Nothing is kept; NON to the origins; two listeners. */
	{ "[listen one]\nbind = coap://*:5683\n"
	  "[listen two]\nbind = coap://192.0.2.2:5690\n"
	  "[cache]\nsize = 0\n"
	  "[observe]\nmax-observers = 0\n"
	  "[message]\nmax-exchanges = 64\nempty-ack-delay = 0ms\n"
	  "[origin]\nconfirmable = never\n"
	  "[route a]\nlisten = one\npath = /a\nto = coap://198.51.100.1\n"
	  "send-host = x.example\n"
	  "[route b]\nlisten = two\nto = coap://[2001:db8:9::1]\n",
	  NULL, false, false, true },
	/* Everything goes to another proxy, but from one client. */
	{ "[listen]\ndeny-from = 192.0.2.11\n"
	  "[cache]\nsize = 64K\n"
	  "[observe]\nlinger = 1s\n"
	  "[message]\nmax-exchanges = 64\n"
	  "[forward]\nallow-from = any\nvia = coap://198.51.100.1\n"
	  "[route b]\npath = /b\nto = coap://198.51.100.2\nas = proxy\n",
	  "coap://198.51.100.7/p", false, false, false },
	/* Strangers get small blocks of what is not kept. */
	{ "[listen]\namplification = blocks\n"
	  "[cache]\nsize = 0\n"
	  "[block]\nsize = 64\n"
	  "[message]\nmax-exchanges = 32\n"
	  "[route a]\npath = /a\nto = coap://198.51.100.1\nlinks = rewrite\n"
	  "[route b]\npath = /b\nto = coap://slow.example:5690\n"
	  "send-host = target\nlinks = rewrite\ncache = no\n"
	  "[route r]\npath = /r\nreply = 2.05 \"nothing here, and at some "
	  "length, so that it is much more than whoever asks has sent: "
	  "nothing, nothing at all, here or elsewhere, now or ever\"\n",
	  NULL, true, true, false },
};

const unsigned play_confs = sizeof(confs) / sizeof(confs[0]);

const struct play_conf *
play_conf(unsigned i)
{
	return &confs[i];
}
