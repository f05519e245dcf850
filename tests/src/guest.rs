// SPDX-License-Identifier: GPL-2.0-or-later
//! A running guest.

use crate::initramfs::{self, MissingFile};
use crate::kernel::{Series, root};
use crate::protocol::Frame;
use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a boot may take.
const BOOT_TIMEOUT: Duration = Duration::from_secs(120);
/// How long beyond a command's own time the guest may stay silent.
const GRACE: Duration = Duration::from_secs(60);

/// How a guest is booted.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// The kernel.
    pub series: Series,
    /// Virtual CPUs.
    pub cpus: u32,
    /// The guest's clock counts its instructions, one a nanosecond; one CPU only.
    pub count_instructions: bool,
    /// The virtual CPUs take turns. With a thread for each, QEMU may translate code just
    /// before another CPU changes it and never notice: where kernel text is patched all the
    /// time, a CPU then meets the same breakpoint for ever.
    pub take_turns: bool,
}

impl Machine {
    /// One CPU, ordinary clock.
    pub fn new(series: Series) -> Machine {
        Machine { series, cpus: 1, count_instructions: false, take_turns: false }
    }
}

/// Why a guest does not answer.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// Something that it boots from is not there.
    #[error(transparent)]
    Missing(#[from] MissingFile),
    /// The host refused something.
    #[error("cannot boot the guest: {0}")]
    Host(#[from] io::Error),
    /// No word from it in time.
    #[error("the guest did not answer in {0:?}; its console:\n{1}")]
    Silent(Duration, String),
    /// It ended by itself.
    #[error("the guest died; its console:\n{0}")]
    Died(String),
}

/// A signal for a running command.
#[derive(Clone, Debug)]
pub struct Interruption {
    /// Signal number.
    pub signal: i32,
    /// Sent when the command's output contains this.
    pub after: String,
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Exit status; 128 and the signal if one ended it.
    pub status: i32,
    /// Killed, its time being up.
    pub timed_out: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// An error that tells what is wrong, if anything is, with all that was printed.
    ///
    /// # Errors
    /// What is wrong.
    pub fn judged(&self, wrong: &[String]) -> Result<(), String> {
        if wrong.is_empty() {
            return Ok(());
        }
        let Outcome { stdout, stderr, .. } = self;
        Err(format!("{}\nstdout:\n{stdout}\nstderr:\n{stderr}", wrong.join("\n")))
    }
}

/// A running guest. Dropping it ends it.
#[derive(Debug)]
pub struct Guest {
    machine: Child,
    link: UnixStream,
    frames: Receiver<Frame>,
    console: PathBuf,
    console_seen: usize,
    folder: PathBuf,
    /// From QEMU's start to the agent's first word.
    pub boot_time: Duration,
}

/// A word for a guest's shell, whatever is in it.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

impl Guest {
    /// Boots a guest and waits until it takes commands.
    ///
    /// # Errors
    /// [`GuestError`].
    pub fn boot(machine: Machine) -> Result<Guest, GuestError> {
        let started = Instant::now();
        let series = machine.series.folder(root());
        let name = format!("run-{}-{}", std::process::id(), unique());
        let folder = series.join(name);
        fs::create_dir_all(&folder)?;
        let initrd = folder.join("initramfs.cpio");
        fs::write(&initrd, initramfs::build(machine.series)?)?;
        let (console, socket) = (folder.join("console.log"), folder.join("link"));
        let mut qemu = Command::new("qemu-system-x86_64");
        let accelerator = if machine.take_turns { "tcg,thread=single" } else { "tcg" };
        qemu.args([
            "-accel",
            accelerator,
            "-cpu",
            "max",
            "-m",
            "1G",
            "-display",
            "none",
            "-no-reboot",
        ])
        .args(["-nodefaults", "-smp", &machine.cpus.to_string()])
        .arg("-kernel")
        .arg(series.join("vmlinuz"))
        .arg("-initrd")
        .arg(&initrd)
        .args([
            "-append",
            "console=ttyS0 panic=-1 oops=panic quiet loglevel=7 kfence.sample_interval=0",
        ])
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .arg("-serial")
        .arg(format!("unix:{},server=on,wait=on", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
        if machine.count_instructions {
            qemu.args(["-icount", "shift=0,sleep=off"]);
        }
        let mut child = qemu.spawn()?;
        let link = match connect(&socket, &mut child, started) {
            Ok(link) => link,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let mut from_guest = link.try_clone()?;
        let (sender, frames) = channel();
        thread::spawn(move || {
            while let Ok(frame) = Frame::read(&mut from_guest) {
                if sender.send(frame).is_err() {
                    return;
                }
            }
        });
        let mut guest = Guest {
            machine: child,
            link,
            frames,
            console,
            console_seen: 0,
            folder,
            boot_time: Duration::ZERO,
        };
        match guest.next(BOOT_TIMEOUT)? {
            Frame::Ready => {}
            other => {
                return Err(GuestError::Host(io::Error::other(format!("{other:?} at boot"))));
            }
        }
        guest.boot_time = started.elapsed();
        Ok(guest)
    }

    fn next(&mut self, patience: Duration) -> Result<Frame, GuestError> {
        self.frames.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => GuestError::Silent(patience, self.console_tail()),
            RecvTimeoutError::Disconnected => GuestError::Died(self.console_tail()),
        })
    }

    fn console_tail(&self) -> String {
        let log = fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Writes a file in the guest.
    ///
    /// # Errors
    /// [`GuestError`].
    pub fn write_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), GuestError> {
        let frame = Frame::File { path: path.to_owned(), bytes: bytes.to_vec() };
        Ok(frame.write(&mut self.link)?)
    }

    /// Sends a signal to the running command's process group.
    ///
    /// # Errors
    /// [`GuestError`].
    pub fn signal(&mut self, number: i32) -> Result<(), GuestError> {
        Ok(Frame::Signal(number).write(&mut self.link)?)
    }

    /// Another handle to signal the running command from elsewhere.
    ///
    /// # Errors
    /// [`GuestError`].
    pub fn signaller(&self) -> Result<Signaller, GuestError> {
        Ok(Signaller(self.link.try_clone()?))
    }

    /// Runs a shell command to its end.
    ///
    /// # Errors
    /// [`GuestError`] if the guest died or hung; a failing command is an [`Outcome`].
    pub fn run(&mut self, command: &str, timeout: Duration) -> Result<Outcome, GuestError> {
        self.run_watched(command, timeout, None, &mut |_, _| {})
    }

    /// Runs a shell command, interrupts it once if its output says so, and hands its
    /// output over as it comes.
    ///
    /// # Errors
    /// As [`Guest::run`].
    pub fn run_watched(
        &mut self,
        command: &str,
        timeout: Duration,
        interruption: Option<&Interruption>,
        watch: &mut dyn FnMut(u8, &[u8]),
    ) -> Result<Outcome, GuestError> {
        let timeout_ms = timeout.as_millis() as u64;
        Frame::Run { command: command.to_owned(), timeout_ms }.write(&mut self.link)?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut pending = interruption;
        loop {
            match self.next(timeout.saturating_add(GRACE))? {
                Frame::Output { stream, bytes } => {
                    watch(stream, &bytes);
                    if stream == 1 {
                        out.extend(bytes)
                    } else {
                        err.extend(bytes)
                    }
                    let said = |text: &[u8], what: &str| {
                        text.windows(what.len()).any(|part| part == what.as_bytes())
                    };
                    if let Some(due) =
                        pending.take_if(|i| said(&out, &i.after) || said(&err, &i.after))
                    {
                        self.signal(due.signal)?;
                    }
                }
                Frame::Exit { status, timed_out } => {
                    return Ok(Outcome {
                        status,
                        timed_out,
                        stdout: String::from_utf8_lossy(&out).into_owned(),
                        stderr: String::from_utf8_lossy(&err).into_owned(),
                    });
                }
                _ => {}
            }
        }
    }

    /// Lines of the kernel's log since the last call that no healthy kernel prints.
    pub fn complaints(&mut self) -> Vec<String> {
        let log = fs::read(&self.console).unwrap_or_default();
        let fresh = log.get(self.console_seen..).unwrap_or_default();
        self.console_seen = log.len();
        const BAD: [&str; 9] = [
            "WARNING:",
            "BUG:",
            "Oops",
            "Call Trace",
            "general protection",
            "INFO: rcu",
            "soft lockup",
            "Unable to handle",
            "scheduling while atomic",
        ];
        String::from_utf8_lossy(fresh)
            .lines()
            .filter(|line| BAD.iter().any(|bad| line.contains(bad)))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = Frame::Halt.write(&mut self.link);
        let _ = self.machine.kill();
        let _ = self.machine.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Sends signals to a guest's running command.
#[derive(Debug)]
pub struct Signaller(UnixStream);

impl Signaller {
    /// Sends one.
    ///
    /// # Errors
    /// Those of the link.
    pub fn send(&mut self, number: i32) -> io::Result<()> {
        Frame::Signal(number).write(&mut self.0)
    }
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// QEMU makes its socket soon after it starts.
fn connect(
    socket: &std::path::Path,
    child: &mut Child,
    started: Instant,
) -> Result<UnixStream, GuestError> {
    loop {
        if let Ok(link) = UnixStream::connect(socket) {
            return Ok(link);
        }
        if child.try_wait()?.is_some() {
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                io::Read::read_to_string(&mut stderr, &mut said)?;
            }
            return Err(GuestError::Died(said));
        }
        if started.elapsed() > BOOT_TIMEOUT {
            return Err(GuestError::Silent(BOOT_TIMEOUT, String::new()));
        }
        thread::sleep(Duration::from_millis(10));
    }
}
