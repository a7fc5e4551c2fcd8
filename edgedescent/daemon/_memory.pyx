"""How the C library's allocator gives memory back."""

cdef extern from *:
    """
    #if defined(__GLIBC__)
    #include <malloc.h>
    static int return_large_blocks(long bytes) {
        return mallopt(M_MMAP_THRESHOLD, (int)bytes) && mallopt(M_TRIM_THRESHOLD, (int)bytes);
    }
    #else
    static int return_large_blocks(long bytes) { (void)bytes; return 0; }
    #endif
    """
    int return_large_blocks(long n_bytes) nogil


def give_back(long n_bytes):
    """Have every block of `n_bytes` or more given back as soon as it is free; whether this allocator can.

    By default the GNU C library keeps larger and larger blocks the more often such are freed. A process that runs for
    months would hold on to what one large message once took: mallopt(3), M_MMAP_THRESHOLD.
    """
    return return_large_blocks(n_bytes) != 0
