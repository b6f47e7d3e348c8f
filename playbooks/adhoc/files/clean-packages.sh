# Frees what the package manager keeps for nobody. $1: "true" to remove what nothing needs any more as well.
set -eu
if command -v apt-get >/dev/null; then
    apt-get clean
    if [ "$1" = true ]; then DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 autoremove; fi
elif command -v dnf >/dev/null; then
    dnf -q clean packages
    if [ "$1" = true ]; then dnf -y -q autoremove; fi
elif command -v zypper >/dev/null; then
    zypper --non-interactive --quiet clean
elif command -v apk >/dev/null; then
    apk cache clean || true
else
    echo "no package manager that we know" >&2
    exit 69
fi
