// SPDX-License-Identifier: GPL-2.0-or-later
//! One run: from LOAD to the last record.

use crate::accounting::Accounts;
use crate::attach::{AttachError, plan};
use crate::device::{Device, DeviceError, InputHandle, Program};
use crate::options::names::Rotation;
use crate::output::Printer;
use crate::relocate::{RelocateError, relocate};
use crate::resident::{self, Place, Resident, ResidentError};
use crate::ring::Merge;
use crate::sink::{self, Bulk, Naming, Output};
use crate::types::Kernel;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};
use vm_spec::blob::{AttachSpec, Blob};
use vm_spec::build::Global;
use vm_spec::device::*;
use vm_spec::image::Image;
use vm_spec::verify::{VerifyError, verify};

/// How a program is to be run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// `-c`: run this command; the session ends with it.
    pub command: Option<String>,
    /// `-x`: what target() answers.
    pub target: Option<i32>,
    /// `-o`: where output goes instead of standard output.
    pub output: Option<String>,
    /// `-s`, `-b`: megabytes of each CPU's ring.
    pub buffer_megabytes: Option<u32>,
    /// `-S`: when another file follows.
    pub rotation: Option<Rotation>,
    /// `-t`: measure handlers and report.
    pub timing: bool,
    /// `var=value` of staprun.
    pub overrides: Vec<(String, String)>,
    /// `-T` of stap: the session ends after this time, as if interrupted.
    pub timeout: Option<Duration>,
    /// `-T` of staprun: how often the rings are looked at when nothing wakes us.
    pub interval: Option<Duration>,
    /// Nobody watches the session: the files of bulk mode are called otherwise.
    pub background: bool,
    /// Who is told when the probes are armed.
    pub armed: Option<Sender<()>>,
}

impl RunOptions {
    /// Tells whoever waits for it that the probes are armed.
    pub(crate) fn tell_armed(&self) {
        if let Some(armed) = &self.armed {
            // Nobody need wait any more.
            let _ = armed.send(());
        }
    }
}

