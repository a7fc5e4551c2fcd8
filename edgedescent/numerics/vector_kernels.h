/* Loops over vectors of single-precision weights, compiled for AVX2 beside the baseline where the processor is chosen at run time.

   Every version gives the same bits: elementwise loops have no order to change, sums have a fixed one, and the build
   forbids fused multiply-add. */
#ifndef EDGEDESCENT_VECTOR_KERNELS_H
#define EDGEDESCENT_VECTOR_KERNELS_H

#include <math.h>
#include <stddef.h>

/* Function versions need the loader's indirect functions, which musl does not have. Whoever defines the macro before
   chooses the version: the tests compare all of them. */
#if defined(EDGEDESCENT_VERSIONS)
#elif defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
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

/* sums += scale * row, in double precision. */
EDGEDESCENT_VERSIONS
static void f64_add_scaled(double *restrict sums, const float *restrict row, double scale, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) sums[i] += scale * row[i];
}

/* Dot product in double precision, as four partial sums. */
EDGEDESCENT_VERSIONS
static double f64_dot(const float *restrict a, const double *restrict b, ptrdiff_t n) {
  double sums[4] = {0}, rest = 0;
  ptrdiff_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int k = 0; k < 4; k++) sums[k] += a[i + k] * b[i + k];
  for (; i < n; i++) rest += a[i] * b[i];
  return ((sums[0] + sums[2]) + (sums[1] + sums[3])) + rest;
}

static inline __attribute__((always_inline)) float f32_dot_inline(const float *restrict a, const float *restrict b,
                                                                  ptrdiff_t n) {
  float sums[LANES] = {0}, rest = 0;
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) sums[k] += a[i + k] * b[i + k];
  for (; i < n; i++) rest += a[i] * b[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
}

/* Dot product, as eight partial sums. */
EDGEDESCENT_VERSIONS
static float f32_dot(const float *restrict a, const float *restrict b, ptrdiff_t n) {
  return f32_dot_inline(a, b, n);
}

/* sums += inputs · weights, with a row of `width` weights for each of n inputs. Rows of inputs that are 0 are not read:
   after a rectifier these are about half. */
EDGEDESCENT_VERSIONS
static void f32_layer(float *restrict sums, const float *restrict weights, const float *restrict inputs, ptrdiff_t n,
                      ptrdiff_t width) {
  for (ptrdiff_t i = 0; i < n; i++, weights += width) {
    float x = inputs[i];
    if (x == 0) continue;
    for (ptrdiff_t j = 0; j < width; j++) sums[j] += x * weights[j];
  }
}

/* gradient += inputs ⊗ delta, with a row of `width` gradients for each of n inputs. */
EDGEDESCENT_VERSIONS
static void f32_add_outer(float *restrict gradient, const float *restrict inputs, const float *restrict delta,
                          ptrdiff_t n, ptrdiff_t width) {
  for (ptrdiff_t i = 0; i < n; i++, gradient += width) {
    float x = inputs[i];
    if (x == 0) continue;
    for (ptrdiff_t j = 0; j < width; j++) gradient[j] += x * delta[j];
  }
}

/* before = weights · delta for the inputs above 0, and 0 for the others: backpropagation through a rectifier. */
EDGEDESCENT_VERSIONS
static void f32_back(float *restrict before, const float *restrict weights, const float *restrict inputs,
                     const float *restrict delta, ptrdiff_t n, ptrdiff_t width) {
  for (ptrdiff_t i = 0; i < n; i++, weights += width)
    before[i] = inputs[i] > 0 ? f32_dot_inline(weights, delta, width) : 0;
}

/* gradient = scale * gradient + decay * weights, each clipped at ±cap; NaN stays. Returns the sum of the squares. */
EDGEDESCENT_VERSIONS
static float f32_finish_gradient(float *restrict gradient, const float *restrict weights, float scale, float decay,
                                 float cap, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) {
    float g = scale * gradient[i] + decay * weights[i];
    g = g > cap ? cap : g;
    gradient[i] = g < -cap ? -cap : g;
  }
  return f32_dot_inline(gradient, gradient, n);
}

/* average += rate * (weights - average) */
EDGEDESCENT_VERSIONS
static void f32_average(float *restrict average, const float *restrict weights, float rate, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) average[i] += rate * (weights[i] - average[i]);
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

#define ADAM_STEP(at)                                                                 \
  float g = scale * gradient[at];                                                     \
  float m = mean[at] + rest1 * (g - mean[at]);                                        \
  float v = square[at] + rest2 * (g * g - square[at]);                                \
  m = fabsf(m) > 1e-30f ? m : 0;                                                      \
  v = v > 1e-36f ? v : 0;                                                             \
  float w = weights[at] - rate * m / (sqrtf(v * inverse_bias) + eps);                 \
  w = w > limit ? limit : w;                                                          \
  w = w < -limit ? -limit : w;                                                        \
  float size = fabsf(w);                                                              \
  mean[at] = m;                                                                       \
  square[at] = v;                                                                     \
  weights[at] = w;

/* One step of Adam (Kingma and Ba 2015) with the bias corrections in `rate` and `inverse_bias`; `rest1` and `rest2` are
   1 - beta. Weights are clipped at ±limit; returns the largest magnitude of one. Averages next to 0 become 0, because
   arithmetic on subnormal numbers is slow. There is no store under a condition, which would be slow too. */
EDGEDESCENT_VERSIONS
static float f32_adam(float *restrict weights, float *restrict mean, float *restrict square,
                      const float *restrict gradient, float scale, float rate, float inverse_bias, float rest1,
                      float rest2, float eps, float limit, ptrdiff_t n) {
  float largest[LANES] = {0}, rest = 0;
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) {
      ADAM_STEP(i + k)
      largest[k] = size > largest[k] ? size : largest[k];
    }
  for (; i < n; i++) {
    ADAM_STEP(i)
    rest = size > rest ? size : rest;
  }
  for (int k = 0; k < LANES; k++) rest = largest[k] > rest ? largest[k] : rest;
  return rest;
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
