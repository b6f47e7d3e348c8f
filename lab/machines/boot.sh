#!/bin/sh
# Boots one lab machine: runs as the first process of fresh mount, pid, uts, ipc and cgroup namespaces, and becomes its
# init. Whatever it mounts is seen by that machine alone and goes with its last process, however that ends.
#
#   boot.sh DIRECTORY BASE NAME
#
# DIRECTORY is the machine's own: disk/ (see disk.py), boot-id, root/ and packages/. BASE is the cached base system.
set -eu
directory=$1 base=$2 name=$3

mount --make-rprivate /

# So that those outside know this process: /proc is still theirs. No space can stand in the name of a shell.
read -r stat </proc/self/stat
set -- $stat
started=$(shift 21 && echo "$1")
echo "{\"pid\": $1, \"started\": $started}" >"$directory/init.process.new"
mv "$directory/init.process.new" "$directory/init.process"

root=$directory/disk/merged
if [ -d "$directory/disk/copy" ]; then
    mount --bind "$directory/disk/copy" "$root"
else
    mount -t overlay overlay "$root" \
        -o "lowerdir=$base,upperdir=$directory/disk/upper,workdir=$directory/disk/work"
fi

mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"

# The kernel is shared with the machine outside: its settings can be read here, and not be changed.
for path in sys sysrq-trigger; do
    [ -e "$root/proc/$path" ] || continue # not every kernel has the second
    mount --bind "$root/proc/$path" "$root/proc/$path"
    mount -o remount,bind,ro "$root/proc/$path"
done
mount --bind "$directory/boot-id" "$root/proc/sys/kernel/random/boot_id"

# Seen under the same path from inside and from outside.
mkdir -p "$root$directory/root" "$root/srv/packages"
mount --bind "$directory/root" "$root$directory/root"
mount --bind "$directory/packages" "$root/srv/packages"
mount -o remount,bind,ro "$root/srv/packages"

hostname "$name"
cd "$root"
pivot_root . mnt
umount -l /mnt
# Nor can it set the clock, load a module or reach into the hardware: those too belong to the machine outside.
exec setpriv --bounding-set -sys_time,-sys_module,-sys_rawio \
    env -i container=ronde-lab "RONDELAB_PROCESS=$RONDELAB_PROCESS" PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /sbin/init systemd.unit=multi-user.target </dev/null >/dev/null 2>&1
