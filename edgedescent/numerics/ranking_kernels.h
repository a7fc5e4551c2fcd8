/* Loops that score all items for a user, in versions with the same bits: see versions.h. */
#ifndef EDGEDESCENT_RANKING_KERNELS_H
#define EDGEDESCENT_RANKING_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "edgedescent/numerics/vector_kernels.h"

/* Natural logarithm of a positive normal number, within 3e-7 of its value or of 1. It is arithmetic only, so that it has
   the same bits everywhere, and vectorizes. With x = 2^e m, m between sqrt(1/2) and sqrt(2), and s = (m - 1) / (m + 1):
   log x = e log 2 + 2 atanh s. */
static inline __attribute__((always_inline)) float quick_log(float x) {
  union {
    float value;
    int32_t bits;
  } number = {x};
  int32_t shifted = number.bits - 0x3f3504f3;
  float exponent = (float)(shifted >> 23);
  number.bits = (shifted & 0x007fffff) + 0x3f3504f3;
  float s = (number.value - 1.0f) / (number.value + 1.0f);
  float z = s * s;
  float series = 1.0f + z * (0.33333334f + z * (0.2f + z * (0.14285715f + z * 0.11111111f)));
  return exponent * 0.69314718f + 2.0f * s * series;
}

/* sums += weight * log(scale * counts + floor) */
EDGEDESCENT_VERSIONS
static void f32_add_logs(float *restrict sums, const float *restrict counts, float scale, float floor, float weight,
                         ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) sums[i] += weight * quick_log(scale * counts[i] + floor);
}

/* For n rows of a table with eight numbers each: x <- log(1 + scales x), and sums of the row <- weights · x. */
EDGEDESCENT_VERSIONS
static void f32_log_rows(float *restrict table, float *restrict sums, const int *restrict rows,
                         const float *restrict scales, const float *restrict weights, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) {
    float *x = table + 8 * (ptrdiff_t)rows[i], parts[8];
    for (int f = 0; f < 8; f++) x[f] = quick_log(1.0f + scales[f] * x[f]);
    for (int f = 0; f < 8; f++) parts[f] = weights[f] * x[f];
    sums[rows[i]] = ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]));
  }
}

/* Four numbers that are added and multiplied at once, where the processor can: the compiler would rather transpose rows. */
typedef double Four __attribute__((vector_size(32)));

/* sums += x * row, four numbers each. */
static inline __attribute__((always_inline)) void f64_add_products(Four *sums, const double *x, const double *row) {
  Four a, b;
  memcpy(&a, x, sizeof a);
  memcpy(&b, row, sizeof b);
  *sums += a * b;
}

/* The bias and four partial sums, after the factors from `whole` on, which are no multiple of four. */
static inline __attribute__((always_inline)) double f64_finish(Four *sums, const double *p, const double *q,
                                                               ptrdiff_t whole, ptrdiff_t n, double bias) {
  for (ptrdiff_t f = whole; f < n; f++) (*sums)[0] += p[f] * q[f];
  return bias + (((*sums)[0] + (*sums)[1]) + ((*sums)[2] + (*sums)[3]));
}

/* scores = user bias + item biases + factors of the user · factors of the items, for n rows `[bias, factors]` of items;
   the bits of numerics/_vectors.pxd's `dot`. Four rows at once hide the latency of additions. */
EDGEDESCENT_VERSIONS
static void f64_score_rows(double *restrict scores, const double *restrict user, const double *restrict items,
                           ptrdiff_t n_factors, ptrdiff_t n) {
  ptrdiff_t width = n_factors + 1, whole = n_factors - n_factors % 4, i = 0;
  const double *p = user + 1;
  for (; i + 4 <= n; i += 4) {
    const double *q0 = items + i * width + 1, *q1 = q0 + width, *q2 = q1 + width, *q3 = q2 + width;
    Four s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (ptrdiff_t f = 0; f < whole; f += 4) {
      f64_add_products(&s0, p + f, q0 + f);
      f64_add_products(&s1, p + f, q1 + f);
      f64_add_products(&s2, p + f, q2 + f);
      f64_add_products(&s3, p + f, q3 + f);
    }
    scores[i] = f64_finish(&s0, p, q0, whole, n_factors, user[0] + q0[-1]);
    scores[i + 1] = f64_finish(&s1, p, q1, whole, n_factors, user[0] + q1[-1]);
    scores[i + 2] = f64_finish(&s2, p, q2, whole, n_factors, user[0] + q2[-1]);
    scores[i + 3] = f64_finish(&s3, p, q3, whole, n_factors, user[0] + q3[-1]);
  }
  for (; i < n; i++) {
    const double *q = items + i * width + 1;
    Four sums = {0};
    for (ptrdiff_t f = 0; f < whole; f += 4) f64_add_products(&sums, p + f, q + f);
    scores[i] = f64_finish(&sums, p, q, whole, n_factors, user[0] + q[-1]);
  }
}

#endif
