/* Loops over vectors of single-precision weights, in versions with the same bits: see versions.h. */
#ifndef EDGEDESCENT_VECTOR_KERNELS_H
#define EDGEDESCENT_VECTOR_KERNELS_H

#include <math.h>
#include <stddef.h>

#include "edgedescent/numerics/versions.h"

#define LANES 8

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

/* Inputs whose places are listed at once. */
#define LISTED_MAX 64

/* Eight numbers that stay in registers: in one of AVX2, or in two of the baseline. */
typedef float eight_floats __attribute__((vector_size(32), aligned(4), may_alias));

/* List the places of the inputs that are not 0, or of those above 0; returns their number. After a rectifier these are
   about half, at random: to branch on each would cost more than the arithmetic. */
static inline __attribute__((always_inline)) int list_places(int *places, const float *inputs, ptrdiff_t n,
                                                             int above_zero) {
  int count = 0;
  for (int i = 0; i < n; i++) {
    places[count] = i;
    count += above_zero ? inputs[i] > 0 : inputs[i] != 0;
  }
  return count;
}

/* sums += inputs · weights, with a row of `width` weights for each of n inputs. Rows of inputs that are 0 are not read. */
EDGEDESCENT_VERSIONS
static void f32_layer(float *restrict sums, const float *restrict weights, const float *restrict inputs, ptrdiff_t n,
                      ptrdiff_t width) {
  int places[LISTED_MAX];
  for (; n > 0; n -= LISTED_MAX, inputs += LISTED_MAX, weights += LISTED_MAX * width) {
    int count = list_places(places, inputs, n < LISTED_MAX ? n : LISTED_MAX, 0);
    ptrdiff_t j = 0;
    for (; j + 4 * LANES <= width; j += 4 * LANES) {
      eight_floats *sum = (eight_floats *)(sums + j);
      eight_floats a = sum[0], b = sum[1], c = sum[2], d = sum[3];
      for (int i = 0; i < count; i++) {
        float x = inputs[places[i]];
        const eight_floats *row = (const eight_floats *)(weights + places[i] * width + j);
        a += x * row[0];
        b += x * row[1];
        c += x * row[2];
        d += x * row[3];
      }
      sum[0] = a;
      sum[1] = b;
      sum[2] = c;
      sum[3] = d;
    }
    for (; j + LANES <= width; j += LANES) {
      eight_floats *sum = (eight_floats *)(sums + j);
      eight_floats a = sum[0];
      for (int i = 0; i < count; i++)
        a += inputs[places[i]] * *(const eight_floats *)(weights + places[i] * width + j);
      sum[0] = a;
    }
    for (; j < width; j++) {
      float a = sums[j];
      for (int i = 0; i < count; i++) a += inputs[places[i]] * weights[places[i] * width + j];
      sums[j] = a;
    }
  }
}

/* gradient += inputs ⊗ delta, with a row of `width` gradients for each of n inputs. */
EDGEDESCENT_VERSIONS
static void f32_add_outer(float *restrict gradient, const float *restrict inputs, const float *restrict delta,
                          ptrdiff_t n, ptrdiff_t width) {
  int places[LISTED_MAX];
  for (; n > 0; n -= LISTED_MAX, inputs += LISTED_MAX, gradient += LISTED_MAX * width) {
    int count = list_places(places, inputs, n < LISTED_MAX ? n : LISTED_MAX, 0);
    for (int i = 0; i < count; i++) {
      float x = inputs[places[i]];
      float *row = gradient + places[i] * width;
      for (ptrdiff_t j = 0; j < width; j++) row[j] += x * delta[j];
    }
  }
}

/* before = weights · delta for the inputs above 0, and 0 for the others: backpropagation through a rectifier. */
EDGEDESCENT_VERSIONS
static void f32_back(float *restrict before, const float *restrict weights, const float *restrict inputs,
                     const float *restrict delta, ptrdiff_t n, ptrdiff_t width) {
  int places[LISTED_MAX];
  for (; n > 0; n -= LISTED_MAX, inputs += LISTED_MAX, weights += LISTED_MAX * width, before += LISTED_MAX) {
    ptrdiff_t length = n < LISTED_MAX ? n : LISTED_MAX;
    int count = list_places(places, inputs, length, 1);
    for (ptrdiff_t i = 0; i < length; i++) before[i] = 0;
    for (int i = 0; i < count; i++)
      before[places[i]] = f32_dot_inline(weights + places[i] * width, delta, width);
  }
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

#define ADAM_STEP(at)                                                                 \
  float g = scale * gradient[at];                                                     \
  float m = mean[at] + rest1 * (g - mean[at]);                                        \
  float v = square[at] + rest2 * (g * g - square[at]);                                \
  m = fabsf(m) > 1e-30f ? m : 0;                                                      \
  v = v > 1e-36f ? v : 0;                                                             \
  float w = weights[at] - rate * m / (sqrtf(v * inverse_bias) + eps);                 \
  w = w > limit ? limit : w;                                                          \
  w = w < -limit ? -limit : w;                                                        \
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
      float size = fabsf(w);
      largest[k] = size > largest[k] ? size : largest[k];
    }
  for (; i < n; i++) {
    ADAM_STEP(i)
    float size = fabsf(w);
    rest = size > rest ? size : rest;
  }
  for (int k = 0; k < LANES; k++) rest = largest[k] > rest ? largest[k] : rest;
  return rest;
}

/* Place of the first number below a limit, from `start` on; n if there is none. */
EDGEDESCENT_VERSIONS
static ptrdiff_t f32_first_below(const float *restrict numbers, float limit, ptrdiff_t start, ptrdiff_t n) {
  ptrdiff_t i = start;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    int found = 0;
    for (int k = 0; k < 4 * LANES; k++) found |= numbers[i + k] < limit;
    if (found) break;
  }
  while (i < n && !(numbers[i] < limit)) i++;
  return i;
}

/* Squared distances of n points from a query: columns hold one coordinate of all points each, `stride` numbers apart. */
EDGEDESCENT_VERSIONS
static void f32_distances(float *restrict distances, const float *restrict columns, const float *restrict query,
                          ptrdiff_t n, ptrdiff_t stride, ptrdiff_t width) {
  ptrdiff_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    eight_floats *sum = (eight_floats *)(distances + i);
    eight_floats a = {0}, b = {0}, c = {0}, d = {0};
    for (ptrdiff_t j = 0; j < width; j++) {
      const eight_floats *column = (const eight_floats *)(columns + j * stride + i);
      float q = query[j];
      a += (column[0] - q) * (column[0] - q);
      b += (column[1] - q) * (column[1] - q);
      c += (column[2] - q) * (column[2] - q);
      d += (column[3] - q) * (column[3] - q);
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
  }
  for (; i < n; i++) {
    float sum = 0;
    for (ptrdiff_t j = 0; j < width; j++) {
      float d = columns[j * stride + i] - query[j];
      sum += d * d;
    }
    distances[i] = sum;
  }
}

#endif
