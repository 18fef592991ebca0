#!/bin/sh
# Process 1 of one lab host. It is started in namespaces of its own (network, processes, mounts, name); here it gives
# the host disks of its own and then waits, collecting orphans, until the lab ends it. Servers are started afterwards.
#   host-init.sh NAME HOST_FOLDER PLUGIN_FOLDER DEPLOY_UID DEPLOY_GID SMALL_DISK_MIB
set -eu
name=$1 own=$2 plugins=$3 uid=$4 gid=$5 small=$6
hostname "$name"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock /run/lab /run/lab-plugins
mount --bind "$own" /run/lab
mount --bind "$plugins" /run/lab-plugins
mount --bind "$own/home" /home
# What the machine itself keeps here (another docker client, its own compose) is not on this host.
mount -t tmpfs -o mode=755 tmpfs /usr/local
mkdir -p /usr/local/bin /usr/local/lib/docker/cli-plugins
for folder in /usr/libexec/docker /usr/lib/docker; do
  if [ -d "$folder" ]; then mount -t tmpfs -o mode=755 tmpfs "$folder"; fi
done
if [ -e /usr/bin/docker-compose ]; then mount --bind /dev/null /usr/bin/docker-compose; fi
mount -t tmpfs -o mode=700 tmpfs /root
# An /etc of its own over the machine's. Every name but the lab's fails at once, not after a resolver's long silence.
rm -rf "$own/etc" "$own/etc.work"
mkdir "$own/etc" "$own/etc.work"
mount -t overlay -o "lowerdir=/etc,upperdir=$own/etc,workdir=$own/etc.work" overlay /etc
rm -rf /etc/docker /etc/resolv.conf /etc/machine-id
mkdir /etc/docker
cp "$own/hosts" "$own/resolv.conf" "$own/hostname" "$own/machine-id" /etc/
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir /opt/app /opt/monitoring
mount -t tmpfs -o "mode=755,size=${small}m,uid=$uid,gid=$gid" tmpfs /opt/app
chown "$uid:$gid" /opt/monitoring
mount -t tmpfs -o mode=1777,size=256m tmpfs /var/tmp
mount -t tmpfs -o mode=1777,size=256m tmpfs /tmp
if [ -d /dev/shm ]; then mount -t tmpfs -o mode=1777,size=64m tmpfs /dev/shm; fi
cd /
: >/run/lab/ready
while :; do
  sleep 86400 &
  wait $!
done
