// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/stapvm: the file operations. Each open file is a session; the session ends
 * with the last reference to the file, mappings included, however its owner died.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/security.h>
#include <linux/uaccess.h>

#include "stapvm.h"

static int stapvm_open(struct inode *inode, struct file *file)
{
	struct stapvm_session *session;
	int error;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	error = security_locked_down(LOCKDOWN_KPROBES);
	if (error)
		return error;
	/* A handler can read all memory of the kernel. */
	error = security_locked_down(LOCKDOWN_BPF_READ_KERNEL);
	if (error)
		return error;
	session = stapvm_session_create();
	if (IS_ERR(session))
		return PTR_ERR(session);
	file->private_data = session;
	return nonseekable_open(inode, file);
}

static int stapvm_release(struct inode *inode, struct file *file)
{
	stapvm_session_destroy(file->private_data);
	return 0;
}

static long ioctl_load(struct stapvm_session *session, void __user *user)
{
	struct stapvm_load load;
	int error;

	if (copy_from_user(&load, user, sizeof(load)))
		return -EFAULT;
	if (mutex_lock_interruptible(&session->mutex))
		return -EINTR;
	error = stapvm_load(session, &load);
	mutex_unlock(&session->mutex);
	if (copy_to_user(user, &load, sizeof(load)))
		return -EFAULT;
	return error;
}

static long ioctl_start(struct stapvm_session *session, void __user *user)
{
	struct stapvm_start start = {};
	int error;

	if (mutex_lock_interruptible(&session->mutex))
		return -EINTR;
	error = stapvm_session_start(session, &start);
	mutex_unlock(&session->mutex);
	if (copy_to_user(user, &start, sizeof(start)))
		return -EFAULT;
	return error;
}

static long ioctl_stop(struct stapvm_session *session)
{
	int error;

	if (mutex_lock_interruptible(&session->mutex))
		return -EINTR;
	error = stapvm_session_stop(session);
	mutex_unlock(&session->mutex);
	return error;
}

static long ioctl_status(struct stapvm_session *session, void __user *user)
{
	struct stapvm_status status = {};

	mutex_lock(&session->mutex);
	stapvm_session_status(session, &status);
	mutex_unlock(&session->mutex);
	return copy_to_user(user, &status, sizeof(status)) ? -EFAULT : 0;
}

static long ioctl_table(struct stapvm_session *session, void __user *user)
{
	struct stapvm_table table;
	int error;

	if (copy_from_user(&table, user, sizeof(table)))
		return -EFAULT;
	mutex_lock(&session->mutex);
	error = stapvm_session_table(session, &table);
	mutex_unlock(&session->mutex);
	return error;
}

static long ioctl_input(struct stapvm_session *session, void __user *user)
{
	struct stapvm_input input;
	int error;

	if (copy_from_user(&input, user, sizeof(input)))
		return -EFAULT;
	if (mutex_lock_interruptible(&session->mutex))
		return -EINTR;
	error = stapvm_procfs_input(session, &input);
	mutex_unlock(&session->mutex);
	return error;
}

static long stapvm_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct stapvm_session *session = file->private_data;
	void __user *user = (void __user *)argument;

	switch (command) {
	case STAPVM_IOCTL_LOAD:
		return ioctl_load(session, user);
	case STAPVM_IOCTL_START:
		return ioctl_start(session, user);
	case STAPVM_IOCTL_STOP:
		return ioctl_stop(session);
	case STAPVM_IOCTL_STATUS:
		return ioctl_status(session, user);
	case STAPVM_IOCTL_TABLE:
		return ioctl_table(session, user);
	case STAPVM_IOCTL_INPUT:
		return ioctl_input(session, user);
	default:
		return -ENOTTY;
	}
}

/* No mutex in mmap and poll: LOAD faults user pages in with the mutex held. */
static int stapvm_mmap(struct file *file, struct vm_area_struct *vma)
{
	return stapvm_rings_map(file->private_data, vma);
}

/* EPOLLIN: there is a record. EPOLLPRI: a ring is a quarter full, better read it. */
static __poll_t stapvm_poll(struct file *file, poll_table *table)
{
	bool any = poll_requested_events(table) & (EPOLLIN | EPOLLRDNORM);
	struct stapvm_session *session = file->private_data;
	u32 plenty = session->ring_bytes / 4;
	int state;
	u64 fill;

	/* Of two readers the last one's wish counts; both look again after a while. */
	WRITE_ONCE(session->wake_above, any ? 0 : plenty);
	poll_wait(file, &session->readers, table);
	/* Pairs with the barrier before the writer's look at the wait queue. */
	smp_mb();
	state = atomic_read(&session->state);
	if (state == STAPVM_SESSION_EXITING || state == STAPVM_SESSION_FAILED)
		return EPOLLIN | EPOLLRDNORM | EPOLLPRI;
	fill = stapvm_rings_fill(session);
	if (fill > plenty)
		return EPOLLIN | EPOLLRDNORM | EPOLLPRI;
	return fill ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations stapvm_operations = {
	.owner = THIS_MODULE,
	.open = stapvm_open,
	.release = stapvm_release,
	.unlocked_ioctl = stapvm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = stapvm_mmap,
	.poll = stapvm_poll,
};

static struct miscdevice stapvm_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = STAPVM_DEVICE_NAME,
	.fops = &stapvm_operations,
	.mode = 0600,
};

static int __init stapvm_init(void)
{
	int error = stapvm_perf_setup();

	if (error)
		return error;
	error = misc_register(&stapvm_device);
	if (error)
		stapvm_perf_teardown();
	return error;
}
module_init(stapvm_init);

static void __exit stapvm_exit(void)
{
	misc_deregister(&stapvm_device);
	stapvm_perf_teardown();
}
module_exit(stapvm_exit);

MODULE_DESCRIPTION("Runs verified SystemTap bytecode");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
