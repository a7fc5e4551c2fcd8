"""Meaning of a text: a number, a truth value, a missing value, or a category."""
from libc.math cimport NAN
from libc.string cimport memcmp

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow) except? -1.0

cdef enum:
    # Longer texts are no numbers.
    NUMBER_BYTES_MAX = 64
    WORD_BYTES_MAX = 11

# A word and what it stands for. No word is also a common name: "na" and "no" are countries.
cdef struct Word:
    const char* letters
    Py_ssize_t length
    TextKind kind
    double number

cdef Word[21] WORDS
WORDS[0] = Word(b"", 0, MISSING, 0.0)
WORDS[1] = Word(b"unavailable", 11, MISSING, 0.0)
WORDS[2] = Word(b"unknown", 7, MISSING, 0.0)
WORDS[3] = Word(b"undefined", 9, MISSING, 0.0)
WORDS[4] = Word(b"none", 4, MISSING, 0.0)
WORDS[5] = Word(b"null", 4, MISSING, 0.0)
WORDS[6] = Word(b"nil", 3, MISSING, 0.0)
WORDS[7] = Word(b"n/a", 3, MISSING, 0.0)
WORDS[8] = Word(b"#n/a", 4, MISSING, 0.0)
WORDS[9] = Word(b"<na>", 4, MISSING, 0.0)
WORDS[10] = Word(b"nan", 3, MISSING, 0.0)
WORDS[11] = Word(b"-nan", 4, MISSING, 0.0)
WORDS[12] = Word(b"inf", 3, MISSING, 0.0)
WORDS[13] = Word(b"-inf", 4, MISSING, 0.0)
WORDS[14] = Word(b"+inf", 4, MISSING, 0.0)
WORDS[15] = Word(b"infinity", 8, MISSING, 0.0)
WORDS[16] = Word(b"-infinity", 9, MISSING, 0.0)
WORDS[17] = Word(b"on", 2, NUMBER, 1.0)
WORDS[18] = Word(b"true", 4, NUMBER, 1.0)
WORDS[19] = Word(b"off", 3, NUMBER, 0.0)
WORDS[20] = Word(b"false", 5, NUMBER, 0.0)

# Letters with which a word or a number begins: most categories are told apart by their first letter and their length.
cdef char[128] begins_word
cdef char[128] begins_number
for _i in range(128):
    begins_word[_i] = chr(_i).lower() in "unif#<-+ot"
    begins_number[_i] = chr(_i) in "+-.,0123456789"


cdef inline bint is_blank(char letter) noexcept nogil:
    return letter == b" " or b"\t" <= letter <= b"\r"


cdef inline bint is_digit(char letter) noexcept nogil:
    return b"0" <= letter <= b"9"


cdef bint is_number(const char* at, Py_ssize_t n, char point) noexcept nogil:
    """True for decimal digits with an optional sign, decimal point and exponent."""
    cdef Py_ssize_t i = 0, n_digits = 0
    if i < n and (at[i] == b"-" or at[i] == b"+"):
        i += 1
    while i < n and is_digit(at[i]):
        i += 1
        n_digits += 1
    if i < n and (at[i] == b"." or at[i] == point):
        i += 1
        while i < n and is_digit(at[i]):
            i += 1
            n_digits += 1
    if n_digits == 0:
        return False
    if i < n and (at[i] == b"e" or at[i] == b"E"):
        i += 1
        if i < n and (at[i] == b"-" or at[i] == b"+"):
            i += 1
        n_digits = 0
        while i < n and is_digit(at[i]):
            i += 1
            n_digits += 1
        if n_digits == 0:
            return False
    return i == n


cdef int text_kind(str text, bint decimal_comma, double* number) except -1:
    """Kind of value that a text stands for; blanks around it and the case of letters make no difference.

    Args:
        text: the text.
        decimal_comma: whether ``49,31`` is a number too.
        number: receives the number, ±infinity where it is beyond all floats; NaN for a missing value.
    """
    cdef const char* at
    cdef Py_ssize_t n, i, j
    cdef char[NUMBER_BYTES_MAX + 1] copy
    number[0] = NAN
    if not PyUnicode_IS_COMPACT_ASCII(text):
        return CATEGORY
    at = PyUnicode_1BYTE_DATA(text)
    n = PyUnicode_GET_LENGTH(text)
    while n and is_blank(at[0]):
        at += 1
        n -= 1
    while n and is_blank(at[n - 1]):
        n -= 1
    if n > NUMBER_BYTES_MAX:
        return CATEGORY
    if n and begins_number[<unsigned char>at[0]] and is_number(at, n, b"," if decimal_comma else b"."):
        for i in range(n):
            copy[i] = b"." if at[i] == b"," else at[i]
        copy[n] = 0
        number[0] = PyOS_string_to_double(copy, NULL, NULL)
        return NUMBER
    if n > WORD_BYTES_MAX or (n and not begins_word[<unsigned char>at[0]]):
        return CATEGORY
    for i in range(n):
        copy[i] = at[i] | 32 if b"A" <= at[i] <= b"Z" else at[i]
    copy[n] = 0
    for j in range(21):
        if WORDS[j].length == n and WORDS[j].letters[0] == copy[0] and memcmp(copy, WORDS[j].letters, n) == 0:
            if WORDS[j].kind == NUMBER:
                number[0] = WORDS[j].number
            return WORDS[j].kind
    return CATEGORY


def text_value(str text not None, bint decimal_comma=False):
    """Value that a text stands for: a float, None where it is missing, or the text itself, as a category.

    >>> [text_value(text) for text in ("21.5", "ON", "unavailable", "north", "49,31")]
    [21.5, 1.0, None, 'north', '49,31']
    >>> text_value("49,31", decimal_comma=True)
    49.31
    """
    cdef double number
    cdef int kind = text_kind(text, decimal_comma, &number)
    return text if kind == CATEGORY else number if kind == NUMBER else None
