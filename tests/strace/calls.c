// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * System calls with arguments that are known, for strace and the tapset to show. Every call goes
 * to the kernel directly: what a C library makes of it does not matter. Results do not matter
 * either, but no call may end the program or wait for long.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static char buffer[4096];
static struct stat status;
static struct timespec times[2] = { { 1000, 5 }, { 2000, 6 } };
static struct timeval short_times[2] = { { 1000, 5 }, { 2000, 6 } };

static void files(void)
{
	long fd, other;
	struct iovec parts[2] = { { "one", 3 }, { "two", 3 } };
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS };
	off_t offset = 0;
	int ends[2];

	CALL(mkdir, "d", 0755);
	CALL(mkdirat, AT_FDCWD, "d/e", 0700);
	CALL(chdir, "d");
	CALL(getcwd, buffer, sizeof(buffer));
	fd = CALL(open, "f", O_RDWR | O_CREAT | O_TRUNC, 0644);
	CALL(write, fd, "hello\n", 6);
	CALL(write, fd, "a \"quoted\"\ttext\\\1", 17);
	CALL(pwrite64, fd, "x", 1, 100);
	CALL(lseek, fd, 0, SEEK_SET);
	CALL(lseek, fd, 5, SEEK_CUR);
	CALL(lseek, fd, -1, SEEK_END);
	CALL(read, fd, buffer, 6);
	CALL(pread64, fd, buffer, 3, 2);
	CALL(readv, fd, parts, 0);
	CALL(writev, fd, parts, 2);
	CALL(fsync, fd);
	CALL(fdatasync, fd);
	CALL(sync_file_range, fd, 0, 4096, 1);
	CALL(ftruncate, fd, 50);
	CALL(truncate, "f", 40);
	CALL(truncate, "none", 1);
	CALL(fallocate, fd, 0, 0, 8192);
	CALL(fadvise64, fd, 0, 100, POSIX_FADV_SEQUENTIAL);
	CALL(readahead, fd, 0, 10);
	CALL(fchmod, fd, 0600);
	CALL(chmod, "f", 0640);
	CALL(chmod, "none", 07777);
	CALL(fchmodat, AT_FDCWD, "f", 0644);
	CALL(chown, "f", 1, 2);
	CALL(lchown, "f", -1, 3);
	CALL(fchown, fd, 0, -1);
	CALL(fchownat, AT_FDCWD, "f", 5, 6, AT_SYMLINK_NOFOLLOW);
	CALL(stat, "f", &status);
	CALL(lstat, "none", &status);
	CALL(fstat, fd, &status);
	CALL(newfstatat, AT_FDCWD, "f", &status, AT_SYMLINK_NOFOLLOW);
	CALL(access, "f", R_OK | W_OK);
	CALL(access, "none", F_OK);
	CALL(faccessat, AT_FDCWD, "f", X_OK);
	CALL(faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS);
	CALL(link, "f", "g");
	CALL(linkat, AT_FDCWD, "f", AT_FDCWD, "h", 0);
	CALL(symlink, "f", "s");
	CALL(symlinkat, "f", AT_FDCWD, "t");
	CALL(readlink, "none", buffer, 100);
	CALL(readlinkat, AT_FDCWD, "none", buffer, 100);
	CALL(rename, "g", "i");
	CALL(renameat, AT_FDCWD, "h", AT_FDCWD, "j");
	CALL(renameat2, AT_FDCWD, "i", AT_FDCWD, "k", 1);
	CALL(utime, "none", 0);
	CALL(utimes, "f", short_times);
	CALL(futimesat, AT_FDCWD, "f", short_times);
	CALL(utimensat, AT_FDCWD, "f", times, 0);
	CALL(umask, 022);
	CALL(mknod, "p", S_IFIFO | 0600, 0);
	CALL(mknodat, AT_FDCWD, "q", S_IFREG | 0644, 0);
	other = CALL(openat, AT_FDCWD, "f", O_RDONLY | O_CLOEXEC);
	CALL(openat, AT_FDCWD, "none", O_WRONLY | O_APPEND | O_NONBLOCK);
	CALL(openat2, AT_FDCWD, "none", &how, sizeof(how));
	CALL(dup, other);
	CALL(dup2, other, 20);
	CALL(dup3, other, 21, O_CLOEXEC);
	CALL(fcntl, other, F_GETFD);
	CALL(fcntl, other, F_SETFD, FD_CLOEXEC);
	CALL(fcntl, other, F_GETFL);
	CALL(flock, other, LOCK_SH);
	CALL(flock, other, LOCK_UN);
	CALL(sendfile, fd, other, &offset, 4);
	CALL(sendfile, fd, other, 0, 4);
	CALL(copy_file_range, other, 0, fd, 0, 4, 0);
	CALL(close_range, 40, 50, 0);
	CALL(close, 20);
	CALL(close, 21);
	CALL(close, 99);
	CALL(pipe, ends);
	CALL(tee, 90, 91, 10, 1);
	CALL(splice, 90, 0, 91, 0, 10, 1);
	CALL(vmsplice, 90, parts, 1, 0);
	CALL(pipe2, ends, O_CLOEXEC | O_NONBLOCK);
	CALL(getdents64, 90, buffer, 100);
	CALL(ioctl, other, 0x5401, buffer);
	CALL(statfs, "none", buffer);
	CALL(fstatfs, 90, buffer);
	CALL(setxattr, "f", "user.a", "value", 5, 0);
	CALL(getxattr, "none", "user.a", buffer, 10);
	CALL(listxattr, "none", buffer, 10);
	CALL(removexattr, "none", "user.a");
	CALL(lsetxattr, "none", "user.b", "v", 1, 1);
	CALL(fsetxattr, 90, "user.b", "v", 1, 2);
	CALL(lgetxattr, "none", "user.a", buffer, 10);
	CALL(fgetxattr, 90, "user.a", buffer, 10);
	CALL(llistxattr, "none", buffer, 10);
	CALL(flistxattr, 90, buffer, 10);
	CALL(lremovexattr, "none", "user.a");
	CALL(fremovexattr, 90, "user.a");
	CALL(statx, AT_FDCWD, "none", 0, 0x7ff, buffer);
	CALL(name_to_handle_at, AT_FDCWD, "none", buffer, ends, 0);
	CALL(creat, "c", 0600);
	CALL(unlink, "c");
	CALL(unlink, "none");
	CALL(unlinkat, AT_FDCWD, "j", 0);
	CALL(unlinkat, AT_FDCWD, "e", AT_REMOVEDIR);
	CALL(fchdir, 90);
	CALL(chroot, "none");
	CALL(chdir, "..");
	CALL(rmdir, "d");
	CALL(rmdir, "none");
	CALL(sync);
	CALL(syncfs, 90);
	CALL(mount, "none", "none", "tmpfs", 1, 0);
	CALL(umount2, "none", 1);
	CALL(pivot_root, "none", "none");
	CALL(acct, "none");
	CALL(swapon, "none", 0);
	CALL(swapoff, "none");
	CALL(quotactl, 0, "none", 0, 0);
	CALL(inotify_init);
	CALL(inotify_init1, O_CLOEXEC);
	CALL(inotify_add_watch, 90, "none", 2);
	CALL(inotify_rm_watch, 90, 1);
	CALL(fanotify_init, 0x10000, 0);
	CALL(memfd_create, "memory", 1);
}

