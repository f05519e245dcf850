// SPDX-License-Identifier: GPL-2.0-or-later
//! What the test of kernel types looks at: does a few system calls of which it knows
//! everything, and says what it knows, a line `name value` each.
//!
//!     types-load DISK

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::UdpSocket;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::process::ExitCode;

const FOLDER: &str = "/tmp/types-folder";
const FILE: &str = "/tmp/types-folder/types-file";
const BYTES: usize = 12_345;
const POSITION: u64 = 777;
const DATAGRAM: usize = 321;
/// Where on the disk it writes, and how much.
const DISK_POSITION: u64 = 3 * 4096;
const DISK_BYTES: usize = 4096;

fn main() -> ExitCode {
    match std::env::args().nth(1).ok_or("no disk given".into()).and_then(|disk| run(&disk)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("types-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(name: &str, value: impl std::fmt::Display) {
    println!("{name} {value}");
}

fn run(disk: &str) -> Result<(), Box<dyn Error>> {
    task()?;
    file()?;
    datagram()?;
    // O_SYNC: the write reaches the disk in this process.
    let mut disk = OpenOptions::new().write(true).custom_flags(0o4_010_000).open(disk)?;
    disk.seek(SeekFrom::Start(DISK_POSITION))?;
    disk.write_all(&[b'd'; DISK_BYTES])?;
    say("bio.sector", DISK_POSITION / 512);
    say("bio.size", DISK_BYTES);
    let device = disk.metadata()?.rdev();
    // The kernel's own dev_t: 12 bits of major number above 20 of minor.
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    say("bio.device", (major << 20) | minor);
    Ok(())
}

/// What /proc tells of this process.
fn task() -> Result<(), Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next().map(str::to_owned)).unwrap_or_default()
    };
    for (name, of) in [
        ("task.pid", "Pid"),
        ("task.tgid", "Tgid"),
        ("task.parent", "PPid"),
        ("task.comm", "Name"),
        ("task.uid", "Uid"),
        ("task.gid", "Gid"),
        ("task.threads", "Threads"),
    ] {
        say(name, field(of));
    }
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("stat without a name")?.1;
    // Fields 18 and 19 of proc(5), of which the third is the first here.
    let fields: Vec<i64> = after_name.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    let nice = *after_name.split_whitespace().collect::<Vec<_>>().get(16).ok_or("short stat")?;
    say("task.static_prio", 120 + nice.parse::<i64>()?);
    // The first word is a letter, so priority is at 18 - 4 of the numbers.
    say("task.prio", 100 + fields.get(14).ok_or("short stat")?);
    say("task.group", fields.get(1).ok_or("short stat")?);
    Ok(())
}

fn file() -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(FOLDER)?;
    fs::write(FILE, vec![b'x'; BYTES])?;
    fs::set_permissions(FILE, fs::Permissions::from_mode(0o640))?;
    std::os::unix::fs::chown(FILE, Some(123), Some(456))?;
    let _ = fs::remove_file("/tmp/types-folder/other");
    fs::hard_link(FILE, "/tmp/types-folder/other")?;
    let mut file = OpenOptions::new().read(true).append(true).open(FILE)?;
    file.seek(SeekFrom::Start(POSITION))?;
    let mut byte = [0; 1];
    file.read_exact(&mut byte)?;
    let about = file.metadata()?;
    say("inode.number", about.ino());
    say("inode.size", about.size());
    say("inode.mode", about.mode());
    say("inode.links", about.nlink());
    say("inode.uid", about.uid());
    say("inode.gid", about.gid());
    say("inode.device", about.dev());
    say("file.position", POSITION);
    // O_RDWR | O_APPEND | O_LARGEFILE, which the kernel sets for 64-bit processes.
    say("file.flags", 0o2 | 0o2000 | 0o100_000);
    say("dentry.name", "types-file");
    say("dentry.length", "types-file".len());
    say("dentry.parent", "types-folder");
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let of_tmp = mounts.lines().rfind(|line| line.split(' ').nth(1) == Some("/tmp"));
    say("inode.fs", of_tmp.and_then(|line| line.split(' ').nth(2)).unwrap_or("?"));
    drop(File::open("/proc/self/status")?);
    Ok(())
}

fn datagram() -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    socket.send_to(&[b'u'; DATAGRAM], address)?;
    say("sock.port", address.port());
    // AF_INET, SOCK_DGRAM, IPPROTO_UDP.
    say("sock.family", 2);
    say("sock.type", 2);
    say("sock.protocol", 17);
    say("sock.receive_buffer", fs::read_to_string("/proc/sys/net/core/rmem_default")?.trim());
    // With the headers of IP and UDP; loopback adds Ethernet's before it hands it over.
    say("skb.length", DATAGRAM + 8 + 20 + 14);
    say("skb.protocol", 0x0800);
    say("skb.device", "lo");
    Ok(())
}
