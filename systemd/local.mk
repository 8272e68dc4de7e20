# Unit files. sbindir and sysconfdir hold references to other directories, so
# make fills them in, not configure.

units = systemd/coaproxy.service systemd/coaproxy@.service

$(units): Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's,[@]sbindir[@],$(sbindir),g' \
	    -e 's,[@]sysconfdir[@],$(sysconfdir),g' $(srcdir)/$@.in >$@

systemd/coaproxy.service: systemd/coaproxy.service.in
systemd/coaproxy@.service: systemd/coaproxy@.service.in

all-local: $(units)

if INSTALL_UNITS
systemdsystemunit_DATA = $(units)

# systemd-sysusers looks below /usr/local as well.
sysusersdir = $(prefix)/lib/sysusers.d

install-data-hook:
	$(MKDIR_P) "$(DESTDIR)$(sysusersdir)"
	$(INSTALL_DATA) $(srcdir)/systemd/coaproxy.sysusers \
	    "$(DESTDIR)$(sysusersdir)/coaproxy.conf"

uninstall-hook:
	rm -f "$(DESTDIR)$(sysusersdir)/coaproxy.conf"
endif

CLEANFILES += $(units)
EXTRA_DIST += \
	systemd/coaproxy.service.in \
	systemd/coaproxy@.service.in \
	systemd/coaproxy.sysusers
