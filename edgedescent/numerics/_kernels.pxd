"""Loops over vectors of single-precision weights, with the same bits on every machine."""

cdef extern from "edgedescent/numerics/vector_kernels.h" nogil:
    double f64_dot(const float* a, const double* b, Py_ssize_t n) noexcept
    float f32_dot(const float* a, const float* b, Py_ssize_t n) noexcept
    float f32_adam(float* weights, float* mean, float* square, const float* gradient, float scale, float rate,
                   float inverse_bias, float rest1, float rest2, float eps, float limit, Py_ssize_t n) noexcept
    void f32_layer(float* sums, const float* weights, const float* inputs, Py_ssize_t n, Py_ssize_t width) noexcept
    void f32_add_outer(float* gradient, const float* inputs, const float* delta, Py_ssize_t n,
                       Py_ssize_t width) noexcept
    void f32_back(float* before, const float* weights, const float* inputs, const float* delta, Py_ssize_t n,
                  Py_ssize_t width) noexcept
    float f32_finish_gradient(float* gradient, const float* weights, float scale, float decay, float cap,
                              Py_ssize_t n) noexcept
    void f32_average(float* average, const float* weights, float rate, Py_ssize_t n) noexcept
    Py_ssize_t f32_first_below(const float* numbers, float limit, Py_ssize_t start, Py_ssize_t n) noexcept
    void f32_distances(float* distances, const float* columns, const float* query, Py_ssize_t n, Py_ssize_t stride,
                       Py_ssize_t width) noexcept
