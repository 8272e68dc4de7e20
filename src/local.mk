# One library per layer, in the order of src/layers, and the program. A module
# is x.c and x.h.

src_libbase_a_SOURCES = \
	src/base/addr.c src/base/addr.h \
	src/base/arena.c src/base/arena.h \
	src/base/buf.c src/base/buf.h \
	src/base/chacha.c src/base/chacha.h \
	src/base/clock.c src/base/clock.h \
	src/base/hash.c src/base/hash.h \
	src/base/journal.c src/base/journal.h \
	src/base/histo.h \
	src/base/list.h \
	src/base/log.c src/base/log.h \
	src/base/netlist.c src/base/netlist.h \
	src/base/parse.c src/base/parse.h \
	src/base/poison.h \
	src/base/pool.c src/base/pool.h \
	src/base/rand.c src/base/rand.h \
	src/base/siphash.c src/base/siphash.h \
	src/base/span.h \
	src/base/table.c src/base/table.h \
	src/base/timer.c src/base/timer.h \
	src/base/writer.h \
	src/base/xalloc.c src/base/xalloc.h

src_libcoap_a_SOURCES = \
	src/coap/block.c src/coap/block.h \
	src/coap/code.c src/coap/code.h \
	src/coap/dump.c src/coap/dump.h \
	src/coap/emit.c src/coap/emit.h \
	src/coap/key.c src/coap/key.h \
	src/coap/link.c src/coap/link.h \
	src/coap/msg.c src/coap/msg.h \
	src/coap/option.c src/coap/option.h \
	src/coap/pct.c src/coap/pct.h \
	src/coap/uri.c src/coap/uri.h

src_libmsg_a_SOURCES = \
	src/msg/core.h \
	src/msg/datagram.c src/msg/datagram.h \
	src/msg/exchange.c \
	src/msg/leave.c \
	src/msg/midset.c src/msg/midset.h \
	src/msg/note.c \
	src/msg/notify.c src/msg/notify.h \
	src/msg/params.c src/msg/params.h \
	src/msg/peer.c src/msg/peer.h \
	src/msg/received.c src/msg/received.h \
	src/msg/reply.c \
	src/msg/sent.c src/msg/sent.h \
	src/msg/timing.c src/msg/timing.h

src_libnet_a_SOURCES = \
	src/net/dns.c src/net/dns.h \
	src/net/hosts.c src/net/hosts.h \
	src/net/loop.c src/net/loop.h \
	src/net/names.c src/net/names.h \
	src/net/net.h \
	src/net/resolve.c src/net/resolve.h \
	src/net/sendq.c src/net/sendq.h \
	src/net/servers.c src/net/servers.h \
	src/net/sock.c src/net/sock.h \
	src/net/udp.c src/net/udp.h

src_libproxy_a_SOURCES = \
	src/proxy/admit.c src/proxy/admit.h \
	src/proxy/answer.c \
	src/proxy/ask.c \
	src/proxy/assemble.c \
	src/proxy/backoff.c src/proxy/backoff.h \
	src/proxy/chunk.c src/proxy/chunk.h \
	src/proxy/cache.c src/proxy/cache.h \
	src/proxy/classify.c src/proxy/classify.h \
	src/proxy/collect.c src/proxy/collect.h \
	src/proxy/core.h \
	src/proxy/crowd.c src/proxy/crowd.h \
	src/proxy/echo.c src/proxy/echo.h \
	src/proxy/fetch.c src/proxy/fetch.h \
	src/proxy/filter.c src/proxy/filter.h \
	src/proxy/fresh.c src/proxy/fresh.h \
	src/proxy/front.h \
	src/proxy/guard.c \
	src/proxy/harvest.c src/proxy/harvest.h \
	src/proxy/inspect.c src/proxy/inspect.h \
	src/proxy/limit.c src/proxy/limit.h \
	src/proxy/links.c src/proxy/links.h \
	src/proxy/logline.c src/proxy/logline.h \
	src/proxy/local.c src/proxy/local.h \
	src/proxy/memo.c src/proxy/memo.h \
	src/proxy/proxy.c src/proxy/proxy.h \
	src/proxy/notified.c \
	src/proxy/observation.c src/proxy/observation.h \
	src/proxy/observe.c src/proxy/observe.h \
	src/proxy/observer.h \
	src/proxy/observers.c \
	src/proxy/publish.c src/proxy/publish.h \
	src/proxy/redirect.c src/proxy/redirect.h \
	src/proxy/reload.c \
	src/proxy/repeat.c src/proxy/repeat.h \
	src/proxy/reply.h \
	src/proxy/request.c src/proxy/request.h \
	src/proxy/respond.c \
	src/proxy/rewrite.c src/proxy/rewrite.h \
	src/proxy/route.c src/proxy/route.h \
	src/proxy/routing.c \
	src/proxy/rulemap.c src/proxy/rulemap.h \
	src/proxy/serve.c \
	src/proxy/settle.c \
	src/proxy/share.c src/proxy/share.h \
	src/proxy/self.c src/proxy/self.h \
	src/proxy/trail.c src/proxy/trail.h \
	src/proxy/tally.c src/proxy/tally.h \
	src/proxy/transfer.c src/proxy/transfer.h \
	src/proxy/upload.c src/proxy/upload.h \
	src/proxy/upstream.h \
	src/proxy/way.c src/proxy/way.h

