/*
 * report: the figures of observers as key=value.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "crowd.h"
#include "probe.h"
#include "subject.h"

/* " KEY=V" */
void report_number(const char *key, uint64_t v);
/* " KEY=SECONDS" */
void report_seconds(const char *key, uint64_t ns);

void report_crowd(
    const struct crowd_figures *f, const struct bench_latencies *l);
/* Registrations are those of all time, the others since BEFORE. */
void report_subject(
    const struct subject_figures *f, const struct subject_figures *before);
void report_probe(const struct probe_figures *f);

/* The line is complete, and whoever reads it gets it. */
void report_end(void);

#endif
