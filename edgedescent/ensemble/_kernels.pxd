"""Loops over single-precision vectors, with the same bits on every machine."""

cdef extern from "edgedescent/numerics/vector_kernels.h" nogil:
    void f32_add_scaled(float* sums, const float* row, float scale, Py_ssize_t n) noexcept
    float f32_dot(const float* a, const float* b, Py_ssize_t n) noexcept
    float f32_gradient(float* gradient, const float* row, const float* weights, float scale, float decay,
                       Py_ssize_t n) noexcept
    void f32_adam(float* weights, float* mean, float* square, const float* gradient, float scale, float rate,
                  float inverse_bias, Py_ssize_t n) noexcept
    float f32_distance(const float* a, const float* b, Py_ssize_t n) noexcept
