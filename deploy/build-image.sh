#!/bin/sh
# Build the image without a Docker engine and without an image registry: build-image.sh [TAG]
#
# Needs root, buildah and debootstrap (both in Debian). It creates a base image with Debian's own Python once, then
# builds the Dockerfile on it. Options of `buildah build`, such as secrets, go into BUILD_OPTIONS: see deploy/README.md.
set -eu

tag=${1:-edgedescent:latest}
base=${BASE:-localhost/debian-python:bookworm}
suite=${SUITE:-bookworm}
project=$(cd "$(dirname "$0")/.." && pwd)

for tool in buildah debootstrap; do
  command -v "$tool" >/dev/null || { echo "Error: $tool is missing. Hint: apt-get install $tool" >&2; exit 1; }
done

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT INT TERM
  # Packages come from debootstrap's default mirror; MIRROR names another.
  debootstrap --variant=minbase --include=python3,ca-certificates "$suite" "$work/root" ${MIRROR:+"$MIRROR"}

  # As in Debian's slim images, remove package lists, documentation (except licences) and translations, also for
  # packages that are installed later.
  cd "$work/root"
  rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/* usr/share/locale/* usr/share/man/* usr/share/info/*
  find usr/share/doc -type f ! -name copyright -delete
  find usr/share/doc -depth -type d -empty -delete
  printf 'path-exclude /usr/share/%s/*\n' doc info locale man > etc/dpkg/dpkg.cfg.d/slim
  echo 'path-include /usr/share/doc/*/copyright' >> etc/dpkg/dpkg.cfg.d/slim

  container=$(buildah from scratch)
  buildah add --quiet "$container" "$work/root" / >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python3 "$container"
  buildah commit --quiet --rm "$container" "$base"
fi

# Chroot isolation needs no engine, no systemd and no network of its own. The docker format keeps HEALTHCHECK.
# shellcheck disable=SC2086  # The options are several words on purpose.
buildah build --isolation chroot --format docker --build-arg BASE="$base" \
  --build-arg BUILD_PACKAGES="gcc libc6-dev python3-dev python3-venv" \
  ${BUILD_OPTIONS:-} --tag "$tag" "$project"