/// Why a run did not come about.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The image is not a program that may run.
    #[error("the program is refused: {0}")]
    Refused(#[from] VerifyError),
    /// A probe point has no place on this kernel.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The kernel does not have what a probe needs.
    #[error(transparent)]
    Relocate(#[from] RelocateError),
    /// The kernel refused a probe.
    #[error("probe {point} registration error: {error}")]
    Registration {
        /// The probe point.
        point: String,
        /// The kernel's word.
        error: nix::errno::Errno,
    },
    /// The module.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The session cannot be left.
    #[error(transparent)]
    Leave(#[from] ResidentError),
    /// Input or output.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The program's maps are too large for this process.
    #[error(transparent)]
    Load(#[from] vm_host::LoadError),
    /// `var=value` names no global, or of another type.
    #[error("no global variable of the program can take the value {0}")]
    Override(String),
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// As it should.
    Well,
    /// With errors or too many skipped hits.
    Failed,
}

static INTERRUPTED: AtomicU32 = AtomicU32::new(0);
/// SIGQUIT has come.
static LEAVE: AtomicBool = AtomicBool::new(false);

/// Interruptions after which nothing is waited for any more.
const IMPATIENT: u32 = 3;

/// Bytes of a session's name that the kernel takes.
const MAX_NAME: usize = 64;
/// Bytes of a ring unless the user says otherwise.
const RING_BYTES: u32 = 1 << 20;
/// How often the rings are looked at when nothing wakes us.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long output gathers before it is printed, unless a ring fills up.
const GATHER: Duration = Duration::from_millis(10);

/// Runs a program to its end. SIGQUIT leaves the session, unless it has been left before:
/// then this process is the one that stays, and there is a `resident`.
///
/// # Errors
/// [`RunError`] if it never came to run; a failed run is [`Ended::Failed`].
pub fn run(
    blob: &Blob,
    options: &RunOptions,
    resident: &mut Option<Resident>,
) -> Result<Ended, RunError> {
    let verified = verify(&blob.image)?;
    let image = verified.image();
    catch_signals()?;
    catch_leave()?;
    let mut device = Device::open()?;
    let relocated = relocate(blob, &Kernel::Running.types())?;
    for dropped in &relocated.dropped {
        let point = blob.points.get(dropped.point).map_or("?", |point| point.text.as_str());
        eprintln!("WARNING: probe {point} is left out: {}", dropped.reason);
    }
    let plan = plan(blob, image, &relocated)?;
    let mut names = plan.names;
    let overrides = overrides(image, &options.overrides, &mut names)?;
    let mut child = options.command.as_deref().map(StoppedChild::spawn).transpose()?;
    let target = child.as_ref().map_or(options.target, |child| Some(child.pid()));
    let ring_bytes = match options.buffer_megabytes {
        Some(megabytes) => megabytes.saturating_mul(1 << 20).clamp(MIN_RING_BYTES, MAX_RING_BYTES),
        None => RING_BYTES,
    };
    let session_offset = names.len() as u32;
    names.extend(blob.meta.name.bytes().take(MAX_NAME));
    device.load(&Program {
        session: (session_offset, names.len() as u32 - session_offset),
        limits: blob.meta.limits,
        timing: options.timing,
        image: &blob.image,
        attachments: &plan.records,
        names: &names,
        overrides: &overrides,
        relocations: &relocated.slots,
        target: target.unwrap_or(0),
        ring_bytes: ring_bytes.next_power_of_two().min(MAX_RING_BYTES),
    })?;
    let out = open_output(blob, options)?;
    let mut printer =
        Printer::new(image, &blob.source, out, io::stderr()).with_histograms(blob.meta.histograms);
    let mut merge = Merge::default();
    let before = Instant::now();
    let started = match device.start() {
        Ok(started) => started,
        Err(error) => {
            print_ready(&mut merge, &device, &mut printer)?;
            return Err(registration(error, blob, &plan.records));
        }
    };
    tell_timing(before.elapsed(), started.attached);
    options.tell_armed();
    if wants_input(blob) {
        forward_input(device.input()?);
    }
    if let Some(child) = &mut child {
        child.go();
    }
    let pace = Pace {
        end: options.timeout.map(|timeout| Instant::now() + timeout),
        interval: options.interval.unwrap_or(INTERVAL),
    };
    while until_end(&device, &mut merge, &mut printer, child.as_mut(), pace)? == Pause::Leave {
        if resident.is_none() {
            *resident = leave(&blob.meta.name, options)?;
            // Nobody watches the command any more.
            if resident.is_some()
                && let Some(child) = child.take()
            {
                child.forget();
            }
        }
    }
    let running = Running { blob, records: &plan.records, timing: options.timing };
    let ended = finish(&device, &mut merge, &mut printer, image, &running)?;
    Ok(with_child(ended, child.as_ref()))
}

/// Why a session is not looked after any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pause {
    /// It is to end.
    End,
    /// It is to go on without whoever started it.
    Leave,
}

/// Goes on in a process of its own; nothing, with a complaint, if the name is taken.
fn leave(name: &str, options: &RunOptions) -> Result<Option<Resident>, RunError> {
    let place = match Place::take(name) {
        Ok(place) => place,
        Err(error) => {
            eprintln!("ERROR: {error}");
            return Ok(None);
        }
    };
    let megabytes = options.buffer_megabytes.unwrap_or(resident::MEGABYTES);
    Ok(Some(Resident::take_over(place, megabytes)?))
}

/// How a run ended whose command may have failed.
pub(crate) fn with_child(ended: Ended, child: Option<&StoppedChild>) -> Ended {
    if child.is_some_and(|child| child.failed) { Ended::Failed } else { ended }
}

/// Where output goes.
pub(crate) fn open_output(blob: &Blob, options: &RunOptions) -> io::Result<Box<dyn Output>> {
    let output = options.output.as_deref().map(dated).transpose()?;
    let rotation = options.rotation;
    if !blob.meta.bulk {
        return sink::open(output.as_deref(), rotation);
    }
    let naming = Naming { output, rotation, background: options.background };
    Ok(Box::new(Bulk::create(naming, &sink::online()?)?))
}

/// A file name with its strftime(3) formats filled in.
fn dated(name: &str) -> io::Result<String> {
    let now = jiff::Zoned::now();
    jiff::fmt::strtime::format(name, &now)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {error}")))
}

fn registration(error: DeviceError, blob: &Blob, records: &[AttachRecord]) -> RunError {
    let DeviceError::Attach { index, error } = error else { return error.into() };
    let record = records.get(index as usize);
    let point = record.and_then(|r| blob.points.iter().find(|p| p.probe.0 == r.probe));
    RunError::Registration { point: point.map_or("?".into(), |p| p.text.clone()), error }
}

pub(crate) type Out<'a> = Printer<'a, Box<dyn Output>, io::Stderr>;

fn print_ready(merge: &mut Merge, device: &Device, printer: &mut Out<'_>) -> io::Result<usize> {
    let read = merge.ready(device.rings(), |cpu, record| printer.record(cpu, record))?;
    printer.flush()?;
    Ok(read)
}

/// How long a session is looked after, and how often.
#[derive(Clone, Copy)]
struct Pace {
    end: Option<Instant>,
    interval: Duration,
}

fn until_end(
    device: &Device,
    merge: &mut Merge,
    printer: &mut Out<'_>,
    mut child: Option<&mut StoppedChild>,
    pace: Pace,
) -> Result<Pause, RunError> {
    loop {
        let read = match print_ready(merge, device, printer) {
            Ok(read) => read,
            // Nobody reads any more: end as if interrupted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Pause::End),
            Err(error) => return Err(error.into()),
        };
        let state = device.status()?.state;
        if state != SESSION_RUNNING || interrupted() {
            return Ok(Pause::End);
        }
        if LEAVE.swap(false, Ordering::Relaxed) {
            return Ok(Pause::Leave);
        }
        if let Some(child) = child.as_deref_mut()
            && child.ended(printer)?
        {
            return Ok(Pause::End);
        }
        let left = pace.end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(Pause::End);
        }
        let interval =
            if child.is_some() { pace.interval.min(INTERVAL / 10) } else { pace.interval };
        let pause = |time: Duration| left.map_or(time, |left| left.min(time));
        // More comes soon after output: taken together it costs the probed machine less.
        if read > 0 {
            device.gather(pause(interval.min(GATHER)));
        } else {
            device.wait(pause(interval));
        }
    }
}

/// What runs, for the accounts at its end.
struct Running<'a> {
    blob: &'a Blob,
    records: &'a [AttachRecord],
    timing: bool,
}

