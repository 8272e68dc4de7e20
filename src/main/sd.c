/*
 * sd: through libsystemd.
 */
#include "main/sd.h"

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

void
sd_tell(const char *fmt, ...)
{
	char state[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(state, sizeof(state), fmt, ap);
	va_end(ap);
	/* Nobody listening is no error. */
	(void)sd_notify(0, state);
}
