// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files below /proc/systemtap/SESSION: reading one runs a probe that makes the text,
 * writing one runs a probe that gets it. The file named __stdin is not there for others:
 * the loader's INPUT writes to it.
 *
 * Removing a file waits for the handlers that somebody's read or write runs, and closes
 * what is still open, so nothing of a session is left behind it.
 */
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/namei.h>
#include <linux/overflow.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "stapvm.h"

#define ROOT_NAME	"systemtap"
#define INPUT_NAME	"__stdin"
#define MAX_PATH_BYTES	128
#define MAX_SIZE	(1U << 20)
/* A write in one piece. A longer one becomes several, each a hit. */
#define WRITE_BYTES	511

/* One file with the probes that serve it. */
struct proc_file {
	struct stapvm_session *session;
	char path[MAX_PATH_BYTES];
	umode_t mode;
	size_t room;
	struct stapvm_attachment *reader;
	struct stapvm_attachment *writer;
};

struct stapvm_procfs {
	struct list_head others;
	struct stapvm_session *session;
	struct proc_dir_entry *directory;
	u32 count;
	struct proc_file files[];
};

/* The directory of all sessions, there while any of them needs it. */
static DEFINE_MUTEX(tree_mutex);
static LIST_HEAD(tree);
static struct proc_dir_entry *root;

/* What one opened file has read: the probe runs once, when the first byte is asked for. */
struct reading {
	struct mutex mutex;
	bool ran;
	struct stapvm_value value;
	u8 bytes[];
};

static void hit(struct stapvm_attachment *attachment, struct stapvm_value *value)
{
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
		.value = value,
	};

	stapvm_hit(&hit);
}

static int procfs_open(struct inode *inode, struct file *file)
{
	struct proc_file *served = pde_data(inode);
	struct reading *reading;

	if (!(file->f_mode & FMODE_READ) || !served->reader)
		return 0;
	reading = stapvm_alloc(struct_size(reading, bytes, served->room));
	if (!reading)
		return -ENOMEM;
	mutex_init(&reading->mutex);
	reading->value.data = reading->bytes;
	reading->value.room = served->room;
	file->private_data = reading;
	return 0;
}

static int procfs_release(struct inode *inode, struct file *file)
{
	stapvm_free(file->private_data);
	return 0;
}

static ssize_t procfs_read(struct file *file, char __user *user, size_t count, loff_t *position)
{
	struct proc_file *served = pde_data(file_inode(file));
	struct reading *reading = file->private_data;
	ssize_t copied;

	if (!reading)
		return -EINVAL;
	if (mutex_lock_interruptible(&reading->mutex))
		return -EINTR;
	if (!reading->ran) {
		hit(served->reader, &reading->value);
		reading->ran = true;
	}
	copied = simple_read_from_buffer(user, count, position, reading->value.data,
					 reading->value.length);
	mutex_unlock(&reading->mutex);
	return copied;
}

static ssize_t procfs_write(struct file *file, const char __user *user, size_t count,
			    loff_t *position)
{
	struct proc_file *served = pde_data(file_inode(file));
	struct stapvm_value value = { .length = min_t(size_t, count, WRITE_BYTES) };

	if (!served->writer)
		return -EINVAL;
	value.data = memdup_user(user, value.length);
	if (IS_ERR(value.data))
		return PTR_ERR(value.data);
	hit(served->writer, &value);
	kfree(value.data);
	*position += value.length;
	return value.length;
}

static const struct proc_ops operations = {
	.proc_open = procfs_open,
	.proc_release = procfs_release,
	.proc_read = procfs_read,
	.proc_write = procfs_write,
	.proc_lseek = default_llseek,
};

static bool is_procfs(const struct stapvm_attachment *attachment)
{
	return attachment->kind == STAPVM_PROBE_PROCFS_READ ||
	       attachment->kind == STAPVM_PROBE_PROCFS_WRITE;
}

