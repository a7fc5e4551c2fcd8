#!/usr/bin/env bash
# Installs the brokers that `make brokers` tries the daemon on, as far as this machine lets it.
#
#   tests/brokers.sh [--cache FOLDER] [--suite SUITE]
#
# Apt installs mosquitto, RabbitMQ and Node.js, npm installs aedes, debootstrap makes a root folder of Debian's SUITE
# (sid) for the newest mosquitto and RabbitMQ; all but apt's packages go into FOLDER (build/brokers). What cannot be
# installed is named, and the tests then skip it. Registries are those that this machine's apt, npm and pip are set
# up with. Needs root for all but aedes.
set -uo pipefail
cd "$(dirname "$0")/.."
. tests/debootstrap.sh

cache=build/brokers suite=sid
while test $# -gt 0; do
  case $1 in
    --cache) cache=$2; shift 2 ;;
    --suite) suite=$2; shift 2 ;;
    *) echo "tests/brokers.sh: unknown option $1" >&2; exit 1 ;;
  esac
done

without() {
  echo "tests/brokers.sh: without $1: $2" >&2
}

# Installs packages of Debian, without starting what they bring as a service.
install_packages() {
  local policy=/usr/sbin/policy-rc.d status=0
  test "$(id -u)" -eq 0 || { echo "only root can install $*" >&2; return 1; }
  apt-get update -qq || return 1
  test -e $policy || { printf '#!/bin/sh\nexit 101\n' > $policy; chmod +x $policy; local made=yes; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > "$cache/apt.log" 2>&1 || status=1
  test -z "${made:-}" || rm -f $policy
  return $status
}

has() {
  command -v "$1" > /dev/null || test -x "/usr/sbin/$1"
}

mkdir -p "$cache"
has mosquitto || install_packages mosquitto || without mosquitto "apt could not install it (see $cache/apt.log)"
has rabbitmq-server || install_packages rabbitmq-server || without RabbitMQ "apt could not install it (see $cache/apt.log)"

if { has node && has npm; } || install_packages nodejs npm; then
  test -d "$cache/node_modules/aedes" || npm install --silent --no-audit --no-fund --prefix "$cache" aedes > "$cache/npm.log" 2>&1 \
    || without aedes "npm could not install it (see $cache/npm.log)"
else
  without aedes "apt could not install Node.js (see $cache/apt.log)"
fi

root=$cache/debian
if ! test -d "$root"; then
  if ! test "$(id -u)" -eq 0; then
    without "the newest brokers" "only root can make a root folder"
  elif ! has debootstrap && ! install_packages debootstrap; then
    without "the newest brokers" "apt could not install debootstrap (see $cache/apt.log)"
  else
    echo "making $root (minutes; see $cache/debian.log)"
    make_debian_root "$root" "$(dpkg --print-architecture)" "$suite" mosquitto,rabbitmq-server > "$cache/debian.log" 2>&1 \
      || without "the newest brokers" "debootstrap failed (see $cache/debian.log)"
    test ! -d "$root" || echo 127.0.0.1 localhost > "$root/etc/hosts"
  fi
fi
