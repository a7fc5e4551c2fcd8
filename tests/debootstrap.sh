# Functions of the scripts beside it that make root folders of Debian; sourced by them.

# The first archive of Debian that this machine installs from.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 -E '/debian/?$'
}

# make_debian_root FOLDER ARCH SUITE PACKAGES: FOLDER exists only once it is complete.
make_debian_root() {
  local archive script=""
  archive=$(mirror) || { echo "apt's sources name no archive of Debian." >&2; return 1; }
  # A release that this debootstrap is too old to know is made like the newest.
  test -e "/usr/share/debootstrap/scripts/$3" || script=sid
  rm -rf "$1.part"
  mkdir -p "$1.part"
  debootstrap --arch="$2" --variant=minbase --include="$4" "$3" "$1.part" "$archive" $script || return 1
  mv "$1.part" "$1"
}