static bool is_input(const struct stapvm_attachment *attachment)
{
	return attachment->kind == STAPVM_PROBE_PROCFS_WRITE &&
	       attachment->name_length == strlen(INPUT_NAME) &&
	       !memcmp(attachment->name, INPUT_NAME, strlen(INPUT_NAME));
}

/* Names of files with single slashes between them, none of them "." or "..". */
bool stapvm_procfs_good(const struct stapvm_attachment *attachment)
{
	size_t i, start = 0;

	if (attachment->name_length >= MAX_PATH_BYTES || attachment->value & ~0777ULL ||
	    !attachment->extra || attachment->extra > MAX_SIZE)
		return false;
	for (i = 0; i <= attachment->name_length; i++) {
		if (i < attachment->name_length && attachment->name[i] != '/') {
			if (!attachment->name[i])
				return false;
			continue;
		}
		if (i == start || (attachment->name[start] == '.' && i - start <= 2))
			return false;
		start = i + 1;
	}
	return true;
}

/* The file of this path, a new one if there is none yet. */
static struct proc_file *file_of(struct stapvm_procfs *procfs,
				 const struct stapvm_attachment *attachment)
{
	struct proc_file *file;
	u32 i;

	for (i = 0; i < procfs->count; i++) {
		file = &procfs->files[i];
		if (strlen(file->path) == attachment->name_length &&
		    !memcmp(file->path, attachment->name, attachment->name_length))
			return file;
	}
	file = &procfs->files[procfs->count++];
	file->session = procfs->session;
	memcpy(file->path, attachment->name, attachment->name_length);
	return file;
}

static int serve(struct stapvm_procfs *procfs, struct stapvm_attachment *attachment)
{
	struct proc_file *file = file_of(procfs, attachment);
	struct stapvm_attachment **server = attachment->kind == STAPVM_PROBE_PROCFS_READ ?
						    &file->reader :
						    &file->writer;

	if (*server)
		return -EEXIST;
	*server = attachment;
	file->mode |= attachment->value;
	file->room = max_t(size_t, file->room, attachment->extra);
	return 0;
}

/* Was the directory that the first `length` bytes name made for an earlier file? */
static bool has_directory(const struct stapvm_procfs *procfs, u32 before, const char *path,
			  size_t length)
{
	u32 i;

	for (i = 0; i < before; i++) {
		const char *other = procfs->files[i].path;

		if (!strncmp(other, path, length) && other[length] == '/')
			return true;
	}
	return false;
}

/* Is a file's path that of another file's directory? The kernel would warn of it. */
static bool has_file_for_directory(const struct stapvm_procfs *procfs)
{
	u32 i, n;

	for (i = 0; i < procfs->count; i++) {
		size_t length = strlen(procfs->files[i].path);

		for (n = 0; n < procfs->count; n++) {
			const char *other = procfs->files[n].path;

			if (!strncmp(other, procfs->files[i].path, length) &&
			    other[length] == '/')
				return true;
		}
		cond_resched();
	}
	return false;
}

