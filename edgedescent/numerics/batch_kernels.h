/* Loops over a batch of eight events of a small network, in versions with the same bits: see versions.h.

   Numbers "by unit" are rows of eight, one for each event, so that a register holds those of a whole batch. Numbers "by
   event" are a row for each event. Rows of inputs have a width that is a multiple of eight, and no rest. */
#ifndef EDGEDESCENT_BATCH_KERNELS_H
#define EDGEDESCENT_BATCH_KERNELS_H

#include "edgedescent/numerics/vector_kernels.h"

typedef int eight_ints __attribute__((vector_size(32), aligned(4), may_alias));
typedef float four_floats __attribute__((vector_size(16), aligned(4), may_alias));
typedef double four_wide_doubles __attribute__((vector_size(32), aligned(8), may_alias));

/* Call `part` for up to five registers of columns at a time: a row then needs one pass in networks of 32 units. */
#define BY_COLUMNS(part)                                                            \
  ptrdiff_t at = 0;                                                                 \
  for (; at + 40 <= width; at += 40) part(5);                                       \
  switch ((width - at) / 8) {                                                       \
    case 4: part(4); break;                                                         \
    case 3: part(3); break;                                                         \
    case 2: part(2); break;                                                         \
    case 1: part(1); break;                                                         \
  }

/* Macros, as clang refuses functions that take or return more than the baseline's registers hold. */
#define EIGHT_TIMES(x) ((eight_floats){x, x, x, x, x, x, x, x})

/* The numbers where `of` is above 0, and 0 elsewhere. */
#define WHERE_POSITIVE(numbers, of) ((eight_floats)((eight_ints)(numbers) & (eight_ints)((of) > 0)))

static inline __attribute__((always_inline)) void sum_rows(float *restrict sums, const float *restrict rows,
                                                           const int *restrict slots, const float *restrict inputs,
                                                           ptrdiff_t n, ptrdiff_t width, int eights) {
  eight_floats sum[5] = {{0}};
  for (ptrdiff_t i = 0; i < n; i++) {
    const eight_floats *row = (const eight_floats *)(rows + slots[i] * width);
    for (int j = 0; j < eights; j++) sum[j] += inputs[i] * row[j];
  }
  for (int j = 0; j < eights; j++) ((eight_floats *)sums)[j] = sum[j];
}

/* sums = Σ inputs[i] row slots[i] */
EDGEDESCENT_VERSIONS
static void f32_sum_rows(float *restrict sums, const float *restrict rows, const int *restrict slots,
                         const float *restrict inputs, ptrdiff_t n, ptrdiff_t width) {
#define PART(eights) sum_rows(sums + at, rows + at, slots, inputs, n, width, eights)
  BY_COLUMNS(PART)
#undef PART
}

static inline __attribute__((always_inline)) void add_rows_in_double(double *restrict sums, const float *restrict rows,
                                                                     const int *restrict slots,
                                                                     const double *restrict inputs, ptrdiff_t n,
                                                                     ptrdiff_t width, int eights) {
  four_wide_doubles *to = (four_wide_doubles *)sums;
  four_wide_doubles sum[10];
  for (int j = 0; j < 2 * eights; j++) sum[j] = to[j];
  for (ptrdiff_t i = 0; i < n; i++) {
    const four_floats *row = (const four_floats *)(rows + slots[i] * width);
    for (int j = 0; j < 2 * eights; j++) sum[j] += inputs[i] * __builtin_convertvector(row[j], four_wide_doubles);
  }
  for (int j = 0; j < 2 * eights; j++) to[j] = sum[j];
}

/* sums += Σ inputs[i] row slots[i], in double precision */
EDGEDESCENT_VERSIONS
static void f64_add_rows(double *restrict sums, const float *restrict rows, const int *restrict slots,
                         const double *restrict inputs, ptrdiff_t n, ptrdiff_t width) {
#define PART(eights) add_rows_in_double(sums + at, rows + at, slots, inputs, n, width, eights)
  BY_COLUMNS(PART)
#undef PART
}