fn finish(
    device: &Device,
    merge: &mut Merge,
    printer: &mut Out<'_>,
    image: &Image<'_>,
    run: &Running<'_>,
) -> Result<Ended, RunError> {
    let before = Instant::now();
    device.stop()?;
    if timing_is_wanted() {
        eprintln!("stap: disarming took {:.3} ms", milliseconds(before.elapsed()));
    }
    while print_ready(merge, device, printer)? > 0 {}
    for (cpu, record) in merge.rest() {
        printer.record(cpu, &record)?;
    }
    printer.flush()?;
    let accounts = Accounts::take(device, run.blob, image, run.records, printer.printed)?;
    let ended = closing_words(printer, image, &accounts, merge.damaged)?;
    if run.timing {
        printer.print(&accounts.report(device, run.blob, image, run.records)?)?;
    }
    Ok(ended)
}

/// Says what went wrong, and judges whether that was too much.
pub(crate) fn closing_words(
    printer: &mut Out<'_>,
    image: &Image<'_>,
    accounts: &Accounts,
    damaged: u64,
) -> io::Result<Ended> {
    for line in accounts.complaints() {
        printer.complain(&line)?;
    }
    let damaged = damaged + printer.damaged;
    if damaged > 0 {
        printer.complain(&format!("WARNING: {damaged} output records could not be read."))?;
    }
    Ok(if accounts.has_failed(image) { Ended::Failed } else { Ended::Well })
}

