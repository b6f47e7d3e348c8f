#!/bin/sh
# Makes a fresh Debian system the base of lab machines; mmdebstrap runs it at the end: customize.sh ROOT
set -eu
root=$1

put() { # put PATH MODE: a file with what comes on standard input
    mkdir -p "$root$(dirname "$1")"
    cat >"$root$1"
    chmod "$2" "$root$1"
}

# The person who is not root.
chroot "$root" useradd --create-home --shell /bin/bash ronde

# What makes a machine that very machine comes with its disk.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/machine-id"

# A client's server does not run in UTC: whoever reads zone-less times has to ask for UTC.
ln -sf /usr/share/zoneinfo/Europe/Paris "$root/etc/localtime"
echo Europe/Paris >"$root/etc/timezone"

# Nothing takes apt's locks by itself, and nothing waits for hardware or a screen.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-udevd.service systemd-udev-trigger.service systemd-journald-audit.socket getty.target; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# /tmp is new at each boot, and what is bound below it belongs to the lab: nothing there is to be tidied up.
ln -sf /dev/null "$root/etc/tmpfiles.d/tmp.conf"

# Packages come from the two local repositories of each machine, and from nowhere else (see packages.py).
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
put /etc/apt/sources.list 644 <<'SOURCES'
deb [trusted=yes] file:/srv/packages/main ./
deb [trusted=yes] file:/srv/packages/security ./
SOURCES
# Its disk is thrown away; what a power cut would lose of it is not worth thirty syncs a package.
echo force-unsafe-io | put /etc/dpkg/dpkg.cfg.d/lab 644

# A service worth restarting: it counts how often it was started.
put /usr/local/sbin/temoin 755 <<'PROGRAM'
#!/bin/sh
# Counts its starts in /var/lib/temoin/starts, then waits to be stopped.
set -eu
mkdir -p /var/lib/temoin
starts=$(cat /var/lib/temoin/starts 2>/dev/null || echo 0)
echo $((starts + 1)) >/var/lib/temoin/starts.new
mv /var/lib/temoin/starts.new /var/lib/temoin/starts
systemd-notify --ready
exec sleep infinity
PROGRAM
put /etc/systemd/system/temoin.service 644 <<'UNIT'
[Unit]
Description=A witness that counts its own starts

[Service]
Type=notify
NotifyAccess=all
ExecStart=/usr/local/sbin/temoin

[Install]
WantedBy=multi-user.target
UNIT
chroot "$root" systemctl enable --quiet temoin.service
