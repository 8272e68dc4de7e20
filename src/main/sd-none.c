/*
 * sd-none: without libsystemd there is nobody to tell.
 */
#include "main/sd.h"

void
sd_tell(const char *fmt, ...)
{
	(void)fmt;
}