static void memory(void)
{
	long at = CALL(mmap, 0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char present[4];

	CALL(mprotect, at, 4096, PROT_READ);
	CALL(madvise, at, 4096, MADV_DONTNEED);
	CALL(madvise, at, 4096, MADV_WILLNEED);
	CALL(mincore, 1, 4096, present);
	CALL(msync, at, 4096, MS_SYNC);
	CALL(mlock, at, 4096);
	CALL(mlock2, at, 4096, 1);
	CALL(munlock, at, 4096);
	CALL(mlockall, 8);
	CALL(munlockall);
	CALL(mremap, at, 8192, 4096, 0);
	CALL(remap_file_pages, at, 4096, 0, 0, 0);
	CALL(munmap, at, 4096);
	CALL(munmap, 1, 4096);
	CALL(brk, 0);
	CALL(mmap, 0, 0, PROT_NONE, MAP_SHARED, 90, 0);
	CALL(pkey_mprotect, at, 4096, PROT_READ, -1);
	CALL(pkey_free, 99);
	CALL(membarrier, 0, 0, 0);
	CALL(userfaultfd, 0x7f000000);
	CALL(process_vm_readv, -1, 0, 0, 0, 0, 0);
	CALL(process_vm_writev, -1, 0, 0, 0, 0, 0);
	CALL(mbind, 1, 4096, 0, 0, 0, 0);
	CALL(get_mempolicy, 0, 0, 0, 0, 0);
	CALL(migrate_pages, -1, 0, 0, 0);
	CALL(move_pages, -1, 0, 0, 0, 0, 0);
}

static void processes(void)
{
	struct rlimit limit = { 64, 1024 };
	struct rusage usage;
	struct sched_param parameter = { 0 };
	unsigned long mask = 1;
	unsigned int cpu, groups[4];
	int result;
	long child;

	CALL(getpid);
	CALL(getppid);
	CALL(gettid);
	CALL(getuid);
	CALL(geteuid);
	CALL(getgid);
	CALL(getegid);
	CALL(getpgrp);
	CALL(getpgid, 0);
	CALL(getpgid, 99999);
	CALL(getsid, 0);
	CALL(setsid);
	CALL(setpgid, 0, 99999);
	CALL(setuid, 0);
	CALL(setgid, 0);
	CALL(setreuid, -1, 0);
	CALL(setregid, -1, 0);
	CALL(setresuid, -1, 0, -1);
	CALL(setresgid, -1, 0, -1);
	CALL(setfsuid, 0);
	CALL(setfsgid, 0);
	CALL(getgroups, 0, groups);
	CALL(setgroups, 0, 0);
	CALL(getpriority, PRIO_PROCESS, 0);
	CALL(setpriority, PRIO_PROCESS, 0, 1);
	CALL(setrlimit, RLIMIT_NOFILE, &limit);
	CALL(prlimit64, 0, RLIMIT_NOFILE, &limit, 0);
	CALL(getrlimit, 99, &limit);
	CALL(getrusage, 99, &usage);
	CALL(sched_yield);
	CALL(sched_getscheduler, 0);
	CALL(sched_setscheduler, 0, SCHED_OTHER, &parameter);
	CALL(sched_getparam, 99999, &parameter);
	CALL(sched_setparam, 0, &parameter);
	CALL(sched_get_priority_max, SCHED_FIFO);
	CALL(sched_get_priority_min, SCHED_RR);
	CALL(sched_rr_get_interval, 99999, times);
	CALL(sched_setaffinity, 0, sizeof(mask), &mask);
	CALL(sched_getaffinity, 99999, sizeof(mask), &mask);
	CALL(getcpu, 1, 0, 0);
	CALL(personality, 0xffffffff);
	CALL(prctl, 15, "strace-calls", 0, 0, 0);
	CALL(arch_prctl, 0x1003, 1);
	CALL(capget, 0, 0);
	CALL(unshare, 0);
	CALL(setns, 90, 0);
	CALL(ptrace, 99, 1, 0, 0);
	CALL(kcmp, 99999, 99999, 0, 0, 0);
	CALL(ioprio_get, 1, 0);
	CALL(ioprio_set, 1, 0, 16384);
	child = CALL(fork);
	if (!child)
		CALL(exit_group, 3);
	CALL(wait4, child, &result, 0, 0);
	CALL(wait4, -1, &result, WNOHANG, 0);
	CALL(waitid, P_PID, 99999, 0, WEXITED, 0);
	CALL(execve, "none", 0, 0);
	CALL(kill, 99999, SIGTERM);
	CALL(kill, 99999, 0);
	CALL(tkill, 99999, SIGUSR1);
	CALL(tgkill, 99999, 99999, SIGUSR2);
	CALL(pidfd_open, 99999, 0);
	CALL(pidfd_send_signal, 90, SIGTERM, 0, 0);
	CALL(seccomp, 99, 0, 0);
	CALL(getrandom, buffer, 0, 1);
	CALL(sethostname, "guest", -1);
	CALL(setdomainname, "none", -1);
	CALL(syslog, 99, 0, 0);
	CALL(add_key, "none", "name", "value", 5, -3);
	CALL(request_key, "none", "name", 0, -3);
	CALL(keyctl, 99, 0, 0, 0, 0);
	CALL(init_module, buffer, 0, "");
	CALL(delete_module, "none", O_NONBLOCK);
	CALL(finit_module, 90, "", 0);
	CALL(perf_event_open, 1, 0, 0, -1, 0);
	CALL(bpf, 99, 0, 0);
	CALL(set_tid_address, &cpu);
	CALL(get_robust_list, 99999, 0, 0);
	CALL(iopl, 0);
	CALL(ioperm, 0, 1, 0);
	CALL(modify_ldt, 99, 0, 0);
	CALL(reboot, 1, 2, 3, 0);
}

static void signals(void)
{
	sigset_t set;
	stack_t stack = { .ss_flags = SS_DISABLE };
	struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; }
		action = { SIG_IGN, SA_RESTART, 0, 0 };

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CALL(rt_sigprocmask, SIG_BLOCK, &set, 0, 8);
	CALL(rt_sigprocmask, SIG_UNBLOCK, &set, 0, 8);
	CALL(rt_sigprocmask, SIG_SETMASK, 0, 0, 8);
	CALL(rt_sigaction, SIGUSR2, &action, 0, 8);
	CALL(rt_sigaction, SIGKILL, &action, 0, 8);
	CALL(rt_sigpending, &set, 99);
	CALL(rt_sigsuspend, &set, 99);
	CALL(rt_sigtimedwait, &set, 0, times, 99);
	CALL(rt_sigqueueinfo, 99999, SIGUSR1, 0);
	CALL(rt_tgsigqueueinfo, 99999, 99999, SIGUSR1, 0);
	CALL(sigaltstack, &stack, 0);
	CALL(signalfd, -2, &set, 8);
	CALL(signalfd4, -2, &set, 8, O_CLOEXEC);
	CALL(restart_syscall);
	CALL(alarm, 0);
}

