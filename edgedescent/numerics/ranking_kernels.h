/* Loops that score all items for a user, compiled for AVX2 beside the baseline where the processor is chosen at run
   time. Every version gives the same bits, as in vector_kernels.h. */
#ifndef EDGEDESCENT_RANKING_KERNELS_H
#define EDGEDESCENT_RANKING_KERNELS_H

#include <stddef.h>
#include <stdint.h>

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

static inline __attribute__((always_inline)) double f64_dot_inline(const double *restrict a, const double *restrict b,
                                                                   ptrdiff_t n) {
  double sums[4] = {0};
  ptrdiff_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int k = 0; k < 4; k++) sums[k] += a[i + k] * b[i + k];
  for (; i < n; i++) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* scores = user bias + item biases + factors of the user · factors of the items, for n rows `[bias, factors]` of items;
   the bits of numerics/_vectors.pxd's `dot`. Four rows at once hide the latency of additions. */
EDGEDESCENT_VERSIONS
static void f64_score_rows(double *restrict scores, const double *restrict user, const double *restrict items,
                           ptrdiff_t n_factors, ptrdiff_t n) {
  ptrdiff_t width = n_factors + 1, whole = n_factors - n_factors % 4, i = 0;
  const double *p = user + 1;
  for (; i + 4 <= n; i += 4) {
    const double *q = items + i * width + 1;
    double s0[4] = {0}, s1[4] = {0}, s2[4] = {0}, s3[4] = {0};
    ptrdiff_t f = 0;
    for (; f < whole; f += 4)
      for (int k = 0; k < 4; k++) {
        s0[k] += p[f + k] * q[f + k];
        s1[k] += p[f + k] * q[width + f + k];
        s2[k] += p[f + k] * q[2 * width + f + k];
        s3[k] += p[f + k] * q[3 * width + f + k];
      }
    for (; f < n_factors; f++) {
      s0[0] += p[f] * q[f];
      s1[0] += p[f] * q[width + f];
      s2[0] += p[f] * q[2 * width + f];
      s3[0] += p[f] * q[3 * width + f];
    }
    scores[i] = user[0] + q[-1] + ((s0[0] + s0[1]) + (s0[2] + s0[3]));
    scores[i + 1] = user[0] + q[width - 1] + ((s1[0] + s1[1]) + (s1[2] + s1[3]));
    scores[i + 2] = user[0] + q[2 * width - 1] + ((s2[0] + s2[1]) + (s2[2] + s2[3]));
    scores[i + 3] = user[0] + q[3 * width - 1] + ((s3[0] + s3[1]) + (s3[2] + s3[3]));
  }
  for (; i < n; i++) {
    const double *q = items + i * width;
    scores[i] = user[0] + q[0] + f64_dot_inline(p, q + 1, n_factors);
  }
}

#endif
