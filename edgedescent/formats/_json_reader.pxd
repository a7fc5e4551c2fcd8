from edgedescent.learners._feature_learner cimport CompiledFeatureLearner

# One feature of an event in JSON: where its name stands, and its number.
cdef struct Field:
    const char* name
    Py_ssize_t length
    double number

cdef class JsonReader:
    cdef Field* fields
    cdef Py_ssize_t room
    # What the event at hand says; its fields begin at `first`.
    cdef Py_ssize_t first
    cdef Py_ssize_t n
    cdef double target
    cdef bint is_bool
    # NULL where it has none.
    cdef const char* id
    cdef Py_ssize_t id_length

    cdef bint read(self, const char* at, const char* end) except -1
    cdef const char* read_next(self, const char* at, const char* end) except? NULL
    cdef const char* _features(self, const char* at, const char* end) except? NULL
    cdef int _grow(self) except -1
    cdef void give_back(self) noexcept

cdef const char* blank(const char* at, const char* end) noexcept nogil
cdef bint take(CompiledFeatureLearner learner, JsonReader reader) except -1
