/*
 * poison: what lies on a free list is off limits.
 *
 * Under AddressSanitizer a pooled object that is used after it was put back is
 * reported like freed memory; otherwise these are nothing.
 */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ASAN_ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(POISON_ASAN_)
#define POISON_ASAN_ 1
#endif

#ifdef POISON_ASAN_

#include <sanitizer/asan_interface.h>

static inline void
poison(void *p, size_t n)
{
	__asan_poison_memory_region(p, n);
}

static inline void
unpoison(void *p, size_t n)
{
	__asan_unpoison_memory_region(p, n);
}

#else

static inline void
poison(void *p, size_t n)
{
	(void)p;
	(void)n;
}

static inline void
unpoison(void *p, size_t n)
{
	(void)p;
	(void)n;
}

#endif
#endif
