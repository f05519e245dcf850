// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's first process: mounts what a system has, then does what the host says
//! over the second serial port. Console noise goes to the first one.

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, killpg};
use nix::sys::termios;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tests::protocol::Frame;

const PORT: &str = "/dev/ttyS1";

fn main() {
    if let Err(error) = serve() {
        // The console is all there is to tell it to.
        let _ = std::fs::write("/dev/console", format!("guest-agent: {error}\n"));
    }
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

fn serve() -> io::Result<()> {
    for (kind, at) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tracefs", "/sys/kernel/tracing"),
        ("debugfs", "/sys/kernel/debug"),
        ("tmpfs", "/tmp"),
    ] {
        mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>)?;
    }
    // Kernel messages of all levels go to the console, which the host records.
    std::fs::write("/proc/sys/kernel/printk", "8")?;
    Command::new("/bin/busybox").args(["--install", "-s", "/bin"]).status()?;

    let port = open_raw(PORT)?;
    let link = Arc::new(Mutex::new(port.try_clone()?));
    let (to_runner, from_host) = channel();
    thread::spawn(move || read_frames(port, &to_runner));
    send(&link, &Frame::Ready)?;
    loop {
        match from_host.recv() {
            Ok(Frame::File { path, bytes }) => std::fs::write(path, bytes)?,
            Ok(Frame::Run { command, timeout_ms }) => {
                let exit = run(&command, Duration::from_millis(timeout_ms), &link, &from_host)?;
                reap();
                send(&link, &exit)?;
            }
            Ok(Frame::Halt) | Err(_) => return Ok(()),
            // A signal for a command that is gone.
            Ok(_) => {}
        }
    }
}

fn open_raw(path: &str) -> io::Result<File> {
    let port = OpenOptions::new().read(true).write(true).open(path)?;
    let mut settings = termios::tcgetattr(&port)?;
    termios::cfmakeraw(&mut settings);
    termios::tcsetattr(&port, termios::SetArg::TCSANOW, &settings)?;
    Ok(port)
}

fn read_frames(mut port: File, to: &Sender<Frame>) {
    while let Ok(frame) = Frame::read(&mut port) {
        if to.send(frame).is_err() {
            return;
        }
    }
}

fn send(link: &Mutex<File>, frame: &Frame) -> io::Result<()> {
    let mut port = link.lock().map_err(|_| io::Error::other("a writer died"))?;
    frame.write(&mut *port)
}

fn run(
    command: &str,
    timeout: Duration,
    link: &Arc<Mutex<File>>,
    from_host: &Receiver<Frame>,
) -> io::Result<Frame> {
    let started = Instant::now();
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/sbin")
        .env("HOME", "/root")
        .current_dir("/tmp")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let group = Pid::from_raw(child.id().cast_signed());
    let streams = [
        child.stdout.take().map(|pipe| forward(1, pipe, link)),
        child.stderr.take().map(|pipe| forward(2, pipe, link)),
    ];
    let mut timed_out = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > timeout && !timed_out {
            timed_out = true;
            // Where it hangs, if it does so in the kernel: on the console, for the host.
            let _ = std::fs::write("/proc/sysrq-trigger", "w");
            let _ = killpg(group, Signal::SIGKILL);
        }
        match from_host.recv_timeout(Duration::from_millis(5)) {
            Ok(Frame::Signal(number)) => {
                if let Ok(signal) = Signal::try_from(number) {
                    let _ = killpg(group, signal);
                }
            }
            Ok(Frame::Halt) | Err(RecvTimeoutError::Disconnected) => {
                let _ = killpg(group, Signal::SIGKILL);
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
        }
    };
    // What the command left behind must not hold the pipes open, nor run on.
    let _ = killpg(group, Signal::SIGKILL);
    for stream in streams.into_iter().flatten() {
        let _ = stream.join();
    }
    let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(Frame::Exit { status, timed_out })
}

/// Orphans become children of the first process.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}

fn forward(
    stream: u8,
    mut pipe: impl Read + Send + 'static,
    link: &Arc<Mutex<File>>,
) -> thread::JoinHandle<()> {
    let link = Arc::clone(link);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let bytes = buffer[..count].to_vec();
            if send(&link, &Frame::Output { stream, bytes }).is_err() {
                return;
            }
        }
    })
}
