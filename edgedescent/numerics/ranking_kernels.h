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

/* Eight numbers of single precision that are added and multiplied at once. */
typedef float Eight __attribute__((vector_size(32)));

/* Eight of the sixteen numbers of two vectors. GCC knows Clang's builtin from version 12 on only. */
#ifdef __clang__
#define SHUFFLED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int EightPlaces __attribute__((vector_size(32)));
#define SHUFFLED(a, b, ...) __builtin_shuffle(a, b, (EightPlaces){__VA_ARGS__})
#endif

/* The product of two rows, as eight partial sums. */
static inline __attribute__((always_inline)) void f32_partial_sums(Eight *sums, const float *p, const float *q,
                                                                   ptrdiff_t width) {
  Eight s = {0};
  for (ptrdiff_t f = 0; f < width; f += 8) {
    Eight a, b;
    memcpy(&a, p + f, sizeof a);
    memcpy(&b, q + f, sizeof b);
    s += a * b;
  }
  *sums = s;
}

/* Of two rows' partial sums, the halves added, in one register; then of two such registers the quarters; then the rest. */
#define FOLD_TO_4(a, b) (SHUFFLED(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLED(a, b, 4, 5, 6, 7, 12, 13, 14, 15))
#define FOLD_TO_2(a, b) (SHUFFLED(a, b, 0, 1, 4, 5, 8, 9, 12, 13) + SHUFFLED(a, b, 2, 3, 6, 7, 10, 11, 14, 15))
#define FOLD_TO_1(a, b) (SHUFFLED(a, b, 0, 2, 4, 6, 8, 10, 12, 14) + SHUFFLED(a, b, 1, 3, 5, 7, 9, 11, 13, 15))

/* sums += weight * (biases + user · items), for n rows of items of `width` numbers, a multiple of eight. Eight rows are
   folded together, because to add up a register is the larger part of the work on a short row. */
EDGEDESCENT_VERSIONS
static void f32_add_products(float *restrict sums, const float *restrict user, const float *restrict items,
                             const float *restrict biases, float weight, ptrdiff_t width, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + 8 <= n; i += 8) {
    Eight row[8], products, bias, sum;
    for (int r = 0; r < 8; r++) f32_partial_sums(&row[r], user, items + (i + r) * width, width);
    for (int r = 0; r < 8; r += 2) row[r] = FOLD_TO_4(row[r], row[r + 1]);
    for (int r = 0; r < 8; r += 4) row[r] = FOLD_TO_2(row[r], row[r + 2]);
    products = FOLD_TO_1(row[0], row[4]);
    memcpy(&bias, biases + i, sizeof bias);
    memcpy(&sum, sums + i, sizeof sum);
    sum += weight * (bias + products);
    memcpy(sums + i, &sum, sizeof sum);
  }
  for (; i < n; i++) {
    Eight s;
    f32_partial_sums(&s, user, items + i * width, width);
    float product = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
    sums[i] += weight * (biases[i] + product);
  }
}

#endif
