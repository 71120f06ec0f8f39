#!/bin/sh
# Turns a fresh Debian tree into the hosts' image. $1: the tree.
set -eu
root=$1
chroot "$root" useradd --create-home --shell /bin/bash --comment "EC2 Default User" ec2-user
install -m 0644 "$(dirname "$0")/cloud.cfg" "$root/etc/cloud/cloud.cfg.d/99-localcloud.cfg"
install -m 0755 "$(dirname "$0")/aws" "$root/usr/local/bin/aws"
# Nobody reads the AWS command line's examples here, nor completes its words.
rm -rf "$root/usr/lib/python3/dist-packages/awscli/examples" \
    "$root/usr/lib/python3/dist-packages/awscli/data/ac.index"
# Hosts talk to CloudWatch Logs by botocore, and to nothing else.
find "$root/usr/lib/python3/dist-packages/botocore/data" -mindepth 1 -maxdepth 1 -type d ! -name logs -exec rm -rf {} +
# Each instance makes its own identity.
rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"
# No resolver is reachable from a host; its own name comes from nss-myhostname.
: > "$root/etc/resolv.conf"
# No hardware, no clock of its own, no network to wait for, nothing to update.
for unit in apt-daily.timer apt-daily-upgrade.timer console-getty.service dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service motd-news.timer \
    systemd-networkd.service systemd-networkd-wait-online.service systemd-networkd.socket \
    systemd-timesyncd.service systemd-udevd.service cloud-init-hotplugd.socket; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
