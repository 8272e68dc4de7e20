/*
 * banned: calls of libc that overrun a buffer, lose an error or keep hidden
 * state are compile errors here.
 *
 * Every compilation starts with this file (-include in Makefile.am). The
 * headers that declare the names come first: once poisoned, a name may not
 * even be declared.
 */
#ifndef BANNED_H
#define BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With clang, glibc's checked variants are macros. */
#undef sprintf
#undef vsprintf

/* No bound on what is written: memcpy() with a length, or snprintf(). */
#pragma GCC poison strcpy strcat stpcpy sprintf vsprintf

/* Does not terminate, or pads: neither is ever meant. */
#pragma GCC poison strncpy

/* No way to tell "0" from nonsense: base/parse.h. */
#pragma GCC poison atoi atol atoll atof

/* A static buffer behind the result, or a hidden cursor. */
#pragma GCC poison strtok gmtime localtime ctime asctime

#endif