/* sums = biases + inputs · weights, in double precision, with a row of `width` weights for each of n inputs. */
EDGEDESCENT_VERSIONS
static void f64_layer(double *restrict sums, const float *restrict biases, const float *restrict weights,
                      const double *restrict inputs, ptrdiff_t n, ptrdiff_t width) {
  ptrdiff_t j = 0;
  for (; j + 8 <= width; j += 8) {
    four_wide_doubles a = __builtin_convertvector(*(const four_floats *)(biases + j), four_wide_doubles);
    four_wide_doubles b = __builtin_convertvector(*(const four_floats *)(biases + j + 4), four_wide_doubles);
    for (ptrdiff_t i = 0; i < n; i++) {
      const four_floats *row = (const four_floats *)(weights + i * width + j);
      a += inputs[i] * __builtin_convertvector(row[0], four_wide_doubles);
      b += inputs[i] * __builtin_convertvector(row[1], four_wide_doubles);
    }
    *(four_wide_doubles *)(sums + j) = a;
    *(four_wide_doubles *)(sums + j + 4) = b;
  }
  for (; j < width; j++) {
    double a = biases[j];
    for (ptrdiff_t i = 0; i < n; i++) a += inputs[i] * weights[i * width + j];
    sums[j] = a;
  }
}

/* to[i] = column i of four rows */
static inline __attribute__((always_inline)) void transpose_four(float *restrict to, ptrdiff_t to_stride,
                                                                 const float *restrict from, ptrdiff_t stride) {
  for (int i = 0; i < 4; i++)
    *(four_floats *)(to + i * to_stride) =
        (four_floats){from[i], from[stride + i], from[2 * stride + i], from[3 * stride + i]};
}

/* Activations by unit, rectified, of sums by event; there is room for a multiple of four units. */
EDGEDESCENT_VERSIONS
static void f32_rectify_to_units(float *restrict by_unit, const float *restrict by_event, ptrdiff_t n, ptrdiff_t width) {
  for (ptrdiff_t i = 0; i < n; i += 4) {
    transpose_four(by_unit + i * LANES, LANES, by_event + i, width);
    transpose_four(by_unit + i * LANES + 4, LANES, by_event + 4 * width + i, width);
    eight_floats *units = (eight_floats *)(by_unit + i * LANES);
    for (int k = 0; k < 4; k++) units[k] = WHERE_POSITIVE(units[k], units[k]);
  }
}

/* Numbers by event of numbers by unit; there is room for a multiple of four units. */
EDGEDESCENT_VERSIONS
static void f32_to_events(float *restrict by_event, const float *restrict by_unit, ptrdiff_t n, ptrdiff_t width) {
  for (ptrdiff_t i = 0; i < n; i += 4) {
    transpose_four(by_event + i, width, by_unit + i * LANES, LANES);
    transpose_four(by_event + 4 * width + i, width, by_unit + i * LANES + 4, LANES);
  }
}

/* Dot products of some weights with the numbers of a batch by unit, each in the order of sums of `f32_dot`. */
static inline __attribute__((always_inline)) void dot_units(eight_floats *restrict out, const float *restrict weights,
                                                            const eight_floats *restrict units, ptrdiff_t n) {
  eight_floats sums[LANES] = {{0}}, rest = {0};
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) sums[k] += weights[i + k] * units[i + k];
  for (; i < n; i++) rest += weights[i] * units[i];
  *out = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
}

/* The dot product for each event of a batch. */
EDGEDESCENT_VERSIONS
static void f32_dot_units(float *restrict out, const float *restrict weights, const float *restrict units, ptrdiff_t n) {
  dot_units((eight_floats *)out, weights, (const eight_floats *)units, n);
}

