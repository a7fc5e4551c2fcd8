#!/bin/sh
# Make an installed environment smaller: prune.sh ENVIRONMENT
#
# The Dockerfile calls this in its build stage. It removes what no part of EdgeDescent imports, which is about half
# of the size. The Dockerfile then imports what is left, so a wrong line here fails the build.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 ENVIRONMENT" >&2; exit 2; }
cd "$1"

# Commands of the packages, and what a person needs to enter an environment.
find bin -type f ! -name edgedescent -delete

cd lib/python3*/site-packages

# Test suites, and modules compiled for them.
find . -type d \( -name tests -o -name test \) -prune -exec rm -r {} +
rm -f numpy/_core/*_tests.*.so

# Fortran wrappers and build tools of NumPy, converters and quantizers of onnxruntime: for development only.
rm -rf numpy/f2py numpy/distutils numpy/_pyinstaller
rm -rf onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers

# A second copy of the runtime, for programs in C; the Python module has its own copy linked in.
rm -f onnxruntime/capi/libonnxruntime.so.*

# Stubs and sources serve type checkers and compilers.
find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.h' -o -name '*.hpp' -o -name '*.cc' -o -name '*.proto' \) -delete

# Symbols for a debugger. Libraries that a wheel brings along (in *.libs) were edited by its packager, so that strip
# would break their alignment.
find . -type d -name '*.libs' -prune -o -type f -name '*.so*' -exec strip --strip-unneeded {} +
