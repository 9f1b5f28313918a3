# Boots a Debian, $1, under a layer of changes in the folder $2, with systemd as
# its first process, in namespaces of its own and the cgroup $3. Nothing is written
# through to the disk (volatile), as nothing is to outlive it.
set -e
mkdir -p "$3"
echo $$ >"$3/cgroup.procs"
# shellcheck disable=SC2016 # the inner shell's variables
exec unshare --pid --mount --net --uts --ipc --cgroup --fork --kill-child sh -ec '
	mount --make-rprivate /
	cd "$2"
	mkdir -p upper work root
	mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work,volatile" overlay root
	cd root
	mount -t proc proc proc
	mount -t sysfs -o ro sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs -o mode=755 tmpfs run
	mount -t tmpfs -o mode=755 tmpfs dev
	for name in null zero full random urandom tty; do
		: >"dev/$name"
		mount --bind "/dev/$name" "dev/$name"
	done
	mkdir dev/pts dev/shm
	mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
	mount -t tmpfs -o mode=1777 tmpfs dev/shm
	ln -s pts/ptmx dev/ptmx
	ln -s /proc/self/fd dev/fd
	hostname mx
	echo mx >etc/hostname
	printf "127.0.0.1 localhost\n127.0.1.1 mx.example.test mx\n" >etc/hosts
	: >etc/machine-id
	mkdir -p .outside
	pivot_root . .outside
	umount -l /.outside
	rmdir /.outside
	exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		/lib/systemd/systemd </dev/null
' sh "$1" "$2" "$3"
