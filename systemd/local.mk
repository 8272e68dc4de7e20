# Unit files. sbindir and sysconfdir hold references to other directories, so
# make fills them in, not configure.

units = systemd/coaproxy.service systemd/coaproxy@.service
sockets = systemd/coaproxy-coap.socket

$(units): Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's,[@]sbindir[@],$(sbindir),g' \
	    -e 's,[@]sysconfdir[@],$(sysconfdir),g' $(srcdir)/$@.in >$@

systemd/coaproxy.service: systemd/coaproxy.service.in
systemd/coaproxy@.service: systemd/coaproxy@.service.in

all-local: $(units)

if INSTALL_UNITS
systemdsystemunit_DATA = $(units) $(sockets)

# systemd-sysusers and systemd-tmpfiles look below /usr/local as well.
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
# So does journalctl --update-catalog.
catalogdir = $(prefix)/lib/systemd/catalog

install-data-hook:
	$(MKDIR_P) "$(DESTDIR)$(sysusersdir)"
	$(INSTALL_DATA) $(srcdir)/systemd/coaproxy.sysusers \
	    "$(DESTDIR)$(sysusersdir)/coaproxy.conf"
	$(MKDIR_P) "$(DESTDIR)$(tmpfilesdir)"
	$(INSTALL_DATA) $(srcdir)/systemd/coaproxy.tmpfiles \
	    "$(DESTDIR)$(tmpfilesdir)/coaproxy.conf"
	$(MKDIR_P) "$(DESTDIR)$(catalogdir)"
	$(INSTALL_DATA) $(srcdir)/systemd/coaproxy.catalog \
	    "$(DESTDIR)$(catalogdir)/coaproxy.catalog"

uninstall-hook:
	rm -f "$(DESTDIR)$(sysusersdir)/coaproxy.conf" \
	    "$(DESTDIR)$(tmpfilesdir)/coaproxy.conf" \
	    "$(DESTDIR)$(catalogdir)/coaproxy.catalog"
endif

CLEANFILES += $(units)
EXTRA_DIST += \
	systemd/coaproxy.service.in \
	systemd/coaproxy@.service.in \
	$(sockets) \
	systemd/coaproxy.catalog \
	systemd/coaproxy.sysusers \
	systemd/coaproxy.tmpfiles