static int create_file(struct stapvm_procfs *procfs, u32 index)
{
	struct proc_file *file = &procfs->files[index];
	char directory[MAX_PATH_BYTES];
	char *slash;

	for (slash = strchr(file->path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t length = slash - file->path;

		if (has_directory(procfs, index, file->path, length))
			continue;
		memcpy(directory, file->path, length);
		directory[length] = 0;
		if (!proc_mkdir(directory, procfs->directory))
			return -ENOMEM;
	}
	if (!proc_create_data(file->path, file->mode, procfs->directory, &operations, file))
		return -ENOMEM;
	return 0;
}

/* The kernel warns of a name that is there already, so all names are looked for before. */
static int create_root(void)
{
	struct path path;

	if (root)
		return 0;
	if (!kern_path("/proc/" ROOT_NAME, 0, &path)) {
		path_put(&path);
		return -EBUSY;
	}
	root = proc_mkdir(ROOT_NAME, NULL);
	return root ? 0 : -ENOMEM;
}

static int create_directory(struct stapvm_procfs *procfs)
{
	struct stapvm_session *session = procfs->session;
	struct stapvm_procfs *other;
	char name[MAX_PATH_BYTES];

	if (!session->name_length || session->name_length >= sizeof(name) ||
	    memchr(session->name, '/', session->name_length) ||
	    memchr(session->name, 0, session->name_length) || session->name[0] == '.')
		return -EINVAL;
	list_for_each_entry(other, &tree, others) {
		if (other->session->name_length == session->name_length &&
		    !memcmp(other->session->name, session->name, session->name_length))
			return -EEXIST;
	}
	memcpy(name, session->name, session->name_length);
	name[session->name_length] = 0;
	procfs->directory = proc_mkdir(name, root);
	if (!procfs->directory)
		return -ENOMEM;
	list_add(&procfs->others, &tree);
	return 0;
}

static void remove_empty_root(void)
{
	if (!list_empty(&tree))
		return;
	proc_remove(root);
	root = NULL;
}

static int create_tree(struct stapvm_procfs *procfs)
{
	int error;
	u32 i;

	mutex_lock(&tree_mutex);
	error = create_root();
	if (!error) {
		error = create_directory(procfs);
		if (error)
			remove_empty_root();
	}
	mutex_unlock(&tree_mutex);
	for (i = 0; i < procfs->count && !error; i++)
		error = create_file(procfs, i);
	return error;
}

static u32 count_files(struct stapvm_session *session)
{
	u32 i, count = 0;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (is_procfs(attachment) && !is_input(attachment))
			count++;
	}
	return count;
}

/* On failure `failed` is an attachment that could not be served. */
int stapvm_procfs_attach_all(struct stapvm_session *session, u32 *failed)
{
	u32 i, count = count_files(session);
	struct stapvm_procfs *procfs;
	int error = 0;

	if (!count)
		return 0;
	*failed = 0;
	procfs = stapvm_alloc(struct_size(procfs, files, count));
	if (!procfs)
		return -ENOMEM;
	INIT_LIST_HEAD(&procfs->others);
	procfs->session = session;
	session->procfs = procfs;
	for (i = 0; i < session->attachment_count && !error; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (!is_procfs(attachment) || is_input(attachment))
			continue;
		*failed = i;
		error = serve(procfs, attachment);
	}
	if (!error && has_file_for_directory(procfs))
		error = -ENOTDIR;
	return error ?: create_tree(procfs);
}

void stapvm_procfs_detach_all(struct stapvm_session *session)
{
	struct stapvm_procfs *procfs = session->procfs;

	if (!procfs)
		return;
	proc_remove(procfs->directory);
	mutex_lock(&tree_mutex);
	if (procfs->directory) {
		list_del(&procfs->others);
		remove_empty_root();
	}
	mutex_unlock(&tree_mutex);
	stapvm_free(procfs);
	session->procfs = NULL;
}

static void input_byte(struct stapvm_session *session, u8 byte)
{
	struct stapvm_value value = { .data = &byte, .length = 1 };
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		if (is_input(&session->attachments[i]))
			hit(&session->attachments[i], &value);
	}
}

/* What the loader's user typed: a hit for each byte. */
int stapvm_procfs_input(struct stapvm_session *session, const struct stapvm_input *input)
{
	u8 *text;
	u32 i;

	if (input->reserved || input->length > MAX_SIZE)
		return -EINVAL;
	if (atomic_read(&session->state) != STAPVM_SESSION_RUNNING)
		return -EAGAIN;
	text = vmemdup_user(u64_to_user_ptr(input->address), input->length);
	if (IS_ERR(text))
		return PTR_ERR(text);
	for (i = 0; i < input->length; i++) {
		input_byte(session, text[i]);
		cond_resched();
	}
	kvfree(text);
	return 0;
}
