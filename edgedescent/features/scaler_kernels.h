/* Running mean and variance of many rows, each a loop that compilers vectorize for AVX2: see versions.h.

   The arrays do not overlap, which `restrict` says, and Cython cannot. */
#ifndef EDGEDESCENT_SCALER_KERNELS_H
#define EDGEDESCENT_SCALER_KERNELS_H

#include <math.h>
#include <stddef.h>

#include "edgedescent/numerics/versions.h"

/* Results of an update: a row is among its first values, has no variance, or its block is full. */
enum { ROW_IS_YOUNG = 1, ROW_IS_CONSTANT = 2, BLOCK_IS_FULL = 4 };

static inline double larger(double a, double b) { return a > b ? a : b; }

/* The rate of a row of so many values. Most rows have had so many that the minimum holds: they need no division. */
static inline double scaler_rate(double n_values, double rate_min) {
    return n_values * rate_min > 1.001 ? rate_min : larger(1.0 / n_values, rate_min);
}

/* Update the statistics of `n` rows with the values `x`; see `Scaler`. A value is far if its squared deviation is more than
   `far_squared` variances. */
static inline __attribute__((always_inline)) int scaler_update_inline(
    const double *restrict x, double *restrict count, double *restrict mean, double *restrict variance,
    double *restrict inverse, double *restrict deviations, double *restrict block_count, double *restrict block_base,
    double *restrict block_sum, double *restrict block_squares, double *restrict block_far, double rate_min, double clip,
    double start, double block, double far_squared, int watches, int in_step, ptrdiff_t n) {
    long long young = 0, constant = 0, full = 0;
    double shared_rate = in_step ? scaler_rate(count[0] + 1.0, rate_min) : 0.0;
    for (ptrdiff_t i = 0; i < n; i++) {
        double n_values = count[i] + 1.0;
        double rate = in_step ? shared_rate : larger(1.0 / n_values, rate_min);
        double deviation = x[i] - mean[i];
        double limit = clip * deviations[i];
        double next;
        count[i] = n_values;
        young |= n_values <= start;
        if (watches) {
            /* From the first value of the block, which keeps the sums of squares exact: it is near, or the variance large. */
            double base = block_count[i] > 0.0 ? block_base[i] : x[i];
            double distance = x[i] - base;
            double n_block = block_count[i] + 1.0;
            block_count[i] = n_block;
            block_base[i] = base;
            block_sum[i] += distance;
            block_squares[i] += distance * distance;
            block_far[i] += deviation * deviation > far_squared * variance[i] ? 1.0 : 0.0;
            full |= n_block >= block;
        }
        /* Without a variance there is no scale for outliers: accept any value. */
        limit = limit > 0.0 ? limit : 1e300;
        deviation = deviation < limit ? deviation : limit;
        deviation = deviation > -limit ? deviation : -limit;
        mean[i] += rate * deviation;
        next = (1.0 - rate) * (variance[i] + rate * (deviation * deviation));
        /* A long constant stretch shrinks the variance towards 0, and the clipping above would then suppress every later
           change. A variance of exactly 0 disables the clipping. */
        next = next > 1e-60 ? next : 0.0;
        variance[i] = next;
        deviations[i] = sqrt(next);
        inverse[i] = next > 0.0 ? 1.0 / deviations[i] : 0.0;
        constant |= next == 0.0;
    }
    return (young ? ROW_IS_YOUNG : 0) | (constant ? ROW_IS_CONSTANT : 0) | (full ? BLOCK_IS_FULL : 0);
}

/* Rows that had equally many values have one rate, which is half of the divisions. */
static inline __attribute__((always_inline)) int rows_are_in_step(const double *count, ptrdiff_t n) {
    long long differ = 0;
    for (ptrdiff_t i = 1; i < n; i++) differ |= count[i] != count[0];
    return !differ;
}

#define SCALER_ARGUMENTS                                                                                                 \
    x, count, mean, variance, inverse, deviations, block_count, block_base, block_sum, block_squares, block_far, rate_min, \
        clip, start, block, far_squared

EDGEDESCENT_VERSIONS
static int scaler_update_rows(
    const double *restrict x, double *restrict count, double *restrict mean, double *restrict variance,
    double *restrict inverse, double *restrict deviations, double *restrict block_count, double *restrict block_base,
    double *restrict block_sum, double *restrict block_squares, double *restrict block_far, double rate_min, double clip,
    double start, double block, double far_squared, int watches, ptrdiff_t n) {
#define SCALER_UPDATE(watches, in_step) scaler_update_inline(SCALER_ARGUMENTS, watches, in_step, n)
    if (rows_are_in_step(count, n)) return watches ? SCALER_UPDATE(1, 1) : SCALER_UPDATE(0, 1);
    return watches ? SCALER_UPDATE(1, 0) : SCALER_UPDATE(0, 0);
#undef SCALER_UPDATE
}

/* A single row, such as that of a target, goes without what a loop over vectors has to prepare. */
static inline int scaler_update(
    const double *restrict x, double *restrict count, double *restrict mean, double *restrict variance,
    double *restrict inverse, double *restrict deviations, double *restrict block_count, double *restrict block_base,
    double *restrict block_sum, double *restrict block_squares, double *restrict block_far, double rate_min, double clip,
    double start, double block, double far_squared, int watches, ptrdiff_t n) {
    if (n == 1) return scaler_update_inline(SCALER_ARGUMENTS, watches, 1, 1);
    return scaler_update_rows(SCALER_ARGUMENTS, watches, n);
}

#undef SCALER_ARGUMENTS

#endif
