#include "report.h"

#include <inttypes.h>
#include <stdio.h>

static const uint64_t SECOND = 1000000000;

void
report_seconds(const char *key, uint64_t ns)
{
	printf(
	    " %s=%" PRIu64 ".%06" PRIu64, key, ns / SECOND, ns % SECOND / 1000);
}

void
report_number(const char *key, uint64_t v)
{
	printf(" %s=%" PRIu64, key, v);
}

void
report_crowd(const struct crowd_figures *f, const struct bench_latencies *l)
{
	report_number("registered", f->registered);
	report_number("refused", f->refused);
	report_number("failed", f->failed);
	report_number("current", f->current);
	report_number("delivered", f->delivered);
	report_number("least", f->least);
	report_number("con", f->con);
	report_number("non", f->non);
	report_number("same", f->same);
	report_number("copies", f->copies);
	report_number("wrong", f->wrong);
	report_number("reordered", f->reordered);
	report_number("ended", f->ended);
	report_number("stray", f->stray);
	report_number("retransmits", f->retransmits);
	report_number("challenged", f->challenged);
	report_number("refusals", f->refusals);
	report_number("dropped", f->dropped);
	if (l->n == 0)
		return;
	bench_print_us("first_us", l->least);
	bench_print_us("p50_us", bench_latency(l, 50));
	bench_print_us("p99_us", bench_latency(l, 99));
	bench_print_us("last_us", l->most);
}

void
report_subject(
    const struct subject_figures *f, const struct subject_figures *before)
{
	report_number("changes", f->changes - before->changes);
	report_number("origin_registrations", f->registrations);
	report_number("origin_renewals", f->renewals);
	report_number("origin_cancelled", f->cancelled);
	report_number("origin_given_up", f->given_up);
	report_number("origin_notifications", f->notifications - before->notifications);
	report_number("origin_copies", f->copies - before->copies);
	report_number("origin_others", f->others - before->others);
}

void
report_probe(const struct probe_figures *f)
{
	report_number("probe_sent", f->sent);
	report_number("probe_lost", f->lost);
	report_number("probe_wrong", f->wrong);
	bench_print_us("probe_late_us", f->late);
	bench_print_us("probe_p50_us", bench_latency(&f->latency, 50));
	bench_print_us("probe_p99_us", bench_latency(&f->latency, 99));
	bench_print_us("probe_max_us", f->latency.most);
}

void
report_end(void)
{
	putchar('\n');
	if (fflush(stdout) != 0)
		err(1, "standard output");
}
