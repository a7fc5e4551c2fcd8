/* Versions of a loop for AVX2 beside the baseline, of which the processor's is chosen at run time.

   Every version gives the same bits: elementwise loops have no order to change, sums have a fixed one, and the build
   forbids fused multiply-add. */
#ifndef EDGEDESCENT_VERSIONS_H
#define EDGEDESCENT_VERSIONS_H

#include <stddef.h>

/* Function versions need the loader's indirect functions, which musl does not have. Whoever defines the macro before
   chooses the version: the tests compare all of them. */
#if defined(EDGEDESCENT_VERSIONS)
#elif defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
#define EDGEDESCENT_VERSIONS __attribute__((target_clones("avx2", "default")))
#else
#define EDGEDESCENT_VERSIONS
#endif

#endif
