"""Regression tree of fixed depth, grown on histograms of binned inputs.

A node is split where the gain over histograms is largest, and a leaf has a value that is shrunken::

    gain = L² / (1 + n_L) + R² / (1 + n_R) - (L + R)² / (1 + n_L + n_R)      L, R: sums of the residuals
    v = 0.3 S / (1 + n)                                                      S: the sum in a leaf

The bins of an input are bounded by quantiles of a sample. Binning makes a tree cheap: Ke et al. 2017, "LightGBM: A Highly
Efficient Gradient Boosting Decision Tree", NeurIPS.
"""
import numpy as np

from libc.string cimport memset

# Threshold of a node that sends all events to the left.
cdef float NEVER = 1e30
cdef double SHRINKAGE = 0.3
cdef double RIDGE = 1.0
# Least gain of a split.
cdef double GAIN_MIN = 1e-9

cdef enum:
    LEAF_MIN = 30


cdef class TreeGrower:
    """Scratch for growing one tree after another.

    The caller finds the edges of all columns, encodes each event, fills `residuals` and calls `grow`.
    """

    def __cinit__(self):
        cdef float[::1] edges = np.zeros(COLUMNS_MAX * BINS, dtype=np.float32)
        cdef Py_ssize_t[::1] n_edges = np.zeros(COLUMNS_MAX, dtype=np.intp)
        cdef double[::1] residuals = np.zeros(EVENTS_MAX), sums = np.zeros(LEAVES * COLUMNS_MAX * BINS)
        cdef int[::1] counts = np.zeros(LEAVES * COLUMNS_MAX * BINS, dtype=np.int32)
        cdef uint8_t[::1] codes = np.zeros(EVENTS_MAX * COLUMNS_MAX, dtype=np.uint8)
        cdef uint8_t[::1] nodes = np.zeros(EVENTS_MAX, dtype=np.uint8)
        self.edges, self.n_edges, self.residuals = &edges[0], &n_edges[0], &residuals[0]
        self.sums, self.counts, self.codes, self.nodes = &sums[0], &counts[0], &codes[0], &nodes[0]
        self.scratch = (edges, n_edges, residuals, sums, counts, codes, nodes)

    cdef bint find_edges(self, const float* values, Py_ssize_t stride, Py_ssize_t n_sampled, Py_ssize_t column) noexcept nogil:
        """Find the edges of the bins of a column, midway between sampled values; returns False if these do not vary.

        Args:
            values: First of the sampled values, which lie `stride` numbers apart.
            stride: Distance of two values.
            n_sampled: Number of values, at most `SAMPLED_MAX`.
            column: Place of the input among those of a tree.
        """
        cdef float* edges = self.edges + column * BINS
        cdef float sorted_values[SAMPLED_MAX]
        cdef float value
        cdef Py_ssize_t i, at, n_edges = 0, b
        cdef bint varies = False
        for i in range(1, n_sampled):
            varies = varies or values[i * stride] != values[0]
        if not varies:
            return False
        for i in range(n_sampled):
            value = values[i * stride]
            at = i
            while at > 0 and sorted_values[at - 1] > value:
                sorted_values[at] = sorted_values[at - 1]
                at -= 1
            sorted_values[at] = value
        # The least value has a bin of its own, and then the quantiles have.
        at = 0
        for b in range(BINS - 1):
            i = b * n_sampled // (BINS - 1)
            if i < at:
                continue
            at = i + 1
            while at < n_sampled and sorted_values[at] == sorted_values[i]:
                at += 1
            if at < n_sampled:
                edges[n_edges] = <float>0.5 * (sorted_values[i] + sorted_values[at])
                n_edges += 1
        for b in range(n_edges, BINS):
            edges[b] = NEVER
        self.n_edges[column] = n_edges
        return True

    cdef void encode(self, Py_ssize_t i, const float* row, Py_ssize_t n_columns) noexcept nogil:
        """Fill the codes of an event: for each column the number of edges below its value."""
        cdef const float* edges
        cdef Py_ssize_t column, code
        for column in range(n_columns):
            edges = self.edges + column * BINS
            # Bisection without branches; beyond the last edge stand such that no value exceeds.
            code = 8 * (row[column] > edges[7])
            code += 4 * (row[column] > edges[code + 3])
            code += 2 * (row[column] > edges[code + 1])
            code += row[column] > edges[code]
            self.codes[i * COLUMNS_MAX + column] = <uint8_t>code

    cdef void grow(self, Py_ssize_t n, Py_ssize_t n_columns, int* columns, float* thresholds, double* values) noexcept nogil:
        """Grow a tree level by level on the residuals and the codes of `n` events.

        Args:
            n: Number of events.
            n_columns: Number of columns.
            columns: Room for the column of each inner node, shape (INNER,); 0 where a node is not split.
            thresholds: Room for the threshold of each inner node, shape (INNER,).
            values: Room for the values of the leaves, shape (LEAVES,).
        """
        cdef Py_ssize_t splits[LEAVES]
        cdef Py_ssize_t level, node, n_nodes, i, at
        memset(self.nodes, 0, n)
        for level in range(DEPTH):
            n_nodes = 1 << level
            self._fill_histograms(n, n_nodes, n_columns)
            for node in range(n_nodes):
                splits[node] = self._best_split(node, n_columns)
                at = n_nodes - 1 + node
                columns[at] = <int>(splits[node] // BINS) if splits[node] >= 0 else 0
                thresholds[at] = self.edges[splits[node]] if splits[node] >= 0 else NEVER
            for i in range(n):
                node = self.nodes[i]
                at = splits[node]
                self.nodes[i] = <uint8_t>(
                    2 * node + (at >= 0 and self.codes[i * COLUMNS_MAX + at // BINS] > at % BINS))
        for node in range(LEAVES):
            self.sums[node] = 0.0
            self.counts[node] = 0
        for i in range(n):
            self.sums[self.nodes[i]] += self.residuals[i]
            self.counts[self.nodes[i]] += 1
        for node in range(LEAVES):
            values[node] = SHRINKAGE * self.sums[node] / (self.counts[node] + RIDGE)

    cdef void _fill_histograms(self, Py_ssize_t n, Py_ssize_t n_nodes, Py_ssize_t n_columns) noexcept nogil:
        """Fill the sums of residuals and the counts of events by node, input and bin."""
        cdef Py_ssize_t i, column, at
        cdef const uint8_t* codes
        cdef double residual
        memset(self.sums, 0, n_nodes * COLUMNS_MAX * BINS * sizeof(double))
        memset(self.counts, 0, n_nodes * COLUMNS_MAX * BINS * sizeof(int))
        for i in range(n):
            codes = self.codes + i * COLUMNS_MAX
            residual = self.residuals[i]
            at = self.nodes[i] * COLUMNS_MAX * BINS
            for column in range(n_columns):
                self.sums[at + column * BINS + codes[column]] += residual
                self.counts[at + column * BINS + codes[column]] += 1

    cdef Py_ssize_t _best_split(self, Py_ssize_t node, Py_ssize_t n_columns) noexcept nogil:
        """Return the split of a node with the largest gain, as ``BINS * column + edge``; -1 if none gains."""
        cdef const double* sums = self.sums + node * COLUMNS_MAX * BINS
        cdef const int* counts = self.counts + node * COLUMNS_MAX * BINS
        cdef Py_ssize_t best = -1, column, edge
        cdef double best_gain = GAIN_MIN, total = 0.0, left, gain
        cdef int n_total = 0, n_left
        for edge in range(BINS):
            total += sums[edge]
            n_total += counts[edge]
        for column in range(n_columns):
            left = 0.0
            n_left = 0
            for edge in range(self.n_edges[column]):
                left += sums[column * BINS + edge]
                n_left += counts[column * BINS + edge]
                if n_left < LEAF_MIN or n_total - n_left < LEAF_MIN:
                    continue
                gain = (left * left / (n_left + RIDGE) + (total - left) * (total - left) / (n_total - n_left + RIDGE)
                        - total * total / (n_total + RIDGE))
                if gain > best_gain:
                    best_gain, best = gain, BINS * column + edge
        return best
