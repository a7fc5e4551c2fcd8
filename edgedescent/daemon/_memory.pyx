"""Setting of the C library's allocator that makes it return freed memory to the operating system."""

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


def release_large_blocks(long n_bytes):
    """Make the allocator return every block of at least `n_bytes` to the system as soon as it is freed.

    By default the GNU C library raises this threshold whenever a large block is freed, up to 32 MiB. A process that
    runs for months would then keep the memory of its largest message.

    Args:
        n_bytes: Size of a block from which on it is returned at once.

    Returns:
        True if the allocator has this setting; False for C libraries other than glibc.

    References:
        mallopt(3), M_MMAP_THRESHOLD.
    """
    return return_large_blocks(n_bytes) != 0
