#!/bin/sh
# Boots systemd on a copy of this machine's files, in namespaces of its own: nothing outside changes.
# usage: boot.sh FOLDER REPOSITORY SITE_PACKAGES PYTHON_PREFIX
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
cd "$1/root"
# The service sees no home folder, where this interpreter may be.
cp -r "$4" opt/lamplighter-python
cat > usr/local/bin/lamplighter-gateway <<END
#!/opt/lamplighter-python/bin/python3
import sys
sys.dont_write_bytecode = True
sys.path[:0] = ["$2", "$3"]
from gateway.main import main
main()
END
chmod 755 usr/local/bin/lamplighter-gateway
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount --rbind /dev dev
mount --rbind /sys sys
pivot_root . mnt
umount -l /mnt
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=basic.target