static void clocks(void)
{
	struct itimerval timer = { { 0, 0 }, { 0, 0 } };
	struct itimerspec spec = { { 0, 0 }, { 0, 0 } };
	struct timespec moment = { 0, 1000 };
	struct pollfd ready = { 0, POLLIN, 0 };
	struct timeval none = { 0, 0 };
	long identifier = 0;
	int word = 5;
	long fd;

	CALL(time, 0);
	CALL(times, 0);
	CALL(gettimeofday, 1, 0);
	CALL(settimeofday, 1, 0);
	CALL(clock_gettime, 99, &moment);
	CALL(clock_getres, 99, &moment);
	CALL(clock_settime, 99, &moment);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, 0);
	CALL(clock_adjtime, 99, 0);
	CALL(nanosleep, &moment, 0);
	CALL(getitimer, 99, &timer);
	CALL(setitimer, ITIMER_REAL, &timer, 0);
	CALL(timer_create, 99, 0, &identifier);
	CALL(timer_settime, 99, 0, &spec, 0);
	CALL(timer_gettime, 99, &spec);
	CALL(timer_getoverrun, 99);
	CALL(timer_delete, 99);
	fd = CALL(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK);
	CALL(timerfd_settime, fd, 0, &spec, 0);
	CALL(timerfd_gettime, 90, &spec);
	CALL(eventfd, 3);
	CALL(eventfd2, 3, O_CLOEXEC);
	CALL(poll, 0, 0, 0);
	CALL(poll, &ready, 0, 1);
	CALL(select, 0, 0, 0, 0, &none);
	fd = CALL(epoll_create, 5);
	CALL(epoll_create1, EPOLL_CLOEXEC);
	CALL(epoll_ctl, fd, EPOLL_CTL_DEL, 90, 0);
	CALL(epoll_wait, 90, buffer, 1, 0);
	CALL(epoll_pwait, 90, buffer, 1, 0, 0, 8);
	CALL(futex, &word, FUTEX_WAKE, 1, 0, 0, 0);
	CALL(futex, &word, FUTEX_WAIT, 4, 0, 0, 0);
	CALL(futex, &word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
	CALL(io_setup, 0, buffer);
	CALL(io_destroy, 0);
	CALL(io_submit, 0, 1, 0);
	CALL(io_cancel, 0, 0, 0);
}

