"""Loops that score all items for a user, with the same bits on every machine."""

cdef extern from "edgedescent/numerics/ranking_kernels.h" nogil:
    float quick_log(float x) noexcept
    void f32_add_logs(float* sums, const float* counts, float scale, float floor, float weight, Py_ssize_t n) noexcept
    void f64_score_rows(double* scores, const double* user, const double* items, Py_ssize_t n_factors,
                        Py_ssize_t n) noexcept
    void f32_log_rows(float* table, float* sums, const int* rows, const float* scales, const float* weights,
                      Py_ssize_t n) noexcept
    void f32_add_products(float* sums, const float* user, const float* items, const float* biases, float weight,
                          Py_ssize_t width, Py_ssize_t n) noexcept
