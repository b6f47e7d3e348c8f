#!/bin/sh
# Makes the lab's Debian system one that boots a kernel of its own; mmdebstrap runs it after that of lab machines:
#   customize.sh ROOT
set -eu
root=$1

put() { # put PATH MODE: a file with what comes on standard input
    mkdir -p "$root$(dirname "$1")"
    cat >"$root$1"
    chmod "$2" "$root$1"
}

# Here there is hardware.
for unit in systemd-udevd.service systemd-udev-trigger.service; do
    rm -f "$root/etc/systemd/system/$unit"
done
# Power cuts are what it is for: its package manager takes the care that every server's takes.
rm -f "$root/etc/dpkg/dpkg.cfg.d/lab"

put /etc/fstab 644 <<'FSTAB'
/dev/vda / ext4 errors=remount-ro 0 1
FSTAB
# Nothing gives up on a machine that is merely slow.
put /etc/systemd/system.conf.d/lab.conf 644 <<'CONF'
[Manager]
DefaultTimeoutStartSec=15min
DefaultDeviceTimeoutSec=15min
CONF
echo virtio_net | put /etc/modules-load.d/lab.conf 644
# The address that QEMU's network expects. There is nobody else in it.
put /etc/systemd/system/lab-network.service 644 <<'UNIT'
[Unit]
Description=The way to this machine's sshd
DefaultDependencies=no
Requires=systemd-modules-load.service
After=systemd-modules-load.service
Before=network.target ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip link set lo up
ExecStart=/sbin/ip address add 10.0.2.15/24 dev eth0
ExecStart=/sbin/ip link set eth0 up
ExecStart=/sbin/ip route add default via 10.0.2.2

[Install]
WantedBy=multi-user.target
UNIT
# Not a first boot, which would switch units on again that are off; the real id comes with the kernel's command line.
echo 6c61620000004000a000000000000000 | put /etc/machine-id 444
# What makes a machine that very machine is on a second disk: an archive, written by the lab, that cannot be written to.
put /etc/systemd/system/lab-personal.service 644 <<'UNIT'
[Unit]
Description=What makes this machine this very one
DefaultDependencies=no
After=systemd-remount-fs.service
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/tar --extract --file=/dev/vdb --directory=/ --no-overwrite-dir

[Install]
WantedBy=sysinit.target
UNIT
chroot "$root" systemctl enable --quiet lab-network.service lab-personal.service

# An emulated processor takes a second or two for each thing that a boot does and nobody here needs.
for unit in systemd-logind.service systemd-update-utmp.service systemd-update-utmp-runlevel.service kmod-static-nodes.service \
    modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service \
    modprobe@fuse.service modprobe@loop.service dev-hugepages.mount dev-mqueue.mount sys-kernel-config.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
printf 'blacklist %s\n' ata_piix ata_generic button evdev efi_pstore qemu_fw_cfg serio_raw | put /etc/modprobe.d/lab.conf 644

# What boots it, outside of its disk as well.
mkdir "$root/lab-boot"
cp "$root"/boot/vmlinuz-* "$root/lab-boot/vmlinuz"
cp "$root"/boot/initrd.img-* "$root/lab-boot/initrd.img"
