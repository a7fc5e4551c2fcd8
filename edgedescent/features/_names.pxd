"""Names of rows: features and categories, of which no two have the same."""

cdef str row_name(str feature)
