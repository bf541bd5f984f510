# What tools/fetch-pythons and tools/build-pythons share: an apt of their own on Debian sid, in .cache/pythons/apt, or on
# another suite of Debian. Nothing of the system is touched: configuration, lists and archives are the cache's. Read by
# "."; needs `here`.

cache=$here/.cache/pythons
apt=$cache/apt
# The archive that the system itself installs from.
mirror=${CAULK_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | head -n 1)}
suite=sid

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

private_apt() {
    command=$1
    shift
    "$command" -qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::parts=/dev/null \
        -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root -o APT::Install-Recommends=0 -o Acquire::Languages=none "$@"
}

# From here on packages are those of Debian's suite $1.
use_suite() {
    [ "$suite" != "$1" ] || return 0
    suite=$1
    prepared=
    apt=$cache/apt
    [ "$suite" = sid ] || apt=$cache/apt-$suite
}

# Fetches the lists of packages and of sources, once in a run.
prepare_apt() {
    [ -z "${prepared:-}" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "needs apt-get and dpkg-deb, as on Debian and Ubuntu"
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status" # as if nothing were installed: all libraries are fetched
    key=$(ls /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-trixie-automatic.gpg 2>/dev/null | head -n 1)
    [ -n "$key" ] || die "no keys of Debian's archive: install debian-archive-keyring"
    for kind in deb deb-src; do
        echo "$kind [signed-by=$key] $mirror $suite main"
    done >"$apt/sources.list"
    private_apt apt-get update || die "the package lists of $mirror $suite cannot be had"
    prepared=yes
}
