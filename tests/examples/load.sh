# SPDX-License-Identifier: GPL-2.0-or-later
# What a guest does while an example runs: files, processes, signals, sockets, a disk, memory.
[ -e /dev/ram0 ] || insmod /brd.ko rd_nr=1 rd_size=16384
ip link set lo up
mkfs.ext2 /dev/ram0
(while :; do nc -l -p 5000 </dev/zero | head -c 100000; done) &
(while :; do nc -u -l -p 5001 -w 1 </dev/null; done) &
while :; do
	ls -l /proc
	cat /proc/version /etc/none
	dd if=/dev/zero of=file bs=4096 count=32 conv=fsync
	dd if=file of=copy bs=512 count=64
	dd if=/dev/zero of=/dev/ram0 bs=4096 count=64 conv=fsync
	dd if=/dev/ram0 of=/dev/null bs=4096 count=64
	mkdir folder; mv file folder/moved; ln folder/moved folder/other; rm -r folder; sync
	ping -c 1 127.0.0.1
	echo data | nc -w 1 127.0.0.1 5000 | head -c 50000
	echo data | nc -u -w 1 127.0.0.1 5001
	sleep 100 & kill $!
	sh -c 'kill -USR1 $$'
	touch -d 2020-01-01 copy; chmod 600 copy; chown 1:1 copy; rm copy
	find /sys/kernel -maxdepth 2
	echo text >/dev/console
	head -c 200000 /dev/zero | md5sum
	usleep 20000
done