/* Rectified layer: out = relu(biases + inputs · weights), by unit, with a row of `width` weights for each of n inputs. */
EDGEDESCENT_VERSIONS
static void f32_layer_units(float *restrict out, const float *restrict biases, const float *restrict weights,
                            const float *restrict inputs, ptrdiff_t n, ptrdiff_t width) {
  const eight_floats *input = (const eight_floats *)inputs;
  eight_floats *to = (eight_floats *)out;
  ptrdiff_t j = 0;
  for (; j + LANES <= width; j += LANES) {
    eight_floats sums[LANES];
    for (int k = 0; k < LANES; k++) sums[k] = EIGHT_TIMES(biases[j + k]);
    for (ptrdiff_t i = 0; i < n; i++)
      for (int k = 0; k < LANES; k++) sums[k] += weights[i * width + j + k] * input[i];
    for (int k = 0; k < LANES; k++) to[j + k] = WHERE_POSITIVE(sums[k], sums[k]);
  }
  for (; j < width; j++) {
    eight_floats sum = EIGHT_TIMES(biases[j]);
    for (ptrdiff_t i = 0; i < n; i++) sum += weights[i * width + j] * input[i];
    to[j] = WHERE_POSITIVE(sum, sum);
  }
}

/* delta = slopes ⊗ weights for the units above 0, and 0 for the others: backpropagation of the output through a rectifier. */
EDGEDESCENT_VERSIONS
static void f32_back_output_units(float *restrict delta, const float *restrict slopes, const float *restrict weights,
                                  const float *restrict units, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++)
    ((eight_floats *)delta)[i] =
        WHERE_POSITIVE(weights[i] * *(const eight_floats *)slopes, ((const eight_floats *)units)[i]);
}

/* before = weights · delta for the inputs above 0, and 0 for the others: backpropagation through a rectifier, by unit. */
EDGEDESCENT_VERSIONS
static void f32_back_units(float *restrict before, const float *restrict weights, const float *restrict inputs,
                           const float *restrict delta, ptrdiff_t n, ptrdiff_t width) {
  for (ptrdiff_t i = 0; i < n; i++) {
    eight_floats sum;
    dot_units(&sum, weights + i * width, (const eight_floats *)delta, width);
    ((eight_floats *)before)[i] = WHERE_POSITIVE(sum, ((const eight_floats *)inputs)[i]);
  }
}

/* gradient = Σ inputs ⊗ delta over the events of a batch, with a row of `width` gradients for each of n inputs. The inputs
   are by unit, the deltas by event, `stride` numbers apart. */
EDGEDESCENT_VERSIONS
static void f32_outer_units(float *restrict gradient, const float *restrict inputs, const float *restrict delta, ptrdiff_t n,
                            ptrdiff_t width, ptrdiff_t stride) {
  ptrdiff_t j = 0;
  for (; j + LANES <= width; j += LANES)
    for (ptrdiff_t i = 0; i < n; i++) {
      eight_floats sum = {0};
      for (int k = 0; k < LANES; k++)
        sum += inputs[i * LANES + k] * *(const eight_floats *)(delta + k * stride + j);
      *(eight_floats *)(gradient + i * width + j) = sum;
    }
  for (; j < width; j++)
    for (ptrdiff_t i = 0; i < n; i++) {
      float sum = 0;
      for (int k = 0; k < LANES; k++) sum += inputs[i * LANES + k] * delta[k * stride + j];
      gradient[i * width + j] = sum;
    }
}

static inline __attribute__((always_inline)) void add_to_rows(float *restrict rows, const int *restrict slots,
                                                              const float *restrict inputs, const float *restrict delta,
                                                              ptrdiff_t n, ptrdiff_t width, int eights) {
  eight_floats change[5];
  for (int j = 0; j < eights; j++) change[j] = ((const eight_floats *)delta)[j];
  for (ptrdiff_t i = 0; i < n; i++) {
    eight_floats *row = (eight_floats *)(rows + slots[i] * width);
    for (int j = 0; j < eights; j++) row[j] += inputs[i] * change[j];
  }
}

/* row slots[i] += inputs[i] delta */
EDGEDESCENT_VERSIONS
static void f32_add_to_rows(float *restrict rows, const int *restrict slots, const float *restrict inputs,
                            const float *restrict delta, ptrdiff_t n, ptrdiff_t width) {
#define PART(eights) add_to_rows(rows + at, slots, inputs, delta + at, n, width, eights)
  BY_COLUMNS(PART)
#undef PART
}

