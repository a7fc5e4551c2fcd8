"""Reader of rows of numbers in CSV text, without making Python objects."""
from libc.math cimport NAN

from edgedescent.formats._json_parser cimport after_number


def read_rows(const unsigned char[::1] text, Py_ssize_t start, unsigned char delimiter, const unsigned char[::1] is_read,
              double[:, ::1] columns):
    r"""Read rows into columns until one is unusual; returns their number and the position behind the last of them.

    Unusual is all that needs a complete reader: a quote, a word or a number that JSON does not have, white space, a row
    with fewer or more cells, an empty line, and a row whose end is not in the text. An empty cell is NaN.

    Args:
        text: Bytes of the file.
        start: Position of the first row.
        delimiter: Character between cells.
        is_read: For each column, 1 to read it and 0 to pass over it.
        columns: Numbers by column and row, shape (n_columns, rows_max); those of the rows read are set.

    Raises:
        ValueError: If the number of columns differs.

    Example:
        >>> import numpy as np
        >>> columns = np.empty((2, 4))
        >>> read_rows(b"1.5,2\n-3,\nx,1\n", 0, ord(","), b"\x01\x01", columns)
        (2, 10)
        >>> columns[:, :2]
        array([[ 1.5, -3. ],
               [ 2. ,  nan]])
    """
    cdef Py_ssize_t n_columns = columns.shape[0], rows_max = columns.shape[1], j, n = 0
    cdef const char* at
    cdef const char* end
    cdef const char* row
    if is_read.shape[0] != n_columns:
        raise ValueError(f"There must be a mark for each of {n_columns} columns. Got {is_read.shape[0]}.")
    if text.shape[0] == 0 or n_columns == 0:
        return 0, start
    at = <const char*>&text[0] + start
    end = <const char*>&text[0] + text.shape[0]
    row = at
    while n < rows_max and at < end and at[0] != b"\n" and at[0] != b"\r":
        for j in range(n_columns):
            if not is_read[j]:
                at = after_cell(at, end, delimiter)
            elif at < end and ends_cell(at[0], delimiter):
                columns[j, n] = NAN
            else:
                at = after_number(at, end, &columns[j, n])
            if at == NULL or at == end:
                break
            if j < n_columns - 1:
                if at[0] != <char>delimiter:
                    at = NULL
                    break
                at += 1
        if at == NULL or at == end:
            break
        if at[0] == b"\r":
            at += 1
        if at == end or at[0] != b"\n":
            break
        at += 1
        row = at
        n += 1
    return n, row - <const char*>&text[0]


cdef inline bint ends_cell(char letter, unsigned char delimiter) noexcept nogil:
    return letter == <char>delimiter or letter == b"\n" or letter == b"\r"


cdef inline const char* after_cell(const char* at, const char* end, unsigned char delimiter) noexcept nogil:
    """Position behind a cell; NULL if a quote is in it."""
    while at < end and not ends_cell(at[0], delimiter):
        if at[0] == b'"':
            return NULL
        at += 1
    return at
