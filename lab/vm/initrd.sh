#!/bin/sh
# Says what is in the initrd, before the kernel's package makes it: initrd.sh ROOT
# The disk is all that this machine needs before its root is mounted. Whatever else was there would be unpacked at each boot.
set -eu
root=$1
mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/initramfs-tools/hooks"
echo MODULES=list >"$root/etc/initramfs-tools/conf.d/lab"
cat >"$root/etc/initramfs-tools/hooks/lab" <<'HOOK'
#!/bin/sh
[ "${1:-}" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk
HOOK
chmod 755 "$root/etc/initramfs-tools/hooks/lab"
