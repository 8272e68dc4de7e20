/*
 * fuzz_proxy: the whole proxy, fed with datagrams from both sides and time.
 *
 * The input is a program: an octet for the configuration, five for what origins
 * do by themselves, one for what clients do, then steps (play_run.c). Whatever
 * it does, no datagram may be sent that should not be (play_judge.c), no limit
 * exceeded; when nothing happens any more and time goes on everything is given
 * up, and then a request is answered like the first one.
 */
#include "fuzz.h"

#include "play.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct play_setting as_it_is;

	(void)play_run((struct tape){ data, size }, &as_it_is);
	return 0;
}