/// The file of /proc that stands for standard input.
const INPUT: &str = "__stdin";

fn wants_input(blob: &Blob) -> bool {
    let is_input =
        |attach: &AttachSpec| matches!(attach, AttachSpec::Procfs { path, .. } if path == INPUT);
    blob.points.iter().any(|point| is_input(&point.attach))
}

/// Gives what comes in to the program, until there is no more or the session is over. The
/// thread may wait for input for ever; it ends with the process.
fn forward_input(handle: InputHandle) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            match io::stdin().read(&mut bytes) {
                Ok(count @ 1..) if handle.send(&bytes[..count]).is_ok() => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    });
}

/// Has a signal asked to end the run?
pub(crate) fn interrupted() -> bool {
    interruptions() > 0
}

/// Signals so far that asked to end the run.
pub(crate) fn interruptions() -> u32 {
    INTERRUPTED.load(Ordering::Relaxed)
}

extern "C" fn on_signal(_signal: i32) {
    if INTERRUPTED.fetch_add(1, Ordering::Relaxed) + 1 >= IMPATIENT {
        // The kernel disarms everything when the process is gone.
        crate::device::exit_at_once();
    }
}

extern "C" fn on_leave(_signal: i32) {
    LEAVE.store(true, Ordering::Relaxed);
}

extern "C" fn on_switch(_signal: i32) {
    sink::ask_for_switch();
}

pub(crate) fn catch_signals() -> io::Result<()> {
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    let switch =
        SigAction::new(SigHandler::Handler(on_switch), SaFlags::SA_RESTART, SigSet::empty());
    crate::device::handle_signal(Signal::SIGUSR2, &switch)?;
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        crate::device::handle_signal(signal, &action)?;
    }
    Ok(())
}

/// Only what runs in the kernel can be left.
fn catch_leave() -> io::Result<()> {
    let action = SigAction::new(SigHandler::Handler(on_leave), SaFlags::empty(), SigSet::empty());
    crate::device::handle_signal(Signal::SIGQUIT, &action)
}

/// Is `STAP_TIMING` set?
fn timing_is_wanted() -> bool {
    std::env::var_os("STAP_TIMING").is_some()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// With `STAP_TIMING` set: how long it took from the start of the process, or from the
/// time since boot in nanoseconds that `STAP_EXEC_NS` gives, and what of it was arming.
fn tell_timing(arming: Duration, probes: u32) {
    if !timing_is_wanted() {
        return;
    }
    eprintln!("stap: probes armed: {probes}");
    eprintln!("stap: arming took {:.3} ms", milliseconds(arming));
    let Ok(now) = clock_gettime(ClockId::CLOCK_BOOTTIME) else { return };
    let now = Duration::from(now).as_nanos() as u64;
    let given = std::env::var("STAP_EXEC_NS").ok().and_then(|text| text.parse().ok());
    let Some(start) = given.or_else(process_start) else { return };
    let ms = now.saturating_sub(start) as f64 / 1e6;
    eprintln!("stap: armed after {ms:.3} ms");
}

/// When this process began, in nanoseconds since boot: field 22 of /proc/self/stat, in
/// ticks of 10 ms (proc(5)), so this is exact to 10 ms only.
fn process_start() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let ticks: u64 = after_name.split_whitespace().nth(19)?.parse().ok()?;
    ticks.checked_mul(10_000_000)
}

/// `status 1` or `signal 9 (SIGKILL)`.
fn cause(status: ExitStatus) -> String {
    match status.signal() {
        Some(number) => {
            let name = Signal::try_from(number).map_or("unknown", Signal::as_str);
            format!("signal {number} ({name})")
        }
        None => format!("status {}", status.code().unwrap_or(-1)),
    }
}