src_libserver_a_SOURCES = \
	src/server/server.c src/server/server.h \
	src/server/watch.c src/server/watch.h

src_libupstream_a_SOURCES = \
	src/upstream/client.c src/upstream/client.h \
	src/upstream/core.h \
	src/upstream/dest.c src/upstream/dest.h \
	src/upstream/flow.c src/upstream/flow.h \
	src/upstream/renew.c \
	src/upstream/unreachable.c

src_libconf_a_SOURCES = \
	src/conf/check.c src/conf/check.h \
	src/conf/conf.c src/conf/conf.h \
	src/conf/cover.c src/conf/cover.h \
	src/conf/doc.c src/conf/doc.h \
	src/conf/dump.c \
	src/conf/expand.c src/conf/expand.h \
	src/conf/files.c src/conf/files.h \
	src/conf/load.c src/conf/load.h \
	src/conf/loaded.h \
	src/conf/place.c \
	src/conf/report.c src/conf/report.h \
	src/conf/schema.c src/conf/schema.h \
	src/conf/value.c src/conf/value.h \
	src/conf/words.c src/conf/words.h

src_libctl_a_SOURCES = \
	src/ctl/command.c src/ctl/command.h \
	src/ctl/control.c src/ctl/control.h \
	src/ctl/expo.c src/ctl/expo.h \
	src/ctl/http.c src/ctl/http.h \
	src/ctl/limits.c src/ctl/limits.h \
	src/ctl/metrics.c src/ctl/metrics.h \
	src/ctl/metrics_work.c \
	src/ctl/rows.c src/ctl/rows.h \
	src/ctl/sources.h \
	src/ctl/status.c src/ctl/status.h \
	src/ctl/sums.c src/ctl/sums.h \
	src/ctl/text.c src/ctl/text.h \
	src/ctl/trace.c src/ctl/trace.h \
	src/ctl/view.h

src_coaproxy_SOURCES = \
	src/main/admin.c src/main/admin.h \
	src/main/args.c src/main/args.h \
	src/main/core.h \
	src/main/daemon.c src/main/daemon.h \
	src/main/explain.c src/main/explain.h \
	src/main/listen.c \
	src/main/main.c \
	src/main/news.c \
	src/main/regime.c \
	src/main/reload.c \
	src/main/service.c \
	src/main/sd.h \
	src/main/start.c \
	src/main/store.c

if HAVE_SYSTEMD
src_coaproxy_SOURCES += src/main/sd.c
else
src_coaproxy_SOURCES += src/main/sd-none.c
endif

noinst_LIBRARIES += \
	src/libbase.a \
	src/libcoap.a \
	src/libmsg.a \
	src/libnet.a \
	src/libproxy.a \
	src/libserver.a \
	src/libupstream.a \
	src/libconf.a \
	src/libctl.a

sbin_PROGRAMS += src/coaproxy src/coaproxyctl

# What a program of each layer links: the layer and those below, topmost first.
# An arrow upwards does not link.
link_base = src/libbase.a
link_coap = src/libcoap.a $(link_base)
link_msg = src/libmsg.a $(link_coap)
link_net = src/libnet.a $(link_base) $(EVENT_LIBS)
link_proxy = src/libproxy.a $(link_coap)
link_server = src/libserver.a src/libproxy.a src/libmsg.a src/libcoap.a \
	$(link_net)
link_upstream = src/libupstream.a src/libproxy.a src/libmsg.a src/libcoap.a \
	$(link_net)
link_ctl = src/libctl.a src/libserver.a $(link_upstream)
link_conf = src/libconf.a $(INIH_LIBS) src/libserver.a $(link_upstream)

src_coaproxyctl_SOURCES = src/tool/coaproxyctl.c
src_coaproxyctl_LDADD = $(link_base)

src_coaproxy_LDADD = src/libctl.a $(link_conf) $(SYSTEMD_LIBS)

EXTRA_DIST += src/banned.h src/layers