/* gradient = scale * gradient + decay * penalized * weights, for the rows `slots` of the weights; `penalized` is 0 or 1 for
   each column. Returns the sum of the squares. */
EDGEDESCENT_VERSIONS
static float f32_finish_rows(float *restrict gradient, const float *restrict weights, const int *restrict slots,
                             const float *restrict penalized, float scale, float decay, ptrdiff_t n, ptrdiff_t width) {
  eight_floats sums = {0};
  for (ptrdiff_t i = 0; i < n; i++)
    for (ptrdiff_t j = 0; j < width; j += LANES) {
      eight_floats *g = (eight_floats *)(gradient + i * width + j);
      *g = scale * *g + decay * *(const eight_floats *)(penalized + j) *
                            *(const eight_floats *)(weights + slots[i] * width + j);
      sums += *g * *g;
    }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/* One step of Adam: the factor on the gradient, the rate and 1 / the bias of the squares, 1 - beta of both averages, eps, the
   bound on weights, and the rate of the averages of the weights. */
typedef struct {
  float scale, rate, inverse_bias, rest1, rest2, eps, limit, average;
} adam_step;

#define ADAM_AND_AVERAGE_STEP(at) \
  ADAM_STEP(at)                   \
  average[at] += average_rate * (w - average[at]);

#define ADAM_CONSTANTS                                                                                                \
  const float scale = step->scale, rate = step->rate, inverse_bias = step->inverse_bias, rest1 = step->rest1;         \
  const float rest2 = step->rest2, eps = step->eps, limit = step->limit, average_rate = step->average;

/* One step of Adam, as `f32_adam`, on the first `columns` of the rows `slots` of the weights, whose averages then follow as
   by `f32_average`. */
EDGEDESCENT_VERSIONS
static void f32_adam_rows(float *restrict weights, float *restrict mean, float *restrict square, float *restrict average,
                          const float *restrict gradients, const int *restrict slots, const adam_step *restrict step,
                          ptrdiff_t n, ptrdiff_t width, ptrdiff_t columns) {
  ADAM_CONSTANTS
  for (ptrdiff_t i = 0; i < n; i++) {
    const float *gradient = gradients + (i - slots[i]) * width;
    for (ptrdiff_t j = slots[i] * width; j < slots[i] * width + columns; j += LANES)
      for (int k = 0; k < LANES; k++) {
        ADAM_AND_AVERAGE_STEP(j + k)
      }
  }
}

/* The same on one column of the rows, which is collected: the division by a root takes as long for one number as for
   eight. */
EDGEDESCENT_VERSIONS
static void f32_adam_column(float *restrict all_weights, float *restrict means, float *restrict squares,
                            float *restrict averages, const float *restrict gradients, const int *restrict slots,
                            const adam_step *restrict step, ptrdiff_t n, ptrdiff_t width) {
  ADAM_CONSTANTS
  float weights[LANES] = {0}, mean[LANES] = {0}, square[LANES] = {0}, average[LANES] = {0}, gradient[LANES] = {0};
  for (ptrdiff_t i = 0; i < n; i += LANES) {
    int count = n - i < LANES ? n - i : LANES;
    for (int k = 0; k < count; k++) {
      ptrdiff_t at = slots[i + k] * width;
      weights[k] = all_weights[at];
      mean[k] = means[at];
      square[k] = squares[at];
      average[k] = averages[at];
      gradient[k] = gradients[(i + k) * width];
    }
    for (int k = 0; k < LANES; k++) {
      ADAM_AND_AVERAGE_STEP(k)
    }
    for (int k = 0; k < count; k++) {
      ptrdiff_t at = slots[i + k] * width;
      all_weights[at] = weights[k];
      means[at] = mean[k];
      squares[at] = square[k];
      averages[at] = average[k];
    }
  }
}

#endif