/// Does it take a shell to understand a command, or is it just words?
fn needs_shell(command: &str) -> bool {
    command.contains(|c: char| "|&;<>(){}$`\\\"'*?[]#~=%!\n".contains(c))
}

/// The command of `-c`, which waits until the probes are armed.
pub(crate) struct StoppedChild {
    child: Child,
    done: bool,
    failed: bool,
}

impl StoppedChild {
    /// A shell that stops itself before it becomes the command. One that needs a shell to
    /// understand it gets another, as in SystemTap.
    pub(crate) fn spawn(command: &str) -> io::Result<StoppedChild> {
        let then = if needs_shell(command) { "exec /bin/sh -c \"$0\"" } else { "exec $0" };
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("kill -STOP $$; {then}"), command])
            .stdin(Stdio::inherit())
            .process_group(0)
            .spawn()?;
        Ok(StoppedChild { child, done: false, failed: false })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Lets it become the command, once it has stopped itself. One signal does: more of
    /// them would be seen by scripts that watch the command.
    pub(crate) fn go(&self) {
        let pid = Pid::from_raw(self.pid());
        let change = WaitPidFlag::WSTOPPED | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        // If it has ended instead, `ended` will see it: nothing is taken from there.
        if let Ok(WaitStatus::Stopped(..)) = waitid(Id::Pid(pid), change) {
            let _ = kill(pid, Signal::SIGCONT);
        }
    }

    /// Leaves it alone: it is not a child of this process any more.
    fn forget(mut self) {
        self.done = true;
    }

    pub(crate) fn ended(&mut self, printer: &mut Out<'_>) -> io::Result<bool> {
        if self.done {
            return Ok(true);
        }
        let Some(status) = self.child.try_wait()? else { return Ok(false) };
        self.done = true;
        if !status.success() {
            self.failed = true;
            printer.complain(&format!("WARNING: Child process exited with {}", cause(status)))?;
        }
        Ok(true)
    }
}

impl Drop for StoppedChild {
    fn drop(&mut self) {
        if !self.done {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Override records of `name=value` pairs.
fn overrides(
    image: &Image<'_>,
    pairs: &[(String, String)],
    names: &mut Vec<u8>,
) -> Result<Vec<OverrideRecord>, RunError> {
    let mut records = Vec::new();
    for (name, value) in pairs {
        let is = |id: u32| image.string(vm_spec::ids::StrId(id)) == name.as_bytes();
        let scalar = image.scalars.iter().position(|scalar| is(scalar.name));
        let map = image.maps.iter().position(|map| is(map.name) && map.key_count == 0);
        let bad = || RunError::Override(format!("{name}={value}"));
        records.push(match (scalar, map) {
            (Some(n), _) => OverrideRecord {
                global: Global::Scalar(vm_spec::ids::ScalarId(n as u16)).to_raw(),
                value: value.parse().map_err(|_| bad())?,
                ..OverrideRecord::default()
            },
            (None, Some(n)) => {
                let text_offset = names.len() as u32;
                names.extend(value.bytes());
                OverrideRecord {
                    global: Global::Map(vm_spec::ids::MapId(n as u16)).to_raw(),
                    text_offset,
                    text_length: value.len() as u32,
                    ..OverrideRecord::default()
                }
            }
            (None, None) => return Err(bad()),
        });
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::dated;

    #[test]
    fn file_names_take_the_time() {
        assert_eq!(dated("a/b.txt").unwrap(), "a/b.txt");
        let name = dated("out-%Y-%m-%d_%H%M%S.100%%").unwrap();
        assert_eq!(name.len(), "out-2026-11-24_154900.100%".len());
        assert!(name.starts_with("out-2") && name.ends_with(".100%"));
        assert!(dated("%!").is_err());
    }
}
