#!/usr/bin/env bash
# Builds this commit's wheel in a Debian root and tests it there: under another Python, or on an emulated processor.
#
#   tests/debian_root.sh [--arch ARCH] [--suite SUITE] [--cache FOLDER] [--skip-tests] [pytest options]
#
# Needs root and debootstrap; for a foreign processor also qemu-user-static. The root, its packages and the compiler's
# cache are kept in FOLDER (build/roots unless given), so that a second run only builds the wheel anew. Apt's mirror
# and pip's configuration are those of this machine. What is not committed is not tested.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/debootstrap.sh

here=$(dpkg --print-architecture)
arch=$here suite=bookworm cache=build/roots skip_tests=""
while test $# -gt 0; do
  case $1 in
    --arch) arch=$2; shift 2 ;;
    --suite) suite=$2; shift 2 ;;
    --cache) cache=$2; shift 2 ;;
    --skip-tests) skip_tests=yes; shift ;;
    *) break ;;
  esac
done

give_up() {
  echo "tests/debian_root.sh: $1" >&2
  exit 1
}

# Lets the kernel start programs of a foreign processor. The flag F in the line that Debian ships opens the emulator
# at once, so that it is found from inside the root.
register_emulator() {
  local emulator=qemu-${arch/arm64/aarch64} binfmt=/proc/sys/fs/binfmt_misc line
  line=/usr/lib/binfmt.d/$emulator.conf
  test -f "$line" || give_up "$line is missing. On Debian: apt-get install qemu-user-static"
  test -e $binfmt/register || mount -t binfmt_misc binfmt_misc $binfmt \
    || give_up "the kernel offers no binfmt_misc, so that it starts no programs of another processor."
  test -e "$binfmt/$emulator" || cat "$line" > $binfmt/register
}

make_root() {
  make_debian_root "$root" "$arch" "$suite" ca-certificates,ccache,gcc,libc6-dev,python3-dev,python3-venv \
    > "$root.log" 2>&1 || give_up "debootstrap failed: see $root.log"
  test "$arch" = "$here" || describe_processor "$root"
}

# What programs in the root read of the processor would be this machine's: onnxruntime warns of it, or ends.
describe_processor() {
  test "$arch" = arm64 || return 0
  mkdir -p "$1/sys/devices/system/cpu"
  echo 0 | tee "$1/sys/devices/system/cpu/possible" > "$1/sys/devices/system/cpu/present"
  printf '%s\t: %s\n' processor 0 Features 'fp asimd aes pmull sha1 sha2 crc32 cpuid' 'CPU implementer' 0x41 \
    'CPU architecture' 8 'CPU variant' 0x0 'CPU part' 0xd08 'CPU revision' 3 > "$1/etc/cpuinfo"
}

# The names of hosts and the certificates that this machine trusts, which pip's configuration may name.
copy_configuration() {
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
}

# Pip's configuration as variables, less what names folders of this machine.
pip_settings() {
  python3 -m pip config list | grep -vE 'find-links|constraint|file:' | tac \
    | sed -nE "s/^(global|:env:)\.([a-z-]+)='(.*)'$/\2 \3/p" \
    | while read -r name value; do echo "PIP_$(tr a-z- A-Z_ <<< "$name")=$value"; done
}

# Runs the program on standard input in the root, with processes and mounts of its own that end with it.
inside() {
  local settings
  mapfile -t settings < <(pip_settings; env | grep -iE '^https?_proxy=')
  unshare --mount --pid --fork --kill-child bash -euc '
    root=$1; shift
    mount -t proc proc "$root/proc"
    test ! -e "$root/etc/cpuinfo" || mount --bind "$root/etc/cpuinfo" "$root/proc/cpuinfo"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
  ' inside "$root" "${settings[@]}" sh -euc "$(cat)" sh "$@"
}

test "$(id -u)" -eq 0 || give_up "only root can make and enter a root folder."
command -v debootstrap > /dev/null || give_up "debootstrap is missing. On Debian: apt-get install debootstrap"
test "$arch" = "$here" || register_emulator
mkdir -p "$cache"
root=$(realpath "$cache")/$suite-$arch
test -d "$root" || { echo "making $root (minutes; see $root.log)"; make_root; }
copy_configuration
rm -rf "$root/src"
mkdir "$root/src"
git archive HEAD | tar -x -C "$root/src"

echo "building the wheel for $suite on $arch"
inside << 'END'
test -x /venv/bin/pip || python3 -m venv /venv
cd /src
rm -rf /wheels
CMAKE_C_COMPILER_LAUNCHER=ccache /venv/bin/pip wheel --quiet --no-deps --wheel-dir /wheels .
# The extra "test" less the peers that benchmarks are compared with: they are not to be had for every processor.
/venv/bin/python - > /wheels/requirements.txt << 'EOF'
import tomllib
from pathlib import Path
extras = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]
[wheel] = Path("/wheels").glob("edgedescent-*.whl")
print(f"edgedescent[demo,release,sim] @ file://{wheel}", *(need for need in extras["test"] if "[" not in need), sep="\n")
EOF
/venv/bin/pip install --quiet --only-binary onnx,onnxruntime,numpy,river,apsw -r /wheels/requirements.txt
/venv/bin/pip install --quiet --no-deps --force-reinstall /wheels/*.whl
/venv/bin/python -c 'import platform, sys; print(sys.version, platform.machine())'
END

status=0
inside << 'END' || status=1
cd /src
/venv/bin/python tests/state_hashes.py --compare tests/contract/state_hashes.json
END
# From another folder, so that what is imported is the wheel and not the source. An emulated processor is slow: the
# limit only guards against what never ends.
test -n "$skip_tests" || inside "$@" << 'END' || status=1
cd /root
export PATIENCE_S=1800
/venv/bin/pytest --config-file /src/pyproject.toml --quiet --numprocesses auto --dist worksteal --timeout 3600 \
  /src/tests/unit /src/tests/contract "$@"
END
exit $status
