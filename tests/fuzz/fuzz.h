/*
 * fuzz: the entry point of every fuzz target.
 *
 * Each fuzz_*.c defines it. With --enable-fuzzing libFuzzer calls it, without
 * the main() of replay.c does, once for each file of the corpus.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Runs the target on SIZE octets at DATA; returns 0, or does not return. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
