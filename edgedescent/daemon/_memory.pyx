"""Return of freed memory from the C library's allocator to the operating system."""

cdef extern from *:
    """
    #if defined(__GLIBC__)
    #include <malloc.h>
    static int return_large_blocks(long bytes) {
        return mallopt(M_MMAP_THRESHOLD, (int)bytes) && mallopt(M_TRIM_THRESHOLD, (int)bytes);
    }
    static int return_free_pages(void) { return malloc_trim(0); }
    #else
    static int return_large_blocks(long bytes) { (void)bytes; return 0; }
    static int return_free_pages(void) { return 0; }
    #endif
    """
    int return_large_blocks(long n_bytes) nogil
    int return_free_pages() nogil


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


def release_free_pages():
    """Return the pages between small blocks that are all free to the system.

    Floods of long names and of dead letters leave such pages behind, because later small blocks lie beyond them.

    Returns:
        True if any page was returned; False always for C libraries other than glibc.

    References:
        malloc_trim(3).
    """
    return return_free_pages() != 0
