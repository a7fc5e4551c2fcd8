"""What a text stands for: a number, a truth value, a missing value, or a category."""

cdef enum TextKind:
    CATEGORY
    NUMBER
    MISSING

cdef TextKind text_kind(str text, bint decimal_comma, double* number) except? CATEGORY
