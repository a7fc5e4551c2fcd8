/* Loops over the covariance matrix of recursive least squares, in versions with the same bits: see versions.h.

   A row of the matrix has `stride` numbers, a multiple of four, and `width`, the number of columns that are used, is rounded
   up to one. The numbers behind the last column are 0. */
#ifndef EDGEDESCENT_COVARIANCE_KERNELS_H
#define EDGEDESCENT_COVARIANCE_KERNELS_H

#include <stddef.h>

#include "edgedescent/numerics/versions.h"

/* Four columns, in one register of AVX2 or two of the baseline. */
typedef double four_doubles __attribute__((vector_size(32), aligned(8), may_alias));

/* gain += Σ z[i] row i, for `n` rows of `4 * fours` columns, which stay in registers while the rows go by. */
static inline __attribute__((always_inline)) void add_to_columns(double *restrict gain, const double *restrict rows,
                                                                 const double *restrict z, ptrdiff_t n, ptrdiff_t stride,
                                                                 int fours) {
  four_doubles *sum = (four_doubles *)gain;
  four_doubles sums[4];
  for (int j = 0; j < fours; j++) sums[j] = sum[j];
  for (ptrdiff_t i = 0; i < n; i++) {
    const four_doubles *row = (const four_doubles *)(rows + i * stride);
    for (int j = 0; j < fours; j++) sums[j] += z[i] * row[j];
  }
  for (int j = 0; j < fours; j++) sum[j] = sums[j];
}

/* The same for rows of `width` columns. */
EDGEDESCENT_VERSIONS
static void covariance_add_rows(double *restrict gain, const double *restrict rows, const double *restrict z, ptrdiff_t n,
                                ptrdiff_t stride, ptrdiff_t width) {
  for (; width >= 16; width -= 16, gain += 16, rows += 16) add_to_columns(gain, rows, z, n, stride, 4);
  switch (width / 4) {
    case 3: add_to_columns(gain, rows, z, n, stride, 3); break;
    case 2: add_to_columns(gain, rows, z, n, stride, 2); break;
    case 1: add_to_columns(gain, rows, z, n, stride, 1); break;
  }
}

/* scaled = size gain, and growths = growth */
EDGEDESCENT_VERSIONS
static void covariance_settle(double *restrict scaled, double *restrict growths, const double *restrict gain, double size,
                              double growth, ptrdiff_t width) {
  for (ptrdiff_t k = 0; k < width; k += 4) {
    *(four_doubles *)(scaled + k) = size * *(const four_doubles *)(gain + k);
    *(four_doubles *)(growths + k) = (four_doubles){growth, growth, growth, growth};
  }
}

/* row <- (row - factor scaled) growths. It is symmetric to the last bit, because a product does not depend on the order of
   its factors. */
EDGEDESCENT_VERSIONS
static void covariance_change_rows(double *restrict rows, const double *restrict scaled, const double *restrict growths,
                                   const double *restrict factors, ptrdiff_t n, ptrdiff_t stride, ptrdiff_t width) {
  for (ptrdiff_t i = 0; i < n; i++) {
    double factor = factors[i];
    double *row = rows + i * stride;
    for (ptrdiff_t k = 0; k < width; k += 4) {
      four_doubles *four = (four_doubles *)(row + k);
      *four = (*four - factor * *(const four_doubles *)(scaled + k)) * *(const four_doubles *)(growths + k);
    }
  }
}

#endif
