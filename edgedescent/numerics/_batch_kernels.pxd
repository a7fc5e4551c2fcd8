"""Loops over a batch of eight events of a small network, with the same bits on every machine."""

cdef extern from "edgedescent/numerics/batch_kernels.h" nogil:
    ctypedef struct adam_step:
        float scale
        float rate
        float inverse_bias
        float rest1
        float rest2
        float eps
        float limit
        float average

    void f32_sum_rows(float* sums, const float* rows, const int* slots, const float* inputs, Py_ssize_t n,
                      Py_ssize_t width) noexcept
    void f64_add_rows(double* sums, const float* rows, const int* slots, const double* inputs, Py_ssize_t n,
                      Py_ssize_t width) noexcept
    void f64_layer(double* sums, const float* biases, const float* weights, const double* inputs, Py_ssize_t n,
                   Py_ssize_t width) noexcept
    void f32_rectify_to_units(float* by_unit, const float* by_event, Py_ssize_t n, Py_ssize_t width) noexcept
    void f32_to_events(float* by_event, const float* by_unit, Py_ssize_t n, Py_ssize_t width) noexcept
    void f32_dot_units(float* out, const float* weights, const float* units, Py_ssize_t n) noexcept
    void f32_layer_units(float* out, const float* biases, const float* weights, const float* inputs, Py_ssize_t n,
                         Py_ssize_t width) noexcept
    void f32_back_output_units(float* delta, const float* slopes, const float* weights, const float* units,
                               Py_ssize_t n) noexcept
    void f32_back_units(float* before, const float* weights, const float* inputs, const float* delta, Py_ssize_t n,
                        Py_ssize_t width) noexcept
    void f32_outer_units(float* gradient, const float* inputs, const float* delta, Py_ssize_t n, Py_ssize_t width,
                         Py_ssize_t stride) noexcept
    void f32_add_to_rows(float* rows, const int* slots, const float* inputs, const float* delta, Py_ssize_t n,
                         Py_ssize_t width) noexcept
    float f32_finish_rows(float* gradient, const float* weights, const int* slots, const float* penalized, float scale,
                          float decay, Py_ssize_t n, Py_ssize_t width) noexcept
    void f32_adam_rows(float* weights, float* mean, float* square, float* average, const float* gradients,
                       const int* slots, const adam_step* step, Py_ssize_t n, Py_ssize_t width, Py_ssize_t columns) noexcept
    void f32_adam_column(float* all_weights, float* means, float* squares, float* averages, const float* gradients,
                         const int* slots, const adam_step* step, Py_ssize_t n, Py_ssize_t width) noexcept
