#!/bin/sh
# Make an installed environment smaller: prune.sh ENVIRONMENT
#
# The Dockerfile calls this in its build stage. It removes what no part of EdgeDescent imports, which is about half
# of the size. The Dockerfile then imports the rest, so an error here fails the build.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 ENVIRONMENT" >&2; exit 2; }
cd "$1"

# Commands of the packages, and the scripts that activate an environment.
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

# Stubs and sources are for type checkers and compilers only.
find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.h' -o -name '*.hpp' -o -name '*.cc' -o -name '*.proto' \) -delete

# Debug symbols. Libraries bundled with a wheel (in *.libs) were edited by its packager; strip would break their
# alignment.
find . -type d -name '*.libs' -prune -o -type f -name '*.so*' -exec strip --strip-unneeded {} +
