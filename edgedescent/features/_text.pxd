"""Meaning of a text: a number, a truth value, a missing value, or a category."""

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const char* PyUnicode_1BYTE_DATA(object text)

cdef enum TextKind:
    CATEGORY
    NUMBER
    MISSING

cdef extern from *:
    """
    /* For each first letter the lengths of the words that stand for something else, one bit for each length. */
    static const unsigned int WORD_LENGTHS[26] = {
        0, 0, 0, 0, 0, 32, 0, 0, 264, 0, 0, 0, 0, 24, 12, 0, 0, 0, 0, 16, 2688, 0, 0, 0, 0, 0
    };
    /* And their second letters, one bit for each letter. */
    static const unsigned int SECOND_LETTERS[26] = {
        0, 0, 0, 0, 0, 1, 0, 0, 8192, 0, 0, 0, 0, 1065217, 8224, 0, 0, 0, 0, 131072, 8192, 0, 0, 0, 0, 0
    };
    """
    const unsigned int* WORD_LENGTHS
    const unsigned int* SECOND_LETTERS

cdef inline bint begins_category(str text) noexcept:
    """True if the first two letters and the length of a text tell that it is a category, as those of most do.

    It is inline, because it is asked for each category of each event.
    """
    cdef const char* letters
    cdef Py_ssize_t n
    cdef unsigned int place, second
    if not PyUnicode_IS_COMPACT_ASCII(text):
        return True
    n, letters = PyUnicode_GET_LENGTH(text), PyUnicode_1BYTE_DATA(text)
    if n == 0 or letters[n - 1] <= 32:
        # Blanks do not count.
        return False
    # 97 is the letter a.
    place = <unsigned int>(letters[0] | 32) - 97
    if place >= 26:
        return False
    if n > 31 or not (WORD_LENGTHS[place] >> n) & 1:
        return True
    second = <unsigned int>(letters[1] | 32) - 97
    return second < 26 and not (SECOND_LETTERS[place] >> second) & 1

cdef int text_kind(str text, bint decimal_comma, double* number) except -1