static void sockets(void)
{
	struct sockaddr_in internet = { AF_INET, htons(5555), { htonl(0x7f000001) } };
	struct sockaddr_un local = { AF_UNIX, "socket" };
	int one = 1, pair[2];
	socklen_t length = 4;
	struct msghdr message = { 0 };
	long fd, other;

	fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
	CALL(setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	CALL(getsockopt, 90, SOL_SOCKET, SO_TYPE, &one, &length);
	CALL(bind, fd, &internet, sizeof(internet));
	CALL(listen, fd, 5);
	CALL(accept, 90, 0, 0);
	CALL(accept4, 90, 0, 0, SOCK_CLOEXEC);
	CALL(getsockname, 90, &internet, &length);
	CALL(getpeername, 90, &internet, &length);
	other = CALL(socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CALL(connect, other, &local, sizeof(local));
	CALL(sendto, other, "text", 4, MSG_DONTWAIT, 0, 0);
	CALL(recvfrom, other, buffer, 4, MSG_DONTWAIT, 0, 0);
	CALL(sendmsg, 90, &message, 0);
	CALL(recvmsg, 90, &message, MSG_DONTWAIT);
	CALL(sendmmsg, 90, 0, 0, 0);
	CALL(recvmmsg, 90, 0, 0, 0, 0);
	CALL(shutdown, fd, SHUT_RDWR);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
	CALL(socket, AF_INET6, SOCK_DGRAM, 17);
	CALL(socket, AF_NETLINK, SOCK_RAW, 0);
	CALL(socket, 99, SOCK_STREAM, 0);
}

static void messages(void)
{
	long queue, set, segment;

	queue = CALL(msgget, 0, 01600);
	CALL(msgsnd, queue, buffer, 0, 04000);
	CALL(msgrcv, 99999, buffer, 10, 0, 04000);
	CALL(msgctl, queue, 0, 0);
	set = CALL(semget, 0, 1, 01600);
	CALL(semop, 99999, 0, 0);
	CALL(semtimedop, 99999, 0, 0, 0);
	CALL(semctl, set, 0, 0, 0);
	segment = CALL(shmget, 0, 4096, 01600);
	CALL(shmat, 99999, 0, 0);
	CALL(shmdt, 1);
	CALL(shmctl, segment, 0, 0);
	CALL(mq_unlink, "none");
	CALL(mq_timedsend, 90, "text", 4, 1, 0);
	CALL(mq_timedreceive, 90, buffer, 4, 0, 0);
	CALL(mq_getsetattr, 90, 0, 0);
	CALL(mq_notify, 90, 0);
	CALL(uname, 1);
	CALL(sysinfo, 1);
	CALL(sysfs, 3);
	CALL(ustat, 99, buffer);
	CALL(lookup_dcookie, 0, buffer, 10);
}

int main(void)
{
	files();
	memory();
	processes();
	signals();
	clocks();
	sockets();
	messages();
	return 0;
}
