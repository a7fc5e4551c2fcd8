/* Loops over single-precision vectors, compiled for AVX2 beside the baseline where the processor is chosen at run time.

   Every version gives the same bits: elementwise loops have no order to change, sums have a fixed one, and the build
   forbids fused multiply-add. */
#ifndef EDGEDESCENT_VECTOR_KERNELS_H
#define EDGEDESCENT_VECTOR_KERNELS_H

#include <math.h>
#include <stddef.h>

/* Function versions need the loader's indirect functions, which musl does not have. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
#define EDGEDESCENT_VERSIONS __attribute__((target_clones("avx2", "default")))
#else
#define EDGEDESCENT_VERSIONS
#endif

#define LANES 8

/* sums += scale * row */
EDGEDESCENT_VERSIONS
static void f32_add_scaled(float *restrict sums, const float *restrict row, float scale, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) sums[i] += scale * row[i];
}

/* Dot product, as eight partial sums. */
EDGEDESCENT_VERSIONS
static float f32_dot(const float *restrict a, const float *restrict b, ptrdiff_t n) {
  float sums[LANES] = {0}, rest = 0;
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) sums[k] += a[i + k] * b[i + k];
  for (; i < n; i++) rest += a[i] * b[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
}

/* gradient = scale * row + decay * weights; returns the sum of its squares. */
EDGEDESCENT_VERSIONS
static float f32_gradient(float *restrict gradient, const float *restrict row, const float *restrict weights,
                          float scale, float decay, ptrdiff_t n) {
  float sums[LANES] = {0}, rest = 0;
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) {
      float g = scale * row[i + k] + decay * weights[i + k];
      gradient[i + k] = g;
      sums[k] += g * g;
    }
  for (; i < n; i++) {
    float g = scale * row[i] + decay * weights[i];
    gradient[i] = g;
    rest += g * g;
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
}

/* One step of Adam (Kingma and Ba 2015) with the bias corrections in `rate` and `inverse_bias`. */
EDGEDESCENT_VERSIONS
static void f32_adam(float *restrict weights, float *restrict mean, float *restrict square,
                     const float *restrict gradient, float scale, float rate, float inverse_bias, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) {
    float g = scale * gradient[i];
    mean[i] += 0.1f * (g - mean[i]);
    square[i] += 0.001f * (g * g - square[i]);
    weights[i] -= rate * mean[i] / (sqrtf(square[i] * inverse_bias) + 1e-8f);
  }
}

/* Squared distance, as eight partial sums. */
EDGEDESCENT_VERSIONS
static float f32_distance(const float *restrict a, const float *restrict b, ptrdiff_t n) {
  float sums[LANES] = {0}, rest = 0;
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) {
      float d = a[i + k] - b[i + k];
      sums[k] += d * d;
    }
  for (; i < n; i++) rest += (a[i] - b[i]) * (a[i] - b[i]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
}

#endif
