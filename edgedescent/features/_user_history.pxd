"""History of the latest items of each user."""

cdef class UserHistory:
    cdef readonly Py_ssize_t depth
    cdef Py_ssize_t users_max
    cdef Py_ssize_t users
    cdef long long* entries
    cdef long long* counts
    cdef list arrays

    cdef int make_room(self, Py_ssize_t users) except -1
    cdef void clear(self, Py_ssize_t user) noexcept nogil
    cdef void add(self, Py_ssize_t user, Py_ssize_t item, long long now, const long long* assigned_at) noexcept nogil
    cdef Py_ssize_t item(self, Py_ssize_t user, Py_ssize_t place, const long long* assigned_at) noexcept nogil
    cdef Py_ssize_t latest(self, Py_ssize_t user, Py_ssize_t back, const long long* assigned_at) noexcept nogil
    cdef bint holds(self, Py_ssize_t user, Py_ssize_t item, const long long* assigned_at) noexcept nogil
    cdef Py_ssize_t size(self, Py_ssize_t user) noexcept nogil
